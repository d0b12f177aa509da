//! How an Apache child gets a place for a request in one of a group's processes, and waits for one in turn.
//!
//! A child joins the group's scoreboard once, in child_init ([`Admission::join`]), and asks for a place a request
//! ([`Admission::assign`]). The [`Assignment`] is the place; dropped, it is free for the next. What is common to all
//! children is in [`crate::scoreboard`]; connections and frames are the client's.
//!
//! - The process with the fewest requests is chosen among those that are ready, whose heart beats and which have a free
//!   thread, or whose threads will soon have time (`scoreboard::places`). If nobody waits and there is one, nothing more
//!   happens: no lock, no system call.
//! - Else the request queues. There is one queue for the whole group, first come first served over all children and
//!   threads: newcomers go behind those who wait, even if a place is free at that moment. A place that becomes free
//!   wakes the one whose turn it is, no other.
//! - The place comes with a claim: whether the process has begun with the request. As long as it has not, the request
//!   can be taken back for certain, whatever the process does, and be given to another one.
//! - A child that is killed leaves nothing: its row is cleared by whoever waits, or by the supervisor. A child that is
//!   stopped keeps its places but does not hold up those behind it.
//! - Whoever waits looks at its tick as well (100 ms, those far behind half a second), so that no single wake-up matters
//!   that a killed process did not get to, or a hostile one left out.
#![forbid(unsafe_code)]

mod claim;
mod patience;
mod prompt;
#[cfg(test)]
mod tests;
mod waiter;

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

use claim::{Claim, ClaimCells};
use parking_lot::{Condvar, Mutex};
use patience::Patience;
use rsgi_core::wire;
use waiter::Waiter;

use crate::scoreboard::{Avoid, Demand, Owner, Scoreboard, Slot, SlotRef, clock};

/// Nobody is woken for nothing more often than this in one wait, but by somebody hostile who keeps doing it.
const OFTEN: u32 = 64;
/// What such a one gets for it instead of a whole processor.
const PAUSE: Duration = Duration::from_millis(1);

/// How long a request may wait; none is without end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wait<'c> {
    /// As long as no process is ready at all (`connect-timeout`).
    pub ready: Option<Duration>,
    /// As long as none is ready and one loads, where that is longer.
    ///
    /// mod_wsgi: a request is in the hands of a process that loads, and waits for its first words (`socket-timeout`).
    pub loading: Option<Duration>,
    /// In all (`queue-timeout`).
    pub queue: Option<Duration>,
    /// When a process first turned the request away ([`clock::nanos`]). From then on the time without a process counts as
    /// one, so that a group whose processes say that they are ready and then are not cannot begin it anew.
    pub refused: Option<u64>,
    /// When it came ([`clock::nanos`]), where it has waited in the socket of a process whose threads had no time for it:
    /// that is its turn now, and it wants a thread of its own.
    pub since: Option<u64>,
    /// The client's socket, where it has one: who has hung up waits no longer.
    pub client: Option<BorrowedFd<'c>>,
}

/// Why a request got no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// All threads of all processes were busy for too long.
    #[error("no thread was free for {} ms, {waiting} requests wait", waited.as_millis())]
    QueueTimeout {
        /// How long it waited.
        waited: Duration,
        /// How many requests of the group wait besides.
        waiting: u32,
    },
    /// No process was ready for too long.
    #[error("no process was ready for {} ms", waited.as_millis())]
    NoProcess {
        /// How long it waited.
        waited: Duration,
    },
    /// The client hung up while the request waited.
    #[error("the client is gone")]
    ClientGone,
}

/// One child's part in a group.
#[derive(Debug)]
pub struct Admission {
    board: Arc<Scoreboard>,
    owner: Owner,
    row: u32,
    /// Waiter cells of the row that no thread uses.
    cells: Mutex<Vec<u32>>,
    /// For those who find none.
    freed: Condvar,
    claims: ClaimCells,
}

impl Admission {
    /// Takes a row of the scoreboard for the calling process, after it was forked.
    ///
    /// # Errors
    /// All rows have living owners: there are more children than the scoreboard was made for.
    pub fn join(board: Arc<Scoreboard>) -> io::Result<Self> {
        let owner = Owner::own();
        let row = board.claim_row(owner).ok_or(io::ErrorKind::QuotaExceeded)?;
        // The last is taken first: what is used is at the beginning.
        let waiters = board.layout().waiters;
        let cells = (0..waiters).rev().collect();
        Ok(Self {
            board,
            owner,
            row,
            cells: Mutex::new(cells),
            freed: Condvar::new(),
            claims: ClaimCells::new(waiters),
        })
    }

    /// The row of this child.
    #[must_use]
    pub fn row(&self) -> u32 {
        self.row
    }

    /// The scoreboard.
    #[must_use]
    pub fn board(&self) -> &Arc<Scoreboard> {
        &self.board
    }

