//! Options of `check-config`: which configuration, and the form of the answer.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Arguments of `check-config`.
#[derive(Args, Debug)]
pub(crate) struct ConfigArgs {
    /// Apache's configuration, or a piece of it
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// What relative paths of Include start from [default: the configuration's ServerRoot, else the file's folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) server_root: Option<PathBuf>,

    /// A name for <IfDefine>, or a variable of Apache's environment with its value; may be repeated
    #[arg(short = 'D', long, value_name = "NAME[=VALUE]")]
    pub(crate) define: Vec<String>,

    /// The form of the answer
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: AnswerFormat,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AnswerFormat {
    /// For people.
    Text,
    /// One object.
    Json,
}
