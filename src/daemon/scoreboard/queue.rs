//! The queue of a group: who waits, who is next, and waking them.
//!
//! A waiting request has a cell in its child's row with the moment it came. That is its ticket: the lower, the further in
//! front, over all children. A waiter may take a place when fewer are in front of it than there are free places. It looks
//! itself; whoever changes something in its favour (gives a place back, makes a process ready, leaves the queue, clears
//! the row of a dead child) calls [`Scoreboard::wake_next`], which wakes those who may go and sleep, and nobody else.
//!
//! Nothing is lost between the two: a waiter says that it sleeps and then looks once more; the other changes first and
//! then looks who sleeps. One of them sees the other. The word that says whether to look at all can be wrong for a moment,
//! when it is cleared while somebody comes: who cleared it sees that, and wakes in the other's place. Should one be killed
//! in between, the waiter looks by itself at its next tick. A waiter that has not looked for several ticks is stopped: it keeps its ticket, but nobody waits
//! for it.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use rustix::thread::futex;

use super::cells::{Row, WaiterCell};
use super::{Demand, Scoreboard, clock};

/// The thread looks, or is about to.
pub(crate) const AWAKE: u32 = 0;
/// The thread sleeps, or is about to.
pub(crate) const SLEEPING: u32 = 1;
/// Who has not looked for so long does not hold others up, in milliseconds; a few ticks.
const STOPPED: u32 = 1_500;
/// Not more are woken at once; each that goes wakes further ones.
const MOST_WOKEN: usize = 16;

/// The place in the queue: the ticket, and for those of one moment the row and the cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) ticket: u64,
    pub(crate) row: u32,
    pub(crate) cell: u32,
}

impl Scoreboard {
    /// Whether a newcomer has to queue. One word is read as long as nobody waits.
    pub(crate) fn has_queue(&self) -> bool {
        let hint = &self.cells.header().shared.queued;
        if hint.load(SeqCst) == 0 {
            return false;
        }
        if self.waiting() > 0 {
            return true;
        }
        self.clear_hint(|| {})
    }

    /// Clears the word, as nobody waits; true where somebody has come since that was looked at. `meanwhile` is what others
    /// do before that is seen, which tests choose.
    fn clear_hint(&self, meanwhile: impl FnOnce()) -> bool {
        let hint = &self.cells.header().shared.queued;
        hint.store(0, SeqCst);
        meanwhile();
        let has_queue = self.waiting() > 0;
        if has_queue {
            hint.store(1, SeqCst);
            // Whoever changed something meanwhile saw no queue, and woke nobody.
            self.wake_first();
        }
        has_queue
    }

    /// Says that a request is waiting, after its ticket is there.
    pub(crate) fn set_queued(&self) {
        let hint = &self.cells.header().shared.queued;
        // The line is everybody's: not written without need.
        if hint.load(SeqCst) == 0 {
            hint.store(1, SeqCst);
        }
    }

    /// Requests that wait, of all children.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        let most = self.layout().waiters;
        self.rows()
            .map(|row| row.head.waiting.load(SeqCst).min(most))
            .fold(0, u32::saturating_add)
    }

    /// How long the first of them has waited; none if none waits.
    #[must_use]
    pub fn oldest_wait(&self) -> Option<Duration> {
        let first = self.waiters().map(|(key, _)| key.ticket).min()?;
        Some(Duration::from_nanos(clock::nanos().saturating_sub(first)))
    }

    /// How many wait in front of a ticket.
    pub(crate) fn in_front_of(&self, key: Key) -> u64 {
        let mut count = 0;
        for (other, _) in self.waiters() {
            count += u64::from(other < key);
        }
        count
    }

    /// Wakes the first of those who wait: as many as there are free places. For whoever changed something in their
    /// favour, after the change.
    pub(crate) fn wake_next(&self) {
        if self.has_queue() {
            self.wake_first();
        }
    }

    fn wake_first(&self) {
        let (free, _) = self.free_places(Demand::STRICT);
        let limit = usize::try_from(free).unwrap_or(MOST_WOKEN).min(MOST_WOKEN);
        if limit == 0 {
            return;
        }
        let mut first: [Option<(Key, &WaiterCell)>; MOST_WOKEN] = [None; MOST_WOKEN];
        for waiter in self.waiters() {
            insert(&mut first[..limit], waiter);
        }
        for (_, cell) in first.into_iter().flatten() {
            wake(cell);
        }
    }

    /// All who wait and are not stopped.
    fn waiters(&self) -> impl Iterator<Item = (Key, &WaiterCell)> {
        let now = clock::millis();
        self.rows()
            .zip(0..)
            .filter(|(row, _)| row.head.waiting.load(SeqCst) > 0)
            .flat_map(move |(row, index)| waiters_of(row, index, now))
    }
}

