//! A running httpd: started, asked, signalled, stopped, and its error log judged.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use super::log::{ErrorLog, LogLine};
use super::process::{self, comes_true, wait_until};
use super::root::Root;
use super::{Builder, Connection, Reply, Request, UnderTest, id, say, under_test};

/// A TCP port that no other test uses for as long as this value lives.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    /// Locked, so that tests of other processes keep away too.
    _claim: File,
}

impl Port {
    pub(crate) fn take() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let folder = format!("/tmp/rsgi-e2e-ports-{}", user_id());
        std::fs::create_dir_all(&folder).unwrap();
        let first = 12_000 + u16::try_from(std::process::id() % 150).unwrap() * 100;
        for _ in 0..15_000 {
            let step = NEXT.fetch_add(1, Ordering::Relaxed);
            let number = 12_000 + (first - 12_000 + step) % 15_000;
            let claim = File::create(format!("{folder}/{number}")).unwrap();
            // SAFETY: the descriptor is open.
            let is_ours =
                unsafe { libc::flock(claim.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) == 0 };
            if is_ours && std::net::TcpListener::bind(("127.0.0.1", number)).is_ok() {
                return Self {
                    number,
                    _claim: claim,
                };
            }
        }
        panic!("no free port");
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}

/// A server of one test. Dropping it stops it; [`Server::finish`] also judges what it did.
#[derive(Debug)]
pub(crate) struct Server {
    root: Root,
    port: Port,
    conf: PathBuf,
    child: Option<Child>,
    log: ErrorLog,
    /// How many processes the mode's group has.
    workers: usize,
}

impl Server {
    pub(crate) fn builder() -> Builder {
        Builder::new()
    }

