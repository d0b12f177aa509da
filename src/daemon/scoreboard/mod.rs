//! The scoreboard of a group: shared memory in which the supervisor, the daemon processes and Apache's children say what
//! they are doing, and in which requests wait.
//!
//! httpd's parent makes one a group and generation ([`Scoreboard::create`]) before it forks, so that the supervisor and
//! the children inherit it; a daemon process gets its file ([`Scoreboard::open`]).
//!
//! Each cell but a claim has one writer at a time: a slot's the supervisor and the process that has the slot, a row's the child that
//! has the row. So there is no lock that the dead can hold: whatever a child leaves behind is in its row and goes when
//! the row is cleared, whatever a daemon leaves behind is in its slot and goes when the slot begins a new life. Those
//! who write may be hostile: their words are bounded when read, nothing here loops over what they say, and each wait
//! has an end.
//!
//! `cells` has the unsafe code, `slot` what is said of processes, `owner` who has a row, `places` how many requests each
//! process has, `claims` whether it has begun with one, `queue` who waits, `tally` what was counted. What a child does with it is in [`crate::admission`].

mod cells;
mod claims;
pub(crate) mod clock;
mod death;
mod layout;
mod owner;
mod places;
mod queue;
mod running;
mod slot;
mod tally;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use rsgi_core::micros;

use cells::Cells;
pub(crate) use cells::{Row, WaiterCell};
pub use death::Death;
pub use layout::Layout;
pub use owner::Child;
pub(crate) use owner::Owner;
pub(crate) use places::{Avoid, Demand};
pub(crate) use queue::{AWAKE, Key, SLEEPING};
pub use running::{Entry, Running};
pub use slot::{Slot, SlotRef, SlotState};
pub use tally::{Tallies, Tally};

use crate::sys::memory::{self, Mapping};

/// "RSGIboar", so that a file of something else is noticed.
const MAGIC: u64 = u64::from_le_bytes(*b"RSGIboar");
/// Of the cells and what they mean: supervisor, module and daemon come from one build, unless a package was updated
/// under a running server.
const VERSION: u32 = 7;

/// Why there is no scoreboard.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    /// Numbers beyond reason.
    #[error("a scoreboard of {0:?} is beyond reason")]
    Layout(Layout),
    /// Not a scoreboard, or of another version.
    #[error("the file is no scoreboard of this version of mod_rsgi")]
    Foreign,
    /// Not made by us: it could be cut under our feet.
    #[error("the file is no sealed memory file of the length of a scoreboard")]
    Unsealed,
    /// The system.
    #[error("the memory of a scoreboard: {0}")]
    System(#[from] io::Error),
}

/// The scoreboard of a group.
#[derive(Debug)]
pub struct Scoreboard {
    cells: Cells,
    file: OwnedFd,
}

/// What a group has done since its scoreboard was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests that had to wait.
    pub queued: u64,
    /// How long they did, together.
    pub queued_time: Duration,
    /// Requests refused because `queue-timeout` was over.
    pub queue_timeouts: u64,
    /// Requests refused because no process was ready in time.
    pub no_process: u64,
    /// Children that died without giving their row back.
    pub rows_swept: u64,
}

impl Scoreboard {
    /// Makes a scoreboard; `name` is the group's, for people who look at /proc.
    ///
    /// # Errors
    /// Numbers beyond reason, or no memory.
    pub fn create(layout: Layout, name: &str) -> Result<Self, BoardError> {
        let geometry = layout.geometry()?;
        let file = memory::shared(&format!("rsgi-board:{name}"), geometry.bytes)?;
        let mapping = Mapping::new(&file, geometry.bytes)?;
        let cells = Cells::new(mapping, geometry).ok_or(BoardError::Unsealed)?;
        let header = cells.header();
        header.version.store(VERSION, SeqCst);
        header.slots.store(layout.slots, SeqCst);
        header.rows.store(layout.rows, SeqCst);
        header.waiters.store(layout.waiters, SeqCst);
        header.magic.store(MAGIC, SeqCst);
        Ok(Self { cells, file })
    }

    /// Opens the scoreboard that another process made. Its layout is read and checked once and never again.
    ///
    /// # Errors
    /// The file is something else.
    pub fn open(file: OwnedFd) -> Result<Self, BoardError> {
        let layout = read_layout(file.as_fd())?;
        let geometry = layout.geometry()?;
        if !memory::is_shared(file.as_fd(), geometry.bytes) {
            return Err(BoardError::Unsealed);
        }
        let mapping = Mapping::new(&file, geometry.bytes)?;
        let cells = Cells::new(mapping, geometry).ok_or(BoardError::Unsealed)?;
        Ok(Self { cells, file })
    }

    /// The file, to be handed to a daemon process.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// How many of everything.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.cells.geometry().layout
    }

    /// What the group has done.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let counters = &self.cells.header().counters;
        Totals {
            queued: counters.queued.load(SeqCst),
            queued_time: Duration::from_micros(counters.queued_micros.load(SeqCst)),
            queue_timeouts: counters.queue_timeouts.load(SeqCst),
            no_process: counters.no_process.load(SeqCst),
            rows_swept: counters.rows_swept.load(SeqCst),
        }
    }

    /// Counts a request that had to wait.
    pub(crate) fn count_queued(&self, waited: Duration) {
        let counters = &self.cells.header().counters;
        counters.queued.fetch_add(1, SeqCst);
        counters.queued_micros.fetch_add(micros::of(waited), SeqCst);
    }

    /// Counts a request that was refused for `queue-timeout`.
    pub(crate) fn count_queue_timeout(&self) {
        let counter = &self.cells.header().counters.queue_timeouts;
        counter.fetch_add(1, SeqCst);
    }

    /// Counts a request that was refused because there was no process.
    pub(crate) fn count_no_process(&self) {
        let counter = &self.cells.header().counters.no_process;
        counter.fetch_add(1, SeqCst);
    }

    /// Rows from here on were never used.
    fn rows_used(&self) -> u32 {
        let used = self.cells.header().shared.rows_used.load(SeqCst);
        used.min(self.layout().rows)
    }

    /// The rows that were ever used.
    fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.rows_used()).filter_map(|index| self.cells.row(index))
    }

    /// A row.
    pub(crate) fn row(&self, index: u32) -> Option<Row<'_>> {
        self.cells.row(index)
    }
}

/// Reads the first words of a file, before anything is mapped.
fn read_layout(file: BorrowedFd<'_>) -> Result<Layout, BoardError> {
    let mut words = [0; 24];
    let count = rustix::io::pread(file, &mut words, 0).map_err(io::Error::from)?;
    if count != words.len() || words[..8] != MAGIC.to_ne_bytes() {
        return Err(BoardError::Foreign);
    }
    let word = |at: usize| words[at..at + 4].try_into().map_or(0, u32::from_ne_bytes);
    if word(8) != VERSION {
        return Err(BoardError::Foreign);
    }
    Ok(Layout {
        slots: word(12),
        rows: word(16),
        waiters: word(20),
    })
}
