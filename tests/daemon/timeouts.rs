//! The timers of a group: each ends what it is about, in time, with its reason and the stack of what was stuck.

use std::time::{Duration, Instant};

use super::truncated::each_is_told_once;
use super::{answering, group, grouped, millis, sleeping};
use crate::harness::{
    Connection, Request, Server, UnderTest, comes_true, has_ended, id, is_without_gil, only_rsgi,
    signal, under_test, wait_until,
};

/// Sends a request that sleeps, and waits until it runs.
pub(super) fn sleeper(server: &Server, seconds: f64, number: usize) -> Connection {
    let mut connection = server.connect();
    connection.set_read_timeout(Duration::from_secs(30));
    connection.send(sleeping(seconds, number, 0).request.to_bytes());
    std::thread::sleep(millis(150));
    connection
}

/// Waits until a process is gone; how long it took.
#[track_caller]
fn ends(pid: i32, within: Duration) -> Duration {
    let begun = Instant::now();
    assert!(
        comes_true(within, || has_ended(pid)),
        "{pid} does not end within {within:?}"
    );
    begun.elapsed()
}

/// The log names the reason for the end of that process, by the word that metrics have for it.
#[track_caller]
fn says(server: &Server, pid: i32, reason: &str) {
    server.allow_log_of_mod_wsgi("WSGI");
    server.allow_log_of_mod_wsgi("Aborting process");
    if under_test() == UnderTest::Rsgi {
        let line =
            format!("RSGI0436: process {pid} of group `app` ends: shutdown reason {reason}, ");
        wait_until(&line, || server.log_text().contains(&line));
    }
}

/// What is told of a request that runs beyond its time, and of a process that ends while it does.
fn allow_late(server: &Server, numbers: &[&str]) {
    for number in numbers {
        server.allow_log(&id(number));
    }
    server.allow_stacks();
}

/// A request is too late, does not end in the time that a process has to finish, and is cut.
const LATE_AND_CUT: [&str; 5] = ["0437", "0441", "0442", "0451", "0146"];

#[test]
fn request_timeout_replaces_the_process_and_the_log_shows_where_it_was_stuck() {
    let server =
        group("processes=1 threads=1 request-timeout=1 graceful-timeout=1 shutdown-timeout=1")
            .start();
    let pid = answering(&server);
    let begun = Instant::now();
    let mut stuck = sleeper(&server, 60.0, 0);
    let reply = stuck.reply("GET");
    assert!(
        [502, 504].contains(&reply.status),
        "{} {}",
        reply.status,
        reply.text()
    );
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );
    ends(pid, Duration::from_secs(3));
    says(&server, pid, "request_timeout");
    allow_late(&server, &LATE_AND_CUT);
    if under_test() == UnderTest::Rsgi {
        let line = server.expect_log("in application");
        assert!(line.text.contains("app.wsgi"), "{}", line.text);
    }
    assert_ne!(answering(&server), pid);
    server.finish();
}

#[test]
fn request_timeout_works_also_when_the_other_timers_are_off() {
    only_rsgi!("without deadlock-timeout and inactivity-timeout nothing looks");
    let server = group(
        "processes=1 threads=1 request-timeout=1 deadlock-timeout=0 inactivity-timeout=0 \
         graceful-timeout=1 shutdown-timeout=1",
    )
    .start();
    let pid = answering(&server);
    let mut stuck = sleeper(&server, 60.0, 0);
    let reply = stuck.reply("GET");
    assert!([502, 504].contains(&reply.status), "{}", reply.status);
    ends(pid, Duration::from_secs(3));
    says(&server, pid, "request_timeout");
    allow_late(&server, &LATE_AND_CUT);
    server.finish();
}

