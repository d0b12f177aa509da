//! Restarts of all kinds under load: no request is lost, and none waits longer than a drain takes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{APP, answering, group, grouped, millis, mixed, sleeping, whole_stream};
use crate::harness::{
    Builder, Connection, Failure, Load, Report, Request, Server, UnderTest, children, comes_true,
    only_rsgi, open_descriptors, resident, signal, under_test, wait_until,
};

/// No request may wait longer than this: what runs takes milliseconds, so a drain does too.
const A_DRAIN: Duration = Duration::from_secs(2);

/// mod_wsgi: its parent looks once a second, so a successor may come a second late.
fn longest() -> Duration {
    match under_test() {
        UnderTest::Rsgi => A_DRAIN,
        UnderTest::ModWsgi => A_DRAIN + Duration::from_secs(1),
    }
}

const CLIENTS: usize = 6;

fn load(server: &Server, seconds: u64) -> Load {
    Load::on(server.port())
        .clients(CLIENTS)
        .lasting(Duration::from_secs(seconds))
}

#[track_caller]
fn nothing_lost_and_none_slow(report: &Report, what: &str, at_least: usize) {
    report.say(what);
    report.lost_nothing();
    report.closed_at_most(0);
    none_slow(report, at_least);
}

#[track_caller]
fn none_slow(report: &Report, at_least: usize) {
    assert!(report.answered >= at_least, "only {}", report.answered);
    assert!(report.slowest() < longest(), "{:?}", report.slowest());
}

/// Waits until the group has as many processes as it is to have, and no more.
#[track_caller]
fn settles(server: &Server, processes: usize) {
    wait_until("the group has its number of processes", || {
        let supervisors = match under_test() {
            UnderTest::Rsgi => 1,
            UnderTest::ModWsgi => 0,
        };
        server.daemons().len() == processes && server.supervisors().len() == supervisors
    });
}

fn thirty_graceful_restarts(builder: Builder, load: impl FnOnce(Load) -> Load) {
    let server = builder.log_level("notice").start();
    server.text("/?warm");
    let mut early = (0, 0);
    let mut seen = BTreeSet::new();
    let load = load(self::load(&server, 90));
    let report = load.during(mixed, |running| {
        for turn in 1..=30 {
            server.graceful();
            wait_until("a process of the new generation", || {
                seen.insert(answering(&server))
            });
            running.wait_for(30);
            if turn == 10 {
                early = state_of_parent(&server);
            }
        }
    });
    report.say("30 graceful restarts");
    // httpd closes what is idle: at most each client's connection at each restart.
    report.lost_only(&[Failure::Stale]);
    report.closed_at_most(CLIENTS * 30);
    none_slow(&report, 900);
    assert!(seen.len() >= 30, "{seen:?}");
    settles(&server, 2);
    comes_true(Duration::from_secs(10), || {
        state_of_parent(&server).1 <= early.1
    });
    let late = state_of_parent(&server);
    assert!(
        late.1 <= early.1,
        "descriptors of the parent: {early:?} -> {late:?}"
    );
    assert!(
        late.0 <= early.0 + 512,
        "KiB of the parent: {early:?} -> {late:?}"
    );
    server.finish();
}

/// Private memory in KiB and open descriptors.
fn state_of_parent(server: &Server) -> (u64, usize) {
    let pid = server.pid();
    (resident(pid, "RssAnon"), open_descriptors(pid).unwrap())
}

#[test]
fn thirty_graceful_restarts_lose_no_request() {
    only_rsgi!("it loses 14 to 43 requests at each");
    thirty_graceful_restarts(group("processes=2 threads=5"), |load| load);
}

#[test]
fn thirty_graceful_restarts_lose_no_request_without_rotation_and_keep_alive() {
    only_rsgi!("it loses 14 to 43 requests at each");
    let builder = group("processes=2 threads=5").conf("WSGISocketRotation Off");
    thirty_graceful_restarts(builder, Load::without_keep_alive);
}

#[test]
fn requests_and_streams_of_two_seconds_finish_across_a_graceful_restart() {
    only_rsgi!("it kills what takes longer than 3 s, and what is queued");
    let server = group("processes=2 threads=5").start();
    let before: BTreeSet<i32> = server.daemons().into_iter().collect();
    let mut streams: Vec<(String, Connection)> = Vec::new();
    let mut sleepers = Vec::new();
    for number in 0..4 {
        let name = format!("s{number}");
        let mut connection = server.connect();
        connection.send(Request::get(&format!("/stream?{name}")).to_bytes());
        streams.push((name, connection));
        let mut connection = server.connect();
        connection.send(sleeping(2.0, number, 0).request.to_bytes());
        sleepers.push((number, connection));
    }
    for (_, stream) in &mut streams {
        assert_eq!(stream.head().status, 200);
    }
    server.graceful();
    wait_until("the new processes serve", || {
        !before.contains(&answering(&server))
    });
    for (name, stream) in &mut streams {
        let mut text = Vec::new();
        while let Some(block) = stream.chunk() {
            text.extend(block);
        }
        assert_eq!(String::from_utf8(text).unwrap(), whole_stream(name));
    }
    for (number, mut connection) in sleepers {
        let reply = connection.reply("GET").ok();
        assert!(reply.body == sleeping(2.0, number, 0).body);
    }
    settles(&server, 2);
    let now: BTreeSet<i32> = server.daemons().into_iter().collect();
    assert!(before.is_disjoint(&now), "{before:?} {now:?}");
    server.finish();
}

