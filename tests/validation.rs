//! What `start_response` refuses, and what it says then.

use crate::harness::{Server, only_rsgi};

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
    ("'20', []", &["ValueError", "status", "digit", "20"]),
    ("'abc OK', []", &["ValueError", "status", "digit", "abc OK"]),
    ("'200OK', []", &["ValueError", "space", "status", "200OK"]),
    (
        "'200 O\\nK', []",
        &["ValueError", "control character", "status"],
    ),
    ("'200 OK', ()", &["TypeError", "list", "tuple"]),
    (
        "'200 OK', [['A', 'b']]",
        &["TypeError", "header", "tuple", "list"],
    ),
    ("'200 OK', [('A',)]", &["ValueError", "header", "tuple"]),
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
        &["ValueError", "value", "header", "line"],
    ),
    ("'200 OK', [], 5", &["RuntimeError", "exc_info", "tuple"]),
];