#[test]
fn interrupt_timeout_raises_request_timeout_in_the_request_and_the_process_goes_on() {
    let server = grouped(
        "processes=1 threads=2 request-timeout=1 interrupt-timeout=5",
        r#"
import mod_wsgi, os, time
def application(environ, start_response):
    if environ["PATH_INFO"] == "/loop":
        end = time.monotonic() + 60
        while time.monotonic() < end:
            time.sleep(0.01)
    if environ["PATH_INFO"] == "/caught":
        try:
            while True:
                time.sleep(0.01)
        except mod_wsgi.RequestTimeout:
            start_response("200 OK", [])
            return [b"caught"]
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]
"#,
    )
    .start();
    let pid = answering(&server);
    let begun = Instant::now();
    let reply = server.get("/loop");
    assert_eq!(reply.status, 504, "{}", reply.text());
    let took = begun.elapsed();
    assert!(
        (millis(900)..Duration::from_secs(5)).contains(&took),
        "{took:?}"
    );
    if under_test() == UnderTest::Rsgi {
        let place = format!("process {pid} of process group 'app'");
        each_is_told_once(
            &server,
            1,
            &["RSGI0216", "app.wsgi", &place, "raise request-timeout="],
        );
        server.allow_log("RSGI0216");
    }
    assert_eq!(server.text("/caught"), "caught");
    assert_eq!(answering(&server), pid);
    server.finish();
}

#[test]
fn an_interrupt_that_does_not_help_ends_the_process() {
    let server = grouped(
        "processes=1 threads=1 request-timeout=1 interrupt-timeout=1 graceful-timeout=1 shutdown-timeout=1",
        r#"
import os, time
def application(environ, start_response):
    while environ["PATH_INFO"] == "/deaf":
        try:
            time.sleep(0.01)
        except BaseException:
            pass
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]
"#,
    )
    .start();
    let pid = answering(&server);
    let reply = server.get("/deaf");
    assert!([502, 504].contains(&reply.status), "{}", reply.status);
    ends(pid, Duration::from_secs(5));
    says(&server, pid, "request_timeout");
    allow_late(&server, &LATE_AND_CUT);
    assert_ne!(answering(&server), pid);
    server.finish();
}

#[test]
fn other_requests_finish_when_one_runs_into_the_request_timeout() {
    only_rsgi!("its graceful-timeout begins at once");
    let server =
        group("processes=1 threads=3 request-timeout=1 graceful-timeout=5 shutdown-timeout=1")
            .start();
    let pid = answering(&server);
    // T = 1 * (1 + ln 3) = 2.1 s.
    let mut stuck = sleeper(&server, 60.0, 0);
    std::thread::sleep(millis(1200));
    let mut other = sleeper(&server, 1.5, 1);
    assert!(other.reply("GET").ok().body == sleeping(1.5, 1, 0).body);
    let reply = stuck.reply("GET");
    assert!([502, 504].contains(&reply.status), "{}", reply.status);
    ends(pid, Duration::from_secs(10));
    says(&server, pid, "request_timeout");
    allow_late(&server, &LATE_AND_CUT);
    server.finish();
}

#[test]
fn deadlock_timeout_replaces_a_process_whose_gil_is_held() {
    let server = grouped(
        "processes=1 threads=2 deadlock-timeout=1 shutdown-timeout=1",
        r#"
import ctypes, gc, os
def application(environ, start_response):
    if environ["PATH_INFO"] == "/hold":
        ctypes.PyDLL(None).sleep(60)
    if environ["PATH_INFO"] == "/collect":
        gc.collect()
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]
"#,
    )
    .start();
    let pid = answering(&server);
    let mut stuck = server.connect();
    stuck.send(Request::get("/hold").to_bytes());
    let mut collecting = server.connect();
    if is_without_gil() {
        // Others go on, until one has to let all stand still and waits for this one.
        assert!(stuck.is_silent(millis(1500)));
        assert_eq!(answering(&server), pid);
        collecting.send(Request::get("/collect").to_bytes());
    }
    ends(pid, Duration::from_secs(8));
    assert!([502, 504].contains(&stuck.reply("GET").status));
    says(&server, pid, "deadlock_timeout");
    assert_ne!(answering(&server), pid);
    allow_late(&server, &["0439", "0442", "0451", "0146"]);
    server.finish();
}

