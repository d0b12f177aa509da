//! Processes: forking the supervisor from httpd's parent, and executing the program of a daemon process.
//!
//! Between fork and exec only async-signal-safe calls are made; everything they need is prepared before.

use std::ffi::{CStr, CString, c_char, c_int};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::time::Duration;

use rustix::process::Pid;

/// Exit code of a process that says that trying at once does not help (`EX_CONFIG` of sysexits.h).
pub const EXIT_HOPELESS: i32 = 78;
/// Exit code of a program that ended at the end of its time and cut what still ran.
pub const EXIT_CUT: i32 = 75;
/// Exit code of a forked process in which a panic was stopped (`EX_SOFTWARE`).
const EXIT_PANIC: i32 = 70;
/// Descriptors that an executed program gets, from 0.
pub const INHERITED: usize = 7;
/// Where copies of descriptors are put, out of the way of the numbers that the program knows.
const OUT_OF_THE_WAY: RawFd = 64;
/// Highest descriptor closed one by one where the kernel has no close_range (before 5.9).
const HIGHEST: RawFd = 65_536;
/// Signals that only a pipe's or a terminal's end would send to a supervisor, and those that httpd's group gets.
const IGNORED_BY_SUPERVISORS: [c_int; 7] = [
    libc::SIGTERM,
    libc::SIGINT,
    libc::SIGHUP,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGWINCH,
    libc::SIGPIPE,
];

/// Forks; `run` is all that the new process does, its answer is the exit code.
///
/// Made for httpd's parent, which has one thread and forks its children in the same way. Should another module have
/// brought a thread there, the new process may still allocate: the C library's fork takes care of its allocator.
///
/// # Errors
/// There can be no more processes.
pub fn fork(run: impl FnOnce() -> i32) -> io::Result<Pid> {
    // SAFETY: takes nothing; the new process uses no lock that another thread of ours could hold, since the parent's
    // other threads, if any, never run code of this crate. Under `httpd -X` they do: there one thread at a time forks,
    // holding what the new process locks, and the C library sees to its own locks.
    match unsafe { libc::fork() } {
        0 => {
            let code = catch_unwind(AssertUnwindSafe(run)).unwrap_or(EXIT_PANIC);
            leave(code)
        }
        pid => pid_of(pid),
    }
}

/// Ends this process without running what others registered for its end.
fn leave(code: i32) -> ! {
    // SAFETY: ends the process; nothing of it is used afterwards.
    unsafe { libc::_exit(code) }
}

