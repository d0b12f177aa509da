//! Request bodies that end too early: clients that stop, go away, or send nonsense.

use crate::harness::{Request, Server, wait_until};

/// Reads as the path says and notes in `work/events` what came of it.
const NOTING: &str = r#"
def note(text):
    with open("@WORK@/events", "a") as f:
        f.write(text + "\n")
class Body:
    def __init__(self, blocks): self.blocks = iter(blocks)
    def __iter__(self): return self.blocks
    def close(self): note("closed")
def application(environ, start_response):
    note("started")
    stream = environ["wsgi.input"]
    try:
        data = stream.read()
        note("read %d" % len(data))
    except OSError as error:
        note("OSError %s" % error)
        try:
            stream.read(10)
            note("second read succeeded")
        except OSError as error:
            note("again OSError")
    start_response("200 OK", [])
    return Body([b"done"])
"#;

fn noting() -> Server {
    Server::builder()
        .serve(NOTING)
        .streamed()
        .conf("WSGIChunkedRequest On")
        .start()
}

#[track_caller]
fn ends_in_os_error(server: Server) {
    wait_until("the application is closed", || {
        server.events().contains(&"closed".to_owned())
    });
    let events = server.events();
    assert_eq!(events[0], "started");
    assert!(events[1].starts_with("OSError"), "{events:?}");
    assert!(events[1].contains("request data read error"), "{events:?}");
    assert_eq!(events[2], "again OSError");
    assert_eq!(events.iter().filter(|e| *e == "closed").count(), 1);
    let errors: Vec<_> = server
        .log()
        .into_iter()
        .filter(|l| l.module.contains("sgi") && l.level == "error")
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    server.finish();
}

#[test]
fn a_client_that_half_closes_in_the_body_is_an_os_error() {
    let server = noting();
    let mut connection = server.connect();
    connection.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly this");
    connection.half_close();
    connection.rest();
    ends_in_os_error(server);
}

#[test]
fn a_client_that_goes_away_in_the_body_is_an_os_error() {
    let server = noting();
    let mut connection = server.connect();
    connection.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly this");
    wait_until("the application runs", || !server.events().is_empty());
    connection.reset();
    ends_in_os_error(server);
}

#[test]
fn a_chunked_body_that_is_cut_is_an_os_error() {
    let server = noting();
    let mut connection = server.connect();
    connection.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc");
    wait_until("the application runs", || !server.events().is_empty());
    drop(connection);
    ends_in_os_error(server);
}

#[test]
fn a_chunk_size_that_is_no_number_is_an_error_and_ends_the_connection() {
    let server = noting();
    let mut connection = server.connect();
    connection.send(
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
    );
    connection.reply("POST");
    assert!(connection.is_closed());
    wait_until("the application is closed", || {
        server.events().contains(&"closed".to_owned())
    });
    assert!(
        server.events()[1].starts_with("OSError"),
        "{:?}",
        server.events()
    );
    server.allow_log("AH0");
    server.finish();
}

#[test]
fn a_client_that_stops_sending_runs_into_the_timeout() {
    let server = Server::builder()
        .serve(NOTING)
        .streamed()
        .conf("Timeout 1")
        .start();
    let mut connection = server.connect();
    connection.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly this");
    connection.rest();
    ends_in_os_error(server);
}

#[test]
fn mod_reqtimeout_ends_a_slow_body() {
    let server = Server::builder()
        .serve(NOTING)
        .streamed()
        .modules(&["reqtimeout"])
        .conf("RequestReadTimeout body=1")
        .start();
    let mut connection = server.connect();
    connection.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly this");
    connection.rest();
    ends_in_os_error(server);
}

#[test]
fn a_chunked_body_over_the_limit_is_a_read_error() {
    let server = Server::builder()
        .serve(NOTING)
        .conf("WSGIChunkedRequest On\nLimitRequestBody 10")
        .start();
    let mut connection = server.connect();
    connection.try_send(
        Request::new("POST", "/")
            .chunked(&[&[b'x'; 100]])
            .to_bytes(),
    );
    connection.rest();
    wait_until("the application is closed", || {
        server.events().contains(&"closed".to_owned())
    });
    assert!(
        server.events()[1].starts_with("OSError"),
        "{:?}",
        server.events()
    );
    server.allow_log("AH01591");
    server.finish();
}
