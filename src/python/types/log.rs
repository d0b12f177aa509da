//! `mod_wsgi.Log`: the binary file behind `wsgi.errors`, `sys.stderr` and `sys.stdout`.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::{PyDeprecationWarning, PyOSError, PyRuntimeError, PyTypeError};
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use rsgi_bridge::abi::level;
use rsgi_core::logline::LineSplitter;

use super::instance::{self, Arguments, Attributes, END, Methods, NO_MORE, method, slot};
use crate::exchange::{self, Exchange};
use crate::process;
use crate::respond::OVER;

/// A stream of the process.
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    /// `sys.stdout`
    Out,
    /// `sys.stderr`
    Error,
}

/// Where an object writes to.
enum Value {
    Stream(Stream),
    Errors(Arc<Exchange>),
}

thread_local! {
    /// Unfinished lines that this thread printed, by [`Stream`].
    static PRINTS: RefCell<Prints> =
        const { RefCell::new(Prints([LineSplitter::new(), LineSplitter::new()])) };
}

struct Prints([LineSplitter; 2]);

impl Drop for Prints {
    /// What a thread of the application left unfinished is logged when it ends.
    fn drop(&mut self) {
        for splitter in &mut self.0 {
            splitter.flush(|line| process::log(level::ERROR, line));
        }
    }
}

static METHODS: Methods<10> = Methods([
    instance::fast(c"write", write),
    instance::fast(c"writelines", writelines),
    instance::plain(c"flush", flush),
    instance::plain(c"close", flush),
    instance::plain(c"isatty", no),
    instance::plain(c"readable", no),
    instance::plain(c"seekable", no),
    instance::plain(c"writable", yes),
    instance::plain(c"fileno", fileno),
    END,
]);

static ATTRIBUTES: Attributes<5> = Attributes([
    instance::getter(c"name", name),
    instance::getter(c"closed", closed),
    instance::getter(c"encoding", encoding),
    instance::getter(c"errors", error_handler),
    NO_MORE,
]);

pub(super) fn make_type(py: Python<'_>) -> PyResult<Py<PyAny>> {
    let slots = [
        slot(ffi::Py_tp_dealloc, instance::dealloc::<Value> as *mut _),
        slot(ffi::Py_tp_methods, METHODS.0.as_ptr().cast_mut().cast()),
        slot(ffi::Py_tp_getset, ATTRIBUTES.0.as_ptr().cast_mut().cast()),
    ];
    // SAFETY: functions of the slots' types, for instances with a `Value`; static tables.
    unsafe { instance::make_type::<Value>(py, c"mod_wsgi.Log", instance::NO_NEW, &slots) }
}

pub(super) fn stream(py: Python<'_>, kind: &Py<PyAny>, stream: Stream) -> PyResult<Py<PyAny>> {
    // SAFETY: the type made above.
    unsafe { instance::create(py, kind.as_ptr().cast(), Value::Stream(stream)) }
}

pub(super) fn errors(
    py: Python<'_>,
    kind: &Py<PyAny>,
    exchange: Arc<Exchange>,
) -> PyResult<Py<PyAny>> {
    // SAFETY: the type made above.
    unsafe { instance::create(py, kind.as_ptr().cast(), Value::Errors(exchange)) }
}

/// Logs the unfinished lines that the calling thread printed.
pub(crate) fn flush_prints() {
    for stream in [Stream::Out, Stream::Error] {
        with_prints(stream, |splitter, lines| {
            splitter.flush(|line| lines.push(line.to_vec()));
            splitter.restart();
        });
    }
}

fn with_prints(stream: Stream, body: impl FnOnce(&mut LineSplitter, &mut Vec<Vec<u8>>)) {
    let mut lines = Vec::new();
    let mut body = Some(body);
    let printed = PRINTS.try_with(|prints| {
        if let Some(body) = body.take() {
            body(&mut prints.borrow_mut().0[stream as usize], &mut lines);
        }
    });
    if let (Err(_), Some(body)) = (printed, body) {
        // The thread is being torn down, and destructors of its objects print: nothing can wait for more.
        let mut splitter = LineSplitter::new();
        body(&mut splitter, &mut lines);
        splitter.flush(|line| lines.push(line.to_vec()));
    }
    if lines.is_empty() {
        return;
    }
    let Some(exchange) = exchange::current() else {
        for line in lines {
            process::log(level::ERROR, &line);
        }
        return;
    };
    let script = exchange.script();
    for line in lines {
        let line = [b"[script ", &script[..], b"] ", &line[..]].concat();
        exchange.log(level::ERROR, &line);
    }
}

fn flush_stream(stream: Stream) {
    with_prints(stream, |splitter, lines| {
        splitter.flush(|line| lines.push(line.to_vec()));
    });
}

impl Value {
    fn write(&self, bytes: &[u8]) -> PyResult<()> {
        match self {
            Self::Stream(stream) => with_prints(*stream, |splitter, lines| {
                splitter.push(bytes, |line| lines.push(line.to_vec()));
            }),
            Self::Errors(exchange) => {
                if !exchange.write_errors(bytes) {
                    return Err(PyRuntimeError::new_err(OVER));
                }
            }
        }
        Ok(())
    }

