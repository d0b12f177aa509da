//! One place for a daemon process: what its supervisor and it say of itself.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::{Duration, Instant};

use rsgi_core::daemon::ShutdownReason;
use rustix::thread::futex;

use super::cells::SlotCells;
use super::{Death, Owner, Scoreboard, clock};

/// A process whose heart has not beaten for so long gets no new requests.
pub(crate) const FRESH: u64 = 1_000;
/// No process has more threads.
const MOST_THREADS: u32 = 65_536;
/// So many requests more than it has threads a brisk process may be given.
const MORE_PLACES: u32 = 4;

/// What the process in a slot is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum SlotState {
    /// There is none.
    Free = 0,
    /// It loads.
    Starting = 1,
    /// It takes requests.
    Ready = 2,
    /// It takes no new ones and ends.
    Draining = 3,
    /// It is gone, and the supervisor has not yet made the place free.
    Dead = 4,
}

impl SlotState {
    /// What a cell says. Garbage is a process to keep away from.
    fn of(cell: u32) -> Self {
        match cell {
            0 => Self::Free,
            1 => Self::Starting,
            2 => Self::Ready,
            3 => Self::Draining,
            _ => Self::Dead,
        }
    }
}

/// One process among all that ever had a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SlotRef {
    /// Which slot.
    pub slot: u32,
    /// Which of its processes.
    pub incarnation: u32,
}

/// One place for a daemon process.
#[derive(Clone, Copy)]
pub struct Slot<'b> {
    board: &'b Scoreboard,
    index: u32,
    cells: &'b SlotCells,
}

impl Scoreboard {
    /// A slot; none beyond the last.
    #[must_use]
    pub fn slot(&self, index: u32) -> Option<Slot<'_>> {
        self.cells.slot(index).map(|cells| Slot {
            board: self,
            index,
            cells,
        })
    }

    /// All slots, in order.
    pub fn slots(&self) -> impl Iterator<Item = Slot<'_>> {
        (0..self.layout().slots).filter_map(|index| self.slot(index))
    }
}

impl<'b> Slot<'b> {
    /// Its number.
    #[must_use]
    pub fn index(self) -> u32 {
        self.index
    }

    /// Opens the slot's next life and returns its number: see [`Self::begin`].
    pub fn begin_next(self) -> u32 {
        // 0 is the slot that never had a process.
        let incarnation = self.incarnation().wrapping_add(1).max(1);
        self.begin(incarnation);
        incarnation
    }

    /// Opens a new life of the slot, before its process is started: nothing of the one before is left but how it
    /// died. Only for the supervisor, and only when that one was reaped.
    pub fn begin(self, incarnation: u32) {
        // Nobody chooses it while it is being changed.
        self.cells.state.store(SlotState::Free as u32, SeqCst);
        self.cells.pid.store(0, SeqCst);
        self.cells.born.store(0, SeqCst);
        self.cells.threads.store(0, SeqCst);
        self.cells.heartbeat.store(0, SeqCst);
        self.cells.reason.store(0, SeqCst);
        self.cells.work.busy.store(0, SeqCst);
        self.cells.work.is_brisk.store(0, SeqCst);
        self.cells.work.requests.store(0, SeqCst);
        self.cells.started.store(clock::millis(), SeqCst);
        self.cells.incarnation.store(incarnation, SeqCst);
        self.cells.state.store(SlotState::Starting as u32, SeqCst);
    }

    /// What its process is about to do.
    #[must_use]
    pub fn state(self) -> SlotState {
        SlotState::of(self.cells.state.load(SeqCst))
    }

    /// Changes the state. `Ready` is a heartbeat too and lets those in who wait.
    pub fn set_state(self, state: SlotState) {
        if state == SlotState::Ready {
            self.cells.heartbeat.store(clock::millis(), SeqCst);
        }
        self.cells.state.store(state as u32, SeqCst);
        if state == SlotState::Ready {
            self.board.wake_next();
        }
    }

