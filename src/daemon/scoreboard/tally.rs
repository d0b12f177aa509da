//! Counts and times of requests, for people and their dashboards: nothing depends on them.
//!
//! Each is a relaxed addition of whoever knows. So that processes do not pass one line of the processor's cache back and
//! forth, there are several sets of them and each writer has its own, chosen by its number; who reads adds them up.
//! They outlive processes and children: a total never falls as long as the scoreboard is there.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use rsgi_core::metrics::{End, FailureCause, Histogram, Tallied, bucket};
use rsgi_core::micros;

use super::cells::{Cells, HistogramCells, TallyCells};
use super::layout::{Layout, STRIPES};
use super::{BoardError, Scoreboard};
use crate::sys::memory::Mapping;

/// Where one writer counts.
#[derive(Clone, Copy)]
pub struct Tally<'b> {
    cells: &'b TallyCells,
}

/// Counts alone: of requests in Apache's own processes, which need no scoreboard.
#[derive(Debug)]
pub struct Tallies {
    cells: Cells,
}

impl Scoreboard {
    /// Where the writer with that number counts: a child's row, or a process's slot.
    pub fn tally(&self, writer: u32) -> Tally<'_> {
        tally(&self.cells, writer)
    }

    /// All that was counted.
    #[must_use]
    pub fn tallied(&self) -> Tallied {
        tallied(&self.cells)
    }

    /// Counts a process that ended.
    pub(crate) fn count_end(&self, end: End) {
        if let Some(cell) = self.cells.header().counters.ends.get(end.index()) {
            cell.fetch_add(1, Relaxed);
        }
    }

    /// Processes that ended, by [`End::index`].
    #[must_use]
    pub fn ends(&self) -> [u64; End::COUNT] {
        let cells = &self.cells.header().counters.ends;
        std::array::from_fn(|index| cells[index].load(Relaxed))
    }
}

impl Tallies {
    /// Memory that this process and those that it forks count in.
    ///
    /// # Errors
    /// There is none.
    pub fn new() -> Result<Self, BoardError> {
        let layout = Layout {
            slots: 1,
            rows: 1,
            waiters: 1,
        };
        let geometry = layout.geometry()?;
        let mapping = Mapping::anonymous(geometry.bytes)?;
        let cells = Cells::new(mapping, geometry).ok_or(BoardError::Unsealed)?;
        Ok(Self { cells })
    }

    /// Where the writer with that number counts.
    #[must_use]
    pub fn tally(&self, writer: u32) -> Tally<'_> {
        tally(&self.cells, writer)
    }

    /// All that was counted.
    #[must_use]
    pub fn tallied(&self) -> Tallied {
        tallied(&self.cells)
    }
}

impl Tally<'_> {
    /// A request was answered.
    pub fn answered(self, status: u16) {
        let class = usize::from(status / 100).wrapping_sub(1);
        if let Some(cell) = self.cells.answers.get(class) {
            add(cell, 1);
        }
    }

    /// A request failed.
    pub fn failed(self, cause: FailureCause) {
        if let Some(cell) = self.cells.failures.get(cause.index()) {
            add(cell, 1);
        }
    }

    /// A request ran for so long.
    pub fn ran(self, time: Duration) {
        self.cells.run.observe(time);
    }

    /// A request waited for a place for so long.
    pub(crate) fn waited(self, time: Duration) {
        self.cells.wait.observe(time);
    }
}

impl HistogramCells {
    fn observe(&self, time: Duration) {
        // Most wait for nothing.
        if time.is_zero() {
            return add(&self.counts[0], 1);
        }
        let micros = micros::of(time);
        add(&self.counts[bucket(micros)], 1);
        add(&self.sum, micros);
    }

    fn read(&self) -> Histogram {
        Histogram {
            counts: std::array::from_fn(|index| self.counts[index].load(Relaxed)),
            sum: self.sum.load(Relaxed),
        }
    }
}

fn add(cell: &AtomicU64, count: u64) {
    cell.fetch_add(count, Relaxed);
}

fn tally(cells: &Cells, writer: u32) -> Tally<'_> {
    Tally {
        cells: cells.tally(writer % STRIPES),
    }
}

fn tallied(cells: &Cells) -> Tallied {
    let mut sum = Tallied::default();
    for stripe in 0..STRIPES {
        let cells = cells.tally(stripe);
        sum.run.add(&cells.run.read());
        sum.wait.add(&cells.wait.read());
        for (count, cell) in sum.answers.iter_mut().zip(&cells.answers) {
            *count = count.wrapping_add(cell.load(Relaxed));
        }
        for (count, cell) in sum.failures.iter_mut().zip(&cells.failures) {
            *count = count.wrapping_add(cell.load(Relaxed));
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use rsgi_core::daemon::ShutdownReason;

    #[test]
    fn all_writers_add_up_and_none_of_them_is_lost() {
        let tallies = Tallies::new().unwrap();
        std::thread::scope(|scope| {
            for writer in 0..3 * STRIPES {
                let tallies = &tallies;
                scope.spawn(move || {
                    let tally = tallies.tally(writer);
                    for _ in 0..100 {
                        tally.ran(Duration::from_millis(3));
                        tally.waited(Duration::ZERO);
                        tally.answered(204);
                        tally.failed(FailureCause::Lost);
                    }
                });
            }
        });
        let sum = tallies.tallied();
        let total = u64::from(STRIPES) * 300;
        assert_eq!(sum.run.total(), total);
        assert_eq!(sum.run.sum, total * 3_000);
        assert_eq!((sum.wait.counts[0], sum.wait.sum), (total, 0));
        assert_eq!(sum.answers, [0, total, 0, 0, 0]);
        assert_eq!(sum.failures[FailureCause::Lost.index()], total);
    }

    #[test]
    fn statuses_that_are_none_count_nowhere() {
        let tallies = Tallies::new().unwrap();
        for status in [0, 99, 600, 999, u16::MAX] {
            tallies.tally(u32::MAX).answered(status);
        }
        assert_eq!(tallies.tallied(), Tallied::default());
    }

    #[test]
    fn counts_outlive_the_rows_and_processes_that_made_them() {
        let layout = Layout {
            slots: 1,
            rows: 1,
            waiters: 1,
        };
        let board = Scoreboard::create(layout, "tally").unwrap();
        let owner = super::super::Owner::own();
        let row = board.claim_row(owner).unwrap();
        board.tally(row).answered(200);
        board.tally(0).ran(Duration::from_secs(1));
        board.release_row(row, owner);
        board.slot(0).unwrap().begin_next();
        board.count_end(End::Reason(ShutdownReason::MaximumRequests));
        let sum = board.tallied();
        assert_eq!((sum.answers[1], sum.run.total()), (1, 1));
        assert_eq!(board.ends().iter().sum::<u64>(), 1);
        assert_eq!(board.ends()[1], 1);
    }
}
