//! Processes that are stopped: what they have not begun with goes elsewhere, and they take part again when they go on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::{all_serve, answering, group, grouped, millis, mixed, sleeping};
use crate::harness::{Ask, Load, Request, Server, comes_true, only_rsgi, say, signal};

#[test]
fn a_stopped_process_gets_nothing_more_and_takes_part_again_when_it_goes_on() {
    only_rsgi!("its socket is shared: what the stopped process took waits, what is left is served");
    let server = group("processes=2 threads=5").log_level("notice").start();
    server.allow_log("RSGI04");
    all_serve(&server, "/sleep", 2);
    let daemons = server.daemons();
    let seen = |server: &Server| -> BTreeSet<i32> {
        let load = Load::on(server.port()).clients(10).most(3);
        let report = load.run(|client, turn| sleeping(0.05, client, turn));
        report.lost_nothing();
        (0..20).map(|_| answering(server)).collect()
    };
    let stopped = daemons[0];
    let load = Load::on(server.port())
        .clients(6)
        .lasting(Duration::from_secs(30));
    let began = Instant::now();
    let mut quiet_from = Duration::ZERO;
    let mut quiet_until = Duration::ZERO;
    let report = load.during(mixed, |running| {
        running.wait_for(50);
        signal(stopped, libc::SIGSTOP);
        // A heartbeat may be a second old.
        std::thread::sleep(millis(1500));
        quiet_from = began.elapsed();
        running.wait_for(30);
        std::thread::sleep(millis(1500));
        quiet_until = began.elapsed();
        signal(stopped, libc::SIGCONT);
        running.wait_for(50);
    });
    signal(stopped, libc::SIGCONT);
    report.say("SIGSTOP");
    report.lost_nothing();
    // Only what it had may have waited for it: no more than its threads.
    let slow = report
        .latencies
        .iter()
        .filter(|l| **l > millis(900))
        .count();
    assert!(
        slow <= 5,
        "{slow} requests waited ({quiet_from:?} to {quiet_until:?})"
    );
    assert_eq!(
        server.daemons(),
        daemons,
        "the stopped process was replaced"
    );
    let both = comes_true(Duration::from_secs(5), || {
        seen(&server).contains(&stopped) || {
            let load = Load::on(server.port()).clients(10).most(1);
            load.run(|client, turn| sleeping(0.1, client, turn))
                .lost_nothing();
            false
        }
    });
    assert!(
        both || takes_part(&server, stopped),
        "it takes part no more"
    );
    server.finish();
}

/// Notes each request that it runs, with its process, before it answers.
const NOTING: &str = r#"
import os, time
FILE = os.open("@WORK@/events", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def application(environ, start_response):
    query = environ["QUERY_STRING"]
    os.write(FILE, b"%s %d\n" % (query.encode(), os.getpid()))
    time.sleep(0.005)
    body = query.encode() * 50
    headers = [("Content-Type", "text/plain"), ("X-Pid", str(os.getpid()))]
    start_response("200 OK", headers + [("Content-Length", str(len(body)))])
    return [body]
"#;

#[test]
fn what_a_stopped_process_has_not_begun_with_is_answered_by_the_other_and_nothing_runs_twice() {
    only_rsgi!("its socket is shared: a stopped process has taken nothing, and what it took waits");
    // Few run when it is stopped: it is sent more until its heart is seen to be still.
    let server = grouped("processes=2 threads=20", NOTING)
        .log_level("notice")
        .start();
    server.allow_log("RSGI04");
    all_serve(&server, "/", 2);
    let stopped = server.daemons()[0];
    let asked = Mutex::new(Vec::new());
    let ask = |client: usize, turn: usize| {
        asked.lock().unwrap().push((client, turn, Instant::now()));
        let nonce = format!("c{client}n{turn}");
        Ask::new(Request::get(&format!("/?{nonce}")), nonce.repeat(50))
    };
    let load = Load::on(server.port())
        .clients(16)
        .lasting(Duration::from_secs(40))
        .pause(millis(10))
        .timeout(Duration::from_secs(20));
    let report = load.during(ask, |running| {
        running.wait_for(200);
        signal(stopped, libc::SIGSTOP);
        std::thread::sleep(Duration::from_secs(5));
        running.wait_for(100);
        signal(stopped, libc::SIGCONT);
        running.wait_for(200);
    });
    report.say("SIGSTOP under load");
    report.lost_nothing();
    let events = server.events();
    let mut runs: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for event in &events {
        let (name, pid) = event.split_once(' ').unwrap();
        runs.entry(name).or_default().push(pid.parse().unwrap());
    }
    // Those with which the processes were waited for have one name.
    runs.retain(|name, _| name.starts_with('c'));
    let twice = runs.iter().find(|(_, pids)| pids.len() > 1);
    assert!(twice.is_none(), "{twice:?}");
    assert_eq!(runs.len(), report.answered);
    // A client asks again when it has its answer.
    let mut asked = asked.into_inner().unwrap();
    asked.sort_unstable();
    let (slow, quick): (Vec<_>, Vec<_>) = asked
        .windows(2)
        .filter(|pair| pair[0].0 == pair[1].0)
        .map(|pair| {
            let name = format!("c{}n{}", pair[0].0, pair[0].1);
            (runs[name.as_str()][0], pair[1].2 - pair[0].2, name)
        })
        .partition(|(_, took, _)| *took > Duration::from_secs(3));
    assert!(slow.iter().all(|(pid, ..)| *pid == stopped), "{slow:?}");
    let moved = |(pid, took, _): &&(i32, Duration, String)| *pid != stopped && *took > millis(700);
    let (kept, moved) = (slow.len(), quick.iter().filter(moved).count());
    say(&format!(
        "{kept} had been begun with, {moved} went elsewhere"
    ));
    assert!(moved > 0, "it was sent nothing");
    assert!(
        comes_true(Duration::from_secs(5), || takes_part(&server, stopped)),
        "it takes part no more"
    );
    server.finish();
}

/// Whether a process answers one of ten requests that run at the same time.
fn takes_part(server: &Server, pid: i32) -> bool {
    let name = pid.to_string();
    let pids: Vec<String> = std::thread::scope(|scope| {
        let ask = |number| {
            move || {
                let reply = server.ask(&sleeping(0.3, number, 0).request).ok();
                reply.header("X-Pid").unwrap_or_default().to_owned()
            }
        };
        let clients: Vec<_> = (0..10).map(|number| scope.spawn(ask(number))).collect();
        clients.into_iter().map(|c| c.join().unwrap()).collect()
    });
    pids.contains(&name)
}
