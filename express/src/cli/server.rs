//! Options of the generated files, of Apache's program and of whom it runs as.

use std::path::PathBuf;

use clap::Args;

/// The server root and what runs it.
#[derive(Args, Debug)]
#[command(next_help_heading = "Server")]
pub(crate) struct TreeArgs {
    /// The directory for everything that is generated [default: rsgi-HOST:PORT:UID in TMPDIR or /tmp]
    #[arg(long, value_name = "DIR")]
    pub(crate) server_root: Option<PathBuf>,

    /// The user to serve as when started as root [default: the distribution's web user]
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,

    /// The group to serve as when started as root [default: the user's own]
    #[arg(long, value_name = "NAME")]
    pub(crate) group: Option<String>,

    /// The file with Apache's process id [default: httpd.pid in the server root]
    #[arg(long, value_name = "FILE")]
    pub(crate) pid_file: Option<PathBuf>,

    /// A shell script that sets variables before Apache starts [default: envvars in the server root]
    #[arg(long, value_name = "FILE")]
    pub(crate) envvars_script: Option<PathBuf>,

    /// The shell for apachectl [default: /bin/sh]
    #[arg(long, value_name = "NAME|PATH")]
    pub(crate) shell_executable: Option<PathBuf>,

    /// Apache's program [default: the one installed; HTTPD in the environment wins]
    #[arg(long, value_name = "NAME|PATH")]
    pub(crate) httpd_executable: Option<PathBuf>,

    /// The directory of Apache's modules [default: the one of the Apache found]
    #[arg(long, value_name = "DIR")]
    pub(crate) modules_directory: Option<PathBuf>,

    /// The name of Apache's process, as ps shows it [default: its program's]
    #[arg(long, value_name = "NAME")]
    pub(crate) process_name: Option<String>,

    /// Show this machine Apache's state at /server-status
    #[arg(long)]
    pub(crate) server_status: bool,

    /// Nothing any more: for command lines of mod_wsgi
    #[arg(long, hide = true)]
    pub(crate) verbose_debugging: bool,

    /// Write everything, start nothing
    #[arg(long)]
    pub(crate) setup_only: bool,
}
