//! Where all threads are, told without the GIL by a process that is about to end.
//!
//! CPython can write tracebacks from a signal handler. 3.11 and 3.12 export the function that does it, which takes an
//! interpreter. For the others `faulthandler` is asked at the start to do it at a private signal; then it tells of
//! the interpreter of the thread that the signal hits (3.13 and later) or that holds the GIL (3.10). The same goes for
//! a crash, where 3.10 tells of the main interpreter only.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};
use std::time::Duration;

use pyo3::ffi::{PyInterpreterState, PyThreadState};
use pyo3::prelude::*;

use super::{TABLE, crash, minor};
use crate::{capi, worker};

const DUMP: &CStr = c"_Py_DumpTracebackThreads";
/// How long a signal handler may take to write.
const A_MOMENT: Duration = Duration::from_millis(100);

/// The descriptor that `faulthandler` writes to; -1 when it was not asked.
static TARGET: AtomicI32 = AtomicI32::new(-1);
/// What [`DUMP`] names, once it was looked up: no handler of a signal may do that. Null where it is not exported.
static EXPORTED: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

fn private_signal() -> c_int {
    libc::SIGRTMAX() - 3
}

/// Prepares for the end that is wanted and for the one that is not: from here on a crash tells where Python was.
/// Attached to the main interpreter.
pub(crate) fn prepare_dump(py: Python<'_>) -> PyResult<()> {
    if let Some(address) = capi::symbol(DUMP) {
        EXPORTED.store(address, Ordering::Relaxed);
        crash::watch()?;
        return Ok(());
    }
    crash::forget()?;
    let faulthandler = py.import("faulthandler")?;
    // file, all_threads
    faulthandler.call_method1("enable", (libc::STDERR_FILENO, true))?;
    // SAFETY: a terminated path.
    let fd = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) };
    if fd < 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    // file, all_threads, chain
    let arguments = (private_signal(), fd, true, false);
    faulthandler.call_method1("register", arguments)?;
    TARGET.store(fd, Ordering::Relaxed);
    Ok(())
}

/// See the module; false where it cannot be done.
pub(crate) fn dump_unsafe(fd: c_int) -> bool {
    let address = EXPORTED.load(Ordering::Relaxed);
    if !address.is_null() {
        type Dump = unsafe extern "C" fn(
            c_int,
            *mut PyInterpreterState,
            *mut PyThreadState,
        ) -> *const c_char;
        // SAFETY: its type in all versions that export it.
        let dump = unsafe { core::mem::transmute::<*mut c_void, Dump>(address) };
        let Some(table) = TABLE.try_read() else {
            return false;
        };
        for interp in table.iter() {
            // SAFETY: an interpreter that is alive; the function is made for being called at any time.
            unsafe { dump(fd, interp.state, ptr::null_mut()) };
        }
        return !table.is_empty();
    }
    let target = TARGET.load(Ordering::Relaxed);
    if target < 0 {
        return false;
    }
    // SAFETY: descriptors; the second is ours.
    if unsafe { libc::dup3(fd, target, libc::O_CLOEXEC) } < 0 {
        return false;
    }
    let is_told = minor() >= 12 && worker::one_of_each_interpreter(signal);
    if !is_told {
        // SAFETY: a thread to itself; the signal has a handler.
        unsafe { libc::raise(private_signal()) };
    }
    true
}

/// Sends the private signal to a thread, and gives its handler time.
///
/// The caller keeps the thread from ending.
fn signal(thread: core::ffi::c_ulong) {
    // SAFETY: on this platform Python's number of a thread is its pthread_t; it does not end meanwhile, says the caller.
    unsafe { libc::pthread_kill(thread as libc::pthread_t, private_signal()) };
    std::thread::sleep(A_MOMENT);
}