    /// Changes the state if it is `from`: for changes that the other side may have overtaken. Whether it was.
    pub fn change_state(self, from: SlotState, to: SlotState) -> bool {
        if to == SlotState::Ready {
            self.cells.heartbeat.store(clock::millis(), SeqCst);
        }
        let changed = self
            .cells
            .state
            .compare_exchange(from as u32, to as u32, SeqCst, SeqCst);
        if changed.is_ok() && to == SlotState::Ready {
            self.board.wake_next();
        }
        changed.is_ok()
    }

    /// The process id, 0 for none.
    #[must_use]
    pub fn pid(self) -> u32 {
        self.cells.pid.load(SeqCst)
    }

    /// The supervisor says who it started.
    pub fn set_pid(self, pid: u32) {
        self.cells.born.store(Owner::of(pid).started(), SeqCst);
        self.cells.pid.store(pid, SeqCst);
    }

    /// The process, told apart from a later one with its id.
    pub(crate) fn owner(self) -> Owner {
        Owner::known(self.pid(), self.cells.born.load(SeqCst))
    }

    /// Number of this process among all that ever had the slot, from 1; 0 when it had none.
    #[must_use]
    pub fn incarnation(self) -> u32 {
        self.cells.incarnation.load(SeqCst)
    }

    /// This process, as others remember it.
    #[must_use]
    pub fn reference(self) -> SlotRef {
        SlotRef {
            slot: self.index,
            incarnation: self.incarnation(),
        }
    }

    /// How many requests it runs at the same time.
    #[must_use]
    pub fn threads(self) -> u32 {
        self.cells.threads.load(SeqCst).min(MOST_THREADS)
    }

    /// The process says how many workers it has, before it is ready.
    pub fn set_threads(self, threads: u32) {
        self.cells.threads.store(threads, SeqCst);
    }

    /// How many requests it may be given at the same time: more than it has threads as long as it is brisk, so that a
    /// thread finds the next one in a socket and neither has to be waited for.
    pub(crate) fn places(self) -> u32 {
        self.threads() + if self.is_brisk() { MORE_PLACES } else { 0 }
    }

    /// Whether short requests come close behind each other.
    #[must_use]
    pub fn is_brisk(self) -> bool {
        self.cells.work.is_brisk.load(SeqCst) != 0
    }

    /// The process says whether they do.
    pub fn set_brisk(self, is_brisk: bool) {
        // The line is everybody's: not written without need.
        if self.is_brisk() != is_brisk {
            self.cells.work.is_brisk.store(is_brisk.into(), SeqCst);
        }
    }

    /// Whether its last request began on the processor that the calling thread runs on: what that has just written need
    /// not be fetched from another's cache then, and none is interrupted to wake its thread.
    pub(crate) fn is_near(self, processor: u32) -> bool {
        self.cells.work.processor.load(Relaxed) == processor
    }

    /// A worker takes a request up.
    pub fn enter(self) {
        self.cells.work.busy.fetch_add(1, SeqCst);
        self.cells.work.processor.store(processor(), Relaxed);
    }

    /// A worker is done with a request. Call it before the last bytes of the answer are sent: a child that has them
    /// then finds the place free at its first look.
    pub fn leave(self) {
        self.cells.work.requests.fetch_add(1, Relaxed);
        self.cells.work.busy.fetch_sub(1, SeqCst);
        self.board.wake_next();
    }

    /// Requests that run, never more than it has threads.
    #[must_use]
    pub fn busy(self) -> u32 {
        self.cells.work.busy.load(SeqCst).min(self.threads())
    }

    /// Requests that it was done with.
    #[must_use]
    pub fn requests(self) -> u64 {
        self.cells.work.requests.load(Relaxed)
    }

    /// Requests that Apache's children have assigned to this process and not yet released.
    #[must_use]
    pub fn assigned(self) -> u32 {
        let assigned = self.board.assigned_to(self.reference());
        u32::try_from(assigned).unwrap_or(u32::MAX)
    }

