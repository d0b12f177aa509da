//! How long a process that is to end may take, what bounds it, and what the log says of a request that was cut.

use std::time::{Duration, Instant};

use super::{answering, grouped};
use crate::harness::{
    Builder, Connection, Request, Server, comes_true, has_ended, id, only_rsgi, signal, wait_until,
};

/// `/work?SECONDS` notes when it begins and when it is done.
const WORKING: &str = r#"
import os, time
def note(text):
    with open("@WORK@/events", "a") as events:
        events.write(text + "\n")

def application(environ, start_response):
    if environ["PATH_INFO"] == "/work":
        note("begun")
        time.sleep(float(environ["QUERY_STRING"]))
        note("done")
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]
"#;

fn working(options: &str) -> Builder {
    grouped(&format!("processes=1 threads=2 {options}"), WORKING)
}

/// Sends a request that takes so long, and waits until the application has it.
#[track_caller]
fn begun(server: &Server, seconds: u32) -> Connection {
    let mut connection = server.connect();
    connection.set_read_timeout(Duration::from_secs(40));
    connection.send(Request::get(&format!("/work?{seconds}")).to_bytes());
    wait_until("the request runs", || noted(server, "begun"));
    connection
}

fn noted(server: &Server, what: &str) -> bool {
    server.events().iter().any(|event| event == what)
}

#[track_caller]
fn ends_within(pid: i32, time: Duration) {
    assert!(
        comes_true(time, || has_ended(pid)),
        "{pid} does not end within {time:?}"
    );
}

#[test]
fn an_eviction_timeout_that_is_longer_than_graceful_timeout_is_kept() {
    only_rsgi!("its parent gives no process more than a few seconds");
    let server = working("eviction-timeout=30 graceful-timeout=1 shutdown-timeout=1").start();
    let pid = answering(&server);
    let mut request = begun(&server, 9);
    signal(pid, libc::SIGUSR1);
    let reply = request.reply("GET").ok();
    assert_eq!(reply.text(), pid.to_string());
    ends_within(pid, Duration::from_secs(5));
    server.finish();
}

#[test]
fn without_a_shutdown_timeout_a_replaced_process_has_all_the_time_it_takes() {
    only_rsgi!("its parent gives no process more than a few seconds");
    let server = working("graceful-timeout=1 shutdown-timeout=0").start();
    let pid = answering(&server);
    let mut request = begun(&server, 9);
    signal(pid, libc::SIGUSR1);
    let reply = request.reply("GET").ok();
    assert_eq!(reply.text(), pid.to_string());
    ends_within(pid, Duration::from_secs(5));
    server.expect_log("RSGI0441");
    server.finish();
}

#[test]
fn without_a_shutdown_timeout_a_stop_lets_requests_finish() {
    only_rsgi!("httpd ends its processes itself");
    let mut server = working("shutdown-timeout=0").start();
    let request = begun(&server, 3);
    server.control("stop");
    server.wait_until_ended();
    assert!(noted(&server, "done"), "{:?}", server.events());
    drop(request);
    server.finish();
}

#[test]
fn without_a_shutdown_timeout_a_stop_takes_ten_seconds_and_no_more() {
    only_rsgi!("httpd ends its processes itself");
    let mut server = working("shutdown-timeout=0").start();
    let pid = answering(&server);
    let request = begun(&server, 60);
    let start = Instant::now();
    server.control("stop");
    server.wait_until_ended();
    let took = start.elapsed();
    let bounds = Duration::from_secs(8)..Duration::from_secs(16);
    assert!(bounds.contains(&took), "{took:?}");
    assert!(has_ended(pid));
    drop(request);
    let line = server.expect_log("RSGI0451");
    assert!(line.text.contains(&pid.to_string()), "{}", line.text);
    server.allow_log("AH0004");
    server.finish();
}

/// The line with this in it names all of these.
#[track_caller]
fn names(server: &Server, line: &str, parts: &[&str]) {
    let line = server.expect_log(line);
    for part in parts {
        assert!(line.text.contains(part), "no {part}: {}", line.text);
    }
}

/// What the log says of a request that was cut: in its own line and in those of its process, which name it.
#[track_caller]
fn is_blamed(server: &Server, pid: i32, option: &str, reason: &str) {
    let pid = pid.to_string();
    names(server, &id("0146"), &[&pid, "`app`", option]);
    let line = server.expect_log(&id("0146"));
    assert!(!line.text.contains("shutdown-timeout"), "{}", line.text);
    names(server, "RSGI0442", &[&pid, "`app`", reason]);
    names(server, "RSGI0451", &[&pid, "`app`", reason, option]);
}

#[test]
fn a_request_that_was_cut_for_request_timeout_says_so() {
    only_rsgi!("its lines name neither");
    let server = working("request-timeout=1 graceful-timeout=1 shutdown-timeout=1").start();
    let pid = answering(&server);
    let mut stuck = begun(&server, 60);
    assert_eq!(stuck.reply("GET").status, 502);
    is_blamed(&server, pid, "request-timeout", "request_timeout");
    names(&server, "RSGI0437", &[&pid.to_string(), "`app`"]);
    server.allow_stacks();
    server.finish();
}

#[test]
fn a_request_that_was_cut_for_eviction_timeout_says_so() {
    only_rsgi!("its lines name neither");
    let server = working("eviction-timeout=1 graceful-timeout=60 shutdown-timeout=1").start();
    let pid = answering(&server);
    let mut stuck = begun(&server, 60);
    signal(pid, libc::SIGUSR1);
    assert_eq!(stuck.reply("GET").status, 502);
    is_blamed(&server, pid, "eviction-timeout", "eviction_signal");
    names(&server, "RSGI0441", &[&pid.to_string(), "`app`"]);
    server.allow_stacks();
    server.finish();
}

#[test]
fn a_warning_names_its_group_and_process_and_what_an_application_writes_stays_as_it_is() {
    only_rsgi!("its lines name neither");
    let server = grouped(
        "processes=1 threads=1 startup-timeout=1",
        "import os, sys\nprint('a word at', os.getpid(), file=sys.stderr, flush=True)\n\
         os.write(2, b'raw word\\n')\n1/0\n",
    )
    .conf("WSGIDaemonProcess other processes=1 threads=1")
    .start();
    assert_eq!(server.get("/").status, 500);
    let line = server.expect_log("RSGI0440");
    let pid = server
        .log()
        .iter()
        .find_map(|line| {
            line.message()
                .split_once("a word at ")
                .map(|(_, pid)| pid.to_owned())
        })
        .expect("the word of the application");
    assert!(pid.parse::<i32>().is_ok(), "{pid}");
    let end = format!(" (process group `app`, pid {pid})");
    assert!(line.text.ends_with(&end), "{}", line.text);
    let raw = server.expect_log("raw word");
    assert!(raw.text.ends_with("raw word"), "{}", raw.text);
    server.allow_log("a word at");
    server.expect_error("ZeroDivisionError");
    server.finish();
}