    /// Requests of the whole group that wait.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.board.waiting()
    }

    /// How long the first of them has waited.
    #[must_use]
    pub fn oldest_wait(&self) -> Option<Duration> {
        self.board.oldest_wait()
    }

    /// Gets a place for a request, and waits for it in turn.
    ///
    /// `avoid` is a process that has just turned this request away: it is not chosen again before its heart has beaten
    /// once more, that is for a quarter of a second if it lives.
    ///
    /// # Errors
    /// It took too long: [`Refused`].
    pub fn assign(
        &self,
        wait: Wait<'_>,
        avoid: Option<SlotRef>,
    ) -> Result<Assignment<'_>, Refused> {
        let demand = Demand {
            avoid: avoid.map(|process| Avoid {
                process,
                since: clock::millis(),
            }),
            is_strict: wait.since.is_some(),
        };
        if !self.board.has_queue()
            && let Some(process) = self.board.take(self.row, demand)
        {
            let waited = wait.since.map_or(Duration::ZERO, patience::since);
            if prompt::is_prompt() {
                prompt::set_prompt(self.is_brisk(process));
            }
            return Ok(self.assignment(process, waited));
        }
        // Who waits anyway waits for a thread: more in the processes' sockets would only make some wait longer.
        let demand = Demand {
            is_strict: true,
            ..demand
        };
        self.queue(Patience::new(wait), demand)
    }

    /// Waits in turn.
    fn queue(&self, mut patience: Patience<'_>, demand: Demand) -> Result<Assignment<'_>, Refused> {
        let waiter = self.enter(&mut patience)?;
        let mut woken = 0_u32;
        loop {
            waiter.look();
            let (free, is_available) = self.board.free_places(demand);
            let in_front = self.board.in_front_of(waiter.key());
            let is_next = in_front < free;
            // Only now and at the ticks: what has to wait costs no call more than it has to.
            if is_next && patience.client_is_gone() {
                return Err(Refused::ClientGone);
            }
            if is_next && let Some(process) = self.board.take(self.row, demand) {
                let waited = patience.waited();
                self.board.count_queued(waited);
                prompt::set_prompt(self.is_brisk(process));
                return Ok(self.assignment(process, waited));
            }
            let is_loading = !is_available && self.board.is_loading();
            patience
                .check(is_available, is_loading)
                .map_err(|late| self.refuse(late))?;
            if !waiter.sleep(patience.until_next_look(in_front)) {
                self.board.sweep_if_due();
                if patience.client_is_gone() {
                    return Err(Refused::ClientGone);
                }
                continue;
            }
            woken += 1;
            if woken.is_multiple_of(OFTEN) {
                std::thread::sleep(PAUSE);
            }
        }
    }

    /// Goes to the end of the queue. If the child has more waiting requests than cells, it waits for one of those first.
    fn enter(&self, patience: &mut Patience<'_>) -> Result<Waiter<'_>, Refused> {
        let mut cells = self.cells.lock();
        loop {
            if let Some(cell) = cells.pop() {
                drop(cells);
                return Ok(Waiter::enter(self, cell, patience.since()));
            }
            let wait = patience.until_next_look(0);
            self.freed.wait_for(&mut cells, wait);
            let (_, is_available) = self.board.free_places(Demand::default());
            let is_loading = !is_available && self.board.is_loading();
            patience
                .check(is_available, is_loading)
                .map_err(|late| self.refuse(late))?;
            if patience.client_is_gone() {
                return Err(Refused::ClientGone);
            }
        }
    }

    fn is_brisk(&self, process: SlotRef) -> bool {
        self.board.slot(process.slot).is_some_and(Slot::is_brisk)
    }

    fn refuse(&self, late: patience::Late) -> Refused {
        let waited = late.waited;
        if late.is_for_process {
            self.board.count_no_process();
            return Refused::NoProcess { waited };
        }
        self.board.count_queue_timeout();
        // It is still among them itself.
        let waiting = self.board.waiting().saturating_sub(1);
        Refused::QueueTimeout { waited, waiting }
    }

    fn assignment(&self, process: SlotRef, waited: Duration) -> Assignment<'_> {
        self.board.tally(self.row).waited(waited);
        Assignment {
            admission: self,
            process,
            waited,
            claim: Claim::new(self),
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.board.release_row(self.row, self.owner);
    }
}

/// A place for one request in a process; dropped, it is free for whoever has waited longest.
#[derive(Debug)]
#[must_use]
pub struct Assignment<'a> {
    admission: &'a Admission,
    process: SlotRef,
    waited: Duration,
    claim: Claim<'a>,
}

impl Assignment<'_> {
    /// The slot.
    #[must_use]
    pub fn slot(&self) -> u32 {
        self.process.slot
    }

    /// Which process of the slot.
    #[must_use]
    pub fn incarnation(&self) -> u32 {
        self.process.incarnation
    }

    /// Both, to be avoided when it turns the request away.
    #[must_use]
    pub fn process(&self) -> SlotRef {
        self.process
    }

    /// How long the request waited for it.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Offers the request to the process, each time before it is sent: what was sent before counts no longer.
    pub fn offer(&mut self) -> wire::Claim {
        self.claim.offer()
    }

    /// Takes the request back. True where the process has not begun with it: then it never will.
    #[must_use]
    pub fn retract(&mut self) -> bool {
        self.claim.retract()
    }

    /// The process has answered: it has begun with the request.
    pub fn set_taken(&mut self) {
        self.claim.set_taken();
    }

    /// Whether the process is known to have begun with it.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.claim.is_taken()
    }
}

impl Drop for Assignment<'_> {
    fn drop(&mut self) {
        // What was not taken is not to be run for nobody; else there is nothing to be done.
        let _ = self.claim.retract();
        let admission = self.admission;
        admission.board.vacate(admission.row, self.process);
    }
}
