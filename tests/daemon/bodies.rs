//! Bodies in both directions at the same time, bodies that nobody reads, and bodies that are refused.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::{group, grouped, millis};
use crate::harness::{
    Ask, Connection, Load, Request, Server, UnderTest, chunk, only_rsgi, resident, under_test,
};

const BODIES: &str = r#"
import hashlib
def application(environ, start_response):
    path, input = environ["PATH_INFO"], environ["wsgi.input"]
    kind = [("Content-Type", "application/octet-stream")]
    if path == "/unread":
        start_response("200 OK", kind)
        return (bytes([n & 255]) * 65536 for n in range(160))
    if path == "/echo":
        start_response("200 OK", kind)
        return echo(input)
    if path == "/hash":
        data = hashlib.sha256()
        size = 0
        for block in iter(lambda: input.read(65536), b""):
            data.update(block)
            size += len(block)
        text = "%d %s" % (size, data.hexdigest())
        start_response("200 OK", kind)
        return [text.encode()]
    if path == "/part":
        data = input.read(10)
        start_response("200 OK", kind)
        return [data]
    start_response("413 Too Large", kind + [("Content-Length", "9")])
    return [b"too large"]

def echo(input):
    while True:
        block = input.read(8192)
        if not block:
            return
        yield block
"#;

fn serving() -> Server {
    grouped("processes=2 threads=5", BODIES)
        .conf("WSGIChunkedRequest On")
        .start()
}

/// Bytes that do not repeat within a block.
fn pattern(size: usize) -> Vec<u8> {
    (0..size)
        .map(|at| u8::try_from((at ^ (at >> 8) ^ (at >> 16)) & 255).unwrap())
        .collect()
}

fn head(target: &str, more: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Type: x/y\r\n{more}\r\n\r\n")
}

/// Writes in one thread and reads in another, so that neither side can wait for the other.
fn both_ways(server: &Server, head: &str, body: &[u8]) -> Vec<u8> {
    let stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream
        .set_write_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    std::thread::scope(|scope| {
        let mut writer = stream.try_clone().unwrap();
        scope.spawn(move || {
            writer.write_all(head.as_bytes()).unwrap();
            for part in body.chunks(50_000) {
                if writer.write_all(part).is_err() {
                    return;
                }
            }
            writer.shutdown(Shutdown::Write).ok();
        });
        let mut answer = Vec::new();
        (&stream).read_to_end(&mut answer).unwrap();
        answer
    })
}

#[test]
fn a_large_answer_comes_while_the_body_is_unread() {
    only_rsgi!("both wait for the other");
    let server = serving();
    // 20 MB there, 10 MB back, and the application reads none of it.
    for size in [1_000, 500_000, 3_000_000] {
        let body = pattern(size);
        let mut connection = server.connect();
        let bytes = Request::new("POST", "/unread").body(&body).to_bytes();
        let answered = std::thread::scope(|scope| {
            let mut writer = connection.stream().try_clone().unwrap();
            scope.spawn(move || writer.write_all(&bytes).ok());
            connection.reply("POST").ok()
        });
        assert_eq!(answered.body.len(), 160 * 65536, "body of {size}");
        let right = answered
            .body
            .iter()
            .enumerate()
            .all(|(at, &byte)| usize::from(byte) == (at / 65536) & 255);
        assert!(right, "body of {size}");
    }
    server.finish();
}

#[test]
fn an_application_refuses_a_body_before_it_has_come() {
    only_rsgi!("only after all of it");
    let server = serving();
    let mut connection = server.connect();
    connection.send(head("/refuse", "Content-Length: 50000000"));
    // A little of it is on its way; the rest never comes.
    connection.send(pattern(100_000));
    let begun = Instant::now();
    let reply = connection.reply("POST");
    assert_eq!((reply.status, reply.text().as_str()), (413, "too large"));
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    drop(connection);
    server.finish();
}

