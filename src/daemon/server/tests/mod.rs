//! The server alone, with a handler that knows no Python.

#![allow(unsafe_code, reason = "makes what the layer would give the host")]

mod answers;
mod claims;

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread::JoinHandle;
use std::time::Duration;

use rsgi_bridge::abi::{self, Bytes};
use rsgi_bridge::host::{Blocks, HeadView, Outcome, ReadError, RequestHost, SendFlags, Sent};
use rsgi_bridge::serve::{Job, Next, RequestSource};
use rsgi_core::name::id;
use rsgi_core::wire::{
    AbortReason, BodyPlan, Decoded, Entries, Hello, RequestEncoder, RequestHead, ToChild,
    decode_to_child,
};

use super::*;
use crate::scoreboard::Layout;
use crate::sys::socket::{
    Interest, Waiting, message_pair, recv_with_fds, send_with_fds, stream_pair, wait_for,
};

const PATIENCE: Duration = Duration::from_secs(10);

/// Runs a function as the application; its argument is the script's name.
struct Handler<F>(F);

impl<F> RequestHandler for Handler<F>
where
    F: Fn(&str, &mut FrameHost<'_>) -> Outcome + Send + Sync + 'static,
{
    fn serve<S: RequestSource>(&self, _: u32, source: &mut S) -> bool {
        loop {
            let mut job = match source.next(true) {
                Next::Ready(job) => job,
                Next::None => continue,
                Next::End => return true,
            };
            let (request, host) = job.parts();
            let facts = request.facts();
            let script = String::from_utf8_lossy(facts.target.script).into_owned();
            // Only this server's hosts come here; the trait does not say so.
            let host = std::ptr::from_mut(host).cast::<FrameHost<'_>>();
            // SAFETY: `S` is a `Worker`, whose host is a `FrameHost`.
            let outcome = (self.0)(&script, unsafe { &mut *host });
            if let Err(job) = source.done(job, outcome, false) {
                assert!(source.done(job, outcome, true).is_ok());
            }
        }
    }
}

struct Running {
    server: Arc<Server>,
    board: Arc<Scoreboard>,
    intake: OwnedFd,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    fn new<F>(threads: u32, application: F) -> Self
    where
        F: Fn(&str, &mut FrameHost<'_>) -> Outcome + Send + Sync + 'static,
    {
        let layout = Layout {
            slots: 1,
            rows: 1,
            waiters: 4,
        };
        let board = Arc::new(Scoreboard::create(layout, "server").unwrap());
        let slot = board.slot(0).unwrap();
        slot.begin(1);
        slot.set_threads(threads);
        slot.set_state(SlotState::Ready);
        let (intake, theirs) = message_pair().unwrap();
        let settings = Settings {
            slot: 0,
            incarnation: 1,
            client_user: rustix::process::geteuid().as_raw(),
            socket_timeout: Duration::from_millis(300),
            send_buffer: 0,
            receive_buffer: 0,
        };
        let activity = Arc::new(Activity::new(threads, 0).unwrap());
        let server = Server::new(settings, Arc::clone(&board), activity, theirs).unwrap();
        let server = Arc::new(server);
        let handler = Arc::new(Handler(application));
        let threads = (1..=threads)
            .map(|number| {
                let (server, handler) = (Arc::clone(&server), Arc::clone(&handler));
                std::thread::spawn(move || server.work(number, &*handler))
            })
            .collect();
        Self {
            server,
            board,
            intake,
            threads,
        }
    }

    fn connect(&self) -> OwnedFd {
        let (ours, theirs) = stream_pair().unwrap();
        let hello = Hello {
            row: 0,
            incarnation: 1,
            pid: 1,
        };
        let slices = [IoSlice::new(&hello.encode())].map(|slice| slice.to_vec());
        let slices = [IoSlice::new(&slices[0])];
        send_with_fds(
            self.intake.as_fd(),
            &slices,
            &[theirs.as_fd()],
            Waiting::Never,
        )
        .unwrap();
        ours
    }

    fn busy(&self) -> u32 {
        self.board.slot(0).unwrap().busy()
    }

    fn stop(self) {
        self.server.stop();
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}

fn request(script: &str, plan: BodyPlan) -> Vec<u8> {
    let mut out = Vec::new();
    let head = RequestHead {
        application_group: b"",
        script: script.as_bytes(),
        callable: b"",
        resource: b"",
        mtime: None,
        target_flags: 0,
        request_flags: 0,
        request_start: 0,
        queue_start: 0,
        log_level: 6,
        constants: Entries::EMPTY,
    };
    let mut encoder = RequestEncoder::new(&mut out, &head);
    encoder.entry(id::REQUEST_METHOD, b"GET");
    encoder.finish(plan).unwrap();
    out
}

fn write(socket: &OwnedFd, bytes: &[u8]) {
    let count = send_with_fds(
        socket.as_fd(),
        &[IoSlice::new(bytes)],
        &[],
        Waiting::Allowed,
    );
    assert_eq!(count.unwrap(), bytes.len());
}

/// The frames of one answer, in short; ends at the frame that ends it, or where the connection does.
fn answer(socket: &OwnedFd) -> Vec<String> {
    let mut inbox = Vec::new();
    let mut seen = Vec::new();
    loop {
        while let Decoded::Frame { frame, used } = decode_to_child(&inbox).unwrap() {
            let (text, is_last) = match frame {
                ToChild::Head(head) => (format!("head {}", head.status), false),
                ToChild::Data(data) => (format!("data {}", data.len()), false),
                ToChild::Log { level, text } => (
                    format!("log {level} {}", String::from_utf8_lossy(text)),
                    false,
                ),
                ToChild::Whole => ("whole".to_owned(), false),
                ToChild::End => ("end".to_owned(), true),
                ToChild::Abort(AbortReason::Gone) => ("gone".to_owned(), true),
                ToChild::Abort(_) => ("abort".to_owned(), true),
                ToChild::Status(status) => (format!("status {status}"), true),
                ToChild::Stale => ("stale".to_owned(), true),
                other => (format!("{other:?}"), false),
            };
            inbox.drain(..used);
            seen.push(text);
            if is_last {
                return seen;
            }
        }
        assert!(
            wait_for(socket.as_fd(), Interest::Readable, PATIENCE).unwrap(),
            "{seen:?}"
        );
        let mut buffer = vec![0; 100_000];
        match recv_with_fds(socket.as_fd(), &mut buffer, Waiting::Never) {
            Ok(received) if received.bytes > 0 => inbox.extend(&buffer[..received.bytes]),
            Ok(_) => seen.push("closed".to_owned()),
            Err(error) => seen.push(format!("{:?}", error.kind())),
        }
        if matches!(seen.last(), Some(last) if last == "closed" || last == "ConnectionReset") {
            return seen;
        }
    }
}

/// Sends as the layer does.
fn send(host: &mut FrameHost<'_>, head: bool, blocks: &[&[u8]], flags: u32) -> Sent {
    let blocks: Vec<Bytes> = blocks.iter().map(|block| Bytes::new(block)).collect();
    let raw = abi::Head {
        status: 200,
        line: Bytes::new(b"200 OK"),
        headers: std::ptr::null(),
        count: 0,
        content_length: -1,
    };
    let pointer = if head {
        &raw const raw
    } else {
        std::ptr::null()
    };
    // SAFETY: null or alive until the end of this function.
    let head = unsafe { HeadView::from_raw(pointer) };
    // SAFETY: alive until the end of this function.
    let blocks = unsafe { Blocks::from_raw(blocks.as_ptr(), blocks.len()) };
    host.send(head, blocks, SendFlags::from_bits(flags))
}

#[test]
fn lines_for_the_log_come_at_once_and_only_those_that_are_wanted() {
    let barrier = Arc::new(Barrier::new(2));
    let inside = Arc::clone(&barrier);
    let running = Running::new(1, move |_, host| {
        host.log(7, b"not wanted");
        host.log(6, b"wanted");
        inside.wait();
        let _ = send(host, true, &[], abi::SEND_END);
        Outcome::Handled
    });
    let socket = running.connect();
    write(&socket, &request("x", BodyPlan::None));
    assert!(wait_for(socket.as_fd(), Interest::Readable, PATIENCE).unwrap());
    barrier.wait();
    assert_eq!(answer(&socket), ["log 6 wanted", "head 200", "end"]);
    running.stop();
}

#[test]
fn a_panic_in_a_worker_ends_what_it_ran() {
    let running = Running::new(1, |_, _| Outcome::Status(404));
    let mut worker = Worker::new(&running.server, 1);
    let activity = running.server.activity();
    worker.panicked("between two requests");
    assert_eq!(activity.finished(), 0);
    activity.begin(1, 77);
    worker.panicked("in a request");
    assert_eq!(activity.running().count(), 0);
    assert_eq!(activity.finished(), 1);
    running.stop();
}

#[test]
fn streamed_bodies_end_as_the_child_says() {
    use rsgi_core::wire::{BodyOutcome, body_header, push_body_end};
    let running = Running::new(1, |_, host| {
        let mut buffer = [0; 3];
        let mut seen = Vec::new();
        let end = loop {
            match host.read(&mut buffer) {
                Ok(0) => break "complete".to_owned(),
                Ok(count) => seen.extend_from_slice(&buffer[..count]),
                Err(error) => break error.to_string(),
            }
        };
        let line = format!("{} {end}", String::from_utf8_lossy(&seen));
        host.log(3, line.as_bytes());
        let _ = send(host, true, &[], abi::SEND_END);
        Outcome::Handled
    });
    let socket = running.connect();
    for (outcome, text) in [
        (BodyOutcome::Complete, "complete".to_owned()),
        (BodyOutcome::Gone, ReadError::Gone.to_string()),
        (BodyOutcome::Timeout, ReadError::Timeout.to_string()),
        (BodyOutcome::TooLarge, ReadError::TooLarge.to_string()),
    ] {
        write(&socket, &request("x", BodyPlan::Stream));
        let mut body = body_header(5).unwrap().to_vec();
        body.extend_from_slice(b"hello");
        push_body_end(&mut body, outcome);
        assert!(wait_for(socket.as_fd(), Interest::Readable, PATIENCE).unwrap());
        write(&socket, &body);
        let line = format!("log 3 hello {text}");
        assert_eq!(
            answer(&socket),
            ["NeedBody", line.as_str(), "head 200", "end"]
        );
    }
    running.stop();
}

#[test]
fn nothing_is_taken_after_the_stop() {
    let running = Running::new(2, |_, _| Outcome::Status(500));
    let socket = running.connect();
    write(&socket, &request("x", BodyPlan::None));
    answer(&socket);
    running.server.stop();
    write(&socket, &request("x", BodyPlan::None));
    let Running {
        server, threads, ..
    } = running;
    for thread in threads {
        thread.join().unwrap();
    }
    drop(server);
    let error = recv_with_fds(socket.as_fd(), &mut [0; 8], Waiting::Never).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn a_request_that_does_not_come_whole_is_let_go_after_a_while() {
    let running = Running::new(1, |_, _| Outcome::Status(404));
    let whole = request("a", BodyPlan::None);
    let (idle, half) = (running.connect(), running.connect());
    write(&idle, &whole);
    answer(&idle);
    write(&half, &whole[..whole.len() / 2]);
    let is_closed = |socket: &OwnedFd| {
        running.server.close_older_than(Duration::ZERO);
        wait_for(socket.as_fd(), Interest::Readable, Duration::from_millis(5)).unwrap()
    };
    let begun = Instant::now();
    while !is_closed(&half) {
        assert!(begun.elapsed() < PATIENCE, "it is kept");
    }
    assert!(!is_closed(&idle), "one without a request stays");
    write(&idle, &whole);
    assert!(!answer(&idle).is_empty());
    running.stop();
}
