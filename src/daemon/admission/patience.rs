//! How long a request has waited, and when that was too long: times only.

use std::time::Duration;

use super::Wait;
use crate::scoreboard::clock;
use crate::sys::socket::{HungUp, hung_up};

/// Whoever is among the first looks so often, woken or not.
const TICK: Duration = Duration::from_millis(100);
/// Whoever is far behind.
const SLOW_TICK: Duration = Duration::from_millis(500);
/// So many are the first. With more the ticks of a long queue would be work.
const FIRST: u64 = 64;

/// For so long a client that sends no more is taken for one that reads on. TCP tells it from one that is gone only when
/// something is sent to it; in a queue that is full for longer nearly all are gone, and whoever is not has to ask again.
const HALF_OPEN: Duration = Duration::from_secs(1);

/// The time since a moment.
pub(super) fn since(moment: u64) -> Duration {
    between(moment, clock::nanos())
}

/// A request's patience.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience<'c> {
    wait: Wait<'c>,
    /// In nanoseconds, as all moments here.
    since: u64,
    /// When there was last a process that takes requests, or a process first turned the request away.
    available: u64,
    /// Whether there was one at the last check.
    is_available: bool,
    /// Whether there was none, but one that loads.
    is_loading: bool,
    now: u64,
    /// How often it looks, woken or not.
    pub(super) tick: Duration,
}

/// It is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Late {
    pub(super) waited: Duration,
    /// Whether there was no process to wait for.
    pub(super) is_for_process: bool,
}

impl<'c> Patience<'c> {
    /// Begins now.
    pub(super) fn new(wait: Wait<'c>) -> Self {
        let now = clock::nanos();
        Self {
            wait,
            since: wait.since.unwrap_or(now),
            available: wait.refused.unwrap_or(now),
            is_available: true,
            is_loading: false,
            now,
            tick: TICK,
        }
    }

    /// When the request came: its ticket.
    pub(super) fn since(&self) -> u64 {
        self.since
    }

    /// Until now.
    pub(super) fn waited(&self) -> Duration {
        since(self.since)
    }

    /// Whether the client has hung up. Who has closed its own half may still read: it keeps its turn for [`HALF_OPEN`], and
    /// for as long as there is no process.
    pub(super) fn client_is_gone(&self) -> bool {
        match self.wait.client.map_or(HungUp::No, hung_up) {
            HungUp::No => false,
            HungUp::Half => self.is_available && self.waited() >= HALF_OPEN,
            HungUp::Whole => true,
        }
    }

    /// Whether it is over, given whether there is a process that takes requests, and if not, one that loads.
    pub(super) fn check(&mut self, is_available: bool, is_loading: bool) -> Result<(), Late> {
        self.is_loading = is_loading;
        self.check_at(is_available, clock::nanos())
    }

    /// How long it waits for a process.
    fn for_process(&self) -> Option<Duration> {
        match (self.wait.ready, self.wait.loading) {
            (Some(ready), Some(loading)) if self.is_loading => Some(ready.max(loading)),
            (ready, _) => ready,
        }
    }

    fn check_at(&mut self, is_available: bool, now: u64) -> Result<(), Late> {
        self.now = now;
        self.is_available = is_available;
        if is_available && self.wait.refused.is_none() {
            self.available = now;
        }
        let waited = between(self.since, now);
        let is_over = |limit: Option<Duration>, since| {
            limit.is_some_and(|limit| between(since, now) >= limit)
        };
        if !is_available && is_over(self.for_process(), self.available) {
            return Err(Late {
                waited,
                is_for_process: true,
            });
        }
        if is_over(self.wait.queue, self.since) {
            return Err(Late {
                waited,
                is_for_process: false,
            });
        }
        Ok(())
    }

    /// How long to sleep, by what was seen at the last check.
    pub(super) fn until_next_look(&self, in_front: u64) -> Duration {
        let tick = if in_front < FIRST {
            self.tick
        } else {
            SLOW_TICK
        };
        let left = |limit: Option<Duration>, since| {
            limit.map_or(tick, |limit| limit.saturating_sub(between(since, self.now)))
        };
        let ready = if self.is_available {
            tick
        } else {
            left(self.for_process(), self.available)
        };
        tick.min(left(self.wait.queue, self.since)).min(ready)
    }
}

fn between(earlier: u64, later: u64) -> Duration {
    Duration::from_nanos(later.saturating_sub(earlier))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn patience(ready: Option<u64>, queue: Option<u64>) -> Patience<'static> {
        Patience {
            wait: Wait {
                ready: ready.map(Duration::from_millis),
                queue: queue.map(Duration::from_millis),
                ..Wait::default()
            },
            since: MS,
            available: MS,
            is_available: true,
            is_loading: false,
            now: MS,
            tick: TICK,
        }
    }

    #[test]
    fn a_queue_timeout_counts_from_the_beginning() {
        let mut patience = patience(Some(50), Some(1000));
        assert_eq!(patience.check_at(true, 1000 * MS), Ok(()));
        assert_eq!(patience.until_next_look(0), Duration::from_millis(1));
        let late = patience.check_at(true, 1001 * MS);
        assert_eq!(
            late,
            Err(Late {
                waited: Duration::from_secs(1),
                is_for_process: false
            })
        );
    }

    #[test]
    fn the_other_counts_from_when_a_process_was_last_ready() {
        let mut patience = patience(Some(200), None);
        assert_eq!(patience.check_at(false, 101 * MS), Ok(()));
        assert_eq!(patience.until_next_look(0), TICK);
        assert_eq!(patience.check_at(true, 301 * MS), Ok(()));
        assert_eq!(patience.check_at(false, 451 * MS), Ok(()));
        assert_eq!(patience.until_next_look(0), Duration::from_millis(50));
        let late = patience.check_at(false, 501 * MS);
        assert!(late.is_err_and(|late| late.is_for_process));
    }

    #[test]
    fn a_process_that_loads_is_waited_for_as_long_as_its_words() {
        let mut patience = patience(Some(200), None);
        patience.wait.loading = Some(Duration::from_millis(1000));
        patience.is_loading = true;
        assert_eq!(patience.check_at(false, 951 * MS), Ok(()));
        assert_eq!(patience.until_next_look(0), Duration::from_millis(50));
        let mut ended = patience;
        ended.is_loading = false;
        assert!(ended.check_at(false, 952 * MS).is_err());
        assert!(patience.check_at(false, 1001 * MS).is_err());
        patience.wait.loading = Some(Duration::from_millis(10));
        assert_eq!(patience.check_at(false, 101 * MS), Ok(()), "never less");
    }

    #[test]
    fn after_a_process_turned_it_away_it_counts_from_there() {
        let mut patience = patience(Some(200), None);
        patience.wait.refused = Some(MS);
        assert_eq!(patience.check_at(true, 501 * MS), Ok(()));
        assert_eq!(patience.until_next_look(0), TICK);
        let late = patience.check_at(false, 502 * MS);
        assert!(late.is_err_and(|late| late.is_for_process));
    }

    #[test]
    fn those_far_behind_look_less_often() {
        let mut patience = patience(None, None);
        assert_eq!(patience.check_at(false, u64::MAX), Ok(()));
        assert_eq!(patience.until_next_look(FIRST - 1), TICK);
        assert_eq!(patience.until_next_look(FIRST), SLOW_TICK);
    }

    #[test]
    fn a_clock_that_went_back_is_no_wait() {
        assert_eq!(patience(None, Some(10)).check_at(true, 0), Ok(()));
    }
}
