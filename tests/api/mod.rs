//! The module `mod_wsgi` as applications see it. `tests/parity/python-api.toml` names the test of each function and
//! attribute.

mod events;
mod metrics;
mod module;
mod process;
mod stubs;

use crate::harness::{Builder, Request, Server};

/// What a time is split into.
pub(crate) const PHASES: [&str; 8] = [
    "server_time",
    "queue_time",
    "daemon_time",
    "application_time",
    "request_time",
    "gil_wait_time",
    "input_read_time",
    "output_write_time",
];

/// An application that records its events, and answers with what an expression of the header X-Ask is worth.
const APP: &str = r#"
import json, mod_wsgi, os, threading, time
seen = []

def record(name, **event):
    seen.append((name, event))

def names():
    return [name for name, event in seen]

def first():
    """The events of the first request."""
    return [name for name, event in seen if event.get("request_id") == seen[0][1]["request_id"]]

def of(name):
    """The first event with that name."""
    return next(event for found, event in seen if found == name)

def finished(path):
    """The end of the last request for a path; without a GIL an earlier one may end later."""
    begun = [event for found, event in seen if found == "request_started"]
    own = [event["request_id"] for event in begun if event["request_environ"]["PATH_INFO"] == path]
    return next(event for found, event in seen if found == "request_finished" and event["request_id"] == own[-1])

def trying(function, *arguments, **keywords):
    try:
        return function(*arguments, **keywords)
    except BaseException as error:
        return type(error).__name__

def elsewhere(function):
    results = []
    thread = threading.Thread(target=lambda: results.append(trying(function)))
    thread.start()
    thread.join()
    return results[0]

def settle():
    """Waits until no other request runs: a client has its response before its request is over."""
    end = time.monotonic() + 30
    while len(mod_wsgi.active_requests) > 1 and time.monotonic() < end:
        time.sleep(0.001)

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/raise":
        raise ValueError("from the application")
    if path == "/late":
        return late(start_response)
    if path == "/asking":
        return asking(environ, start_response)
    text = "read %d" % len(environ["wsgi.input"].read())
    if path in ("/ask", "/now"):
        if path == "/ask":
            settle()
        text = str(eval(environ["HTTP_X_ASK"], dict(globals(), environ=environ)))
    if path == "/nothing":
        return [b"never started"]
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Own", "1")])
    if path == "/generated":
        return iter([b"a" * 10, b"", b"b" * 20])
    if path == "/file":
        return environ["wsgi.file_wrapper"](open("@APPS@/data", "rb"))
    if path == "/large":
        return [b"x" * 300000]
    if path == "/many":
        return [b"y" * 30000, b"z" * 30000]
    return [text.encode()]

def asking(environ, start_response):
    kinds = [type(mod_wsgi.server_metrics()).__name__]
    kinds.append(str(len(environ["wsgi.input"].read())))
    kinds.append(type(mod_wsgi.server_metrics()).__name__)
    start_response("200 OK", [])
    return [" ".join(kinds).encode()]

def late(start_response):
    start_response("200 OK", [])
    yield b"begun"
    raise KeyError("while it was sent")
"#;

/// The same with an event recorder from the start.
fn recording() -> Builder {
    Server::builder()
        .one_process()
        .app("data", "content of a file")
        .serve(&format!("{APP}\nmod_wsgi.subscribe_events(record)\n"))
}

/// One that records nothing.
fn silent() -> Builder {
    Server::builder()
        .one_process()
        .app("data", "content of a file")
        .serve(APP)
}

/// What an expression is worth while other requests run.
#[track_caller]
fn now(server: &Server, expression: &str) -> String {
    let request = Request::get("/now").header("X-Ask", expression);
    server.ask(&request).ok().text()
}

/// What an expression is worth when all earlier requests are over.
#[track_caller]
fn ask(server: &Server, expression: &str) -> String {
    let request = Request::get("/ask").header("X-Ask", expression);
    server.ask(&request).ok().text()
}

/// Fails unless an expression is worth that.
#[track_caller]
fn says(server: &Server, expression: &str, expected: &str) {
    assert_eq!(ask(server, expression), expected, "{expression}");
}
