//! The command line as it is typed: clap's view of it and nothing more, by topic.
//!
//! What an argument means, its default and whether it fits the others is decided in [`crate::settings`].
//! Names and defaults are mod_wsgi-express's, so that a command line for the one works with the other.

mod access;
mod application;
mod check;
mod config;
mod debug;
mod files;
mod life;
mod listening;
mod logs;
mod metrics;
pub(crate) mod paper;
mod processes;
mod server;
mod services;
mod sources;
mod status;

use std::path::PathBuf;

use clap::{Arg, Args, CommandFactory as _, Parser, Subcommand};

pub(crate) use access::{AccessArgs, AuthType};
pub(crate) use application::{ApplicationArgs, ApplicationType, OnOffAuto, PythonArgs, ReloadArgs};
pub(crate) use check::CheckArgs;
pub(crate) use config::{AnswerFormat, ConfigArgs};
pub(crate) use debug::DebugArgs;
pub(crate) use files::{FileArgs, ProxyArgs};
pub(crate) use life::LifeArgs;
pub(crate) use listening::{ClientArgs, ListenArgs, TlsArgs};
pub(crate) use logs::{LogArgs, LogLevel};
pub(crate) use metrics::MetricsArgs;
pub(crate) use paper::{CompletionsArgs, ManArgs};
pub(crate) use processes::ProcessArgs;
pub(crate) use server::TreeArgs;
pub(crate) use services::ServiceArgs;
pub(crate) use sources::{LogFormat, SourceArgs};
pub(crate) use status::StatusArgs;

/// Serves a Python WSGI application through Apache httpd.
#[derive(Debug, Parser)]
#[command(
    name = "rsgi-express",
    version,
    infer_long_args = true,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    after_help = paper::below_help()
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
    /// Says what becomes of an Apache configuration that was written for mod_wsgi
    CheckConfig(ConfigArgs),
    /// Shows what a running server does
    Status(StatusArgs),
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
    /// Prints the table of all options, for the documentation
    #[command(hide = true)]
    Options {
        /// As Markdown, the only form there is
        #[arg(long)]
        markdown: bool,
    },
    /// Writes the documentation as web pages into a folder
    #[command(hide = true)]
    Documentation {
        /// The folder, which is made where it is missing
        folder: PathBuf,
    },
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

impl CommandLine {
    /// All that can be typed.
    pub(crate) fn grammar() -> clap::Command {
        Self::command().mut_subcommands(|command| command.mut_args(with_negative_numbers))
    }
}

/// Behind an option, `-1` is a number that it cannot have, and no option that does not exist.
fn with_negative_numbers(option: Arg) -> Arg {
    let takes_one = option.get_long().is_some() && option.get_action().takes_values();
    option.allow_negative_numbers(takes_one)
}

/// Arguments of `start-server` and `setup-server`.
#[derive(Args, Debug)]
#[command(args_override_self = true, after_help = paper::SERVER_EXAMPLES)]
pub(crate) struct ServerArgs {
    #[command(flatten)]
    pub(crate) application: ApplicationArgs,
    #[command(flatten)]
    pub(crate) python: PythonArgs,
    #[command(flatten)]
    pub(crate) reload: ReloadArgs,
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
    #[command(flatten)]
    pub(crate) clients: ClientArgs,
    #[command(flatten)]
    pub(crate) access: AccessArgs,
    #[command(flatten)]
    pub(crate) processes: ProcessArgs,
    #[command(flatten)]
    pub(crate) files: FileArgs,
    #[command(flatten)]
    pub(crate) proxies: ProxyArgs,
    #[command(flatten)]
    pub(crate) logs: LogArgs,
    #[command(flatten)]
    pub(crate) services: ServiceArgs,
    #[command(flatten)]
    pub(crate) metrics: MetricsArgs,
    #[command(flatten)]
    pub(crate) debug: DebugArgs,
    #[command(flatten)]
    pub(crate) tree: TreeArgs,
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
    #[arg(long, value_name = "NAME|PATH")]
    pub(crate) httpd_executable: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) module: ModuleArgs,
}
