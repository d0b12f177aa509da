//! How many requests each process has, and taking a place in one.
//!
//! A child counts the requests that it has assigned to a slot in its own row, together with the incarnation that they
//! were assigned to: a release for an older one finds another number there and changes nothing. All places of a process
//! are the sum over the rows. A place is taken by counting first and looking afterwards: if it turns out that there were
//! too many, or that the process takes none any more, the count is taken back. In the one order that all these accesses
//! have, the last of several who take the last place at once sees the others, so a process never has more requests than
//! places, and one that drains and sees none assigned gets none afterwards.
//!
//! A process has as many places as threads. One whose requests are very short and many, that is brisk ([`Slot::places`]),
//! has a few more for those who find no queue: what a turn in the queue costs is more than such a request does, and most
//! of that is to wake threads on other processors. For the same reason a child prefers, among brisk ones, one that last
//! ran on its own processor. A request that waits in the socket of a process which has ceased to be brisk is taken back
//! and stands in the queue.

#[cfg(test)]
mod tests;

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;

use super::slot::{Slot, SlotState, processor};
use super::{Row, Scoreboard, SlotRef, clock};

/// By so many requests a process must have less than a brisk one that is near, unless it has none.
const FAR: u64 = 8;
/// How often the last place may be snatched away before one has to queue for it.
const ATTEMPTS: usize = 4;

/// A process not to be chosen: it has just turned a request away.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avoid {
    pub(crate) process: SlotRef,
    /// Until its heart has beaten after this moment, in milliseconds: then it lives, and there was another reason.
    pub(crate) since: u64,
}

/// What a request asks of a process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Demand {
    /// Not this one.
    pub(crate) avoid: Option<Avoid>,
    /// A thread of its own: it has waited for one.
    pub(crate) is_strict: bool,
}

impl Demand {
    /// That of those who queue.
    pub(crate) const STRICT: Self = Self {
        avoid: None,
        is_strict: true,
    };
}

/// A process with a free place.
#[derive(Clone, Copy)]
struct Choice {
    process: SlotRef,
    places: u32,
    load: u64,
}

impl Scoreboard {
    /// Requests that all children have assigned to a process.
    pub(super) fn assigned_to(&self, process: SlotRef) -> u64 {
        self.cells
            .assigned(process.slot, self.rows_used())
            .map(|cell| count_for(cell.load(SeqCst), process.incarnation))
            .sum()
    }

    /// Requests that a child has assigned to processes which are there.
    pub(super) fn assigned_by(&self, row: &Row<'_>) -> u64 {
        self.slots()
            .zip(row.assigned)
            .map(|(slot, cell)| count_for(cell.load(SeqCst), slot.incarnation()))
            .sum()
    }

    /// Takes a place in the process with the fewest requests, for a child's row.
    pub(crate) fn take(&self, row: u32, demand: Demand) -> Option<SlotRef> {
        for _ in 0..ATTEMPTS {
            let choice = self.choose(row, demand)?;
            if self.occupy(row, choice) {
                return Some(choice.process);
            }
        }
        None
    }

    /// Gives a place back and lets in who waits for it. Does nothing if the process is not the slot's any more.
    pub(crate) fn vacate(&self, row: u32, process: SlotRef) {
        if let Some(cell) = self.assigned_cell(row, process.slot) {
            decrement(cell, process.incarnation);
        }
        self.wake_next();
    }

    /// Free places of all processes, and whether there is a process at all that takes requests.
    pub(crate) fn free_places(&self, demand: Demand) -> (u64, bool) {
        let now = clock::millis();
        let mut found = (0, false);
        for slot in self.slots().filter(|slot| slot.is_available(now)) {
            found.1 = true;
            if let Some(choice) = self.consider(slot, demand) {
                found.0 += u64::from(choice.places).saturating_sub(choice.load);
            }
        }
        found
    }

    /// Whether a process is there and loads.
    pub(crate) fn is_loading(&self) -> bool {
        self.slots().any(|slot| slot.state() == SlotState::Starting)
    }