    fn flush(&self) {
        match self {
            Self::Stream(stream) => flush_stream(*stream),
            Self::Errors(exchange) => exchange.flush_errors(),
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Stream(Stream::Out) => "<stdout>",
            Self::Stream(Stream::Error) => "<stderr>",
            Self::Errors(_) => "<wsgi.errors>",
        }
    }

    fn write_object(&self, data: &Bound<'_, PyAny>) -> PyResult<usize> {
        if let Ok(bytes) = data.cast::<PyBytes>() {
            self.write(bytes.as_bytes())?;
            return Ok(bytes.as_bytes().len());
        }
        let py = data.py();
        if data.is_instance_of::<PyString>() {
            static IS_WARNED: AtomicBool = AtomicBool::new(false);
            if !IS_WARNED.swap(true, Ordering::Relaxed) {
                let category = py.get_type::<PyDeprecationWarning>();
                PyErr::warn(
                    py,
                    &category,
                    c"text was written to the buffer of a log stream, which takes bytes",
                    1,
                )?;
            }
            let bytes = data.call_method1("encode", ("utf-8", "replace"))?;
            let bytes = bytes.cast_into::<PyBytes>()?;
            self.write(bytes.as_bytes())?;
            return data.len();
        }
        if !is_buffer(data) {
            return Err(PyTypeError::new_err("a log stream takes bytes"));
        }
        let bytes = py
            .get_type::<PyBytes>()
            .call1((data,))?
            .cast_into::<PyBytes>()?;
        self.write(bytes.as_bytes())?;
        Ok(bytes.as_bytes().len())
    }
}

/// Whether an object has a buffer: `bytes()` also takes iterables of numbers.
fn is_buffer(data: &Bound<'_, PyAny>) -> bool {
    let view = data.py().import("builtins");
    let view = view.and_then(|builtins| builtins.getattr("memoryview"));
    view.and_then(|view| view.call1((data,))).is_ok()
}

/// # Safety
/// An instance of the type above.
unsafe fn value<'a>(object: *mut PyObject) -> &'a Value {
    // SAFETY: the caller's promise.
    unsafe { instance::value::<Value>(object) }
}

unsafe extern "C" fn write(
    object: *mut PyObject,
    arguments: *mut *mut PyObject,
    count: isize,
) -> *mut PyObject {
    method(|py| {
        // SAFETY: CPython calls the method with an instance.
        let value = unsafe { value(object) };
        // SAFETY: the call's own arguments.
        let arguments = unsafe { Arguments::new(py, arguments, count) };
        let (Some(data), 1) = (arguments.get(0), arguments.len()) else {
            return Err(PyTypeError::new_err("write() takes one argument"));
        };
        let length = value.write_object(&data)?;
        Ok(length.into_pyobject(py)?.into_any().unbind())
    })
}

unsafe extern "C" fn writelines(
    object: *mut PyObject,
    arguments: *mut *mut PyObject,
    count: isize,
) -> *mut PyObject {
    method(|py| {
        // SAFETY: CPython calls the method with an instance.
        let value = unsafe { value(object) };
        // SAFETY: the call's own arguments.
        let arguments = unsafe { Arguments::new(py, arguments, count) };
        let (Some(lines), 1) = (arguments.get(0), arguments.len()) else {
            return Err(PyTypeError::new_err("writelines() takes one argument"));
        };
        for line in lines.try_iter()? {
            value.write_object(&line?)?;
        }
        Ok(py.None())
    })
}

unsafe extern "C" fn flush(object: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    method(|py| {
        // SAFETY: CPython calls the method with an instance.
        unsafe { value(object) }.flush();
        Ok(py.None())
    })
}

fn truth(py: Python<'_>, is_true: bool) -> PyResult<Py<PyAny>> {
    Ok(is_true.into_pyobject(py)?.to_owned().into_any().unbind())
}

fn text(py: Python<'_>, text: &str) -> Py<PyAny> {
    PyString::new(py, text).into_any().unbind()
}

unsafe extern "C" fn no(_object: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    method(|py| truth(py, false))
}

unsafe extern "C" fn yes(_object: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    method(|py| truth(py, true))
}

unsafe extern "C" fn fileno(_object: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    method(|_| Err(PyOSError::new_err("a log stream has no file descriptor")))
}

unsafe extern "C" fn name(object: *mut PyObject, _: *mut core::ffi::c_void) -> *mut PyObject {
    // SAFETY: CPython calls the getter with an instance.
    method(|py| Ok(text(py, unsafe { value(object) }.name())))
}

unsafe extern "C" fn closed(_: *mut PyObject, _: *mut core::ffi::c_void) -> *mut PyObject {
    method(|py| truth(py, false))
}

unsafe extern "C" fn encoding(_: *mut PyObject, _: *mut core::ffi::c_void) -> *mut PyObject {
    method(|py| Ok(text(py, "utf-8")))
}

unsafe extern "C" fn error_handler(_: *mut PyObject, _: *mut core::ffi::c_void) -> *mut PyObject {
    method(|py| Ok(text(py, "replace")))
}
