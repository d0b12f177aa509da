//! Runs Apache in the foreground as a child, passes signals on to it, and leaves nothing behind.
//!
//! Apache is its own process group, so Ctrl-C reaches only the launcher, which then stops it in order. Should the
//! launcher itself be killed, the kernel ends Apache ([`run_tethered`]).

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use crate::error::Error;
use crate::message;
use crate::notify;
use crate::serving;

/// The first argument of the program when it is about to become Apache.
pub const TETHERED: &str = "__tethered";

/// How long Apache may take to stop beyond its processes' shutdown-timeout; it gives its own children ten seconds.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// How long after the first request to stop a second one means: at once.
const IMPATIENCE: Duration = Duration::from_secs(1);
/// How long what Apache started may take to end after it, and again after each signal.
const LEFTOVER_LIMIT: Duration = Duration::from_secs(1);

/// Apache, running.
#[derive(Debug)]
pub struct Server {
    child: Child,
    signals: Signals,
    /// Whether a hang-up means that the terminal is gone, rather than that somebody wants a restart.
    has_terminal: bool,
    /// How long Apache may take to stop.
    stop_limit: Duration,
    /// How long running requests may take after SIGTERM.
    stop_timeout: Duration,
    /// When Apache was last told to stop, and how.
    stopping: Option<(Instant, Stop)>,
}

/// Ways to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// Running requests are finished.
    Graceful,
    /// They are cut off.
    AtOnce,
}

impl Server {
    /// Starts Apache by its control script.
    ///
    /// # Errors
    /// The script cannot be executed, or signals cannot be received.
    ///
    /// `shutdown_timeout` is what the processes of the application have, in seconds.
    pub fn start(shell: &str, apachectl: &Path, shutdown_timeout: u32) -> Result<Self, Error> {
        adopt_orphans()?;
        let mut wanted = vec![SIGINT, SIGTERM, SIGUSR1, SIGCHLD];
        // nohup: hang-ups stay ignored.
        if !is_ignored(SIGHUP) {
            wanted.push(SIGHUP);
        }
        let signals = Signals::new(wanted).map_err(Error::system("receive signals"))?;
        let own = std::env::current_exe().map_err(Error::system("find this program's file"))?;
        let child = Command::new(own)
            .arg(TETHERED)
            .arg(std::process::id().to_string())
            // Not executed by itself: /tmp may be mounted so that nothing in it can be.
            .arg(shell)
            .arg(apachectl)
            .args(["start", "-DFOREGROUND"])
            .env_remove(serving::VARIABLE)
            // Only the launcher speaks for the unit.
            .env_remove(notify::SOCKET)
            .process_group(0)
            .spawn()
            .map_err(Error::file("run", apachectl))?;
        Ok(Self {
            child,
            signals,
            has_terminal: fs::File::open("/dev/tty").is_ok(),
            stop_limit: STOP_LIMIT + Duration::from_secs(shutdown_timeout.into()),
            stop_timeout: Duration::ZERO,
            stopping: None,
        })
    }

    /// Gives running requests this many seconds after SIGTERM.
    pub fn finishing_within(self, seconds: u32) -> Self {
        Self {
            stop_timeout: Duration::from_secs(seconds.into()),
            ..self
        }
    }

    /// Passes signals on until Apache has ended, then clears away what it left; `None` when it was told to end.
    ///
    /// # Errors
    /// Apache's end cannot be waited for.
    pub fn supervise(mut self, pid_file: &Path) -> Result<Option<ExitStatus>, Error> {
        loop {
            let arrived: Vec<_> = self.signals.wait().collect();
            for signal in arrived {
                self.handle(signal, pid_file);
            }
            reap_orphans(self.pid());
            let ended = self.child.try_wait();
            if let Some(status) = ended.map_err(Error::system("wait for Apache"))? {
                end_group(self.pid());
                end_orphans(self.stop_limit.saturating_sub(STOP_LIMIT));
                remove_stale(pid_file, self.pid());
                return Ok((!self.was_told_to_end(status)).then_some(status));
            }
        }
    }

