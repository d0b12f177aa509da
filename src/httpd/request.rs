//! A request (`request_rec`, httpd.h) as values: bytes that live as long as the request.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

use super::hooks::{Module, directory_config, module_index};
use super::log;
use super::server::Server;
use crate::apr::{Pool, Table};
use crate::ffi;

/// The request that the calling thread serves.
///
/// # Invariants
/// `raw` is live for `'r` and used by this thread only; so are its connection, server, pool and tables.
#[derive(Clone, Copy)]
pub(crate) struct Request<'r> {
    raw: NonNull<ffi::request_rec>,
    life: PhantomData<&'r ffi::request_rec>,
}

/// What a request's file is, as httpd's directory walk found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// Nothing is there.
    Missing,
    /// A folder.
    Directory,
    /// A file, or something else that can be read; its modification time in microseconds since the epoch.
    File(i64),
}

/// A C string of httpd's as bytes; `None` for null.
///
/// # Safety
/// `raw` is null or a C string that lives for `'r`.
unsafe fn bytes<'r>(raw: *const c_char) -> Option<&'r [u8]> {
    // SAFETY: not null, and a C string for `'r` (caller).
    (!raw.is_null()).then(|| unsafe { CStr::from_ptr(raw) }.to_bytes())
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = $($field:ident).+;)*) => {
        $($(#[$doc])*
        pub(crate) fn $name(self) -> Option<&'r [u8]> {
            let raw = texts!(@read self, $($field).+);
            // SAFETY: string fields of a live request are null or C strings in pools that outlive it (httpd.h).
            unsafe { bytes(raw) }
        })*
    };
    (@read $request:expr, connection.$field:ident) => { $request.connection().$field };
    (@read $request:expr, server.$field:ident) => { $request.server_record().$field };
    (@read $request:expr, $field:ident) => { $request.record().$field };
}

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $($(#[$doc])*
        pub(crate) fn $name(self) -> Option<Table<'r>> {
            // SAFETY: the tables of a live request are made with it, in its pool (httpd.h).
            unsafe { Table::from_raw(self.record().$name) }
        })*
    };
}

impl<'r> Request<'r> {
    /// Wraps the request that httpd passed to a hook.
    ///
    /// # Safety
    /// `raw` is null or the live request that this thread serves, for `'r`.
    pub(crate) unsafe fn from_raw(raw: *mut ffi::request_rec) -> Option<Self> {
        // INVARIANT: the caller's promise, and not null.
        NonNull::new(raw).map(|raw| Self {
            raw,
            life: PhantomData,
        })
    }

    /// The request, for calls of httpd.
    pub(super) fn as_ptr(self) -> *mut ffi::request_rec {
        self.raw.as_ptr()
    }

    /// Where the structure is, for code that knows httpd by itself: to be handed on, not to be looked at.
    pub(crate) fn address(self) -> NonNull<c_void> {
        self.raw.cast()
    }

