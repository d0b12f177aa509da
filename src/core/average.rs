//! A running average that many threads take values into without a lock.
//!
//! An update that another thread overwrites makes it a little older, nothing else. What the Python layer and the daemon's
//! server ask of such averages is the same: whether requests are very short and close behind each other.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Requests that begin closer to each other, on average, come close behind each other.
pub const CLOSE: Duration = Duration::from_micros(250);
/// Requests that take less, on average, are very short.
pub const SHORT: Duration = Duration::from_micros(200);
/// What counts at most, in nanoseconds, so that one pause or one slow request does not decide about many.
pub const MOST: u64 = 20_000_000;
/// A value counts for this share.
const SHARE: u64 = 16;

/// See the module. Times in it are nanoseconds.
#[derive(Debug)]
pub struct Average(AtomicU64);

impl Average {
    /// Begins at this value.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }

    /// The average.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Begins again at this value.
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// Takes a value in, of which no more than [`MOST`] counts.
    pub fn note(&self, value: u64) {
        let before = self.get();
        self.set(before - before / SHARE + value.min(MOST) / SHARE);
    }

    /// Whether it is below a time.
    #[must_use]
    pub fn is_below(&self, limit: Duration) -> bool {
        self.get() < nanos(limit)
    }
}

/// A time in nanoseconds; the most there is for one that is longer.
#[must_use]
pub fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_close_to_what_is_taken_in_and_no_value_counts_for_too_much() {
        let average = Average::new(0);
        for _ in 0..200 {
            average.note(1_000);
        }
        assert!((900..=1_000).contains(&average.get()), "{average:?}");
        average.note(u64::MAX);
        assert!(average.get() <= MOST / SHARE + 1_000, "{average:?}");
        average.set(nanos(SHORT));
        assert!(!average.is_below(SHORT) && average.is_below(CLOSE));
    }
}
