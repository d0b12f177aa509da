//! The claim of one request: its cell in the child's row, and what it says there.

use std::cell::Cell;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicUsize};

use rsgi_core::wire;

use super::Admission;

/// Cells that share a line of the processor's cache.
const NEIGHBOURS: usize = 8;

thread_local! {
    /// The cell that the thread tries first, in each group.
    static FAVOURITE: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Which cells of the row are in use by this child's threads. Not in the shared memory: nobody else has a say in it.
#[derive(Debug)]
pub(super) struct ClaimCells(Box<[AtomicBool]>);

impl ClaimCells {
    pub(super) fn new(count: u32) -> Self {
        Self((0..count).map(|_| AtomicBool::new(false)).collect())
    }

    /// A cell that no other thread uses; none where there are more requests than cells.
    fn take(&self) -> Option<u32> {
        let Self(used) = self;
        let first = favourite();
        (0..used.len()).find_map(|step| {
            let cell = spread(first + step, used.len());
            // A thread's own is free but where it has two requests.
            let is_free = !used[cell].load(Relaxed) && !used[cell].swap(true, Acquire);
            u32::try_from(cell).ok().filter(|_| is_free)
        })
    }

    fn give_back(&self, cell: u32) {
        if let Some(used) = self.0.get(cell as usize) {
            used.store(false, Release);
        }
    }
}

/// Threads choose different ones, as long as there are enough.
fn favourite() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    FAVOURITE.with(|favourite| {
        let number = favourite
            .get()
            .unwrap_or_else(|| NEXT.fetch_add(1, Relaxed) % (1 << 16));
        favourite.set(Some(number));
        number
    })
}

/// Numbers one after the other become cells on different lines. Each of `count` numbers in a row becomes another cell.
fn spread(number: usize, count: usize) -> usize {
    let lines = count / NEIGHBOURS;
    let number = number % count;
    if number < lines * NEIGHBOURS {
        number % lines * NEIGHBOURS + number / lines
    } else {
        number
    }
}

/// One request's claim on the process that it was sent to. Retract it before it is dropped, and its cell is another's.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    admission: &'a Admission,
    cell: Option<u32>,
    state: State,
}

/// What this side knows of it.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Nobody has the request.
    Idle,
    /// A process may take it, or has.
    Offered(wire::Claim),
    /// A process has it.
    Taken,
}

impl<'a> Claim<'a> {
    pub(super) fn new(admission: &'a Admission) -> Self {
        Self {
            admission,
            cell: admission.claims.take(),
            state: State::Idle,
        }
    }

    /// Makes a new offer: an earlier one counts no longer.
    pub(super) fn offer(&mut self) -> wire::Claim {
        let Admission { board, row, .. } = self.admission;
        let claim = self.cell.map_or(wire::Claim::NONE, |cell| wire::Claim {
            cell,
            sequence: board.offer(*row, cell),
        });
        self.state = State::Offered(claim);
        claim
    }

    /// Takes the offer back, if it is not too late: then nobody has run the request, and nobody will.
    pub(super) fn retract(&mut self) -> bool {
        let Admission { board, row, .. } = self.admission;
        self.state = match self.state {
            State::Offered(claim) if !board.retract(*row, claim) => State::Taken,
            State::Taken => State::Taken,
            State::Offered(_) | State::Idle => State::Idle,
        };
        matches!(self.state, State::Idle)
    }

    /// The process has said something of the request.
    pub(super) fn set_taken(&mut self) {
        self.state = State::Taken;
    }

    pub(super) fn is_taken(&self) -> bool {
        matches!(self.state, State::Taken)
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if let Some(cell) = self.cell {
            self.admission.claims.give_back(cell);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_first_numbers_become_cells_of_different_lines_and_all_become_different_ones() {
        for count in [1, 7, 8, 9, 50, 64, 250] {
            let all: BTreeSet<usize> = (0..count).map(|number| spread(number, count)).collect();
            assert_eq!(all.last(), Some(&(count - 1)));
            assert_eq!(all.len(), count);
            let lines = (count / NEIGHBOURS).max(1);
            let first: BTreeSet<usize> =
                (0..lines).map(|n| spread(n, count) / NEIGHBOURS).collect();
            assert_eq!(first.len(), lines);
        }
        assert_eq!(spread(1 << 16, 50), spread((1 << 16) % 50, 50));
    }

    #[test]
    fn cells_are_given_out_once_and_the_last_request_has_none() {
        let cells = ClaimCells::new(10);
        let taken: BTreeSet<u32> = (0..10).filter_map(|_| cells.take()).collect();
        assert_eq!(taken.len(), 10);
        assert_eq!(cells.take(), None);
        cells.give_back(3);
        cells.give_back(99);
        assert_eq!((cells.take(), cells.take()), (Some(3), None));
    }

    #[test]
    fn a_thread_gets_the_same_cell_again() {
        let cells = ClaimCells::new(20);
        let first = cells.take().unwrap();
        cells.give_back(first);
        assert_eq!(cells.take(), Some(first));
    }
}
