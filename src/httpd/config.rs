//! A module's typed configuration in httpd's per-server and per-directory slots (http_config.h).
//!
//! Values live in the configuration's pool: a restart drops them with it, nothing stays in a static.

use std::cell::Cell;
use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use super::boundary::enter;
use super::hooks::Module;
use crate::apr::Pool;
use crate::ffi;

/// A configuration value that httpd keeps for a module and merges from outer to inner contexts.
pub(crate) trait Slot: Default + 'static {
    /// The value for an inner context: `over` where it says something, else `base`.
    fn merged(base: &Self, over: &Self) -> Self;

    /// Whether merging with another leaves that other as it is, on either side.
    fn is_neutral(&self) -> bool {
        false
    }
}

fn create<T: Slot>(pool: *mut ffi::apr_pool_t) -> *mut c_void {
    // SAFETY: httpd hands the live pool of the configuration being read.
    let Some(pool) = (unsafe { Pool::from_raw(pool) }) else {
        return ptr::null_mut();
    };
    ptr::from_mut(pool.keep(T::default())).cast()
}

/// Merges two slots of one type into the pool.
///
/// # Safety
/// `base` and `over` are null or were made by [`create`] or [`merge`] for the same `T`.
unsafe fn merge<T: Slot>(
    pool: *mut ffi::apr_pool_t,
    base: *mut c_void,
    over: *mut c_void,
) -> *mut c_void {
    let (outer, inner) = (base, over);
    // SAFETY: null or a live `T` (caller).
    let base = unsafe { base.cast::<T>().as_ref() };
    // SAFETY: null or a live `T` (caller).
    let over = unsafe { over.cast::<T>().as_ref() };
    let merged = match (base, over) {
        // Both outlive what is merged of them, and nobody writes to a merged one: httpd itself hands on the only one there
        // is. A request whose sections set our directives in one place only, as most do, costs nothing here.
        (Some(base), Some(_)) if base.is_neutral() => return inner,
        (Some(_), Some(over)) if over.is_neutral() => return outer,
        (Some(base), Some(over)) => T::merged(base, over),
        (None, Some(one)) | (Some(one), None) => T::merged(&T::default(), one),
        (None, None) => T::default(),
    };
    // SAFETY: httpd hands the live pool that the merged configuration belongs to.
    let Some(pool) = (unsafe { Pool::from_raw(pool) }) else {
        return ptr::null_mut();
    };
    ptr::from_mut(pool.keep(merged)).cast()
}

/// A panic was stopped while the configuration was made: what it would serve is not what was written.
static BROKEN: AtomicBool = AtomicBool::new(false);
/// Whether that ever happened. The first look at a thread's own variable makes memory for it, which a child that serves
/// nothing of ours is to be spared.
static WAS_BROKEN: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// A panic was stopped while the sections of this thread's request were merged.
    static BROKEN_REQUEST: Cell<bool> = const { Cell::new(false) };
}

/// Whether making the configuration failed since the last call.
pub(super) fn take_broken() -> bool {
    BROKEN.swap(false, Ordering::AcqRel)
}

/// Whether merging the sections of this thread's request failed since the last call.
pub(super) fn take_broken_request() -> bool {
    WAS_BROKEN.load(Ordering::Acquire) && BROKEN_REQUEST.replace(false)
}

/// Runs one of the four functions for httpd; a stopped panic refuses the configuration, or the request.
fn slot(entry: &'static str, make: impl FnOnce() -> *mut c_void) -> *mut c_void {
    enter(entry, None, || Some(make())).unwrap_or_else(|| {
        BROKEN.store(true, Ordering::Release);
        WAS_BROKEN.store(true, Ordering::Release);
        BROKEN_REQUEST.set(true);
        ptr::null_mut()
    })
}

pub(super) unsafe extern "C" fn create_server<M: Module>(
    pool: *mut ffi::apr_pool_t,
    _server: *mut ffi::server_rec,
) -> *mut c_void {
    slot("create_server_config", || create::<M::ServerConfig>(pool))
}

pub(super) unsafe extern "C" fn create_directory<M: Module>(
    pool: *mut ffi::apr_pool_t,
    _directory: *mut c_char,
) -> *mut c_void {
    slot("create_dir_config", || create::<M::DirectoryConfig>(pool))
}

pub(super) unsafe extern "C" fn merge_server<M: Module>(
    pool: *mut ffi::apr_pool_t,
    base: *mut c_void,
    over: *mut c_void,
) -> *mut c_void {
    slot("merge_server_config", || {
        // SAFETY: httpd gives back what `create_server` or this function made for this module.
        unsafe { merge::<M::ServerConfig>(pool, base, over) }
    })
}

pub(super) unsafe extern "C" fn merge_directory<M: Module>(
    pool: *mut ffi::apr_pool_t,
    base: *mut c_void,
    over: *mut c_void,
) -> *mut c_void {
    slot("merge_dir_config", || {
        // SAFETY: httpd gives back what `create_directory` or this function made for this module.
        unsafe { merge::<M::DirectoryConfig>(pool, base, over) }
    })
}
