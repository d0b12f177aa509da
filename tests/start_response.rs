//! `start_response`, `write()` and the rules of statuses and headers.

use crate::harness::{Mode, Request, Server, UnderTest, id, mode, only_rsgi, under_test};

#[test]
fn a_refused_call_leaves_the_earlier_one_in_force() {
    let server = Server::builder()
        .serve(
            r#"
def application(environ, start_response):
    start_response("201 Created", [("X-First", "yes")])
    try:
        start_response("bad", [("X-Second", "no")])
    except ValueError:
        pass
    return [b"x"]
"#,
        )
        .start();
    let reply = server.get("/");
    assert_eq!(reply.status, 201);
    assert_eq!(reply.header("X-First"), Some("yes"));
    assert_eq!(reply.header("X-Second"), None);
    server.finish();
}

#[test]
fn a_call_with_exc_info_before_output_replaces_status_and_headers() {
    let server = Server::builder()
        .serve(
            r#"
import sys
def application(environ, start_response):
    start_response("200 OK", [("X-First", "yes")])
    try:
        raise ValueError("changed my mind")
    except ValueError:
        start_response("503 Sorry", [("X-Second", "yes"), ("Content-Type", "text/plain")], sys.exc_info())
    return [b"sorry"]
"#,
        )
        .start();
    let reply = server.get("/");
    assert_eq!((reply.status, reply.reason.as_str()), (503, "Sorry"));
    assert_eq!(reply.header("X-First"), None);
    assert_eq!(reply.header("X-Second"), Some("yes"));
    assert_eq!(reply.text(), "sorry");
    server.finish();
}

#[test]
fn a_second_call_without_exc_info_before_output_replaces_with_a_warning() {
    let server = Server::builder()
        .serve(
            r#"
def application(environ, start_response):
    start_response("200 OK", [("X-First", "yes")])
    start_response("202 Accepted", [("X-Second", "yes")])
    return [b"x"]
"#,
        )
        .one_process()
        .start();
    for _ in 0..2 {
        let reply = server.get("/");
        assert_eq!(reply.status, 202);
        assert_eq!(reply.header("X-First"), None);
    }
    if under_test() == UnderTest::Rsgi {
        server.expect_log("start_response");
        let warnings = server
            .log()
            .into_iter()
            .filter(|l| l.level == "warn")
            .count();
        assert_eq!(warnings, 1, "one warning a script");
    }
    server.finish();
}

#[test]
fn exc_info_after_output_raises_that_exception() {
    let server = Server::builder()
        .serve(
            r#"
import sys
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"first;"
    try:
        raise KeyError("mine")
    except KeyError:
        try:
            start_response("500 Oops", [], sys.exc_info())
            yield b"accepted"
        except KeyError as error:
            yield ("raised %s" % error).encode()
"#,
        )
        .start();
    let reply = server.get("/").ok();
    assert_eq!(reply.text(), "first;raised 'mine'");
    server.finish();
}

#[test]
fn a_call_without_exc_info_after_output_is_a_runtime_error() {
    let server = Server::builder()
        .serve(
            r#"
def application(environ, start_response):
    start_response("200 OK", [])
    yield b"first;"
    try:
        start_response("200 OK", [])
        yield b"accepted"
    except RuntimeError:
        yield b"RuntimeError"
"#,
        )
        .start();
    assert_eq!(server.text("/"), "first;RuntimeError");
    server.finish();
}

#[test]
fn exc_info_after_output_must_be_three_values() {
    let server = Server::builder()
        .serve(
            r#"
def application(environ, start_response):
    start_response("200 OK", [])
    yield b"first;"
    try:
        start_response("200 OK", [], (1, 2))
        yield b"accepted"
    except Exception as error:
        yield type(error).__name__.encode()
"#,
        )
        .start();
    let text = server.text("/");
    assert!(text.ends_with("Error"), "{text}");
    server.finish();
}

#[test]
fn write_sends_blocks_before_those_that_are_returned() {
    let server = Server::builder()
        .serve(
            r#"
import os, time
def application(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"one;")
    while not os.path.exists("@WORK@/go"):
        time.sleep(0.002)
    write(b"two;")
    return [b"three"]
"#,
        )
        .start();
    let mut connection = server.connect();
    connection.send(Request::get("/").to_bytes());
    assert_eq!(connection.head().status, 200);
    assert_eq!(connection.chunk().unwrap(), b"one;");
    server.write("work/go", "");
    if mode() == Mode::Embedded {
        assert_eq!(connection.chunk().unwrap(), b"two;");
        assert_eq!(connection.chunk().unwrap(), b"three");
        assert_eq!(connection.chunk(), None);
    } else {
        // On the way from the daemon two blocks may meet.
        let mut rest = Vec::new();
        while let Some(chunk) = connection.chunk() {
            rest.extend(chunk);
        }
        assert_eq!(rest, b"two;three");
    }
    server.finish();
}

#[test]
fn write_takes_bytes_only() {
    let server = Server::builder()
        .serve(
            r#"
def application(environ, start_response):
    write = start_response("200 OK", [])
    out = []
    for value in ("text", None, 5, bytearray(b"x")):
        try:
            write(value)
            out.append("accepted")
        except TypeError:
            out.append("TypeError")
    return [" ".join(out).encode()]
"#,
        )
        .start();
    assert_eq!(server.text("/"), "TypeError TypeError TypeError TypeError");
    server.finish();
}

