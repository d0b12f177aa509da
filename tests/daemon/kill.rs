//! Processes that are killed: only what ran in them fails, and no slot, thread or descriptor stays taken.

use std::time::{Duration, Instant};

use super::truncated::{KNOWN, each_is_told_once, lines_of_requests};
use super::{all_places_are_free, all_serve, answering, group, millis, sleeping};
use crate::harness::{
    Ask, Builder, Connection, Failure, Load, Request, Server, comes_true, has_ended, only_rsgi,
    open_descriptors, say, signal, wait_until,
};

fn quiet(builder: Builder) -> Server {
    builder.log_level("notice").start()
}

/// What each death leaves in the log.
fn allow_deaths(server: &Server) {
    for text in ["RSGI04", "RSGI0146", "RSGI0116", "RSGI0147", "SIGKILL"] {
        server.allow_log(text);
    }
    for text in ["WSGI0146", "WSGI0147", "WSGI0080", "exit signal", "died"] {
        server.allow_log_of_mod_wsgi(text);
    }
}

/// Kills so many Apache children and waits until there are others.
fn kill_children(server: &Server, many: usize) {
    let children: Vec<i32> = server.children().into_iter().take(many).collect();
    for &pid in &children {
        signal(pid, libc::SIGKILL);
    }
    wait_until("other children", || {
        let now = server.children();
        !now.is_empty() && children.iter().all(|pid| !now.contains(pid))
    });
}

fn descriptors(pids: &[i32]) -> usize {
    pids.iter().filter_map(|&pid| open_descriptors(pid)).sum()
}

/// What daemons hold open when the children that keep connections to ask again are gone, and nothing closes any more.
fn descriptors_without_children(server: &Server, daemons: &[i32]) -> usize {
    kill_children(server, usize::MAX);
    let mut last = (descriptors(daemons), Instant::now());
    wait_until("no descriptor closed for a second", || {
        let now = descriptors(daemons);
        if now != last.0 {
            last = (now, Instant::now());
        }
        last.1.elapsed() > Duration::from_secs(1)
    });
    last.0
}

#[test]
fn only_the_requests_of_a_killed_process_fail() {
    let server = quiet(group("processes=2 threads=5"));
    allow_deaths(&server);
    const KILLS: usize = 5;
    let load = Load::on(server.port())
        .clients(8)
        .lasting(Duration::from_secs(40));
    let report = load.during(
        |client, turn| sleeping(0.02, client, turn),
        |running| {
            for _ in 0..KILLS {
                running.wait_for(40);
                std::thread::sleep(millis(900));
                if let Some(&pid) = server.daemons().first() {
                    signal(pid, libc::SIGKILL);
                }
            }
            running.wait_for(40);
        },
    );
    report.say("kill -9 of a daemon every second");
    report.lost_only(&[Failure::Status(502)]);
    // Eight clients over two processes with five threads: at most five of them in the one that dies.
    let lost = report.lost(&Failure::Status(502));
    assert!(lost <= KILLS * 5, "{lost}");
    assert!(
        report.slowest() < Duration::from_secs(3),
        "{:?}",
        report.slowest()
    );
    wait_until("both processes are there", || server.daemons().len() == 2);
    all_places_are_free(&server, 10);
    server.finish();
}

#[test]
fn requests_that_wait_go_to_another_process() {
    only_rsgi!("they are in the socket that all processes share, or in the dead one");
    let server = quiet(group("processes=2 threads=1"));
    allow_deaths(&server);
    let ask = |number: usize| {
        let mut connection = server.connect();
        connection.send(sleeping(1.0, number, 0).request.to_bytes());
        connection
    };
    let running: Vec<Connection> = (0..2).map(ask).collect();
    std::thread::sleep(millis(300));
    let waiting: Vec<Connection> = (2..8).map(ask).collect();
    std::thread::sleep(millis(200));
    signal(server.daemons()[0], libc::SIGKILL);
    let statuses: Vec<u16> = running
        .into_iter()
        .map(|mut connection| connection.reply("GET").status)
        .collect();
    let lost = statuses.iter().filter(|status| **status == 502).count();
    assert_eq!(lost, 1, "{statuses:?}");
    for (number, mut connection) in waiting.into_iter().enumerate() {
        let reply = connection.reply("GET").ok();
        assert!(reply.body == sleeping(1.0, number + 2, 0).body);
    }
    let line = server.expect_log("SIGKILL");
    assert!(line.text.contains("`app`"), "{}", line.text);
    server.finish();
}