#[test]
fn an_echo_runs_in_both_directions_at_the_same_time() {
    only_rsgi!("hangs");
    let server = serving();
    let body = pattern(20_000_000);
    let more = format!("Content-Length: {}\r\nConnection: close", body.len());
    let answer = both_ways(&server, &head("/echo", &more), &body);
    let start = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let echoed = unchunked(&answer[start + 4..]);
    assert_eq!(echoed.len(), body.len());
    assert!(echoed == body);
    // The daemon did not hold it all.
    for pid in server.daemons() {
        let kib = resident(pid, "RssAnon");
        assert!(kib < 40_000, "{kib} KiB");
    }
    server.finish();
}

/// The content of a chunked body.
fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    while let Some(end) = bytes.iter().position(|&b| b == b'\n') {
        let line = String::from_utf8_lossy(&bytes[..end]).trim().to_owned();
        let size = usize::from_str_radix(&line, 16).unwrap();
        if size == 0 {
            break;
        }
        data.extend(&bytes[end + 1..end + 1 + size]);
        bytes = &bytes[end + 1 + size + 2..];
    }
    data
}

#[test]
fn an_echo_answers_each_block_before_the_next_is_sent() {
    only_rsgi!("the whole body goes first");
    let server = serving();
    let mut connection = server.connect();
    connection.send(head("/echo", "Transfer-Encoding: chunked"));
    for turn in 0..20_u8 {
        let block = vec![turn; 8192];
        connection.send(chunk(&block));
        if turn == 0 {
            assert_eq!(connection.head().status, 200);
        }
        let mut back = Vec::new();
        while back.len() < block.len() {
            back.extend(connection.chunk().expect("a block"));
        }
        assert!(back == block, "block {turn}");
    }
    connection.send("0\r\n\r\n");
    assert_eq!(connection.chunk(), None);
    server.finish();
}

#[test]
fn bodies_of_all_sizes_around_the_limits_come_through_whole() {
    let server = serving();
    let mut connection = server.connect();
    // In memory up to 64 KiB, in a file up to 1 MiB, streamed beyond.
    let sizes = [
        0, 1, 8191, 8192, 65_535, 65_536, 65_537, 100_000, 1_048_575, 1_048_576, 1_048_577,
        5_000_000,
    ];
    for size in sizes {
        let body = pattern(size);
        let expected = format!("{size} ");
        let requests = [
            Request::new("POST", "/hash").body(&body),
            Request::new("POST", "/hash").chunked(&[&body]),
        ];
        for request in requests.iter().take(if size == 0 { 1 } else { 2 }) {
            let reply = connection.ask(request).ok();
            assert!(
                reply.text().starts_with(&expected),
                "{size}: {}",
                reply.text()
            );
            let reply = connection
                .ask(&Request::new("POST", "/echo").body(&body[..size.min(200_000)]))
                .ok();
            assert!(reply.body == body[..size.min(200_000)], "{size}");
        }
    }
    server.finish();
}

#[test]
fn many_clients_post_and_get_their_own_bodies_back() {
    let server = group("processes=2 threads=5").start();
    let load = Load::on(server.port())
        .clients(8)
        .lasting(Duration::from_secs(4));
    let report = load.run(|client, turn| {
        let sizes = [10, 3_000, 70_000, 300_000, 1_300_000];
        let mut body = pattern(sizes[(client + turn) % sizes.len()]);
        body[0] = u8::try_from(client).unwrap();
        Ask::new(Request::new("POST", "/").body(&body), body)
    });
    report.say("bodies");
    report.lost_nothing();
    server.finish();
}

#[test]
fn a_body_over_apaches_limit_is_refused_before_a_process_is_asked() {
    let server = grouped("processes=1 threads=2", BODIES)
        .conf("LimitRequestBody 1000")
        .start();
    let reply = server.ask(&Request::new("POST", "/hash").body(pattern(2_000)));
    assert_eq!(reply.status, 413);
    let reply = server.ask(&Request::new("POST", "/hash").body(pattern(1_000)));
    assert!(reply.ok().text().starts_with("1000 "));
    server.allow_log("0142");
    server.allow_log("AH015");
    server.finish();
}

