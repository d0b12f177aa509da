//! Lines in the error log that belong to a request (http_log.h).

use std::ffi::CString;

use super::Request;
use crate::ffi;
use crate::httpd::hooks::module_index;
use crate::httpd::log;

impl Request<'_> {
    /// The most talkative level that is logged for it, as a number of http_log.h.
    pub(crate) fn log_level(self) -> u32 {
        // SAFETY: a live request (type invariant).
        let level = unsafe { ffi::ap_get_request_module_loglevel(self.as_ptr(), module_index()) };
        u32::try_from(level).unwrap_or(0)
    }

    /// Logs one line for it.
    pub(crate) fn log(self, level: u32, text: &[u8]) {
        // SAFETY: a live request of this thread (type invariant).
        unsafe { log::request(self.as_ptr(), level, text, None) };
    }

    /// Whether a line of this level would be written.
    pub(crate) fn is_logged(self, level: u32) -> bool {
        // SAFETY: a live request of this thread (type invariant).
        unsafe { log::request_enabled(self.as_ptr(), level) }
    }

    /// Logs one line that was made at a line of a source file.
    pub(crate) fn log_at(self, level: u32, text: &[u8], source: &[u8], line: u32) {
        // A path with a NUL in it is none.
        let source = CString::new(source).ok().filter(|path| !path.is_empty());
        let place = source
            .as_deref()
            .map(|path| (path, i32::try_from(line).unwrap_or(0)));
        // SAFETY: a live request of this thread (type invariant).
        unsafe { log::request(self.as_ptr(), level, text, place) };
    }
}