#[test]
fn a_restart_that_is_not_graceful_lets_the_server_serve_again() {
    let server = group("processes=2 threads=5").start();
    let before = answering(&server);
    for _ in 0..3 {
        let starts = server.starts();
        server.signal(libc::SIGHUP);
        wait_until("the restart", || server.starts() > starts);
        assert_eq!(server.text("/?a"), "a".repeat(50));
    }
    assert_ne!(answering(&server), before);
    settles(&server, 2);
    server.finish();
}

#[test]
fn touching_the_script_every_half_second_loses_no_request() {
    let server = group("processes=2 threads=5").log_level("notice").start();
    server.text("/?warm");
    let mut version = 0;
    let report = load(&server, 30).during(mixed, |running| {
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            version += 1;
            let source = format!("{APP}\nHEADERS.append(('X-Version', '{version}'))\n");
            server.write("apps/app.wsgi", &source);
            std::thread::sleep(millis(500));
            running.wait_for(1);
        }
    });
    nothing_lost_and_none_slow(&report, "script touched", 300);
    let now = server.get("/?a").ok();
    assert_eq!(now.header("X-Version"), Some(version.to_string().as_str()));
    server.finish();
}

#[test]
fn maximum_requests_under_load_lose_no_request() {
    let server = group("processes=2 threads=5 maximum-requests=50")
        .log_level("notice")
        .start();
    let mut seen = BTreeSet::new();
    let report = load(&server, 5).during(mixed, |running| {
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            seen.insert(answering(&server));
            running.wait_for(10);
        }
    });
    report.say("maximum-requests=50");
    report.lost_nothing();
    report.closed_at_most(0);
    assert!(report.slowest() < longest(), "{:?}", report.slowest());
    assert!(seen.len() > 3, "{seen:?}");
    server.finish();
}

/// Rounds of the same load with and without the option, near each other in time.
#[test]
fn maximum_requests_keep_p99_within_twice_that_without_it() {
    only_rsgi!("967 ms");
    let plain = group("processes=2 threads=5").log_level("notice").start();
    let limited = group("processes=2 threads=5 maximum-requests=50")
        .log_level("notice")
        .start();
    let p99 = |server: &Server| {
        let load = load(server, 3).pause(millis(5));
        let report = load.run(|client, turn| sleeping(0.01, client, turn));
        report.lost_nothing();
        report.closed_at_most(0);
        report.p99()
    };
    p99(&plain);
    // A round that the machine disturbed says nothing about either.
    let rounds: Vec<(Duration, Duration)> = (0..3).map(|_| (p99(&plain), p99(&limited))).collect();
    crate::harness::say(&format!("p99 without, with: {rounds:?}"));
    assert!(
        rounds
            .iter()
            .any(|(without, with)| *with <= *without * 2 + millis(5)),
        "{rounds:?}"
    );
    plain.finish();
    limited.finish();
}

#[test]
fn sigusr1_to_daemons_loses_no_request() {
    let server = group("processes=2 threads=5").log_level("notice").start();
    // A round that the machine stalled says nothing about how long requests wait.
    let is_quick = (0..3).any(|_| {
        let report = load(&server, 60).during(mixed, |running| {
            for turn in 0..10 {
                let daemons = server.daemons();
                if let Some(&pid) = daemons.get(turn % daemons.len().max(1)) {
                    signal(pid, libc::SIGUSR1);
                }
                std::thread::sleep(millis(300));
                running.wait_for(1);
            }
        });
        report.say("SIGUSR1");
        report.lost_nothing();
        report.closed_at_most(0);
        report.slowest() < longest()
    });
    assert!(is_quick);
    wait_until("both processes are there", || server.daemons().len() == 2);
    server.finish();
}

#[test]
fn a_signal_in_the_first_moment_of_a_process_waits_until_it_can_be_handled() {
    only_rsgi!("its processes are forks of Apache, with handlers from the beginning");
    let server = group("processes=1 threads=2").start();
    let mut last = answering(&server);
    let supervisor = server.supervisors()[0];
    let mut seen = BTreeSet::from([last]);
    signal(last, libc::SIGUSR1);
    // Each is signalled as soon as it exists, and asks for its successor when it serves.
    for _ in 0..20 {
        wait_until("a successor", || {
            let new = children(supervisor)
                .into_iter()
                .find(|&pid| seen.insert(pid));
            new.map(|pid| last = pid).is_some()
        });
        signal(last, libc::SIGUSR1);
    }
    wait_until("the last one is replaced, too", || {
        !server.daemons().contains(&last)
    });
    assert_eq!(server.text("/?a"), "a".repeat(50));
    // None died of it.
    server.finish();
}

