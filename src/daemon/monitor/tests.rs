//! What the lifecycle decides, with a clock of numbers.

use std::time::Duration;

use rsgi_core::daemon::{DaemonOptions, ShutdownReason};

use super::lifecycle::{Act, Lifecycle, View};
use crate::order::{Order, Report};
use crate::server::Running;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn serving(change: impl FnOnce(&mut DaemonOptions)) -> Lifecycle {
    let mut options = DaemonOptions {
        threads: 1,
        ..DaemonOptions::default()
    };
    change(&mut options);
    let mut lifecycle = Lifecycle::new(options);
    assert_eq!(lifecycle.ready(at(0)), [Act::Report(Report::Ready)]);
    lifecycle
}

fn view(now: u64) -> View {
    View {
        now: at(now),
        ..View::default()
    }
}

/// One worker has been running a request since then.
fn busy(now: u64, since: u64) -> View {
    View {
        running: vec![Running {
            worker: 1,
            daemon_start: 7,
            since: at(since),
        }],
        assigned: 1,
        busy: 1,
        first: Some(at(since)),
        last: Some(at(since)),
        ..view(now)
    }
}

fn drained(reason: ShutdownReason) -> [Act; 2] {
    [
        Act::CloseSlot(reason),
        Act::Report(Report::Draining(reason)),
    ]
}

#[test]
fn a_drain_ends_with_the_last_request() {
    let mut lifecycle = serving(|_| {});
    let reason = ShutdownReason::GracefulSignal;
    let acts = lifecycle.order(Order::Drain(reason), at(1));
    assert_eq!(acts, drained(reason));
    assert!(lifecycle.tick(&busy(2, 1)).is_empty());
    assert!(lifecycle.order(Order::Drain(reason), at(2)).is_empty());
    // Assigned and not yet here: it is waited for.
    let coming = View {
        assigned: 1,
        ..view(3)
    };
    assert!(lifecycle.tick(&coming).is_empty());
    assert_eq!(lifecycle.tick(&view(4)), [Act::End(reason)]);
    assert!(lifecycle.tick(&view(5)).is_empty());
    assert_eq!(lifecycle.end_by_force(), Some(at(4 + 5)));
}

#[test]
fn a_drain_ends_when_its_time_is_over() {
    let mut lifecycle = serving(|options| options.graceful_timeout = 10);
    let reason = ShutdownReason::RestartInterval;
    lifecycle.order(Order::Drain(reason), at(5));
    assert!(lifecycle.tick(&busy(14, 1)).is_empty());
    let acts = lifecycle.tick(&busy(15, 1));
    assert!(matches!(&acts[0], Act::Warn(text) if text.contains("RSGI0441: 1 requests")));
    assert_eq!(acts[1..], [Act::End(reason)]);
}

#[test]
fn without_a_time_only_full_and_stuck_processes_end_at_once() {
    for (reason, is_at_once) in [
        (ShutdownReason::GracefulSignal, false),
        (ShutdownReason::RestartInterval, false),
        (ShutdownReason::ScriptReload, false),
        (ShutdownReason::MaximumRequests, true),
        (ShutdownReason::RequestTimeout, true),
    ] {
        let mut lifecycle = serving(|options| options.graceful_timeout = 0);
        lifecycle.order(Order::Drain(reason), at(1));
        let acts = lifecycle.tick(&busy(100, 99));
        assert_eq!(acts.contains(&Act::End(reason)), is_at_once, "{reason:?}");
    }
}

#[test]
fn the_first_reason_stays() {
    let mut lifecycle = serving(|options| options.maximum_requests = 5);
    let full = View {
        finished: 5,
        ..view(1)
    };
    let reason = ShutdownReason::MaximumRequests;
    let replace = [Act::Report(Report::Replace(reason))];
    assert_eq!(lifecycle.tick(&full), replace);
    assert!(lifecycle.tick(&full).is_empty(), "it asks once");
    assert!(lifecycle.graceful().is_empty());
    let acts = lifecycle.order(Order::Drain(ShutdownReason::GracefulSignal), at(3));
    assert_eq!(acts, drained(reason));
    assert_eq!(lifecycle.tick(&view(4)), [Act::End(reason)]);
}