/// Those of one child.
fn waiters_of<'b>(
    row: Row<'b>,
    index: u32,
    now: u64,
) -> impl Iterator<Item = (Key, &'b WaiterCell)> {
    let used = row.head.waiters_used.load(SeqCst) as usize;
    let cells = row.waiters.iter().take(used).zip(0..);
    cells.filter_map(move |(waiter, cell)| {
        let ticket = waiter.ticket.load(SeqCst);
        let is_here = ticket != 0 && !is_stopped(waiter.looked.load(SeqCst), now);
        let key = Key {
            ticket,
            row: index,
            cell,
        };
        is_here.then_some((key, waiter))
    })
}

/// Whether a waiter has not looked for long. A look in the future is garbage, or the other processor's clock is a tick
/// ahead.
#[expect(clippy::cast_possible_truncation, reason = "the difference counts")]
fn is_stopped(looked: u32, now: u64) -> bool {
    let since = (now as u32).wrapping_sub(looked);
    since > STOPPED && since < u32::MAX - STOPPED
}

/// Keeps the lowest of all that were ever inserted, in order.
fn insert<'b>(lowest: &mut [Option<(Key, &'b WaiterCell)>], waiter: (Key, &'b WaiterCell)) {
    let at = lowest.partition_point(|kept| kept.is_some_and(|kept| kept.0 < waiter.0));
    if at < lowest.len() {
        lowest[at..].rotate_right(1);
        lowest[at] = Some(waiter);
    }
}

/// Wakes a waiter if it sleeps.
fn wake(cell: &WaiterCell) {
    // Who is awake looks for itself; the first who wakes it is enough.
    if cell.sleep.load(SeqCst) == AWAKE || cell.sleep.swap(AWAKE, SeqCst) == AWAKE {
        return;
    }
    // The word is ours and aligned; there is no other error.
    let _ = futex::wake(&cell.sleep, futex::Flags::empty(), 1);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Layout, SlotState};
    use super::*;
    use crate::admission::Admission;

    #[test]
    fn who_waits_since_before_the_word_was_cleared_is_woken() {
        let layout = Layout {
            slots: 1,
            rows: 1,
            waiters: 4,
        };
        let board = Arc::new(Scoreboard::create(layout, "queue").unwrap());
        let slot = board.slot(0).unwrap();
        slot.begin(1);
        slot.set_threads(1);
        slot.beat();
        slot.set_state(SlotState::Ready);
        let child = Admission::join(Arc::clone(&board)).unwrap();
        let row = board.row(child.row()).unwrap();
        board.set_queued();
        let has_queue = board.clear_hint(|| {
            // One who found the word set, and sleeps, having looked before a place was given back.
            row.head.waiters_used.store(1, SeqCst);
            row.head.waiting.store(1, SeqCst);
            row.waiters[0].looked.store(clock::millis() as u32, SeqCst);
            row.waiters[0].ticket.store(1, SeqCst);
            row.waiters[0].sleep.store(SLEEPING, SeqCst);
            // The one who gives it back finds the word cleared.
            board.wake_next();
        });
        assert!(has_queue);
        assert_eq!(row.waiters[0].sleep.load(SeqCst), AWAKE);
    }
}
