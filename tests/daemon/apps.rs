//! Applications that do what no application should: each has its documented answer, the next request works, and the
//! log says what happened.

use std::time::{Duration, Instant};

use super::{grouped, millis};
use crate::harness::{
    Connection, Load, Request, Server, UnderTest, has_ended, id, needs_gil, only_rsgi, under_test,
    wait_until,
};

/// Runs the statement of the query; `/good` is a request like any other.
pub(super) const EVIL: &str = r#"
import ctypes, os, signal, sys, threading, time, urllib.parse

def application(environ, start_response):
    if environ["PATH_INFO"] == "/good":
        start_response("200 OK", [("Content-Length", "4"), ("X-Pid", str(os.getpid()))])
        return [b"good"]
    names = dict(globals(), environ=environ, start_response=start_response)
    exec(urllib.parse.unquote(environ["QUERY_STRING"]), names)
    if "answer" in names:
        return names["answer"]
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"#;

pub(super) fn evil(options: &str) -> Server {
    grouped(options, EVIL).log_level("notice").start()
}

/// A request that runs these statements.
pub(super) fn running(code: &str) -> Request {
    let escape = |byte: u8| -> String {
        if byte.is_ascii_alphanumeric() {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    let query: String = code.bytes().map(escape).collect();
    Request::get(&format!("/?{query}"))
}

#[track_caller]
pub(super) fn process(server: &Server) -> i32 {
    let reply = server.get("/good").ok();
    assert_eq!(reply.text(), "good");
    reply.header("X-Pid").unwrap().parse().unwrap()
}

#[test]
fn system_exit_is_a_500_and_the_process_goes_on() {
    let server = evil("processes=1 threads=3");
    let pid = process(&server);
    assert_eq!(server.ask(&running("sys.exit(1)")).status, 500);
    assert_eq!(process(&server), pid);
    server.expect_log(&id("0175"));
    server.expect_error("SystemExit");
    server.finish();
}

#[test]
fn a_child_forked_by_the_application_harms_nobody() {
    let server = evil("processes=1 threads=3");
    let pid = process(&server);
    // One that ends at once, one that outlives the request, one that executes a program.
    for code in [
        "pid = os.fork()\nif pid == 0: os._exit(0)\nos.waitpid(pid, 0)",
        "pid = os.fork()\nif pid == 0:\n  time.sleep(1)\n  os._exit(0)",
        "import subprocess\nassert subprocess.check_output(['/bin/echo', 'x']) == b'x\\n'",
    ] {
        let reply = server.ask(&running(code)).ok();
        assert_eq!(reply.text(), "ok", "{code}");
        assert_eq!(process(&server), pid);
    }
    server.finish();
}

#[test]
fn a_forked_child_that_returns_from_the_application_sends_nothing() {
    only_rsgi!("both processes answer into the same socket");
    let server = evil("processes=1 threads=3");
    let pid = process(&server);
    let mut connection = server.connect();
    for _ in 0..3 {
        let reply = connection.ask(&running("os.fork()")).ok();
        assert_eq!(reply.text(), "ok");
        assert_eq!(process(&server), pid);
    }
    // The children are gone.
    wait_until("no process but the daemon is left", || {
        let daemons: Vec<i32> = server.daemons();
        daemons == [pid]
    });
    server.allow_log("RSGI0446");
    server.finish();
}

#[test]
fn programs_that_an_application_starts_inherit_no_signal_mask_and_no_descriptor() {
    only_rsgi!("it blocks nothing, but leaves its sockets to them");
    let server = evil("processes=1 threads=3");
    let code = "import subprocess\n\
        text = subprocess.check_output(['/bin/sh', '-c', 'cat /proc/self/status; ls -l /proc/self/fd'], close_fds=False)\n\
        start_response('200 OK', [])\nanswer = [text]";
    let text = server.ask(&running(code)).ok().text();
    let blocked = text.lines().find(|l| l.starts_with("SigBlk:")).unwrap();
    assert!(blocked.ends_with("0000000000000000"), "{blocked}");
    for kind in ["socket:", "memfd:", "anon_inode:", "pidfd"] {
        assert!(!text.contains(kind), "{text}");
    }
    server.finish();
}

#[test]
fn an_application_that_closes_all_descriptors_costs_its_own_requests_only() {
    let server = evil("processes=1 threads=3 shutdown-timeout=2");
    let pid = process(&server);
    let reply = server.ask(&running("os.closerange(0, 1000)"));
    // Its own answer cannot come: the connection that it came on is closed as well.
    if under_test() == UnderTest::Rsgi {
        assert_eq!(reply.status, 502, "{}", reply.text());
        server.expect_log("RSGI0146");
    } else {
        assert_ne!(reply.status, 200, "{}", reply.text());
    }
    // A process like that is of no use to anybody: it ends, and another serves.
    wait_until("another process serves", || {
        let reply = server.get("/good");
        reply.status == 200 && reply.header("X-Pid") != Some(pid.to_string().as_str())
    });
    wait_until("the first is gone", || has_ended(pid));
    let report = Load::on(server.port())
        .clients(3)
        .most(5)
        .run(|_, _| crate::harness::Ask::new(Request::get("/good"), "good"));
    report.lost_nothing();
    for text in ["RSGI", "WSGI01", "OSError", "Bad file", "exit signal", "AH"] {
        server.allow_log(text);
    }
    server.finish();
}

#[test]
fn an_application_that_holds_the_gil_in_c_stops_its_own_process_only() {
    needs_gil!("none is held");
    let server =
        evil("processes=2 threads=3 deadlock-timeout=1 shutdown-timeout=1 request-timeout=0");
    let pids = || {
        let ask = |_| process(&server);
        let mut all: Vec<i32> = (0..12).map(ask).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    let begun = Instant::now();
    let mut stuck = server.connect();
    stuck.send(running("ctypes.PyDLL(None).sleep(60)").to_bytes());
    assert!(stuck.is_silent(millis(300)));
    if under_test() == UnderTest::Rsgi {
        // The other process answers all this time.
        while begun.elapsed() < millis(1500) {
            let asked = Instant::now();
            process(&server);
            assert!(asked.elapsed() < millis(1500), "{:?}", asked.elapsed());
        }
    }
    let reply = stuck.reply("GET");
    assert!(
        [502, 504].contains(&reply.status),
        "{} {}",
        reply.status,
        reply.text()
    );
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
    assert!(!pids().is_empty());
    for text in [
        "RSGI",
        "WSGI",
        "deadlock",
        "Aborting process",
        "exit signal",
    ] {
        server.allow_log(text);
    }
    if under_test() == UnderTest::Rsgi {
        server.expect_log("deadlock");
    }
    server.allow_stacks();
    server.finish();
}

#[test]
fn threads_that_an_application_leaves_behind_do_not_keep_a_process_from_ending() {
    let mut server = evil("processes=1 threads=3 shutdown-timeout=3");
    let code = "def forever():\n  while True: time.sleep(0.05)\n\
                threading.Thread(target=forever, daemon=True).start()";
    // Functions of a class dictionary see the globals of the exec only.
    let code = code.replace(
        "def forever():",
        "import time\nglobal forever\ndef forever():\n  import time",
    );
    server.ask(&running(&code)).ok();
    let begun = Instant::now();
    server.control("stop");
    server.wait_until_ended();
    assert!(
        begun.elapsed() < Duration::from_secs(6),
        "{:?}",
        begun.elapsed()
    );
    server.allow_log("AH0004");
    server.finish();
}

#[test]
fn what_c_code_and_children_write_to_the_terminal_reaches_the_error_log() {
    let server = evil("processes=1 threads=3");
    server
        .ask(&running(
            "os.write(2, b'raw two\\n'); os.write(1, b'raw one\\n')",
        ))
        .ok();
    server
        .ask(&running(
            "import subprocess; subprocess.call(['/bin/sh', '-c', 'echo from a child >&2'])",
        ))
        .ok();
    server.expect_log("raw two");
    server.expect_log("from a child");
    if under_test() == UnderTest::Rsgi {
        server.expect_log("raw one");
    }
    server.finish();
}

#[test]
fn a_flood_of_output_does_not_stop_the_application() {
    let server = evil("processes=1 threads=3");
    let begun = Instant::now();
    server
        .ask(&running(
            "for n in range(20000): os.write(2, b'x' * 100 + b'\\n')",
        ))
        .ok();
    server
        .ask(&running(
            "for n in range(5000): environ['wsgi.errors'].write('y' * 200 + chr(10))",
        ))
        .ok();
    process(&server);
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    server.allow_log("xxx");
    server.allow_log("yyy");
    server.allow_log("RSGI");
    server.finish();
}

#[test]
fn an_application_that_answers_before_the_request_is_read_is_heard() {
    let server = evil("processes=1 threads=3");
    let mut connection: Connection = server.connect();
    let head = String::from_utf8(running("pass").to_bytes()).unwrap();
    let post = head.replacen("GET", "POST", 1).replacen(
        "\r\n\r\n",
        "\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n",
        1,
    );
    connection.send(post);
    let reply = connection.reply("POST");
    if under_test() == UnderTest::Rsgi {
        assert_eq!((reply.status, reply.text().as_str()), (200, "ok"));
    }
    drop(connection);
    process(&server);
    server.allow_log_of_mod_wsgi("WSGI0126");
    server.finish();
}
