//! Answers that are not what they said they would be: too long, too short, broken off. The client knows at once.

use std::time::{Duration, Instant};

use super::apps::{EVIL, evil, process, running};
use super::{group, grouped, millis};
use crate::harness::{Curl, Reply, Request, Server, comes_true, monotonic, needs, only_rsgi};

/// What the issue of daemon groups says: so long after it is clear that no more comes, the client knows.
pub(super) const KNOWN: Duration = Duration::from_millis(100);

/// Whether a line belongs to a request: httpd names the client, over HTTP/2 as the remote end.
pub(super) fn is_of_request(line: &str) -> bool {
    line.contains("[client ") || line.contains("[remote ")
}

/// The lines of requests with a number of ours, which are as many as that. A line is written before its client is told.
#[track_caller]
pub(super) fn lines_of_requests(server: &Server, count: usize) -> Vec<String> {
    let lines = || -> Vec<String> {
        let all = server.log().into_iter();
        let ours = |text: &str| is_of_request(text) && text.contains("RSGI0");
        all.map(|line| line.text)
            .filter(|text| ours(text))
            .collect()
    };
    comes_true(Duration::from_secs(5), || lines().len() >= count);
    let lines = lines();
    assert_eq!(lines.len(), count, "{}", lines.join("\n"));
    lines
}

/// Fails unless there is exactly one such line for each of so many failed requests, with all of these words.
#[track_caller]
pub(super) fn each_is_told_once(server: &Server, count: usize, words: &[&str]) {
    for line in lines_of_requests(server, count) {
        for word in words {
            assert!(line.contains(word), "no {word}: {line}");
        }
    }
}

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
fn a_truncated_answer_is_known_to_the_client_within_a_tenth_of_a_second_and_told_in_one_line() {
    only_rsgi!("never, or after the keep-alive timeout");
    let short = ["RSGI0215", "gave 5 bytes less", "has to give as many"];
    let raised = ["RSGI0174", "ZeroDivisionError", "escaped from"];
    for (what, declared, blocks, words) in [
        (
            "too short",
            "('Content-Length', '10')",
            "yield b'12345'",
            short,
        ),
        (
            "raised, with a length",
            "('Content-Length', '10')",
            "yield b'12345'\n  1/0",
            raised,
        ),
        ("raised, chunked", "", "yield b'12345'\n  1/0", raised),
        (
            "raised, chunked, later",
            "",
            "yield b'12345'\n  time.sleep(0.3)\n  yield b'67'\n  1/0",
            raised,
        ),
    ] {
        let server = evil("processes=1 threads=3");
        let pid = process(&server).to_string();
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
        assert!(best < KNOWN, "{what}: {best:?}");
        let place = format!("process {pid} of process group 'app'");
        each_is_told_once(
            &server,
            3,
            &[words[0], words[1], words[2], &place, "app.wsgi"],
        );
        if words == raised {
            server.expect_error("ZeroDivisionError");
        }
        server.allow_log(words[0]);
        server.finish();
    }
}

#[test]
fn a_client_that_goes_away_within_its_answer_is_no_line() {
    only_rsgi!("it tells of them");
    let server = group("processes=1 threads=3")
        .modules(&["http2"])
        .conf("Protocols h2c http/1.1")
        .log_level("info")
        .start();
    let mut gone = server.connect();
    gone.send(Request::get("/stream?a").to_bytes());
    assert_eq!(gone.head().status, 200);
    gone.reset();
    if Curl::has_http2() {
        let url = server.url("/stream?b");
        let curl = Curl::run(&["--http2-prior-knowledge", "--max-time", "0.5", &url]);
        assert_eq!(curl.code, 28, "{curl:?}");
    }
    // Both are over when a third one that began after them is.
    assert_eq!(server.text("/stream?c"), super::whole_stream("c"));
    lines_of_requests(&server, 0);
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
    each_is_told_once(&server, 1, &["RSGI0174", "of process group 'app'"]);
    server.expect_error("ZeroDivisionError");
    server.finish();
}

#[test]
fn a_process_that_ends_in_the_middle_of_an_answer_cuts_it() {
    only_rsgi!("it looks complete");
    for declared in ["", "('Content-Length', '100')"] {
        let server = evil("processes=1 threads=3");
        let mut all = Vec::new();
        for turn in 1..=3 {
            let pid = process(&server).to_string();
            // The last that it says is when it ends.
            let (reply, _) = answer(
                &server,
                declared,
                "yield b'12345 '\n  yield b'%.6f' % time.monotonic()\n  os._exit(7)",
            );
            let now = monotonic();
            assert_eq!(reply.status, 200);
            assert!(reply.is_cut, "the client cannot tell: {reply:?}");
            let text = reply.text();
            let (told, ended) = text.split_once(' ').unwrap();
            assert_eq!(told, "12345");
            all.push(now.saturating_sub(Duration::from_secs_f64(ended.parse().unwrap())));
            let lines = lines_of_requests(&server, turn);
            for word in [
                "RSGI0146",
                &format!("process {pid} "),
                "`app`",
                "code 7",
                "last words",
            ] {
                assert!(lines[turn - 1].contains(word), "no {word}: {lines:?}");
            }
        }
        crate::harness::say(&format!("known after {all:?}"));
        // The quickest of three: the machine may have been busy.
        assert!(all.iter().min().unwrap() < &KNOWN, "{all:?}");
        process(&server);
        server.expect_log("RSGI0450");
        server.allow_log("RSGI0146");
        server.finish();
    }
}