#[test]
fn a_502_names_the_group_the_process_and_the_signal_in_one_line() {
    only_rsgi!("its line names none of them");
    let server = quiet(group("processes=1 threads=2"));
    let pid = answering(&server);
    let mut connection = server.connect();
    connection.send(sleeping(5.0, 0, 0).request.to_bytes());
    assert!(connection.is_silent(millis(300)));
    signal(pid, libc::SIGKILL);
    let begun = Instant::now();
    let reply = connection.reply("GET");
    assert_eq!(reply.status, 502, "{}", reply.text());
    assert!(begun.elapsed() < millis(500), "{:?}", begun.elapsed());
    assert!(!reply.text().contains("SIGKILL"), "{}", reply.text());
    assert_eq!(server.text("/?a"), "a".repeat(50));
    let place = format!("the process {pid} of the daemon process group `app`");
    each_is_told_once(&server, 1, &["RSGI0146", &place, "SIGKILL", "last words"]);
    // Beside it only the supervisor's, which is of no request.
    server.expect_log("RSGI0450");
    server.allow_log("RSGI0146");
    server.finish();
}

#[test]
fn a_stream_whose_process_is_killed_is_cut_at_once() {
    only_rsgi!("it looks complete");
    let server = quiet(group("processes=1 threads=2"));
    let mut all = Vec::new();
    for turn in 1..=3 {
        let mut stream = server.connect();
        stream.send(Request::get("/stream?s").to_bytes());
        let pid: i32 = stream.head().header("X-Pid").unwrap().parse().unwrap();
        assert_eq!(stream.chunk(), Some(b"s 0\n".to_vec()));
        let begun = Instant::now();
        signal(pid, libc::SIGKILL);
        while stream.chunk().is_some() {}
        let rest = stream.rest();
        all.push(begun.elapsed());
        assert!(!rest.ends_with(b"0\r\n\r\n"), "it looks complete");
        let lines = lines_of_requests(&server, turn);
        for word in ["RSGI0146", "`app`", &format!("process {pid} "), "SIGKILL"] {
            assert!(lines[turn - 1].contains(word), "no {word}: {lines:?}");
        }
    }
    say(&format!("known after {all:?}"));
    // The quickest of three: the machine may have been busy.
    assert!(all.iter().min().unwrap() < &KNOWN, "{all:?}");
    server.expect_log("RSGI0450");
    server.allow_log("RSGI0146");
    server.finish();
}

#[test]
fn killed_apache_children_leave_no_place_taken() {
    let server = quiet(group("processes=2 threads=5").processes(2).threads(16));
    allow_deaths(&server);
    server.allow_log("exit signal Killed");
    all_serve(&server, "/sleep", 2);
    all_places_are_free(&server, 10);
    let daemons = server.daemons();
    let before = descriptors_without_children(&server, &daemons);
    let load = Load::on(server.port())
        .clients(8)
        .lasting(Duration::from_secs(40));
    let report = load.during(
        |client, turn| sleeping(0.05, client, turn),
        |running| {
            for turn in 0..6 {
                running.wait_for(30);
                kill_children(&server, if turn % 3 == 2 { usize::MAX } else { 1 });
            }
            running.wait_for(30);
        },
    );
    report.say("kill -9 of Apache's children");
    // Their connections are gone with them, and the port answers as soon as there is a child.
    report.lost_only(&[Failure::NoAnswer, Failure::Cut, Failure::Timeout]);
    all_places_are_free(&server, 10);
    assert_eq!(server.daemons(), daemons);
    let after = descriptors_without_children(&server, &daemons);
    assert_eq!(after, before, "descriptors of {daemons:?}");
    server.finish();
}

#[test]
fn a_killed_supervisor_is_replaced_and_costs_no_request() {
    only_rsgi!("it has none");
    let server = quiet(group("processes=2 threads=5"));
    allow_deaths(&server);
    let parent = open_descriptors(server.pid()).unwrap();
    let load = Load::on(server.port())
        .clients(6)
        .lasting(Duration::from_secs(60));
    let report = load.during(
        |client, turn| sleeping(0.02, client, turn),
        |running| {
            for _ in 0..3 {
                running.wait_for(50);
                let before = server.supervisors();
                let daemons = server.daemons();
                assert_eq!(before.len(), 1);
                signal(before[0], libc::SIGKILL);
                wait_until("another supervisor with its own processes", || {
                    let now = server.daemons();
                    server.supervisors().iter().any(|pid| *pid != before[0])
                        && now.len() == 2
                        && now.iter().all(|pid| !daemons.contains(pid))
                });
            }
            running.wait_for(50);
        },
    );
    report.say("kill -9 of the supervisor");
    report.lost_nothing();
    assert!(
        report.slowest() < Duration::from_secs(5),
        "{:?}",
        report.slowest()
    );
    all_places_are_free(&server, 10);
    let now = open_descriptors(server.pid()).unwrap();
    assert!(
        now <= parent + 2,
        "the parent's {parent} descriptors became {now}"
    );
    server.finish();
}

