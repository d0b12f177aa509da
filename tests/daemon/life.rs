//! The supervisor and its processes in httpd's life: who starts, who ends with whom, and what nobody inherits.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{APP, answering, group};
use crate::harness::{
    Builder, Mpm, Request, Server, comes_true, descendants, has_ended, id, only_rsgi,
    open_descriptors, signal, status_field, wait_until,
};

/// Waits until the server has so many daemon processes, of one supervisor, all with Python in them.
#[track_caller]
fn settles(server: &Server, processes: usize) -> BTreeSet<i32> {
    wait_until("one supervisor and its processes", || {
        server.supervisors().len() == 1
            && server.daemons().len() == processes
            && server.daemons().iter().all(|&pid| has_python(pid))
    });
    server.daemons().into_iter().collect()
}

fn has_python(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/maps"))
        .is_ok_and(|maps| maps.contains("rsgi_python."))
}

/// What a process has open, without numbers that differ each time.
fn open_files(pid: i32) -> Vec<(i32, String)> {
    let folder = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten();
    let mut files: Vec<(i32, String)> = folder
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let number = entry.file_name().to_str()?.parse().ok()?;
            let target = std::fs::read_link(entry.path()).ok()?;
            Some((number, target.display().to_string()))
        })
        .collect();
    files.sort_unstable();
    files
}

/// The inodes of the TCP sockets that listen anywhere.
fn listeners() -> BTreeSet<String> {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let fields = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields
        .filter(|fields| fields.get(3) == Some(&"0A"))
        .filter_map(|fields| fields.get(9).map(|inode| format!("socket:[{inode}]")))
        .collect()
}

fn environment(pid: i32) -> BTreeSet<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let entries = bytes.split(|&byte| byte == 0);
    entries
        .filter_map(|entry| {
            String::from_utf8_lossy(entry)
                .split_once('=')
                .map(|e| e.0.to_owned())
        })
        .collect()
}

#[test]
fn a_daemon_process_has_nothing_of_apaches_open() {
    only_rsgi!("its daemons are forks of the parent");
    let server = group("processes=2 threads=5")
        .conf("WSGIDaemonProcess other processes=1 threads=1")
        .conf("CustomLog \"|/usr/bin/tee -a @WORK@/piped\" tests")
        .start();
    for pid in settles(&server, 3) {
        let files = open_files(pid);
        let of = |number: i32| {
            files
                .iter()
                .find(|f| f.0 == number)
                .map_or("", |f| f.1.as_str())
        };
        assert_eq!(of(0), "/dev/null", "{files:?}");
        assert!(of(1).starts_with("pipe:") && of(1) == of(2), "{files:?}");
        assert!(of(4).contains("rsgi-board"), "{files:?}");
        let listening = listeners();
        for (number, file) in &files {
            assert!(!listening.contains(file), "{number} listens: {files:?}");
            assert!(
                !file.contains("error.log") && !file.contains("access.log"),
                "{files:?}"
            );
        }
        let boards = files.iter().filter(|f| f.1.contains("rsgi-board")).count();
        assert_eq!(boards, 1, "{files:?}");
    }
    // Nor does a program of Apache's get anything of ours. httpd: at a restart it is surprised by the old one's end.
    server.allow_log("AH00488");
    server.graceful();
    settles(&server, 3);
    let loggers = descendants(server.pid()).into_iter();
    let loggers: Vec<i32> = loggers
        .filter(|&pid| status_field(pid, "Name").as_deref() == Some("tee"))
        .collect();
    assert!(!loggers.is_empty());
    for pid in loggers {
        let files = open_files(pid);
        let ours = |file: &str| file.contains("rsgi-board") || file.starts_with("socket:");
        assert!(files.iter().all(|f| !ours(&f.1)), "{files:?}");
    }
    server.finish();
}

#[test]
fn a_supervisor_does_not_listen_and_leads_its_own_session() {
    only_rsgi!("it has no supervisor");
    let server = group("processes=1").start();
    settles(&server, 1);
    for _ in 0..2 {
        let listening = listeners();
        let pid = server.supervisors()[0];
        let files = open_files(pid);
        assert!(files.iter().all(|f| !listening.contains(&f.1)), "{files:?}");
        server.graceful();
        settles(&server, 1);
    }
    server.finish();
}