#[test]
fn a_client_that_goes_away_in_its_body_costs_nothing() {
    let server = serving();
    for size in [60_000, 500_000, 3_000_000] {
        for _ in 0..10 {
            let mut connection = server.connect();
            connection.send(head("/hash", &format!("Content-Length: {size}")));
            connection.send(pattern(size / 2));
            connection.reset();
        }
    }
    let load = Load::on(server.port()).clients(10).most(3);
    let begun = Instant::now();
    let report = load.run(|_, _| {
        Ask::new(
            Request::new("POST", "/part").body(pattern(1_000)),
            pattern(10),
        )
    });
    report.lost_nothing();
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    for text in [
        "OSError",
        "0174",
        "Traceback",
        "  File",
        "    ",
        "0126",
        "RSGI",
        "~~",
        "^^",
        "\t",
    ] {
        server.allow_log(text);
    }
    server.finish();
}

#[test]
fn a_client_that_goes_away_while_it_is_answered_costs_nothing() {
    let server = group("processes=1 threads=3").start();
    for _ in 0..12 {
        let mut connection = server.connect();
        connection.send(Request::get("/size?30000000").to_bytes());
        connection.head();
        connection.reset();
        let mut connection = server.connect();
        connection.send(Request::get("/stream?x").to_bytes());
        connection.head();
        connection.reset();
    }
    let begun = Instant::now();
    let report = Load::on(server.port()).clients(3).most(2).run(super::mixed);
    report.lost_nothing();
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );
    for text in ["OSError", "0174", "RSGI", "Traceback", "WSGI"] {
        server.allow_log(text);
    }
    server.finish();
}

#[test]
fn a_half_closed_client_gets_its_answer() {
    let server = serving();
    let body = pattern(300_000);
    let more = format!("Content-Length: {}\r\nConnection: close", body.len());
    let answer = both_ways(&server, &head("/hash", &more), &body);
    let text = String::from_utf8_lossy(&answer).into_owned();
    assert!(text.contains("300000 "), "{text}");
    server.finish();
}

#[test]
fn a_file_is_sent_by_descriptor_and_whole() {
    let server = grouped(
        "processes=1 threads=3",
        r#"
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "x/y")])
    file = open("@WORK@/data", "rb")
    file.seek(int(environ["QUERY_STRING"]))
    return environ["wsgi.file_wrapper"](file)
"#,
    )
    .conf("WSGIEnableSendfile On\nEnableSendfile On")
    .file("work/data", &pattern(3_000_000))
    .start();
    let mut connection: Connection = server.connect();
    for from in [0, 1, 2_000_000, 2_999_999, 3_000_000] {
        let reply = connection.ask(&Request::get(&format!("/?{from}"))).ok();
        assert!(reply.body == pattern(3_000_000)[from..], "from {from}");
        if under_test() == UnderTest::Rsgi {
            let length = (3_000_000 - from).to_string();
            assert_eq!(reply.header("Content-Length"), Some(length.as_str()));
        }
    }
    let load = Load::on(server.port())
        .clients(6)
        .most(10)
        .timeout(Duration::from_secs(20));
    let report = load.run(|client, turn| {
        let from = 2_500_000 + client * 1_000 + turn;
        Ask::new(
            Request::get(&format!("/?{from}")),
            &pattern(3_000_000)[from..],
        )
    });
    report.lost_nothing();
    server.finish();
}

#[test]
fn blocks_reach_the_client_while_the_application_goes_on() {
    let server = group("processes=1 threads=3").start();
    let mut connection = server.connect();
    connection.send(Request::get("/stream?s").to_bytes());
    let begun = Instant::now();
    assert_eq!(connection.head().status, 200);
    assert_eq!(connection.chunk(), Some(b"s 0\n".to_vec()));
    assert!(begun.elapsed() < millis(900), "{:?}", begun.elapsed());
    let mut text = b"s 0\n".to_vec();
    while let Some(block) = connection.chunk() {
        text.extend(block);
    }
    assert_eq!(String::from_utf8(text).unwrap(), super::whole_stream("s"));
    server.finish();
}