    pub(super) fn record(self) -> &'r ffi::request_rec {
        // SAFETY: live for `'r` (type invariant).
        unsafe { self.raw.as_ref() }
    }

    /// Its connection.
    pub(super) fn connection(self) -> &'r ffi::conn_rec {
        // SAFETY: the connection of a live request outlives it (httpd.h).
        unsafe { &*self.record().connection }
    }

    fn server_record(self) -> &'r ffi::server_rec {
        // SAFETY: the server outlives the request (httpd.h).
        unsafe { &*self.record().server }
    }

    fn local_address(self) -> &'r ffi::apr_sockaddr_t {
        // SAFETY: the connection of a live request has its local address (httpd.h).
        unsafe { &*self.connection().local_addr }
    }

    texts! {
        /// The name of the handler chosen for it.
        handler_name = handler;
        /// `GET`, `POST`...
        method = method;
        /// The decoded path.
        uri = uri;
        /// The request line.
        request_line = the_request;
        /// The query string.
        args = args;
        /// What follows the script in the path.
        path_info = path_info;
        /// `HTTP/1.1`...
        protocol = protocol;
        /// The file it maps to.
        filename = filename;
        /// The authenticated user.
        user = user;
        /// How the user was authenticated.
        auth_type = ap_auth_type;
        /// The client's address (mod_remoteip may have set it).
        remote_addr = useragent_ip;
        /// The name of the host asked for.
        hostname = hostname;
        /// The server's address of this connection.
        local_addr = connection.local_ip;
        /// The connection's id in the error log, once it has one.
        connection_log_id = connection.log_id;
        /// ServerName as configured, whatever the client asked for.
        configured_name = server.server_hostname;
        /// ServerAdmin.
        server_admin = server.server_admin;
    }

    tables! {
        /// Headers of the request.
        headers_in;
        /// Headers of the response.
        headers_out;
        /// Headers that error pages keep.
        err_headers_out;
        /// SetEnv and its kin.
        subprocess_env;
        /// Notes between modules.
        notes;
    }

    /// Its pool.
    pub(crate) fn pool(self) -> Option<Pool<'r>> {
        // SAFETY: the pool of a live request (type invariant).
        unsafe { Pool::from_raw(self.record().pool) }
    }

    /// Its server.
    pub(crate) fn server(self) -> Option<Server<'r>> {
        // SAFETY: the server outlives the request (httpd.h).
        unsafe { Server::from_raw(self.record().server) }
    }

    /// The configuration of the directory sections that apply to it.
    pub(crate) fn directory_config<M: Module>(self) -> Option<&'r M::DirectoryConfig> {
        // SAFETY: a live request (type invariant).
        unsafe { directory_config::<M>(self.as_ptr()) }
    }

    /// The request that was internally redirected to this one.
    pub(crate) fn previous(self) -> Option<Self> {
        // SAFETY: null, or a request whose pool outlives this one (httpd.h).
        unsafe { Self::from_raw(self.record().prev) }
    }

    /// Whether the client asked with HEAD.
    pub(crate) fn is_head(self) -> bool {
        self.record().header_only != 0
    }

    /// Whether this is a subrequest of another one (mod_include's `include virtual`).
    pub(crate) fn is_subrequest(self) -> bool {
        !self.record().main.is_null()
    }

    /// Microseconds since the epoch when the request line was read.
    pub(crate) fn start_time(self) -> i64 {
        self.record().request_time
    }

    /// The status of its answer, as far as that is known.
    pub(crate) fn status(self) -> u16 {
        u16::try_from(self.record().status).unwrap_or(0)
    }

    /// Sends text of an answer in the making, as httpd's own handlers do.
    pub(crate) fn write(self, text: &[u8]) {
        let length = c_int::try_from(text.len()).unwrap_or(c_int::MAX);
        // SAFETY: a live request of this thread, and a text of that length at least.
        unsafe { ffi::ap_rwrite(text.as_ptr().cast(), length, self.as_ptr()) };
    }

    /// Whether anything of its answer went out.
    pub(crate) fn has_answered(self) -> bool {
        self.record().sent_bodyct != 0 || self.record().bytes_sent > 0
    }

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

    /// The client's port.
    pub(crate) fn remote_port(self) -> u16 {
        // SAFETY: the connection of a live request has the client's address (httpd.h).
        unsafe { (*self.connection().client_addr).port }
    }

    /// The server's port of this connection.
    pub(crate) fn local_port(self) -> u16 {
        self.local_address().port
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

    /// Gives its user another name.
    pub(crate) fn set_user(self, name: &'r CStr) {
        // SAFETY: a live request that this thread alone uses; httpd changes nothing in the string.
        unsafe { (*self.as_mut_ref()).user = name.as_ptr().cast_mut() };
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
            let slot = unsafe { &raw mut (*self.as_mut_ref()).log_id };
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

    /// The host name of the address that httpd listens on for this connection.
    pub(crate) fn listener_host(self) -> Option<&'r [u8]> {
        // SAFETY: the host name of an address is null or a C string (apr_network_io.h).
        unsafe { bytes(self.local_address().hostname) }
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

    /// Whether `AcceptPathInfo Off` holds.
    pub(crate) fn refuses_path_info(self) -> bool {
        self.record().used_path_info == ffi::AP_REQ_REJECT_PATH_INFO
    }

    /// Whether its connection is a stream of another one (HTTP/2), and has no socket.
    pub(crate) fn is_secondary(self) -> bool {
        !self.connection().master.is_null()
    }

    /// The client's socket, where the connection has one of its own: to be waited for, not to be read.
    pub(crate) fn client_socket(self) -> Option<BorrowedFd<'r>> {
        // SAFETY: the live connection of the request.
        let fd = unsafe { ffi::rsgi_client_socket(self.record().connection) };
        // SAFETY: the socket is open for as long as the connection, which outlives the request.
        (fd >= 0).then(|| unsafe { BorrowedFd::borrow_raw(fd) })
    }

    /// The most talkative level that is logged for it, as a number of http_log.h.
    pub(crate) fn log_level(self) -> u32 {
        // SAFETY: a live request (type invariant).
        let level = unsafe { ffi::ap_get_request_module_loglevel(self.as_ptr(), module_index()) };
        u32::try_from(level).unwrap_or(0)
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

    /// Whether the client waits for `100 Continue`.
    pub(crate) fn expects_continue(self) -> bool {
        // SAFETY: a live request.
        unsafe { ffi::rsgi_expects_continue(self.as_ptr()) != 0 }
    }

    /// Whether the first output filter changes the content (mod_deflate...), by ap_filter_type.
    pub(crate) fn has_content_filter(self) -> bool {
        // SAFETY: a live request's filter chain; its entries and their records live as long as it.
        let first = unsafe { self.record().output_filters.as_ref() };
        // SAFETY: as above.
        first
            .and_then(|filter| unsafe { filter.frec.as_ref() })
            .is_some_and(|record| record.ftype < ffi::AP_FTYPE_PROTOCOL)
    }

    /// What its file is.
    pub(crate) fn file_kind(self) -> FileKind {
        let info = &self.record().finfo;
        match info.filetype {
            ffi::APR_NOFILE => FileKind::Missing,
            ffi::APR_DIR => FileKind::Directory,
            _ => FileKind::File(info.mtime),
        }
    }

    fn as_mut_ref(self) -> *mut ffi::request_rec {
        self.raw.as_ptr()
    }

    /// Maps it to a file; the walk through the folders follows.
    pub(crate) fn set_filename(self, filename: &'r CStr) {
        // SAFETY: a live request that this thread alone uses; httpd changes nothing in the string.
        unsafe { (*self.as_mut_ref()).filename = filename.as_ptr().cast_mut() };
    }

    /// Maps it to a script with a path behind it, if there is such a regular file; the walk through the folders then
    /// has nothing to look for.
    pub(crate) fn set_script(self, script: &'r CStr, rest: &'r CStr) -> bool {
        let record = self.as_mut_ref();
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
        unsafe { (*self.as_mut_ref()).handler = handler.as_ptr() };
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
