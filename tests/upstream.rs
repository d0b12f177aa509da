//! Where mod_wsgi breaks the rules of PEP 3333 and HTTP, and mod_rsgi keeps them: what a client sees on the wire,
//! on kept connections, through HTTP/2 and through filters. That the application sees the right exception is in
//! the files about start_response, input and output.

use crate::browser::Browser;
use crate::harness::{Curl, Request, Server, needs, only_rsgi};

/// One behaviour for each path; `/` tells that the connection still works.
const APP: &str = r#"
import os, sys
BAD = {
    "status-nul": ("200 O\0K", []),
    "name-nul": ("200 OK", [("X-Na\0me", "secret")]),
    "value-nul": ("200 OK", [("X-Name", "secr\0et")]),
    "value-line": ("200 OK", [("X-Name", "a\r\nX-Injected: secret")]),
    "lengths": ("200 OK", [("Content-Length", "4"), ("Content-Length", "5")]),
    "chunked": ("200 OK", [("Transfer-Encoding", "chunked")]),
    "connection": ("200 OK", [("Connection", "X-Name"), ("X-Name", "secret")]),
    "keep-alive": ("200 OK", [("Keep-Alive", "timeout=100")]),
    "upgrade": ("200 OK", [("Upgrade", "secret")]),
    "te": ("200 OK", [("TE", "trailers")]),
    "trailer": ("200 OK", [("Trailer", "X-Name")]),
    "proxy": ("200 OK", [("Proxy-Connection", "close")]),
    "early-hints": ("103 Early Hints", [("Link", "secret")]),
    "switching": ("101 Switching Protocols", []),
    "continue": ("100 Continue", []),
}

def application(environ, start_response):
    name = environ["PATH_INFO"][1:]
    stream = environ["wsgi.input"]
    if name in BAD:
        start_response(*BAD[name])
        return [b"body"]
    if name == "reset":
        start_response("205 Reset Content", [("Content-Type", "text/plain")])
        return [b"no ", b"body"]
    if name == "beyond":
        start_response("200 OK", [("Content-Length", "1000")])
        return environ["wsgi.file_wrapper"](open("@WORK@/ten", "rb"))
    if name == "write":
        start_response("200 OK", [("Content-Type", "text/plain")])(b"first ")
        raise ValueError("after write")
    if name == "late":
        return late(start_response)
    if name == "huge":
        start_response("200 OK", [])
        size = 1 << 40
        parts = [stream.read(3), stream.readline(size), stream.readline(sys.maxsize),
                 *stream.readlines(size), stream.read(size), stream.read(sys.maxsize)]
        return [repr(parts).encode()]
    if name == "blocks":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (b"x" * 5000 for _ in range(20))
    if name == "measured":
        start_response("200 OK", [("Content-Length", "100000")])
        return (b"x" * 5000 for _ in range(20))
    if name == "echo":
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return iter(lambda: stream.read(65536), b"")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"fine"]

