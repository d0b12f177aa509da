//! A server of the configuration: the main one or a virtual host (`server_rec`, httpd.h).

use std::ffi::CStr;
use std::marker::PhantomData;
use std::ptr::NonNull;

use super::hooks::{Module, module_index, server_config_mut};
use super::log;
use crate::apr::Pool;
use crate::ffi;

/// APR's unit of time in a second.
const MICROSECONDS: u64 = 1_000_000;

/// A server whose configuration lives for `'s`.
///
/// # Invariants
/// `raw` is a live server_rec for `'s`.
#[derive(Clone, Copy)]
pub(crate) struct Server<'s> {
    raw: NonNull<ffi::server_rec>,
    life: PhantomData<&'s ffi::server_rec>,
}

/// What httpd says of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerFacts {
    /// `2.4.x` as numbers.
    pub(crate) version: [u32; 3],
    /// The full banner, whatever ServerTokens says.
    pub(crate) description: String,
    /// When httpd was built.
    pub(crate) built: String,
}

impl ServerFacts {
    /// Asks httpd.
    pub(crate) fn ask() -> Self {
        let mut version = ffi::ap_version_t {
            major: 0,
            minor: 0,
            patch: 0,
            add_string: std::ptr::null(),
        };
        // SAFETY: a place for the answer.
        unsafe { ffi::ap_get_server_revision(&raw mut version) };
        // SAFETY: httpd returns a C string.
        let description = text(unsafe { ffi::ap_get_server_description() });
        // SAFETY: httpd returns a C string.
        let built = text(unsafe { ffi::ap_get_server_built() });
        Self {
            version: [version.major, version.minor, version.patch]
                .map(|part| u32::try_from(part).unwrap_or(0)),
            description,
            built,
        }
    }
}

fn text(raw: *const std::ffi::c_char) -> String {
    if raw.is_null() {
        return String::new();
    }
    // SAFETY: the callers pass C strings of httpd.
    unsafe { CStr::from_ptr(raw) }
        .to_string_lossy()
        .into_owned()
}

impl<'s> Server<'s> {
    /// Wraps a server of httpd's.
    ///
    /// # Safety
    /// `raw` is null or a live server for `'s`.
    pub(crate) unsafe fn from_raw(raw: *mut ffi::server_rec) -> Option<Self> {
        // INVARIANT: the caller's promise, and not null.
        NonNull::new(raw).map(|raw| Self {
            raw,
            life: PhantomData,
        })
    }

    /// The main server of the configuration that this server belongs to.
    pub(crate) fn main(self) -> Self {
        // SAFETY: the main server lives as long as the virtual hosts of its configuration.
        unsafe { Self::from_raw(log::main_server()) }.unwrap_or(self)
    }

    /// The pool that lives as long as this process, whatever is restarted.
    pub(crate) fn process_pool(self) -> Option<Pool<'s>> {
        // SAFETY: the process record belongs to the process and outlives every configuration.
        let process = unsafe { self.record().process.as_ref() }?;
        // SAFETY: the pool that was made for the process before any module was loaded.
        unsafe { Pool::from_raw(process.pool) }
    }

    /// Logs a line in this server's log, at a level of http_log.h.
    pub(crate) fn log(self, level: u32, text: &[u8]) {
        // SAFETY: a live server (type invariant).
        unsafe { log::server_at(self.as_ptr(), level, text) };
    }

    /// The server, for calls of httpd.
    pub(super) fn as_ptr(self) -> *mut ffi::server_rec {
        self.raw.as_ptr()
    }

    fn record(self) -> &'s ffi::server_rec {
        // SAFETY: live for `'s` (type invariant).
        unsafe { self.raw.as_ref() }
    }

    /// Its configuration of the module `M`.
    pub(crate) fn config<M: Module>(self) -> Option<&'s M::ServerConfig> {
        // SAFETY: a live server (type invariant); only directives change the slot, and they are done.
        unsafe { server_config_mut::<M>(self.as_ptr()) }.map(|config| &*config)
    }

    /// What tells it from every other server of its configuration.
    pub(crate) fn id(self) -> usize {
        self.as_ptr().addr()
    }

    /// Whether it is a virtual host.
    pub(crate) fn is_virtual(self) -> bool {
        self.record().is_virtual != 0
    }

    /// Its ServerName.
    pub(crate) fn name(self) -> Option<&'s [u8]> {
        let name = self.record().server_hostname;
        if name.is_null() {
            return None;
        }
        // SAFETY: a C string of the configuration, which lives for `'s`.
        Some(unsafe { CStr::from_ptr(name) }.to_bytes()).filter(|name| !name.is_empty())
    }

    /// Its Timeout, in whole seconds and at least one.
    pub(crate) fn timeout(self) -> u32 {
        let time = u64::try_from(self.record().timeout).unwrap_or(0).max(1);
        u32::try_from(time.div_ceil(MICROSECONDS)).unwrap_or(u32::MAX)
    }

    /// The module's LogLevel there, as a number of http_log.h.
    pub(crate) fn log_level(self) -> u32 {
        // SAFETY: a live server (type invariant).
        let level = unsafe { ffi::ap_get_server_module_loglevel(self.as_ptr(), module_index()) };
        u32::try_from(level).unwrap_or(0)
    }

    /// This server and those after it: from the main server, all.
    pub(crate) fn all(self) -> impl Iterator<Item = Server<'s>> {
        std::iter::successors(Some(self), |server| {
            // SAFETY: the list of servers is part of the same configuration.
            unsafe { Self::from_raw(server.record().next) }
        })
    }
}
