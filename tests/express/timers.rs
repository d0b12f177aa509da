//! The options of times, on running servers: each ends what it is about, and says so in the log.

use std::time::{Duration, Instant};

use super::Launcher;
use super::launcher::Run;
use crate::harness::{
    Connection, Reply, Request, comes_true, has_ended, only_rsgi, signal, wait_until,
};

/// Does what the path says; `X-Pid` names the process.
pub(super) const APP: &str = r#"
import ctypes, os, socket, time

if "LOADING" in os.environ:
    time.sleep(float(os.environ["LOADING"]))
if "BROKEN" in os.environ:
    raise ValueError("broken on purpose")

def application(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    headers = [("Content-Type", "text/plain"), ("X-Pid", str(os.getpid()))]
    body = b"fine"
    if path == "/sleep":
        time.sleep(float(query))
    elif path == "/hold":
        ctypes.PyDLL(None).sleep(60)
    elif path == "/busy":
        end = time.process_time() + float(query)
        while time.process_time() < end:
            pass
    elif path == "/caught":
        import mod_wsgi
        try:
            while True:
                time.sleep(0.01)
        except mod_wsgi.RequestTimeout:
            body = b"caught"
    elif path == "/size":
        body = b"x" * int(query)
    elif path == "/header":
        headers.append(("X-Long", "x" * int(query)))
    elif path == "/stream":
        start_response("200 OK", headers)
        return stream(float(query))
    elif path == "/buffers":
        body = buffers()
    start_response("200 OK", headers + [("Content-Length", str(len(body)))])
    return [body]

def stream(seconds):
    yield b"begun "
    time.sleep(seconds)
    yield b"and ended"

def buffers():
    """The kernel's buffers of this process's sockets: to write to, to read from."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            with socket.socket(fileno=os.dup(int(name))) as one:
                if one.type == socket.SOCK_STREAM:
                    found.add("%d/%d" % tuple(one.getsockopt(socket.SOL_SOCKET, which)
                                              for which in (socket.SO_SNDBUF, socket.SO_RCVBUF)))
        except OSError:
            pass
    return " ".join(sorted(found)).encode()
"#;

/// A server with one process and what its log tells about it.
pub(super) fn start(options: &str) -> Run {
    launcher(options).start()
}

fn launcher(options: &str) -> Launcher {
    let options: Vec<_> = options.split_whitespace().collect();
    Launcher::new()
        .file("a.py", APP)
        .args(&["a.py", "--processes", "1", "--log-level", "info"])
        .args(&options)
}

/// The process that answers now.
#[track_caller]
fn answering(run: &Run) -> i32 {
    let reply = run.get("/").ok();
    reply.header("x-pid").unwrap().parse().unwrap()
}

/// Asks for a target and does not wait for the answer.
pub(super) fn asked(run: &Run, target: &str) -> Connection {
    let mut connection = Connection::open(run.launcher.port());
    connection.set_read_timeout(Duration::from_secs(40));
    connection.send(Request::get(target).to_bytes());
    connection
}

/// Asks for something slow, and waits until it runs.
fn running(run: &Run, target: &str) -> Connection {
    let mut connection = asked(run, target);
    assert!(connection.is_silent(Duration::from_millis(200)), "{target}");
    connection
}

/// A process is gone, and the log says why, by the word that metrics have for it.
#[track_caller]
fn ends(run: &Run, pid: i32, reason: &str) {
    wait_until(&format!("the end of {pid} by {reason}"), || has_ended(pid));
    let (process, reason) = (
        format!("RSGI0436: process {pid} of group "),
        format!(" ends: shutdown reason {reason}, "),
    );
    let named = |line: &str| line.contains(&process) && line.contains(&reason);
    wait_until(&format!("{reason} of {pid} in the log"), || {
        run.log().lines().any(named)
    });
}

/// An answer and how long it took.
fn timed(ask: impl FnOnce() -> Reply) -> (Reply, Duration) {
    let begun = Instant::now();
    (ask(), begun.elapsed())
}

fn is_cut_off(status: u16) -> bool {
    [502, 504].contains(&status)
}

#[test]
fn request_timeout_replaces_a_process_within_the_grace_that_is_given() {
    only_rsgi!("the log says why");
    let run = start("--threads 1 --request-timeout 1 --graceful-timeout 1 --shutdown-timeout 1");
    let pid = answering(&run);
    let (reply, took) = timed(|| asked(&run, "/sleep?60").reply("GET"));
    assert!(is_cut_off(reply.status), "{}", reply.status);
    // With the usual graceful-timeout it would be fifteen seconds more.
    assert!(took < Duration::from_secs(12), "{took:?}");
    ends(&run, pid, "request_timeout");
    assert_ne!(answering(&run), pid);
}

#[test]
fn interrupt_timeout_raises_in_the_request_and_keeps_the_process() {
    only_rsgi!("the log says why");
    let run = start("--request-timeout 1 --interrupt-timeout 9");
    let pid = answering(&run);
    assert_eq!(run.text("/caught"), "caught");
    assert_eq!(answering(&run), pid);
}

#[test]
fn deadlock_timeout_replaces_a_process_that_holds_the_lock_of_python() {
    only_rsgi!("the log says why");
    let run = start("--deadlock-timeout 1 --shutdown-timeout 1");
    let pid = answering(&run);
    let mut stuck = asked(&run, "/hold");
    ends(&run, pid, "deadlock_timeout");
    assert!(is_cut_off(stuck.reply("GET").status));
}

#[test]
fn inactivity_timeout_replaces_a_process_that_is_only_asked_for_what_does_not_count() {
    only_rsgi!("the log says why");
    let run = start("--inactivity-timeout 1 --ignore-activity /ping");
    let pid = answering(&run);
    let is_replaced = comes_true(Duration::from_secs(15), || {
        run.get("/ping");
        std::thread::sleep(Duration::from_millis(100));
        has_ended(pid)
    });
    assert!(is_replaced, "{}", run.log());
    ends(&run, pid, "inactivity_timeout");
}

#[test]
fn startup_timeout_replaces_a_process_whose_application_does_not_load() {
    only_rsgi!("the log says why");
    // Only for Apache: the launcher itself has seen it load.
    let run = launcher("--startup-timeout 1 --shutdown-timeout 1 --graceful-timeout 1")
        .file("broken.sh", "BROKEN=1; export BROKEN\n")
        .args(&["--envvars-script", "broken.sh"])
        .start();
    assert_eq!(run.get("/").status, 500);
    wait_until("the reason", || {
        run.log().contains("shutdown reason startup_timeout,")
    });
}

#[test]
fn restart_interval_and_maximum_requests_replace_a_process() {
    only_rsgi!("the log says why");
    let run = start("--restart-interval 1");
    let pid = answering(&run);
    ends(&run, pid, "restart_interval");
    let run = start("--maximum-requests 3");
    let pid = answering(&run);
    for _ in 0..2 {
        assert_eq!(answering(&run), pid);
    }
    ends(&run, pid, "maximum_requests");
    assert_ne!(answering(&run), pid);
}

#[test]
fn cpu_time_limit_replaces_a_process() {
    only_rsgi!("the log says why");
    let run = start("--cpu-time-limit 1");
    let pid = answering(&run);
    run.text("/busy?1.1");
    ends(&run, pid, "cpu_time_limit");
}

#[test]
fn eviction_timeout_bounds_what_a_process_that_is_sent_away_finishes() {
    only_rsgi!("the log says why");
    let run = start("--eviction-timeout 1 --graceful-timeout 60 --shutdown-timeout 1");
    let pid = answering(&run);
    let mut stuck = running(&run, "/sleep?60");
    signal(pid, libc::SIGUSR1);
    ends(&run, pid, "eviction_signal");
    assert_eq!(stuck.reply("GET").status, 502);
}

#[test]
fn shutdown_timeout_bounds_the_end_of_a_process() {
    only_rsgi!("it is killed with Apache");
    let mut run = start("--shutdown-timeout 1");
    let pid = answering(&run);
    let stuck = running(&run, "/sleep?60");
    let begun = Instant::now();
    run.end(libc::SIGINT);
    // A process of its own time would have five seconds.
    let took = begun.elapsed();
    assert!(took < Duration::from_millis(4500), "{took:?}");
    assert!(has_ended(pid));
    drop(stuck);
}

#[test]
fn connect_timeout_bounds_the_wait_for_a_process_that_is_ready() {
    only_rsgi!("its socket takes connections before");
    // One that loads is waited for as long as for its words, and no less than for one that is not there.
    let run = launcher("--connect-timeout 2 --socket-timeout 1")
        .file("slow.sh", "LOADING=6; export LOADING\n")
        .args(&["--envvars-script", "slow.sh"])
        .start();
    let (reply, took) = timed(|| run.get("/"));
    assert_eq!(reply.status, 503);
    assert!(took > Duration::from_millis(1900), "{took:?}");
    let is_served = comes_true(Duration::from_secs(15), || run.get("/").status == 200);
    assert!(is_served, "{}", run.log());
}

#[test]
fn queue_timeout_bounds_the_wait_for_a_thread() {
    only_rsgi!("it looks only when a process takes the request");
    let run = start("--threads 1 --queue-timeout 1");
    let mut long = running(&run, "/sleep?3");
    let (reply, took) = timed(|| run.get("/"));
    assert_eq!(reply.status, 504);
    assert!(took > Duration::from_millis(900), "{took:?}");
    assert_eq!(long.reply("GET").status, 200);
}

#[test]
fn socket_timeout_bounds_the_silence_of_an_application() {
    only_rsgi!("the log says why");
    let run = start("--socket-timeout 1");
    assert_eq!(run.get("/sleep?4").status, 504);
    assert!(run.log().contains("RSGI0145"), "{}", run.log());
}

#[test]
fn response_socket_timeout_gives_up_a_client_that_reads_nothing() {
    only_rsgi!("the buffer is ours");
    let run = start("--threads 1 --response-socket-timeout 1 --response-buffer-size 65536");
    let mut silent = asked(&run, "/size?100000000");
    // The only thread, which that answer keeps until it is given up.
    wait_until("the thread is busy", || silent.bytes(1).is_some());
    assert_eq!(run.text("/"), "fine");
    assert!(silent.rest().len() < 100_000_000);
}

#[test]
fn response_flush_delay_holds_a_block_back_in_case_more_comes() {
    only_rsgi!("sends blocks as they come");
    for (delay, at_least) in [("0", 0), ("700", 650)] {
        let run = start(&format!("--response-flush-delay {delay}"));
        run.text("/");
        let begun = Instant::now();
        let mut stream = asked(&run, "/stream?1.5");
        assert_eq!(stream.head().status, 200);
        assert_eq!(stream.chunk().as_deref(), Some(b"begun ".as_slice()));
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(at_least), "{delay}: {took:?}");
        assert_eq!(stream.chunk().as_deref(), Some(b"and ended".as_slice()));
        assert!(begun.elapsed() >= Duration::from_millis(1400));
    }
}

#[test]
fn buffers_are_as_large_as_the_options_say() {
    only_rsgi!("its buffers are those of other sockets");
    // The kernel doubles what it is asked for.
    let run = start("--send-buffer-size 40000 --receive-buffer-size 50000");
    let told = run.text("/buffers");
    assert!(told.contains("80000"), "{told}");
    assert!(told.contains("100000"), "{told}");

    let run = start("--header-buffer-size 8192");
    assert_eq!(run.get("/header?6000").status, 200);
    assert!(run.get("/header?12000").status >= 500);

    // What fits into the buffer frees the thread, whatever the client's pace.
    let run = start("--threads 1 --response-buffer-size 65536 --queue-timeout 1");
    let mut silent = asked(&run, "/size?50000000");
    wait_until("the thread is busy", || silent.bytes(1).is_some());
    assert_eq!(run.get("/").status, 504);
    drop(silent);
    let run = start("--threads 1 --response-buffer-size 60000000 --queue-timeout 1");
    let mut silent = asked(&run, "/size?50000000");
    wait_until("the answer begins", || silent.bytes(1).is_some());
    let is_free = comes_true(Duration::from_secs(15), || run.get("/").status == 200);
    assert!(is_free, "{}", run.log());
}