#[test]
fn an_order_to_stop_is_obeyed_at_once_and_a_signal_is_told_to_the_supervisor() {
    let reason = ShutdownReason::ShutdownSignal;
    let mut lifecycle = serving(|_| {});
    let acts = lifecycle.order(Order::Stop, at(1));
    assert_eq!(acts, [Act::CloseSlot(reason), Act::End(reason)]);
    let mut lifecycle = serving(|_| {});
    let acts = lifecycle.stop(at(1));
    assert_eq!(acts[..2], drained(reason));
    assert_eq!(acts.last(), Some(&Act::End(reason)));
    assert!(lifecycle.stop(at(2)).is_empty());
}

#[test]
fn before_it_serves_every_order_is_an_end() {
    let lifecycle = || Lifecycle::new(DaemonOptions::default());
    assert!(lifecycle().tick(&view(1_000)).is_empty());
    for acts in [
        lifecycle().order(Order::Stop, at(1)),
        lifecycle().order(Order::Drain(ShutdownReason::GracefulSignal), at(1)),
        lifecycle().abandoned(at(1)),
    ] {
        assert!(matches!(acts.last(), Some(Act::End(_))), "{acts:?}");
    }
}

#[test]
fn no_shutdown_timeout_is_no_end_by_force() {
    let mut lifecycle = serving(|options| options.shutdown_timeout = 0);
    lifecycle.order(Order::Stop, at(1));
    assert_eq!(lifecycle.end_by_force(), None);
}

#[test]
fn a_process_with_neither_supervisor_nor_httpd_ends_whatever_its_times() {
    let reason = ShutdownReason::SupervisorGone;
    for shutdown in [0, 3] {
        let mut lifecycle = serving(|options| {
            options.graceful_timeout = 0;
            options.shutdown_timeout = shutdown;
        });
        assert_eq!(lifecycle.abandoned(at(1))[1..], drained(reason));
        assert!(lifecycle.tick(&busy(1_000, 1)).is_empty());
        assert_eq!(lifecycle.orphaned(at(1_000)), [Act::End(reason)]);
        assert!(lifecycle.orphaned(at(1_001)).is_empty());
        let limit = if shutdown == 0 { 10 } else { 3 };
        assert_eq!(lifecycle.end_by_force(), Some(at(1_000 + limit)));
    }
}

#[test]
fn an_abandoned_process_obeys_a_stop() {
    let mut lifecycle = serving(|options| options.graceful_timeout = 0);
    lifecycle.abandoned(at(1));
    let acts = lifecycle.stop(at(2));
    assert_eq!(acts, [Act::End(ShutdownReason::SupervisorGone)]);
}

#[test]
fn a_slow_request_is_interrupted_once_and_then_the_process_replaced() {
    let mut lifecycle = serving(|options| {
        options.request_timeout = 10;
        options.interrupt_timeout = 5;
    });
    assert!(lifecycle.tick(&busy(10, 0)).is_empty());
    let interrupt = [Act::Interrupt {
        worker: 1,
        daemon_start: 7,
    }];
    assert_eq!(lifecycle.tick(&busy(11, 0)), interrupt);
    assert!(lifecycle.tick(&busy(15, 0)).is_empty());
    let acts = lifecycle.tick(&busy(16, 0));
    assert!(matches!(&acts[0], Act::Warn(text) if text.contains("RSGI0437")));
    let replace = Act::Report(Report::Replace(ShutdownReason::RequestTimeout));
    assert_eq!(acts[1..], [Act::Dump, replace]);
    assert!(lifecycle.tick(&busy(17, 0)).is_empty());
    // What is stuck is not waited for.
    lifecycle.order(Order::Drain(ShutdownReason::RequestTimeout), at(18));
    let acts = lifecycle.tick(&busy(18, 0));
    assert_eq!(acts, [Act::End(ShutdownReason::RequestTimeout)]);
}

