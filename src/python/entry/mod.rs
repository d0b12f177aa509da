//! The border to the host: the table that `rsgi_python_layer` returns, and the fences round everything C calls.

mod host;
mod life;

use core::ffi::{c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;
use rsgi_bridge::abi::{self, level};
use rsgi_bridge::fence::fence;

pub(crate) use host::{HostCalls, RequestView, TargetView};

use crate::{handler, loader, log};

/// Requests that run now.
static ACTIVE: AtomicUsize = AtomicUsize::new(0);

static LAYER: abi::Layer = abi::Layer {
    abi: abi::ABI,
    size: size_of::<abi::Layer>(),
    start: life::start,
    handle,
    load,
    stop: life::stop,
    fault,
};

/// The only symbol that the host looks up.
#[unsafe(no_mangle)]
#[expect(unreachable_pub, reason = "exported to the host")]
pub extern "C" fn rsgi_python_layer(host_abi: u32) -> *const abi::Layer {
    if host_abi == abi::ABI {
        &raw const LAYER
    } else {
        ptr::null()
    }
}

/// Requests that run now.
pub(crate) fn active() -> usize {
    ACTIVE.load(Ordering::SeqCst)
}

struct Active;

impl Active {
    fn new() -> Self {
        ACTIVE.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        ACTIVE.fetch_sub(1, Ordering::SeqCst);
    }
}

extern "C" fn handle(
    request: *const abi::Request,
    host: *const abi::Host,
    ctx: *mut c_void,
) -> c_int {
    // SAFETY: the host passes its own table and context, alive during the call.
    let calls = unsafe { HostCalls::new(host, ctx) };
    let run = || {
        let _active = Active::new();
        if life::is_stopping() {
            return 503;
        }
        // SAFETY: the host keeps the request and all that it points to alive and unchanged during the call.
        let request = unsafe { host::RequestView::new(&*request) };
        handler::handle(&request, calls)
    };
    fence(run).unwrap_or_else(|message| {
        calls.log(
            level::CRIT,
            format!("RSGI0901: a panic was stopped in the Python layer: {message}").as_bytes(),
        );
        abi::HANDLED_PANIC
    })
}

extern "C" fn load(target: *const abi::Target) -> c_int {
    let run = || {
        // SAFETY: the host keeps the target and all that it points to alive and unchanged during the call.
        let target = unsafe { host::TargetView::new(&*target) };
        loader::load_ahead(&target)
    };
    match fence(run) {
        Ok(true) => 0,
        Ok(false) => -1,
        Err(message) => {
            log::process(
                level::CRIT,
                format!("RSGI0901: a panic was stopped in the Python layer: {message}").as_bytes(),
            );
            -1
        }
    }
}

/// A payload that panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        std::panic::panic_any("a payload that panics when dropped");
    }
}

extern "C" fn fault(kind: c_int) -> c_int {
    let run = || match kind {
        1 => std::panic::panic_any(Bomb),
        _ => std::panic::panic_any(format!("injected fault {kind}")),
    };
    match fence(run) {
        Ok(()) => 0,
        Err(_) => abi::HANDLED_PANIC,
    }
}

/// Runs a method or function that CPython called; an error becomes the current exception, a panic a RuntimeError.
pub(crate) fn python_call<'py>(
    run: impl FnOnce(Python<'py>) -> PyResult<Bound<'py, PyAny>>,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls attached.
    let py = unsafe { Python::assume_attached() };
    match fence(|| run(py)) {
        Ok(Ok(object)) => object.into_ptr(),
        Ok(Err(error)) => {
            error.restore(py);
            ptr::null_mut()
        }
        Err(message) => {
            PyRuntimeError::new_err(format!("a panic was stopped in mod_rsgi: {message}"))
                .restore(py);
            ptr::null_mut()
        }
    }
}
