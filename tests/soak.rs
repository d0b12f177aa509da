//! Many clients for a while, every body checked, and nothing grows.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::browser::Browser;
use crate::harness::{Request, Server, only_rsgi, open_descriptors, say, status_field};

/// Bodies that the client can compute too: byte number i of seed s is (s + i * 7 + i // 251) % 256.
const APP: &str = r#"
import os
def made(seed, size):
    block = bytearray()
    for start in range(0, size, 251):
        first = seed + start * 7 + start // 251
        block += bytes((first + i * 7) & 255 for i in range(min(251, size - start)))
    return bytes(block)

CACHE = {}
def body(seed, size):
    key = (seed & 255, size)
    if key not in CACHE and len(CACHE) < 400:
        CACHE[key] = made(*key)
    return CACHE.get(key) or made(*key)

def application(environ, start_response):
    path = environ["PATH_INFO"]
    seed, _, size = environ["QUERY_STRING"].partition(",")
    kind = [("Content-Type", "application/octet-stream")]
    if path == "/echo":
        data = environ["wsgi.input"].read()
        start_response("200 OK", kind + [("Content-Length", str(len(data)))])
        return [data]
    if path == "/lines":
        start_response("200 OK", kind)
        return list(environ["wsgi.input"])
    if path == "/file":
        file = open("@WORK@/data", "rb")
        file.seek(int(seed))
        start_response("200 OK", kind + [("Content-Length", size)])
        return environ["wsgi.file_wrapper"](file)
    data = body(int(seed), int(size))
    if path == "/blocks":
        start_response("200 OK", kind)
        return (data[at:at + 4096] for at in range(0, len(data), 4096))
    if path == "/write":
        write = start_response("200 OK", kind)
        half = len(data) // 2
        write(data[:half])
        return [data[half:]]
    if path == "/error":
        raise ValueError("on purpose")
    start_response("200 OK", kind + [("Content-Length", str(len(data)))])
    return [data]
"#;

/// What [`APP`] answers.
fn made(seed: usize, size: usize) -> Vec<u8> {
    let byte = |i: usize| ((seed & 255) + (i / 251) * 251 * 7 + i / 251 + (i % 251) * 7) & 255;
    (0..size)
        .map(|i| u8::try_from(byte(i)).unwrap_or_default())
        .collect()
}

/// A pseudo-random sequence: the same for the same client in every run.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 20).unwrap_or_default() % below
    }

    /// Small mostly, large at times.
    fn size(&mut self) -> usize {
        let limits = [10, 1_000, 5_000, 9_000, 40_000, 120_000];
        let limit = limits[self.throw(limits.len())];
        1 + self.throw(limit)
    }
}

fn data_file() -> Vec<u8> {
    made(3, 300_000)
}

fn serving(processes: u32, threads: u32) -> Server {
    let server = Server::builder()
        .processes(processes)
        .threads(threads)
        .log_level("notice")
        .serve(APP)
        .conf("WSGIChunkedRequest On")
        .start();
    std::fs::write(server.root().join("work/data"), data_file()).unwrap();
    server
}

/// One request of a random kind, and what must come back.
fn exchange(dice: &mut Dice, file: &[u8]) -> (Request, Vec<u8>) {
    let (seed, size) = (dice.throw(256), dice.size());
    match dice.throw(8) {
        0 => {
            let body = made(seed, size);
            (Request::new("POST", "/echo").body(&body), body)
        }
        1 => {
            let body = made(seed, size);
            let middle = size / 2;
            let pieces = [&body[..middle], &body[middle..]];
            let pieces: Vec<&[u8]> = pieces
                .into_iter()
                .filter(|piece| !piece.is_empty())
                .collect();
            (Request::new("POST", "/echo").chunked(&pieces), body)
        }
        2 => {
            let body = made(seed, size.min(5_000));
            (Request::new("POST", "/lines").body(&body), body)
        }
        3 => {
            let from = dice.throw(100_000);
            let request = Request::get(&format!("/file?{from},{size}"));
            (request, file[from..from + size].to_vec())
        }
        4 => (
            Request::get(&format!("/blocks?{seed},{size}")),
            made(seed, size),
        ),
        5 => (
            Request::get(&format!("/write?{seed},{size}")),
            made(seed, size),
        ),
        _ => (
            Request::get(&format!("/plain?{seed},{size}")),
            made(seed, size),
        ),
    }
}

/// Asks until the time is up, on connections that live for some requests.
fn client(port: u16, number: u64, end: Instant, answered: &AtomicU64) {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ (number + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9));
    let file = data_file();
    let mut browser = Browser::new(port);
    while Instant::now() < end {
        let (request, body) = exchange(&mut dice, &file);
        let reply = browser.ask(&request);
        let about = || {
            String::from_utf8_lossy(&request.to_bytes())
                .lines()
                .next()
                .map(str::to_owned)
        };
        assert_eq!(reply.status, 200, "{:?}: {}", about(), reply.text());
        assert!(!reply.is_cut, "{:?}", about());
        assert!(
            reply.body == body,
            "{:?}: {} of {} bytes, or others",
            about(),
            reply.body.len(),
            body.len()
        );
        answered.fetch_add(1, Ordering::Relaxed);
        if dice.throw(40) == 0 {
            browser.hang_up();
        }
    }
}

