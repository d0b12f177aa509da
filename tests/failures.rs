//! Applications that fail: before and after the first byte, and what client and log see of it.

use std::time::{Duration, Instant};

use crate::harness::{Request, Server, UnderTest, id, only_rsgi, under_test};

fn failing(body: &str) -> Server {
    Server::builder()
        .app("bad.wsgi", body)
        .app(
            "good.wsgi",
            "def application(e, s):\n    s('200 OK', [])\n    return [b'good']\n",
        )
        .conf(
            "WSGIApplicationGroup %{GLOBAL}\nWSGIScriptAlias /bad @APPS@/bad.wsgi\n\
             WSGIScriptAlias /good @APPS@/good.wsgi",
        )
        .start()
}

#[test]
fn an_exception_is_a_500_with_its_traceback_in_the_log() {
    let server = failing(
        "def helper():\n    raise ValueError('what a value')\ndef application(e, s):\n    helper()\n",
    );
    let reply = server.get("/bad");
    assert_eq!(reply.status, 500);
    assert_eq!(reply.reason, "Internal Server Error");
    assert!(!reply.text().contains("ValueError"), "{}", reply.text());
    assert!(reply.text().contains("Internal Server Error"));
    server.expect_traceback("ValueError: what a value");
    let first = server.expect_log(&id("0174"));
    assert!(first.text.contains("bad.wsgi"), "{}", first.text);
    assert!(first.text.contains("[client 127.0.0.1:"), "{}", first.text);
    assert_eq!(server.text("/good"), "good");
    if under_test() == UnderTest::Rsgi {
        let frame = server.expect_log("in helper");
        assert!(frame.text.contains("line 2"), "{}", frame.text);
    }
    server.finish();
}

#[test]
fn each_line_of_a_traceback_is_a_record_of_its_own() {
    let server = failing("def application(e, s):\n    raise ValueError('one\\ntwo\\n\\nthree')\n");
    assert_eq!(server.get("/bad").status, 500);
    server.expect_traceback("ValueError: one");
    for part in ["two", "three"] {
        let line = server.expect_log(part);
        assert_eq!(line.level, "error");
    }
    server.finish();
}

#[test]
fn a_chained_exception_is_logged_with_its_cause() {
    let server = failing(
        "def application(e, s):\n    try:\n        1/0\n    except ZeroDivisionError as error:\n        \
         raise RuntimeError('second') from error\n",
    );
    assert_eq!(server.get("/bad").status, 500);
    server.expect_log("ZeroDivisionError: division by zero");
    server.allow_log("The above exception was the direct cause");
    server.expect_traceback("RuntimeError: second");
    server.finish();
}

#[test]
fn an_exception_after_start_response_is_still_a_clean_500() {
    let server = failing(
        "def application(e, s):\n    s('200 OK', [('X-Mine', 'yes'), ('Content-Length', '3')])\n    \
         raise ValueError('late')\n",
    );
    let mut connection = server.connect();
    let reply = connection.ask(&Request::get("/bad"));
    assert_eq!(
        (reply.status, reply.reason.as_str()),
        (500, "Internal Server Error")
    );
    assert_eq!(reply.header("X-Mine"), None);
    assert!(!reply.is_cut);
    server.expect_traceback("ValueError: late");
    server.finish();
}

#[test]
fn an_exception_before_the_first_block_is_a_500() {
    let server = failing(
        "def application(e, s):\n    s('200 OK', [])\n    yield b''\n    raise ValueError('in the generator')\n",
    );
    let reply = server.get("/bad");
    assert_eq!(reply.status, 500);
    assert!(!reply.is_cut);
    server.expect_traceback("ValueError: in the generator");
    server.finish();
}

#[track_caller]
fn is_cut(source: &str, request: Request, body: &str, error: &str) {
    let server = failing(source);
    let mut connection = server.connect();
    connection.set_read_timeout(Duration::from_secs(5));
    let reply = connection.ask(&request);
    assert_eq!(reply.status, 200);
    assert_eq!(reply.text(), body);
    assert!(reply.is_cut, "the client cannot tell");
    let before = Instant::now();
    assert!(connection.is_closed());
    assert!(
        before.elapsed() < Duration::from_secs(2),
        "the connection stayed open"
    );
    server.expect_error(error);
    assert_eq!(server.text("/good"), "good");
    server.finish();
}

#[test]
fn an_exception_after_the_first_block_cuts_a_chunked_response() {
    only_rsgi!("the kept connection stays open until it times out");
    is_cut(
        "def application(e, s):\n    s('200 OK', [])\n    yield b'first'\n    raise ValueError('after the first')\n",
        Request::get("/bad"),
        "first",
        "ValueError: after the first",
    );
}

#[test]
fn an_exception_after_the_first_block_cuts_a_response_with_a_length() {
    only_rsgi!("the kept connection stays open until it times out");
    is_cut(
        "def application(e, s):\n    s('200 OK', [('Content-Length', '10')])\n    yield b'first'\n    \
         raise ValueError('after the first')\n",
        Request::get("/bad"),
        "first",
        "ValueError: after the first",
    );
}

