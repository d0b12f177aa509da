//! What the threads of a server do, for the monitor to look at: who runs a request since when, and what they ask for.
//!
//! Written by the workers, read by the monitor; nothing here waits. Times are milliseconds since the process began.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};

use super::pace::Pace;

/// A running request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// The worker's number, from 1.
    pub worker: u32,
    /// When it began, in microseconds since the epoch: what it is known by.
    pub daemon_start: i64,
    /// When it began, since the process did.
    pub since: Duration,
}

/// One worker; 0 is idle.
#[derive(Debug, Default)]
struct Cell {
    daemon_start: AtomicI64,
    since: AtomicU64,
}

/// See the module.
#[derive(Debug)]
pub struct Activity {
    began: Instant,
    workers: Box<[Cell]>,
    /// The last sign of life, plus one; 0 before the first request.
    last: AtomicU64,
    first: AtomicU64,
    finished: AtomicU64,
    limit: u64,
    is_stale: AtomicBool,
    pace: Pace,
    wake: OwnedFd,
}

impl Activity {
    /// Of `workers` threads; the monitor is woken after `limit` requests (0: never).
    ///
    /// # Errors
    /// No descriptors.
    pub fn new(workers: u32, limit: u64) -> std::io::Result<Self> {
        Ok(Self {
            began: Instant::now(),
            workers: (0..workers).map(|_| Cell::default()).collect(),
            last: AtomicU64::new(0),
            first: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            limit,
            is_stale: AtomicBool::new(false),
            pace: Pace::new(),
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        })
    }

    /// Time since the process began.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn millis(&self) -> u64 {
        plus_one(self.now())
    }

    /// A sign of life of a request, at this moment.
    pub(super) fn touch(&self, now: Duration) {
        self.last.store(plus_one(now), Ordering::Relaxed);
    }

    /// A worker begins a request.
    pub(super) fn begin(&self, worker: u32, daemon_start: i64) {
        let now = self.millis();
        if self.first.load(Ordering::Relaxed) == 0 {
            self.first.store(now, Ordering::Relaxed);
        }
        if let Some(cell) = self.cell(worker) {
            cell.since.store(now, Ordering::Relaxed);
            cell.daemon_start.store(daemon_start, Ordering::Release);
        }
    }

    /// A worker is done with its request.
    pub(super) fn end(&self, worker: u32) {
        if let Some(cell) = self.cell(worker) {
            cell.daemon_start.store(0, Ordering::Release);
        }
        let finished = self.finished.fetch_add(1, Ordering::Relaxed) + 1;
        if finished == self.limit {
            self.wake();
        }
    }

    /// A worker is done with its request, if it has one.
    pub(super) fn end_if_begun(&self, worker: u32) {
        let begun = |cell: &Cell| cell.daemon_start.load(Ordering::Acquire) != 0;
        if self.cell(worker).is_some_and(begun) {
            self.end(worker);
        }
    }

    /// How close and how long its requests are.
    pub(super) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Looks whether anything is done at all, now and then; whether short requests come close behind each other.
    #[must_use]
    pub fn look_at_pace(&self) -> bool {
        self.pace.look(self.now(), self.finished());
        self.pace.is_brisk()
    }

    /// A worker found that a script changed.
    pub(super) fn set_stale(&self) {
        self.is_stale.store(true, Ordering::SeqCst);
        self.wake();
    }

    fn cell(&self, worker: u32) -> Option<&Cell> {
        self.workers.get((worker as usize).wrapping_sub(1))
    }

    /// Makes the monitor look at once.
    pub fn wake(&self) {
        // Full is as good as written.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    /// Readable when the monitor is to look; [`Activity::hushed`] ends that.
    #[must_use]
    pub fn wake_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// The monitor looks.
    pub fn hushed(&self) {
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
    }

    /// All running requests.
    pub fn running(&self) -> impl Iterator<Item = Running> + '_ {
        self.workers.iter().zip(1..).filter_map(|(cell, worker)| {
            let daemon_start = cell.daemon_start.load(Ordering::Acquire);
            let since = cell.since.load(Ordering::Relaxed);
            // Another request since then began a moment ago: of no interest yet.
            let is_same = cell.daemon_start.load(Ordering::Acquire) == daemon_start;
            (daemon_start != 0 && is_same).then_some(Running {
                worker,
                daemon_start,
                since: Duration::from_millis(since.saturating_sub(1)),
            })
        })
    }

    /// When the first request began.
    #[must_use]
    pub fn first(&self) -> Option<Duration> {
        at(&self.first)
    }

    /// The last sign of life of a request.
    #[must_use]
    pub fn last(&self) -> Option<Duration> {
        at(&self.last)
    }

    /// Requests that are done.
    #[must_use]
    pub fn finished(&self) -> u64 {
        self.finished.load(Ordering::Relaxed)
    }

    /// Whether a script changed.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.is_stale.load(Ordering::SeqCst)
    }
}

/// In milliseconds, plus one: 0 means never.
fn plus_one(moment: Duration) -> u64 {
    u64::try_from(moment.as_millis()).unwrap_or(u64::MAX - 1) + 1
}

fn at(place: &AtomicU64) -> Option<Duration> {
    place
        .load(Ordering::Relaxed)
        .checked_sub(1)
        .map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_seen_while_it_runs() {
        let activity = Activity::new(2, 2).unwrap();
        assert_eq!(activity.first(), None);
        activity.begin(2, 77);
        activity.begin(3, 78);
        let running: Vec<_> = activity.running().collect();
        assert_eq!(running.len(), 1);
        assert_eq!((running[0].worker, running[0].daemon_start), (2, 77));
        assert!(activity.first().is_some());
        activity.end(2);
        assert_eq!(activity.running().count(), 0);
        activity.begin(1, 79);
        activity.end(1);
        assert_eq!(activity.finished(), 2);
    }

    #[test]
    fn the_monitor_is_woken_at_the_limit() {
        let activity = Activity::new(1, 1).unwrap();
        let is_awake = || {
            let fd = activity.wake_fd();
            let interest = crate::sys::socket::Interest::Readable;
            crate::sys::socket::wait_for(fd, interest, Duration::ZERO).unwrap()
        };
        assert!(!is_awake());
        activity.begin(1, 5);
        activity.end(1);
        assert!(is_awake());
        activity.hushed();
        assert!(!is_awake());
        activity.set_stale();
        assert!(is_awake() && activity.is_stale());
    }
}
