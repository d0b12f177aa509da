//! One group's processes as a state machine: which slot is to start, which process to drain, to stop or to kill.
//!
//! Pure: it is told what happened and when, and answers with what to do. `run` does it.

use std::time::{Duration, Instant};

use rsgi_core::daemon::ShutdownReason;

use super::pace::{Life, Pace};
use crate::order::{Order, Report};
use crate::times::EndTimes;

/// An end may take this much longer than its time, which the process keeps itself.
pub(super) const STOP_GRACE: Duration = Duration::from_millis(500);
/// A drain may take this much longer than all the timeouts that the process keeps itself.
const DRAIN_GRACE: Duration = Duration::from_secs(5);

/// What of a group's definition counts here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// `processes=`
    pub(super) processes: usize,
    /// `threads=0`: it never reports that it is ready, and there are never two in place of one.
    pub(super) is_service: bool,
    /// Whether a successor starts while its predecessor still serves.
    pub(super) overlaps: bool,
    /// How long its processes may take to end.
    pub(super) times: EndTimes,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Start a process in this slot.
    Start(usize),
    /// Tell the process of this slot.
    Tell(usize, Order),
    /// It had its time: SIGKILL.
    Kill(usize),
}

/// Why a group is over; what comes later is more urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::supervisor) enum Over {
    /// Nobody sends it requests any more.
    Unused,
    /// httpd stops, or wants it to.
    Stopped,
}

/// How a process ended, as far as its successor is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// For a reason that it gave.
    Deliberate,
    /// Without one.
    Failed,
    /// It said, or could not even say, that trying at once does not help.
    Hopeless,
}

/// How an ended process had been seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Farewell {
    /// It was to end.
    Expected,
    /// It took too long and was killed for it.
    Killed,
    /// Nobody wanted it to end; the delay is what its successor has to wait.
    Unwanted(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Free,
    /// A process of an earlier supervisor is still in it.
    Foreign,
    Starting,
    Ready,
    /// Serves on until its successor is ready.
    Outgoing(ShutdownReason),
    /// Takes no more requests.
    Leaving {
        kill_at: Option<Instant>,
        is_stopping: bool,
        was_killed: bool,
    },
}

#[derive(Clone, Copy, Debug)]
struct Place {
    phase: Phase,
    /// When its process started, or when it became free; none where it never had one.
    since: Option<Instant>,
    ready: Option<Instant>,
}

/// The processes of one group.
#[derive(Debug)]
pub(super) struct Group {
    rules: Rules,
    places: Vec<Place>,
    pace: Pace,
    over: Option<Over>,
}

impl Group {
    /// A group with `slots` slots; those in `foreign` are taken by processes of an earlier supervisor.
    #[must_use]
    pub(super) fn new(rules: Rules, slots: usize, foreign: &[usize]) -> Self {
        let mut places = vec![
            Place {
                phase: Phase::Free,
                since: None,
                ready: None,
            };
            slots
        ];
        for &slot in foreign {
            if let Some(place) = places.get_mut(slot) {
                place.phase = Phase::Foreign;
            }
        }
        Self {
            rules,
            places,
            pace: Pace::default(),
            over: None,
        }
    }

    /// What there is to do now that time has passed.
    pub(super) fn tick(&mut self, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        for (slot, place) in self.places.iter_mut().enumerate() {
            if let Phase::Leaving {
                kill_at,
                was_killed,
                ..
            } = &mut place.phase
                && kill_at.is_some_and(|at| now >= at)
            {
                *kill_at = None;
                *was_killed = true;
                actions.push(Action::Kill(slot));
            }
        }
        self.settle(now, &mut actions);
        actions
    }

