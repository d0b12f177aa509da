//! The body: what may be in it, when it goes out, lengths, and that `close()` is always called.

use std::time::Duration;

use crate::harness::{Mode, Request, Server, UnderTest, mode, only_rsgi, under_test};

#[test]
fn each_block_reaches_the_client_before_the_next_is_asked_for() {
    let server = Server::builder()
        .serve(
            r#"
import os, time
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    for n in range(5):
        yield b"block %d" % n
        while not os.path.exists("@WORK@/go%d" % n):
            time.sleep(0.002)
"#,
        )
        .start();
    let mut connection = server.connect();
    connection.send(Request::get("/").to_bytes());
    assert_eq!(
        connection.head().header("Transfer-Encoding"),
        Some("chunked")
    );
    for n in 0..5 {
        assert_eq!(connection.chunk().unwrap(), format!("block {n}").as_bytes());
        server.write(&format!("work/go{n}"), "");
    }
    assert_eq!(connection.chunk(), None);
    server.finish();
}

#[test]
fn a_block_with_a_declared_length_is_flushed_as_well() {
    let server = Server::builder()
        .serve(
            r#"
import os, time
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "6")])
    yield b"one"
    while not os.path.exists("@WORK@/go"):
        time.sleep(0.002)
    yield b"two"
"#,
        )
        .start();
    let mut connection = server.connect();
    connection.send(Request::get("/").to_bytes());
    assert_eq!(connection.head().header("Content-Length"), Some("6"));
    assert_eq!(connection.bytes(3).unwrap(), b"one");
    server.write("work/go", "");
    assert_eq!(connection.bytes(3).unwrap(), b"two");
    server.finish();
}

#[test]
fn headers_wait_for_the_first_block_that_is_not_empty() {
    let server = Server::builder()
        .serve(
            r#"
import os, time
def application(environ, start_response):
    start_response("200 OK", [("X-Version", "first")])
    yield b""
    yield b""
    start_response("200 OK", [("X-Version", "second")], (ValueError, ValueError("x"), None))
    yield b"data"
"#,
        )
        .start();
    let reply = server.get("/").ok();
    assert_eq!(reply.header("X-Version"), Some("second"));
    assert_eq!(reply.text(), "data");
    server.finish();
}

#[test]
fn blocks_of_no_bytes_do_not_end_the_response() {
    let server = Server::builder()
        .serve(
            "def application(e, s):\n    s('200 OK', [])\n    for n in range(1000):\n        yield b''\n        \
             if n % 100 == 0:\n            yield b'x'\n",
        )
        .start();
    let reply = server.get("/").ok();
    assert_eq!(reply.text(), "x".repeat(10));
    server.finish();
}

#[test]
fn a_hundred_thousand_tiny_blocks_come_through() {
    let server = Server::builder()
        .serve("def application(e, s):\n    s('200 OK', [])\n    for n in range(100000):\n        yield b'ab'\n")
        .start();
    let reply = server.get("/").ok();
    assert_eq!(reply.body.len(), 200_000);
    server.finish();
}

#[test]
fn large_bodies_come_through_in_every_shape() {
    let server = Server::builder()
        .serve(
            r#"
data = bytes(range(256)) * 4096 * 4
def application(environ, start_response):
    shape = environ["PATH_INFO"]
    headers = [("Content-Length", str(len(data)))] if environ["QUERY_STRING"] else []
    write = start_response("200 OK", headers)
    if shape == "/list": return [data]
    if shape == "/tuple": return (data[:100], data[100:])
    if shape == "/blocks": return [data[i:i+5000] for i in range(0, len(data), 5000)]
    if shape == "/generator": return (data[i:i+70000] for i in range(0, len(data), 70000))
    write(data[:1000])
    write(data[1000:])
    return []
"#,
        )
        .start();
    let expected: Vec<u8> = (0..4_194_304_u32).map(|i| (i % 256) as u8).collect();
    let mut connection = server.connect();
    for shape in ["list", "tuple", "blocks", "generator", "write"] {
        for query in ["", "?length"] {
            let reply = connection
                .ask(&Request::get(&format!("/{shape}{query}")))
                .ok();
            assert!(reply.body == expected, "{shape}{query}");
        }
    }
    server.finish();
}

#[test]
fn a_list_of_one_block_gets_a_content_length() {
    only_rsgi!("it is chunked or left to Apache");
    for shape in ["[b'12345']", "(b'12345',)"] {
        let server = Server::builder()
            .serve(&format!(
                "def application(e, s):\n    s('200 OK', [])\n    return {shape}\n"
            ))
            .start();
        let reply = server.get("/").ok();
        assert_eq!(reply.header("Content-Length"), Some("5"), "{shape}");
        server.finish();
    }
}

#[test]
fn an_empty_body_is_complete() {
    for shape in ["[]", "()", "[b'']", "iter(())"] {
        let server = Server::builder()
            .serve(&format!(
                "def application(e, s):\n    s('200 OK', [('X-A', 'b')])\n    return {shape}\n"
            ))
            .start();
        let mut connection = server.connect();
        for _ in 0..2 {
            let reply = connection.ask(&Request::get("/")).ok();
            assert_eq!(reply.text(), "", "{shape}");
            assert_eq!(reply.header("X-A"), Some("b"));
        }
        server.finish();
    }
}

