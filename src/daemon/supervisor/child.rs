//! One daemon process from its supervisor's side: its descriptors, its start, its messages.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use super::output::{More, Output};
use super::plan::GroupPlan;
use crate::order::{Order, Report};
use crate::sys::memory;
use crate::sys::process::Program;
use crate::sys::socket::{Waiting, message_pair, recv_with_fds, send_with_fds};

/// A process that this supervisor started and has not yet buried.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) slot: usize,
    pub(super) incarnation: u32,
    pub(super) pid: Pid,
    pub(super) started: Instant,
    /// Readable when it has ended; none where the kernel knows no such thing.
    pub(super) pidfd: Option<OwnedFd>,
    /// The line to it, until it closed its end.
    pub(super) link: Option<OwnedFd>,
    /// What it writes, until nobody can write any more.
    pub(super) output: Option<Output>,
    /// The kernel said that it ended; it is not yet buried.
    pub(super) has_ended: bool,
}

/// What came over the line.
#[derive(Debug)]
pub(super) enum Said {
    Report(Report),
    /// Bytes that mean nothing.
    Nonsense(String),
    /// No more for now.
    Nothing,
}

impl Child {
    /// Starts a process in a slot.
    ///
    /// # Errors
    /// No descriptors, memory or processes left.
    pub(super) fn start(
        plan: &GroupPlan,
        slot: usize,
        incarnation: u32,
        program: &Program,
    ) -> io::Result<Self> {
        let config = configuration(plan, slot, incarnation)?;
        let null = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        rustix::fs::fcntl_setfl(&reader, OFlags::NONBLOCK)?;
        let (link, theirs) = message_pair()?;
        let intake = plan.intakes.get(slot).ok_or(io::ErrorKind::NotFound)?;
        let pid = program.start([
            null.as_fd(),
            writer.as_fd(),
            writer.as_fd(),
            config.as_fd(),
            plan.board.fd(),
            intake.as_fd(),
            theirs.as_fd(),
        ])?;
        Ok(Self {
            slot,
            incarnation,
            pid,
            started: Instant::now(),
            pidfd: pidfd_open(pid, PidfdFlags::empty()).ok(),
            link: Some(link),
            output: Some(Output::new(reader, &plan.config.group, pid)),
            has_ended: false,
        })
    }

    /// Tells the process; one that does not listen is found out by its deadline.
    pub(super) fn tell(&self, order: Order) {
        if let Some(link) = &self.link {
            let message = order.encode();
            let slices = [io::IoSlice::new(&message)];
            // Whoever is gone needs no order.
            let _ = send_with_fds(link.as_fd(), &slices, &[], Waiting::Never);
        }
    }

    /// Kills the process.
    pub(super) fn kill(&self) {
        // It is not yet buried, so the number is its own.
        let _ = kill_process(self.pid, Signal::KILL);
    }

    /// Takes one message from the line.
    pub(super) fn listen(&mut self) -> Said {
        let Some(link) = &self.link else {
            return Said::Nothing;
        };
        let mut message = [0; 4];
        match recv_with_fds(link.as_fd(), &mut message, Waiting::Never) {
            Ok(received) if received.bytes == 2 && !received.is_cut => {
                match Report::decode([message[0], message[1]]) {
                    Ok(report) => Said::Report(report),
                    Err(error) => Said::Nonsense(error.to_string()),
                }
            }
            Ok(received) if received.bytes > 0 => {
                Said::Nonsense(format!("a message of {} bytes", received.bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Said::Nothing,
            _ => {
                self.link = None;
                Said::Nothing
            }
        }
    }
}

/// The sealed configuration of one process.
fn configuration(plan: &GroupPlan, slot: usize, incarnation: u32) -> io::Result<OwnedFd> {
    let mut config = plan.config.clone();
    config.slot = u32::try_from(slot).unwrap_or(u32::MAX);
    config.incarnation = incarnation;
    let bytes = config.encode().map_err(io::Error::other)?;
    memory::sealed("rsgi-config", &bytes)
}

/// The program with the name that lists of processes show first.
pub(super) fn program(path: &CString, plan: &GroupPlan, environment: &[CString]) -> Program {
    let name = plan
        .config
        .options
        .display_name
        .as_ref()
        .and_then(|name| CString::new(name.as_slice()).ok())
        .unwrap_or_else(|| path.clone());
    Program::new(path.clone(), name, environment.to_vec())
}

/// Throws away what was sent to a slot that has no process: the senders see a reset and go elsewhere. Whether more may
/// come.
pub(super) fn discard(intake: BorrowedFd<'_>) -> More {
    let mut message = [0; 64];
    while let Ok(received) = recv_with_fds(intake, &mut message, Waiting::Never) {
        if received.bytes == 0 && received.fds.is_empty() {
            return More::Never;
        }
    }
    More::Later
}
