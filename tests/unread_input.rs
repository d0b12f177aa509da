//! Request bodies that nobody reads, or not all of them: 100-continue, keep-alive, pipelining.

use crate::harness::{Request, Server};

const ECHO: &str = r#"
def application(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"#;

#[test]
fn expect_100_continue_is_answered_on_the_first_read() {
    let server = Server::builder().serve(ECHO).start();
    let mut connection = server.connect();
    connection
        .send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(connection.head().status, 100);
    connection.send("abc");
    assert_eq!(connection.reply("POST").ok().text(), "abc");
    server.finish();
}

#[test]
fn an_application_that_does_not_read_sends_no_100_continue() {
    let server = Server::builder()
        .serve("def application(e, s):\n    s('200 OK', [('Content-Length', '2')])\n    return [b'no']\n")
        .start();
    let mut connection = server.connect();
    connection
        .send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(connection.reply("POST").ok().text(), "no");
    drop(connection);
    server.finish();
}

#[test]
fn read_of_nothing_asks_for_the_body_on_its_first_call() {
    let server = Server::builder()
        .serve(
            "def application(e, s):\n    e['wsgi.input'].read(0)\n    s('200 OK', [])\n    \
             return [e['wsgi.input'].read()]\n",
        )
        .start();
    let mut connection = server.connect();
    connection
        .send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(connection.head().status, 100);
    connection.send("abc");
    assert_eq!(connection.reply("POST").ok().text(), "abc");
    server.finish();
}

#[test]
fn a_body_nobody_reads_is_thrown_away_and_the_connection_goes_on() {
    let server = Server::builder()
        .serve("def application(e, s):\n    s('200 OK', [('Content-Length', '2')])\n    return [b'no']\n")
        .conf("WSGIChunkedRequest On")
        .start();
    let mut connection = server.connect();
    for size in [1, 10_000, 300_000] {
        let body = vec![b'x'; size];
        assert_eq!(
            connection
                .ask(&Request::new("POST", "/").body(&body))
                .ok()
                .text(),
            "no"
        );
        let reply = connection
            .ask(&Request::new("POST", "/").chunked(&[&body]))
            .ok();
        assert_eq!(reply.text(), "no");
    }
    server.finish();
}

#[test]
fn a_body_read_in_part_leaves_nothing_to_the_next_request() {
    let server = Server::builder()
        .serve(
            "def application(e, s):\n    data = e['wsgi.input'].read(3)\n    s('200 OK', [])\n    return [data]\n",
        )
        .start();
    let mut connection = server.connect();
    for _ in 0..3 {
        let body = [b"abc".as_slice(), &[b'x'; 20_000]].concat();
        assert_eq!(
            connection
                .ask(&Request::new("POST", "/").body(&body))
                .ok()
                .text(),
            "abc"
        );
    }
    server.finish();
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::builder().serve(ECHO).start();
    let mut connection = server.connect();
    let mut wire = Vec::new();
    for n in 0..5 {
        wire.extend(
            Request::new("POST", "/")
                .body(format!("body {n}"))
                .to_bytes(),
        );
    }
    connection.send(wire);
    for n in 0..5 {
        assert_eq!(connection.reply("POST").ok().text(), format!("body {n}"));
    }
    server.finish();
}
