//! Limits on time, each with the option that sets it.

use rsgi_core::daemon::ShutdownReason;
use rsgi_daemon::order::{Order, Report};

use crate::harness::{Daemon, Ended, Request};

const APP: &str = r#"
import time
def application(environ, start_response):
    path = environ['PATH_INFO']
    if path == '/loop':
        until = time.time() + 30
        while time.time() < until:
            time.sleep(0.01)
    if path == '/burn':
        while True:
            pass
    if path == '/hold':
        import ctypes
        ctypes.PyDLL(None).sleep(30)
    if path == '/raise':
        raise RuntimeError
    start_response('200 OK', [])
    return [b'ok']
"#;

#[test]
fn a_request_that_takes_too_long_is_interrupted() {
    let daemon = Daemon::start(APP, |config| {
        config.options.threads = 1;
        config.options.request_timeout = 1;
        config.options.interrupt_timeout = 10;
    });
    let mut child = daemon.connect();
    let answer = child.ask(&Request::get("/loop"));
    assert_eq!(answer.refused, Some(504), "{answer:?} {:#?}", daemon.log());
    assert!(
        child.ask(&Request::get("/")).is_ended,
        "the next one is left alone"
    );
}

#[test]
fn a_request_that_cannot_be_interrupted_gets_the_process_replaced() {
    let mut daemon = Daemon::start(APP, |config| {
        config.options.threads = 1;
        config.options.request_timeout = 1;
        config.options.shutdown_timeout = 1;
    });
    let child = daemon.connect();
    child.send(&Request::get("/loop"));
    daemon.expect(Report::Replace(ShutdownReason::RequestTimeout));
    daemon.expect_line("RSGI0437");
    daemon.expect_line("app.wsgi\", line ");
    daemon.order(Order::Drain(ShutdownReason::RequestTimeout));
    daemon.expect(Report::Draining(ShutdownReason::RequestTimeout));
    // The stuck one is not waited for.
    assert_eq!(daemon.ended(), Ended::Code(75));
}

#[test]
fn a_lock_that_is_held_for_ever_ends_the_process() {
    let mut daemon = Daemon::start(APP, |config| {
        config.options.deadlock_timeout = 1;
        config.options.shutdown_timeout = 1;
    });
    let child = daemon.connect();
    child.send(&Request::get("/hold"));
    daemon.expect(Report::Draining(ShutdownReason::DeadlockTimeout));
    assert_eq!(daemon.ended(), Ended::Code(75));
    daemon.expect_line("RSGI0439");
    daemon.expect_line("RSGI0442");
}

#[test]
fn an_idle_process_asks_to_be_replaced() {
    let daemon = Daemon::start(APP, |config| config.options.inactivity_timeout = 1);
    assert!(daemon.connect().ask(&Request::get("/")).is_ended);
    daemon.expect(Report::Replace(ShutdownReason::InactivityTimeout));
}

#[test]
fn a_process_asks_to_be_replaced_again_and_again_in_time() {
    let daemon = Daemon::start(APP, |config| config.options.restart_interval = 1);
    daemon.expect(Report::Replace(ShutdownReason::RestartInterval));
}

#[test]
fn an_application_that_never_loads_ends_the_process() {
    let mut daemon = Daemon::start("raise RuntimeError('broken')\n", |config| {
        config.options.startup_timeout = 1;
    });
    let answer = daemon.connect().ask(&Request::get("/"));
    assert_eq!(answer.refused, Some(500));
    daemon.expect(Report::Draining(ShutdownReason::StartupTimeout));
    assert_eq!(daemon.ended(), Ended::Code(0));
    daemon.expect_line("RSGI0440");
}

#[test]
fn an_application_that_raises_is_loaded() {
    let daemon = Daemon::start(APP, |config| {
        config.options.startup_timeout = 1;
        config.options.restart_interval = 3;
    });
    let answer = daemon.connect().ask(&Request::get("/raise"));
    assert_eq!(answer.refused, Some(500));
    daemon.expect(Report::Replace(ShutdownReason::RestartInterval));
}

#[test]
fn used_up_processor_time_ends_the_process() {
    let mut daemon = Daemon::start(APP, |config| {
        config.options.cpu_time_limit = 2;
        config.options.graceful_timeout = 1;
        config.options.shutdown_timeout = 1;
    });
    let child = daemon.connect();
    child.send(&Request::get("/burn"));
    daemon.expect(Report::Draining(ShutdownReason::CpuTimeLimit));
    assert_eq!(daemon.ended(), Ended::Code(75));
    daemon.expect_line("RSGI0445");
}
