//! `close()` of a body: called in every case, once, and not before its time.

use crate::harness::{Request, Server, wait_until};

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
