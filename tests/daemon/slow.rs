//! Slow clients hold no thread of an application: the fast ones keep their rate and their latency.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::{group, millis, mixed};
use crate::harness::{Load, Report, Server, only_rsgi, say, wait_until};

const SLOW: usize = 200;

/// Room for the slow ones and the fast ones in Apache's children.
fn roomy(options: &str) -> Server {
    group(options)
        .processes(2)
        .threads(128)
        .conf("SendBufferSize 8192\nTimeout 60\nMaxMemFree 64")
        .log_level("notice")
        .start()
}

/// Clients that do something one byte at a time, all in one thread, until they are told to stop.
fn slow_clients(
    server: &Server,
    open: impl Fn(&Server) -> TcpStream + Sync,
    step: impl Fn(&mut TcpStream) + Sync,
    work: impl FnOnce(),
) {
    let stop = AtomicBool::new(false);
    let steps = AtomicUsize::new(0);
    let mut streams: Vec<TcpStream> = (0..SLOW).map(|_| open(server)).collect();
    for stream in &streams {
        stream.set_nonblocking(true).unwrap();
    }
    std::thread::scope(|scope| {
        let (stop, steps, step) = (&stop, &steps, &step);
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                for stream in &mut streams {
                    step(stream);
                }
                steps.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(millis(60));
            }
        });
        wait_until("the slow clients are at it", || {
            steps.load(Ordering::Relaxed) >= 5
        });
        // What they asked for has been answered by now, as far as anybody holds it for them.
        std::thread::sleep(Duration::from_secs(2));
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    });
}

fn fast(server: &Server) -> Report {
    let load = Load::on(server.port())
        .clients(8)
        .lasting(Duration::from_secs(2))
        .pause(millis(2));
    let report = load.run(mixed);
    report.lost_nothing();
    report
}

/// Compares the fast clients with themselves beside the slow ones, near each other in time.
#[track_caller]
fn keeps_its_rate(
    server: &Server,
    open: impl Fn(&Server) -> TcpStream + Sync,
    step: impl Fn(&mut TcpStream) + Sync,
) {
    fast(server);
    let mut seen = Vec::new();
    for _ in 0..3 {
        let alone = fast(server);
        let mut beside = None;
        slow_clients(server, &open, &step, || beside = Some(fast(server)));
        let beside = beside.unwrap();
        alone.say("alone");
        beside.say("beside slow clients");
        let rate = beside.rate() / alone.rate();
        let tail = beside.p99().as_secs_f64() / (alone.p99() + millis(2)).as_secs_f64();
        seen.push((rate, tail));
        // A round that the machine disturbed says nothing.
        if rate >= 0.8 && tail <= 1.25 {
            break;
        }
    }
    say(&format!("rate, p99 beside/alone: {seen:?}"));
    assert!(
        seen.iter()
            .any(|(rate, tail)| *rate >= 0.8 && *tail <= 1.25),
        "{seen:?}"
    );
}

fn receive_buffer(stream: &TcpStream, size: libc::c_int) {
    // SAFETY: the descriptor is open and the option points to an integer of the given size.
    unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUF,
            (&raw const size).cast(),
            libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap(),
        );
    }
}

#[test]
fn clients_that_post_a_byte_at_a_time_do_not_slow_the_others_down() {
    only_rsgi!("0 requests a second for the others");
    let server = roomy("processes=2 threads=5");
    keeps_its_rate(
        &server,
        |server| {
            let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
            stream
                .write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\n")
                .unwrap();
            stream
        },
        |stream| {
            stream.write_all(b"x").ok();
        },
    );
    server.allow_log("RSGI");
    server.allow_log("AH");
    server.finish();
}

#[test]
fn clients_that_read_a_byte_at_a_time_do_not_slow_the_others_down() {
    only_rsgi!("0 requests a second for the others");
    let server = roomy("processes=2 threads=5");
    keeps_its_rate(
        &server,
        |server| {
            let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
            receive_buffer(&stream, 4096);
            stream
                .write_all(b"GET /size?1000000 HTTP/1.1\r\nHost: x\r\n\r\n")
                .unwrap();
            stream
        },
        |stream| {
            let mut byte = [0];
            let _ = stream.read(&mut byte);
        },
    );
    server.allow_log("RSGI");
    server.allow_log("AH");
    server.finish();
}

#[test]
fn a_slow_reader_gets_every_byte_of_its_answer() {
    only_rsgi!("the only thread waits for the reader");
    let server = group("processes=1 threads=1").start();
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    stream
        .write_all(b"GET /size?6000000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    std::thread::sleep(millis(300));
    // The only thread is free although nothing has been read.
    assert_eq!(server.text("/?a"), "a".repeat(50));
    let mut all: Vec<u8> = Vec::new();
    let mut part = [0; 100_000];
    while let Ok(count) = stream.read(&mut part) {
        if count == 0 {
            break;
        }
        all.extend(&part[..count]);
        std::thread::sleep(millis(3));
    }
    let start = all.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(all.len() - start, 6_000_000);
    assert!(all[start..].iter().all(|&b| b == b'x'));
    server.finish();
}
