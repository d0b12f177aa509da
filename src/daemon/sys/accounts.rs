//! The user database: `getpwnam_r` and its kin, and locales (pwd.h, grp.h, locale.h).

use core::mem::MaybeUninit;
use std::ffi::{CStr, CString, c_char, c_int};
use std::io;

/// A user as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub id: u32,
    /// Primary group.
    pub group: u32,
    /// Name.
    pub name: Vec<u8>,
    /// Home folder; may be empty.
    pub home: Vec<u8>,
}

/// Room for an entry at first.
const FIRST_ROOM: usize = 4 << 10;
/// Most room for an entry: a group may have very many members.
const MOST_ROOM: usize = 16 << 20;

/// The user of that name; none where there is none.
///
/// # Errors
/// The database cannot be read.
pub fn user_named(name: &[u8]) -> io::Result<Option<User>> {
    let Ok(name) = CString::new(name) else {
        return Ok(None);
    };
    user(|entry, buffer, result| {
        // SAFETY: a C string, and writable memory of the sizes given.
        unsafe {
            libc::getpwnam_r(
                name.as_ptr(),
                entry,
                buffer.as_mut_ptr(),
                buffer.len(),
                result,
            )
        }
    })
}

/// The user of that number; none where there is none.
///
/// # Errors
/// The database cannot be read.
pub fn user_numbered(id: u32) -> io::Result<Option<User>> {
    user(|entry, buffer, result| {
        // SAFETY: writable memory of the sizes given.
        unsafe { libc::getpwuid_r(id, entry, buffer.as_mut_ptr(), buffer.len(), result) }
    })
}

/// The number of the group of that name; none where there is none.
///
/// # Errors
/// The database cannot be read.
pub fn group_named(name: &[u8]) -> io::Result<Option<u32>> {
    let Ok(name) = CString::new(name) else {
        return Ok(None);
    };
    let mut entry = MaybeUninit::<libc::group>::uninit();
    ask(|buffer| {
        let mut result = core::ptr::null_mut();
        // SAFETY: a C string, and writable memory of the sizes given.
        let code = unsafe {
            libc::getgrnam_r(
                name.as_ptr(),
                entry.as_mut_ptr(),
                buffer.as_mut_ptr(),
                buffer.len(),
                &raw mut result,
            )
        };
        if code != 0 || result.is_null() {
            return (code, None);
        }
        // SAFETY: getgrnam_r succeeded, so `result` points to `entry`.
        (0, Some(unsafe { (*result).gr_gid }))
    })
}

/// Every group of a user, its primary group `group` first among them, as `initgroups` would set them.
#[must_use]
pub fn groups_of(name: &[u8], group: u32) -> Vec<u32> {
    let Ok(name) = CString::new(name) else {
        return vec![group];
    };
    let mut groups = vec![0; 64];
    loop {
        let mut count = c_int::try_from(groups.len()).unwrap_or(c_int::MAX);
        // SAFETY: a C string, and room for `count` groups.
        let result = unsafe {
            libc::getgrouplist(name.as_ptr(), group, groups.as_mut_ptr(), &raw mut count)
        };
        let count = usize::try_from(count).unwrap_or(0);
        if result >= 0 {
            groups.truncate(count);
            return groups;
        }
        // Where the room was too small, some systems say how much is needed.
        groups.resize(count.max(groups.len() * 2), 0);
    }
}

/// Most supplementary groups of a process.
#[must_use]
pub fn most_groups() -> usize {
    // SAFETY: asks for a number.
    let most = unsafe { libc::sysconf(libc::_SC_NGROUPS_MAX) };
    usize::try_from(most).unwrap_or(0)
}

/// Whether the system has a locale of that name.
#[must_use]
pub fn has_locale(name: &CStr) -> bool {
    // SAFETY: a C string, and no locale to start from.
    let locale =
        unsafe { libc::newlocale(libc::LC_ALL_MASK, name.as_ptr(), core::ptr::null_mut()) };
    if locale.is_null() {
        return false;
    }
    // SAFETY: made by newlocale, and nobody uses it.
    unsafe { libc::freelocale(locale) };
    true
}

type Entry = *mut libc::passwd;

fn user(look_up: impl Fn(Entry, &mut [c_char], *mut Entry) -> c_int) -> io::Result<Option<User>> {
    let mut entry = MaybeUninit::<libc::passwd>::uninit();
    ask(|buffer| {
        let mut result = core::ptr::null_mut();
        let code = look_up(entry.as_mut_ptr(), buffer, &raw mut result);
        // SAFETY: null, or a pointer to `entry`, which the call filled.
        let Some(found) = (unsafe { result.as_ref() }) else {
            return (code, None);
        };
        let user = User {
            id: found.pw_uid,
            group: found.pw_gid,
            name: text(found.pw_name),
            home: text(found.pw_dir),
        };
        (0, Some(user))
    })
}

/// Asks with more and more room until the entry fits.
fn ask<T>(mut attempt: impl FnMut(&mut [c_char]) -> (c_int, Option<T>)) -> io::Result<Option<T>> {
    let mut buffer = vec![0; FIRST_ROOM];
    loop {
        match attempt(&mut buffer) {
            (libc::ERANGE, _) if buffer.len() < MOST_ROOM => buffer.resize(buffer.len() * 4, 0),
            (_, Some(found)) => return Ok(Some(found)),
            // POSIX lets "there is none" be any of these (getpwnam_r(3)).
            (0 | libc::ENOENT | libc::ESRCH | libc::EBADF | libc::EPERM, None) => return Ok(None),
            (code, None) => return Err(io::Error::from_raw_os_error(code)),
        }
    }
}

/// The bytes of a field of an entry.
fn text(field: *const c_char) -> Vec<u8> {
    if field.is_null() {
        return Vec::new();
    }
    // SAFETY: a C string in the buffer of the entry that was just filled.
    unsafe { CStr::from_ptr(field) }.to_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_found_by_name_and_by_number() {
        let root = user_named(b"root").unwrap().unwrap();
        assert_eq!((root.id, root.name.as_slice()), (0, &b"root"[..]));
        assert_eq!(user_numbered(0).unwrap(), Some(root));
        assert_eq!(group_named(b"root").unwrap(), Some(0));
        assert!(groups_of(b"root", 0).contains(&0));
    }

    #[test]
    fn what_is_not_there_is_none_and_no_error() {
        assert_eq!(user_named(b"no-such-user-here").unwrap(), None);
        assert_eq!(user_named(b"a\0b").unwrap(), None);
        assert_eq!(user_numbered(4_123_456_789).unwrap(), None);
        assert_eq!(group_named(b"no-such-group-here").unwrap(), None);
        assert_eq!(groups_of(b"no-such-user-here", 7), vec![7]);
    }

    #[test]
    fn a_process_may_have_some_groups() {
        assert!(most_groups() >= 16);
    }

    #[test]
    fn the_plain_locale_is_always_there() {
        assert!(has_locale(c"C") && has_locale(c""));
        assert!(!has_locale(c"xx_NOWHERE.UTF-9"));
    }
}
