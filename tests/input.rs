//! `wsgi.input`: its methods, chunked and filtered bodies, clients that stop or go away.

use std::time::Duration;

use crate::harness::{Connection, Request, Server, chunk, only_rsgi};

/// Calls methods of wsgi.input that the query string spells, and answers with their reprs.
const SCRIPTED: &str = r#"
from urllib.parse import unquote
def application(environ, start_response):
    stream = environ["wsgi.input"]
    out = []
    for step in unquote(environ["QUERY_STRING"]).split(";"):
        try:
            out.append(repr(eval("stream." + step)))
        except Exception as error:
            out.append(type(error).__name__)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [" ".join(out).encode()]
"#;

const ECHO: &str = r#"
def application(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"#;

fn scripted() -> Server {
    Server::builder()
        .serve(SCRIPTED)
        .conf("WSGIChunkedRequest On")
        .start()
}

#[track_caller]
fn steps(server: &Server, body: &str, calls: &str, expected: &str) {
    let target = format!("/?{}", calls.replace(' ', "%20"));
    let request = Request::new("POST", &target);
    let reply = server.ask(&request.clone().body(body)).ok();
    assert_eq!(reply.text(), expected, "{calls} with a length");
    let pieces: Vec<&[u8]> = body.as_bytes().chunks(3).collect();
    let reply = server.ask(&request.chunked(&pieces)).ok();
    assert_eq!(reply.text(), expected, "{calls} chunked");
}

#[test]
fn read_takes_what_it_is_told() {
    let server = scripted();
    steps(&server, "hello world", "read()", "b'hello world'");
    steps(
        &server,
        "hello world",
        "read(5);read(1);read()",
        "b'hello' b' ' b'world'",
    );
    steps(&server, "hello", "read(-1);read()", "b'hello' b''");
    steps(&server, "hello", "read(100);read(100)", "b'hello' b''");
    steps(
        &server,
        "hello",
        "read(0);read(2);read(0);read()",
        "b'' b'he' b'' b'llo'",
    );
    steps(
        &server,
        "",
        "read();read(5);readline();readlines()",
        "b'' b'' b'' []",
    );
    server.finish();
}

#[test]
fn readline_ends_at_the_line_or_the_size() {
    let server = scripted();
    steps(
        &server,
        "a\nbc\n\nd",
        "readline();readline();readline();readline();readline()",
        "b'a\\n' b'bc\\n' b'\\n' b'd' b''",
    );
    steps(
        &server,
        "abcdef\ngh",
        "readline(3);readline(3);readline(3);readline(3)",
        "b'abc' b'def' b'\\n' b'gh'",
    );
    steps(
        &server,
        "ab\ncd",
        "readline(-1);readline(0);readline()",
        "b'ab\\n' b'' b'cd'",
    );
    steps(
        &server,
        "ab\ncd\nef",
        "readline();read(3);readline()",
        "b'ab\\n' b'cd\\n' b'ef'",
    );
    server.finish();
}

#[test]
fn readlines_and_iteration_give_lines() {
    let server = scripted();
    steps(
        &server,
        "a\nb\nc",
        "readlines();readlines()",
        "[b'a\\n', b'b\\n', b'c'] []",
    );
    steps(
        &server,
        "a\nb\nc",
        "readlines(3);readlines()",
        "[b'a\\n', b'b\\n'] [b'c']",
    );
    steps(
        &server,
        "a\nb\nc",
        "readlines(-1)",
        "[b'a\\n', b'b\\n', b'c']",
    );
    steps(
        &server,
        "a\nb\nc",
        "__iter__() is stream;__next__();read()",
        "True b'a\\n' b'b\\nc'",
    );
    steps(&server, "", "__next__()", "StopIteration");
    server.finish();
}

#[test]
fn sizes_that_are_no_integers_are_type_errors_and_close_does_nothing() {
    let server = scripted();
    steps(
        &server,
        "abc",
        "read('x');read(1.5);readline('x');readlines('x');close();read()",
        "TypeError TypeError TypeError TypeError None b'abc'",
    );
    server.finish();
}

#[test]
fn a_huge_size_reads_what_there_is() {
    only_rsgi!("raises MemoryError");
    let server = scripted();
    steps(
        &server,
        "a\nb",
        "readline(1 << 40);read(1 << 40)",
        "b'a\\n' b'b'",
    );
    steps(&server, "a\nb", "readlines(1 << 40)", "[b'a\\n', b'b']");
    server.finish();
}

#[test]
fn input_has_no_seek_tell_or_fileno() {
    let server = Server::builder()
        .serve(
            "def application(e, s):\n    stream = e['wsgi.input']\n    \
             found = [n for n in ('seek', 'tell', 'fileno') if hasattr(stream, n)]\n    \
             s('200 OK', [])\n    return [repr(found).encode()]\n",
        )
        .start();
    assert_eq!(server.text("/"), "[]");
    server.finish();
}

#[test]
fn bodies_of_many_sizes_come_through_whole() {
    let server = Server::builder()
        .serve(ECHO)
        .conf("WSGIChunkedRequest On")
        .start();
    let mut connection = server.connect();
    for size in [0, 1, 8191, 8192, 8193, 65_536, 1_000_000, 5_000_000] {
        let body: Vec<u8> = (0..size).map(|i: u32| (i % 251) as u8).collect();
        let reply = connection.ask(&Request::new("POST", "/").body(&body)).ok();
        assert!(reply.body == body, "{size} with a length");
        let pieces: Vec<&[u8]> = body.chunks(4097).collect();
        let reply = connection
            .ask(&Request::new("POST", "/").chunked(&pieces))
            .ok();
        assert!(reply.body == body, "{size} chunked");
    }
    server.finish();
}

#[test]
fn chunk_borders_anywhere_do_not_matter() {
    let server = Server::builder()
        .serve(ECHO)
        .conf("WSGIChunkedRequest On")
        .start();
    let mut connection = server.connect();
    let wire = Request::new("POST", "/")
        .chunked(&[b"a", b"bcd\n", b"e\nf", b"ghi"])
        .to_bytes();
    for cut in 0..wire.len() {
        connection.send(&wire[..cut]);
        std::thread::yield_now();
        connection.send(&wire[cut..]);
        assert_eq!(
            connection.reply("POST").ok().text(),
            "abcd\ne\nfghi",
            "cut at {cut}"
        );
    }
    server.finish();
}

#[test]
fn chunk_extensions_and_trailers_are_not_part_of_the_body() {
    let server = Server::builder()
        .serve(ECHO)
        .conf("WSGIChunkedRequest On")
        .start();
    let mut connection = server.connect();
    connection.send(
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
         3;name=value\r\nabc\r\n0\r\nX-Trailer: t\r\n\r\n",
    );
    assert_eq!(connection.reply("POST").ok().text(), "abc");
    assert_eq!(
        connection
            .ask(&Request::new("POST", "/").body("next"))
            .ok()
            .text(),
        "next"
    );
    server.finish();
}

#[test]
fn read_gets_data_while_the_body_is_still_on_its_way() {
    let server = Server::builder()
        .serve(
            r#"
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    stream = environ["wsgi.input"]
    while True:
        line = stream.readline()
        if not line:
            break
        yield b"got " + line
"#,
        )
        .conf("WSGIChunkedRequest On")
        .streamed()
        .start();
    let mut connection = server.connect();
    connection.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    connection.send(chunk(b"one\n"));
    assert_eq!(connection.head().status, 200);
    assert_eq!(connection.chunk().unwrap(), b"got one\n");
    connection.send(chunk(b"two\n"));
    assert_eq!(connection.chunk().unwrap(), b"got two\n");
    connection.send("0\r\n\r\n");
    assert_eq!(connection.chunk(), None);
    server.finish();
}

#[test]
fn read_n_waits_for_n_bytes() {
    let server = Server::builder()
        .serve(
            "def application(e, s):\n    data = e['wsgi.input'].read(6)\n    s('200 OK', [])\n    \
             return [repr(data).encode()]\n",
        )
        .start();
    let mut connection = server.connect();
    connection.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\nabc");
    assert!(connection.is_silent(Duration::from_millis(150)));
    connection.send("defgh");
    assert_eq!(connection.reply("POST").ok().text(), "b'abcdef'");
    server.finish();
}

#[test]
fn a_client_that_closed_its_half_still_gets_the_answer() {
    let server = Server::builder().serve(ECHO).start();
    let mut connection = server.connect();
    connection.send(Request::new("POST", "/").body("all of it").to_bytes());
    connection.half_close();
    assert_eq!(connection.reply("POST").ok().text(), "all of it");
    server.finish();
}

#[test]
fn a_compressed_body_is_decompressed_by_apache() {
    let server = Server::builder()
        .serve(ECHO)
        .modules(&["deflate", "filter"])
        .conf("SetInputFilter DEFLATE")
        .start();
    let plain = "some text ".repeat(1000);
    let output = gzip(plain.as_bytes());
    assert!(output.len() < plain.len());
    let request = Request::new("POST", "/")
        .header("Content-Encoding", "gzip")
        .body(&output);
    let reply = server.ask(&request).ok();
    assert_eq!(reply.text(), plain);
    server.finish();
}

fn gzip(data: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut child = std::process::Command::new("gzip")
        .arg("-c")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(data).unwrap();
    child.wait_with_output().unwrap().stdout
}

#[test]
fn methods_after_the_request_are_runtime_errors() {
    let server = Server::builder()
        .one_process()
        .serve(
            r#"
kept = []
def attempt(call):
    try:
        call()
        return "fine"
    except Exception as error:
        return type(error).__name__
def application(environ, start_response):
    out = [attempt(c) for c in kept]
    kept.clear()
    start_response("200 OK", [])
    stream = environ["wsgi.input"]
    kept.extend([stream.read, stream.readline, stream.readlines, lambda: next(iter(stream)),
                 lambda: environ["wsgi.errors"].write("late\n"),
                 lambda: start_response("200 OK", [])])
    return [" ".join(out).encode()]
"#,
        )
        .start();
    assert_eq!(server.text("/"), "");
    assert_eq!(server.text("/"), ["RuntimeError"; 6].join(" "));
    server.finish();
}

#[test]
fn a_thread_of_the_application_may_read_the_body() {
    let server = Server::builder()
        .serve(
            r#"
import threading
def application(environ, start_response):
    got = []
    thread = threading.Thread(target=lambda: got.append(environ["wsgi.input"].read()))
    thread.start()
    thread.join()
    start_response("200 OK", [])
    return got
"#,
        )
        .start();
    assert_eq!(
        server.ask(&Request::new("POST", "/").body("x")).ok().text(),
        "x"
    );
    server.finish();
}

#[test]
fn an_application_may_answer_before_it_reads() {
    let server = Server::builder()
        .serve(
            r#"
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"early;"
    yield environ["wsgi.input"].read()
"#,
        )
        .streamed()
        .start();
    let mut connection: Connection = server.connect();
    connection.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n");
    assert_eq!(connection.head().status, 200);
    assert_eq!(connection.chunk().unwrap(), b"early;");
    connection.send("late");
    assert_eq!(connection.chunk().unwrap(), b"late");
    assert_eq!(connection.chunk(), None);
    server.finish();
}
