//! `start_response`, `write()` and the rules of statuses and headers.

use crate::harness::{Request, Server, UnderTest, id, only_rsgi, under_test};

/// Evaluates the query as arguments of start_response and says what came of it.
const CHECKING: &str = r#"
import sys
from urllib.parse import unquote
class Text(str): pass
class Headers(list): pass
def application(environ, start_response):
    try:
        eval("start_response(%s)" % unquote(environ["QUERY_STRING"]))
        said = "accepted"
    except BaseException as error:
        said = "%s: %s" % (type(error).__name__, error)
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")], None)
    return [said.encode("utf-8")]
"#;

fn encode(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02X}")).collect()
}

fn checking() -> Server {
    let server = Server::builder().serve(CHECKING).start();
    server.allow_log("second");
    server.allow_log("start_response");
    server
}

#[track_caller]
fn says(server: &Server, arguments: &str) -> String {
    server.get(&format!("/?{}", encode(arguments))).ok().text()
}

#[track_caller]
fn refuses(server: &Server, arguments: &str, error: &str) {
    let said = says(server, arguments);
    assert!(
        said.starts_with(error),
        "start_response({arguments}): {said:?}, expected {error}"
    );
}

#[test]
fn good_calls_are_accepted() {
    let server = checking();
    for arguments in [
        "'200 OK', []",
        "'200', []",
        "'200 ', []",
        "'404 Not Found At All', [('A', 'b'), ('A', 'c')]",
        "'299 caf\\xe9', [('X-Latin', 'caf\\xe9')]",
        "Text('200 OK'), Headers([(Text('A'), Text('b'))])",
        "'200 OK', [('X-Empty', '')]",
        "'200 OK', [('X-Tab', 'a\\tb')]",
        "'200 OK', [], None",
    ] {
        assert_eq!(says(&server, arguments), "accepted", "{arguments}");
    }
    server.finish();
}

#[test]
fn a_status_must_be_a_string() {
    let server = checking();
    for status in ["200", "b'200 OK'", "None"] {
        refuses(&server, &format!("{status}, []"), "TypeError");
    }
    refuses(&server, "'200 \\u20ac', []", "UnicodeEncodeError");
    server.finish();
}

#[test]
fn a_status_must_be_three_digits_and_a_reason() {
    let server = checking();
    for status in [
        "''",
        "'20'",
        "'2000 OK'",
        "'abc OK'",
        "'200OK'",
        "'OK'",
        "' 200 OK'",
        "'20x OK'",
    ] {
        refuses(&server, &format!("{status}, []"), "ValueError");
    }
    for status in [
        "'200 O\\nK'",
        "'200 OK\\r\\n'",
        "'200 \\x01'",
        "'200 a\\tb'",
        "'200 \\x7f'",
    ] {
        refuses(&server, &format!("{status}, []"), "ValueError");
    }
    server.finish();
}

#[test]
fn a_nul_in_a_status_is_refused() {
    only_rsgi!("cuts the status there");
    let server = checking();
    refuses(&server, "'200 O\\0K', []", "ValueError");
    refuses(&server, "'200 OK', [('A\\0', 'b')]", "ValueError");
    refuses(&server, "'200 OK', [('A', 'b\\0c')]", "ValueError");
    server.finish();
}

#[test]
fn headers_must_be_a_list_of_pairs() {
    let server = checking();
    for headers in ["()", "(('A', 'b'),)", "{}", "None", "iter([])"] {
        refuses(&server, &format!("'200 OK', {headers}"), "TypeError");
    }
    for item in ["['A', 'b']", "'Ab'", "None", "1"] {
        refuses(&server, &format!("'200 OK', [{item}]"), "TypeError");
    }
    for item in ["()", "('A',)", "('A', 'b', 'c')"] {
        refuses(&server, &format!("'200 OK', [{item}]"), "ValueError");
    }
    server.finish();
}

#[test]
fn a_header_name_must_be_a_token_like_string() {
    let server = checking();
    for name in ["b'A'", "1", "None"] {
        refuses(&server, &format!("'200 OK', [({name}, 'b')]"), "TypeError");
    }
    for name in ["''", "'A B'", "'A\\n'", "'A\\x01'", "'A\\tB'"] {
        refuses(&server, &format!("'200 OK', [({name}, 'b')]"), "ValueError");
    }
    refuses(
        &server,
        "'200 OK', [('\\u20ac', 'b')]",
        "UnicodeEncodeError",
    );
    server.finish();
}

#[test]
fn a_header_value_must_be_one_line_of_latin_1() {
    let server = checking();
    for value in ["b'b'", "1", "None"] {
        refuses(&server, &format!("'200 OK', [('A', {value})]"), "TypeError");
    }
    for value in ["'a\\nb'", "'a\\rb'", "'a\\r\\nSet-Cookie: x'", "'\\n'"] {
        refuses(
            &server,
            &format!("'200 OK', [('A', {value})]"),
            "ValueError",
        );
    }
    refuses(
        &server,
        "'200 OK', [('A', '\\u20ac')]",
        "UnicodeEncodeError",
    );
    server.finish();
}

#[test]
fn arguments_are_positional_and_complete() {
    let server = checking();
    refuses(&server, "", "TypeError");
    refuses(&server, "'200 OK'", "TypeError");
    refuses(&server, "'200 OK', [], None, 4", "TypeError");
    refuses(&server, "status='200 OK', headers=[]", "TypeError");
    refuses(&server, "'200 OK', [], 'no tuple'", "RuntimeError");
    refuses(&server, "'200 OK', [], 5", "RuntimeError");
    server.finish();
}

#[test]
fn refusals_say_what_was_wrong_with_what() {
    let server = checking();
    for (arguments, words) in WORDS {
        let said = says(&server, arguments);
        for word in *words {
            assert!(
                said.contains(word),
                "start_response({arguments}): {said:?} lacks {word:?}"
            );
        }
    }
    server.finish();
}

/// Words of the messages that people search for.
const WORDS: &[(&str, &[&str])] = &[
    ("b'200', []", &["TypeError", "str", "bytes"]),
    ("'20', []", &["ValueError", "status", "3 digit", "20"]),
    (
        "'abc OK', []",
        &["ValueError", "status", "3 digit", "abc OK"],
    ),
    ("'200OK', []", &["ValueError", "space", "status", "200OK"]),
    (
        "'200 O\\nK', []",
        &["ValueError", "control character", "reason"],
    ),
    ("'200 OK', ()", &["TypeError", "list", "tuple"]),
    (
        "'200 OK', [['A', 'b']]",
        &["TypeError", "header", "tuple", "list"],
    ),
    (
        "'200 OK', [('A',)]",
        &["ValueError", "header", "tuple", "1"],
    ),
    ("'200 OK', [(1, 'b')]", &["TypeError", "str", "int"]),
    (
        "'200 OK', [('', 'b')]",
        &["ValueError", "header name", "empty"],
    ),
    (
        "'200 OK', [('A B', 'b')]",
        &["ValueError", "space", "header name", "A B"],
    ),
    (
        "'200 OK', [('A\\n', 'b')]",
        &["ValueError", "control character", "header name"],
    ),
    ("'200 OK', [('A', 1)]", &["TypeError", "str", "int"]),
    (
        "'200 OK', [('A', 'b\\nc')]",
        &["ValueError", "line feed", "header value"],
    ),
    ("'200 OK', [], 5", &["RuntimeError", "exc_info", "tuple"]),
];

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
    assert_eq!(connection.chunk().unwrap(), b"two;");
    assert_eq!(connection.chunk().unwrap(), b"three");
    assert_eq!(connection.chunk(), None);
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
