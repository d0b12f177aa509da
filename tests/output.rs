//! The body: what may be in it, when it goes out, lengths, and that `close()` is always called.

use std::time::Duration;

use crate::harness::{Request, Server, only_rsgi, wait_until};

/// A body that notes its close(); `@BODY@` is what its iteration does.
const CLOSING: &str = r#"
def note(text):
    with open("@WORK@/events", "a") as f:
        f.write(text + "\n")
class Body:
    def __init__(self, blocks): self.blocks = iter(blocks)
    def __iter__(self): return self
    def __next__(self): return next(self.blocks)
    def close(self): note("closed")
"#;

fn closing(rest: &str) -> String {
    format!("{CLOSING}{rest}")
}

#[track_caller]
fn closed_once(server: &Server) {
    wait_until("close() is called", || {
        server.events().contains(&"closed".to_owned())
    });
    let count = server.events().iter().filter(|e| *e == "closed").count();
    assert_eq!(count, 1, "close() was called {count} times");
}

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
fn close_is_called_once_after_the_last_block() {
    let server = Server::builder()
        .serve(&closing(
            "def application(e, s):\n    s('200 OK', [])\n    return Body([b'a', b'b'])\n",
        ))
        .start();
    assert_eq!(server.text("/"), "ab");
    closed_once(&server);
    server.finish();
}

#[test]
fn close_is_called_for_head_and_bodiless_statuses() {
    let server = Server::builder()
        .serve(&closing(
            "def application(e, s):\n    s('204 No Content', [])\n    return Body([])\n",
        ))
        .start();
    server.get("/");
    closed_once(&server);
    server.finish();
    let server = Server::builder()
        .serve(&closing(
            "def application(e, s):\n    s('200 OK', [])\n    return Body([b'a'])\n",
        ))
        .start();
    server.ask(&Request::new("HEAD", "/"));
    closed_once(&server);
    server.finish();
}

#[test]
fn close_is_called_when_iteration_raises() {
    for blocks in [
        "(1/0 for n in range(3))",
        "(b'x' if n == 0 else 1/0 for n in range(3))",
        "['text']",
    ] {
        let server = Server::builder()
            .serve(&closing(&format!(
                "def application(e, s):\n    s('200 OK', [])\n    return Body({blocks})\n"
            )))
            .start();
        server.get("/");
        closed_once(&server);
        server.allow_log("Error");
        server.allow_log("0174");
        server.allow_log("Traceback");
        server.allow_log("  File ");
        server.allow_log("    ");
        server.finish();
    }
}

#[test]
fn close_is_called_when_start_response_never_was() {
    let server = Server::builder()
        .serve(&closing(
            "def application(e, s):\n    return Body([b'a'])\n",
        ))
        .start();
    assert_eq!(server.get("/").status, 500);
    closed_once(&server);
    server.allow_log("RuntimeError");
    server.allow_log("0174");
    server.allow_log("Traceback");
    server.finish();
}

#[test]
fn close_is_called_when_the_client_went_away() {
    let server = Server::builder()
        .serve(&closing(
            "def endless():\n    while True:\n        yield b'x' * 100000\n\
             def application(e, s):\n    s('200 OK', [])\n    return Body(endless())\n",
        ))
        .start();
    let mut connection = server.connect();
    connection.send(Request::get("/").to_bytes());
    assert_eq!(connection.head().status, 200);
    connection.reset();
    closed_once(&server);
    let noise: Vec<_> = server
        .log()
        .into_iter()
        .filter(|l| l.module == "wsgi" && l.level == "error")
        .collect();
    assert!(noise.is_empty(), "{noise:?}");
    server.finish();
}

#[test]
fn a_generator_gets_generator_exit_when_the_client_went_away() {
    let server = Server::builder()
        .serve(&closing(
            "def application(e, s):\n    s('200 OK', [])\n    try:\n        while True:\n            \
             yield b'x' * 100000\n    except GeneratorExit:\n        note('closed')\n        raise\n",
        ))
        .start();
    let mut connection = server.connect();
    connection.send(Request::get("/").to_bytes());
    connection.head();
    connection.reset();
    closed_once(&server);
    server.finish();
}

#[test]
fn write_to_a_client_that_went_away_is_an_os_error() {
    let server = Server::builder()
        .serve(&closing(
            "def application(e, s):\n    write = s('200 OK', [])\n    try:\n        while True:\n            \
             write(b'x' * 100000)\n    except OSError as error:\n        note('OSError')\n    return Body([])\n",
        ))
        .start();
    let mut connection = server.connect();
    connection.send(Request::get("/").to_bytes());
    connection.head();
    connection.reset();
    closed_once(&server);
    assert_eq!(server.events()[0], "OSError");
    server.finish();
}

#[test]
fn an_exception_in_close_is_logged_and_the_response_is_whole() {
    let server = Server::builder()
        .serve(
            "class Body(list):\n    def close(self):\n        raise ValueError('cannot close')\n\
             def application(e, s):\n    s('200 OK', [])\n    return Body([b'whole'])\n",
        )
        .start();
    let mut connection = server.connect();
    assert_eq!(connection.ask(&Request::get("/")).ok().text(), "whole");
    assert_eq!(connection.ask(&Request::get("/")).ok().text(), "whole");
    server.expect_traceback("ValueError: cannot close");
    server.finish();
}

#[test]
fn close_is_not_called_while_blocks_are_still_wanted() {
    let server = Server::builder()
        .serve(&closing(
            "def application(e, s):\n    s('200 OK', [])\n    def blocks():\n        yield b'a'\n        \
             note('asked again')\n        yield b'b'\n    return Body(blocks())\n",
        ))
        .start();
    assert_eq!(server.text("/"), "ab");
    wait_until("close", || server.events().len() == 2);
    assert_eq!(server.events(), ["asked again", "closed"]);
    server.finish();
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
    let mut expected = 0_u8;
    while let Some(chunk) = connection.chunk() {
        assert!(chunk.iter().all(|&b| b == expected), "block {expected}");
        total += chunk.len();
        if total % 50_000 == 0 {
            expected += 1;
        }
    }
    assert_eq!(total, 200 * 50_000);
    server.finish();
}
