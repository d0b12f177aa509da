//! Children that break the rules: the connection is closed with one line in the log, the process goes on.

use std::os::fd::AsFd;
use std::time::Duration;

use rsgi_core::wire::Hello;
use rsgi_daemon::sys::socket::{Interest, stream_pair, wait_for};
use rustix::process::Uid;

use crate::harness::{Answer, Child, Daemon, Form, Request, pass, until};

const APP: &str = "
def application(environ, start_response):
    start_response('200 OK', [])
    return [environ['wsgi.input'].read() or b'ok']
";

fn is_closed(child: &mut Child) -> bool {
    let mut answer = Answer::default();
    child.step(&mut answer);
    answer.closed.is_some()
}

#[test]
fn garbage_closes_the_connection_with_one_line() {
    let daemon = Daemon::start(APP, |_| {});
    let mut other = daemon.connect();
    let request = other.encode(&Request::get("/"));
    let twice = [&request[..], &request].concat();
    let body = {
        let mut out = rsgi_core::wire::body_header(1).unwrap().to_vec();
        out.push(b'x');
        out
    };
    let huge = [0xff; 64];
    // The last entry, SERVER_PROTOCOL, with a key that does not exist.
    let mut unread = request.clone();
    let key = unread.len() - b"HTTP/1.1".len() - 6;
    unread[key..key + 2].fill(0xff);
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &huge,
        &twice,
        &body,
        &unread,
    ] {
        let mut child = daemon.connect();
        child.write(bytes);
        assert!(is_closed(&mut child));
        assert!(other.ask(&Request::get("/")).is_ended);
    }
    until("a line for each", || {
        let log = daemon.log();
        let told = log.iter().filter(|line| line.contains("RSGI0420"));
        told.count() == 5
    });
}

#[test]
fn descriptors_that_do_not_belong_there_close_the_connection() {
    let daemon = Daemon::start(APP, |_| {});
    let (pipe, _keep) = stream_pair().unwrap();
    let send = |child: &Child, bytes: &[u8], fds: &[std::os::fd::BorrowedFd<'_>]| {
        let slices = [std::io::IoSlice::new(bytes)];
        let waiting = rsgi_daemon::sys::socket::Waiting::Allowed;
        rsgi_daemon::sys::socket::send_with_fds(child.socket(), &slices, fds, waiting).unwrap();
    };
    // Announced by nobody, announced and not sent, no regular file.
    let mut child = daemon.connect();
    send(&child, &child.encode(&Request::get("/")), &[pipe.as_fd()]);
    assert!(is_closed(&mut child));
    let request = Request::post("/", b"body", Form::File);
    let mut child = daemon.connect();
    child.write(&child.encode(&request));
    assert!(is_closed(&mut child));
    let mut child = daemon.connect();
    send(&child, &child.encode(&request), &[pipe.as_fd()]);
    assert!(is_closed(&mut child));
    assert!(daemon.connect().ask(&Request::get("/")).is_ended);
}

#[test]
fn half_a_request_holds_no_thread() {
    let daemon = Daemon::start(APP, |config| config.options.threads = 1);
    let mut slow: Vec<Child> = (0..5).map(|_| daemon.connect()).collect();
    let request = slow[0].encode(&Request::post("/", &vec![b'b'; 50_000], Form::Inline));
    let (first, rest) = request.split_at(40_000);
    for child in &slow {
        child.write(first);
    }
    let mut quick = daemon.connect();
    for _ in 0..3 {
        assert_eq!(quick.ask(&Request::get("/")).text(), "ok");
    }
    assert_eq!(daemon.slot().busy(), 0);
    for child in &mut slow {
        child.write(rest);
        let answer = child.answer();
        assert!(answer.is_ended && answer.body.len() == 50_000);
    }
}

#[test]
fn a_request_that_comes_byte_by_byte_is_a_request() {
    let daemon = Daemon::start(APP, |config| config.options.threads = 1);
    let mut child = daemon.connect();
    for byte in child.encode(&Request::post("/", b"slowly", Form::Inline)) {
        child.write(&[byte]);
    }
    assert_eq!(child.answer().text(), "slowly");
}

#[test]
fn connections_for_another_process_and_messages_that_are_none_are_closed() {
    let daemon = Daemon::start(APP, |_| {});
    let script = daemon.path("app.wsgi");
    // The process before this one had number 0: closed without a word.
    let mut late = Child::connect(daemon.intake(), 0, script.clone());
    // It may be closed before or after these bytes.
    let _ = late.try_write(b"anything");
    assert!(is_closed(&mut late));
    let (ours, theirs) = stream_pair().unwrap();
    for message in [&b""[..], b"x", &[0; 24], &[7; 100]] {
        pass(daemon.intake(), message, &[theirs.as_fd()]);
    }
    let hello = Hello {
        row: 0,
        incarnation: 1,
        pid: 1,
    };
    let file = tempfile::tempfile().unwrap();
    pass(daemon.intake(), &hello.encode(), &[]);
    pass(daemon.intake(), &hello.encode(), &[file.as_fd()]);
    drop(theirs);
    let patience = Duration::from_secs(10);
    assert!(wait_for(ours.as_fd(), Interest::Readable, patience).unwrap());
    assert!(daemon.connect().ask(&Request::get("/")).is_ended);
    daemon.expect_line("RSGI0425");
}

#[test]
fn a_child_that_goes_away_in_the_middle_costs_nothing() {
    let daemon = Daemon::start(APP, |_| {});
    for _ in 0..20 {
        let child = daemon.connect();
        let request = child.encode(&Request::post("/", &vec![b'b'; 5_000], Form::Inline));
        child.write(&request[..1000]);
        drop(child);
        let child = daemon.connect();
        child.send(&Request::post("/", b"body", Form::Stream));
        drop(child);
        let child = daemon.connect();
        child.send(&Request::get("/"));
        drop(child);
    }
    let mut child = daemon.connect();
    for _ in 0..5 {
        assert!(child.ask(&Request::get("/")).is_ended);
    }
    assert!(
        !daemon.log().iter().any(|line| line.contains("RSGI")),
        "{:#?}",
        daemon.log()
    );
}

#[test]
fn a_connection_of_another_user_than_apaches_is_refused() {
    if !rustix::process::geteuid().is_root() {
        println!("not root: nothing was tested");
        return;
    }
    let daemon = Daemon::start(APP, |config| config.client_user = 1);
    // A connection is of who made it: a thread that is somebody else from here on, as threads may be for the kernel.
    let of = |user: u32| {
        let make = move || {
            let user = Uid::from_raw(user);
            rustix::thread::set_thread_res_uid(None::<Uid>, user, None::<Uid>).unwrap();
            stream_pair().unwrap()
        };
        let (socket, theirs) = std::thread::spawn(make).join().unwrap();
        let hello = Hello {
            row: 0,
            incarnation: 1,
            pid: std::process::id(),
        };
        pass(daemon.intake(), &hello.encode(), &[theirs.as_fd()]);
        socket
    };
    let refused = of(65_534);
    let line = daemon.expect_line("RSGI0425");
    assert!(line.contains("it is of user 65534"), "{line}");
    assert!(wait_for(refused.as_fd(), Interest::Readable, Duration::from_secs(20)).unwrap());
    // Apache's own is taken, and so is the process's.
    let taken = of(1);
    assert!(daemon.connect().ask(&Request::get("/")).is_ended);
    assert!(!wait_for(taken.as_fd(), Interest::Readable, Duration::ZERO).unwrap());
    assert_eq!(
        daemon
            .log()
            .iter()
            .filter(|line| line.contains("RSGI0425"))
            .count(),
        1
    );
}
