//! Makes sub-interpreters: with the GIL of the main one, or with one of their own.

use core::ffi::{c_int, c_void};
use core::mem::transmute;
use core::ptr;

use pyo3::ffi::{self, PyThreadState};

use crate::capi;
use crate::start::Status;

/// `PyInterpreterConfig`: the same in 3.12 to 3.15 (cpython/pylifecycle.h).
#[repr(C)]
struct Config {
    use_main_obmalloc: c_int,
    allow_fork: c_int,
    allow_exec: c_int,
    allow_threads: c_int,
    allow_daemon_threads: c_int,
    check_multi_interp_extensions: c_int,
    gil: c_int,
}

/// `PyInterpreterConfig_OWN_GIL`.
const OWN_GIL: c_int = 2;

/// What CPython calls isolated: with a GIL of its own nothing else is allowed but that threads are its own affair.
/// An extension module that does not say that it can be loaded more than once raises ImportError.
static ISOLATED: Config = Config {
    use_main_obmalloc: 0,
    allow_fork: 0,
    allow_exec: 0,
    allow_threads: 1,
    allow_daemon_threads: 0,
    check_multi_interp_extensions: 1,
    gil: OWN_GIL,
};

/// Makes a sub-interpreter, whose thread state is then current.
///
/// # Safety
/// The thread is attached to the main interpreter and holds no lock that Python code could want.
///
/// # Errors
/// Why there is none; which state is current then is not known.
pub(super) unsafe fn make(has_own_gil: bool) -> Result<*mut PyThreadState, String> {
    if has_own_gil {
        // SAFETY: as the caller says.
        return unsafe { isolated() };
    }
    // SAFETY: as the caller says.
    let state = unsafe { ffi::Py_NewInterpreter() };
    if state.is_null() {
        return Err("CPython refused to make one".to_owned());
    }
    Ok(state)
}

/// # Safety
/// As [`make`].
unsafe fn isolated() -> Result<*mut PyThreadState, String> {
    type New = unsafe extern "C" fn(*mut *mut PyThreadState, *const Config) -> Status;
    let new = capi::symbol(c"Py_NewInterpreterFromConfig")
        .ok_or("this Python has no interpreters with a GIL of their own")?;
    // SAFETY: the function's documented signature; it has been there since 3.12.
    let new = unsafe { transmute::<*mut c_void, New>(new) };
    let mut state = ptr::null_mut();
    // SAFETY: a place for the state and a configuration of this version's layout.
    let status = unsafe { new(&raw mut state, &raw const ISOLATED) };
    status.check("an interpreter with a GIL of its own")?;
    if state.is_null() {
        return Err("CPython refused to make one".to_owned());
    }
    Ok(state)
}