    /// Whether a process that is draining may end: nothing is assigned to it, and nothing runs. Children assign first
    /// and look at the state again, so after `Draining` was set this is final once true.
    #[must_use]
    pub fn is_idle(self) -> bool {
        self.assigned() == 0 && self.busy() == 0
    }

    /// The monitor says that the process lives, several times a second.
    pub fn beat(self) {
        let is_back = !self.is_fresh(clock::millis());
        self.cells.heartbeat.store(clock::millis(), SeqCst);
        if is_back {
            self.board.wake_next();
        }
    }

    /// How long ago the monitor said so; none if it never did, or the cell says nonsense.
    #[must_use]
    pub fn heartbeat_age(self) -> Option<Duration> {
        let beat = self.cells.heartbeat.load(SeqCst);
        age(beat, clock::millis()).map(Duration::from_millis)
    }

    /// How long ago the process was started; none if it never was.
    #[must_use]
    pub fn age(self) -> Option<Duration> {
        let started = self.cells.started.load(SeqCst);
        age(started, clock::millis()).map(Duration::from_millis)
    }

    /// How a process of this slot ended; none until the supervisor has reaped it.
    #[must_use]
    pub fn death(self, incarnation: u32) -> Option<Death> {
        Death::unpack(self.cells.death.load(SeqCst), incarnation)
    }

    /// The supervisor says how a process ended, and wakes those who ask.
    pub fn set_death(self, incarnation: u32, death: Death) {
        self.cells.death.store(death.pack(incarnation), SeqCst);
        self.cells.deaths.fetch_add(1, SeqCst);
        // The word is ours and aligned; there is no other error.
        let _ = futex::wake(&self.cells.deaths, futex::Flags::empty(), i32::MAX as u32);
    }

    /// Waits a short while for the supervisor to say how a process ended: its sockets are closed before it is reaped.
    #[must_use]
    pub fn wait_death(self, incarnation: u32, patience: Duration) -> Option<Death> {
        let start = Instant::now();
        loop {
            let seen = self.cells.deaths.load(SeqCst);
            if let Some(death) = self.death(incarnation) {
                return Some(death);
            }
            let left = patience
                .checked_sub(start.elapsed())
                .filter(|left| !left.is_zero())?;
            // Woken, changed, interrupted or timed out: the loop looks again.
            let _ = futex::wait(
                &self.cells.deaths,
                futex::Flags::empty(),
                seen,
                Some(&clock::timespec(left)),
            );
        }
    }

    /// Why the process ends, or ended.
    #[must_use]
    pub fn reason(self) -> Option<ShutdownReason> {
        let code = u8::try_from(self.cells.reason.load(SeqCst)).ok()?;
        ShutdownReason::from_code(code)
    }

    /// Says why the process is going to end.
    pub fn set_reason(self, reason: ShutdownReason) {
        self.cells.reason.store(u32::from(reason.code()), SeqCst);
    }

    /// Whether its heart beats.
    pub(crate) fn is_fresh(self, now: u64) -> bool {
        age(self.cells.heartbeat.load(SeqCst), now).is_some_and(|age| age <= FRESH)
    }

    /// Whether its heart has beaten since a moment.
    pub(crate) fn has_beaten_since(self, moment: u64) -> bool {
        let beat = self.cells.heartbeat.load(SeqCst);
        beat > moment && beat <= clock::millis().saturating_add(FRESH)
    }

    /// Whether it takes requests.
    pub(crate) fn is_available(self, now: u64) -> bool {
        self.state() == SlotState::Ready && self.is_fresh(now) && self.threads() > 0
    }
}

/// The processor that the calling thread runs on, at this moment.
pub(super) fn processor() -> u32 {
    // Fewer than 2^31 of them.
    u32::try_from(rustix::thread::sched_getcpu()).unwrap_or(u32::MAX)
}

/// How long ago a moment was. Clocks of other processors are a few milliseconds ahead; more is garbage.
fn age(moment: u64, now: u64) -> Option<u64> {
    if moment == 0 || moment > now.saturating_add(FRESH) {
        return None;
    }
    Some(now.saturating_sub(moment))
}