#[test]
fn a_body_must_be_iterable() {
    for (value, error) in [("None", "TypeError"), ("5", "TypeError")] {
        let server = Server::builder()
            .serve(&format!(
                "def application(e, s):\n    s('200 OK', [])\n    return {value}\n"
            ))
            .start();
        assert_eq!(server.get("/").status, 500, "{value}");
        server.expect_log(error);
        server.allow_log("0174");
        server.allow_log("Traceback");
        server.finish();
    }
}

#[test]
fn an_application_that_forgets_to_return_is_told_so() {
    only_rsgi!("mod_wsgi says what Python says: 'NoneType' object is not iterable");
    let server = Server::builder()
        .serve("def application(e, s):\n    s('200 OK', [])\n")
        .start();
    assert_eq!(server.get("/").status, 500);
    server.expect_log("TypeError: the application returned None, not an iterable of bytes");
    server.allow_log("0174");
    server.allow_log("Traceback");
    server.finish();
}

#[test]
fn a_block_must_be_bytes() {
    for value in [
        "['text']",
        "'text'",
        "[5]",
        "[None]",
        "[bytearray(b'x')]",
        "[memoryview(b'x')]",
    ] {
        let server = Server::builder()
            .serve(&format!(
                "def application(e, s):\n    s('200 OK', [])\n    return {value}\n"
            ))
            .start();
        assert_eq!(server.get("/").status, 500, "{value}");
        server.expect_log("TypeError");
        server.allow_log("0174");
        server.allow_log("Traceback");
        server.finish();
    }
}

#[test]
fn bytes_themselves_and_subclasses_of_bytes_are_fine() {
    for value in [
        "[type('B', (bytes,), {})(b'ab')]",
        "iter([b'a', b'b'])",
        "(b for b in (b'a', b'b'))",
    ] {
        let server = Server::builder()
            .serve(&format!(
                "def application(e, s):\n    s('200 OK', [])\n    return {value}\n"
            ))
            .start();
        assert_eq!(server.text("/"), "ab", "{value}");
        server.finish();
    }
}

#[test]
fn what_is_more_than_the_content_length_is_dropped() {
    let server = Server::builder()
        .serve("def application(e, s):\n    s('200 OK', [('Content-Length', '4')])\n    return [b'123', b'456', b'789']\n")
        .start();
    let mut connection = server.connect();
    for _ in 0..3 {
        assert_eq!(connection.ask(&Request::get("/")).ok().text(), "1234");
    }
    server.finish();
}

#[test]
fn what_is_less_than_the_content_length_ends_the_connection() {
    let server = Server::builder()
        .serve("def application(e, s):\n    s('200 OK', [('Content-Length', '10')])\n    return [b'123']\n")
        .start();
    let mut connection = server.connect();
    connection.send(Request::get("/").header("Connection", "close").to_bytes());
    let reply = connection.reply("GET");
    assert_eq!(reply.text(), "123");
    assert!(reply.is_cut);
    if under_test() == UnderTest::Rsgi {
        server.expect_log("RSGI0215: The response is cut");
    }
    server.finish();
}

#[test]
fn a_short_body_is_seen_by_the_client_of_a_kept_connection() {
    only_rsgi!("the client waits for the rest");
    let server = Server::builder()
        .serve("def application(e, s):\n    s('200 OK', [('Content-Length', '10')])\n    return [b'123']\n")
        .start();
    let mut connection = server.connect();
    connection.set_read_timeout(Duration::from_secs(3));
    let reply = connection.ask(&Request::get("/"));
    assert_eq!(reply.text(), "123");
    assert!(reply.is_cut);
    let line = server.expect_log("RSGI0215: The response is cut");
    for word in ["gave 7 bytes less", "of process group '", "app.wsgi'"] {
        assert!(line.text.contains(word), "no {word}: {}", line.text);
    }
    server.finish();
}

#[test]
fn a_response_that_a_filter_does_not_take_is_told_in_one_line() {
    only_rsgi!("it tells nobody");
    let server = Server::builder()
        .modules(&["deflate"])
        .conf("SetOutputFilter INFLATE")
        .serve(
            r#"
import gzip
def application(environ, start_response):
    packed = bytearray(gzip.compress(b"x" * 100))
    if environ["PATH_INFO"] == "/bad":
        packed[-6] ^= 1
    start_response("200 OK", [("Content-Encoding", "gzip"), ("Content-Length", str(len(packed)))])
    return [bytes(packed)]
"#,
        )
        .start();
    let request = Request::get("/bad").header("Accept-Encoding", "identity");
    let reply = server.ask(&request);
    assert!(reply.status != 200 || reply.is_cut, "{reply:?}");
    let line = server.expect_log("RSGI0308: a filter of httpd's did not take the response");
    assert!(line.text.contains("SetOutputFilter"), "{}", line.text);
    if mode() != Mode::Embedded {
        let is_named = |pid: i32| {
            let place = format!("of the process {pid} of the daemon process group `e2e`");
            line.text.contains(&place)
        };
        assert!(server.workers().into_iter().any(is_named), "{}", line.text);
    }
    assert_eq!(server.log_text().matches("RSGI0").count(), 1);
    server.allow_log("AH01399");
    assert_eq!(server.text("/good"), "x".repeat(100));
    server.finish();
}