#[test]
fn inactivity_timeout_replaces_an_idle_process_and_not_one_that_has_never_served() {
    let server = group("processes=1 threads=2 inactivity-timeout=1").start();
    wait_until("the process is there", || server.daemons().len() == 1);
    let daemons = server.daemons();
    std::thread::sleep(millis(2500));
    assert_eq!(server.daemons(), daemons, "it had not served");
    let pid = answering(&server);
    ends(pid, Duration::from_secs(5));
    says(&server, pid, "inactivity_timeout");
    assert_ne!(answering(&server), pid);
    server.finish();
}

#[test]
fn ignored_activity_does_not_keep_a_process_alive() {
    let server = group("processes=1 threads=2 inactivity-timeout=2")
        .conf("<Location /ping>\nWSGIIgnoreActivity On\n</Location>")
        .start();
    let pid = answering(&server);
    let begun = Instant::now();
    let gone = comes_true(Duration::from_secs(8), || {
        std::thread::sleep(millis(100));
        server.get("/ping?x");
        has_ended(pid)
    });
    assert!(gone, "still there after {:?}", begun.elapsed());
    says(&server, pid, "inactivity_timeout");
    server.finish();
}

#[test]
fn startup_timeout_replaces_a_process_whose_script_never_loads() {
    let server = grouped(
        "processes=1 threads=2 startup-timeout=1 shutdown-timeout=1 graceful-timeout=1",
        "import os\nopen('@WORK@/events', 'a').write('%d\\n' % os.getpid())\n1/0\n",
    )
    .start();
    assert_eq!(server.get("/").status, 500);
    let pid: i32 = server.events()[0].parse().unwrap();
    ends(pid, Duration::from_secs(6));
    says(&server, pid, "startup_timeout");
    server.expect_log(&id("0440"));
    server.expect_log(&id("0109"));
    server.expect_error("ZeroDivisionError");
    assert_eq!(server.get("/").status, 500);
    server.finish();
}

#[test]
fn graceful_timeout_bounds_a_drain() {
    let server = group("processes=1 threads=2 graceful-timeout=1 shutdown-timeout=1").start();
    let pid = answering(&server);
    let mut stuck = sleeper(&server, 60.0, 0);
    signal(pid, libc::SIGUSR1);
    let took = ends(pid, Duration::from_secs(8));
    assert!(took > millis(800), "{took:?}");
    assert_eq!(stuck.reply("GET").status, 502);
    says(&server, pid, "graceful_signal");
    allow_late(&server, &["0441", "0442", "0451", "0146"]);
    server.finish();
}

#[test]
fn eviction_timeout_bounds_the_drain_of_sigusr1() {
    let server =
        group("processes=1 threads=2 eviction-timeout=1 graceful-timeout=60 shutdown-timeout=1")
            .start();
    let pid = answering(&server);
    let mut stuck = sleeper(&server, 60.0, 0);
    signal(pid, libc::SIGUSR1);
    ends(pid, Duration::from_secs(8));
    assert_eq!(stuck.reply("GET").status, 502);
    says(&server, pid, "eviction_signal");
    allow_late(&server, &["0441", "0442", "0451", "0146"]);
    server.finish();
}

#[test]
fn sigterm_and_sigint_end_a_process_and_another_takes_its_place() {
    let server = group("processes=1 threads=2").start();
    for number in [libc::SIGTERM, libc::SIGINT] {
        let pid = answering(&server);
        signal(pid, number);
        ends(pid, Duration::from_secs(5));
        says(&server, pid, "shutdown_signal");
        assert_ne!(answering(&server), pid);
    }
    server.finish();
}

