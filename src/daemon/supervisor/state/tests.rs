use rsgi_core::daemon::DaemonOptions;

use super::*;

/// A group with a clock of its own.
struct Played {
    group: Group,
    now: Instant,
}

/// As the options are by default.
fn rules() -> Rules {
    timed(|_| {})
}

/// Rules for these times.
fn timed(change: impl FnOnce(&mut DaemonOptions)) -> Rules {
    let mut options = DaemonOptions::default();
    change(&mut options);
    Rules {
        processes: 2,
        is_service: false,
        overlaps: true,
        times: EndTimes::of(&options),
    }
}

const REASON: ShutdownReason = ShutdownReason::MaximumRequests;

impl Played {
    fn new(rules: Rules, slots: usize) -> Self {
        Self {
            group: Group::new(rules, slots, &[]),
            now: Instant::now(),
        }
    }

    /// A group whose wanted processes are all ready.
    fn ready(rules: Rules, slots: usize) -> Self {
        let mut played = Self::new(rules, slots);
        for action in played.tick() {
            let Action::Start(slot) = action else {
                panic!("{action:?}")
            };
            assert_eq!(played.report(slot, Report::Ready), []);
        }
        played.pass(2000);
        played
    }

    fn pass(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
    }

    fn tick(&mut self) -> Vec<Action> {
        self.group.tick(self.now)
    }

    fn report(&mut self, slot: usize, report: Report) -> Vec<Action> {
        self.group.reported(self.now, slot, report)
    }

    fn ended(&mut self, slot: usize) -> (Farewell, Vec<Action>) {
        self.group.ended(self.now, slot, End::Failed)
    }
}

#[test]
fn all_wanted_processes_start_at_once_and_no_more() {
    let mut played = Played::new(rules(), 4);
    assert_eq!(played.tick(), [Action::Start(0), Action::Start(1)]);
    assert_eq!(played.tick(), []);
    assert_eq!(played.group.deadline(), None);
}

#[test]
fn a_successor_starts_at_once_in_a_place_that_was_free_for_longer() {
    let mut played = Played::ready(rules(), 4);
    let unwanted = Farewell::Unwanted(Duration::ZERO);
    assert_eq!(played.ended(0), (unwanted, vec![Action::Start(2)]));
    played.report(2, Report::Ready);
    played.pass(2000);
    assert_eq!(played.ended(1), (unwanted, vec![Action::Start(3)]));
    played.report(3, Report::Ready);
    played.pass(2000);
    assert_eq!(played.ended(2), (unwanted, vec![Action::Start(0)]));
}

#[test]
fn one_that_wants_to_be_replaced_serves_until_its_successor_is_ready() {
    let mut played = Played::ready(rules(), 4);
    assert_eq!(
        played.report(0, Report::Replace(REASON)),
        [Action::Start(2)]
    );
    assert_eq!(played.tick(), []);
    assert_eq!(
        played.report(2, Report::Ready),
        [Action::Tell(0, Order::Drain(REASON))]
    );
    assert_eq!(played.ended(0), (Farewell::Expected, vec![]));
}

#[test]
fn an_outgoing_process_stays_while_another_one_is_missing() {
    let mut played = Played::ready(rules(), 4);
    played.report(0, Report::Replace(REASON));
    // The other one crashes meanwhile.
    assert_eq!(played.ended(1).1, [Action::Start(3)]);
    assert_eq!(played.report(3, Report::Ready), []);
    assert_eq!(
        played.report(2, Report::Ready),
        [Action::Tell(0, Order::Drain(REASON))]
    );
}

#[test]
fn without_overlap_a_successor_waits_for_the_end() {
    let mut played = Played::ready(
        Rules {
            overlaps: false,
            ..rules()
        },
        4,
    );
    assert_eq!(
        played.report(0, Report::Replace(REASON)),
        [Action::Tell(0, Order::Drain(REASON))]
    );
    assert_eq!(played.tick(), []);
    assert_eq!(
        played.ended(0),
        (Farewell::Expected, vec![Action::Start(2)])
    );
}

#[test]
fn one_that_takes_no_more_requests_has_a_successor_at_once() {
    let mut played = Played::ready(rules(), 4);
    assert_eq!(
        played.report(1, Report::Draining(ShutdownReason::ScriptReload)),
        [Action::Start(2)]
    );
    assert_eq!(played.ended(1), (Farewell::Expected, vec![]));
}