#[test]
fn applications_get_httpds_environment_without_its_service_managers() {
    only_rsgi!("its daemons have all of it");
    let server = group("processes=1")
        .env("DATABASE_URL", "somewhere")
        .env("NOTIFY_SOCKET", "@nowhere")
        .env("LISTEN_FDS", "0")
        .start();
    let pid = *settles(&server, 1).first().unwrap();
    let names = environment(pid);
    assert!(names.contains("DATABASE_URL"), "{names:?}");
    assert!(
        !names.contains("NOTIFY_SOCKET") && !names.contains("LISTEN_FDS"),
        "{names:?}"
    );
    server.finish();
}

#[test]
fn processes_end_with_the_server_under_each_mpm() {
    only_rsgi!("its processes have no supervisor");
    for mpm in Mpm::ALL {
        for how in ["stop", "graceful-stop"] {
            let mut server = group("processes=2 threads=2").mpm(mpm).start();
            settles(&server, 2);
            let all = descendants(server.pid());
            server.control(how);
            server.wait_until_ended();
            let left: Vec<i32> = all.into_iter().filter(|&pid| !has_ended(pid)).collect();
            assert!(
                left.is_empty(),
                "{how} under {} leaves {left:?}",
                mpm.name()
            );
            server.finish();
        }
    }
}

#[test]
fn a_single_process_has_its_groups() {
    only_rsgi!("its processes have no supervisor");
    for mpm in Mpm::ALL {
        let mut server = group("processes=2 threads=2")
            .mpm(mpm)
            .argument("-X")
            .start();
        let daemons = settles(&server, 2);
        server.stop();
        wait_until("the end of all", || {
            daemons.iter().all(|&pid| has_ended(pid))
        });
        server.finish();
    }
}

#[test]
fn a_single_process_replaces_a_supervisor_that_was_killed() {
    only_rsgi!("its processes have no supervisor");
    let server = group("processes=2 threads=2").argument("-X").start();
    for _ in 0..2 {
        let before = settles(&server, 2);
        let supervisor = server.supervisors()[0];
        signal(supervisor, libc::SIGKILL);
        wait_until("the end of all", || {
            before.iter().all(|&pid| has_ended(pid))
        });
        // The request that finds it missing waits for the new ones. Its connection ends when the server ends it.
        let mut connection = server.connect();
        connection.send(
            Request::get("/pid")
                .header("Connection", "close")
                .to_bytes(),
        );
        let pid: i32 = connection.reply("GET").ok().text().parse().unwrap();
        assert!(connection.is_closed());
        assert!(!before.contains(&pid));
        let found = server.supervisors();
        assert!(found.len() == 1 && found[0] != supervisor, "{found:?}");
        server.expect_log(&id("0454"));
    }
    server.finish();
}

#[test]
fn a_killed_parent_takes_all_processes_along() {
    only_rsgi!("its daemons live on");
    let mut server = group("processes=2 threads=2").start();
    let mut all = settles(&server, 2);
    all.extend(server.supervisors());
    let children = server.children();
    server.signal(libc::SIGKILL);
    server.wait_until_ended();
    let begun = Instant::now();
    wait_until("the end of all", || all.iter().all(|&pid| has_ended(pid)));
    assert!(
        begun.elapsed() < Duration::from_secs(6),
        "{:?}",
        begun.elapsed()
    );
    for pid in children {
        signal(pid, libc::SIGKILL);
    }
    server.finish();
}

#[test]
fn a_killed_supervisor_has_a_successor_and_its_processes_end() {
    only_rsgi!("it has no supervisor");
    let server = group("processes=2 threads=2").start();
    let daemons = settles(&server, 2);
    let supervisor = server.supervisors()[0];
    signal(supervisor, libc::SIGKILL);
    server.expect_log("RSGI0454");
    wait_until("others", || {
        let now = server.daemons();
        now.len() == 2 && now.iter().all(|pid| !daemons.contains(pid))
    });
    assert_ne!(settles(&server, 2), daemons);
    // And once more: what the first took over it hands on.
    signal(server.supervisors()[0], libc::SIGKILL);
    wait_until("the next supervisor", || {
        server.log_text().matches("RSGI0454").count() == 2
    });
    settles(&server, 2);
    server.finish();
}

