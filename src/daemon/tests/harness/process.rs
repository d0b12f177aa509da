//! One daemon process, with the supervisor's and the parent's ends of all that it is born with.

use std::fs;
use std::io::{BufRead, BufReader, IoSlice};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rsgi_bridge::abi;
use rsgi_core::daemon::DaemonOptions;
use rsgi_daemon::config::{ImportConfig, ProcessConfig, PythonConfig, ServerConfig};
use rsgi_daemon::order::{Order, Report};
use rsgi_daemon::scoreboard::{Layout, Scoreboard, Slot, SlotState};
use rsgi_daemon::sys::memory;
use rsgi_daemon::sys::socket::{
    Interest, Waiting, message_pair, recv_with_fds, send_with_fds, wait_for,
};

use super::child::Child;
use super::files;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Code(i32),
    Signal(i32),
}

/// A daemon process; killed when dropped.
pub(crate) struct Daemon {
    process: std::process::Child,
    board: Arc<Scoreboard>,
    intake: OwnedFd,
    supervisor: Option<OwnedFd>,
    log: Arc<Mutex<Vec<String>>>,
    folder: tempfile::TempDir,
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "not within time: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Daemon {
    /// Starts a process whose script is `app.wsgi` with this text, without waiting for it.
    pub(crate) fn spawn(script: &str, change: impl FnOnce(&mut ProcessConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(folder.path().join("app.wsgi"), script).unwrap();
        let mut config = config();
        change(&mut config);
        for import in &mut config.imports {
            import.script = path_bytes(&folder, &import.script);
        }
        let layout = Layout {
            slots: 2,
            rows: 2,
            waiters: 8,
        };
        let board = Arc::new(Scoreboard::create(layout, "test").unwrap());
        board.slot(config.slot).unwrap().begin(config.incarnation);
        let file = memory::sealed("config", &config.encode().unwrap()).unwrap();
        let (intake, theirs) = message_pair().unwrap();
        let (supervisor, line) = message_pair().unwrap();
        let given = [file.as_fd(), board.fd(), theirs.as_fd(), line.as_fd()]
            .map(|fd| rustix::io::fcntl_dupfd_cloexec(fd, 20).unwrap());
        let numbers = given.each_ref().map(AsRawFd::as_raw_fd);
        let mut command = Command::new(files::program());
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .current_dir("/");
        // SAFETY: the closure calls only what may be called between fork and exec.
        unsafe { command.pre_exec(move || place_all(numbers)) };
        let mut process = command.spawn().unwrap();
        drop((given, theirs, line));
        let log = Arc::new(Mutex::new(Vec::new()));
        collect(process.stderr.take().unwrap(), &log);
        collect(process.stdout.take().unwrap(), &log);
        board.slot(config.slot).unwrap().set_pid(process.id());
        Self {
            process,
            board,
            intake,
            supervisor: Some(supervisor),
            log,
            folder,
        }
    }

    /// Starts a process and waits until it serves.
    pub(crate) fn start(script: &str, change: impl FnOnce(&mut ProcessConfig)) -> Self {
        let daemon = Self::spawn(script, change);
        daemon.expect(Report::Ready);
        assert_eq!(daemon.slot().state(), SlotState::Ready);
        daemon
    }

    pub(crate) fn slot(&self) -> Slot<'_> {
        self.board.slot(0).unwrap()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The path of the script, or of another file beside it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn intake(&self) -> &OwnedFd {
        &self.intake
    }

    /// A connection, as a child of Apache makes one.
    pub(crate) fn connect(&self) -> Child {
        Child::connect(&self.intake, 1, self.path("app.wsgi"))
    }

    /// The next report must be this one.
    pub(crate) fn expect(&self, report: Report) {
        let line = self.supervisor.as_ref().unwrap().as_fd();
        let is_there = wait_for(line, Interest::Readable, PATIENCE).unwrap();
        assert!(is_there, "no {report:?}; log: {:#?}", self.log());
        let mut message = [0; 2];
        let received = recv_with_fds(line, &mut message, Waiting::Never).unwrap();
        assert_eq!(received.bytes, 2, "gone; log: {:#?}", self.log());
        assert_eq!(
            Report::decode(message),
            Ok(report),
            "log: {:#?}",
            self.log()
        );
    }

    pub(crate) fn order(&self, order: Order) {
        self.say(&order.encode());
    }

    pub(crate) fn say(&self, message: &[u8]) {
        let line = self.supervisor.as_ref().unwrap().as_fd();
        send_with_fds(line, &[IoSlice::new(message)], &[], Waiting::Never).unwrap();
    }

    /// The supervisor's end of the line is closed.
    pub(crate) fn hang_up(&mut self) {
        self.supervisor = None;
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for the end.
    pub(crate) fn ended(&mut self) -> Ended {
        let mut status = None;
        until("the end of the process", || {
            status = self.process.try_wait().unwrap();
            status.is_some()
        });
        let status = status.unwrap();
        // The rest of what it said is still on its way.
        std::thread::sleep(Duration::from_millis(50));
        match status.code() {
            Some(code) => Ended::Code(code),
            None => Ended::Signal(status.signal().unwrap_or_default()),
        }
    }

    /// What it said so far, with marks shown as `<level>`.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Waits for a line with this in it.
    pub(crate) fn expect_line(&self, text: &str) -> String {
        let mut found = None;
        until(text, || {
            found = self.log().into_iter().find(|line| line.contains(text));
            found.is_some()
        });
        found.unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            let lines = self.log.lock().map(|log| log.clone()).unwrap_or_default();
            for line in lines {
                println!("daemon: {line}");
            }
        }
    }
}

fn path_bytes(folder: &tempfile::TempDir, name: &[u8]) -> Vec<u8> {
    let name = std::str::from_utf8(name).unwrap();
    folder.path().join(name).as_os_str().as_bytes().to_vec()
}

/// Puts descriptors at their numbers, without the flag that closes them.
fn place_all(numbers: [RawFd; 4]) -> std::io::Result<()> {
    for (from, to) in numbers.into_iter().zip(3..) {
        // SAFETY: two numbers; async-signal-safe.
        if unsafe { libc::dup2(from, to) } < 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(())
}

fn collect(pipe: impl Into<OwnedFd>, log: &Arc<Mutex<Vec<String>>>) {
    let pipe = fs::File::from(pipe.into());
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let text = String::from_utf8_lossy(&line).replace('\u{1}', "");
            log.lock().unwrap().push(text);
        }
    });
}

