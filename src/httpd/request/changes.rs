//! What is done to a request: the file and the handler it is mapped to, its user, its answer and its connection.

use std::ffi::{CStr, c_int};

use super::Request;
use crate::ffi;

impl<'r> Request<'r> {
    /// Sends text of an answer in the making, as httpd's own handlers do.
    pub(crate) fn write(self, text: &[u8]) {
        let length = c_int::try_from(text.len()).unwrap_or(c_int::MAX);
        // SAFETY: a live request of this thread, and a text of that length at least.
        unsafe { ffi::ap_rwrite(text.as_ptr().cast(), length, self.as_ptr()) };
    }

    /// Gives its user another name.
    pub(crate) fn set_user(self, name: &'r CStr) {
        // SAFETY: a live request that this thread alone uses; httpd changes nothing in the string.
        unsafe { (*self.as_ptr()).user = name.as_ptr().cast_mut() };
    }

    /// Answers it with another URI of this server, as GET without a body; nothing was sent yet.
    pub(crate) fn redirect_to(self, uri: &CStr) {
        // SAFETY: a live request of this thread; httpd copies the string.
        unsafe { ffi::rsgi_internal_redirect(self.as_ptr(), uri.as_ptr()) };
    }

    /// Tells a client that waits for `100 Continue` to go on; others hear nothing.
    pub(crate) fn tell_to_continue(self) {
        // SAFETY: a live request of this thread, of which the body is about to be read.
        unsafe { ffi::rsgi_continue(self.as_ptr()) };
    }

    /// Gives a client up that takes nothing: nothing more is written to it.
    pub(crate) fn abandon(self) {
        // SAFETY: the live connection of the request, used by this thread.
        unsafe { ffi::rsgi_connection_abort(self.record().connection) };
    }

    /// Maps it to a file; the walk through the folders follows.
    pub(crate) fn set_filename(self, filename: &'r CStr) {
        // SAFETY: a live request that this thread alone uses; httpd changes nothing in the string.
        unsafe { (*self.as_ptr()).filename = filename.as_ptr().cast_mut() };
    }

    /// Maps it to a script with a path behind it, if there is such a regular file; the walk through the folders then
    /// has nothing to look for.
    pub(crate) fn set_script(self, script: &'r CStr, rest: &'r CStr) -> bool {
        let record = self.as_ptr();
        // SAFETY: a field of a live request that this thread alone uses.
        let info = unsafe { &raw mut (*record).finfo };
        let (pool, wanted) = (self.record().pool, ffi::APR_FINFO_MIN);
        // SAFETY: a C string that lives as long as the request, and the request's pool.
        let code = unsafe { ffi::apr_stat(info, script.as_ptr(), wanted, pool) };
        // SAFETY: as above.
        let kind = unsafe { &mut (*info).filetype };
        if code != 0 || *kind != ffi::APR_REG {
            *kind = ffi::APR_NOFILE;
            return false;
        }
        self.set_filename(script);
        // SAFETY: as above; httpd changes nothing in the string.
        unsafe { (*record).path_info = rest.as_ptr().cast_mut() };
        true
    }

    /// Chooses its handler.
    pub(crate) fn set_handler(self, handler: &'r CStr) {
        // SAFETY: a live request that this thread alone uses.
        unsafe { (*self.as_ptr()).handler = handler.as_ptr() };
    }
}
