//! How close and how long the process's requests are: whether it is brisk, so that one of its threads soon has time for
//! a request that waits in its socket.
//! Written by the workers at each request.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rsgi_core::average::{Average, CLOSE, MOST, SHORT, nanos};

/// Who has done less than this between two looks is not brisk, whatever its last requests were like.
const LEAST: u64 = 100;
/// Looks that are closer to each other than this are one.
const PERIOD: Duration = Duration::from_millis(100);

/// The averages; all times in nanoseconds.
#[derive(Debug)]
pub(super) struct Pace {
    /// When the last request began, since the process did.
    last: AtomicU64,
    /// Between the beginnings of two requests.
    gap: Average,
    /// From the beginning of a request to its end.
    time: Average,
    /// When there was last a look.
    looked: AtomicU64,
    /// Requests that were done at the last look.
    finished: AtomicU64,
}

impl Pace {
    /// That of a process without requests.
    pub(super) fn new() -> Self {
        Self {
            last: AtomicU64::new(0),
            gap: Average::new(MOST),
            time: Average::new(0),
            looked: AtomicU64::new(0),
            finished: AtomicU64::new(0),
        }
    }

    /// A request begins at this moment since the process began.
    pub(super) fn begin(&self, now: Duration) {
        let last = self.last.swap(nanos(now), Relaxed);
        self.gap.note(nanos(now).saturating_sub(last));
    }

    /// A request took so long.
    pub(super) fn end(&self, time: Duration) {
        self.time.note(nanos(time));
    }

    /// Whether short requests come close behind each other.
    pub(super) fn is_brisk(&self) -> bool {
        self.gap.is_below(CLOSE) && self.time.is_below(SHORT)
    }

    /// Looks now and then whether anything is done at all: what hangs ends no request, and so changes no average.
    pub(super) fn look(&self, now: Duration, finished: u64) {
        let now = nanos(now);
        if now.saturating_sub(self.looked.load(Relaxed)) < nanos(PERIOD) {
            return;
        }
        self.looked.store(now, Relaxed);
        if finished.saturating_sub(self.finished.swap(finished, Relaxed)) < LEAST {
            self.gap.set(MOST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT_ONE: Duration = Duration::from_micros(50);

    /// So many requests, each so long after the one before; when the last began.
    fn run(pace: &Pace, from: Duration, count: u32, gap: Duration, time: Duration) -> Duration {
        for number in 1..=count {
            pace.begin(from + gap * number);
            pace.end(time);
        }
        from + gap * count
    }

    #[test]
    fn only_many_short_requests_in_a_row_are_brisk() {
        let pace = Pace::new();
        assert!(!pace.is_brisk());
        let now = run(&pace, Duration::ZERO, 20, SHORT_ONE, SHORT_ONE);
        assert!(!pace.is_brisk(), "not after a few");
        let now = run(&pace, now, 100, SHORT_ONE, SHORT_ONE);
        assert!(pace.is_brisk());
        let now = run(&pace, now, 1, SHORT_ONE, Duration::from_millis(20));
        assert!(!pace.is_brisk(), "a long one");
        let now = run(&pace, now, 100, SHORT_ONE, SHORT_ONE);
        assert!(pace.is_brisk(), "it is forgotten");
        run(&pace, now, 1, Duration::from_secs(1), SHORT_ONE);
        assert!(!pace.is_brisk(), "a pause");
    }

    #[test]
    fn many_requests_at_once_that_take_long_are_not_brisk() {
        let pace = Pace::new();
        run(
            &pace,
            Duration::ZERO,
            1_000,
            SHORT_ONE,
            Duration::from_millis(1),
        );
        assert!(!pace.is_brisk());
    }

    #[test]
    fn who_does_nothing_more_is_not_brisk() {
        let pace = Pace::new();
        let now = run(&pace, Duration::ZERO, 1_000, SHORT_ONE, SHORT_ONE);
        pace.look(now + PERIOD, 1_000);
        assert!(pace.is_brisk());
        pace.look(now + PERIOD + PERIOD / 2, 1_000);
        assert!(pace.is_brisk(), "too early to say");
        pace.look(now + PERIOD * 2, 1_000 + LEAST);
        assert!(pace.is_brisk());
        pace.look(now + PERIOD * 3, 1_000 + LEAST);
        assert!(!pace.is_brisk());
    }
}
