//! Nothing is left when a server is gone: no process, no socket file, no shared memory, no semaphore.

use std::collections::BTreeSet;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{answering, group, sleeping};
use crate::harness::{
    Connection, Server, UnderTest, comes_true, descendants, has_ended, only_rsgi, signal,
    under_test, wait_until,
};

/// What outlives processes by itself.
#[derive(Debug, PartialEq, Eq)]
struct Shared {
    memory: BTreeSet<String>,
    semaphores: BTreeSet<String>,
    files: BTreeSet<String>,
}

impl Shared {
    fn now() -> Self {
        let ids = |name: &str| -> BTreeSet<String> {
            let text = std::fs::read_to_string(format!("/proc/sysvipc/{name}")).unwrap_or_default();
            let lines = text.lines().skip(1);
            lines
                .filter_map(|l| l.split_whitespace().nth(1).map(str::to_owned))
                .collect()
        };
        let files = std::fs::read_dir("/dev/shm").into_iter().flatten();
        Self {
            memory: ids("shm"),
            semaphores: ids("sem"),
            files: files
                .filter_map(|e| Some(e.ok()?.file_name().to_string_lossy().into_owned()))
                .collect(),
        }
    }

    /// Nothing that was not there before; other tests come and go meanwhile, so what is new has to go away.
    #[track_caller]
    fn has_not_grown(&self) {
        let new = || {
            let now = Self::now();
            let parts = [
                (&now.memory, &self.memory),
                (&now.semaphores, &self.semaphores),
                (&now.files, &self.files),
            ];
            parts
                .iter()
                .flat_map(|(now, before)| now.difference(before).cloned())
                .collect::<Vec<String>>()
        };
        let first: BTreeSet<String> = new().into_iter().collect();
        let is_gone = || new().iter().all(|name| !first.contains(name));
        assert!(
            comes_true(Duration::from_secs(20), is_gone),
            "left: {:?}",
            new()
        );
    }
}

/// Files below a folder that are sockets.
fn sockets(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() {
            found.extend(sockets(&entry.path()));
        } else if kind.is_socket() {
            found.push(entry.path().display().to_string());
        }
    }
    found
}

/// Ends a server that has a request in it, and looks at what is there afterwards.
fn leaves_nothing(end: impl FnOnce(&mut Server), patience: Duration) {
    let before = Shared::now();
    let mut server = group("processes=2 threads=5 graceful-timeout=2 shutdown-timeout=1")
        .conf("WSGIDaemonProcess other processes=1 threads=1")
        .start();
    answering(&server);
    if under_test() == UnderTest::Rsgi {
        assert_eq!(sockets(server.root()), Vec::<String>::new());
    }
    let mut stuck = server.connect();
    stuck.send(sleeping(60.0, 0, 0).request.to_bytes());
    assert!(stuck.is_silent(Duration::from_millis(200)));
    let all = descendants(server.pid());
    assert!(all.len() >= 4, "{all:?}");
    end(&mut server);
    let left = || -> Vec<i32> {
        let all = all.iter().copied();
        all.filter(|&pid| !has_ended(pid)).collect()
    };
    assert!(
        comes_true(patience, || left().is_empty()),
        "left: {:?}",
        left()
    );
    assert_eq!(sockets(server.root()), Vec::<String>::new());
    before.has_not_grown();
    for text in [
        "RSGI",
        "AH0004",
        "AH00052",
        "exit signal",
        "Aborting process",
    ] {
        server.allow_log(text);
    }
    server.allow_stacks();
    server.finish();
}

#[test]
fn a_stop_leaves_nothing() {
    leaves_nothing(
        |server| {
            server.control("stop");
            server.wait_until_ended();
        },
        // All of it is gone when the stop is seen to have ended.
        Duration::from_millis(if under_test() == UnderTest::Rsgi {
            50
        } else {
            5000
        }),
    );
}

#[test]
fn sigterm_leaves_nothing() {
    leaves_nothing(
        |server| {
            server.signal(libc::SIGTERM);
            server.wait_until_ended();
        },
        Duration::from_millis(if under_test() == UnderTest::Rsgi {
            50
        } else {
            5000
        }),
    );
}

#[test]
fn a_graceful_stop_leaves_nothing() {
    only_rsgi!("it cuts the request");
    let server = group("processes=2 threads=5").start();
    answering(&server);
    let mut request = server.connect();
    request.send(sleeping(1.5, 0, 0).request.to_bytes());
    assert!(request.is_silent(Duration::from_millis(200)));
    let all = descendants(server.pid());
    let mut server = server;
    server.control("graceful-stop");
    assert!(request.reply("GET").ok().body == sleeping(1.5, 0, 0).body);
    drop(request);
    server.wait_until_ended();
    wait_until("all have ended", || all.iter().all(|&pid| has_ended(pid)));
    server.finish();
}

#[test]
fn a_crash_of_the_parent_leaves_nothing_but_apaches_children() {
    only_rsgi!("its daemons live on");
    leaves_nothing(
        |server| {
            let children = server.children();
            signal(server.pid(), libc::SIGKILL);
            server.wait_until_ended();
            // httpd: its children go on without a parent; whoever finds them ends them.
            std::thread::sleep(Duration::from_millis(500));
            for pid in children {
                signal(pid, libc::SIGKILL);
            }
        },
        Duration::from_secs(8),
    );
}

#[test]
fn a_crash_of_everything_of_apaches_at_once_leaves_nothing() {
    only_rsgi!("its daemons live on");
    leaves_nothing(
        |server| {
            let mut all = server.children();
            all.push(server.pid());
            all.extend(server.supervisors());
            for &pid in &all {
                signal(pid, libc::SIGKILL);
            }
            server.wait_until_ended();
        },
        Duration::from_secs(8),
    );
}