def late(start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"first "
    raise ValueError("after a block")
"#;

/// The answers of [`APP`] that are refused, with a word of what the log says.
const REFUSED: [(&str, &str); 15] = [
    ("status-nul", "ValueError"),
    ("name-nul", "ValueError"),
    ("value-nul", "ValueError"),
    ("value-line", "ValueError"),
    ("lengths", "4 and 5"),
    ("chunked", "Transfer-Encoding"),
    ("connection", "Connection"),
    ("keep-alive", "Keep-Alive"),
    ("upgrade", "Upgrade"),
    ("te", "TE"),
    ("trailer", "Trailer"),
    ("proxy", "Proxy-Connection"),
    ("early-hints", "103"),
    ("switching", "101"),
    ("continue", "100"),
];

fn serving() -> Server {
    let server = Server::builder()
        .modules(&["http2", "filter", "deflate"])
        .conf("Protocols h2c http/1.1\nWSGIChunkedRequest On")
        .conf("<Location /deflated>\nSetOutputFilter DEFLATE\n</Location>")
        .app("app.wsgi", APP)
        .conf(
            "WSGIApplicationGroup %{GLOBAL}\nWSGIScriptAlias /deflated @APPS@/app.wsgi\n\
             WSGIScriptAlias / @APPS@/app.wsgi",
        )
        .start();
    std::fs::write(server.root().join("work/ten"), "0123456789").unwrap();
    server
}

/// Asks over HTTP/2.
#[track_caller]
fn http2(server: &Server, path: &str, arguments: &[&str]) -> Curl {
    let url = server.url(path);
    let mut all = vec!["--http2-prior-knowledge"];
    all.extend(arguments);
    all.push(&url);
    Curl::run(&all)
}

#[test]
fn nothing_of_a_refused_answer_reaches_the_client() {
    only_rsgi!("these answers reach the client");
    let server = serving();
    // httpd: its own 500 ends the connection, which is not what is looked at here.
    let mut browser = Browser::new(server.port());
    for (name, word) in REFUSED {
        let reply = browser.ask(&Request::get(&format!("/{name}")));
        assert_eq!(reply.status, 500, "{name}: {reply:?}");
        assert!(!reply.is_cut, "{name}");
        assert!(!format!("{:?}", reply.headers).contains("secret"), "{name}");
        assert!(!reply.text().contains("body</"), "{name}");
        server.expect_traceback(word);
        let reply = browser.ask(&Request::get("/")).ok();
        assert_eq!(reply.text(), "fine", "after {name}");
    }
    server.finish();
}

#[test]
fn a_refused_answer_is_a_500_over_http_2_as_well() {
    only_rsgi!("some end the stream with a protocol error");
    needs!(Curl::has_http2(), "no curl with HTTP/2");
    let server = serving();
    for (name, word) in REFUSED {
        let curl = http2(&server, &format!("/{name}"), &["-i"]);
        assert_eq!((curl.code, curl.status), (0, 500), "{name}: {curl:?}");
        assert!(!curl.text().contains("secret"), "{name}");
        server.expect_traceback(word);
    }
    server.finish();
}

#[test]
fn a_reset_content_has_no_body_on_any_protocol() {
    only_rsgi!("it carries the body");
    let server = serving();
    let mut browser = Browser::new(server.port());
    let reply = browser.ask(&Request::get("/reset"));
    assert_eq!((reply.status, reply.text().as_str()), (205, ""));
    assert_eq!(browser.ask(&Request::get("/")).ok().text(), "fine");
    let reply = server.ask(&Request::get("/reset").http10());
    assert_eq!((reply.status, reply.text().as_str()), (205, ""));
    if Curl::has_http2() {
        let curl = http2(&server, "/reset", &[]);
        assert_eq!((curl.code, curl.status, curl.text().as_str()), (0, 205, ""));
    }
    server.finish();
}

#[test]
fn sizes_larger_than_any_memory_read_what_there_is() {
    only_rsgi!("they raise MemoryError");
    let server = serving();
    let body = "abcline one\nline two\nline three\n";
    let expected = "[b'abc', b'line one\\n', b'line two\\n', b'line three\\n', b'', b'']";
    let plain = Request::new("POST", "/huge").body(body);
    assert_eq!(server.ask(&plain).ok().text(), expected);
    let (first, second) = body.split_at(10);
    let chunked = Request::new("POST", "/huge").chunked(&[first.as_bytes(), second.as_bytes()]);
    assert_eq!(server.ask(&chunked).ok().text(), expected);
    if Curl::has_http2() {
        let curl = http2(&server, "/huge", &["--data-binary", body]);
        assert_eq!(curl.text(), expected);
    }
    server.finish();
}

#[test]
fn a_file_shorter_than_its_content_length_is_seen_to_be_cut() {
    only_rsgi!("it is filled with NUL");
    let server = serving();
    let reply = server.get("/beyond");
    assert_eq!((reply.status, reply.text().as_str()), (200, "0123456789"));
    assert!(reply.is_cut);
    let reply = server.ask(&Request::get("/beyond").http10());
    assert_eq!(reply.text(), "0123456789");
    assert!(reply.is_cut);
    let head = server.ask(&Request::new("HEAD", "/beyond"));
    assert_eq!(
        (head.status, head.header("Content-Length")),
        (200, Some("1000"))
    );
    if Curl::has_http2() {
        let curl = http2(&server, "/beyond", &[]);
        // HTTP/2: a reset may overtake what was sent before it.
        assert!("0123456789".starts_with(&curl.text()));
        assert_ne!(curl.code, 0, "the stream ended cleanly");
    }
    server.allow_log("RSGI0");
    server.finish();
}

#[test]
fn an_error_after_the_first_byte_is_seen_on_every_protocol() {
    only_rsgi!("the answer looks complete");
    let server = serving();
    for name in ["write", "late"] {
        let reply = server.get(&format!("/{name}"));
        assert_eq!(
            (reply.status, reply.text().as_str()),
            (200, "first "),
            "{name}"
        );
        assert!(reply.is_cut, "{name}");
        let mut compressed = server.connect();
        let request = Request::get(&format!("/deflated/{name}")).header("Accept-Encoding", "gzip");
        let reply = compressed.ask(&request);
        assert!(reply.is_cut, "{name}, compressed: {reply:?}");
        if Curl::has_http2() {
            let curl = http2(&server, &format!("/{name}"), &[]);
            // HTTP/2: a reset may overtake what was sent before it.
            assert!("first ".starts_with(&curl.text()), "{name}: {curl:?}");
            assert_eq!(curl.code, 92, "{name}: the stream was not reset: {curl:?}");
        }
    }
    server.expect_traceback("ValueError: after write");
    server.expect_traceback("ValueError: after a block");
    assert_eq!(server.text("/"), "fine");
    server.finish();
}

#[test]
fn head_of_several_blocks_is_right_on_every_protocol() {
    only_rsgi!("it can end in a protocol error");
    let server = serving();
    let mut browser = Browser::new(server.port());
    for (name, length) in [("blocks", None), ("measured", Some("100000"))] {
        for _ in 0..5 {
            let reply = browser.ask(&Request::new("HEAD", &format!("/{name}")));
            assert_eq!(
                (reply.status, reply.header("Content-Length")),
                (200, length)
            );
        }
        if Curl::has_http2() {
            for _ in 0..5 {
                let curl = http2(&server, &format!("/{name}"), &["--head"]);
                assert_eq!((curl.code, curl.status), (0, 200), "{name}: {curl:?}");
            }
        }
        assert_eq!(
            browser.ask(&Request::get(&format!("/{name}"))).body.len(),
            100_000
        );
    }
    server.finish();
}

#[test]
fn an_http_2_upload_without_a_length_is_echoed_while_it_comes() {
    only_rsgi!("a daemon of it loses the body");
    needs!(Curl::has_http2(), "no curl with HTTP/2");
    let server = serving();
    let body: Vec<u8> = (0..3_000_000_u32)
        .map(|i| i.to_le_bytes()[0] ^ i.to_le_bytes()[1])
        .collect();
    let path = server.root().join("work/body");
    std::fs::write(&path, &body).unwrap();
    let file = format!("@{}", path.display());
    let arguments = [
        "-X",
        "POST",
        "-H",
        "Expect:",
        "-H",
        "Content-Length:",
        "--data-binary",
        &file,
    ];
    let curl = http2(&server, "/echo", &arguments);
    assert_eq!((curl.code, curl.status), (0, 200), "{}", curl.messages);
    assert!(
        curl.body == body,
        "{} of {} bytes",
        curl.body.len(),
        body.len()
    );
    server.finish();
}

#[test]
fn three_megabytes_are_answered_while_they_are_read() {
    let server = serving();
    let body: Vec<u8> = (0..3_000_000_u32)
        .map(|i| i.to_le_bytes()[0] ^ i.to_le_bytes()[2])
        .collect();
    let path = server.root().join("work/body");
    std::fs::write(&path, &body).unwrap();
    let file = format!("@{}", path.display());
    for extra in ["Expect:", "Transfer-Encoding: chunked"] {
        let url = server.url("/echo");
        let curl = Curl::run(&["--http1.1", "-H", extra, "--data-binary", &file, &url]);
        assert_eq!(
            (curl.code, curl.status),
            (0, 200),
            "{extra}: {}",
            curl.messages
        );
        assert!(
            curl.body == body,
            "{extra}: {} of {}",
            curl.body.len(),
            body.len()
        );
    }
    server.finish();
}