#[test]
fn cpu_time_limit_replaces_the_process_gracefully() {
    let server = group("processes=1 threads=2 cpu-time-limit=1").start();
    let pid = answering(&server);
    let report = crate::harness::Load::on(server.port())
        .clients(2)
        .lasting(Duration::from_secs(10))
        .during(
            |client, turn| {
                let nonce = format!("c{client}n{turn}");
                let request = Request::get(&format!("/busy?0.05,{nonce}"));
                crate::harness::Ask::new(request, nonce.repeat(50))
            },
            |_| {
                ends(pid, Duration::from_secs(9));
            },
        );
    report.lost_nothing();
    says(&server, pid, "cpu_time_limit");
    server.allow_log(&id("0445"));
    server.finish();
}

#[test]
fn restart_interval_and_maximum_requests_replace_the_process_and_the_log_says_so() {
    let server = group("processes=1 threads=2 restart-interval=1").start();
    let pid = answering(&server);
    ends(pid, Duration::from_secs(5));
    says(&server, pid, "restart_interval");
    server.finish();

    let server = group("processes=1 threads=2 maximum-requests=3").start();
    let pid = answering(&server);
    for _ in 0..2 {
        assert_eq!(answering(&server), pid);
    }
    ends(pid, Duration::from_secs(5));
    says(&server, pid, "maximum_requests");
    assert_ne!(answering(&server), pid);
    server.finish();
}

#[test]
fn a_stuck_thread_delays_a_stop_by_shutdown_timeout_and_no_more() {
    only_rsgi!("by twelve seconds");
    for timeout in [1, 3] {
        let mut server =
            group(&format!("processes=1 threads=2 shutdown-timeout={timeout}")).start();
        answering(&server);
        let daemons = server.daemons();
        let stuck = sleeper(&server, 60.0, 0);
        let begun = Instant::now();
        server.control("stop");
        server.wait_until_ended();
        let took = begun.elapsed();
        crate::harness::say(&format!("shutdown-timeout={timeout}: {took:?}"));
        assert!(
            took < Duration::from_secs(timeout) + millis(1500),
            "shutdown-timeout={timeout}: {took:?}"
        );
        // Nothing is left when the stop is seen to have ended.
        assert!(daemons.iter().all(|&pid| has_ended(pid)));
        drop(stuck);
        says(&server, daemons[0], "shutdown_signal");
        // httpd's own words for a child that is busy with the request.
        server.allow_log("AH0004");
        allow_late(&server, &["0442", "0451", "0146"]);
        server.finish();
    }
}

#[test]
fn an_idle_group_does_not_delay_a_stop() {
    let mut server = group("processes=4 threads=5").start();
    answering(&server);
    let begun = Instant::now();
    server.control("stop");
    server.wait_until_ended();
    let took = begun.elapsed();
    assert!(took < millis(2500), "{took:?}");
    server.finish();
}

#[test]
fn a_script_that_changed_gets_a_new_process_for_the_same_request() {
    let server = group("processes=1 threads=2").start();
    let pid = answering(&server);
    let source = server.read("apps/app.wsgi").replace("* 50", "* 60");
    server.write("apps/app.wsgi", &source);
    assert_eq!(server.text("/?a"), "a".repeat(60));
    assert_ne!(answering(&server), pid);
    ends(pid, Duration::from_secs(5));
    says(&server, pid, "script_reload");
    server.finish();
}

#[test]
fn script_reloading_off_keeps_the_process() {
    let server = group("processes=1 threads=2")
        .conf("WSGIScriptReloading Off")
        .start();
    let pid = answering(&server);
    let source = server.read("apps/app.wsgi").replace("* 50", "* 60");
    server.write("apps/app.wsgi", &source);
    assert_eq!(server.text("/?a"), "a".repeat(50));
    assert_eq!(answering(&server), pid);
    server.finish();
}
