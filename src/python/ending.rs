//! What becomes of an application's threads and exit functions when its interpreter ends.
//!
//! Python itself would wait for its threads without a limit; a server cannot.

#![deny(unsafe_code)]

use std::time::Instant;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::report;

/// Does what `threading._shutdown` does, but within a time, and leaves `alive` behind.
const FINISH: &core::ffi::CStr = c"
import sys, threading, time
if type(sys.stdout).__name__ == 'Restricted':
    sys.stdout = None
deadline = time.monotonic() + seconds
calls = getattr(threading, '_threading_atexits', [])
caller = None
def call_all():
    while calls:
        calls.pop()()
if calls:
    # concurrent.futures waits for its workers there, without a limit.
    try:
        caller = threading.Thread(target=call_all, daemon=True)
    except RuntimeError:
        # An interpreter with a GIL of its own has no daemons; one whose thread is held up is not ended anyway.
        caller = threading.Thread(target=call_all)
    caller.start()
    caller.join(max(0.05, deadline - time.monotonic()))
    is_held = caller.is_alive()
else:
    is_held = False
def running():
    own = threading.current_thread()
    return [t for t in threading.enumerate()
            if t is not own and t is not caller and not t.daemon and t.is_alive()
            and not isinstance(t, (threading._DummyThread, threading._MainThread))]
for thread in running():
    thread.join(max(0, deadline - time.monotonic()))
alive = len(running()) + is_held
";

/// Tells `threading` that a thread of the host is an ordinary one. It takes threads that it did not start for
/// daemons, and what they start inherits that: then nobody would wait for it at the end. Call once a thread and
/// interpreter.
///
/// Nothing is compiled for it: without the GIL code objects wait for the garbage collector, and what a thread left it is
/// forgotten when that ends after less than 512 objects (3.14.7), so that none is due however many threads come and go.
pub(crate) fn introduce_thread(py: Python<'_>) {
    let done = py
        .import("threading")
        .and_then(|threading| threading.call_method0("current_thread"))
        .and_then(|thread| thread.setattr("_daemonic", false));
    if let Err(error) = done {
        report::log_error(py, &error, "the introduction of a thread");
    }
}

/// Waits for the threads that the application started, other than daemons; false when some still run at `deadline`.
pub(crate) fn finish_threads(py: Python<'_>, deadline: Instant) -> bool {
    let seconds = deadline.saturating_duration_since(Instant::now());
    let alive = namespace(py).and_then(|names| {
        names.set_item("seconds", seconds.as_secs_f64())?;
        py.run(FINISH, Some(&names), None)?;
        names.as_any().get_item("alive")?.extract::<usize>()
    });
    match alive {
        Ok(alive) => alive == 0,
        Err(error) => {
            report::log_error(py, &error, "waiting for the threads of an interpreter");
            false
        }
    }
}

/// Calls the functions that were registered with `atexit`.
pub(crate) fn run_exit_functions(py: Python<'_>) {
    let run = py
        .import("atexit")
        .and_then(|atexit| atexit.call_method0("_run_exitfuncs"));
    if let Err(error) = run {
        report::log_error(py, &error, "the exit functions of an interpreter");
    }
}

fn namespace(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let names = PyDict::new(py);
    names.set_item("__builtins__", py.import("builtins")?)?;
    Ok(names)
}