/// Starts a group with a request that does not end, in a process whose supervisor is then killed.
fn abandoned(options: &str) -> (Server, i32, Connection) {
    let server = group(&format!("processes=1 threads=2 {options}")).start();
    let pid = answering(&server);
    let mut stuck = server.connect();
    stuck.send(sleeping(60.0, 0, 0).request.to_bytes());
    assert!(stuck.is_silent(Duration::from_millis(200)));
    for text in ["RSGI", "AH0004", "AH00052", "exit signal"] {
        server.allow_log(text);
    }
    server.allow_stacks();
    (server, pid, stuck)
}

#[test]
fn a_stop_leaves_nothing_of_an_earlier_supervisor() {
    only_rsgi!("it has none");
    for options in [
        "shutdown-timeout=1",
        "graceful-timeout=0 shutdown-timeout=1",
    ] {
        let (mut server, pid, _stuck) = abandoned(options);
        let first = server.supervisors();
        signal(first[0], libc::SIGKILL);
        wait_until("another supervisor with a process of its own", || {
            let is_other = server.supervisors().iter().any(|pid| *pid != first[0]);
            is_other && !server.daemons().is_empty()
        });
        assert!(!has_ended(pid), "its request still runs");
        let all = descendants(server.pid());
        let begun = Instant::now();
        server.control("stop");
        server.wait_until_ended();
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(6), "{options}: {took:?}");
        let is_gone = || has_ended(pid) && all.iter().all(|&pid| has_ended(pid));
        assert!(
            comes_true(Duration::from_millis(50), is_gone),
            "{options}: {pid} or one of {all:?} is left"
        );
        server.finish();
    }
}

#[test]
fn without_parent_and_supervisor_a_process_ends_whatever_its_timeouts() {
    only_rsgi!("its daemons live on");
    for (options, seconds) in [
        ("graceful-timeout=0 shutdown-timeout=1", 6),
        ("graceful-timeout=60 shutdown-timeout=1", 6),
        ("graceful-timeout=0 shutdown-timeout=0", 15),
    ] {
        let (mut server, pid, _stuck) = abandoned(options);
        let children = server.children();
        let mut all = server.supervisors();
        all.push(server.pid());
        for &pid in &all {
            signal(pid, libc::SIGKILL);
        }
        server.wait_until_ended();
        let is_gone = comes_true(Duration::from_secs(seconds), || has_ended(pid));
        // httpd: its children go on without a parent.
        for pid in children {
            signal(pid, libc::SIGKILL);
        }
        if !is_gone {
            signal(pid, libc::SIGKILL);
        }
        assert!(is_gone, "{options}: {pid} is still there");
        server.finish();
    }
}

/// 50 in CI; `RSGI_TEST_SOAK=1` makes it 500.
#[test]
fn many_starts_and_stops_leave_nothing() {
    let rounds = if std::env::var_os("RSGI_TEST_SOAK").is_some() {
        125
    } else {
        13
    };
    let before = Shared::now();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(move || {
                for round in 0..rounds {
                    let mut server = group("processes=2 threads=2").log_level("notice").start();
                    server.text("/?a");
                    let all = descendants(server.pid());
                    if round % 3 == 2 {
                        server.graceful();
                        server.text("/?b");
                    }
                    server.stop();
                    assert!(comes_true(Duration::from_secs(5), || all
                        .iter()
                        .all(|&pid| has_ended(pid))));
                    assert_eq!(sockets(server.root()), Vec::<String>::new());
                    server.finish();
                }
            });
        }
    });
    before.has_not_grown();
}

#[test]
fn a_configuration_test_starts_no_process() {
    let builder = group("processes=2 threads=2");
    let marker = builder.root().display().to_string();
    builder.check().accepted();
    assert_eq!(crate::harness::with_marker(&marker), Vec::<i32>::new());
}

#[test]
fn nothing_grows_in_daemon_child_and_parent() {
    let long = std::env::var_os("RSGI_TEST_SOAK").is_some();
    let count = if long { 50_000 } else { 5_000 };
    let server = group("processes=2 threads=5").log_level("notice").start();
    let round = |count: usize| {
        let load = crate::harness::Load::on(server.port())
            .clients(4)
            .most(count)
            .lasting(Duration::from_secs(600));
        let report = load.run(super::mixed);
        report.lost_nothing();
        for _ in 0..count / 25 {
            let mut gone = server.connect();
            gone.send(crate::harness::Request::get("/size?500000").to_bytes());
            gone.head();
            gone.reset();
        }
        server.text("/?settle");
        std::thread::sleep(Duration::from_millis(300));
        let state = |pid: i32| {
            let open = crate::harness::open_descriptors(pid).unwrap_or_default();
            (crate::harness::resident(pid, "RssAnon"), open)
        };
        let mut all = server.daemons();
        all.extend(server.children());
        all.push(server.pid());
        all.into_iter().map(state).collect::<Vec<(u64, usize)>>()
    };
    round(count / 2);
    let mut early = round(count / 4);
    // What is lost with each request makes each round larger. A thread that first comes to an arena of the C library
    // does so once.
    let settles = (0..4).any(|_| {
        let late = round(count);
        crate::harness::say(&format!("KiB, descriptors: {early:?} -> {late:?}"));
        assert_eq!(early.len(), late.len());
        let mut pairs = early.iter().zip(&late);
        let is_same = pairs.all(|(early, late)| late.0 <= early.0 + 1024 && late.1 <= early.1 + 6);
        early = late;
        is_same
    });
    assert!(settles, "each round is larger than the one before");
    for text in ["RSGI", "WSGI", "OSError"] {
        server.allow_log(text);
    }
    server.finish();
}