#[test]
fn sixty_four_clients_get_the_right_bodies_for_twenty_seconds() {
    let server = serving(2, 16);
    // More clients than threads, which httpd notes.
    server.allow_log("AH00484");
    let answered = AtomicU64::new(0);
    let end = Instant::now() + Duration::from_secs(20);
    std::thread::scope(|scope| {
        for number in 0..64 {
            let (port, answered) = (server.port(), &answered);
            scope.spawn(move || client(port, number, end, answered));
        }
    });
    let answered = answered.into_inner();
    say(&format!("{answered} answers"));
    assert!(answered > 2_000, "only {answered} answers");
    server.finish();
}

/// Anonymous memory in KiB and descriptors of all children.
fn state_of_children(server: &Server) -> (u64, usize) {
    let children = server.children();
    let kib = |pid: &i32| -> u64 {
        let text = status_field(*pid, "RssAnon").unwrap_or_default();
        text.split(' ')
            .next()
            .unwrap_or_default()
            .parse()
            .unwrap_or_default()
    };
    let memory = children.iter().map(kib).sum();
    let descriptors = children
        .iter()
        .filter_map(|&pid| open_descriptors(pid))
        .sum();
    (memory, descriptors)
}

/// Asks a fixed mix that many times over kept connections.
fn ask_many(server: &Server, count: usize) {
    const CLIENTS: usize = 4;
    let file = data_file();
    let asked: Vec<(Request, Vec<u8>)> = (0..6).map(|turn| steady(turn, &file)).collect();
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let asked = &asked;
            scope.spawn(move || {
                let mut browser = Browser::new(server.port());
                for turn in 0..count / CLIENTS {
                    let (request, body) = &asked[(turn + client) % asked.len()];
                    let reply = browser.ask(request).ok();
                    assert!(reply.body == *body, "another body");
                }
            });
        }
    });
}

/// The requests of [`ask_many`]: sizes that are the same every time.
fn steady(turn: usize, file: &[u8]) -> (Request, Vec<u8>) {
    match turn {
        0 => {
            let body = made(turn, 3_000);
            (Request::new("POST", "/echo").body(&body), body)
        }
        1 => (Request::get("/file?100,2000"), file[100..2_100].to_vec()),
        2 => (Request::get("/blocks?1,9000"), made(1, 9_000)),
        3 => (Request::get("/write?2,900"), made(2, 900)),
        _ => (Request::get("/plain?5,500"), made(5, 500)),
    }
}

#[test]
fn a_hundred_thousand_requests_do_not_make_a_child_grow() {
    let server = serving(1, 8);
    ask_many(&server, 20_000);
    let early = state_of_children(&server);
    ask_many(&server, 100_000);
    let late = state_of_children(&server);
    say(&format!("KiB, descriptors: {early:?} -> {late:?}"));
    // Ten bytes a request would be 1,000 KiB.
    assert!(late.0 <= early.0 + 700, "KiB: {early:?} -> {late:?}");
    assert!(late.1 <= early.1 + 2, "descriptors: {early:?} -> {late:?}");
    server.finish();
}

#[test]
fn failures_and_vanished_clients_do_not_make_a_child_grow() {
    only_rsgi!("its log lines differ");
    let server = serving(1, 8);
    let round = |count: usize| {
        for number in 0..count {
            let mut connection = server.connect();
            match number % 3 {
                0 => assert_eq!(connection.ask(&Request::get("/error?1,1")).status, 500),
                1 => {
                    connection.send(Request::get("/blocks?1,100000").to_bytes());
                    connection.head();
                    connection.reset();
                }
                _ => {
                    let mut bytes = Request::new("POST", "/echo")
                        .body(made(1, 60_000))
                        .to_bytes();
                    bytes.truncate(20_000);
                    connection.send(bytes);
                    connection.reset();
                }
            }
        }
        // Whatever is still running ends before the answers of these.
        ask_many(&server, 400);
    };
    round(600);
    let early = state_of_children(&server);
    round(3_000);
    let late = state_of_children(&server);
    say(&format!("KiB, descriptors: {early:?} -> {late:?}"));
    assert!(late.0 <= early.0 + 700, "KiB: {early:?} -> {late:?}");
    assert!(late.1 <= early.1 + 8, "descriptors: {early:?} -> {late:?}");
    server.expect_traceback("ValueError: on purpose");
    server.allow_log("OSError");
    server.allow_log("request data read error");
    server.finish();
}
