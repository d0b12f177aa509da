//! The command line as it is typed: clap's view of it and nothing more.
//!
//! What an argument means, its default and whether it fits the others is decided in [`crate::settings`].
//! Names and defaults are mod_wsgi-express's, so that a command line for the one works with the other.

mod check;
mod life;
pub(crate) mod paper;
mod processes;
mod sources;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use check::CheckArgs;
pub(crate) use life::LifeArgs;
pub(crate) use paper::{CompletionsArgs, ManArgs};
pub(crate) use processes::ProcessArgs;
pub(crate) use sources::{LogFormat, SourceArgs};

/// Serves a Python WSGI application through Apache httpd.
#[derive(Debug, Parser)]
#[command(
    name = "rsgi-express",
    version,
    infer_long_args = true,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    after_help = paper::EXAMPLES
)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Writes a throwaway Apache configuration and serves the application with it
    StartServer(Box<ServerArgs>),
    /// Writes the configuration and its control script, and starts nothing
    SetupServer(Box<ServerArgs>),
    /// Says what would fail, and how to mend it, and starts nothing
    Check(Box<CheckArgs>),
    /// Prints a hardened systemd unit that serves with the same options
    SystemdUnit(Box<ServerArgs>),
    /// Prints the lines that load the module into an existing Apache
    ModuleConfig(ModuleArgs),
    /// Prints where the module is
    ModuleLocation,
    /// Copies the module and its Python layer into Apache's modules directory
    InstallModule(InstallArgs),
    /// Prints completions for a shell
    Completions(CompletionsArgs),
    /// Prints the man page, or that of a command
    Man(ManArgs),
}

impl Command {
    /// Where its options come from and how it speaks, where it has options of a server.
    pub(crate) fn sources(&self) -> Option<&SourceArgs> {
        match self {
            Self::StartServer(args) | Self::SetupServer(args) | Self::SystemdUnit(args) => {
                Some(&args.sources)
            }
            Self::Check(args) => Some(&args.server.sources),
            _ => None,
        }
    }
}

/// What the application argument names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ApplicationType {
    /// A path to a file
    Script,
    /// A dotted module name
    Module,
}

/// The names that Apache's LogLevel knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum LogLevel {
    Emerg,
    Alert,
    Crit,
    Error,
    Warn,
    Notice,
    Info,
    Debug,
    Trace1,
    Trace2,
    Trace3,
    Trace4,
    Trace5,
    Trace6,
    Trace7,
    Trace8,
}

/// Arguments of `start-server` and `setup-server`.
#[derive(Args, Debug)]
#[command(args_override_self = true, after_help = paper::SERVER_EXAMPLES)]
pub(crate) struct ServerArgs {
    /// The WSGI script file, or the module with `--application-type module`
    #[arg(value_name = "SCRIPT|MODULE")]
    pub(crate) script: Option<String>,

    /// The same as the positional argument, and wins over it
    #[arg(long, value_name = "PATH|MODULE", help_heading = "Application")]
    pub(crate) entry_point: Option<String>,

