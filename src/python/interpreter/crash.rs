//! What a process says when it crashes: where the threads of Python are, on standard error, in `faulthandler`'s words.
//!
//! An own handler, because `faulthandler` of 3.11 and earlier does not see the frames of a thread that is in a
//! sub-interpreter. An application that enables `faulthandler` for itself replaces it.

use core::ffi::c_int;
use core::ptr;
use std::io;

use super::last::dump_in_place;

/// Signals of a crash, with `faulthandler`'s words for them.
const SIGNALS: [(c_int, &str); 5] = [
    (libc::SIGSEGV, "Segmentation fault"),
    (libc::SIGBUS, "Bus error"),
    (libc::SIGILL, "Illegal instruction"),
    (libc::SIGFPE, "Floating point exception"),
    (libc::SIGABRT, "Aborted"),
];

/// Tells of crashes from here on.
pub(super) fn watch() -> io::Result<()> {
    // On the thread's alternative stack, where it has one: its own may be used up. Once: a crash of the handler is final.
    let flags = libc::SA_ONSTACK | libc::SA_NODEFER | libc::SA_RESETHAND;
    SIGNALS
        .into_iter()
        .try_for_each(|(number, _)| set(number, on_crash as *const () as usize, flags))
}

/// Takes away what Rust's runtime has installed: that would let a process live on whose crash was told.
pub(super) fn forget() -> io::Result<()> {
    SIGNALS
        .into_iter()
        .try_for_each(|(number, _)| set(number, libc::SIG_DFL, 0))
}

fn set(number: c_int, handler: usize, flags: c_int) -> io::Result<()> {
    // SAFETY: all zeros is a valid sigaction: default handler, empty mask, no flags.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    // SAFETY: a handler of its type, or the default.
    match unsafe { libc::sigaction(number, &raw const action, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Tells of it, then lets the signal do what it does.
extern "C" fn on_crash(number: c_int) {
    let known = SIGNALS.iter().find(|(known, _)| *known == number);
    // SAFETY: may be called at any time.
    let thread = unsafe { libc::pthread_self() };
    write(b"Fatal Python error: ");
    write(known.map_or("a signal", |(_, words)| *words).as_bytes());
    write(b", in thread 0x");
    write(&hexadecimal(thread as u64));
    write(b"\n");
    dump_in_place(libc::STDERR_FILENO);
    // SAFETY: the handler was reset when it was called, so this ends the process.
    unsafe { libc::raise(number) };
}

fn write(bytes: &[u8]) {
    // SAFETY: a live slice; async-signal-safe. Nobody is left to be told of a failure.
    let _ = unsafe { libc::write(libc::STDERR_FILENO, bytes.as_ptr().cast(), bytes.len()) };
}

/// As CPython writes the numbers of threads; without memory.
fn hexadecimal(number: u64) -> [u8; 16] {
    core::array::from_fn(|place| {
        let digit = number >> (60 - 4 * place) & 15;
        b"0123456789abcdef"[digit as usize]
    })
}
