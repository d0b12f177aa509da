//! Ids and environment of this process: the calls behind `identity`, each with its result.
//!
//! glibc's functions, which change all threads of a process; called while there is one.

use std::ffi::{OsStr, c_int};
use std::io;
use std::ptr;

/// Real, effective and saved ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids {
    /// Real.
    pub real: u32,
    /// Effective.
    pub effective: u32,
    /// Saved.
    pub saved: u32,
}

impl Ids {
    /// All three the same.
    #[must_use]
    pub const fn all(id: u32) -> Self {
        Self {
            real: id,
            effective: id,
            saved: id,
        }
    }
}

/// `setgroups`
///
/// # Errors
/// Not root, or more groups than the system takes.
pub fn set_groups(groups: &[u32]) -> io::Result<()> {
    // SAFETY: a pointer to as many ids as are given.
    check(unsafe { libc::setgroups(groups.len(), groups.as_ptr()) })
}

/// `getgroups`
///
/// # Errors
/// The list changed between two calls.
pub fn groups() -> io::Result<Vec<u32>> {
    // SAFETY: a size of 0 only asks for the count.
    let count = unsafe { libc::getgroups(0, ptr::null_mut()) };
    let mut list = vec![0; usize::try_from(count).map_err(|_| io::Error::last_os_error())?];
    // SAFETY: a pointer to room for `count` ids.
    let count = unsafe { libc::getgroups(count, list.as_mut_ptr()) };
    list.truncate(usize::try_from(count).map_err(|_| io::Error::last_os_error())?);
    Ok(list)
}

/// `setresgid`, all three.
///
/// # Errors
/// Not allowed.
pub fn set_group(id: u32) -> io::Result<()> {
    // SAFETY: three numbers.
    check(unsafe { libc::setresgid(id, id, id) })
}

/// `setresuid`, all three.
///
/// # Errors
/// Not allowed, or the new user has too many processes.
pub fn set_user(id: u32) -> io::Result<()> {
    // SAFETY: three numbers.
    check(unsafe { libc::setresuid(id, id, id) })
}

/// `getresuid`
///
/// # Errors
/// None on Linux.
pub fn user_ids() -> io::Result<Ids> {
    let mut ids = Ids::all(u32::MAX);
    let Ids {
        real,
        effective,
        saved,
    } = &mut ids;
    // SAFETY: three places for ids.
    check(unsafe { libc::getresuid(real, effective, saved) })?;
    Ok(ids)
}

/// `getresgid`
///
/// # Errors
/// None on Linux.
pub fn group_ids() -> io::Result<Ids> {
    let mut ids = Ids::all(u32::MAX);
    let Ids {
        real,
        effective,
        saved,
    } = &mut ids;
    // SAFETY: three places for ids.
    check(unsafe { libc::getresgid(real, effective, saved) })?;
    Ok(ids)
}

/// Sets an environment variable, for this process and what it starts. Only while the process has one thread: reading
/// in another would race with it.
pub fn set_variable(name: &str, value: &OsStr) {
    // SAFETY: the callers run before the first other thread, and Python, exist.
    unsafe { std::env::set_var(name, value) };
}

/// `setlocale(LC_ALL, "")`: what LC_ALL and LANG say; false where there is no such locale. Same rule as
/// [`set_variable`].
#[must_use]
pub fn adopt_locale() -> bool {
    // SAFETY: a C string; no other thread uses the locale yet.
    !unsafe { libc::setlocale(libc::LC_ALL, c"".as_ptr()) }.is_null()
}

/// Ends the process at once: no handlers, no destructors; threads may still be anywhere.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: does not return and touches nothing of the process.
    unsafe { libc::_exit(code) }
}

fn check(code: c_int) -> io::Result<()> {
    if code == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