fn pid_of(raw: c_int) -> io::Result<Pid> {
    match Pid::from_raw(raw) {
        Some(pid) if raw > 0 => Ok(pid),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Makes the calling process, just forked from httpd, independent of it: a process group of its own, no signal handler of
/// httpd's, a name of its own. It ends by its pipes, not by signals that are meant for httpd.
///
/// It stays in httpd's session: where the kernel groups threads by session (sched(7), autogroup), those of different ones
/// interrupt each other more often, and `cpu-priority=` would say nothing against httpd. Only a session with a terminal is
/// left, so that no application has that terminal.
pub fn become_supervisor(name: &CStr) {
    if has_terminal() {
        // SAFETY: takes nothing; a process that was just forked leads no group, so it cannot fail.
        unsafe { libc::setsid() };
    } else {
        lead_a_group();
    }
    reset_dispositions();
    set_mask(&mask([]));
    for signal in IGNORED_BY_SUPERVISORS {
        // SAFETY: a disposition without a handler.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    // SAFETY: the name is a C string that the kernel copies.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), 0, 0, 0) };
}

/// Whether the session has a controlling terminal (tty(4)).
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// Makes the calling process, just forked, the leader of a process group of its own: what is sent to the group that it was
/// in does not reach it. Async-signal-safe.
fn lead_a_group() {
    // SAFETY: takes numbers; a process that was just forked leads no session, so it cannot fail.
    unsafe { libc::setpgid(0, 0) };
}

/// All signals as a new program expects them. Async-signal-safe.
fn reset_dispositions() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: a disposition without a handler; the two that cannot be changed are refused.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// A set of these signals.
fn mask(signals: impl IntoIterator<Item = c_int>) -> libc::sigset_t {
    // SAFETY: all zeros is a valid, empty set on Linux.
    let mut mask: libc::sigset_t = unsafe { std::mem::zeroed() };
    for signal in signals {
        // SAFETY: a valid set.
        unsafe { libc::sigaddset(&raw mut mask, signal) };
    }
    mask
}

/// Blocks these signals and no others; those that were blocked. Async-signal-safe.
fn set_mask(blocked: &libc::sigset_t) -> libc::sigset_t {
    let mut before = mask([]);
    // SAFETY: two valid sets; it fails only for an unknown first argument.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, blocked, &raw mut before) };
    before
}

/// A program, ready to be executed: strings and arrays that exec wants.
#[derive(Debug)]
pub struct Program {
    path: CString,
    name: CString,
    environment: Vec<CString>,
}

/// Pointers to C strings, ended by null.
fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    let mut pointers: Vec<*const c_char> = strings.iter().map(|text| text.as_ptr()).collect();
    pointers.push(ptr::null());
    pointers
}

impl Program {
    /// A program by its file, what it is called, and `NAME=value` for its environment.
    #[must_use]
    pub fn new(path: CString, name: CString, environment: Vec<CString>) -> Self {
        Self {
            path,
            name,
            environment,
        }
    }

    /// Starts it with these descriptors as 0 to 6 and no others, in a process group of its own.
    ///
    /// When the exec itself fails, the new process says so on descriptor 2 and ends with [`EXIT_HOPELESS`].
    ///
    /// # Errors
    /// There can be no more processes or descriptors.
    pub fn start(&self, descriptors: [BorrowedFd<'_>; INHERITED]) -> io::Result<Pid> {
        let copies = descriptors
            .iter()
            .map(|fd| rustix::io::fcntl_dupfd_cloexec(fd, OUT_OF_THE_WAY))
            .collect::<Result<Vec<OwnedFd>, _>>()?;
        let sources: Vec<RawFd> = copies.iter().map(AsRawFd::as_raw_fd).collect();
        let arguments = [self.name.as_ptr(), ptr::null()];
        let environment = pointers(&self.environment);
        // One that came before the program's handlers would end it; it waits for them.
        let before = set_mask(&mask(super::signal::handled()));
        // SAFETY: the new process makes async-signal-safe calls only, until it is another program or has ended.
        let forked = match unsafe { libc::fork() } {
            0 => {
                // SAFETY: right after the fork; the arrays are ended by null and outlive the call.
                unsafe { execute(&self.path, &arguments, &environment, &sources) }
            }
            pid => pid_of(pid),
        };
        set_mask(&before);
        forked
    }
}

/// Turns the calling process into the program.
///
/// # Safety
/// The process was just forked; both arrays hold C strings and end with null; the sources are open descriptors at or
/// above [`OUT_OF_THE_WAY`].
unsafe fn execute(
    path: &CStr,
    arguments: &[*const c_char],
    environment: &[*const c_char],
    sources: &[RawFd],
) -> ! {
    lead_a_group();
    reset_dispositions();
    for (number, &source) in sources.iter().enumerate() {
        // SAFETY: an open descriptor (caller), put on a number that no other source has; the copy is inherited.
        if unsafe { libc::dup2(source, number as c_int) } < 0 {
            fail(c"\x01Drsgi-daemon: no descriptor: errno ");
        }
    }
    close_from(INHERITED as RawFd);
    // SAFETY: C strings and arrays ended by null (caller).
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    fail(c"\x01DRSGI0457: the program of the daemon process cannot be executed: errno ")
}

/// Closes every descriptor from `first` on.
fn close_from(first: RawFd) {
    // SAFETY: closes descriptors of this process, which uses none of them any more.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
    if closed == 0 {
        return;
    }
    let mut limit = MaybeUninit::<libc::rlimit>::uninit();
    // SAFETY: fills the structure.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, limit.as_mut_ptr()) } == 0;
    let highest = if known {
        // SAFETY: filled by the call that succeeded.
        let limit = unsafe { limit.assume_init() };
        RawFd::try_from(limit.rlim_max).map_or(HIGHEST, |most| most.min(HIGHEST))
    } else {
        HIGHEST
    };
    for fd in first..highest {
        // SAFETY: as above.
        unsafe { libc::close(fd) };
    }
}

/// Writes a text and `errno` to descriptor 2 and ends the process. Async-signal-safe.
fn fail(text: &CStr) -> ! {
    // Reads errno, and nothing else.
    let errno = io::Error::last_os_error().raw_os_error().unwrap_or(0);
    let mut errno = errno.unsigned_abs();
    let mut digits = [0_u8; 11];
    let mut at = digits.len() - 1;
    digits[at] = b'\n';
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(errno % 10).unwrap_or(0);
        errno /= 10;
        if errno == 0 || at == 0 {
            break;
        }
    }
    for part in [text.to_bytes(), &digits[at..]] {
        // SAFETY: bytes of this process.
        unsafe { libc::write(2, part.as_ptr().cast(), part.len()) };
    }
    leave(EXIT_HOPELESS)
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this code.
    Exit(i32),
    /// By this signal.
    Signal(i32),
}

/// Buries a child that has ended; none when it lives. The time is what it used of the processors.
///
/// # Errors
/// It is not a child of this process.
pub fn bury(pid: Pid) -> io::Result<Option<(Ended, Duration)>> {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: a number and two places for the answer.
    let buried = unsafe {
        libc::wait4(
            pid.as_raw_nonzero().get(),
            &raw mut status,
            libc::WNOHANG,
            usage.as_mut_ptr(),
        )
    };
    match buried {
        0 => Ok(None),
        -1 => Err(io::Error::last_os_error()),
        _ => {
            // SAFETY: zeroed is a valid rusage, and the call filled it.
            let usage = unsafe { usage.assume_init() };
            let ended = if libc::WIFSIGNALED(status) {
                Ended::Signal(libc::WTERMSIG(status))
            } else {
                Ended::Exit(libc::WEXITSTATUS(status))
            };
            Ok(Some((ended, time(usage.ru_utime) + time(usage.ru_stime))))
        }
    }
}

fn time(value: libc::timeval) -> Duration {
    Duration::new(
        u64::try_from(value.tv_sec).unwrap_or(0),
        u32::try_from(value.tv_usec)
            .unwrap_or(0)
            .saturating_mul(1000),
    )
}

#[cfg(test)]
pub(super) mod tests {
    use rustix::process::{WaitOptions, getpgrp, getpid, getsid, waitpid};

    use super::*;

    /// What a forked process answers with its exit code.
    pub(in crate::sys) fn answer_of(run: impl FnOnce() -> i32) -> Option<i32> {
        let forked = fork(run).ok()?;
        let (_, status) = waitpid(Some(forked), WaitOptions::empty()).ok()??;
        status.exit_status()
    }

    /// Gives the calling process, which leads a session, a terminal; its other end stays open.
    fn take_a_terminal() -> bool {
        // SAFETY: takes a number and answers with a descriptor, or -1, which the calls refuse.
        let controller = unsafe { libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY) };
        let mut name = [0; 64];
        // SAFETY: takes a number.
        let is_granted = unsafe { libc::grantpt(controller) } == 0;
        // SAFETY: takes a number.
        let is_unlocked = unsafe { libc::unlockpt(controller) } == 0;
        // SAFETY: a number, and a buffer that is as long as is said.
        let failed = unsafe { libc::ptsname_r(controller, name.as_mut_ptr(), name.len()) };
        // SAFETY: a C string where there is a name. The first terminal that a session's leader opens becomes its own.
        is_granted
            && is_unlocked
            && failed == 0
            && unsafe { libc::open(name.as_ptr(), libc::O_RDWR) } >= 0
    }

    /// Whether a supervisor leads a session (1) and a process group (2), forked by one that leads a session of its own.
    fn supervised(has_terminal: bool) -> Option<i32> {
        answer_of(|| {
            // SAFETY: takes nothing; this process was just forked.
            unsafe { libc::setsid() };
            if has_terminal && !take_a_terminal() {
                return -1;
            }
            let answer = answer_of(|| {
                become_supervisor(c"tested");
                let leads_session = getsid(None).is_ok_and(|session| session == getpid());
                i32::from(leads_session) + 2 * i32::from(getpgrp() == getpid())
            });
            answer.unwrap_or(-1)
        })
    }

    #[test]
    fn a_supervisor_leaves_a_session_only_for_its_terminal() {
        assert_eq!(supervised(false), Some(2));
        assert_eq!(supervised(true), Some(3));
    }
}