    /// A process said something.
    pub(super) fn reported(&mut self, now: Instant, slot: usize, report: Report) -> Vec<Action> {
        let mut actions = Vec::new();
        let times = self.rules.times;
        let overlaps = self.rules.overlaps && !self.rules.is_service;
        let Some(place) = self.places.get_mut(slot) else {
            return actions;
        };
        match (report, place.phase) {
            (Report::Ready, Phase::Starting) => {
                place.phase = Phase::Ready;
                place.ready = Some(now);
            }
            (Report::Replace(reason), Phase::Starting | Phase::Ready) => {
                if overlaps {
                    place.phase = Phase::Outgoing(reason);
                } else {
                    place.phase = draining(now, times, reason);
                    actions.push(Action::Tell(slot, Order::Drain(reason)));
                }
            }
            (Report::Draining(reason), Phase::Starting | Phase::Ready | Phase::Outgoing(_)) => {
                place.phase = draining(now, times, reason);
            }
            // Said twice, or too late to matter.
            _ => {}
        }
        self.settle(now, &mut actions);
        actions
    }

    /// A process ended, or could not be started.
    pub(super) fn ended(&mut self, now: Instant, slot: usize, end: End) -> (Farewell, Vec<Action>) {
        let mut actions = Vec::new();
        let Some(place) = self.places.get_mut(slot) else {
            return (Farewell::Expected, actions);
        };
        let life = Life {
            started: place.since.unwrap_or(now),
            ready: place.ready,
            is_hopeless: end == End::Hopeless,
        };
        let farewell = match place.phase {
            Phase::Leaving {
                was_killed: true, ..
            } => Farewell::Killed,
            Phase::Free | Phase::Foreign | Phase::Leaving { .. } => Farewell::Expected,
            // A signal of an administrator's, say, before the process could tell.
            _ if end == End::Deliberate => Farewell::Expected,
            Phase::Starting | Phase::Ready | Phase::Outgoing(_) => {
                Farewell::Unwanted(self.pace.ended(now, life))
            }
        };
        *place = Place {
            phase: Phase::Free,
            since: Some(now),
            ready: None,
        };
        self.settle(now, &mut actions);
        (farewell, actions)
    }

    /// The group is over: all processes stop, none starts any more.
    pub(super) fn end(&mut self, now: Instant, over: Over) -> Vec<Action> {
        if self.over >= Some(over) {
            return Vec::new();
        }
        self.over = Some(over);
        let times = self.rules.times;
        let time = match over {
            Over::Unused => times.shutdown(),
            Over::Stopped => Some(times.stop()),
        };
        let slots = 0..self.places.len();
        slots
            .filter_map(|slot| self.stop(now, slot, time))
            .collect()
    }

    /// Whether the group has ended and no process is left.
    #[must_use]
    pub(super) fn is_over(&self) -> bool {
        self.over.is_some() && self.places.iter().all(|place| place.phase == Phase::Free)
    }

    /// Whether some process has said that it is ready, and has not ended.
    #[must_use]
    pub(super) fn is_serving(&self) -> bool {
        self.count(|phase| phase == Phase::Ready) > 0
    }

    /// Whether some process ends once its requests are done.
    #[must_use]
    pub(super) fn is_draining(&self) -> bool {
        self.count(|phase| matches!(phase, Phase::Leaving { .. } | Phase::Foreign)) > 0
    }

    /// When [`Group::tick`] has something to do again.
    #[must_use]
    pub(super) fn deadline(&self) -> Option<Instant> {
        let kills = self.places.iter().filter_map(|place| match place.phase {
            Phase::Leaving { kill_at, .. } => kill_at,
            _ => None,
        });
        // Without a free slot nothing starts before a process has ended, which is told.
        let may_start =
            self.over.is_none() && self.lacks_processes() && self.longest_free().is_some();
        let start = may_start.then(|| self.pace.not_before()).flatten();
        kills.chain(start).min()
    }

    fn count(&self, counts: impl Fn(Phase) -> bool) -> usize {
        self.places
            .iter()
            .filter(|place| counts(place.phase))
            .count()
    }

    /// Processes that are there to stay.
    fn current(&self) -> usize {
        self.count(|phase| matches!(phase, Phase::Starting | Phase::Ready))
    }

    fn lacks_processes(&self) -> bool {
        let have = if self.rules.overlaps && !self.rules.is_service {
            self.current()
        } else {
            self.count(|phase| phase != Phase::Free)
        };
        have < self.rules.processes
    }

