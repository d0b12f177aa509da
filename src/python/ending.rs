//! What an interpreter's application is owed before it ends: its threads joined, its exit functions called.

#![deny(unsafe_code)]

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::report;

/// Joins the threads of the current interpreter that are no daemons, as CPython does when it ends one.
pub(crate) fn join_threads(py: Python<'_>) {
    if let Err(error) = join(py) {
        report::log_error(py, &error, "joining the threads of an interpreter");
    }
}

fn join(py: Python<'_>) -> PyResult<()> {
    let modules = py.import("sys")?.getattr("modules")?;
    let threading = modules.cast_into::<PyDict>()?.get_item("threading")?;
    let Some(threading) = threading else {
        return Ok(());
    };
    forget_creator(&threading)?;
    let shutdown = threading.getattr("_shutdown")?;
    // CPython calls it once more when it ends the interpreter, and some versions assert that nobody has before.
    threading.setattr("_shutdown", py.None().bind(py).get_type())?;
    shutdown.call0().map(drop)
}

/// Up to 3.12 the thread that imported `threading` is waited for as well, until its thread state is deleted. That is
/// the thread that made the interpreter: one of the host's, which may be parked for good.
fn forget_creator(threading: &Bound<'_, PyAny>) -> PyResult<()> {
    let creator = threading.getattr("_main_thread")?;
    if creator
        .getattr("ident")?
        .eq(threading.call_method0("get_ident")?)?
    {
        return Ok(());
    }
    let Some(lock) = creator.getattr_opt("_tstate_lock")? else {
        return Ok(());
    };
    if !lock.is_none() && lock.call_method0("locked")?.is_truthy()? {
        lock.call_method0("release")?;
    }
    Ok(())
}

/// Calls the exit functions of the current interpreter.
pub(crate) fn run_exit_functions(py: Python<'_>) {
    let run = py
        .import("atexit")
        .and_then(|atexit| atexit.call_method0("_run_exitfuncs"));
    if let Err(error) = run {
        report::log_error(py, &error, "the exit functions of an interpreter");
    }
}