#[test]
fn a_killed_process_has_a_successor_at_once_and_a_line_in_the_log() {
    only_rsgi!("the line is ours");
    let server = group("processes=1 threads=2").start();
    let pid = *settles(&server, 1).first().unwrap();
    // One that has served for a moment.
    std::thread::sleep(Duration::from_millis(1200));
    let begun = Instant::now();
    signal(pid, libc::SIGKILL);
    wait_until("a successor", || {
        server.daemons().iter().any(|&other| other != pid)
    });
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    let line = server.expect_log("RSGI0450");
    for part in ["group `app`", &pid.to_string(), "signal 9 (SIGKILL)"] {
        assert!(line.text.contains(part), "{}", line.text);
    }
    assert_eq!(line.level, "error");
    server.finish();
}

#[test]
fn httpd_signals_to_its_group_do_not_reach_the_processes() {
    only_rsgi!("its daemons are in httpd's process group");
    let server = group("processes=1 threads=2").start();
    let before = settles(&server, 1);
    // What a terminal sends for a change of its window; httpd takes it for graceful-stop, so ignore that one here.
    let supervisor = server.supervisors()[0];
    for number in [
        libc::SIGTERM,
        libc::SIGINT,
        libc::SIGHUP,
        libc::SIGUSR1,
        libc::SIGWINCH,
    ] {
        signal(supervisor, number);
    }
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(settles(&server, 1), before);
    assert_eq!(server.supervisors(), [supervisor]);
    server.finish();
}

#[test]
fn graceful_restarts_leave_the_parent_as_it_was() {
    only_rsgi!("it has no supervisor");
    let server = group("processes=2 threads=2").log_level("notice").start();
    settles(&server, 2);
    let restarts = |count: usize| {
        for _ in 0..count {
            server.graceful();
        }
        settles(&server, 2);
    };
    restarts(2);
    let settled = |wanted: usize| {
        comes_true(Duration::from_secs(20), || {
            open_descriptors(server.pid()) == Some(wanted)
        })
    };
    std::thread::sleep(Duration::from_secs(2));
    let before = open_descriptors(server.pid()).unwrap();
    restarts(20);
    assert!(
        settled(before),
        "{before} -> {:?}: {:?}",
        open_descriptors(server.pid()),
        open_files(server.pid())
    );
    server.finish();
}

#[test]
fn what_another_module_refuses_starts_no_process() {
    only_rsgi!("it has no supervisor");
    // mod_ssl finds out after all configuration was read, in its post_config.
    let builder = group("processes=2")
        .modules(&["socache_shmcb", "ssl"])
        .conf("<VirtualHost 127.0.0.1:@PORT@>\nSSLEngine On\n</VirtualHost>");
    let marker = builder.root().display().to_string();
    let output = builder.start_in_vain();
    assert!(!output.is_accepted, "{}", output.output);
    assert!(
        !output.output.contains("started in slot"),
        "{}",
        output.output
    );
    assert_eq!(crate::harness::with_marker(&marker), Vec::<i32>::new());
}

/// A group that loads its application before any request, and not while there is a file `work/held`.
fn held_while_it_loads() -> Builder {
    let source = format!(
        "import os, time\nwhile os.path.exists('@WORK@/held'):\n    time.sleep(0.01)\n{APP}"
    );
    Server::builder()
        .daemon("app", "processes=1 threads=2")
        .app("app.wsgi", &source)
        .conf("WSGIScriptAlias / @APPS@/app.wsgi process-group=app application-group=%{GLOBAL}")
}

#[test]
fn an_old_process_stays_until_the_new_generation_has_its_own() {
    only_rsgi!("it stops its processes at once");
    let server = held_while_it_loads().start();
    let old = answering(&server);
    let before = server.children();
    server.write("work/held", "");
    server.graceful();
    wait_until("new children only", || {
        let now = server.children();
        !now.is_empty() && now.iter().all(|pid| !before.contains(pid))
    });
    wait_until("the new process", || server.daemons().len() == 2);
    assert_eq!(answering(&server), old, "the new one still loads");
    std::fs::remove_file(server.root().join("work/held")).unwrap();
    let new = settles(&server, 1);
    assert_eq!(BTreeSet::from([answering(&server)]), new);
    assert!(!new.contains(&old));
    server.finish();
}