    #[track_caller]
    pub(crate) fn start(
        root: Root,
        port: Port,
        conf: PathBuf,
        mut command: Command,
        arguments: &[String],
        allowed: Vec<String>,
    ) -> Self {
        if !arguments.iter().any(|a| a == "-X") {
            command.arg("-DFOREGROUND");
        }
        let output = File::create(root.join("output")).unwrap();
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output);
        command.process_group(0);
        let log = ErrorLog::new(&root.join("error.log"), allowed);
        // SAFETY: the closure makes one async-signal-safe call and allocates nothing.
        unsafe { command.pre_exec(end_with_the_tests) };
        let child = command.spawn().expect("httpd starts");
        let mut server = Self {
            root,
            port,
            conf,
            child: Some(child),
            log,
            workers: 0,
        };
        server.wait_until_ready(arguments.iter().any(|a| a == "-X"));
        server
    }

    #[track_caller]
    fn wait_until_ready(&mut self, is_single_process: bool) {
        let is_up = comes_true(process::PATIENCE, || {
            // httpd: a single process serves before it would say so.
            self.has_ended()
                || is_single_process
                || self.log.text().contains("resuming normal operations")
        });
        if !is_up || self.has_ended() {
            let output = self.read("output");
            panic!("httpd did not start: {output}\n{}", self.log.text());
        }
        wait_until("the port is open", || {
            std::net::TcpStream::connect(("127.0.0.1", self.port())).is_ok()
        });
    }

    fn has_ended(&mut self) -> bool {
        self.child
            .as_mut()
            .is_none_or(|c| c.try_wait().is_ok_and(|status| status.is_some()))
    }

    pub(crate) fn port(&self) -> u16 {
        self.port.number()
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The process id of the httpd parent.
    pub(crate) fn pid(&self) -> i32 {
        self.child
            .as_ref()
            .expect("the server runs")
            .id()
            .cast_signed()
    }

    /// Apache's serving children.
    pub(crate) fn children(&self) -> Vec<i32> {
        let mut all = process::children(self.pid());
        all.retain(|&pid| !process::is_daemon(pid) && !process::leads_a_group(pid));
        all
    }

    /// The processes of daemon groups.
    pub(crate) fn daemons(&self) -> Vec<i32> {
        let mut all = process::descendants(self.pid());
        // Those whose supervisor is gone have another parent now.
        all.extend(process::with_marker(&self.root.display().to_string()));
        all.sort_unstable();
        all.dedup();
        all.retain(|&pid| process::is_daemon(pid) && !process::has_ended(pid));
        all
    }

    /// What starts the daemons: one for each generation that lives.
    pub(crate) fn supervisors(&self) -> Vec<i32> {
        let mut all = process::children(self.pid());
        all.retain(|&pid| !process::is_daemon(pid) && process::leads_a_group(pid));
        all.retain(|&pid| !process::has_ended(pid));
        all
    }

    /// Says how many processes the mode's group has.
    pub(super) fn expect_workers(&mut self, count: usize) {
        self.workers = count;
    }

    /// The processes that applications run in, once all of them are there.
    #[track_caller]
    pub(crate) fn workers(&self) -> Vec<i32> {
        if super::mode() == super::Mode::Embedded {
            return self.children();
        }
        wait_until("the processes of the group", || {
            self.daemons().len() >= self.workers
        });
        self.daemons()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port())
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.port())
    }

    /// Sends a request on a connection of its own.
    #[track_caller]
    pub(crate) fn ask(&self, request: &Request) -> Reply {
        self.connect().ask(request)
    }

    #[track_caller]
    pub(crate) fn get(&self, target: &str) -> Reply {
        self.ask(&Request::get(target))
    }

    /// GET, then a whole 200's body as text.
    #[track_caller]
    pub(crate) fn text(&self, target: &str) -> String {
        self.get(target).ok().text()
    }

    /// A file below the server root as text, empty when it does not exist.
    pub(crate) fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&std::fs::read(self.root.join(name)).unwrap_or_default())
            .into_owned()
    }

    /// Writes a file below the server root.
    pub(crate) fn write(&self, name: &str, content: &str) {
        let root = self.root.display().to_string();
        let text = content
            .replace("@APPS@", &format!("{root}/apps"))
            .replace("@WORK@", &format!("{root}/work"))
            .replace("@ROOT@", &root);
        let path = self.root.join(name);
        let partial = path.with_extension("partial");
        std::fs::write(&partial, text).unwrap();
        std::fs::rename(&partial, &path).unwrap();
    }

    /// Waits until a file below the server root contains a text.
    #[track_caller]
    pub(crate) fn wait_for_file(&self, name: &str, text: &str) {
        wait_until(&format!("{text:?} in {name}"), || {
            self.root.join(name).exists() && self.read(name).contains(text)
        });
    }

    /// The lines that applications wrote to `work/events`.
    pub(crate) fn events(&self) -> Vec<String> {
        self.read("work/events")
            .lines()
            .map(str::to_owned)
            .collect()
    }

    pub(crate) fn log(&self) -> Vec<LogLine> {
        self.log.lines()
    }

    pub(crate) fn log_text(&self) -> String {
        self.log.text()
    }

    /// Allows log lines with this text.
    pub(crate) fn allow_log(&self, text: &str) {
        self.log.allow(text);
    }

    /// Waits for a log line with this text and allows it.
    #[track_caller]
    pub(crate) fn expect_log(&self, text: &str) -> LogLine {
        self.log.allow(text);
        let found = || self.log.lines().into_iter().find(|l| l.text.contains(text));
        if !comes_true(Duration::from_secs(5), || found().is_some()) {
            panic!("no {text:?} in the error log:\n{}", self.log.text());
        }
        found().expect("it was there")
    }

    /// Allows the stacks of a process that is ended by force.
    pub(crate) fn allow_stacks(&self) {
        self.log.allow_stacks();
    }

    /// Allows what the original alone logs.
    pub(crate) fn allow_log_of_mod_wsgi(&self, text: &str) {
        if under_test() == UnderTest::ModWsgi {
            self.log.allow(text);
        }
    }

    /// Waits for an exception that ends in this text, with its traceback, and allows all of it.
    #[track_caller]
    pub(crate) fn expect_traceback(&self, last: &str) {
        self.log.allow_traceback();
        self.log.allow(&id("0174"));
        // mod_wsgi: errors at the top of a script come without the frames.
        if under_test() == UnderTest::Rsgi {
            self.expect_log("Traceback (most recent call last)");
        }
        self.expect_log(last);
    }

    /// Waits for an exception that no frame of an application raised.
    #[track_caller]
    pub(crate) fn expect_error(&self, text: &str) {
        self.log.allow_traceback();
        self.log.allow(&id("0174"));
        self.expect_log(text);
    }

    /// Runs `httpd -k <what>` and fails when it does.
    #[track_caller]
    pub(crate) fn control(&self, what: &str) {
        let output = Command::new(super::httpd::httpd())
            .arg("-d")
            .arg(&*self.root)
            .arg("-f")
            .arg(&self.conf)
            .args(["-k", what])
            .env("RSGI_E2E_ROOT", &*self.root)
            .output()
            .expect("httpd starts");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "httpd -k {what}: {text}");
    }

    /// Sends a signal to the httpd parent.
    pub(crate) fn signal(&self, number: i32) {
        process::signal(self.pid(), number);
    }

    /// How often the server said that it serves: one at start, one more for each restart.
    pub(crate) fn starts(&self) -> usize {
        self.log
            .text()
            .matches("resuming normal operations")
            .count()
    }

    /// Restarts gracefully and waits until the new generation serves.
    #[track_caller]
    pub(crate) fn graceful(&self) {
        let before = self.starts();
        self.signal(libc::SIGUSR1);
        wait_until("the graceful restart", || self.starts() > before);
    }

    /// Waits until the httpd parent has ended by itself.
    #[track_caller]
    pub(crate) fn wait_until_ended(&mut self) {
        wait_until("the server ends", || self.has_ended());
    }

    /// Stops the server as `httpd -k stop` does, and waits for it.
    pub(crate) fn stop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        // httpd: event's child sometimes crashes when it is stopped while a connection ends.
        let port = self.port();
        comes_true(Duration::from_millis(300), || {
            !process::has_connections(port)
        });
        let pid = child.id().cast_signed();
        let ended = |child: &mut Child| child.try_wait().is_ok_and(|s| s.is_some());
        if !ended(&mut child) {
            process::signal(pid, libc::SIGTERM);
        }
        if !comes_true(process::PATIENCE, || ended(&mut child)) {
            self.log.allow("");
            say("httpd did not stop on SIGTERM; it was killed");
            std::fs::write(self.root.join("killed"), "").ok();
        }
        process::signal(-pid, libc::SIGKILL);
        child.wait().ok();
    }

    /// Stops the server and fails on a process that is left or an unexpected line in the error log.
    #[track_caller]
    pub(crate) fn finish(mut self) {
        self.stop();
        assert!(
            !self.root.join("killed").exists(),
            "httpd did not stop on SIGTERM"
        );
        let marker = self.root.display().to_string();
        let all_gone = comes_true(Duration::from_secs(5), || {
            process::with_marker(&marker).is_empty()
        });
        assert!(
            all_gone,
            "processes left: {:?}",
            process::with_marker(&marker)
        );
        let unexpected: Vec<String> = self.log.unexpected().into_iter().map(|l| l.text).collect();
        assert!(
            unexpected.is_empty(),
            "unexpected in the error log:\n{}",
            unexpected.join("\n")
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        let has_failed = std::thread::panicking();
        if has_failed {
            let text = self.log.text();
            let lines: Vec<&str> = text.lines().collect();
            let tail = lines[lines.len().saturating_sub(60)..].join("\n");
            say(&format!(
                "output: {}\nerror log:\n{tail}",
                self.read("output")
            ));
        }
        for pid in process::with_marker(&self.root.display().to_string()) {
            process::signal(pid, libc::SIGKILL);
        }
    }
}

fn end_with_the_tests() -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    // SAFETY: prctl with these arguments only sets a number of this process.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
    }
    Ok(())
}

fn user_id() -> u32 {
    // SAFETY: getuid takes nothing and cannot fail.
    unsafe { libc::getuid() }
}
