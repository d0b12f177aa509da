//! What httpd and its modules answer about a request (http_core.h, http_protocol.h, mod_ssl.h): by configuration, by the
//! connection, or made when it is first asked for.

use std::os::fd::BorrowedFd;

use super::{Request, bytes};
use crate::ffi;

impl<'r> Request<'r> {
    /// Whether the connection is encrypted (mod_ssl).
    pub(crate) fn is_https(self) -> bool {
        // SAFETY: the live connection of the request.
        unsafe { ffi::rsgi_connection_is_https(self.record().connection) != 0 }
    }

    /// A variable of mod_ssl.
    pub(crate) fn ssl_variable(self, name: &[u8]) -> Option<&'r [u8]> {
        let name = self.pool()?.copy_c(name);
        // SAFETY: a live request (type invariant) and a C string.
        let raw = unsafe { ffi::rsgi_ssl_variable(self.as_ptr(), name.as_ptr()) };
        // SAFETY: null, or a C string of the request or the configuration.
        unsafe { bytes(raw) }
    }

    /// `http` or `https`.
    pub(crate) fn scheme(self) -> Option<&'r [u8]> {
        // SAFETY: a live request (type invariant).
        let raw = unsafe { ffi::ap_run_http_scheme(self.as_ptr()) };
        // SAFETY: httpd answers with null or a C string that outlives the request.
        unsafe { bytes(raw) }
    }

    /// The server's name by UseCanonicalName.
    pub(crate) fn server_name(self) -> Option<&'r [u8]> {
        // SAFETY: a live request (type invariant).
        let raw = unsafe { ffi::ap_get_server_name(self.as_ptr()) };
        // SAFETY: httpd answers with null or a C string that outlives the request.
        unsafe { bytes(raw) }
    }

    /// The server's port by UseCanonicalPhysicalPort.
    pub(crate) fn server_port(self) -> u16 {
        // SAFETY: a live request.
        unsafe { ffi::ap_get_server_port(self.as_ptr()) }
    }

    /// DocumentRoot, or what a module made of it.
    pub(crate) fn document_root(self) -> Option<&'r [u8]> {
        // SAFETY: a live request (type invariant).
        let raw = unsafe { ffi::ap_document_root(self.as_ptr()) };
        // SAFETY: httpd answers with null or a C string that outlives the request.
        unsafe { bytes(raw) }
    }

    /// The URI prefix of the Alias in effect.
    pub(crate) fn context_prefix(self) -> Option<&'r [u8]> {
        // SAFETY: a live request (type invariant).
        let raw = unsafe { ffi::ap_context_prefix(self.as_ptr()) };
        // SAFETY: httpd answers with null or a C string that outlives the request.
        unsafe { bytes(raw) }
    }

    /// The folder of the Alias in effect.
    pub(crate) fn context_document_root(self) -> Option<&'r [u8]> {
        // SAFETY: a live request (type invariant).
        let raw = unsafe { ffi::ap_context_document_root(self.as_ptr()) };
        // SAFETY: httpd answers with null or a C string that outlives the request.
        unsafe { bytes(raw) }
    }

    /// The client's name, where HostnameLookups has it looked up.
    pub(crate) fn remote_host(self) -> Option<&'r [u8]> {
        let kind = ffi::REMOTE_HOST as _;
        // SAFETY: a live request (type invariant); whether the answer is an address is not asked.
        let raw = unsafe { ffi::ap_get_useragent_host(self.as_ptr(), kind, std::ptr::null_mut()) };
        // SAFETY: httpd answers with null or a C string that outlives the request.
        unsafe { bytes(raw) }
    }

    /// The footer of the server's own pages, by ServerSignature.
    pub(crate) fn signature(self) -> &'r [u8] {
        // SAFETY: a live request (type invariant) and a C string.
        let raw = unsafe { ffi::ap_psignature(c"".as_ptr(), self.as_ptr()) };
        // SAFETY: httpd answers with null or a C string that outlives the request.
        unsafe { bytes(raw) }.unwrap_or_default()
    }

    /// Whether a refusal to let the client in may be made good by a user's password (`Satisfy Any`).
    pub(crate) fn may_satisfy_otherwise(self) -> bool {
        // SAFETY: a live request (type invariant).
        unsafe { ffi::rsgi_may_satisfy_otherwise(self.as_ptr()) != 0 }
    }

    /// httpd's banner as ServerTokens allows it.
    pub(crate) fn server_banner(self) -> &'static [u8] {
        // SAFETY: takes nothing.
        let raw = unsafe { ffi::ap_get_server_banner() };
        // SAFETY: a C string that lives as long as the configuration.
        unsafe { bytes(raw) }.unwrap_or_default()
    }

    /// The request's id in the error log, made now if it has none.
    pub(crate) fn log_id(self) -> Option<&'r [u8]> {
        if self.record().log_id.is_null() {
            // SAFETY: a field of a live request.
            let slot = unsafe { &raw mut (*self.as_ptr()).log_id };
            // SAFETY: a live connection and request, and the request's own place for the id.
            unsafe { ffi::ap_run_generate_log_id(self.record().connection, self.as_ptr(), slot) };
        }
        // SAFETY: null or a C string of the request.
        unsafe { bytes(self.record().log_id) }
    }

    /// Whether `CGIPassAuth On` holds.
    pub(crate) fn passes_credentials(self) -> bool {
        // SAFETY: a live request.
        unsafe { ffi::rsgi_passes_credentials(self.as_ptr()) != 0 }
    }

    /// Whether `CGIVar REQUEST_URI current-uri` holds.
    pub(crate) fn uses_current_uri(self) -> bool {
        // SAFETY: a live request.
        unsafe { ffi::rsgi_uses_current_uri(self.as_ptr()) != 0 }
    }

    /// The URI, or by QualifyRedirectURL the URL, of the request that was internally redirected to this one.
    pub(crate) fn redirect_url(self) -> Option<&'r [u8]> {
        // SAFETY: a live request (type invariant).
        let raw = unsafe { ffi::rsgi_redirect_url(self.as_ptr()) };
        // SAFETY: httpd answers with null or a C string that outlives the request.
        unsafe { bytes(raw) }
    }

    /// `LimitRequestBody` in bytes; `None` when unlimited.
    pub(crate) fn body_limit(self) -> Option<u64> {
        // SAFETY: a live request.
        let limit = unsafe { ffi::ap_get_limit_req_body(self.as_ptr()) };
        u64::try_from(limit).ok().filter(|&limit| limit > 0)
    }

    /// Whether `Options ExecCGI` holds.
    pub(crate) fn may_execute(self) -> bool {
        // SAFETY: a live request.
        let options = unsafe { ffi::ap_allow_options(self.as_ptr()) };
        options & ffi::OPT_EXECCGI != 0
    }

    /// Whether the client waits for `100 Continue`.
    pub(crate) fn expects_continue(self) -> bool {
        // SAFETY: a live request.
        unsafe { ffi::rsgi_expects_continue(self.as_ptr()) != 0 }
    }

    /// The client's socket, where the connection has one of its own: to be waited for, not to be read.
    pub(crate) fn client_socket(self) -> Option<BorrowedFd<'r>> {
        // SAFETY: the live connection of the request.
        let fd = unsafe { ffi::rsgi_client_socket(self.record().connection) };
        // SAFETY: the socket is open for as long as the connection, which outlives the request.
        (fd >= 0).then(|| unsafe { BorrowedFd::borrow_raw(fd) })
    }
}
