//! Whether this process is one that the application forked: it has copies of our sockets and of memory that is shared
//! with others, and must touch neither.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

static IS_FORKED: AtomicBool = AtomicBool::new(false);

extern "C" fn note() {
    IS_FORKED.store(true, Ordering::Relaxed);
}

/// Notices every `fork` of this process from here on, in the process that it makes.
///
/// # Errors
/// No memory for the handler.
pub fn watch() -> io::Result<()> {
    // SAFETY: the handler stores to an atomic and nothing else, which is allowed in the child of a fork.
    match unsafe { libc::pthread_atfork(None, None, Some(note)) } {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

/// Whether somebody forked this process since [`watch`].
#[must_use]
pub fn is_forked() -> bool {
    IS_FORKED.load(Ordering::Relaxed)
}

/// Ends a forked process at once, without what runs at the end of ours.
pub fn leave() -> ! {
    // SAFETY: never returns; nothing of this process is needed any more.
    unsafe { libc::_exit(0) }
}
