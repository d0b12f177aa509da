//! A request (`request_rec`, httpd.h) as values: bytes that live as long as the request.
//!
//! Here is what it holds; what httpd and its modules say of it is in `answers`, what is done to it in `changes`, and the
//! lines that are logged for it in `logging`.

mod answers;
mod changes;
mod logging;

use std::ffi::{CStr, c_char, c_void};
use std::marker::PhantomData;
use std::ptr::NonNull;

use super::hooks::{Module, directory_config};
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

    /// Whether anything of its answer went out.
    pub(crate) fn has_answered(self) -> bool {
        self.record().sent_bodyct != 0 || self.record().bytes_sent > 0
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

    /// The host name of the address that httpd listens on for this connection.
    pub(crate) fn listener_host(self) -> Option<&'r [u8]> {
        // SAFETY: the host name of an address is null or a C string (apr_network_io.h).
        unsafe { bytes(self.local_address().hostname) }
    }

    /// Whether `AcceptPathInfo Off` holds.
    pub(crate) fn refuses_path_info(self) -> bool {
        self.record().used_path_info == ffi::AP_REQ_REJECT_PATH_INFO
    }

    /// Whether its connection is a stream of another one (HTTP/2), and has no socket.
    pub(crate) fn is_secondary(self) -> bool {
        !self.connection().master.is_null()
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
}
