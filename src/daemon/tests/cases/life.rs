//! How a process is told to end, and how it does.

use std::time::{Duration, Instant};

use rsgi_core::daemon::ShutdownReason;
use rsgi_daemon::config::ProcessConfig;
use rsgi_daemon::order::{Order, Report};
use rsgi_daemon::scoreboard::SlotState;
use rustix::process::Signal;

use crate::harness::{Daemon, Ended, Request, import, until};

const APP: &str = r#"
import time, atexit
atexit.register(lambda: print('exit function'))
def application(environ, start_response):
    path = environ['PATH_INFO']
    if path.startswith('/sleep'):
        time.sleep(float(path[6:]))
    if path == '/loop':
        while True:
            pass
    start_response('200 OK', [])
    return [b'ok']
"#;

fn nothing(_: &mut ProcessConfig) {}

#[test]
fn an_idle_process_ends_at_once_when_it_is_stopped() {
    for is_order in [true, false] {
        let mut daemon = Daemon::start(APP, nothing);
        assert!(daemon.connect().ask(&Request::get("/")).is_ended);
        let start = Instant::now();
        if is_order {
            daemon.order(Order::Stop);
        } else {
            daemon.signal(Signal::TERM);
        }
        assert_eq!(daemon.ended(), Ended::Code(0));
        assert!(start.elapsed() < Duration::from_secs(3));
        let line = daemon.expect_line("RSGI0436");
        assert!(line.contains("shutdown_signal, 1 requests"), "{line}");
        daemon.expect_line("exit function");
        assert_eq!(daemon.slot().reason(), Some(ShutdownReason::ShutdownSignal));
    }
}

#[test]
fn a_running_request_is_finished_when_the_process_drains() {
    let mut daemon = Daemon::start(APP, nothing);
    let mut child = daemon.connect();
    child.send(&Request::get("/sleep0.5"));
    until("the request runs", || daemon.slot().busy() == 1);
    daemon.order(Order::Drain(ShutdownReason::GracefulSignal));
    daemon.expect(Report::Draining(ShutdownReason::GracefulSignal));
    assert_eq!(daemon.slot().state(), SlotState::Draining);
    assert_eq!(child.answer().text(), "ok");
    assert_eq!(daemon.ended(), Ended::Code(0));
    daemon.expect_line("shutdown reason graceful_signal, 1 requests");
}

#[test]
fn a_running_request_is_finished_when_the_supervisor_goes_away() {
    let mut daemon = Daemon::start(APP, nothing);
    let mut child = daemon.connect();
    child.send(&Request::get("/sleep0.5"));
    until("the request runs", || daemon.slot().busy() == 1);
    daemon.hang_up();
    assert_eq!(child.answer().text(), "ok");
    assert_eq!(daemon.ended(), Ended::Code(0));
    daemon.expect_line("RSGI0443");
    daemon.expect_line("supervisor_gone");
}

#[test]
fn requests_that_were_not_taken_are_given_back_unread() {
    let mut daemon = Daemon::start(APP, |config| config.options.threads = 1);
    let mut running = daemon.connect();
    running.send(&Request::get("/sleep0.5"));
    until("the request runs", || daemon.slot().busy() == 1);
    let mut waiting = daemon.connect();
    waiting.send(&Request::get("/"));
    daemon.order(Order::Stop);
    assert_eq!(running.answer().text(), "ok");
    let answer = waiting.answer();
    assert_eq!(
        answer.closed,
        Some(Some(std::io::ErrorKind::ConnectionReset))
    );
    assert_eq!(daemon.ended(), Ended::Code(0));
}

#[test]
fn a_stuck_request_is_cut_when_the_time_is_over_and_the_log_shows_where_it_was() {
    let mut daemon = Daemon::start(APP, |config| config.options.shutdown_timeout = 1);
    let mut child = daemon.connect();
    child.send(&Request::get("/loop"));
    until("the request runs", || daemon.slot().busy() == 1);
    let start = Instant::now();
    daemon.order(Order::Stop);
    assert_eq!(daemon.ended(), Ended::Code(75));
    assert!(start.elapsed() < Duration::from_secs(3));
    assert_eq!(child.answer().closed, Some(None));
    daemon.expect_line("RSGI0442");
    daemon.expect_line("app.wsgi\", line ");
}

#[test]
fn a_process_that_has_served_enough_asks_to_be_replaced_and_serves_on() {
    let mut daemon = Daemon::start(APP, |config| config.options.maximum_requests = 3);
    let mut child = daemon.connect();
    for _ in 0..3 {
        assert!(child.ask(&Request::get("/")).is_ended);
    }
    daemon.expect(Report::Replace(ShutdownReason::MaximumRequests));
    assert!(child.ask(&Request::get("/")).is_ended);
    daemon.order(Order::Drain(ShutdownReason::MaximumRequests));
    daemon.expect(Report::Draining(ShutdownReason::MaximumRequests));
    assert_eq!(daemon.ended(), Ended::Code(0));
    daemon.expect_line("maximum_requests, 4 requests");
}

#[test]
fn a_graceful_signal_asks_for_a_successor() {
    for (eviction, reason) in [
        (0, ShutdownReason::GracefulSignal),
        (5, ShutdownReason::EvictionSignal),
    ] {
        let daemon = Daemon::start(APP, |config| config.options.eviction_timeout = eviction);
        daemon.signal(Signal::USR1);
        daemon.expect(Report::Replace(reason));
        assert!(daemon.connect().ask(&Request::get("/")).is_ended);
    }
}

#[test]
fn a_script_that_changed_is_another_process_s() {
    let mut daemon = Daemon::start(APP, nothing);
    let mut child = daemon.connect();
    assert!(child.ask(&Request::get("/")).is_ended);
    std::fs::write(daemon.path("app.wsgi"), format!("{APP}# changed\n")).unwrap();
    let answer = child.ask(&Request::get("/"));
    assert!(answer.is_stale, "{answer:?}");
    daemon.expect(Report::Draining(ShutdownReason::ScriptReload));
    assert_eq!(daemon.ended(), Ended::Code(0));
}

#[test]
fn scripts_are_imported_before_the_first_request() {
    let daemon = Daemon::start("print('imported')\n", |config| {
        config.imports.push(import("app.wsgi"));
    });
    daemon.expect_line("imported");
}

#[test]
fn nonsense_from_the_supervisor_is_told_and_ignored() {
    let daemon = Daemon::start(APP, nothing);
    daemon.say(&[99, 99]);
    daemon.say(b"longer than any");
    until("both lines", || {
        daemon
            .log()
            .iter()
            .filter(|line| line.contains("RSGI0444"))
            .count()
            == 2
    });
    assert!(daemon.connect().ask(&Request::get("/")).is_ended);
}

#[test]
fn the_heart_beats_while_every_thread_is_busy() {
    let daemon = Daemon::start(APP, |config| config.options.threads = 1);
    let child = daemon.connect();
    child.send(&Request::get("/loop"));
    until("the request runs", || daemon.slot().busy() == 1);
    for _ in 0..10 {
        std::thread::sleep(Duration::from_millis(100));
        let age = daemon.slot().heartbeat_age().unwrap();
        assert!(age < Duration::from_millis(900), "{age:?}");
    }
}
