//! Options that say where further options come from, and how the launcher itself speaks.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// The form of the launcher's own lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// An object a line
    Json,
}

/// Where options come from besides the command line; [`crate::sources`] reads them.
#[derive(Args, Debug)]
#[command(next_help_heading = "Configuration")]
pub(crate) struct SourceArgs {
    /// A TOML file of options, by their long names; RSGI_OPTION in the environment and the command line win over it
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Print each option's value and where it comes from, as TOML, and do nothing else
    #[arg(long)]
    pub(crate) print_config: bool,

    /// The form of the launcher's own lines; Apache's are in its error log
    #[arg(long, value_enum, value_name = "FORM", default_value = "text")]
    pub(crate) log_format: LogFormat,
}
