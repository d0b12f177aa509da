//! Exceptions of applications as log lines.

#![deny(unsafe_code)]

use pyo3::prelude::*;
use rsgi_bridge::abi::level;
use rsgi_core::logline;

use crate::exchange::{self, Exchange};
use crate::interpreter::At;
use crate::{capi, process};

/// What extensions that live in one interpreter only say when another imports them.
const SINGLE_INTERPRETER: [&str; 5] = [
    "does not support loading in subinterpreters",
    "modules do not yet support subinterpreters",
    "may only be initialized once per interpreter process",
    "cannot load module more than once per process",
    "Interpreter change detected",
];

/// The traceback as text; at least the exception's type where the traceback module fails.
pub(crate) fn text(py: Python<'_>, error: &PyErr) -> String {
    formatted(py, error).unwrap_or_else(|_| type_name(py, error))
}

fn formatted(py: Python<'_>, error: &PyErr) -> PyResult<String> {
    let parts = py.import("traceback")?.call_method1(
        "format_exception",
        (error.get_type(py), error.value(py), error.traceback(py)),
    )?;
    let mut text = String::new();
    if error.traceback(py).is_none() {
        // Nothing of the application's was running; what follows is recognised by this line all the same.
        text.push_str("Traceback (most recent call last):\n");
    }
    for part in parts.try_iter()? {
        let part = part?;
        if let Ok(part) = part.extract::<std::borrow::Cow<'_, str>>() {
            text.push_str(&part);
            continue;
        }
        // A lone surrogate, which only Python takes for text.
        let bytes = part.call_method1("encode", ("utf-8", "backslashreplace"))?;
        text.push_str(&String::from_utf8_lossy(bytes.extract::<&[u8]>()?));
    }
    Ok(text)
}

/// The name of the exception's type.
pub(crate) fn type_name(py: Python<'_>, error: &PyErr) -> String {
    capi::type_name(error.value(py))
}

/// Each non-empty line as records.
pub(crate) fn each_line(text: &str, record: impl FnMut(&[u8])) {
    logline::each_line(text.as_bytes(), record);
}

/// Logs where the calling thread's prints go: to its request, or to the process.
pub(crate) fn log(level: u32, line: &[u8]) {
    match exchange::current() {
        Some(exchange) => exchange.log(level, line),
        None => process::log(level, line),
    }
}

/// Logs who called, at a level.
pub(crate) fn log_stack(py: Python<'_>, level: u32) {
    let stack = py
        .import("traceback")
        .and_then(|traceback| traceback.call_method0("format_stack"))
        .and_then(|lines| lines.extract::<Vec<String>>());
    if let Ok(stack) = stack {
        each_line(&stack.concat(), |line| log(level, line));
    }
}

/// Logs an exception of the layer's own work.
pub(crate) fn log_error(py: Python<'_>, error: &PyErr, what: &str) {
    log(
        level::ERROR,
        format!("RSGI0191: An exception occurred in {what}.").as_bytes(),
    );
    each_line(&text(py, error), |line| log(level::ERROR, line));
}

/// The process and its group, for a line about a request: httpd writes the number of the Apache child in front of it.
pub(crate) fn place() -> String {
    let group = process::facts().map_or(&[][..], |facts| facts.process_group.as_slice());
    format!(
        "process {} of process group '{}'",
        std::process::id(),
        String::from_utf8_lossy(group)
    )
}

/// Logs an exception of an application: a line with `id` that says what failed where, then the traceback.
pub(crate) fn exception(at: At<'_>, sink: Option<&Exchange>, error: &PyErr, id: &str, what: &str) {
    let log = |line: &[u8]| match sink {
        Some(exchange) => exchange.log(level::ERROR, line),
        None => log(level::ERROR, line),
    };
    let header = format!(
        "{id}: {} {what} ({}, application group '{}').",
        type_name(at.py, error),
        place(),
        at.interp.label(),
    );
    log(header.as_bytes());
    let text = text(at.py, error);
    each_line(&text, log);
    if let Some(advice) = advice(at, error, &text) {
        log(advice.as_bytes());
    }
}

/// A line for an extension that cannot live in a sub-interpreter.
fn advice(at: At<'_>, error: &PyErr, text: &str) -> Option<String> {
    if at.interp.name.is_empty() {
        return None;
    }
    let line = text
        .lines()
        .rev()
        .find(|line| SINGLE_INTERPRETER.iter().any(|said| line.contains(said)))?;
    let name = extension(at.py, error, line);
    Some(format!(
        "RSGI0213: The extension module {name} cannot be used in a sub-interpreter, and application group '{}' is one: \
         set WSGIApplicationGroup %{{GLOBAL}} for this application.",
        at.interp.label(),
    ))
}

/// The extension that an error is about: what the message says, else the innermost import statement's.
fn extension(py: Python<'_>, error: &PyErr, line: &str) -> String {
    let named = line
        .split_once("module ")
        .and_then(|(_, rest)| rest.split_whitespace().next())
        .filter(|word| line.contains("does not support loading") && !word.is_empty());
    if let Some(word) = named {
        return format!("'{}'", word.trim_matches(['\'', '"', '`', ',', '.']));
    }
    imported(py, error).map_or_else(|| "that it imports".to_owned(), |name| format!("'{name}'"))
}

/// The module that the last frame of the traceback was importing; its own package where that is relative.
fn imported(py: Python<'_>, error: &PyErr) -> Option<String> {
    if let Ok(name) = error.value(py).getattr("name")
        && let Ok(name) = name.extract::<String>()
    {
        return Some(name);
    }
    let traceback = error.traceback(py)?;
    let frames = py
        .import("traceback")
        .and_then(|module| module.call_method1("extract_tb", (&traceback,)))
        .ok()?;
    let source = frames.get_item(-1).and_then(|last| last.getattr("line"));
    let source = source.ok()?.extract::<String>().ok()?;
    let mut words = source.split_whitespace();
    let name = match words.next()? {
        "import" | "from" => words.next()?.trim_matches([',', ';']),
        _ => ".",
    };
    if !name.starts_with('.') {
        return Some(name.to_owned());
    }
    let package = package(traceback.into_any()).ok()?;
    package.split('.').next().map(str::to_owned)
}

/// The module whose code the innermost frame runs.
fn package(mut traceback: Bound<'_, PyAny>) -> PyResult<String> {
    loop {
        let next = traceback.getattr("tb_next")?;
        if next.is_none() {
            break;
        }
        traceback = next;
    }
    let globals = traceback.getattr("tb_frame")?.getattr("f_globals")?;
    globals.get_item("__name__")?.extract()
}