fn config() -> ProcessConfig {
    let found = rsgi_bridge::locate::locate(None).unwrap();
    let bytes = |path: &std::path::Path| path.as_os_str().as_bytes().to_vec();
    ProcessConfig {
        group: b"test".to_vec(),
        slot: 0,
        incarnation: 1,
        options: DaemonOptions {
            threads: 3,
            ..DaemonOptions::default()
        },
        identity: None,
        client_user: rustix::process::geteuid().as_raw(),
        python: PythonConfig {
            executable: bytes(&found.executable),
            library: bytes(&found.library),
            standard_library: bytes(&found.standard_library),
            base_prefix: bytes(&found.base_prefix),
            minor: found.minor,
            version: found.version,
            is_venv: found.is_venv,
            free_threaded: found.free_threaded,
            optimize: 0,
            hash_seed: None,
            warnings: Vec::new(),
            flags: abi::START_RESTRICT_SIGNAL | abi::START_DESTROY,
            rules: Vec::new(),
        },
        imports: Vec::new(),
        server: ServerConfig {
            timeout: 10,
            mpm_name: b"event".to_vec(),
            ..ServerConfig::default()
        },
        telemetry: None,
        log_level: 7,
    }
}

/// An import of the script itself.
pub(crate) fn import(name: &str) -> ImportConfig {
    ImportConfig {
        script: name.as_bytes().to_vec(),
        application_group: Vec::new(),
    }
}
