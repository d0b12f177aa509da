//! Where the threads of Python are, as log lines.
//!
//! `sys._current_frames` makes objects of the frames of all interpreters in the one that asks: one with a GIL of its own
//! then has objects that others change at the same time and free with another allocator, and a collector without a GIL
//! takes others' objects for its own. So CPython's text about one interpreter is read, whose threads stand still while it
//! is written.

#![deny(unsafe_code)]

use core::ffi::c_ulong;
use std::io::{Read, Seek};
use std::os::fd::AsRawFd;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use rsgi_bridge::abi::level;

use crate::interpreter::{self, At};
use crate::worker::{self, Doing};
use crate::{capi, process, report};

/// Leaves what it found in `text` behind as `found`: thread, its name or none, lines.
const FIND: &core::ffi::CStr = c"
import threading, traceback
stacks = {}
for line in text.splitlines():
    before, mark, after = line.partition('hread 0x')
    if mark and before in ('T', 'Current t'):
        stack = stacks.setdefault(int(after.split()[0], 16), [])
    elif line.startswith('  File \"'):
        path, _, place = line[8:].rpartition('\", line ')
        number, _, name = place.partition(' in ')
        stack.insert(0, (path, int(number) if number.isdigit() else 0, name, None))
names = {ident: thread.name for ident, thread in list(threading._active.items())}
found = [(ident, names.get(ident), traceback.format_list(stack)) for ident, stack in stacks.items() if stack]
";

/// Where a thread is: its number, the name of an application's thread, lines.
type Stack = (c_ulong, Option<String>, Vec<String>);

/// Logs where one thread of the interpreter is, at INFO.
pub(crate) fn tell_one(at: At<'_>, thread: c_ulong, label: &str) {
    let stacks = stacks(at);
    process::log(level::INFO, label.as_bytes());
    match stacks {
        Ok(stacks) => {
            let own = stacks.iter().find(|(ident, ..)| *ident == thread);
            tell_lines(level::INFO, own.map_or(&[], |(_, _, lines)| lines));
        }
        Err(error) => report::log_error(at.py, &error, "looking where a thread is"),
    }
}

/// Those of the interpreter that run Python code.
fn stacks(at: At<'_>) -> PyResult<Vec<Stack>> {
    let py = at.py;
    let mut file = capi::memory_file()?;
    interpreter::write_stacks(at, file.as_raw_fd())?;
    file.rewind()?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let names = PyDict::new(py);
    names.set_item("__builtins__", py.import("builtins")?)?;
    names.set_item("text", String::from_utf8_lossy(&text))?;
    py.run(FIND, Some(&names), None)?;
    names.as_any().get_item("found")?.extract()
}

fn tell_lines(level: u32, lines: &[String]) {
    report::each_line(&lines.concat(), |line| process::log(level, line));
}

/// Logs where all threads of all interpreters are; false where Python is not running.
pub(crate) fn dump(level: u32) -> bool {
    let Some(_use) = process::enter() else {
        return false;
    };
    let doing = worker::doing();
    let mut told = 0;
    for interp in interpreter::all() {
        let dumped = interpreter::attach(interp, |at| match stacks(at) {
            Ok(stacks) => told += tell_all(at, level, &doing, &stacks),
            Err(error) => report::log_error(at.py, &error, "looking where all threads are"),
        });
        if dumped.is_none() {
            return false;
        }
    }
    if told == 0 {
        process::log(level, b"No other thread runs Python code.");
    }
    true
}

/// Logs where the threads of one interpreter are, but for the calling one; how many there are.
fn tell_all(at: At<'_>, level: u32, doing: &[Doing], stacks: &[Stack]) -> usize {
    let own = capi::thread_ident();
    let others = stacks.iter().filter(|(thread, ..)| *thread != own);
    others
        .map(|(thread, name, lines)| {
            let is_it =
                |one: &&Doing| one.thread == *thread && core::ptr::eq(one.interp, at.interp);
            let label = doing.iter().find(is_it).map_or_else(
                || {
                    let name = name
                        .as_ref()
                        .map_or_else(|| thread.to_string(), |name| format!("'{name}'"));
                    format!("Thread {name} in application group '{}'", at.interp.label())
                },
                |one| one.label.clone(),
            );
            process::log(level, format!("{label} is at:").as_bytes());
            tell_lines(level, lines);
        })
        .count()
}

/// Writes where all threads are to a descriptor without the GIL; false where this Python cannot.
pub(crate) fn dump_unsafe(fd: i32) -> bool {
    interpreter::dump_unsafe(fd)
}
