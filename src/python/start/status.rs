//! `PyStatus`: what functions return that start something.

use core::ffi::{CStr, c_char, c_int};

/// The structure; the same in all versions that have it (cpython/initconfig.h).
#[repr(C)]
pub(crate) struct Status {
    kind: c_int,
    function: *const c_char,
    message: *const c_char,
    exit_code: c_int,
}

impl Status {
    /// Whether it went well; `what` is what Python would refuse.
    ///
    /// # Errors
    /// A sentence with Python's reason.
    pub(crate) fn check(&self, what: &str) -> Result<(), String> {
        if self.kind == 0 {
            return Ok(());
        }
        let reason = if self.message.is_null() {
            "no reason is given".into()
        } else {
            // SAFETY: CPython's status messages are static strings.
            unsafe { CStr::from_ptr(self.message) }.to_string_lossy()
        };
        Err(format!("Python refuses {what}: {reason}"))
    }
}
