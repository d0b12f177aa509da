//! The supervisor of one generation's daemon processes: a process forked from httpd's parent that runs no user code.
//!
//! It starts `rsgi-daemon` for every wanted process, replaces what ends, writes each death to the scoreboard and to
//! the log, and passes on what the processes write. It ends when the last Apache child of its generation is gone, or
//! the parent. `state` decides, `run` acts; the root crate forks it and gives it its [`Plan`].
#![forbid(unsafe_code)]

mod child;
mod death;
mod generation;
mod membership;
mod output;
mod pace;
mod plan;
mod processes;
mod run;
mod state;

pub use generation::{Generation, GroupSpec, Retired, Supervisor};
pub use membership::{Chosen, Membership};
pub use plan::{GroupPlan, Plan, Previous, SupervisorLog};
pub use run::run;

/// Levels of http_log.h.
mod level {
    pub(super) const ERROR: u32 = 3;
    pub(super) const WARN: u32 = 4;
    pub(super) const INFO: u32 = 6;
}

#[cfg(test)]
mod tests;