#[test]
fn a_chunked_response_is_cut_on_a_connection_that_closes() {
    is_cut(
        "def application(e, s):\n    s('200 OK', [])\n    yield b'first'\n    raise ValueError('after the first')\n",
        Request::get("/bad").header("Connection", "close"),
        "first",
        "ValueError: after the first",
    );
}

#[test]
fn a_response_with_a_length_is_cut_on_a_connection_that_closes() {
    is_cut(
        "def application(e, s):\n    s('200 OK', [('Content-Length', '10')])\n    yield b'first'\n    \
         raise ValueError('after the first')\n",
        Request::get("/bad").header("Connection", "close"),
        "first",
        "ValueError: after the first",
    );
}

#[test]
fn an_exception_after_write_cuts_the_response() {
    only_rsgi!("appends the error page to the body");
    is_cut(
        "def application(e, s):\n    write = s('200 OK', [])\n    write(b'first')\n    raise ValueError('after write')\n",
        Request::get("/bad"),
        "first",
        "ValueError: after write",
    );
}

#[test]
fn a_block_that_is_not_bytes_after_the_first_cuts_the_response() {
    only_rsgi!("the kept connection stays open until it times out");
    is_cut(
        "def application(e, s):\n    s('200 OK', [])\n    yield b'first'\n    yield 'text'\n",
        Request::get("/bad"),
        "first",
        "TypeError",
    );
}

#[test]
fn the_client_sees_the_cut_at_once() {
    only_rsgi!("the kept connection stays open until it times out");
    let server = failing(
        "def application(e, s):\n    s('200 OK', [])\n    yield b'first'\n    raise ValueError('now')\n",
    );
    server.get("/good");
    let begin = Instant::now();
    let reply = server.get("/bad");
    assert!(reply.is_cut);
    assert!(
        begin.elapsed() < Duration::from_secs(1),
        "{:?}",
        begin.elapsed()
    );
    server.expect_traceback("ValueError: now");
    server.finish();
}

#[test]
fn system_exit_and_keyboard_interrupt_do_not_end_the_process() {
    for raising in [
        "import sys; sys.exit(1)",
        "raise KeyboardInterrupt",
        "raise BaseException('odd')",
        "raise GeneratorExit",
    ] {
        let server = failing(&format!("def application(e, s):\n    {raising}\n"));
        let before = server.workers();
        assert_eq!(server.get("/bad").status, 500, "{raising}");
        assert_eq!(server.text("/good"), "good");
        assert_eq!(server.workers(), before);
        server.allow_log(&id("0174"));
        server.allow_log(&id("0175"));
        server.allow_log("Traceback");
        server.allow_log("  File ");
        server.allow_log("    ");
        for name in [
            "SystemExit",
            "KeyboardInterrupt",
            "BaseException",
            "GeneratorExit",
        ] {
            server.allow_log(name);
        }
        server.finish();
    }
}

#[test]
fn request_timeout_that_escapes_is_a_504() {
    let server =
        failing("import mod_wsgi\ndef application(e, s):\n    raise mod_wsgi.RequestTimeout()\n");
    assert_eq!(server.get("/bad").status, 504);
    if under_test() == UnderTest::Rsgi {
        let line = server.expect_log("RSGI0216");
        for word in ["request-timeout=", "bad.wsgi", "of process group '"] {
            assert!(line.text.contains(word), "no {word}: {}", line.text);
        }
    }
    server.finish();
}

#[test]
fn an_exception_without_a_message_or_with_a_failing_repr_is_logged() {
    let server = failing(
        "class Odd(Exception):\n    def __str__(self):\n        raise ValueError('no text')\n\
         def application(e, s):\n    raise Odd()\n",
    );
    assert_eq!(server.get("/bad").status, 500);
    server.expect_log("Odd");
    server.allow_log(&id("0174"));
    server.allow_log("Traceback");
    server.allow_log("  File ");
    server.allow_log("    ");
    assert_eq!(server.text("/good"), "good");
    server.finish();
}

#[test]
fn endless_recursion_is_a_recursion_error() {
    let server = failing("def deep():\n    return deep()\ndef application(e, s):\n    deep()\n");
    assert_eq!(server.get("/bad").status, 500);
    server.expect_traceback("RecursionError");
    server.allow_log("[Previous line repeated");
    assert_eq!(server.text("/good"), "good");
    server.finish();
}

#[test]
fn the_same_connection_serves_after_a_failure() {
    let server = failing("def application(e, s):\n    raise ValueError('again')\n");
    let mut connection = server.connect();
    for _ in 0..3 {
        let reply = connection.ask(&Request::get("/bad"));
        assert_eq!(reply.status, 500);
        if reply.header("Connection") == Some("close") {
            connection = server.connect();
        }
        assert_eq!(connection.ask(&Request::get("/good")).ok().text(), "good");
    }
    server.expect_traceback("ValueError: again");
    server.finish();
}
