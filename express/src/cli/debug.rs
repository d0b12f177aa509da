//! Options of debugging, which have the application in one process with one thread.

use std::path::PathBuf;

use clap::Args;

/// Looking into the application.
#[derive(Args, Debug)]
#[command(next_help_heading = "Debugging (one process, one thread, on this terminal)")]
pub(crate) struct DebugArgs {
    /// Run everything in one process with one thread; all of the following do
    #[arg(long)]
    pub(crate) debug_mode: bool,

    /// Stop in pdb where the application raises
    #[arg(long)]
    pub(crate) enable_debugger: bool,

    /// With --enable-debugger: stop in pdb at the start, too
    #[arg(long)]
    pub(crate) debugger_startup: bool,

    /// Find out which lines run
    #[arg(long)]
    pub(crate) enable_coverage: bool,

    /// Where the report goes at the end [default: htmlcov in the server root]
    #[arg(long, value_name = "DIR")]
    pub(crate) coverage_directory: Option<PathBuf>,

    /// Find out what takes time
    #[arg(long)]
    pub(crate) enable_profiler: bool,

    /// Where the figures go at the end [default: pstats in the server root]
    #[arg(long, value_name = "DIR")]
    pub(crate) profiler_directory: Option<PathBuf>,

    /// Write each request and its answer down
    #[arg(long)]
    pub(crate) enable_recorder: bool,

    /// Where they are written to [default: archive in the server root]
    #[arg(long, value_name = "DIR")]
    pub(crate) recorder_directory: Option<PathBuf>,

    /// Run Apache in gdb
    #[arg(long)]
    pub(crate) enable_gdb: bool,

    /// The gdb to run it in
    #[arg(long, value_name = "NAME|PATH", default_value = "gdb")]
    pub(crate) gdb_executable: PathBuf,
}
