//! A process without workers (`threads=0`): its scripts are the service.

#![deny(unsafe_code)]

use pyo3::prelude::*;

use crate::entry::TargetView;
use crate::worker::{self, Window};
use crate::{interpreter, loader, process, types};

/// Makes SIGTERM a SystemExit until the application says otherwise.
const TERMINATE: &core::ffi::CStr = c"
import signal
def terminate(number, frame):
    raise SystemExit
signal.signal(signal.SIGTERM, terminate)
";

/// Prepares the main interpreter.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    let names = pyo3::types::PyDict::new(py);
    names.set_item("__builtins__", py.import("builtins")?)?;
    py.run(TERMINATE, Some(&names), None)
}

/// Runs a script until it returns or exits; false when it failed, which is logged.
pub(crate) fn run(target: &TargetView<'_>) -> bool {
    let Some(_use) = process::enter() else {
        return false;
    };
    let Ok(interp) = interpreter::find(target.application_group) else {
        return false;
    };
    worker::set_number(worker::SERVICE);
    interpreter::attach(interp, |at| {
        let window = Window::open(at, target);
        let is_well = loader::run_service(at, target);
        drop(window);
        types::flush_prints();
        is_well
    })
    .unwrap_or(false)
}
