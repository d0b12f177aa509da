//! The clock that all processes of a group share: the system's monotonic one.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Nanoseconds, never 0: the order in which requests came.
pub(crate) fn nanos() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    number(now.tv_sec)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(number(now.tv_nsec))
        .max(1)
}

/// Milliseconds, a few late: no more than a look at memory, for what happens a few times a second.
pub(crate) fn millis() -> u64 {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    number(now.tv_sec)
        .wrapping_mul(1_000)
        .wrapping_add(number(now.tv_nsec) / 1_000_000)
}

/// The monotonic clock has no negative times.
fn number(part: i64) -> u64 {
    u64::try_from(part).unwrap_or(0)
}

/// A time to wait, as the system takes it.
pub(crate) fn timespec(wait: std::time::Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(wait.subsec_nanos()),
    }
}
