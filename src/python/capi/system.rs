//! What the layer asks of the system and the standard library does not have, behind safe functions.

use core::ffi::c_int;
use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A file in memory.
pub(crate) fn memory_file() -> std::io::Result<File> {
    // SAFETY: a terminated name.
    let fd = unsafe { libc::memfd_create(c"mod_rsgi".as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: open, and nobody else's.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// The number of the processor that runs the calling thread, for now; 0 where that cannot be told.
pub(crate) fn processor() -> usize {
    // SAFETY: may be called at any time.
    usize::try_from(unsafe { libc::sched_getcpu() }).unwrap_or(0)
}

/// A second descriptor of the file that `fd` names.
pub(crate) fn duplicate(fd: c_int) -> std::io::Result<OwnedFd> {
    if fd < 0 {
        return Err(std::io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: not negative; only used for the call below, which the kernel refuses if it is not open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    borrowed.try_clone_to_owned()
}

/// What was used so far: CPU time in microseconds, as user and in the kernel, and the most memory in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// CPU time as user.
    pub(crate) user: u64,
    /// CPU time in the kernel.
    pub(crate) system: u64,
    /// The most resident memory of the process.
    pub(crate) most_memory: u64,
    /// How often it waited for something.
    pub(crate) waits: u64,
}

/// Whose usage.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Whose {
    /// The calling thread's.
    Thread,
    /// The process's.
    Process,
}

/// See [`Usage`].
pub(crate) fn usage(whose: Whose) -> Usage {
    let who = match whose {
        Whose::Thread => libc::RUSAGE_THREAD,
        Whose::Process => libc::RUSAGE_SELF,
    };
    // SAFETY: all zeros is a valid rusage.
    let mut found: libc::rusage = unsafe { core::mem::zeroed() };
    // SAFETY: a live structure; what cannot be told stays zero.
    unsafe { libc::getrusage(who, &raw mut found) };
    let micros = |time: libc::timeval| {
        let micros = time.tv_sec.saturating_mul(1_000_000) + time.tv_usec;
        u64::try_from(micros).unwrap_or(0)
    };
    Usage {
        user: micros(found.ru_utime),
        system: micros(found.ru_stime),
        most_memory: u64::try_from(found.ru_maxrss).unwrap_or(0) * 1024,
        waits: u64::try_from(found.ru_nvcsw).unwrap_or(0),
    }
}

/// Sets how many bytes may be on their way from a socket.
pub(crate) fn set_send_buffer(socket: &impl AsRawFd, bytes: c_int) -> std::io::Result<()> {
    // SAFETY: an open socket, and a live int of the size that is said.
    let code = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_SNDBUF,
            (&raw const bytes).cast(),
            size_of::<c_int>() as libc::socklen_t,
        )
    };
    match code {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// The machine's name.
pub(crate) fn hostname() -> String {
    let mut name = [0_u8; 256];
    // SAFETY: room for as many bytes, the last of which stays NUL.
    unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len() - 1) };
    let end = name.iter().position(|&byte| byte == 0).unwrap_or(0);
    String::from_utf8_lossy(&name[..end]).into_owned()
}

/// The size of a page of memory in bytes.
pub(crate) fn page_size() -> u64 {
    // SAFETY: may be called at any time.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}