#[test]
fn an_interrupted_request_that_ends_costs_nothing_and_the_next_one_has_its_own_time() {
    let mut lifecycle = serving(|options| {
        options.request_timeout = 10;
        options.interrupt_timeout = 5;
    });
    assert_eq!(lifecycle.tick(&busy(11, 0)).len(), 1);
    assert!(lifecycle.tick(&view(12)).is_empty());
    assert!(lifecycle.tick(&busy(20, 12)).is_empty());
    let acts = lifecycle.tick(&busy(23, 12));
    assert!(matches!(acts[..], [Act::Interrupt { .. }]), "{acts:?}");
}

#[test]
fn more_threads_give_a_request_more_time() {
    let mut lifecycle = serving(|options| {
        options.threads = 20;
        options.request_timeout = 10;
    });
    // 10 * (1 + ln 20)
    assert!(lifecycle.tick(&busy(39, 0)).is_empty());
    assert_eq!(lifecycle.tick(&busy(40, 0)).len(), 3);
}

#[test]
fn an_idle_process_is_replaced_only_after_its_first_request() {
    let mut lifecycle = serving(|options| options.inactivity_timeout = 10);
    assert!(lifecycle.tick(&view(100)).is_empty());
    assert!(lifecycle.tick(&busy(120, 100)).is_empty(), "one runs");
    let idle = View {
        first: Some(at(100)),
        last: Some(at(130)),
        ..view(139)
    };
    assert!(lifecycle.tick(&idle).is_empty());
    let acts = lifecycle.tick(&View {
        now: at(140),
        ..idle
    });
    let reason = ShutdownReason::InactivityTimeout;
    assert_eq!(acts, [Act::Report(Report::Replace(reason))]);
}

#[test]
fn a_process_that_never_loads_drains() {
    let mut lifecycle = serving(|options| options.startup_timeout = 10);
    let waiting = View {
        first: Some(at(5)),
        ..view(14)
    };
    assert!(lifecycle.tick(&waiting).is_empty());
    let loaded = View {
        now: at(30),
        is_loaded: true,
        ..waiting.clone()
    };
    assert!(lifecycle.tick(&loaded).is_empty());
    let acts = lifecycle.tick(&View {
        now: at(15),
        ..waiting
    });
    let reason = ShutdownReason::StartupTimeout;
    assert!(acts.ends_with(&drained(reason)), "{acts:?}");
}

#[test]
fn a_lock_that_is_held_is_an_end() {
    let mut lifecycle = serving(|options| options.deadlock_timeout = 10);
    let probing = |now| View {
        probed: Some(at(20)),
        ..busy(now, 19)
    };
    assert!(lifecycle.tick(&probing(29)).is_empty());
    let acts = lifecycle.tick(&probing(30));
    let reason = ShutdownReason::DeadlockTimeout;
    assert_eq!(acts[1..3], drained(reason));
    assert_eq!(acts.last(), Some(&Act::End(reason)));
}

#[test]
fn timers_work_when_deadlock_and_inactivity_have_none() {
    let mut lifecycle = serving(|options| {
        options.deadlock_timeout = 0;
        options.inactivity_timeout = 0;
        options.restart_interval = 60;
    });
    assert!(lifecycle.tick(&view(59)).is_empty());
    assert_eq!(lifecycle.tick(&view(60)).len(), 1);
    let stuck = View {
        probed: Some(at(0)),
        ..view(100_000)
    };
    assert!(lifecycle.tick(&stuck).is_empty());
}

#[test]
fn a_changed_script_drains_at_once() {
    let mut lifecycle = serving(|_| {});
    let stale = View {
        is_stale: true,
        ..busy(3, 2)
    };
    let reason = ShutdownReason::ScriptReload;
    assert_eq!(lifecycle.tick(&stale), drained(reason));
    assert!(lifecycle.is_draining());
}

#[test]
fn a_process_that_is_still_loading_asks_to_be_replaced_when_it_serves() {
    let mut lifecycle = Lifecycle::new(DaemonOptions::default());
    assert!(lifecycle.graceful().is_empty());
    let replace = Act::Report(Report::Replace(ShutdownReason::GracefulSignal));
    assert_eq!(
        lifecycle.ready(at(1)),
        [Act::Report(Report::Ready), replace]
    );
}
