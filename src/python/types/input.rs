//! `mod_wsgi.Input`: the request body.

use std::sync::Arc;

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyTypeError};
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyList};

use super::instance::{self, Arguments, END, Methods, called, entered, method, slot};
use crate::exchange::{Exchange, InputError, Wanted};
use crate::respond::OVER;

type Value = Arc<Exchange>;

static METHODS: Methods<5> = Methods([
    instance::fast(c"read", read),
    instance::fast(c"readline", readline),
    instance::fast(c"readlines", readlines),
    instance::plain(c"close", close),
    END,
]);

pub(super) fn make_type(py: Python<'_>) -> PyResult<Py<PyAny>> {
    let slots = [
        slot(ffi::Py_tp_dealloc, instance::dealloc::<Value> as *mut _),
        slot(ffi::Py_tp_methods, METHODS.0.as_ptr().cast_mut().cast()),
        slot(ffi::Py_tp_iter, iter as *mut _),
        slot(ffi::Py_tp_iternext, next as *mut _),
    ];
    // SAFETY: functions of the slots' types, for instances with a `Value`; a static table.
    unsafe { instance::make_type::<Value>(py, c"mod_wsgi.Input", instance::NO_NEW, &slots) }
}

pub(super) fn create(py: Python<'_>, kind: &Py<PyAny>, exchange: Value) -> PyResult<Py<PyAny>> {
    // SAFETY: the type made above.
    unsafe { instance::create(py, kind.as_ptr().cast(), exchange) }
}

/// # Safety
/// An instance of the type above.
unsafe fn exchange<'a>(object: *mut PyObject) -> &'a Exchange {
    // SAFETY: the caller's promise.
    unsafe { instance::value::<Value>(object) }
}

fn failed(error: InputError) -> PyErr {
    match error {
        InputError::Sealed => PyRuntimeError::new_err(OVER),
        InputError::Failed(failure) => PyOSError::new_err(format!(
            "mod_wsgi request data read error: {}",
            failure.reason()
        )),
    }
}

/// The optional size argument: none for all.
fn size(name: &str, arguments: Arguments<'_>) -> PyResult<Option<u64>> {
    if arguments.len() > 1 {
        return Err(PyTypeError::new_err(format!(
            "{name}() takes at most one argument"
        )));
    }
    let Some(given) = arguments.get(0) else {
        return Ok(None);
    };
    if !given.is_instance_of::<PyInt>() {
        return Err(PyTypeError::new_err(format!(
            "the size for {name}() must be an int"
        )));
    }
    // A number that does not fit is larger than any body, or negative: all, in both cases.
    Ok(given
        .extract::<i64>()
        .ok()
        .and_then(|size| u64::try_from(size).ok()))
}

fn bytes(py: Python<'_>, data: Result<Vec<u8>, InputError>) -> PyResult<Py<PyAny>> {
    let data = data.map_err(failed)?;
    Ok(PyBytes::new(py, &data).into_any().unbind())
}

unsafe extern "C" fn read(
    object: *mut PyObject,
    arguments: *mut *mut PyObject,
    count: isize,
) -> *mut PyObject {
    // SAFETY: CPython calls the method with an instance and its arguments.
    unsafe { called::<Value>(object, arguments, count, read_some) }
}

fn read_some(py: Python<'_>, exchange: &Value, arguments: Arguments<'_>) -> PyResult<Py<PyAny>> {
    let size = size("read", arguments)?;
    bytes(py, exchange.read(py, Wanted::Bytes(size)))
}

unsafe extern "C" fn readline(
    object: *mut PyObject,
    arguments: *mut *mut PyObject,
    count: isize,
) -> *mut PyObject {
    // SAFETY: CPython calls the method with an instance and its arguments.
    unsafe { called::<Value>(object, arguments, count, read_line) }
}

fn read_line(py: Python<'_>, exchange: &Value, arguments: Arguments<'_>) -> PyResult<Py<PyAny>> {
    let limit = size("readline", arguments)?;
    bytes(py, exchange.read(py, Wanted::Line(limit)))
}

unsafe extern "C" fn readlines(
    object: *mut PyObject,
    arguments: *mut *mut PyObject,
    count: isize,
) -> *mut PyObject {
    // SAFETY: CPython calls the method with an instance and its arguments.
    unsafe { called::<Value>(object, arguments, count, read_lines) }
}

fn read_lines(py: Python<'_>, exchange: &Value, arguments: Arguments<'_>) -> PyResult<Py<PyAny>> {
    let hint = size("readlines", arguments)?.filter(|&hint| hint > 0);
    let lines = PyList::empty(py);
    let mut total = 0;
    while hint.is_none_or(|hint| total < hint) {
        let line = exchange.read(py, Wanted::Line(None)).map_err(failed)?;
        if line.is_empty() {
            break;
        }
        total += line.len() as u64;
        lines.append(PyBytes::new(py, &line))?;
    }
    Ok(lines.into_any().unbind())
}

unsafe extern "C" fn close(_object: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    method(|py| Ok(py.None()))
}

unsafe extern "C" fn iter(object: *mut PyObject) -> *mut PyObject {
    // SAFETY: a live object; the caller gets a reference of its own.
    unsafe { ffi::Py_NewRef(object) }
}

unsafe extern "C" fn next(object: *mut PyObject) -> *mut PyObject {
    entered(core::ptr::null_mut(), |py| {
        // SAFETY: CPython calls the slot with an instance.
        let exchange = unsafe { exchange(object) };
        let line = exchange.read(py, Wanted::Line(None)).map_err(failed)?;
        if line.is_empty() {
            // Null without an exception ends the iteration.
            return Ok(core::ptr::null_mut());
        }
        Ok(PyBytes::new(py, &line).into_ptr())
    })
}