    /// The process with the fewest requests, if it has a free place; see [`FAR`]. Among equals each child prefers
    /// another, so that their few requests spread.
    fn choose(&self, row: u32, demand: Demand) -> Option<Choice> {
        let now = clock::millis();
        let slots = self.layout().slots;
        let here = processor();
        let mut best: Option<(u64, Choice)> = None;
        for step in 0..slots {
            let Some(slot) = self.slot((row % slots + step) % slots) else {
                continue;
            };
            if !slot.is_available(now) {
                continue;
            }
            let Some(choice) = self.consider(slot, demand) else {
                continue;
            };
            let is_near = slot.is_brisk() && slot.is_near(here);
            if choice.load == 0 && (is_near || !slot.is_brisk()) {
                return Some(choice);
            }
            let distance = match (is_near, choice.load) {
                (true, _) => 0,
                // Never too far: what runs in the near one may hang.
                (false, 0) => 1,
                (false, _) => 2 * FAR,
            };
            let cost = 2 * choice.load + distance;
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, choice));
            }
        }
        best.map(|(_, choice)| choice)
    }

    /// What an available process has to offer; none if it is full or to be avoided.
    fn consider(&self, slot: Slot<'_>, demand: Demand) -> Option<Choice> {
        let process = slot.reference();
        let is_avoided = demand
            .avoid
            .is_some_and(|avoid| avoid.process == process && !slot.has_beaten_since(avoid.since));
        let places = if demand.is_strict {
            slot.threads()
        } else {
            slot.places()
        };
        // Requests of children that died may still run.
        let load = self.assigned_to(process).max(u64::from(slot.busy()));
        (!is_avoided && load < u64::from(places)).then_some(Choice {
            process,
            places,
            load,
        })
    }

    /// Counts first, looks afterwards, and takes it back if it was too much or too late.
    fn occupy(&self, row: u32, choice: Choice) -> bool {
        let process = choice.process;
        let (Some(cell), Some(slot)) = (
            self.assigned_cell(row, process.slot),
            self.slot(process.slot),
        ) else {
            return false;
        };
        if !increment(cell, slot, process.incarnation) {
            return false;
        }
        let is_kept = slot.state() == SlotState::Ready
            && slot.incarnation() == process.incarnation
            && self.assigned_to(process) <= u64::from(choice.places);
        if !is_kept {
            self.vacate(row, process);
        }
        is_kept
    }

    fn assigned_cell(&self, row: u32, slot: u32) -> Option<&AtomicU64> {
        self.cells.row(row)?.assigned.get(slot as usize)
    }
}

/// What a cell counts for an incarnation.
fn count_for(cell: u64, incarnation: u32) -> u64 {
    let is_current = u64::from(cell >> 32 == u64::from(incarnation));
    (cell & u64::from(u32::MAX)) * is_current
}

/// Counts one more for an incarnation; false if the slot has another by now.
///
/// Counts of an incarnation that is gone are dropped. The cell is read before the slot: if it speaks of a later
/// incarnation than ours, then so does the slot.
fn increment(cell: &AtomicU64, slot: Slot<'_>, incarnation: u32) -> bool {
    let mut seen = cell.load(SeqCst);
    loop {
        let is_current = seen >> 32 == u64::from(incarnation);
        if !is_current && slot.incarnation() != incarnation {
            return false;
        }
        let count = count_for(seen, incarnation);
        if count >= u64::from(u32::MAX) {
            return false;
        }
        let next = u64::from(incarnation) << 32 | (count + 1);
        match cell.compare_exchange_weak(seen, next, SeqCst, SeqCst) {
            Ok(_) => return true,
            Err(now) => seen = now,
        }
    }
}

/// Counts one less for an incarnation, if any is counted for it.
fn decrement(cell: &AtomicU64, incarnation: u32) {
    let mut seen = cell.load(SeqCst);
    while count_for(seen, incarnation) > 0 {
        match cell.compare_exchange_weak(seen, seen - 1, SeqCst, SeqCst) {
            Ok(_) => return,
            Err(now) => seen = now,
        }
    }
}
