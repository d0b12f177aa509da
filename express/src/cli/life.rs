//! Options of the launcher's own life, as a service manager or a container sees it.

use clap::Args;

/// How the server ends.
#[derive(Args, Debug)]
#[command(next_help_heading = "Service")]
pub(crate) struct LifeArgs {
    /// How long running requests have to finish after SIGTERM; then they are cut off
    #[arg(long, value_name = "SECONDS", default_value_t = 8)]
    pub(crate) stop_timeout: u32,
}
