//! APR's status codes (apr_errno.h).

use crate::ffi;

/// A status other than `APR_SUCCESS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status(i32);

impl Status {
    /// Turns a C return code into a result: the one converter for APR.
    pub(crate) fn check(code: ffi::apr_status_t) -> Result<(), Self> {
        if code == ffi::APR_SUCCESS as ffi::apr_status_t {
            Ok(())
        } else {
            Err(Self(code))
        }
    }

    /// The status for an `errno`, which APR uses unchanged on Unix (apr_errno.h).
    pub(crate) fn from_errno(errno: Option<i32>) -> Self {
        Self(errno.unwrap_or(libc::EIO))
    }

    /// The number, as APR and httpd's log functions take it.
    pub(crate) fn code(self) -> i32 {
        self.0
    }

    /// Whether nothing was there yet (`APR_STATUS_IS_EAGAIN`).
    pub(crate) fn is_again(self) -> bool {
        // SAFETY: a pure function of a number (shim.c).
        unsafe { ffi::rsgi_status_is_eagain(self.0) != 0 }
    }

    /// Whether a time limit passed (`APR_STATUS_IS_TIMEUP`).
    pub(crate) fn is_timeout(self) -> bool {
        // SAFETY: a pure function of a number (shim.c).
        unsafe { ffi::rsgi_status_is_timeup(self.0) != 0 }
    }

    /// Whether the other end has gone: APR passes these numbers on as the system gives them.
    pub(crate) fn is_disconnect(self) -> bool {
        [libc::ECONNABORTED, libc::ECONNRESET, libc::EPIPE].contains(&self.0)
    }

    /// Whether the input has ended (`APR_EOF`).
    pub(crate) fn is_eof(self) -> bool {
        self.0 == ffi::APR_EOF
    }

    /// Whether this is httpd's own marker for "a filter has dealt with it" (`AP_FILTER_ERROR`, httpd.h).
    pub(crate) fn is_filter_error(self) -> bool {
        self.0 == ffi::AP_FILTER_ERROR
    }
}
