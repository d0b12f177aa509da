//! Output filters that take their time or call the module again: what they do with a block of an application that
//! still runs.

use crate::harness::{Mode, Request, Server, mode, needs_threads, wait_until};

/// Pages that come block by block; `/slow` notes when its block was taken.
const APP: &str = r#"
import sys
def note(text):
    with open("@WORK@/events", "a") as file:
        file.write(text + "\n")

def slow():
    yield b"x" * 4096
    note("slow taken")
    yield b"end"

def page(depth):
    yield b"<p>before</p>\n"
    yield b'<!--#include virtual="/part?%d" -->\n' % depth
    yield b"<p>behind</p>\n"

def application(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    start_response("200 OK", [("Content-Type", "text/html")])
    if path == "/slow":
        return slow()
    if path == "/fast":
        note("fast")
        return [b"fast"]
    if path == "/page":
        return page(int(query))
    if path == "/list":
        return [b'<!--#include virtual="/part?1" -->', b"<b>%s</b>" % (b"y" * int(query))]
    if path == "/part" and query == "2":
        return page(1)
    if path == "/part":
        print("part", file=sys.stderr)
        return (block for block in [b"the ", b"part"])
    return [b"?"]
"#;

fn server(conf: &str, modules: &[&str]) -> Server {
    Server::builder()
        .serve(APP)
        .modules(modules)
        .conf(conf)
        .start()
}

#[test]
fn a_filter_that_sleeps_does_not_stop_other_requests_of_the_process() {
    needs_threads!("the slow request has the only one");
    let server = server(
        "<Location /slow>\nSetOutputFilter RATE_LIMIT\nSetEnv rate-limit 1\n</Location>",
        &["ratelimit", "env"],
    );
    let mut slow = server.connect();
    slow.send(Request::get("/slow").http10().to_bytes());
    assert_eq!(slow.head().status, 200);
    for _ in 0..20 {
        assert_eq!(server.text("/fast"), "fast");
    }
    wait_until("the block is taken", || server.events().len() == 21);
    // A group's thread is done when the child has the block.
    if mode() == Mode::Embedded {
        assert_eq!(server.events()[20], "slow taken");
    }
    assert_eq!(slow.rest().len(), 4_096 + 3);
    server.finish();
}

#[test]
fn a_page_includes_another_page_of_the_same_application() {
    needs_threads!("the including request has the only one");
    let server = server(
        "<Location />\nOptions +Includes\nSetOutputFilter INCLUDES\n</Location>",
        &["include"],
    );
    server.allow_log("part");
    let part = "<p>before</p>\nthe part\n<p>behind</p>\n";
    for _ in 0..3 {
        assert_eq!(server.text("/page?1"), part);
        let twice = format!("<p>before</p>\n{part}\n<p>behind</p>\n");
        assert_eq!(server.text("/page?2"), twice);
        // A block too long to be copied: it is there until the filters have passed all of it on.
        let list = format!("the part<b>{}</b>", "y".repeat(300_000));
        assert!(server.text("/list?300000") == list);
    }
    server.finish();
}
