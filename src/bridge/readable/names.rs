//! Names of users and groups, for sentences.

use core::mem::MaybeUninit;
use std::ffi::CStr;

/// Room for one entry of the user or group database, members included.
const NAME_BUFFER: usize = 16 << 10;

/// A user's name, or its number where it has none.
pub(super) fn user(uid: u32) -> String {
    let mut entry = MaybeUninit::<libc::passwd>::uninit();
    let mut buffer = vec![0; NAME_BUFFER];
    let mut result = core::ptr::null_mut();
    // SAFETY: the pointers are to writable memory of the sizes given.
    let code = unsafe {
        libc::getpwuid_r(
            uid,
            entry.as_mut_ptr(),
            buffer.as_mut_ptr(),
            buffer.len(),
            &raw mut result,
        )
    };
    if code != 0 || result.is_null() {
        return format!("the user {uid}");
    }
    // SAFETY: getpwuid_r succeeded, so `result` points to `entry`.
    let name = unsafe { (*result).pw_name };
    // SAFETY: the name is a C string in `buffer`.
    let name = unsafe { CStr::from_ptr(name) };
    name.to_string_lossy().into_owned()
}

/// A group's name, or its number where it has none.
pub(super) fn group(gid: u32) -> String {
    let mut entry = MaybeUninit::<libc::group>::uninit();
    let mut buffer = vec![0; NAME_BUFFER];
    let mut result = core::ptr::null_mut();
    // SAFETY: the pointers are to writable memory of the sizes given.
    let code = unsafe {
        libc::getgrgid_r(
            gid,
            entry.as_mut_ptr(),
            buffer.as_mut_ptr(),
            buffer.len(),
            &raw mut result,
        )
    };
    if code != 0 || result.is_null() {
        return gid.to_string();
    }
    // SAFETY: getgrgid_r succeeded, so `result` points to `entry`.
    let name = unsafe { (*result).gr_name };
    // SAFETY: the name is a C string in `buffer`.
    let name = unsafe { CStr::from_ptr(name) };
    name.to_string_lossy().into_owned()
}