#[test]
fn when_the_parent_is_killed_daemons_and_supervisor_end_by_themselves() {
    only_rsgi!("its daemons live on");
    let mut server = quiet(group("processes=2 threads=5"));
    server.text("/?a");
    let (daemons, supervisors, children) =
        (server.daemons(), server.supervisors(), server.children());
    assert_eq!((daemons.len(), supervisors.len()), (2, 1));
    // One request is stuck for much longer than the end may take.
    let mut stuck = server.connect();
    stuck.send(sleeping(60.0, 0, 0).request.to_bytes());
    assert!(stuck.is_silent(millis(200)));
    signal(server.pid(), libc::SIGKILL);
    server.wait_until_ended();
    let gone = comes_true(Duration::from_secs(9), || {
        daemons
            .iter()
            .chain(&supervisors)
            .all(|&pid| has_ended(pid))
    });
    let left: Vec<&i32> = daemons
        .iter()
        .chain(&supervisors)
        .filter(|p| !has_ended(**p))
        .collect();
    // httpd: its children go on without a parent.
    for &pid in &children {
        signal(pid, libc::SIGKILL);
    }
    assert!(gone, "{left:?} of {daemons:?} {supervisors:?}");
    server.allow_log("RSGI");
    server.allow_stacks();
    server.finish();
}

#[test]
fn a_process_that_dies_at_once_again_and_again_is_started_with_a_growing_delay() {
    only_rsgi!("it is started as fast as it dies, once a second");
    let server = Server::builder()
        .threads(16)
        .daemon("app", "processes=1 threads=2 connect-timeout=1")
        .serve(super::APP)
        .app(
            "start.py",
            "import os\nopen('@WORK@/events', 'a').write('start\\n')\nos._exit(9)\n",
        )
        .conf("WSGIImportScript @APPS@/start.py process-group=app application-group=%{GLOBAL}")
        .allow_log("RSGI04")
        .start();
    std::thread::sleep(Duration::from_secs(3));
    let starts = server.events().len();
    say(&format!("{starts} starts in three seconds"));
    assert!((3..=10).contains(&starts), "{starts}");
    let begun = Instant::now();
    let reply = server.get("/?a");
    assert_eq!(reply.status, 503, "{}", reply.text());
    let waited = begun.elapsed();
    assert!((millis(900)..millis(3000)).contains(&waited), "{waited:?}");
    server.expect_log("ended with exit code 9");
    server.allow_log("RSGI0116");
    // When the cause is gone, it serves, without a restart of httpd.
    server.write("apps/start.py", "pass\n");
    let served = comes_true(Duration::from_secs(15), || server.get("/?a").status == 200);
    assert!(served, "it does not recover");
    server.allow_log("RSGI");
    server.finish();
}

#[test]
fn killed_daemons_leave_no_descriptor_open_in_children_supervisor_and_parent() {
    only_rsgi!("it has no supervisor");
    const ROUNDS: usize = 7;
    let server = quiet(group("processes=2 threads=5"));
    allow_deaths(&server);
    server.text("/?warm");
    let of_all = || {
        let parent = open_descriptors(server.pid()).unwrap();
        [
            descriptors(&server.children()),
            descriptors(&server.supervisors()),
            parent,
        ]
    };
    let (mut before, mut same) = (of_all(), 0);
    wait_until("nothing changes any more", || {
        let now = of_all();
        same = if now == before { same + 1 } else { 0 };
        before = now;
        same > 20
    });
    for _ in 0..ROUNDS {
        let killed = server.daemons();
        let mut running = server.connect();
        running.send(sleeping(5.0, 0, 0).request.to_bytes());
        assert!(running.is_silent(millis(100)));
        for &pid in &killed {
            signal(pid, libc::SIGKILL);
        }
        assert_eq!(running.reply("GET").status, 502);
        wait_until("two others are there", || {
            let now = server.daemons();
            now.len() == 2 && now.iter().all(|pid| !killed.contains(pid))
        });
        server.text("/?next");
    }
    // Two requests at once at most: so many connections a child may keep for each of the four slots, that of a dead process
    // until there is another one in its slot.
    let kept = 4 * 2;
    assert!(kept < ROUNDS * 2, "one for each that died would be seen");
    let is_back = comes_true(Duration::from_secs(10), || {
        let now = of_all();
        now[0] <= before[0] + kept && now[1..] <= before[1..]
    });
    say(&format!("descriptors {before:?}, then {:?}", of_all()));
    assert!(is_back, "{before:?} became {:?}", of_all());
    server.finish();
}

#[test]
fn one_death_is_made_good_at_once() {
    let server = quiet(group("processes=1 threads=5"));
    allow_deaths(&server);
    let mut waits = Vec::new();
    for _ in 0..3 {
        let pid = answering(&server);
        // It has lived for a moment: not one that dies young again and again.
        std::thread::sleep(millis(1200));
        signal(pid, libc::SIGKILL);
        wait_until("it is dead", || has_ended(pid));
        let begun = Instant::now();
        let load = Load::on(server.port()).clients(1).most(1);
        let report = load.run(|_, _| Ask::new(Request::get("/?x"), "x".repeat(50)));
        // The child may have asked the dead one: that is a 502 or another try, never a wait.
        report.lost_only(&[Failure::Status(502)]);
        waits.push(begun.elapsed());
    }
    say(&format!("{waits:?}"));
    // mod_wsgi: its parent looks once a second.
    assert!(waits.iter().all(|wait| *wait < millis(1500)), "{waits:?}");
    server.finish();
}
