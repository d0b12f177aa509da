//! The timers of a group's sockets: an application that is silent, a client that takes nothing.

use std::time::{Duration, Instant};

use super::timeouts::sleeper;
use super::truncated::each_is_told_once;
use super::{group, millis};
use crate::harness::{Mpm, Request, UnderTest, id, only_rsgi, under_test};

#[test]
fn socket_timeout_bounds_a_silent_application() {
    let server = group("processes=1 threads=2 socket-timeout=1").start();
    let begun = Instant::now();
    let mut slow = sleeper(&server, 4.0, 0);
    let reply = slow.reply("GET");
    assert_eq!(reply.status, 504, "{}", reply.text());
    assert!(begun.elapsed() < millis(3500), "{:?}", begun.elapsed());
    server.expect_log(&id("0145"));
    // The thread comes back.
    std::thread::sleep(millis(3200));
    assert_eq!(server.text("/?a"), "a".repeat(50));
    for text in ["RSGI", "OSError", "WSGI"] {
        server.allow_log(text);
    }
    server.finish();
}

#[test]
fn response_socket_timeout_gives_up_a_client_that_reads_nothing() {
    let server =
        group("processes=1 threads=1 response-socket-timeout=1 response-buffer-size=65536").start();
    let mut silent = server.connect();
    silent.send(Request::get("/size?100000000").to_bytes());
    std::thread::sleep(millis(200));
    let begun = Instant::now();
    // The only thread, which that answer keeps until it is given up.
    assert_eq!(server.text("/?a"), "a".repeat(50));
    assert!(
        begun.elapsed() < Duration::from_secs(6),
        "{:?}",
        begun.elapsed()
    );
    let got = silent.rest();
    assert!(got.len() < 100_000_000);
    if under_test() == UnderTest::Rsgi {
        let pid = server.daemons()[0];
        let place = format!("the process {pid} of the daemon process group `app` for 1 s");
        // Any client can cause it: no warning, and one line.
        each_is_told_once(
            &server,
            1,
            &["info", "RSGI0307", &place, "`response-socket-timeout`"],
        );
    } else {
        for text in ["OSError", "WSGI"] {
            server.allow_log(text);
        }
    }
    server.finish();
}

#[test]
fn response_socket_timeout_holds_for_what_the_process_is_done_with() {
    only_rsgi!("a process is never done before its client");
    // event keeps such an answer without a thread, for as long as Timeout says.
    for mpm in [Mpm::Worker, Mpm::Prefork] {
        let server =
            group("processes=1 threads=1 response-socket-timeout=1 response-buffer-size=90000000")
                .mpm(mpm)
                .start();
        let mut silent = server.connect();
        silent.send(Request::get("/size?80000000").to_bytes());
        assert_eq!(server.text("/?a"), "a".repeat(50));
        std::thread::sleep(millis(4000));
        let got = silent.rest();
        assert!(got.len() < 80_000_000, "{mpm:?}: all of it came");
        // The next response of a connection has all its time again.
        let mut slow = server.connect();
        assert_eq!(slow.ask(&Request::get("/?a")).ok().text(), "a".repeat(50));
        std::thread::sleep(millis(1500));
        assert_eq!(slow.ask(&Request::get("/?a")).ok().text(), "a".repeat(50));
        server.finish();
    }
}
