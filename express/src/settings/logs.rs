//! Logs: which, where, in what form.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::text::{printable, usable};
use crate::cli::{LogArgs, LogLevel};
use crate::error::Error;

/// Logs that a child process passes on to the streams the launcher was started with.
const TO_STDERR: &str = "|$exec cat >&2";
const TO_STDOUT: &str = "|$exec cat";

/// The logs.
#[derive(Debug, Serialize)]
pub(crate) struct Logs {
    #[serde(skip)]
    pub(crate) level_number: LogLevel,
    /// Apache's name of the level.
    pub(crate) level: String,
    pub(crate) error: Log,
    pub(crate) access: Option<Log>,
    /// A nickname of Apache's usual formats.
    pub(crate) access_nickname: Option<String>,
    pub(crate) access_format: String,
    pub(crate) error_format: Option<String>,
    /// The file for what goes wrong before the error log is open.
    pub(crate) startup: Option<String>,
    pub(crate) rotation: Option<Rotation>,
}

/// One log.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Log {
    /// Its file, or for the terminal a device or a pipe.
    pub(crate) place: String,
    /// Whether that is the terminal.
    pub(crate) is_terminal: bool,
}

/// Large logs begin again.
#[derive(Debug, Serialize)]
pub(crate) struct Rotation {
    /// The program asked for.
    #[serde(skip)]
    pub(crate) program: Option<PathBuf>,
    pub(crate) megabytes: u32,
}

impl Logs {
    /// Resolves the options.
    ///
    /// # Errors
    /// A name or format cannot be used.
    pub(super) fn resolve(args: &LogArgs, here: &Path, root: &str) -> Result<Self, Error> {
        let directory = directory(args, here, root)?;
        let to_terminal = args.log_to_terminal && args.log_directory.is_none();
        let log = |option, name: &str, device, pipe| -> Result<Log, Error> {
            let file = format!("{directory}/{}", file_name(option, name)?);
            Ok(Log {
                place: if to_terminal {
                    terminal(device, pipe)
                } else {
                    file
                },
                is_terminal: to_terminal,
            })
        };
        let error = log(
            "--error-log-name",
            &args.error_log_name,
            "/dev/stderr",
            TO_STDERR,
        )?;
        let access = log(
            "--access-log-name",
            &args.access_log_name,
            "/dev/stdout",
            TO_STDOUT,
        )?;
        let startup = file_name("--startup-log-name", &args.startup_log_name)?;
        let (access_nickname, access_format) = match args.access_log_format.as_str() {
            "common" => (Some("common"), r#"%h %l %u %t "%r" %>s %b"#),
            "combined" => (
                Some("combined"),
                r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-agent}i""#,
            ),
            format => (None, format),
        };
        Ok(Self {
            level_number: args.log_level,
            level: format!("{:?}", args.log_level).to_lowercase(),
            error,
            access: args.access_log.then_some(access),
            access_nickname: access_nickname.map(str::to_owned),
            access_format: printable("--access-log-format", access_format.to_owned())?,
            error_format: args
                .error_log_format
                .clone()
                .map(|format| printable("--error-log-format", format))
                .transpose()?,
            startup: args.startup_log.then(|| format!("{directory}/{startup}")),
            rotation: (args.rotate_logs && !to_terminal).then(|| Rotation {
                program: args
                    .rotatelogs_executable
                    .as_deref()
                    .map(|path| named_program(path, here)),
                megabytes: args.max_log_size,
            }),
        })
    }
}

/// The directory of log files.
pub(super) fn directory(args: &LogArgs, here: &Path, root: &str) -> Result<String, Error> {
    match &args.log_directory {
        Some(path) => usable("--log-directory", &here.join(path)),
        None => Ok(root.to_owned()),
    }
}

/// A program by its path, or by its name to be found on PATH.
pub(super) fn named_program(path: &Path, here: &Path) -> PathBuf {
    if path.components().count() == 1 {
        path.to_path_buf()
    } else {
        here.join(path)
    }
}

/// The name of a file, without a directory.
pub(super) fn file_name(option: &str, name: &str) -> Result<String, Error> {
    if name.is_empty() || name.contains('/') || matches!(name, "." | "..") {
        return Err(Error::Usage(format!(
            "`{option}`: `{name}` is not the name of a file\nits directory is `--log-directory`"
        )));
    }
    printable(option, name.to_owned())
}

/// The stream's file, or a pipe to it where that does not do: a socket cannot be opened, nor can a terminal after
/// `su`, and what is appended to a regular file is overwritten by whoever else writes to it.
fn terminal(device: &str, pipe: &str) -> String {
    let can_append = fs::OpenOptions::new().append(true).open(device).is_ok();
    let is_regular = fs::metadata(device).is_ok_and(|metadata| metadata.is_file());
    if can_append && !is_regular {
        device
    } else {
        pipe
    }
    .to_owned()
}
