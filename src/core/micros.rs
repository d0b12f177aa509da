//! Whole microseconds: what times are counted in, in shared memory, figures of requests and telemetry.

use std::time::Duration;

/// A time; the longest there is where it is longer.
#[must_use]
pub fn of(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// The same in seconds, as it is told; exact for the first 285 years.
#[must_use]
pub fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_cut_to_whole_microseconds_and_told_in_seconds() {
        assert_eq!(of(Duration::from_nanos(1_999)), 1);
        assert_eq!(of(Duration::MAX), u64::MAX);
        assert!((seconds(1_500_000) - 1.5).abs() < f64::EPSILON);
    }
}
