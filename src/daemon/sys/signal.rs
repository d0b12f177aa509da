//! Signals of a daemon process: handlers that write a byte into a pipe, which the monitor reads.
//!
//! Handlers, not blocked masks or ignored signals: those would be inherited by programs that an application starts,
//! while `exec` sets handlers back. A process that an application forks without executing another program has them, and
//! the pipe, too: there a signal does what it does by default, as the pipe is heard by the daemon. Called once, before
//! there is a second thread.

use std::ffi::c_int;
use std::io;
use std::os::fd::{IntoRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::pipe::{PipeFlags, pipe_with};

/// A signal that means something to a daemon process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: stop. The kernel sends it, too, when the supervisor is gone.
    Terminate,
    /// SIGINT: stop.
    Stop,
    /// SIGUSR1: be replaced without breaking a request.
    Graceful,
    /// SIGXCPU: the time of `cpu-time-limit=` is used up.
    CpuTime,
    /// SIGHUP or SIGUSR2, with its number: something for applications.
    Application(c_int),
}

/// The signals, each with its meaning.
const SIGNALS: [(c_int, Signal); 6] = [
    (libc::SIGTERM, Signal::Terminate),
    (libc::SIGINT, Signal::Stop),
    (libc::SIGUSR1, Signal::Graceful),
    (libc::SIGXCPU, Signal::CpuTime),
    (libc::SIGHUP, Signal::Application(libc::SIGHUP)),
    (libc::SIGUSR2, Signal::Application(libc::SIGUSR2)),
];

/// The numbers of the signals that [`install`] handles; blocked until it does, by whoever starts the program.
pub(super) fn handled() -> impl Iterator<Item = c_int> {
    SIGNALS.into_iter().map(|(number, _)| number)
}

/// The pipe's writing end, for the handler; never closed.
static PIPE: AtomicI32 = AtomicI32::new(-1);
/// The process that hears the pipe.
static OWNER: AtomicI32 = AtomicI32::new(0);

/// Installs the handlers and lets all signals through; gives the pipe's reading end, which never waits.
///
/// # Errors
/// No descriptors, or it was called before.
pub fn install() -> io::Result<OwnedFd> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    let writer = writer.into_raw_fd();
    PIPE.compare_exchange(-1, writer, Ordering::SeqCst, Ordering::SeqCst)
        .map_err(|_| io::ErrorKind::AlreadyExists)?;
    OWNER.store(own_pid(), Ordering::Relaxed);
    for (number, _) in SIGNALS {
        handle(number)?;
    }
    let_all_through()?;
    Ok(reader)
}

/// What a byte from the pipe means.
#[must_use]
pub fn decode(byte: u8) -> Option<Signal> {
    SIGNALS
        .into_iter()
        .find(|(number, _)| *number == c_int::from(byte))
        .map(|(_, signal)| signal)
}

/// Sends this process SIGTERM, for a service whose main thread is in Python.
pub fn terminate_self() {
    // Fails only for another process.
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM);
}

fn handle(number: c_int) -> io::Result<()> {
    // SAFETY: all zeros is a valid sigaction: default handler, empty mask, no flags.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = on_signal as *const () as libc::sighandler_t;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: `on_signal` has the type of a handler and calls only what a handler may.
    match unsafe { libc::sigaction(number, &raw const action, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// What the supervisor blocked comes now; whatever else its caller had blocked would stay blocked for good.
fn let_all_through() -> io::Result<()> {
    // SAFETY: all zeros is a valid, empty set on Linux.
    let none: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: a valid set; the old one is not asked for.
    match unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut()) } {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

fn own_pid() -> c_int {
    // SAFETY: takes nothing, cannot fail, and is async-signal-safe.
    unsafe { libc::getpid() }
}

extern "C" fn on_signal(number: c_int) {
    // Asked here and not where a fork returns: the signal may be there before that.
    if own_pid() == OWNER.load(Ordering::Relaxed) {
        tell(number);
    } else {
        do_as_by_default(number);
    }
}

/// mod_wsgi: its forked processes exit with 255; what waits for a signal's death sees it here.
fn do_as_by_default(number: c_int) {
    // SAFETY: async-signal-safe; one of the signals that were handled.
    unsafe { libc::signal(number, libc::SIG_DFL) };
    // SAFETY: async-signal-safe. Comes when the handler returns, as the signal is blocked within it.
    unsafe { libc::raise(number) };
}

/// Writes the signal into the pipe.
fn tell(number: c_int) {
    // SAFETY: the address of this thread's errno, always valid.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let saved = unsafe { *place };
    let byte = u8::try_from(number).unwrap_or(0);
    // SAFETY: async-signal-safe; the descriptor is never closed. A full pipe loses a signal that is there already.
    let _ = unsafe { libc::write(PIPE.load(Ordering::Relaxed), (&raw const byte).cast(), 1) };
    // SAFETY: as above.
    unsafe { *place = saved };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_come_through_the_pipe_in_order() {
        let reader = install().unwrap();
        assert!(install().is_err(), "once a process");
        for number in [libc::SIGUSR1, libc::SIGHUP, libc::SIGXCPU] {
            // SAFETY: a signal to this thread, which has a handler for it.
            assert_eq!(unsafe { libc::raise(number) }, 0);
        }
        let mut bytes = [0; 8];
        let count = rustix::io::read(&reader, &mut bytes).unwrap();
        let signals: Vec<_> = bytes[..count].iter().map(|&byte| decode(byte)).collect();
        assert_eq!(
            signals,
            [
                Some(Signal::Graceful),
                Some(Signal::Application(libc::SIGHUP)),
                Some(Signal::CpuTime)
            ]
        );
        assert_eq!(decode(0), None);
    }
}
