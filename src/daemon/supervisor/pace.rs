//! How soon a group's next process starts: at once, unless processes die young again and again.

use std::time::{Duration, Instant};

/// A process that lived this long while it served has proven that starting makes sense.
const GROWN: Duration = Duration::from_secs(1);
/// The first delay that is one.
const FIRST: Duration = Duration::from_millis(100);
/// No delay is longer.
const LONGEST: Duration = Duration::from_secs(30);
/// What a process counts that said that trying at once does not help (`EX_CONFIG`).
const HOPELESS: u32 = 4;

/// The pace of a group.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Deaths in a row that came too early; those of processes that were started together count once.
    failures: u32,
    failed_at: Option<Instant>,
    not_before: Option<Instant>,
}

/// A process that ended, as far as the pace is concerned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    pub(super) started: Instant,
    /// When it began to serve, if it did.
    pub(super) ready: Option<Instant>,
    /// It said that another try will not help.
    pub(super) is_hopeless: bool,
}

impl Pace {
    /// Whether a process may start now.
    pub(super) fn allows(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|at| now >= at)
    }

    /// When one may start, where that is not now.
    pub(super) fn not_before(&self) -> Option<Instant> {
        self.not_before
    }

    /// Takes an unwanted end into account; the answer is the delay that follows from it.
    pub(super) fn ended(&mut self, now: Instant, life: Life) -> Duration {
        let is_young = life.ready.is_none_or(|at| now.duration_since(at) < GROWN);
        if !is_young {
            self.failures = 0;
            self.not_before = None;
            return Duration::ZERO;
        }
        if self.failed_at.is_none_or(|at| life.started >= at) {
            let weight = if life.is_hopeless { HOPELESS } else { 1 };
            self.failures = self.failures.saturating_add(weight);
            self.failed_at = Some(now);
            let delay = delay(self.failures);
            self.not_before = Some(now + delay);
        }
        self.not_before
            .map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }
}

/// 0, 0.1, 0.2, 0.4 … 30 seconds.
fn delay(failures: u32) -> Duration {
    match failures {
        0 | 1 => Duration::ZERO,
        more => FIRST.saturating_mul(1 << (more - 2).min(20)).min(LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(started: Instant, ready: Option<Instant>) -> Life {
        Life {
            started,
            ready,
            is_hopeless: false,
        }
    }

    #[test]
    fn the_first_early_death_costs_nothing_and_each_further_one_twice_as_much() {
        let mut pace = Pace::default();
        let mut now = Instant::now();
        let mut delays = Vec::new();
        for _ in 0..12 {
            let started = now;
            now += Duration::from_millis(10);
            let delay = pace.ended(now, life(started, None));
            assert_eq!(pace.allows(now), delay.is_zero());
            now += delay;
            assert!(pace.allows(now));
            delays.push(delay.as_millis());
        }
        assert_eq!(
            delays,
            [
                0, 100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000
            ]
        );
    }

    #[test]
    fn a_process_that_served_for_a_while_clears_the_slate() {
        let mut pace = Pace::default();
        let start = Instant::now();
        let later = start + Duration::from_secs(1);
        for _ in 0..3 {
            pace.ended(later, life(later, Some(later)));
        }
        assert!(!pace.allows(later));
        let end = later + Duration::from_secs(2);
        assert_eq!(pace.ended(end, life(later, Some(later))), Duration::ZERO);
        assert!(pace.allows(end));
        assert_eq!(pace.ended(end, life(end, None)), Duration::ZERO);
    }

    #[test]
    fn processes_that_were_started_together_count_once() {
        let mut pace = Pace::default();
        let start = Instant::now();
        let end = start + Duration::from_millis(5);
        for _ in 0..10 {
            assert_eq!(pace.ended(end, life(start, None)), Duration::ZERO);
        }
        let again = end + Duration::from_millis(5);
        for _ in 0..10 {
            assert_eq!(
                pace.ended(again, life(end, None)),
                Duration::from_millis(100)
            );
        }
    }

    #[test]
    fn a_process_that_sees_no_hope_waits_sooner() {
        let mut pace = Pace::default();
        let now = Instant::now();
        let hopeless = Life {
            is_hopeless: true,
            ..life(now, None)
        };
        assert_eq!(pace.ended(now, hopeless), Duration::from_millis(400));
        assert_eq!(pace.ended(now, hopeless), Duration::from_millis(6400));
    }
}
