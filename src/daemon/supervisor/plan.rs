//! What a supervisor is given: made in httpd's parent, taken along through the fork.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::config::ProcessConfig;
use crate::scoreboard::Scoreboard;

/// The word of a handover: the next generation has its own processes and sends no more requests to these.
pub(super) const TAKEN_OVER: u8 = b'r';
/// The word of a handover: the next generation has no use for these processes. The end of the pipe says the same, but
/// what other modules forked meanwhile may hold it open.
pub(super) const UNWANTED: u8 = b'c';

/// Everything for one generation of httpd's.
#[derive(Debug)]
pub struct Plan {
    /// The program `rsgi-daemon`.
    pub program: CString,
    /// `NAME=value` for the environment of daemon processes.
    pub environment: Vec<CString>,
    /// Reading end of a pipe that httpd's parent holds: a byte or the end is the order to stop.
    pub parent: OwnedFd,
    /// The parent's process id: its death is noticed even where somebody else holds that pipe as well.
    pub parent_pid: i32,
    /// Reading end of a pipe whose writing end the parent and every Apache child of the generation have: at its end
    /// nobody can send requests any more.
    pub children: OwnedFd,
    /// Reading end of a pipe that tells whether the next generation needs this one's processes: it sends no more requests
    /// (a byte), or never will (another byte, or the end).
    pub handover: OwnedFd,
    /// The generation before, where its processes serve for a start.
    pub previous: Option<Previous>,
    /// The groups.
    pub groups: Vec<GroupPlan>,
}

/// The generation before.
#[derive(Debug)]
pub struct Previous {
    /// Which groups of this generation use its processes.
    pub groups: Vec<usize>,
    /// Writing end of its handover.
    pub handover: OwnedFd,
}

/// One group.
#[derive(Debug)]
pub struct GroupPlan {
    /// How its processes are to be; slot and incarnation are filled in for each.
    pub config: ProcessConfig,
    /// Its scoreboard.
    pub board: Arc<Scoreboard>,
    /// The receiving end of each slot's intake.
    pub intakes: Vec<OwnedFd>,
    /// Whether a successor starts while its predecessor still serves (`RSGIOverlap`).
    pub overlaps: bool,
}

/// Where a supervisor's lines go.
pub trait SupervisorLog {
    /// Logs a line in the log of a group's server; `level` is one of http_log.h.
    fn log(&self, group: usize, level: u32, text: &[u8]);
}
