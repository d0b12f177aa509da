//! What the tables in tests/parity name of process groups and no other file is about: values that each option refuses,
//! buffers and delays between Apache and a process, lines that are only read.

use crate::directives::refuses;
use crate::harness::{Request, Server, UnderTest, only_rsgi, under_test};

const HELLO: &str = "def application(e, s):\n    s('200 OK', [])\n    return [b'application']\n";

/// Every option with a value that it refuses.
const REFUSED: [&str; 44] = [
    "user=",
    "group=",
    "supplementary-groups=no-such-group",
    "processes=0",
    "threads=65534",
    "umask=9",
    "chroot=jail",
    "home=tmp",
    "lang",
    "locale",
    "python-home",
    "python-path",
    "python-eggs",
    "switch-interval=0",
    "stack-size=0",
    "maximum-requests=-1",
    "startup-timeout=-1",
    "shutdown-timeout=-1",
    "deadlock-timeout=-1",
    "inactivity-timeout=-1",
    "request-timeout=-1",
    "interrupt-timeout=-1",
    "graceful-timeout=-1",
    "eviction-timeout=-1",
    "restart-interval=-1",
    "connect-timeout=-1",
    "socket-timeout=-1",
    "queue-timeout=-1",
    "listen-backlog=-1",
    "display-name",
    "send-buffer-size=511",
    "receive-buffer-size=511",
    "header-buffer-size=8191",
    "response-buffer-size=65535",
    "response-socket-timeout=-1",
    "response-flush-delay=-1",
    "socket-user=",
    "script-user=",
    "script-group=",
    "cpu-time-limit=-1",
    "cpu-priority=",
    "memory-limit=-1",
    "virtual-memory-limit=-1",
    "server-metrics=maybe",
];

#[test]
fn every_option_refuses_a_value_that_means_nothing_and_is_named() {
    for option in REFUSED {
        let (name, _) = option.split_once('=').unwrap_or((option, ""));
        let words: &[&str] = match under_test() {
            UnderTest::Rsgi => &["httpd.conf", "line ", "`shop`", name],
            UnderTest::ModWsgi => &[],
        };
        refuses(&format!("WSGIDaemonProcess shop {option}"), words);
    }
}

/// The sizes of the buffers for sending of all sockets of a process, as the kernel counts them, twice of what was asked.
const BUFFERS: &str = r#"
import os, socket
def application(environ, start_response):
    start_response("200 OK", [])
    sizes = []
    for name in os.listdir("/proc/self/fd"):
        try:
            if not os.readlink("/proc/self/fd/" + name).startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(name))) as one:
                sizes.append(one.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF))
        except OSError:
            pass
    return [repr(sorted(sizes)).encode()]
"#;

#[test]
fn buffers_between_apache_and_a_group_have_the_sizes_that_are_asked_for() {
    only_rsgi!("its sockets are made in another way");
    let server = Server::builder()
        .daemon(
            "app",
            "processes=1 threads=1 send-buffer-size=40000 receive-buffer-size=70000",
        )
        .app("app.wsgi", BUFFERS)
        .conf(
            "WSGIApplicationGroup %{GLOBAL}\nWSGIScriptAlias /daemon @APPS@/app.wsgi\n\
             WSGIScriptAlias /child @APPS@/app.wsgi process-group=%{GLOBAL}",
        )
        .start();
    let daemon = server.text("/daemon");
    assert!(daemon.contains("80000"), "{daemon}");
    // What the child sends is what the process receives.
    let child = server.text("/child");
    assert!(child.contains("140000"), "{child}");
    server.finish();
}