    /// Starts what is missing and lets go what is not needed any more.
    fn settle(&mut self, now: Instant, actions: &mut Vec<Action>) {
        if self.over.is_some() {
            return;
        }
        while self.lacks_processes() && self.pace.allows(now) {
            let Some(slot) = self.longest_free() else {
                self.make_room(now, actions);
                break;
            };
            let is_service = self.rules.is_service;
            self.places[slot] = Place {
                phase: if is_service {
                    Phase::Ready
                } else {
                    Phase::Starting
                },
                since: Some(now),
                ready: is_service.then_some(now),
            };
            actions.push(Action::Start(slot));
        }
        self.let_go(now, actions);
    }

    /// The slot that has been free for the longest: how the last process of a slot died stays readable for a while.
    fn longest_free(&self) -> Option<usize> {
        let free = |(_, place): &(usize, &Place)| place.phase == Phase::Free;
        self.places
            .iter()
            .enumerate()
            .filter(free)
            .min_by_key(|(_, place)| place.since)
            .map(|(slot, _)| slot)
    }

    /// Every slot is taken by a process on its way out. Where nobody serves, the oldest of them has to go.
    fn make_room(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let serves = |phase| matches!(phase, Phase::Starting | Phase::Ready | Phase::Outgoing(_));
        let is_stopping = |phase| {
            matches!(
                phase,
                Phase::Leaving {
                    is_stopping: true,
                    ..
                }
            )
        };
        if self.count(serves) > 0 || self.count(is_stopping) > 0 {
            return;
        }
        let oldest = self
            .places
            .iter()
            .enumerate()
            .filter(|(_, place)| matches!(place.phase, Phase::Leaving { .. }))
            .min_by_key(|(_, place)| place.since)
            .map(|(slot, _)| slot);
        let time = self.rules.times.shutdown();
        actions.extend(oldest.and_then(|slot| self.stop(now, slot, time)));
    }

    /// Drains processes whose successors are there: as many as leave the group with all the processes it is to have.
    fn let_go(&mut self, now: Instant, actions: &mut Vec<Action>) {
        loop {
            let ready = self.count(|phase| phase == Phase::Ready);
            let mut outgoing: Vec<(Option<Instant>, usize, ShutdownReason)> = self
                .places
                .iter()
                .enumerate()
                .filter_map(|(slot, place)| match place.phase {
                    Phase::Outgoing(reason) => Some((place.since, slot, reason)),
                    _ => None,
                })
                .collect();
            outgoing.sort_unstable_by_key(|(since, slot, _)| (*since, *slot));
            let Some(&(_, slot, reason)) = outgoing.first() else {
                return;
            };
            if ready + outgoing.len() - 1 < self.rules.processes {
                return;
            }
            self.places[slot].phase = draining(now, self.rules.times, reason);
            actions.push(Action::Tell(slot, Order::Drain(reason)));
        }
    }

    /// Stops a process that has this time to end; none is for ever.
    fn stop(&mut self, now: Instant, slot: usize, time: Option<Duration>) -> Option<Action> {
        let kill_at = time.map(|time| now + time + STOP_GRACE);
        let place = self.places.get_mut(slot)?;
        match place.phase {
            Phase::Free
            | Phase::Leaving {
                was_killed: true, ..
            } => None,
            _ => {
                place.phase = leaving(kill_at, true);
                Some(Action::Tell(slot, Order::Stop))
            }
        }
    }
}

/// A process that takes no more requests, with the time that its reason gives those that run.
fn draining(now: Instant, times: EndTimes, reason: ShutdownReason) -> Phase {
    let kill_at = times.whole(reason).map(|time| now + time + DRAIN_GRACE);
    leaving(kill_at, false)
}

const fn leaving(kill_at: Option<Instant>, is_stopping: bool) -> Phase {
    Phase::Leaving {
        kill_at,
        is_stopping,
        was_killed: false,
    }
}

#[cfg(test)]
mod tests;