#[test]
fn write_of_nothing_commits_the_headers() {
    let server = Server::builder()
        .serve(
            r#"
def application(environ, start_response):
    write = start_response("200 OK", [("X-First", "yes")])
    write(b"")
    try:
        start_response("404 Not Found", [])
        said = b"accepted"
    except RuntimeError:
        said = b"committed"
    return [said]
"#,
        )
        .start();
    let reply = server.get("/").ok();
    assert_eq!(reply.text(), "committed");
    server.finish();
}

#[test]
fn duplicate_headers_are_sent_as_separate_lines() {
    let server = Server::builder()
        .serve(
            r#"
def application(environ, start_response):
    start_response("200 OK", [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Two", "1"), ("x-two", "2"),
                              ("WWW-Authenticate", "Basic"), ("Content-Type", "text/x-mine; charset=X")])
    return [b"x"]
"#,
        )
        .start();
    let reply = server.get("/").ok();
    assert_eq!(reply.all("Set-Cookie"), ["a=1", "b=2"]);
    assert_eq!(reply.all("X-Two"), ["1", "2"]);
    assert_eq!(reply.all("WWW-Authenticate"), ["Basic"]);
    assert_eq!(reply.header("Content-Type"), Some("text/x-mine; charset=X"));
    server.finish();
}

#[test]
fn a_response_without_a_content_type_gets_none() {
    let server = Server::builder()
        .serve("def application(e, s):\n    s('200 OK', [])\n    return [b'x']\n")
        .start();
    assert_eq!(server.get("/").ok().header("Content-Type"), None);
    server.finish();
}

#[test]
fn latin_1_in_reason_and_values_goes_out_as_it_is() {
    let server = Server::builder()
        .serve("def application(e, s):\n    s('200 caf\\xe9', [('X-Latin', 'caf\\xe9 \\xff')])\n    return [b'x']\n")
        .start();
    let reply = server.get("/").ok();
    assert_eq!(reply.reason, "caf\u{e9}");
    assert_eq!(reply.header("X-Latin"), Some("caf\u{e9} \u{ff}"));
    server.finish();
}

#[test]
fn a_content_length_that_is_no_number_is_a_500() {
    for value in ["abc", "-5", "5x", "1 2", "99999999999999999999999999"] {
        let server = Server::builder()
            .serve(&format!(
                "def application(e, s):\n    s('200 OK', [('Content-Length', '{value}')])\n    return [b'x']\n"
            ))
            .start();
        assert_eq!(server.get("/").status, 500, "{value:?}");
        server.expect_traceback("ValueError");
        server.finish();
    }
}

#[test]
fn two_content_lengths_that_differ_are_a_500() {
    only_rsgi!("the last one wins");
    let server = Server::builder()
        .serve(
            "def application(e, s):\n    s('200 OK', [('Content-Length', '1'), ('Content-Length', '2')])\n    return [b'x']\n",
        )
        .start();
    assert_eq!(server.get("/").status, 500);
    server.expect_traceback("ValueError");
    server.finish();
}

#[test]
fn hop_by_hop_headers_are_a_500_and_named_in_the_log() {
    only_rsgi!("they reach the client");
    for name in [
        "Connection",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "Proxy-Connection",
        "transfer-encoding",
    ] {
        let server = Server::builder()
            .serve(&format!(
                "def application(e, s):\n    s('200 OK', [('{name}', 'chunked')])\n    return [b'x']\n"
            ))
            .start();
        let reply = server.get("/");
        assert_eq!(reply.status, 500, "{name}");
        server.expect_log(name);
        server.expect_traceback("Error: ");
        server.finish();
    }
}

#[test]
fn an_informational_status_is_no_answer() {
    only_rsgi!("it goes out as if it were final");
    for status in [
        "100 Continue",
        "101 Switching Protocols",
        "103 Early Hints",
        "199 X",
    ] {
        let server = Server::builder()
            .serve(&format!(
                "def application(e, s):\n    s('{status}', [])\n    return [b'x']\n"
            ))
            .start();
        assert_eq!(server.get("/").status, 500, "{status}");
        server.expect_log("Error");
        server.allow_log("Traceback");
        server.allow_log(&id("0174"));
        server.allow_log("  File ");
        server.allow_log("    ");
        server.finish();
    }
}

#[test]
fn no_start_response_at_all_is_a_500() {
    for body in [
        "return [b'data']",
        "return []",
        "yield b'data'",
        "return iter(())",
    ] {
        let server = Server::builder()
            .serve(&format!("def application(e, s):\n    {body}\n"))
            .start();
        assert_eq!(server.get("/").status, 500, "{body}");
        server.expect_log("RuntimeError");
        server.allow_log(&id("0174"));
        server.allow_log("Traceback");
        server.finish();
    }
}

#[test]
fn start_response_may_come_with_the_first_iteration() {
    let server = Server::builder()
        .serve(
            r#"
def application(environ, start_response):
    yield b""
    start_response("206 Partial", [("X-Late", "yes")])
    yield b""
    yield b"data"
"#,
        )
        .start();
    let reply = server.get("/");
    assert_eq!(reply.status, 206);
    assert_eq!(reply.header("X-Late"), Some("yes"));
    assert_eq!(reply.text(), "data");
    server.finish();
}