#[test]
fn blocks_that_come_within_response_flush_delay_leave_together() {
    let app = r#"
import os, time
def application(environ, start_response):
    start_response("200 OK", [])
    yield b"first"
    limit = time.monotonic() + float(environ["QUERY_STRING"])
    while time.monotonic() < limit and not os.path.exists("@WORK@/seen"):
        time.sleep(0.01)
    open("@WORK@/events", "w").write("last\n")
    yield b"last"
"#;
    for (delay, pause, leaves_at_once) in [(0, 20.0, true), (5000, 0.3, false)] {
        let server = Server::builder()
            .daemon(
                "app",
                &format!("processes=1 threads=1 response-flush-delay={delay}"),
            )
            .serve(app)
            .start();
        let mut connection = server.connect();
        connection.send(Request::get(&format!("/?{pause}")).to_bytes());
        assert_eq!(connection.head().status, 200);
        assert_eq!(connection.chunk(), Some(b"first".to_vec()));
        assert_eq!(
            server.events().is_empty(),
            leaves_at_once,
            "response-flush-delay={delay}"
        );
        server.write("work/seen", "");
        assert_eq!(connection.chunk(), Some(b"last".to_vec()));
        server.finish();
    }
}

#[test]
fn a_process_is_free_of_what_fits_in_response_buffer_size() {
    only_rsgi!("it keeps nothing for a slow client: the size is that between two flushes");
    let app = "def application(environ, start_response):\n    start_response('200 OK', [])\n    \
               return [b'x' * int(environ['QUERY_STRING'])]\n";
    let server = Server::builder()
        .daemon(
            "app",
            "processes=1 threads=1 response-buffer-size=90000000 response-socket-timeout=30",
        )
        .serve(app)
        .threads(16)
        .start();
    // It reads nothing of its answer; the only thread answers others all the same.
    let mut silent = server.connect();
    silent.send(Request::get("/?60000000").to_bytes());
    assert_eq!(server.text("/?3"), "xxx");
    assert_eq!(silent.reply("GET").ok().body.len(), 60_000_000);
    server.finish();
}

/// Lines that mod_wsgi needs and that mean nothing here.
const ONLY_READ: &str = "WSGISocketPrefix @ROOT@/run/wsgi\nWSGISocketRotation Off\n\
    WSGIAcceptMutex flock\nWSGIVerboseDebugging On\n\
    <Location />\nWSGIGroupAuthoritative Off\n</Location>";

#[test]
fn what_only_mod_wsgi_needs_is_read_and_changes_nothing() {
    only_rsgi!("it has sockets and locks in the file system");
    let server = Server::builder()
        .daemon(
            "app",
            "processes=2 threads=2 listen-backlog=1 socket-user=#0",
        )
        .serve(HELLO)
        .conf(ONLY_READ)
        .file("run/.keep", b"")
        .start();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(server.text("/"), "application"));
        }
    });
    let files: Vec<_> = std::fs::read_dir(server.root().join("run"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(files, [".keep"]);
    server.expect_log("WSGIVerboseDebugging has no effect");
    server.finish();
}

#[test]
fn a_request_buffer_keeps_half_a_body_from_the_only_thread_and_off_does_not() {
    only_rsgi!("it has no such setting");
    let app = r#"
def application(environ, start_response):
    length = environ.get("CONTENT_LENGTH")
    if length:
        open("@WORK@/events", "w").write("begun\n")
        environ["wsgi.input"].read()
    start_response("200 OK", [])
    return [b"ok"]
"#;
    let server = Server::builder()
        .daemon("app", "processes=1 threads=1")
        .serve(app)
        .conf("<Location /off>\nRSGIRequestBuffer Off\n</Location>\nRSGIRequestBuffer 1000")
        .start();
    let half = |path: &str| {
        let mut connection = server.connect();
        let whole = Request::new("POST", path).body("0123456789").to_bytes();
        connection.send(&whole[..whole.len() - 5]);
        connection
    };
    let mut waiting = half("/on");
    assert_eq!(server.text("/"), "ok");
    assert!(server.events().is_empty());
    waiting.send("56789");
    assert_eq!(waiting.reply("POST").ok().text(), "ok");
    std::fs::remove_file(server.root().join("work/events")).unwrap();
    let mut begun = half("/off");
    server.wait_for_file("work/events", "begun");
    begun.send("56789");
    assert_eq!(begun.reply("POST").ok().text(), "ok");
    server.finish();
}
