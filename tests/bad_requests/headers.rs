//! Headers of which two would become one key, and headers that are none.

use super::{Row, judged, row, telling, verdict};
use crate::harness::{UnderTest, only_rsgi, under_test};

macro_rules! get {
    ($rest:literal) => {
        concat!("GET /p HTTP/1.1\r\nHost: localhost\r\n", $rest, "\r\n").as_bytes()
    };
}

const ROWS: &[Row] = &[
    row(
        "a header",
        get!("X-Forwarded-For: a\r\n"),
        "200 GET |/p x_forwarded_for=a",
    ),
    row(
        "an underscore",
        get!("X_Forwarded_For: a\r\n"),
        "200 GET |/p",
    ),
    row(
        "an underscore beside a dash",
        get!("X-Forwarded-For: a\r\nX_Forwarded_For: b\r\n"),
        "200 GET |/p x_forwarded_for=a",
    ),
    row(
        "a dash beside an underscore",
        get!("X_Forwarded-For: b\r\nX-Forwarded-For: a\r\n"),
        "200 GET |/p x_forwarded_for=a",
    ),
    row("a dot", get!("X.Forwarded.For: b\r\n"), "200 GET |/p"),
    row(
        "a header twice",
        get!("X-Forwarded-For: a\r\nx-forwarded-for: b\r\n"),
        "200 GET |/p x_forwarded_for=a, b",
    ),
    row(
        "a length with an underscore",
        get!("Content_Length: 7\r\n"),
        "200 GET |/p",
    ),
    row(
        "a type with an underscore",
        get!("Content_Type: text/x\r\n"),
        "200 GET |/p",
    ),
    row(
        "the header Proxy",
        get!("Proxy: http://evil/\r\n"),
        "200 GET |/p",
    ),
    row(
        "the header HTTP_PROXY",
        get!("HTTP_PROXY: http://evil/\r\n"),
        "200 GET |/p",
    ),
    row(
        "a user",
        get!("Remote-User: root\r\nREMOTE_USER: root\r\n"),
        "200 GET |/p",
    ),
    row("two hosts", get!("Host: other\r\n"), "400"),
    row("no host", b"GET /p HTTP/1.1\r\n\r\n", "400"),
    row("an empty host", b"GET /p HTTP/1.1\r\nHost:\r\n\r\n", "400"),
    row(
        "a host with a slash",
        b"GET /p HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "400",
    ),
    row(
        "a host with a user",
        b"GET /p HTTP/1.1\r\nHost: a@b\r\n\r\n",
        "400",
    ),
    row(
        "a host with a NUL",
        b"GET /p HTTP/1.1\r\nHost: a\0b\r\n\r\n",
        "400",
    ),
    row(
        "a folded value",
        get!("X: a\r\n b\r\n"),
        "200 GET |/p x=a b",
    ),
    row(
        "a fold in front of all headers",
        b"GET /p HTTP/1.1\r\n X: a\r\nHost: localhost\r\n\r\n",
        "400",
    ),
    row("a blank before the colon", get!("X : a\r\n"), "400"),
    row("no colon", get!("X\r\n"), "400"),
    row("no name", get!(": a\r\n"), "400"),
    row("a NUL in a value", get!("X: a\0b\r\n"), "400"),
    row("a NUL in a name", get!("X\0: a\r\n"), "400"),
    row(
        "a bare carriage return in a value",
        get!("X: a\rb\r\n"),
        "400",
    ),
    row(
        "a control character in a value",
        get!("X: a\x01b\r\n"),
        "400",
    ),
    row(
        "a name in latin-1",
        b"GET /p HTTP/1.1\r\nHost: localhost\r\nX\xe4: a\r\n\r\n",
        "400",
    ),
    row(
        "a value in latin-1",
        b"GET /p HTTP/1.1\r\nHost: localhost\r\nX: \xe4\r\n\r\n",
        "200 GET |/p x=\\xe4",
    ),
    row("a name in brackets", get!("X[a]: a\r\n"), "400"),
    row("an empty value", get!("X:\r\n"), "200 GET |/p"),
];

#[test]
fn no_two_headers_become_one_key() {
    let server = telling().start();
    judged(&server, ROWS);
    server.finish();
}

#[test]
fn what_is_too_long_or_too_much_is_refused() {
    let server = telling().start();
    let line = |size: usize| {
        format!(
            "GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "a".repeat(size)
        )
    };
    let header = |size: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n",
            "a".repeat(size)
        )
    };
    let headers = |count: usize| {
        let lines: String = (0..count)
            .map(|number| format!("X-{number}: a\r\n"))
            .collect();
        format!("GET / HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n")
    };
    // mod_wsgi: asks the system for a file of that name first.
    let long_path = match under_test() {
        UnderTest::ModWsgi => "404",
        UnderTest::Rsgi => "200",
    };
    for (name, request, expected) in [
        ("4,000 of path", line(4_000), "200"),
        ("8,000 of path", line(8_000), long_path),
        ("9,000 of path", line(9_000), "414"),
        ("a million of path", line(1_000_000), "414"),
        ("8,000 of value", header(8_000), "200"),
        ("9,000 of value", header(9_000), "400"),
        ("a million of value", header(1_000_000), "400"),
        ("90 headers", headers(90), "200"),
        ("200 headers", headers(200), "400"),
        ("100,000 headers", headers(100_000), "400"),
    ] {
        let said = verdict(&server, request.as_bytes());
        // What the server no longer reads can cost the client the answer.
        let is_right = said.starts_with(expected) || (said == "over" && expected != "200");
        assert!(is_right, "{name}: {said:.200}, not {expected}");
    }
    server.finish();
}

#[test]
fn larger_limits_of_apache_reach_the_application_whole() {
    only_rsgi!("it asks the system for a file whose name has the path at its end");
    let server = telling()
        .conf("LimitRequestLine 200000\nLimitRequestFieldSize 200000\nLimitRequestFields 2000")
        .start();
    let path = "a".repeat(150_000);
    let said = verdict(
        &server,
        format!("GET /{path} HTTP/1.0\r\nX: b\r\n\r\n").as_bytes(),
    );
    assert!(said == format!("200 GET |/{path} x=b"), "{said:.100}");
    let value = "v".repeat(150_000);
    let lines: String = (0..1_500)
        .map(|number| format!("Y-{number}: a\r\n"))
        .collect();
    let request = format!("GET /q HTTP/1.0\r\nZ: {value}\r\n{lines}X: last\r\n\r\n");
    assert_eq!(verdict(&server, request.as_bytes()), "200 GET |/q x=last");
    server.finish();
}