#[test]
fn a_service_process_is_replaced_when_it_has_ended_and_only_then() {
    let rules = Rules {
        processes: 1,
        is_service: true,
        ..rules()
    };
    let mut played = Played::new(rules, 2);
    assert_eq!(played.tick(), [Action::Start(0)]);
    played.pass(5000);
    assert_eq!(played.report(0, Report::Draining(REASON)), []);
    assert_eq!(
        played.ended(0),
        (Farewell::Expected, vec![Action::Start(1)])
    );
}

#[test]
fn processes_that_die_young_are_replaced_with_growing_delay() {
    let mut played = Played::new(
        Rules {
            processes: 1,
            ..rules()
        },
        2,
    );
    assert_eq!(played.tick(), [Action::Start(0)]);
    let mut slot = 0;
    for delay in [0_u64, 100, 200, 400] {
        played.pass(10);
        let (farewell, actions) = played.ended(slot);
        assert_eq!(farewell, Farewell::Unwanted(Duration::from_millis(delay)));
        slot = 1 - slot;
        if delay == 0 {
            assert_eq!(actions, [Action::Start(slot)]);
            continue;
        }
        assert_eq!(actions, []);
        let due = played.group.deadline().unwrap();
        assert_eq!(due - played.now, Duration::from_millis(delay));
        played.now = due;
        assert_eq!(played.tick(), [Action::Start(slot)]);
    }
}

#[test]
fn a_process_that_ends_for_a_reason_of_its_own_delays_nothing() {
    let rules = Rules {
        processes: 1,
        ..rules()
    };
    let mut played = Played::new(rules, 2);
    played.tick();
    for slot in [0, 1, 0, 1] {
        played.pass(10);
        let (farewell, actions) = played.group.ended(played.now, slot, End::Deliberate);
        assert_eq!(farewell, Farewell::Expected);
        assert_eq!(actions, [Action::Start(1 - slot)]);
    }
}

#[test]
fn a_process_that_does_not_end_in_time_is_killed_once() {
    let mut played = Played::ready(rules(), 4);
    played.report(0, Report::Draining(REASON));
    let limit = Duration::from_secs(20) + DRAIN_GRACE;
    assert_eq!(played.group.deadline(), Some(played.now + limit));
    played.now += limit;
    assert_eq!(played.tick(), [Action::Kill(0)]);
    assert_eq!(played.tick(), []);
    assert_eq!(played.ended(0).0, Farewell::Killed);
}

#[test]
fn the_time_of_a_drain_is_that_of_its_reason() {
    let rules = timed(|options| options.eviction_timeout = 120);
    for (reason, seconds) in [
        (ShutdownReason::EvictionSignal, 125),
        (ShutdownReason::GracefulSignal, 20),
        (ShutdownReason::DeadlockTimeout, 5),
    ] {
        let limit = Duration::from_secs(seconds) + DRAIN_GRACE;
        let mut played = Played::ready(rules, 4);
        played.report(0, Report::Draining(reason));
        assert_eq!(played.group.deadline(), Some(played.now + limit));
        let mut played = Played::ready(rules, 4);
        played.report(0, Report::Replace(reason));
        played.report(2, Report::Ready);
        assert_eq!(played.group.deadline(), Some(played.now + limit));
    }
}

#[test]
fn without_a_graceful_timeout_a_drain_has_no_end() {
    let mut played = Played::ready(timed(|options| options.graceful_timeout = 0), 4);
    played.report(0, Report::Draining(ShutdownReason::ScriptReload));
    assert_eq!(played.group.deadline(), None);
}

#[test]
fn when_all_places_are_taken_by_leaving_processes_the_oldest_has_to_go() {
    let rules = Rules {
        processes: 1,
        ..timed(|options| options.graceful_timeout = 0)
    };
    let mut played = Played::ready(rules, 2);
    let reason = ShutdownReason::ScriptReload;
    assert_eq!(
        played.report(0, Report::Draining(reason)),
        [Action::Start(1)]
    );
    played.pass(1000);
    played.report(1, Report::Ready);
    assert_eq!(
        played.report(1, Report::Draining(reason)),
        [Action::Tell(0, Order::Stop)]
    );
    // It is told once.
    assert_eq!(played.tick(), []);
    assert_eq!(
        played.ended(0),
        (Farewell::Expected, vec![Action::Start(0)])
    );
}

