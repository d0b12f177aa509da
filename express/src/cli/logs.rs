//! Options of logs.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

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

/// What is logged, where and how.
#[derive(Args, Debug)]
#[command(next_help_heading = "Logs")]
pub(crate) struct LogArgs {
    /// Send the logs to the terminal
    #[arg(long)]
    pub(crate) log_to_terminal: bool,

    /// The directory of the logs, which then do not go to the terminal [default: the server root]
    #[arg(long, value_name = "DIR")]
    pub(crate) log_directory: Option<PathBuf>,

    /// How much Apache logs
    #[arg(
        long,
        value_enum,
        value_name = "NAME",
        default_value = "warn",
        ignore_case = true
    )]
    pub(crate) log_level: LogLevel,

    /// Write an access log
    #[arg(long)]
    pub(crate) access_log: bool,

    /// The form of its lines: `common`, `combined` or a format of Apache's
    #[arg(long, value_name = "FORMAT", default_value = "common")]
    pub(crate) access_log_format: String,

    /// The form of the error log's lines, in Apache's words
    #[arg(long, value_name = "FORMAT")]
    pub(crate) error_log_format: Option<String>,

    /// The access log's file name
    #[arg(long, value_name = "FILE-NAME", default_value = "access_log")]
    pub(crate) access_log_name: String,

    /// The error log's file name
    #[arg(long, value_name = "FILE-NAME", default_value = "error_log")]
    pub(crate) error_log_name: String,

    /// Log what goes wrong before the error log is open
    #[arg(long)]
    pub(crate) startup_log: bool,

    /// That log's file name
    #[arg(long, value_name = "FILE-NAME", default_value = "startup_log")]
    pub(crate) startup_log_name: String,

    /// Begin a new file when a log has become large
    #[arg(long)]
    pub(crate) rotate_logs: bool,

    /// How large, in megabytes
    #[arg(
        long,
        value_name = "MB",
        default_value_t = 5,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub(crate) max_log_size: u32,

    /// The program that does it [default: Apache's rotatelogs]
    #[arg(long, value_name = "NAME|PATH")]
    pub(crate) rotatelogs_executable: Option<PathBuf>,
}