#[test]
fn a_restart_interval_loses_no_request() {
    let server = group("processes=2 threads=5 restart-interval=1")
        .log_level("notice")
        .start();
    let mut seen = BTreeSet::new();
    let report = load(&server, 30).during(mixed, |running| {
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            seen.insert(answering(&server));
            running.wait_for(10);
        }
    });
    nothing_lost_and_none_slow(&report, "restart-interval=1", 300);
    assert!(seen.len() >= 6, "{seen:?}");
    server.finish();
}

/// An application that takes so long to load.
fn slow_to_load(milliseconds: u32) -> String {
    format!("import time\ntime.sleep({milliseconds} / 1000)\n{APP}")
}

#[test]
fn a_slow_start_makes_no_pause_because_the_old_process_serves_until_the_new_one_is_ready() {
    only_rsgi!("its successor starts after the end");
    let server = grouped(
        "processes=1 threads=5 maximum-requests=200",
        &slow_to_load(1500),
    )
    .conf("WSGIImportScript @APPS@/app.wsgi process-group=app application-group=%{GLOBAL}")
    .log_level("notice")
    .start();
    server.text("/?warm");
    let mut seen = BTreeSet::new();
    let report = load(&server, 6).pause(millis(10)).during(mixed, |_| {
        let end = Instant::now() + Duration::from_secs(6);
        while Instant::now() < end {
            seen.insert(answering(&server));
            std::thread::sleep(millis(50));
        }
    });
    report.say("slow start");
    report.lost_nothing();
    assert!(seen.len() >= 2, "{seen:?}");
    assert!(report.slowest() < millis(1000), "{:?}", report.slowest());
    server.finish();
}

#[test]
fn without_overlap_the_requests_wait_for_the_successor() {
    only_rsgi!("RSGIOverlap");
    let server = grouped(
        "processes=1 threads=5 maximum-requests=200",
        &slow_to_load(400),
    )
    .conf("RSGIOverlap Off")
    .log_level("notice")
    .start();
    server.text("/?warm");
    let mut most = 0;
    let report = load(&server, 5).pause(millis(5)).during(mixed, |_| {
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            most = most.max(server.daemons().len());
            std::thread::sleep(millis(10));
        }
    });
    report.say("no overlap");
    report.lost_nothing();
    assert_eq!(most, 1, "two processes at once");
    server.finish();
}

#[test]
fn a_graceful_restart_brings_new_options_into_force() {
    let server = group("processes=1 threads=5 display-name=before").start();
    server.text("/?a");
    let conf = server.read("conf/httpd.conf");
    let changed = conf.replace(
        "processes=1 threads=5 display-name=before",
        "processes=3 threads=2 display-name=after",
    );
    assert_ne!(conf, changed);
    server.write("conf/httpd.conf", &changed);
    server.graceful();
    let titled = |name: &str| {
        let all = crate::harness::descendants(server.pid());
        let title = |pid: &i32| {
            std::fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|bytes| bytes.starts_with(name.as_bytes()))
        };
        all.iter().filter(|pid| title(pid)).count()
    };
    wait_until("the new group", || {
        titled("after") == 3 && titled("before") == 0
    });
    assert_eq!(server.text("/?b"), "b".repeat(50));
    server.finish();
}

#[test]
fn a_group_may_come_and_go_with_a_graceful_restart() {
    let server = group("processes=1 threads=5").start();
    server.text("/?a");
    let conf = server.read("conf/httpd.conf");
    let added = format!(
        "{conf}\nWSGIDaemonProcess other processes=1 threads=1 display-name=(wsgi:other)\n"
    );
    server.write("conf/httpd.conf", &added);
    server.graceful();
    wait_until("two groups", || server.daemons().len() == 2);
    server.write("conf/httpd.conf", &conf);
    server.graceful();
    wait_until("one group", || server.daemons().len() == 1);
    assert_eq!(server.text("/?b"), "b".repeat(50));
    server.finish();
}

#[test]
fn an_old_generation_ends_when_its_last_request_does() {
    only_rsgi!("it cuts the request after 3 s");
    let server = group("processes=1 threads=2").start();
    let old = answering(&server);
    let mut long = server.connect();
    long.send(sleeping(5.0, 1, 1).request.to_bytes());
    wait_until("it runs", || long.is_silent(millis(200)));
    server.graceful();
    wait_until("the new process", || answering(&server) != old);
    assert!(server.daemons().contains(&old));
    assert!(long.reply("GET").ok().body == sleeping(5.0, 1, 1).body);
    drop(long);
    assert!(
        comes_true(Duration::from_secs(8), || server.daemons().len() == 1
            && server.supervisors().len() == 1),
        "{:?}, supervisors {:?}",
        server.daemons(),
        server.supervisors()
    );
    server.finish();
}
