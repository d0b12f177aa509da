//! Options of `check`: those of the server it is about, and the form of the answer.

use clap::Args;

use super::{ServerArgs, paper};

/// Arguments of `check`.
#[derive(Args, Debug)]
#[command(args_override_self = true, after_help = paper::SERVER_EXAMPLES)]
pub(crate) struct CheckArgs {
    /// Print the findings as JSON
    #[arg(long, help_heading = "Answer")]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) server: ServerArgs,
}
