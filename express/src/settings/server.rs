//! The generated files, Apache's program, and whom it runs as.

use std::env;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::logs::named_program;
use super::text::{printable, usable};
use crate::cli::TreeArgs;
use crate::error::Error;

/// The server root and what runs it.
#[derive(Debug, Serialize)]
pub(crate) struct Tree {
    #[serde(skip)]
    pub(crate) user: Option<String>,
    #[serde(skip)]
    pub(crate) group: Option<String>,
    pub(crate) pid_file: String,
    /// A script of the user's that the control script reads.
    pub(crate) envvars_script: Option<String>,
    #[serde(skip)]
    pub(crate) shell: Option<PathBuf>,
    #[serde(skip)]
    pub(crate) httpd: Option<PathBuf>,
    #[serde(skip)]
    pub(crate) modules_directory: Option<PathBuf>,
    pub(crate) process_name: Option<String>,
    pub(crate) has_status: bool,
    pub(crate) setup_only: bool,
}

impl Tree {
    /// Resolves the options.
    ///
    /// # Errors
    /// A path or name cannot be used.
    pub(super) fn resolve(args: &TreeArgs, here: &Path, root: &str) -> Result<Self, Error> {
        Ok(Self {
            user: from_environment(["MOD_WSGI_USER", "WSGI_RUN_USER"], &args.user),
            group: from_environment(["MOD_WSGI_GROUP", "WSGI_RUN_GROUP"], &args.group),
            pid_file: match &args.pid_file {
                Some(path) => usable("--pid-file", &here.join(path))?,
                None => format!("{root}/httpd.pid"),
            },
            envvars_script: super::optional(
                "--envvars-script",
                args.envvars_script.as_deref(),
                here,
            )?,
            shell: args
                .shell_executable
                .as_deref()
                .map(|path| named_program(path, here)),
            httpd: args
                .httpd_executable
                .as_deref()
                .map(|path| named_program(path, here)),
            modules_directory: args
                .modules_directory
                .as_deref()
                .map(|path| here.join(path)),
            process_name: args
                .process_name
                .clone()
                .map(|name| printable("--process-name", name))
                .transpose()?,
            has_status: args.server_status,
            setup_only: args.setup_only,
        })
    }
}

/// mod_wsgi: the environment's user wins over the one of the command line.
fn from_environment(names: [&str; 2], asked: &Option<String>) -> Option<String> {
    names
        .iter()
        .find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()))
        .or_else(|| asked.clone())
}
