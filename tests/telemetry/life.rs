//! When processes tell of their end.

use super::service::{Service, field, finish, number, telling};
use crate::harness::{Request, Server, only_rsgi, signal, wait_until};

const WAITING: &str = r#"
import os, time
def application(environ, start_response):
    open("@WORK@/begun", "w").close()
    end = time.monotonic() + 30
    while time.monotonic() < end and not os.path.exists("@WORK@/go"):
        time.sleep(0.01)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"waited"]
"#;

/// The first process of the group.
#[track_caller]
fn process_of_group(service: &Service) -> i32 {
    let started = service.wait("process_started", &["|process_group=one|"]);
    field(&started, "pid").unwrap().parse().unwrap()
}

/// Sends a signal to the process of a group with these options while a request waits in it, which goes on after `meanwhile`.
/// Gives server and service back, and how datagrams name the process.
#[track_caller]
fn signalled_while_it_waits(
    options: &str,
    signal_number: i32,
    meanwhile: impl FnOnce(&Server, &Service, i32),
) -> (Server, Service, String) {
    let (builder, service) = telling(Server::builder());
    let options = format!("processes=1 threads=2 {options}");
    let server = builder.daemon("one", &options).serve(WAITING).start();
    let daemon = process_of_group(&service);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| server.get("/").ok().text());
        server.wait_for_file("work/begun", "");
        signal(daemon, signal_number);
        meanwhile(&server, &service, daemon);
        assert!(!waiting.is_finished());
        server.write("work/go", "");
        assert_eq!(waiting.join().unwrap(), "waited");
    });
    (server, service, named(daemon))
}

/// How datagrams name a process.
fn named(pid: i32) -> String {
    format!("|pid={pid}|")
}

#[test]
fn a_process_tells_of_its_end_when_that_is_decided_and_not_when_its_requests_are_done() {
    only_rsgi!("which process is whose is looked up by our program's name");
    let meanwhile = |_: &Server, service: &Service, daemon| {
        let told = service.wait(
            "process_stopping",
            &[&named(daemon), "|shutdown_reason=shutdown_signal|"],
        );
        assert_eq!(number(&told, "active_requests_at_decision"), 1.0, "{told}");
        assert!(service.all("process_stopped").is_empty());
    };
    let (server, service, pid) =
        signalled_while_it_waits("shutdown-timeout=20", libc::SIGTERM, meanwhile);
    let stopped = service.wait("process_stopped", &[&pid]);
    assert_eq!(
        number(&stopped, "active_requests_at_exit"),
        0.0,
        "{stopped}"
    );
    assert_eq!(number(&stopped, "graceful_drain"), 1.0, "{stopped}");
    assert_eq!(number(&stopped, "lifetime_request_count"), 1.0, "{stopped}");
    assert_eq!(service.all("process_stopping").len(), 1);
    finish(server, service);
}

/// mod_wsgi: a process that drains has not stopped yet.
#[test]
fn a_process_that_finishes_its_requests_first_tells_of_its_end_after_them() {
    only_rsgi!("which process is whose is looked up by our program's name");
    let meanwhile = |server: &Server, service: &Service, daemon| {
        // Its successor is there, so it drains.
        wait_until("another process begins", || {
            service.all("process_started").len() > 1
        });
        wait_until("the process does not take requests", || {
            server.daemons().iter().any(|&other| other != daemon)
        });
        assert!(service.all("process_stopping").is_empty());
    };
    let (server, service, pid) =
        signalled_while_it_waits("graceful-timeout=20", libc::SIGUSR1, meanwhile);
    let told = service.wait(
        "process_stopping",
        &[&pid, "|shutdown_reason=graceful_signal|"],
    );
    assert_eq!(number(&told, "active_requests_at_decision"), 0.0, "{told}");
    service.wait("process_stopped", &[&pid, "|graceful_drain=1|"]);
    finish(server, service);
}

/// Blocks the first process that loads it, for as long as that lives.
const STUCK: &str = r#"
import os, time
try:
    os.close(os.open("@WORK@/stuck", os.O_CREAT | os.O_EXCL))
    is_first = True
except FileExistsError:
    is_first = False
while is_first:
    time.sleep(0.1)
"#;

#[test]
fn a_process_whose_main_thread_is_stuck_tells_of_its_end_all_the_same() {
    only_rsgi!("which process is whose is looked up by our program's name");
    let (builder, service) = telling(Server::builder());
    let server = builder
        .daemon("one", "processes=1 threads=2 shutdown-timeout=2")
        .app("stuck.wsgi", STUCK)
        .conf("WSGIImportScript @APPS@/stuck.wsgi process-group=one application-group=%{GLOBAL}")
        .serve(WAITING)
        .start();
    server.write("work/go", "");
    server.wait_for_file("work/stuck", "");
    let daemon = process_of_group(&service);
    let pid = named(daemon);
    service.wait("process_started", &[&pid]);
    signal(daemon, libc::SIGTERM);
    let told = service.wait(
        "process_stopping",
        &[&pid, "|shutdown_reason=shutdown_signal|"],
    );
    assert_eq!(field(&told, "process_uptime"), None);
    // Nobody else could say so than who ends it.
    let stopped = service.wait("process_stopped", &[&pid, "|graceful_drain=0|"]);
    assert!(number(&stopped, "process_uptime") >= 2.0, "{stopped}");
    server.expect_log("RSGI0442");
    server.ask(&Request::get("/")).ok();
    server.allow_log("RSGI04");
    finish(server, service);
}

#[test]
fn children_of_apaches_that_may_run_no_application_tell_nothing() {
    let (builder, service) = telling(Server::builder());
    let server = builder
        .modules(&["auth_basic", "authn_core", "authz_user"])
        .daemon("one", "processes=1 threads=2")
        .app(
            "auth.wsgi",
            "def check_password(environ, user, password):\n    return True\n",
        )
        .conf(
            "WSGIRestrictEmbedded On\n<Location />\nAuthType Basic\nAuthName r\nAuthBasicProvider wsgi\n\
             WSGIAuthUserScript @APPS@/auth.wsgi\nRequire valid-user\n</Location>",
        )
        .serve(WAITING)
        .start();
    server.write("work/go", "");
    // Python is started in the child, for the script.
    let request = Request::get("/").header("Authorization", "Basic dTpw");
    server.ask(&request).ok();
    service.wait(
        "request_metrics",
        &["|process_group=one|", "|request_count=1|"],
    );
    let told = service.told.lock().unwrap().clone();
    let mut others = told
        .iter()
        .filter(|line| line.starts_with("process_started|"));
    assert!(
        others.all(|line| line.contains("|process_group=one|")),
        "{told:?}"
    );
    finish(server, service);
}
