//! `close()` of a body that is complete already: the client has it, and the thread is still busy.

use super::{answering, grouped};
use crate::harness::{Request, Server, comes_true, has_ended, only_rsgi, signal, wait_until};
use std::time::Duration;

/// Its `/slow` has a length, and a close() that waits for the test; so has the rest of its `/tail`.
const APP: &str = r#"
import os, sys, time
HEADERS = [("Content-Type", "text/plain"), ("Content-Length", "5")]

def note(text):
    with open("@WORK@/events", "a") as file:
        file.write(text + "\n")

def wait(name):
    note("closing")
    while not os.path.exists("@WORK@/go-" + name):
        time.sleep(0.005)
    if name == "log":
        print("a line of close()", file=sys.stderr)
    note("closed")

class Body:
    def __init__(self, name, blocks):
        self.name, self.blocks = name, iter(blocks)
    def __iter__(self):
        return self.blocks
    def close(self):
        wait(self.name)

def tail(name):
    yield b"whole"
    wait(name)

def application(environ, start_response):
    path, name = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path == "/pid":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(os.getpid()).encode()]
    if path == "/none":
        start_response("204 No Content", [])
        return Body(name, [b"none"])
    start_response("200 OK", HEADERS)
    if path == "/tail":
        return tail(name)
    if path == "/exit":
        return Exit()
    return Body(name, [b"who", b"le"])

class Exit(list):
    def __iter__(self):
        return iter([b"whole"])
    def close(self):
        os._exit(3)
"#;

/// Waits until so many are in their close().
#[track_caller]
fn closing(server: &Server, count: usize) {
    wait_until("close() is called", || {
        server.events().iter().filter(|e| *e == "closing").count() == count
    });
}

#[track_caller]
fn closed(server: &Server, count: usize) {
    wait_until("close() returns", || {
        server.events().iter().filter(|e| *e == "closed").count() == count
    });
}

#[test]
fn the_client_has_the_body_while_close_runs_and_other_requests_go_to_other_threads() {
    let asks = [
        Request::get("/slow?0"),
        Request::get("/tail?1"),
        Request::new("HEAD", "/slow?2"),
        Request::get("/none?3"),
    ];
    let server = grouped("processes=1 threads=2", APP).start();
    answering(&server);
    for (number, ask) in asks.iter().enumerate() {
        let mut client = server.connect();
        let reply = client.ask(ask);
        assert!(reply.status < 300 && !reply.is_cut, "{reply:?}");
        if ask.method() == "GET" && reply.status == 200 {
            assert_eq!(reply.text(), "whole");
        }
        closing(&server, number + 1);
        for _ in 0..5 {
            answering(&server);
        }
        let closed_before = server.events().iter().filter(|e| *e == "closed").count();
        assert_eq!(closed_before, number, "the client waited for close()");
        server.write(&format!("work/go-{number}"), "");
        closed(&server, number + 1);
        // The connection serves on.
        client.ask(&Request::get("/pid")).ok();
    }
    server.finish();
}

#[test]
fn a_thread_in_close_is_busy_for_those_who_queue() {
    only_rsgi!("it has no queue that is seen");
    let server = grouped("processes=1 threads=1 queue-timeout=60", APP).start();
    let daemon = answering(&server);
    assert_eq!(server.text("/slow?0"), "whole");
    closing(&server, 1);
    let mut waiting = server.connect();
    waiting.send(Request::get("/pid").to_bytes());
    assert!(waiting.is_silent(Duration::from_millis(300)));
    server.write("work/go-0", "");
    assert_eq!(waiting.reply("GET").ok().text(), daemon.to_string());
    server.finish();
}

#[test]
fn a_process_that_is_replaced_waits_for_close() {
    only_rsgi!("its processes are not replaced by a signal");
    let server = grouped(
        "processes=1 threads=2 graceful-timeout=60 shutdown-timeout=1",
        APP,
    )
    .start();
    let old = answering(&server);
    assert_eq!(server.text("/slow?0"), "whole");
    closing(&server, 1);
    signal(old, libc::SIGUSR1);
    wait_until("the successor serves", || answering(&server) != old);
    let is_over = comes_true(Duration::from_secs(3), || has_ended(old));
    assert!(!is_over, "it ended although close() had not returned");
    server.write("work/go-0", "");
    closed(&server, 1);
    wait_until("the old process ends", || has_ended(old));
    server.finish();
}

#[test]
fn what_close_writes_is_logged_for_its_own_request() {
    only_rsgi!("of the log of requests");
    let server = grouped("processes=1 threads=2", APP)
        .conf("ErrorLogFormat \"[%{u}t] [%-m:%l] [pid %P:tid %T] %M <%{c}L %{Referer}i>\"")
        .log_level("info")
        .start();
    answering(&server);
    let ask = Request::get("/slow?log").header("Referer", "the-closer");
    assert_eq!(server.ask(&ask).ok().text(), "whole");
    closing(&server, 1);
    answering(&server);
    server.write("work/go-log", "");
    let line = server.expect_log("a line of close()");
    assert!(line.text.contains("the-closer"), "{line:?}");
    server.finish();
}

#[test]
fn a_response_stays_whole_where_the_process_dies_in_close() {
    only_rsgi!("its thread is let go before");
    let server = grouped("processes=1 threads=2", APP).start();
    let first = answering(&server);
    assert_eq!(server.text("/exit"), "whole");
    // What comes before that may still be taken by its other thread.
    wait_until("the process has ended", || has_ended(first));
    assert_ne!(answering(&server), first);
    server.allow_log("RSGI");
    server.finish();
}
