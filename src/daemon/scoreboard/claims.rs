//! Whether a process has begun with a request: the one word about it that both sides change.
//!
//! A request that runs has a cell of its child's row. The child offers the request there before it sends it; the process
//! takes the offer before it does anything for it; the child may retract an offer that was not taken. Taking and
//! retracting are one exchange of the whole word, so exactly one of them happens: what was retracted is never run,
//! whatever the process still has in its sockets and however long it was stopped, and what was taken is never sent to
//! another process.
//!
//! Each offer in a cell has a number of its own, which goes with the request. A cell outlives its owner and goes on
//! counting under the next: what a dead child had sent is not taken for an offer of its successor. A process that writes
//! garbage here can make requests of its own group run twice or never, which it can without it.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;

use rsgi_core::wire::Claim;

use super::Scoreboard;

/// What became of the last offer: the low bits of a cell.
const STATE: u64 = 3;
const OFFERED: u64 = 1;
const TAKEN: u64 = 2;
const RETRACTED: u64 = 3;
/// Bits in front of them: the number of the offer. It comes again after 2^62 of them.
const SHIFT: u32 = 2;

const fn word(sequence: u64, state: u64) -> u64 {
    sequence << SHIFT | state
}

impl Scoreboard {
    /// Makes a new offer in a cell that no other thread of the child uses; its number.
    pub(crate) fn offer(&self, row: u32, cell: u32) -> u64 {
        let Some(cell) = self.cells.claim(row, cell) else {
            return 0;
        };
        let sequence = (cell.load(SeqCst) >> SHIFT).wrapping_add(1) & (u64::MAX >> SHIFT);
        cell.store(word(sequence, OFFERED), SeqCst);
        sequence
    }

    /// Takes a child's offer, for the process that it was sent to. Where this is false the request was retracted, or its
    /// child is gone: nothing may be done for it.
    #[must_use]
    pub fn take_claim(&self, row: u32, claim: Claim) -> bool {
        claim == Claim::NONE || self.change_claim(row, claim, TAKEN)
    }

    /// Takes an offer back. Where this is true nobody has run the request, and nobody will.
    #[must_use]
    pub(crate) fn retract(&self, row: u32, claim: Claim) -> bool {
        self.change_claim(row, claim, RETRACTED)
    }

    /// Changes an offer, if it is one and nobody has changed it.
    fn change_claim(&self, row: u32, claim: Claim, to: u64) -> bool {
        let Some(cell) = self.cells.claim(row, claim.cell) else {
            return false;
        };
        let (offered, after) = (word(claim.sequence, OFFERED), word(claim.sequence, to));
        cell.compare_exchange(offered, after, SeqCst, SeqCst)
            .is_ok()
    }
}

/// Retracts what a child has left. It is not there to wait for an answer.
pub(super) fn abandon(cell: &AtomicU64) {
    let seen = cell.load(SeqCst);
    if seen & STATE == OFFERED {
        // Taken meanwhile: it runs.
        let _ = cell.compare_exchange(seen, word(seen >> SHIFT, RETRACTED), SeqCst, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::thread;

    use super::super::{Layout, Owner};
    use super::*;

    fn board() -> Scoreboard {
        let layout = Layout {
            slots: 1,
            rows: 2,
            waiters: 3,
        };
        Scoreboard::create(layout, "test").unwrap()
    }

    fn offer(board: &Scoreboard, row: u32, cell: u32) -> Claim {
        let sequence = board.offer(row, cell);
        Claim { cell, sequence }
    }

    #[test]
    fn an_offer_is_taken_or_retracted_and_that_once() {
        let board = board();
        let first = offer(&board, 1, 2);
        assert!(!board.take_claim(0, first), "another row");
        assert!(board.take_claim(1, first));
        assert!(!board.take_claim(1, first) && !board.retract(1, first));
        let second = offer(&board, 1, 2);
        assert!(!board.take_claim(1, first), "an earlier offer");
        assert!(board.retract(1, second));
        assert!(!board.take_claim(1, second) && !board.retract(1, second));
    }

    #[test]
    fn what_has_no_cell_is_taken_by_anyone_and_never_retracted() {
        let board = board();
        assert!(board.take_claim(0, Claim::NONE) && board.take_claim(9, Claim::NONE));
        assert!(!board.retract(0, Claim::NONE));
    }

    #[test]
    fn cells_that_are_none_are_not_offered() {
        let board = board();
        for (row, cell) in [(0, 3), (2, 0), (u32::MAX, u32::MAX - 1)] {
            let claim = offer(&board, row, cell);
            assert!(!board.take_claim(row, claim) && !board.retract(row, claim));
        }
        for sequence in [0, u64::MAX, u64::MAX >> SHIFT] {
            assert!(!board.take_claim(0, Claim { cell: 0, sequence }));
        }
    }

    #[test]
    fn a_row_keeps_counting_when_it_gets_another_owner_and_the_offers_of_the_last_are_gone() {
        let board = board();
        let owner = Owner::own();
        let row = board.claim_row(owner).unwrap();
        let (left, taken) = (offer(&board, row, 0), offer(&board, row, 1));
        assert!(board.take_claim(row, taken));
        board.release_row(row, owner);
        assert!(!board.take_claim(row, left));
        assert_eq!(board.claim_row(owner), Some(row));
        let next = offer(&board, row, 0);
        assert_ne!(next, left);
        assert!(!board.take_claim(row, left));
        assert!(board.take_claim(row, next));
    }

    #[test]
    fn of_several_who_want_an_offer_one_gets_it() {
        const OFFERS: u64 = 20_000;
        let board = board();
        let won = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut mine = Vec::new();
                    let mut sequence = 0;
                    while sequence < OFFERS {
                        let seen = board.cells.claim(0, 0).unwrap().load(SeqCst);
                        sequence = seen >> SHIFT;
                        if board.take_claim(0, Claim { cell: 0, sequence }) {
                            mine.push(sequence);
                        }
                    }
                    won.lock().unwrap().extend(mine);
                });
            }
            for number in 1..=OFFERS {
                let claim = offer(&board, 0, 0);
                assert_eq!(claim.sequence, number);
                if number % 3 == 0 {
                    thread::yield_now();
                }
                if board.retract(0, claim) {
                    won.lock().unwrap().push(number);
                }
            }
        });
        let mut won = won.into_inner().unwrap();
        won.sort_unstable();
        assert!(won.into_iter().eq(1..=OFFERS));
    }
}
