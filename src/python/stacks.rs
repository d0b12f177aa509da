//! Where the threads of Python are, as log lines.

#![deny(unsafe_code)]

use core::ffi::c_ulong;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use rsgi_bridge::abi::level;

use crate::interpreter::{self, At};
use crate::worker::{self, Doing};
use crate::{capi, process, report};

/// Leaves what it found behind as `found`: thread, label, lines. Other interpreters' threads are in `_current_frames` too;
/// those that nobody claims are told with the last one.
const FIND: &core::ffi::CStr = c"
import sys, threading, traceback
names = {ident: thread.name for ident, thread in list(threading._active.items())}
found = []
for ident, frame in sys._current_frames().items():
    label = here.get(ident)
    if ident == own or ident in told or label is None and ident in elsewhere:
        continue
    if label is None:
        if ident not in names and not is_last:
            continue
        label = 'Thread %r in application group %r' % (names.get(ident, ident), group)
    found.append((ident, label, traceback.format_stack(frame)))
frame = None
";

/// Logs where one thread of the interpreter is, at INFO.
pub(crate) fn tell_one(at: At<'_>, thread: c_ulong, label: &str) {
    let lines = frame_of(at.py, thread);
    process::log(level::INFO, label.as_bytes());
    match lines {
        Ok(lines) => tell_lines(level::INFO, &lines),
        Err(error) => report::log_error(at.py, &error, "looking where a thread is"),
    }
}

fn frame_of(py: Python<'_>, thread: c_ulong) -> PyResult<Vec<String>> {
    let frames = py.import("sys")?.call_method0("_current_frames")?;
    let frame = frames.get_item(thread)?;
    py.import("traceback")?
        .call_method1("format_stack", (frame,))?
        .extract()
}

fn tell_lines(level: u32, lines: &[String]) {
    report::each_line(&lines.concat(), |line| process::log(level, line));
}

/// Logs where all threads of all interpreters are; false where Python is not running.
pub(crate) fn dump(level: u32) -> bool {
    let Some(_use) = process::enter() else {
        return false;
    };
    let interps = interpreter::all();
    let doing = worker::doing();
    let mut told = Vec::new();
    for (index, interp) in interps.iter().enumerate() {
        let is_last = index + 1 == interps.len();
        let dumped = interpreter::attach(interp, |at| {
            if let Err(error) = dump_one(at, level, &doing, &mut told, is_last) {
                report::log_error(at.py, &error, "looking where all threads are");
            }
        });
        if dumped.is_none() {
            return false;
        }
    }
    if told.is_empty() {
        process::log(level, b"No other thread runs Python code.");
    }
    true
}

fn dump_one(
    at: At<'_>,
    level: u32,
    doing: &[Doing],
    told: &mut Vec<c_ulong>,
    is_last: bool,
) -> PyResult<()> {
    let py = at.py;
    let (here, elsewhere) = (PyDict::new(py), PyList::empty(py));
    for one in doing {
        if core::ptr::eq(one.interp, at.interp) {
            here.set_item(one.thread, &one.label)?;
        } else {
            elsewhere.append(one.thread)?;
        }
    }
    let names = PyDict::new(py);
    names.set_item("__builtins__", py.import("builtins")?)?;
    names.set_item("here", here)?;
    names.set_item("elsewhere", elsewhere)?;
    names.set_item("told", &*told)?;
    names.set_item("own", capi::thread_ident())?;
    names.set_item("group", at.interp.label())?;
    names.set_item("is_last", is_last)?;
    py.run(FIND, Some(&names), None)?;
    let found: Vec<(c_ulong, String, Vec<String>)> = names.as_any().get_item("found")?.extract()?;
    for (thread, label, lines) in found {
        told.push(thread);
        process::log(level, format!("{label} is at:").as_bytes());
        tell_lines(level, &lines);
    }
    Ok(())
}

/// Writes where all threads are to a descriptor without the GIL; false where this Python cannot.
pub(crate) fn dump_unsafe(fd: i32) -> bool {
    interpreter::dump_unsafe(fd)
}
