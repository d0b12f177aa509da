//! Answers that are not what they said they would be: too long, too short, broken off. The client knows at once.

use std::time::{Duration, Instant};

use super::apps::{EVIL, evil, process, running};
use super::{grouped, millis};
use crate::harness::{Curl, Reply, Server, needs, only_rsgi};

/// What an application that sends other than it declared gives, until it is whole or cut.
fn answer(server: &Server, declared: &str, blocks: &str) -> (Reply, Duration) {
    let code =
        format!("start_response('200 OK', [{declared}])\ndef go():\n  {blocks}\nanswer = go()");
    let mut connection = server.connect();
    connection.send(running(&code).to_bytes());
    let begun = Instant::now();
    (connection.reply("GET"), begun.elapsed())
}

#[test]
fn more_than_the_declared_length_is_dropped() {
    let server = evil("processes=1 threads=3");
    let mut connection = server.connect();
    for _ in 0..3 {
        let code =
            "start_response('200 OK', [('Content-Length', '5')])\nanswer = [b'12345', b'678']";
        assert_eq!(connection.ask(&running(code)).ok().text(), "12345");
    }
    server.finish();
}

#[test]
fn a_truncated_answer_is_known_to_the_client_within_a_tenth_of_a_second() {
    only_rsgi!("never, or after the keep-alive timeout");
    let server = evil("processes=1 threads=3");
    let mut worst = Duration::ZERO;
    for (what, declared, blocks) in [
        ("too short", "('Content-Length', '10')", "yield b'12345'"),
        (
            "raised, with a length",
            "('Content-Length', '10')",
            "yield b'12345'\n  1/0",
        ),
        ("raised, chunked", "", "yield b'12345'\n  1/0"),
        (
            "raised, chunked, later",
            "",
            "yield b'12345'\n  time.sleep(0.3)\n  yield b'67'\n  1/0",
        ),
    ] {
        // The quickest of three: the machine may have been busy.
        let mut best = Duration::MAX;
        for _ in 0..3 {
            let (reply, took) = answer(&server, declared, blocks);
            assert_eq!(reply.status, 200, "{what}");
            assert!(reply.is_cut, "{what}: the client cannot tell: {reply:?}");
            assert!(
                reply.text().starts_with("12345"),
                "{what}: {}",
                reply.text()
            );
            let pause = if what.ends_with("later") {
                millis(300)
            } else {
                Duration::ZERO
            };
            best = best.min(took.saturating_sub(pause));
        }
        worst = worst.max(best);
        assert!(best < millis(100), "{what}: {best:?}");
    }
    process(&server);
    server.expect_error("ZeroDivisionError");
    server.allow_log("RSGI");
    server.finish();
}

#[test]
fn a_truncated_answer_over_http_2_is_a_reset_stream() {
    only_rsgi!("ends the stream cleanly");
    needs!(Curl::has_http2(), "no curl with HTTP/2");
    let server = grouped("processes=1 threads=3", EVIL)
        .modules(&["http2"])
        .conf("Protocols h2c http/1.1")
        .start();
    let code = "start_response('200 OK', [])\ndef go():\n  yield b'12345'\n  1/0\nanswer = go()";
    let bytes = running(code).to_bytes();
    let line = String::from_utf8(bytes).unwrap();
    let target = line.split(' ').nth(1).unwrap();
    let curl = Curl::run(&["--http2-prior-knowledge", &server.url(target)]);
    assert!([18, 56, 92].contains(&curl.code), "{curl:?}");
    server.expect_error("ZeroDivisionError");
    server.finish();
}

#[test]
fn a_process_that_ends_in_the_middle_of_an_answer_cuts_it() {
    only_rsgi!("it looks complete");
    let server = evil("processes=1 threads=3");
    for declared in ["", "('Content-Length', '10')"] {
        let (reply, took) = answer(
            &server,
            declared,
            "yield b'12345'\n  time.sleep(0.2)\n  os._exit(7)",
        );
        assert_eq!(reply.status, 200);
        assert!(reply.is_cut, "the client cannot tell: {reply:?}");
        assert_eq!(reply.text(), "12345");
        assert!(took < millis(1500), "{took:?}");
        process(&server);
    }
    server.expect_log("code 7");
    server.allow_log("RSGI");
    server.finish();
}