#[test]
fn at_its_end_a_group_stops_everything_and_starts_nothing() {
    let mut played = Played::ready(rules(), 4);
    played.report(0, Report::Replace(REASON));
    assert_eq!(
        played.group.end(played.now, Over::Stopped),
        [0, 1, 2].map(|slot| Action::Tell(slot, Order::Stop))
    );
    assert_eq!(played.group.end(played.now, Over::Stopped), []);
    assert_eq!(played.ended(1), (Farewell::Expected, vec![]));
    assert_eq!(played.report(2, Report::Ready), []);
    played.ended(0);
    assert!(!played.group.is_over());
    played.now += rules().times.stop() + STOP_GRACE;
    assert_eq!(played.tick(), [Action::Kill(2)]);
    assert_eq!(played.ended(2).0, Farewell::Killed);
    assert!(played.group.is_over());
}

#[test]
fn without_a_shutdown_timeout_only_a_stop_of_httpd_ends_a_process_by_force() {
    let rules = timed(|options| options.shutdown_timeout = 0);
    let mut played = Played::ready(rules, 4);
    played.report(0, Report::Draining(REASON));
    assert_eq!(played.group.deadline(), None);
    let stops = [0, 1, 2].map(|slot| Action::Tell(slot, Order::Stop));
    assert_eq!(played.group.end(played.now, Over::Unused), stops);
    assert_eq!(played.group.deadline(), None);
    assert_eq!(played.group.end(played.now, Over::Unused), []);
    played.pass(1000);
    assert_eq!(played.group.end(played.now, Over::Stopped), stops);
    let limit = Duration::from_secs(10) + STOP_GRACE;
    assert_eq!(played.group.deadline(), Some(played.now + limit));
    played.now += limit;
    assert_eq!(played.tick(), [0, 1, 2].map(Action::Kill));
    assert_eq!(played.group.end(played.now, Over::Unused), []);
    assert_eq!(played.ended(2).0, Farewell::Killed);
}

#[test]
fn places_of_an_earlier_supervisor_are_left_alone_until_they_are_free() {
    let mut group = Group::new(rules(), 4, &[0, 1]);
    let now = Instant::now();
    assert_eq!(group.tick(now), [Action::Start(2), Action::Start(3)]);
    assert_eq!(
        group.ended(now, 0, End::Failed),
        (Farewell::Expected, vec![])
    );
    assert_eq!(group.ended(now, 2, End::Failed).1, [Action::Start(0)]);
    // All but the place that is free stop, whoever started them.
    let stops = [0, 1, 3].map(|slot| Action::Tell(slot, Order::Stop));
    assert_eq!(group.end(now, Over::Stopped), stops);
    group.ended(now, 0, End::Failed);
    group.ended(now, 3, End::Failed);
    assert!(!group.is_over());
    let late = now + rules().times.stop() + STOP_GRACE;
    assert_eq!(group.tick(late), [Action::Kill(1)]);
    group.ended(late, 1, End::Failed);
    assert!(group.is_over());
}

#[test]
fn services_wait_for_those_of_an_earlier_supervisor() {
    let rules = Rules {
        processes: 1,
        is_service: true,
        ..rules()
    };
    let mut group = Group::new(rules, 2, &[0]);
    let now = Instant::now();
    assert_eq!(group.tick(now), []);
    assert_eq!(group.ended(now, 0, End::Failed).1, [Action::Start(1)]);
}

#[test]
fn a_start_that_is_due_but_has_no_free_slot_is_not_looked_for_all_the_time() {
    let rules = Rules {
        processes: 1,
        ..timed(|options| options.graceful_timeout = 0)
    };
    let mut played = Played::new(rules, 2);
    assert_eq!(played.tick(), [Action::Start(0)]);
    // It died young once: the next may start from now on.
    let (_, actions) = played.ended(0);
    assert_eq!(actions, [Action::Start(1)]);
    for slot in [1, 0] {
        played.report(slot, Report::Ready);
        played.pass(2000);
        assert!(!played.group.is_draining() || slot == 0);
        played.report(slot, Report::Draining(ShutdownReason::ScriptReload));
        assert!(played.group.is_draining());
    }
    assert!(played.group.lacks_processes() && played.group.longest_free().is_none());
    let deadline = played.group.deadline();
    assert!(deadline.is_none_or(|at| at > played.now), "{deadline:?}");
}
