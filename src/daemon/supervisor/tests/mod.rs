//! A supervisor with shell scripts for daemon processes, in a thread of the test.

mod handover;

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rsgi_core::daemon::DaemonOptions;
use rustix::process::{Pid, Signal, getppid, kill_process};
use rustix::thread::gettid;

use super::*;
use crate::config::{ProcessConfig, PythonConfig, ServerConfig};
use crate::scoreboard::{Death, Demand, Owner, SlotState};
use crate::sys::socket::message_pair;

/// Reports that it is ready and waits for an order.
const READY: &str = "printf '\\001\\000' >&6\n";
const WAIT: &str = "dd bs=4 count=1 <&6 >/dev/null 2>&1\n";

#[derive(Default)]
struct Lines(Mutex<Vec<(u32, String)>>);

impl SupervisorLog for Arc<Lines> {
    fn log(&self, _group: usize, level: u32, text: &[u8]) {
        let text = String::from_utf8_lossy(text).into_owned();
        self.0.lock().push((level, text));
    }
}

impl Lines {
    fn lines(&self) -> Vec<(u32, String)> {
        self.0.lock().clone()
    }
}

/// A supervisor at work.
struct Playing {
    life: Option<std::os::fd::OwnedFd>,
    children: Option<Membership>,
    /// Held by the next generation.
    handover: Option<std::os::fd::OwnedFd>,
    lines: Arc<Lines>,
    thread: JoinHandle<i32>,
    id: Arc<AtomicI32>,
    _folder: tempfile::TempDir,
}

fn config(options: DaemonOptions) -> ProcessConfig {
    ProcessConfig {
        group: b"test".to_vec(),
        slot: 0,
        incarnation: 0,
        options,
        identity: None,
        client_user: 0,
        python: PythonConfig {
            executable: Vec::new(),
            library: Vec::new(),
            standard_library: Vec::new(),
            base_prefix: Vec::new(),
            minor: 11,
            version: None,
            is_venv: false,
            free_threaded: false,
            optimize: 0,
            hash_seed: None,
            warnings: Vec::new(),
            flags: 0,
            rules: Vec::new(),
        },
        imports: Vec::new(),
        server: ServerConfig::default(),
        telemetry: None,
        log_level: 6,
    }
}