    /// What the application argument names
    #[arg(
        long,
        value_enum,
        value_name = "TYPE",
        default_value = "script",
        help_heading = "Application"
    )]
    pub(crate) application_type: ApplicationType,

    /// The name of the application in the script or module
    #[arg(
        long,
        value_name = "NAME",
        default_value = "application",
        help_heading = "Application"
    )]
    pub(crate) callable_object: String,

    /// The interpreter to run the application in, by the name of its application group
    #[arg(
        long,
        value_name = "NAME",
        default_value = "%{GLOBAL}",
        help_heading = "Application"
    )]
    pub(crate) application_group: String,

    /// The URL below which the application is mounted
    #[arg(
        long,
        value_name = "URL",
        default_value = "/",
        help_heading = "Application"
    )]
    pub(crate) mount_point: String,

    /// The application's current directory and first place to import from [default: the current one]
    #[arg(long, value_name = "DIR", help_heading = "Application")]
    pub(crate) working_directory: Option<PathBuf>,

    /// A further directory to import from; may be repeated
    #[arg(long, value_name = "DIR", help_heading = "Application")]
    pub(crate) python_path: Vec<PathBuf>,

    /// The Python to run: a virtual environment, a prefix or an interpreter
    /// [default: the active virtual environment, else python3]
    #[arg(long, value_name = "PATH", help_heading = "Application")]
    pub(crate) python: Option<PathBuf>,

    /// Do not look whether the script has changed since it was loaded
    #[arg(long, help_heading = "Application")]
    pub(crate) disable_reloading: bool,

    /// Restart when a Python file of the application changes
    #[arg(long, help_heading = "Application")]
    pub(crate) reload_on_changes: bool,

    /// The address to listen on [default: all]
    #[arg(long, value_name = "IP", help_heading = "Server")]
    pub(crate) host: Option<String>,

    /// The port to listen on
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 8000,
        value_parser = clap::value_parser!(u16).range(1..),
        help_heading = "Server"
    )]
    pub(crate) port: u16,

    /// The directory for everything that is generated [default: rsgi-HOST:PORT:UID in TMPDIR or /tmp]
    #[arg(long, value_name = "DIR", help_heading = "Server")]
    pub(crate) server_root: Option<PathBuf>,

    /// The user to serve as when started as root [default: the distribution's web user]
    #[arg(long, value_name = "NAME", help_heading = "Server")]
    pub(crate) user: Option<String>,

    /// The group to serve as when started as root [default: the user's own]
    #[arg(long, value_name = "NAME", help_heading = "Server")]
    pub(crate) group: Option<String>,

    /// Apache's program [default: the one installed; HTTPD in the environment wins]
    #[arg(long, value_name = "PATH", help_heading = "Server")]
    pub(crate) httpd_executable: Option<PathBuf>,

    /// The directory of Apache's modules [default: the one of the Apache found]
    #[arg(long, value_name = "DIR", help_heading = "Server")]
    pub(crate) modules_directory: Option<PathBuf>,

    /// Write everything, start nothing
    #[arg(long, help_heading = "Server")]
    pub(crate) setup_only: bool,

    /// The directory of static files: one that exists is served before the application is asked
    #[arg(long, value_name = "DIR", help_heading = "Files")]
    pub(crate) document_root: Option<PathBuf>,

    /// Serve a file or directory at a URL; may be repeated
    #[arg(long, value_names = ["URL", "PATH"], num_args = 2, help_heading = "Files")]
    pub(crate) url_alias: Vec<String>,

    /// A file of Apache directives to include last; may be repeated
    #[arg(long, value_name = "FILE", help_heading = "Files")]
    pub(crate) include_file: Vec<PathBuf>,

    /// Send the logs to the terminal
    #[arg(long, help_heading = "Logs")]
    pub(crate) log_to_terminal: bool,

    /// How much Apache logs
    #[arg(
        long,
        value_enum,
        value_name = "NAME",
        default_value = "warn",
        ignore_case = true,
        help_heading = "Logs"
    )]
    pub(crate) log_level: LogLevel,

    /// Write an access log
    #[arg(long, help_heading = "Logs")]
    pub(crate) access_log: bool,

    #[command(flatten)]
    pub(crate) processes: ProcessArgs,

    #[command(flatten)]
    pub(crate) life: LifeArgs,

    #[command(flatten)]
    pub(crate) sources: SourceArgs,
}

/// Arguments of `module-config`.
#[derive(Args, Debug)]
pub(crate) struct ModuleArgs {
    /// The Python to name in WSGIPythonHome [default: the active virtual environment, else python3]
    #[arg(long, value_name = "PATH")]
    pub(crate) python: Option<PathBuf>,
}

/// Arguments of `install-module`.
#[derive(Args, Debug)]
pub(crate) struct InstallArgs {
    /// Where to copy to [default: the modules directory of the Apache found]
    #[arg(long, value_name = "DIR")]
    pub(crate) modules_directory: Option<PathBuf>,

    /// Apache's program [default: the one installed; HTTPD in the environment wins]
    #[arg(long, value_name = "PATH")]
    pub(crate) httpd_executable: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) module: ModuleArgs,
}
