//! Processes beside the children that httpd's parent looks after for a module (apr_thread_proc.h, ap_listen.h).

use std::ffi::{c_int, c_void};

use super::boundary::enter;
use super::hooks::Module;
use super::log;
use super::server::Server;
use crate::apr::Pool;
use crate::ffi;

/// A process being watched. It lives in a pool of its own, which goes when the process has.
struct Watched {
    process: ffi::apr_proc_t,
    pool: *mut ffi::apr_pool_t,
}

/// Lets the parent tell the module when this child of its has ended. Returns whether it will.
pub(crate) fn watch<M: Module>(pid: i32) -> bool {
    // Not below any pool of httpd's: a restart must not lose it, and a hundred must not leave a hundred behind.
    let Some(pool) = Pool::unowned() else {
        return false;
    };
    // SAFETY: a structure of numbers and pointers, for which zero is "none".
    let mut process: ffi::apr_proc_t = unsafe { std::mem::zeroed() };
    process.pid = pid;
    let watched = pool.keep(Watched {
        process,
        pool: pool.as_ptr(),
    });
    let data: *mut Watched = watched;
    // SAFETY: the value that the pool has just taken in.
    let process = unsafe { &raw mut (*data).process };
    // SAFETY: both the process record and the data live in the pool, whose cleanup takes this back first; the
    // function is never unloaded (nodelete).
    unsafe {
        ffi::apr_proc_other_child_register(
            process,
            Some(maintain::<M>),
            data.cast(),
            std::ptr::null_mut(),
            pool.as_ptr(),
        );
    }
    true
}

/// Closes what httpd listens on, in a process that does not serve.
pub(crate) fn close_listeners() {
    // SAFETY: closes the sockets of httpd's own list, in this process only.
    unsafe { ffi::ap_close_listeners() };
}

unsafe extern "C" fn maintain<M: Module>(reason: c_int, data: *mut c_void, _status: c_int) {
    let is_over = matches!(reason, ffi::APR_OC_REASON_DEATH | ffi::APR_OC_REASON_LOST);
    if !is_over && reason != ffi::APR_OC_REASON_RESTART {
        return;
    }
    // SAFETY: what `watch` registered; the pool that it lives in is destroyed below only.
    let Some(watched) = (unsafe { data.cast::<Watched>().as_ref() }) else {
        return;
    };
    let (pid, pool) = (watched.process.pid, watched.pool);
    enter("process", (), || {
        // SAFETY: null, or the main server of the running configuration.
        let server = unsafe { Server::from_raw(log::main_server()) };
        if is_over {
            M::process_ended(pid, server);
        } else {
            M::children_stop(pid, server);
        }
    });
    if is_over {
        // SAFETY: the pool of `watch`, destroyed once: its cleanup takes the registration back.
        unsafe { ffi::apr_pool_destroy(pool) };
    }
}
