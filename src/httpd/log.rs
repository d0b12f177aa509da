//! httpd's error log (http_log.h).
//!
//! Texts go through `%s`, never as a format. The level is looked at before anything is formatted.

use std::ffi::{CStr, c_char, c_int};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::hooks::module_index;
use crate::ffi;

/// Levels of http_log.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[expect(dead_code, reason = "the list is httpd's, whole")]
pub(crate) enum Level {
    /// APLOG_EMERG
    Emergency = 0,
    /// APLOG_ALERT
    Alert = 1,
    /// APLOG_CRIT
    Critical = 2,
    /// APLOG_ERR
    Error = 3,
    /// APLOG_WARNING
    Warn = 4,
    /// APLOG_NOTICE
    Notice = 5,
    /// APLOG_INFO
    Info = 6,
    /// APLOG_DEBUG
    Debug = 7,
    /// APLOG_TRACE1
    Trace = 8,
}

/// The main server of the running configuration, for lines that belong to no request; null before there is one.
static MAIN: AtomicPtr<ffi::server_rec> = AtomicPtr::new(ptr::null_mut());

/// Longest text handed to httpd in one record; it cuts at 8 KiB itself, prefix included.
const LONGEST: usize = 7936;

/// The main server of the running configuration, null before there is one.
pub(super) fn main_server() -> *mut ffi::server_rec {
    MAIN.load(Ordering::Acquire)
}

/// Remembers the main server; null when its configuration goes away.
pub(super) fn set_main_server(server: *mut ffi::server_rec) {
    MAIN.store(server, Ordering::Release);
}

/// Ends a text with a NUL, cutting at the first one inside and at httpd's limit.
fn with_nul(text: &[u8]) -> Vec<c_char> {
    let end = text
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(text.len())
        .min(LONGEST);
    text[..end]
        .iter()
        .map(|&byte| byte as c_char)
        .chain(std::iter::once(0))
        .collect()
}

/// Whether a line of this level would be written for a request.
///
/// # Safety
/// `request` is a live request of the calling thread.
pub(super) unsafe fn request_enabled(request: *const ffi::request_rec, level: u32) -> bool {
    // SAFETY: a live request (caller).
    unsafe { ffi::ap_get_request_module_loglevel(request, module_index()) >= level as c_int }
}

/// Logs one line for a request; with a source file and a line in it where it has a place (`%F` of ErrorLogFormat).
///
/// # Safety
/// `request` is a live request of the calling thread.
pub(super) unsafe fn request(
    request: *const ffi::request_rec,
    level: u32,
    text: &[u8],
    place: Option<(&CStr, i32)>,
) {
    let index = module_index();
    // SAFETY: a live request (caller).
    if !unsafe { request_enabled(request, level) } {
        return;
    }
    let text = with_nul(text);
    let (file, line) = place.map_or((ptr::null(), 0), |(file, line)| (file.as_ptr(), line));
    // SAFETY: a live request (caller); the format takes exactly one C string.
    unsafe {
        ffi::ap_log_rerror_(
            file,
            line,
            index,
            level as c_int,
            0,
            request,
            c"%s".as_ptr(),
            text.as_ptr(),
        )
    };
}

/// Whether a line of this level outside of requests would be written.
pub(crate) fn process_enabled(level: u32) -> bool {
    let server = MAIN.load(Ordering::Acquire);
    // SAFETY: null or the main server of the running configuration (`set_main_server`).
    server.is_null()
        || unsafe { ffi::ap_get_server_module_loglevel(server, module_index()) } >= level as c_int
}

/// Logs one line that belongs to no request, in the main server's log.
pub(crate) fn process(level: Level, text: &[u8]) {
    process_at(level as u32, text);
}

/// Like [`process`], with the level as a number of http_log.h.
pub(crate) fn process_at(level: u32, text: &[u8]) {
    if process_enabled(level) {
        // SAFETY: null or the main server of the running configuration (`set_main_server`).
        unsafe { server(MAIN.load(Ordering::Acquire), level, text) };
    }
}

/// Logs one line in a server's log.
///
/// # Safety
/// `record` is a live server.
pub(super) unsafe fn server_at(record: *const ffi::server_rec, level: u32, text: &[u8]) {
    // SAFETY: a live server (caller).
    if unsafe { ffi::ap_get_server_module_loglevel(record, module_index()) } >= level as c_int {
        // SAFETY: as above.
        unsafe { server(record, level, text) };
    }
}

/// Logs one line while the configuration is read, when there is no server yet: to stderr or the main log.
pub(crate) fn startup(level: Level, text: &str) {
    // SAFETY: httpd takes a null server as "the start-up log".
    unsafe {
        server(
            ptr::null(),
            level as u32 | ffi::APLOG_STARTUP as u32,
            text.as_bytes(),
        )
    };
}

/// # Safety
/// `server` is null or live.
unsafe fn server(server: *const ffi::server_rec, level: u32, text: &[u8]) {
    let text = with_nul(text);
    let format: &CStr = c"%s";
    // SAFETY: null or live (caller); the format takes exactly one C string.
    unsafe {
        ffi::ap_log_error_(
            ptr::null(),
            0,
            module_index(),
            level as c_int,
            0,
            server,
            format.as_ptr(),
            text.as_ptr(),
        )
    };
}
