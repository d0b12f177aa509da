//! What is asked for: encoded slashes and dots, NUL, absolute forms, methods, versions.

use super::{Row, judged, row, telling};

macro_rules! ask {
    ($target:literal) => {
        concat!("GET ", $target, " HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()
    };
}

const ROWS: &[Row] = &[
    row("%2F", ask!("/a%2Fb"), "404"),
    row("%2f", ask!("/a%2fb"), "404"),
    row("%5C", ask!("/a%5Cb"), "200 GET |/a\\\\b"),
    row("a backslash", ask!("/a\\b"), "200 GET |/a\\\\b"),
    row("%00", ask!("/a%00b"), "404"),
    row(
        "a NUL",
        b"GET /a\0b HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "400",
    ),
    row("a bad escape", ask!("/a%zzb"), "400"),
    row("half an escape", ask!("/a%2"), "400"),
    row("an escape twice", ask!("/a%252Fb"), "200 GET |/a%2Fb"),
    row("%0A", ask!("/a%0Ab"), "200 GET |/a\\nb"),
    row("dots", ask!("/a/../b"), "200 GET |/b"),
    row("encoded dots", ask!("/a/%2e%2e/b"), "200 GET |/b"),
    row("dots above the root", ask!("/../../b"), "400"),
    row(
        "dots with a semicolon",
        ask!("/a/..;/b"),
        "200 GET |/a/..;/b",
    ),
    row("many slashes", ask!("//a///b"), "200 GET |/a/b"),
    row(
        "a query with NUL",
        ask!("/a?b=%00"),
        "200 GET |/a query_string=b=%00",
    ),
    row("a fragment", ask!("/a#b"), "400"),
    row(
        "an absolute target",
        b"GET http://other/a?b HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "200 GET |/a query_string=b host=other",
    ),
    row(
        "an absolute target without a path",
        b"GET http://other HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "200 GET |/ host=other",
    ),
    row(
        "an absolute target with a user",
        b"GET http://u@other/a HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "400",
    ),
    row(
        "another scheme",
        b"GET ftp://other/a HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "400",
    ),
    row("no slash", ask!("a"), "400"),
    row(
        "the asterisk",
        b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "200 ",
    ),
    row("the asterisk in a GET", ask!("*"), "400"),
    row(
        "CONNECT",
        b"CONNECT other:443 HTTP/1.1\r\nHost: other:443\r\n\r\n",
        "501",
    )
    .unlike(
        "200 CONNECT |/ host=other:443",
        "who reads a success takes all that follows for a tunnel's",
    ),
    row(
        "TRACE",
        b"TRACE /a HTTP/1.1\r\nHost: localhost\r\nX: a\r\n\r\n",
        "200 TRACE /a HTTP/1.1\r\nHost: localhost\r\nX: a\r\n\r\n",
    ),
    row(
        "a method of one's own",
        b"BREW /pot HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "200 BREW |/pot",
    ),
    row(
        "a method in small letters",
        b"get /a HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "200 get |/a",
    ),
    row(
        "a method with signs",
        b"M-SEARCH /a HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "200 M-SEARCH |/a",
    ),
    row(
        "a method with a bracket",
        b"GE(T /a HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "400",
    ),
    row("HTTP/0.9 with a version", b"GET /a HTTP/0.9\r\n\r\n", "400"),
    row(
        "HTTP/1.2",
        b"GET /a HTTP/1.2\r\nHost: localhost\r\n\r\n",
        "200 GET |/a",
    ),
    row(
        "HTTP/2.0 in words",
        b"GET /a HTTP/2.0\r\nHost: localhost\r\n\r\n",
        "200 GET |/a",
    ),
    row(
        "HTTP/9.9",
        b"GET /a HTTP/9.9\r\nHost: localhost\r\n\r\n",
        "200 GET |/a",
    ),
    row(
        "a protocol in small letters",
        b"GET /a http/1.1\r\nHost: localhost\r\n\r\n",
        "400",
    ),
    row(
        "HTTP/01.1",
        b"GET /a HTTP/01.1\r\nHost: localhost\r\n\r\n",
        "400",
    ),
    row(
        "two blanks",
        b"GET  /a HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "400",
    ),
    row(
        "a tab",
        b"GET\t/a HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "400",
    ),
    row(
        "a blank in the target",
        b"GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "400",
    ),
    row(
        "latin-1 in the target",
        b"GET /\xe4 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "200 GET |/\\xe4",
    ),
    row("UTF-8 in escapes", ask!("/%C3%A4"), "200 GET |/\\xc3\\xa4"),
    row(
        "bytes that are no UTF-8 in escapes",
        ask!("/%FF"),
        "200 GET |/\\xff",
    ),
];

#[test]
fn what_is_asked_for_has_one_reading() {
    let server = telling().start();
    judged(&server, ROWS);
    server.finish();
}

const SLASHES_ON: &[Row] = &[
    row("%2F", ask!("/a%2Fb"), "200 GET |/a/b"),
    row("encoded dots", ask!("/a/..%2Fb"), "200 GET |/b"),
    row(
        "encoded dots above the root",
        ask!("/..%2F..%2Fb"),
        "200 GET |/b",
    ),
    row("%5C", ask!("/a%5Cb"), "200 GET |/a\\\\b"),
    row("%00", ask!("/a%00b"), "404"),
];

#[test]
fn encoded_slashes_are_decoded_where_they_are_allowed() {
    let server = telling().conf("AllowEncodedSlashes On").start();
    judged(&server, SLASHES_ON);
    server.finish();
}

const SLASHES_KEPT: &[Row] = &[
    row("%2F", ask!("/a%2Fb"), "200 GET |/a%2Fb"),
    row("%2f", ask!("/a%2fb"), "200 GET |/a%2fb"),
    row("an escape twice", ask!("/a%252Fb"), "200 GET |/a%2Fb"),
    row("dots", ask!("/a/..%2Fb"), "200 GET |/a/..%2Fb"),
];

#[test]
fn encoded_slashes_are_kept_where_that_is_asked_for() {
    let server = telling().conf("AllowEncodedSlashes NoDecode").start();
    judged(&server, SLASHES_KEPT);
    server.finish();
}

const UNSAFE: &[Row] = &[
    row("two blanks", b"GET  /a HTTP/1.1\r\nHost: localhost\r\n\r\n", "200 GET |/a"),
    row("a folded value", b"GET /a HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n", "200 GET |/a x=a b"),
    row("a blank before the colon", b"GET /a HTTP/1.1\r\nHost: localhost\r\nX : a\r\n\r\n", "400"),
    row("a length's name with a blank", b"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length : 5\r\n\r\nhello", "400"),
    row("a name in brackets", b"GET /a HTTP/1.1\r\nHost: localhost\r\nX[a]: a\r\n\r\n", "200 GET |/a"),
    row("a bare carriage return", b"GET /a HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n", "400"),
    row("a control character", b"GET /a HTTP/1.1\r\nHost: localhost\r\nX: a\x01b\r\n\r\n", "200 GET |/a x=a\\x01b"),
    row("a NUL", b"GET /a HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n", "400"),
    row("a coding behind a vertical tab", b"POST /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: \x0bchunked\r\nContent-Length: 5\r\n\r\nhello", "400"),
];

/// With `HttpProtocolOptions Unsafe` httpd lets through what it refuses otherwise.
#[test]
fn what_apache_lets_through_when_told_to_has_one_reading_too() {
    let server = telling()
        .conf("HttpProtocolOptions Unsafe Allow0.9")
        .start();
    judged(&server, UNSAFE);
    server.finish();
}

/// An answer of HTTP/0.9 is the body and nothing else; a version makes it another request.
#[test]
fn http_0_9_gets_a_body_without_a_head() {
    let server = telling().conf("HttpProtocolOptions Allow0.9").start();
    let mut connection = server.connect();
    connection.send("GET /a?b\r\n");
    assert_eq!(connection.rest(), b"GET |/a query_string=b");
    server.finish();
}