    /// Apache exits with 0 when it is stopped; before it has set itself up, the signal ends it.
    fn was_told_to_end(&self, status: ExitStatus) -> bool {
        status.success()
            || self.stopping.is_some() && status.signal() == Some(Signal::SIGTERM as i32)
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    fn handle(&mut self, signal: i32, pid_file: &Path) {
        match signal {
            SIGTERM if pid_file.exists() && !self.stop_timeout.is_zero() => {
                self.stop(Stop::Graceful);
            }
            SIGINT | SIGTERM => self.stop(Stop::AtOnce),
            SIGHUP if self.has_terminal && fs::File::open("/dev/tty").is_err() => {
                self.stop(Stop::AtOnce);
            }
            // An Apache that is still setting itself up would be ended by these.
            SIGHUP if pid_file.exists() => self.send(Signal::SIGHUP),
            SIGUSR1 if pid_file.exists() => self.send(Signal::SIGUSR1),
            _ => {}
        }
    }

    /// Stops Apache in order, and with less patience each time it is asked again a while later: `timeout` and some
    /// terminals send the same signal twice.
    fn stop(&mut self, how: Stop) {
        match self.stopping {
            None => {
                notify::tell("STOPPING=1");
                self.limit(how);
                self.tell_to_stop(how);
            }
            Some((since, before)) if since.elapsed() > IMPATIENCE => match before {
                Stop::Graceful => self.tell_to_stop(Stop::AtOnce),
                Stop::AtOnce => end(killpg(self.pid(), Signal::SIGKILL)),
            },
            Some((_, Stop::Graceful)) if how == Stop::AtOnce => self.tell_to_stop(how),
            Some(_) => {}
        }
    }

    fn tell_to_stop(&mut self, how: Stop) {
        self.stopping = Some((Instant::now(), how));
        self.send(match how {
            Stop::Graceful => Signal::SIGWINCH,
            Stop::AtOnce => Signal::SIGTERM,
        });
    }

    /// Sees to it that Apache ends, on a thread that ends with the process, which does as soon as Apache has.
    fn limit(&self, how: Stop) {
        let apache = self.pid();
        let (grace, limit) = (self.stop_timeout, self.stop_limit);
        std::thread::spawn(move || {
            if how == Stop::Graceful {
                std::thread::sleep(grace);
                message::note("requests still run after `--stop-timeout`: they are cut off");
                end(kill(apache, Signal::SIGTERM));
            }
            std::thread::sleep(limit);
            message::warning("Apache does not stop: killing it");
            end(killpg(apache, Signal::SIGKILL));
        });
    }

    /// The child has not been waited for, so its number is still its own.
    fn send(&self, signal: Signal) {
        end(kill(self.pid(), signal));
    }
}

/// Becomes Apache, with this process's terminal, group and number.
///
/// Always returns an error: on success the process is another program.
pub fn become_apache(shell: &str, apachectl: &Path) -> Error {
    let failure = Command::new(shell)
        .arg(apachectl)
        .args(["start", "-DFOREGROUND"])
        .exec();
    Error::file("execute", Path::new(shell))(failure)
}

/// Something that has ended already needs no signal.
fn end(result: Result<(), Errno>) {
    if let Err(errno) = result
        && errno != Errno::ESRCH
    {
        message::warning(&format!("cannot signal Apache: {errno}"));
    }
}

/// Waits for what is left of Apache's process group: loggers end by themselves, what an application started is
/// asked to, and then made to.
fn end_group(group: Pid) {
    for next in [Some(Signal::SIGTERM), Some(Signal::SIGKILL), None] {
        let deadline = Instant::now() + LEFTOVER_LIMIT;
        while killpg(group, None).is_ok() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        let (Some(signal), true) = (next, killpg(group, None).is_ok()) else {
            return;
        };
        end(killpg(group, signal));
    }
}

/// Has the kernel hand over what loses its parent below the launcher: the supervisors of process groups, which are in
/// sessions of their own, and what applications start.
fn adopt_orphans() -> Result<(), Error> {
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_child_subreaper(true).map_err(Error::system("adopt processes"))?;
    Ok(())
}

/// Buries adopted processes that have ended; `apache` is waited for elsewhere.
fn reap_orphans(apache: Pid) {
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    while let Ok(status) = waitid(Id::All, look) {
        match status.pid() {
            Some(pid) if pid != apache => drop(waitpid(pid, Some(WaitPidFlag::WNOHANG))),
            _ => return,
        }
    }
}

/// Waits for what Apache has left in sessions of its own: process groups end by themselves once Apache is gone, within
/// their shutdown-timeout. What is left then is killed.
fn end_orphans(shutdown_timeout: Duration) {
    let mut deadline = Instant::now() + shutdown_timeout + LEFTOVER_LIMIT;
    let mut is_last = false;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => {}
            Ok(_) => continue,
            Err(_) => return,
        }
        if Instant::now() >= deadline {
            if is_last {
                return;
            }
            is_last = true;
            deadline = Instant::now() + LEFTOVER_LIMIT;
            for child in children() {
                end(kill(child, Signal::SIGKILL));
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The processes whose parent the launcher is.
fn children() -> Vec<Pid> {
    let own = Pid::this();
    let text = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
    text.split_whitespace()
        .filter_map(|number| number.parse().ok())
        .map(Pid::from_raw)
        .collect()
}

/// An Apache that was killed leaves its pid file.
fn remove_stale(pid_file: &Path, pid: Pid) {
    let names_it = fs::read_to_string(pid_file).is_ok_and(|text| text.trim() == pid.to_string());
    if names_it && let Err(error) = fs::remove_file(pid_file) {
        message::warning(&format!("cannot remove `{}`: {error}", pid_file.display()));
    }
}

/// What the launcher exits with for an Apache that ended so: its code, or 128 and the signal.
pub fn exit_code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// Asks the kernel to send this process a signal when its parent ends. Where the kernel cannot, nothing is done.
///
/// # Errors
/// The kernel refuses.
pub fn end_with_parent(signal: Signal) -> Result<(), Error> {
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_pdeathsig(signal).map_err(Error::system("tie a child to the launcher"))?;
    #[cfg(not(target_os = "linux"))]
    let _ = signal;
    Ok(())
}

/// The child's side of [`Server::start`]: asks to be ended with the launcher, and becomes Apache.
///
/// # Errors
/// Always returns one: on success the process is another program.
pub fn run_tethered(mut args: impl Iterator<Item = OsString>) -> Error {
    let launcher = args.next();
    if let Err(error) = end_with_parent(Signal::SIGTERM) {
        return error;
    }
    // The launcher may have ended before the kernel was asked.
    if launcher.is_none_or(|pid| pid != nix::unistd::getppid().to_string().as_str()) {
        return Error::Usage("the launcher is gone".into());
    }
    let Some(program) = args.next() else {
        return Error::Usage("no program to run".into());
    };
    let failure = Command::new(&program).args(args).exec();
    Error::file("execute", Path::new(&program))(failure)
}

/// Whether this process was started with the signal ignored.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