#[test]
fn head_has_the_headers_and_no_body() {
    let server = Server::builder()
        .serve(
            r#"
def application(environ, start_response):
    with open("@WORK@/events", "a") as f:
        f.write(environ["REQUEST_METHOD"] + "\n")
    start_response("200 OK", [("Content-Length", "5"), ("X-A", "b")])
    return [b"12345"]
"#,
        )
        .start();
    let mut connection = server.connect();
    for _ in 0..3 {
        let reply = connection.ask(&Request::new("HEAD", "/")).ok();
        assert_eq!(reply.header("Content-Length"), Some("5"));
        assert_eq!(reply.header("X-A"), Some("b"));
    }
    assert_eq!(server.events(), ["HEAD", "HEAD", "HEAD"]);
    server.finish();
}

#[test]
fn head_of_a_generator_keeps_the_connection_in_order() {
    let server = Server::builder()
        .serve("def application(e, s):\n    s('200 OK', [])\n    yield b'one'\n    yield b'two'\n")
        .start();
    let mut connection = server.connect();
    for _ in 0..2 {
        connection.ask(&Request::new("HEAD", "/")).ok();
        assert_eq!(connection.ask(&Request::get("/")).ok().text(), "onetwo");
    }
    server.finish();
}

#[test]
fn statuses_without_a_body_have_none() {
    for status in ["204 No Content", "304 Not Modified"] {
        let server = Server::builder()
            .serve(&format!(
                "def application(e, s):\n    s('{status}', [('X-A', 'b')])\n    return [] if e['PATH_INFO'] == '/none' else [b'body']\n"
            ))
            .start();
        let mut connection = server.connect();
        for path in ["/none", "/some", "/none"] {
            let reply = connection.ask(&Request::get(path));
            assert_eq!(format!("{} {}", reply.status, reply.reason), status);
            assert_eq!(reply.header("X-A"), Some("b"));
            assert_eq!(reply.header("Transfer-Encoding"), None, "{status} {path}");
        }
        assert!(connection.is_silent(Duration::from_millis(50)));
        server.finish();
    }
}

#[test]
fn status_205_has_no_body() {
    only_rsgi!("it carries the body");
    let server = Server::builder()
        .serve("def application(e, s):\n    s('205 Reset Content', [])\n    return [b'body']\n")
        .start();
    let mut connection = server.connect();
    for _ in 0..2 {
        let reply = connection.ask(&Request::get("/"));
        assert_eq!(reply.status, 205);
        assert_eq!(reply.text(), "");
        assert!(!reply.is_cut);
    }
    server.finish();
}

#[test]
fn an_unusual_status_keeps_its_code_and_reason() {
    for status in ["299 Very Fine", "418 Teapot", "599 Own Trouble", "799 X"] {
        let server = Server::builder()
            .serve(&format!(
                "def application(e, s):\n    s('{status}', [])\n    return [b'body']\n"
            ))
            .start();
        let reply = server.get("/");
        assert_eq!(format!("{} {}", reply.status, reply.reason), status);
        assert_eq!(reply.text(), "body");
        server.finish();
    }
}

#[test]
fn an_error_status_of_the_application_keeps_its_body() {
    for status in ["400 Bad", "404 Not Here", "500 Mine", "503 Busy"] {
        let server = Server::builder()
            .serve(&format!("def application(e, s):\n    s('{status}', [('Content-Type', 'text/x')])\n    return [b'own page']\n"))
            .conf("ErrorDocument 404 \"apache\"\nErrorDocument 500 \"apache\"")
            .start();
        let reply = server.get("/");
        assert_eq!(format!("{} {}", reply.status, reply.reason), status);
        assert_eq!(reply.text(), "own page");
        assert_eq!(reply.header("Content-Type"), Some("text/x"));
        server.finish();
    }
}

#[test]
fn a_slow_reader_gets_everything() {
    let server = Server::builder()
        .serve("def application(e, s):\n    s('200 OK', [])\n    for n in range(200):\n        yield bytes([n]) * 50000\n")
        .start();
    let mut connection = server.connect();
    connection.send(Request::get("/").to_bytes());
    connection.head();
    std::thread::sleep(Duration::from_millis(300));
    let mut total = 0;
    while let Some(chunk) = connection.chunk() {
        // Blocks may come together: each byte says where it belongs.
        let right = |(at, &byte): (usize, &u8)| usize::from(byte) == (total + at) / 50_000;
        assert!(chunk.iter().enumerate().all(right), "behind {total}");
        total += chunk.len();
    }
    assert_eq!(total, 200 * 50_000);
    server.finish();
}
