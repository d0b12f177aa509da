//! Processes of an earlier supervisor. They end by themselves when their requests are done; at the end of a generation
//! they are told to as any other, as far as they are certainly what the scoreboard says.
//!
//! It is memory that applications can write to, and supervisors are root's: nobody is signalled who did not start when
//! that process did, or is not of the group's user.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::process::{
    Pid, PidfdFlags, Signal, getuid, kill_process, pidfd_open, pidfd_send_signal,
};

use super::Processes;
use crate::order::Order;
use crate::scoreboard::{Owner, Scoreboard, Slot, SlotState};

/// A process that another supervisor started.
#[derive(Debug)]
pub(super) struct Foreign {
    pid: Pid,
    owner: Owner,
    /// Readable when it has ended; none where the kernel knows no such thing.
    pidfd: Option<OwnedFd>,
    has_ended: bool,
}

/// All of a board, by their slots.
pub(super) fn find(board: &Scoreboard) -> BTreeMap<usize, Foreign> {
    let mut found = BTreeMap::new();
    for (number, slot) in board.slots().enumerate() {
        if matches!(slot.state(), SlotState::Free | SlotState::Dead) {
            continue;
        }
        match Foreign::of(slot) {
            Some(foreign) => {
                found.insert(number, foreign);
            }
            None => slot.set_state(SlotState::Dead),
        }
    }
    found
}

impl Foreign {
    /// The process in a slot, if it lives.
    fn of(slot: Slot<'_>) -> Option<Self> {
        let owner = slot.owner();
        let pid = i32::try_from(slot.pid()).ok().and_then(Pid::from_raw)?;
        // Before the look: what is found then is what this stands for.
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok();
        (!owner.is_dead()).then_some(Self {
            pid,
            owner,
            pidfd,
            has_ended: false,
        })
    }

    /// What tells that it has ended.
    pub(super) fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(AsFd::as_fd)
    }

    /// The kernel says that it has ended.
    pub(super) fn set_ended(&mut self) {
        self.has_ended = true;
    }

    /// Whether it has ended, or is to be treated so. One that is only not buried yet has.
    fn has_ended(&self) -> bool {
        self.has_ended || (self.pidfd.is_none() && self.owner.is_dead())
    }

    /// Signals it; one that may be anybody's is left alone, and not waited for.
    fn signal(&mut self, signal: Signal, user: u32) {
        if !(self.owner.is_alive() && is_of(self.pid, user)) {
            self.has_ended = true;
            return;
        }
        // One that has ended since needs no signal.
        let _ = match &self.pidfd {
            Some(pidfd) => pidfd_send_signal(pidfd, signal),
            None => kill_process(self.pid, signal),
        };
    }
}

impl Processes<'_> {
    /// Tells a process of an earlier supervisor, whose line to it is gone, to stop. SIGTERM would not do: the kernel sends
    /// it, too, when a supervisor ends.
    pub(super) fn tell_foreign(&mut self, slot: usize, order: Order) {
        if order == Order::Stop {
            self.signal_foreign(slot, Signal::INT);
        }
    }

    /// Signals a process of an earlier supervisor.
    pub(super) fn signal_foreign(&mut self, slot: usize, signal: Signal) {
        let identity = self.plan.config.identity.as_ref();
        let user = identity.map_or_else(|| getuid().as_raw(), |identity| identity.user);
        if let Some(foreign) = self.foreign.get_mut(&slot) {
            foreign.signal(signal, user);
        }
    }

    /// Whether the end of some process has to be looked for.
    pub(super) fn has_silent_foreign(&self) -> bool {
        self.foreign
            .values()
            .any(|foreign| foreign.has_ended || foreign.pidfd.is_none())
    }

    /// Takes out those that have ended; their slots.
    pub(super) fn take_ended_foreign(&mut self) -> Vec<usize> {
        let ended: Vec<usize> = self
            .foreign
            .iter()
            .filter(|(_, foreign)| foreign.has_ended())
            .map(|(slot, _)| *slot)
            .collect();
        for slot in &ended {
            self.foreign.remove(slot);
        }
        ended
    }
}

/// Whether a process has this user and no other.
fn is_of(pid: Pid, user: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero()));
    let status = status.unwrap_or_default();
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let mut ids = ids.unwrap_or_default().split_ascii_whitespace().peekable();
    ids.peek().is_some() && ids.all(|id| id.parse() == Ok(user))
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    use super::*;
    use crate::scoreboard::Layout;

    fn board() -> Scoreboard {
        let layout = Layout {
            slots: 2,
            rows: 1,
            waiters: 1,
        };
        Scoreboard::create(layout, "test").unwrap()
    }

    /// A process that waits for ever, in the first slot of a board.
    fn waiting(board: &Scoreboard) -> Child {
        let child = Command::new("sleep")
            .arg("60")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let slot = board.slot(0).unwrap();
        slot.begin(1);
        slot.set_pid(child.id());
        child
    }

    fn has_ended(foreign: &Foreign, child: &mut Child) -> bool {
        let end = Instant::now() + Duration::from_secs(10);
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        foreign.owner.is_dead()
    }

    #[test]
    fn a_process_that_is_what_the_board_says_is_signalled() {
        let board = board();
        let mut child = waiting(&board);
        let mut found = find(&board);
        let foreign = found.get_mut(&0).unwrap();
        assert!(!foreign.has_ended());
        foreign.signal(Signal::TERM, getuid().as_raw());
        assert!(has_ended(foreign, &mut child));
        // The place of one that is gone is free.
        assert!(find(&board).is_empty());
        assert_eq!(board.slot(0).unwrap().state(), SlotState::Dead);
    }

    #[test]
    fn a_process_of_another_user_or_of_another_start_is_left_alone() {
        let board = board();
        let mut child = waiting(&board);
        let mut found = find(&board);
        let foreign = found.get_mut(&0).unwrap();
        foreign.signal(Signal::KILL, getuid().as_raw() + 1);
        assert!(foreign.has_ended(), "it is not waited for");
        // This one has been there for longer than its slot says.
        let slot = board.slot(1).unwrap();
        slot.begin(1);
        slot.set_pid(child.id());
        let mut later = Foreign::of(slot).unwrap();
        later.owner = Owner::known(child.id(), later.owner.started() + 1);
        later.signal(Signal::KILL, getuid().as_raw());
        assert!(later.has_ended);
        assert!(child.try_wait().unwrap().is_none(), "it was killed");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
