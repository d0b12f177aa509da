//! Descriptors that a process is born with: from their number to their owner.

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Mutex;

use rustix::net::AddressFamily;

/// Numbers that have an owner already.
static TAKEN: Mutex<Vec<i32>> = Mutex::new(Vec::new());

/// Takes a descriptor that the process was started with, and closes it on exec from here on. Each number can be taken
/// once; only for numbers that nothing of this process can have been given: those of `config`.
///
/// # Errors
/// It is not open, is one of the standard ones, or was taken before.
pub fn take(number: i32) -> io::Result<OwnedFd> {
    let mut taken = TAKEN.lock().map_err(|_| io::ErrorKind::Other)?;
    if number <= 2 || taken.contains(&number) {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    // SAFETY: borrowed for the next two calls, which fail where it is not open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    let flags = rustix::io::fcntl_getfd(borrowed)?;
    rustix::io::fcntl_setfd(borrowed, flags | rustix::io::FdFlags::CLOEXEC)?;
    taken.push(number);
    // SAFETY: open, and nobody else's: the caller names one that the process was born with, and this is the first time.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Closes all sockets of the internet that this process has inherited: for one that was just forked from a server, and
/// uses none of them.
pub fn close_internet_sockets() {
    let entries = std::fs::read_dir("/proc/self/fd").into_iter().flatten();
    let numbers: Vec<i32> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for number in numbers {
        // SAFETY: borrowed for the next call, which fails where it is not open.
        let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
        let domain = rustix::net::sockopt::socket_domain(borrowed);
        if matches!(domain, Ok(AddressFamily::INET | AddressFamily::INET6)) {
            // SAFETY: open, and its owner stayed in the process that this one was forked from: here nobody uses it.
            drop(unsafe { OwnedFd::from_raw_fd(number) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_open_or_standard_is_not_given() {
        assert!(take(2).is_err());
        assert!(take(1_000_000).is_err());
    }
}
