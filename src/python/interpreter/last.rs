//! Where threads are, from CPython's own view of its frames: no objects are made of them.
//!
//! CPython can write tracebacks from a signal handler. 3.11 and 3.12 export the function that does it, which takes an
//! interpreter. For the others `faulthandler` does it at a [private signal](super::private). That serves those who have
//! Python ([`write_stacks`]) and, without waiting for the GIL, a process that is about to end ([`dump_unsafe`]).

use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr;
use std::fs::File;
use std::io::Write;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use pyo3::ffi::{PyInterpreterState, PyThreadState};
use pyo3::prelude::*;

use super::{At, Interp, TABLE, crash, has_gil, minor, private, slot};
use crate::{capi, worker};

const DUMP: &CStr = c"_Py_DumpTracebackThreads";
/// How long a look at all threads may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often is looked whether it has crashed.
const A_BIT: Duration = Duration::from_millis(1);

/// What [`DUMP`] names, once it was looked up: no handler of a signal may do that. Null where it is not exported.
static EXPORTED: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
/// Held by who lets the private signal write somewhere. No Python code runs meanwhile.
static AIMING: Mutex<()> = Mutex::new(());

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
    private::prepare(faulthandler.as_any())
}

/// Calls [`DUMP`] for an interpreter; false where it is not exported.
fn exported(fd: c_int, interp: &Interp) -> bool {
    type Dump =
        unsafe extern "C" fn(c_int, *mut PyInterpreterState, *mut PyThreadState) -> *const c_char;
    let address = EXPORTED.load(Ordering::Relaxed);
    if address.is_null() {
        return false;
    }
    // SAFETY: its type in all versions that export it.
    let dump = unsafe { core::mem::transmute::<*mut c_void, Dump>(address) };
    // SAFETY: an interpreter that is alive; the function is made for being called at any time.
    unsafe { dump(fd, interp.state, ptr::null_mut()) };
    true
}

/// Writes where the threads of the interpreter are, to which the calling one is attached. They stand still meanwhile.
pub(crate) fn write_stacks(at: At<'_>, fd: c_int) -> PyResult<()> {
    if !at.interp.has_own_gil {
        let faulthandler = at.py.import("faulthandler")?;
        // From here on nothing gives the GIL up.
        let _none = slot::make_none(PATIENCE);
        return faulthandler.call_method1("dump_traceback", (fd,)).map(drop);
    }
    // `faulthandler` cannot be imported there.
    if exported(fd, at.interp) {
        return Ok(());
    }
    let _aiming = AIMING.lock();
    if private::aim(fd) {
        private::tell_here();
        private::aim_at_nothing();
    }
    Ok(())
}

/// Writes where all threads are, without waiting for any; false where it cannot be done. What is read may change
/// meanwhile: threads of their own do it, so that one that crashes or never comes back does not keep the caller, nor from
/// the next interpreter.
pub(crate) fn dump_unsafe(fd: c_int) -> bool {
    private::survive();
    let deadline = Instant::now() + PATIENCE;
    if EXPORTED.load(Ordering::Relaxed).is_null() {
        return look(deadline, move || dump_in_place(fd));
    }
    let Some(table) = TABLE.try_read().map(|table| table.clone()) else {
        return false;
    };
    let _none = slot::make_none(A_BIT);
    for interp in table.iter().copied() {
        look(deadline, move || exported(fd, interp));
    }
    !table.is_empty()
}

/// Has a thread look, and gives what it says. One that crashes or takes too long has told something, perhaps.
fn look(deadline: Instant, body: impl FnOnce() -> bool + Copy + Send + 'static) -> bool {
    private::expect_look();
    let (tell, told) = mpsc::channel();
    let looker = move || {
        private::begin_look();
        // An error means that nobody waits any more.
        let _ = tell.send(body());
    };
    let thread = std::thread::Builder::new().name("rsgi-look".to_owned());
    if thread.spawn(looker).is_err() {
        return body();
    }
    loop {
        match told.recv_timeout(A_BIT) {
            Ok(answer) => return answer,
            Err(RecvTimeoutError::Timeout)
                if !private::has_crashed() && Instant::now() < deadline => {}
            Err(_) => return true,
        }
    }
}

/// The same by the calling thread, as it is done in a handler of a crash.
pub(super) fn dump_in_place(fd: c_int) -> bool {
    if !EXPORTED.load(Ordering::Relaxed).is_null() {
        let Some(table) = TABLE.try_read() else {
            return false;
        };
        // No handler of a signal waits for it.
        let _none = slot::make_none(Duration::ZERO);
        for interp in table.iter() {
            exported(fd, interp);
        }
        return !table.is_empty();
    }
    if !private::aim(fd) {
        return false;
    }
    let end = Instant::now() + PATIENCE;
    if minor() < 12 {
        // 3.10 counts references to frames, which no other thread may run meanwhile.
        worker::each_that_runs(|_, thread, _| private::stop(thread, end));
        private::tell_here();
        return true;
    }
    // Those that run requests first, each of itself, which is certain. They stand still then.
    let mut interps: Vec<&'static Interp> = Vec::new();
    worker::each_that_runs(|interp, thread, label| {
        write_line(fd, &format!("{label} is at:"));
        private::ask_alone(thread, end);
        if !interps.iter().any(|known| ptr::eq(*known, interp)) {
            interps.push(interp);
        }
    });
    if !has_gil() {
        return true;
    }
    // Then of everything, as far as that goes: threads of the application may run, each under the GIL of its interpreter.
    if interps.is_empty() {
        private::tell_here();
    }
    worker::each_that_runs(|interp, thread, _| {
        if let Some(place) = interps.iter().position(|known| ptr::eq(*known, interp)) {
            interps.swap_remove(place);
            write_line(
                fd,
                &format!("The threads of application group '{}':", interp.label()),
            );
            private::ask(thread, end);
        }
    });
    true
}

fn write_line(fd: c_int, line: &str) {
    // SAFETY: open as long as the caller's; it is not closed here.
    let mut file = ManuallyDrop::new(unsafe { File::from_raw_fd(fd) });
    // Nobody is left to be told of a failure.
    drop(writeln!(file, "{line}"));
}
