//! Brings settings and findings together into what the templates know.

use std::fs;
use std::path::Path;

use crate::apache::{Apache, mime_types};
use crate::capacity::Capacity;
use crate::cli::{ApplicationType, LogLevel};
use crate::error::Error;
use crate::locale;
use crate::module::ModuleFiles;
use crate::privileges::Identity;
use crate::python::Python;
use crate::render::{Alias, Context, RunAs};
use crate::settings::{Settings, UrlAlias, printable};

/// Logs that a child process passes on to the streams the launcher was started with.
const TO_STDERR: &str = "|$exec cat >&2";
const TO_STDOUT: &str = "|$exec cat";

/// What was found on this machine.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(crate) apache: Apache,
    pub(crate) mpm: String,
    pub(crate) module: ModuleFiles,
    pub(crate) python: Python,
    pub(crate) identity: Option<Identity>,
    /// `--document-root`, or the empty directory that stands in for it.
    pub(crate) document_root: String,
}

impl<'a> Context<'a> {
    /// Makes the templates' values.
    ///
    /// # Errors
    /// A path found cannot be written into a configuration, or a module is missing.
    pub(crate) fn new(settings: &'a Settings, findings: &Findings) -> Result<Self, Error> {
        let root = &settings.server_root;
        Ok(Self {
            version: env!("CARGO_PKG_VERSION"),
            server_root: root.clone(),
            server_name: server_name(settings),
            host: settings.host.clone().unwrap_or_default(),
            port: settings.port,
            listen: settings.listen(),
            run_as: findings.identity.as_ref().map(|identity| RunAs {
                user: identity.user.clone(),
                group: identity.group.clone(),
            }),
            modules: findings.apache.modules(&findings.mpm)?,
            module: text("mod_rsgi.so", &findings.module.module)?,
            modules_directory: text("--modules-directory", &findings.apache.modules_directory)?,
            mime_types: mime_types().to_owned(),
            capacity: Capacity::new(&settings.processes, &findings.mpm),
            process_group: settings.process_group(),
            application_group: &settings.application.group,
            has_import: !settings
                .application
                .group
                .replace("%{GLOBAL}", "")
                .contains("%{"),
            processes: &settings.processes,
            python_home: text("--python", &findings.python.home)?,
            python_path: python_path(settings),
            is_module: settings.application.kind == ApplicationType::Module,
            entry: settings.application.entry.clone(),
            callable: settings.application.callable.clone(),
            mount: settings.application.mount.clone(),
            working_directory: settings.working_directory.clone(),
            document_root: findings.document_root.clone(),
            aliases: settings.aliases.iter().map(alias).collect(),
            include_files: settings.include_files.clone(),
            reloads_script: settings.reloads_script,
            reload_on_changes: settings.reload_on_changes,
            python_eggs: format!("{root}/python-eggs"),
            error_log: error_log(settings),
            access_log: access_log(settings),
            log_level: log_level(settings.log_level),
            httpd: text("--httpd-executable", &findings.apache.program)?,
            locale: locale::of_environment(),
        })
    }
}

/// The name of the server where the address is one: all addresses have none, and httpd's ServerName takes no IPv6.
fn server_name(settings: &Settings) -> String {
    let name = settings.server_name();
    let is_name = name != "0.0.0.0" && !name.contains(':');
    if is_name { name } else { "localhost" }.to_owned()
}

/// Apache's name of a level.
pub(crate) fn log_level(level: LogLevel) -> String {
    format!("{level:?}").to_lowercase()
}

fn text(option: &str, path: &Path) -> Result<String, Error> {
    match path.to_str() {
        Some(text) => printable(option, text.to_owned()),
        None => Err(Error::Usage(format!(
            "`{option}`: `{}` is not valid UTF-8",
            path.display()
        ))),
    }
}

/// The directories to import from; a process group has its home in front of them by itself.
fn python_path(settings: &Settings) -> String {
    let mut path = vec![];
    if settings.processes.is_embedded {
        path.push(settings.working_directory.as_str());
    }
    for directory in &settings.python_path {
        if !path.contains(&directory.as_str()) {
            path.push(directory);
        }
    }
    path.join(":")
}

/// An alias for an existing file grants that file, any other the directory, which may come later.
fn alias(alias: &UrlAlias) -> Alias {
    let path = Path::new(&alias.path);
    let single = path
        .is_file()
        .then(|| path.file_name().zip(path.parent()))
        .flatten();
    let (directory, file) = match single {
        Some((name, parent)) => (parent, Some(name.to_string_lossy().into_owned())),
        None => (path, None),
    };
    Alias {
        url: alias.url.clone(),
        path: alias.path.clone(),
        directory: directory.to_string_lossy().into_owned(),
        file,
    }
}

/// Where errors are logged.
pub(crate) fn error_log(settings: &Settings) -> String {
    if settings.log_to_terminal {
        terminal("/dev/stderr", TO_STDERR)
    } else {
        format!("{}/error_log", settings.server_root)
    }
}

/// Where accesses are logged, if they are.
pub(crate) fn access_log(settings: &Settings) -> Option<String> {
    settings.access_log.then(|| {
        if settings.log_to_terminal {
            terminal("/dev/stdout", TO_STDOUT)
        } else {
            format!("{}/access_log", settings.server_root)
        }
    })
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