fn script(folder: &Path, text: &str) -> CString {
    let path = folder.join("rsgi-daemon");
    fs::write(&path, format!("#!/bin/sh\n{text}")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

impl Playing {
    fn start(options: DaemonOptions, text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let spec = GroupSpec {
            config: config(options),
            overlaps: true,
            rows: 4,
            waiters: 4,
            timeout: Duration::from_secs(60),
        };
        let program = script(folder.path(), text);
        let environment = vec![c"PATH=/usr/bin:/bin".to_owned(), c"WHO=me".to_owned()];
        let generation = Generation::new(program, environment, vec![spec], None).unwrap();
        let (life, parent) = message_pair().unwrap();
        let (plan, children, handover) = generation.split(parent, getppid().unwrap());
        let lines = Arc::new(Lines::default());
        let log = Arc::clone(&lines);
        let id = Arc::new(AtomicI32::new(0));
        let told = Arc::clone(&id);
        Self {
            life: Some(life),
            children: Some(children),
            handover: Some(handover),
            lines,
            thread: std::thread::spawn(move || {
                told.store(gettid().as_raw_nonzero().get(), Ordering::Relaxed);
                run(plan, &log)
            }),
            id,
            _folder: folder,
        }
    }

    fn group(&self) -> Chosen<'_> {
        self.children.as_ref().unwrap().group(b"test").unwrap()
    }

    fn lines(&self) -> Vec<(u32, String)> {
        self.lines.lines()
    }

    fn count(&self, part: &str) -> usize {
        self.lines()
            .iter()
            .filter(|(_, line)| line.contains(part))
            .count()
    }

    #[track_caller]
    fn wait_for(&self, part: &str, times: usize) {
        let end = Instant::now() + Duration::from_secs(20);
        while self.count(part) < times {
            assert!(Instant::now() < end, "no {part:?} in {:?}", self.lines());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn pid(&self, slot: u32) -> Pid {
        let pid = self.group().board.slot(slot).unwrap().pid();
        Pid::from_raw(pid.cast_signed()).unwrap()
    }

    /// The processor time of the supervisor (`/proc/self/task/*/schedstat`).
    fn used(&self) -> Duration {
        let id = self.id.load(Ordering::Relaxed);
        let text = fs::read_to_string(format!("/proc/self/task/{id}/schedstat")).unwrap();
        Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
    }

    fn finish(mut self) -> Vec<(u32, String)> {
        drop(self.life.take());
        self.joined()
    }

    fn joined(self) -> Vec<(u32, String)> {
        assert_eq!(self.thread.join().unwrap(), 0);
        self.lines.lines()
    }
}

fn processes(processes: u32) -> DaemonOptions {
    DaemonOptions {
        processes,
        shutdown_timeout: 1,
        ..DaemonOptions::default()
    }
}

#[test]
fn a_process_has_its_seven_descriptors_and_its_own_environment_only() {
    let text = format!(
        "{READY}ls /proc/$$/fd >\"$0.fds\"\ntr '\\n' ' ' <\"$0.fds\"; echo\nenv | sort\necho done\n{WAIT}"
    );
    let playing = Playing::start(processes(1), &text);
    playing.wait_for("done", 1);
    let lines = playing.finish();
    let said: Vec<&str> = lines
        .iter()
        .filter(|(level, _)| *level == 3)
        .map(|(_, line)| line.as_str())
        .collect();
    // The shell keeps its own from 10 on.
    let inherited: Vec<&str> = said[0].split(' ').filter(|fd| fd.len() == 1).collect();
    assert_eq!(inherited, ["0", "1", "2", "3", "4", "5", "6"]);
    let environment = ["PATH=/usr/bin:/bin", "WHO=me"];
    assert!(
        environment.iter().all(|entry| said.contains(entry)),
        "{said:?}"
    );
    let own = ["PWD=", "OLDPWD=", "_=", "PATH=", "WHO="];
    let others = said[1..said.len() - 1].iter();
    let foreign: Vec<_> = others
        .filter(|entry| !own.iter().any(|name| entry.starts_with(name)))
        .collect();
    assert!(foreign.is_empty(), "{foreign:?}");
}

#[test]
fn a_killed_process_has_a_successor_and_its_death_on_the_board() {
    let playing = Playing::start(
        processes(2),
        &format!("{READY}sleep 1.1\necho ready\n{WAIT}"),
    );
    playing.wait_for("ready", 2);
    kill_process(playing.pid(0), Signal::KILL).unwrap();
    playing.wait_for("started in slot", 3);
    playing.wait_for("RSGI0450", 1);
    let group = playing.group();
    let slot = group.board.slot(0).unwrap();
    assert_eq!(slot.state(), SlotState::Dead);
    assert_eq!(slot.death(1), Some(Death::Signal(9)));
    assert_eq!(slot.death(2), None);
    let lines = playing.finish();
    let died = lines.iter().find(|(_, line)| line.contains("RSGI0450"));
    let (level, died) = died.unwrap();
    assert_eq!(*level, 3);
    assert!(
        died.contains("group `test`") && died.contains("SIGKILL"),
        "{died}"
    );
}

#[test]
fn a_script_that_fails_at_once_is_tried_again_with_growing_delay() {
    let begun = Instant::now();
    let playing = Playing::start(processes(1), "exit 3\n");
    playing.wait_for("ended with exit code 3", 5);
    // 0, 0.1, 0.2 and 0.4 s lie between them.
    assert!(begun.elapsed() >= Duration::from_millis(700));
    let count = playing.count("started in slot");
    assert!(count <= 5, "{count}");
    let lines = playing.finish();
    assert!(
        lines
            .iter()
            .any(|(_, line)| line.contains("the next one starts in 0.4 s")),
        "{lines:?}"
    );
}

#[test]
fn what_cannot_be_executed_says_so() {
    let playing = Playing::start(processes(1), "");
    playing.wait_for("ended with exit code 0", 1);
    fs::remove_file(playing._folder.path().join("rsgi-daemon")).unwrap();
    playing.wait_for("cannot be executed: errno 2", 1);
    playing.wait_for("gave up with exit code 78", 1);
    playing.finish();
}

#[test]
fn all_processes_stop_when_the_last_apache_child_is_gone() {
    let mut playing = Playing::start(
        processes(2),
        &format!("{READY}echo ready\n{WAIT}echo stopped\n"),
    );
    playing.wait_for("ready", 2);
    playing.children = None;
    playing.handover = None;
    let lines = playing.joined();
    let stopped = lines.iter().filter(|(_, line)| line == "stopped").count();
    assert_eq!(stopped, 2);
    assert!(
        !lines.iter().any(|(_, line)| line.contains("RSGI")),
        "{lines:?}"
    );
}

#[test]
fn a_process_that_does_not_stop_is_killed() {
    let playing = Playing::start(
        processes(1),
        &format!("{READY}trap '' TERM\necho ready\n{WAIT}sleep 60\n"),
    );
    playing.wait_for("ready", 1);
    let begun = Instant::now();
    let lines = playing.finish();
    assert!(begun.elapsed() < Duration::from_secs(10));
    let killed = lines.iter().find(|(_, line)| line.contains("RSGI0451"));
    assert!(
        killed.unwrap().1.contains("shutdown-timeout=1"),
        "{lines:?}"
    );
}

#[test]
fn a_process_that_asks_to_be_replaced_is_drained_when_its_successor_is_ready() {
    // The first incarnation asks; SEQPACKET keeps the two messages apart.
    let ask = "[ -e \"$0.asked\" ] || { : >\"$0.asked\"; printf '\\002\\001' >&6; }\n";
    let text = format!("{READY}{ask}echo ready\ndd bs=4 count=1 <&6 2>/dev/null | od -An -tu1\n");
    let playing = Playing::start(processes(1), &text);
    playing.wait_for("ready", 2);
    // Drain, with the reason it gave.
    playing.wait_for(" 4   1", 1);
    playing.wait_for("ended with exit code 0", 1);
    let lines = playing.finish();
    assert!(
        !lines.iter().any(|(_, line)| line.contains("RSGI")),
        "{lines:?}"
    );
}

#[test]
fn what_is_sent_to_an_empty_slot_comes_back_at_once() {
    use crate::sys::socket::{Waiting, recv_with_fds, send_with_fds, stream_pair};
    use std::os::fd::AsFd;
    let playing = Playing::start(processes(1), &format!("{READY}echo ready\n{WAIT}"));
    playing.wait_for("ready", 1);
    let (ours, theirs) = stream_pair().unwrap();
    let hello = [std::io::IoSlice::new(b"hello")];
    let group = playing.group();
    let intake = &group.intakes[3];
    send_with_fds(intake.as_fd(), &hello, &[theirs.as_fd()], Waiting::Never).unwrap();
    drop(theirs);
    let received = recv_with_fds(ours.as_fd(), &mut [0; 8], Waiting::Allowed);
    assert!(
        matches!(received, Ok(ref end) if end.bytes == 0),
        "{received:?}"
    );
    playing.finish();
}
