//! `mod_wsgi.SignalIntercept`: replaces `signal.signal`, because the server's signals are the server's.

use core::ffi::c_void;

use pyo3::exceptions::PyTypeError;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use rsgi_bridge::abi::level;

use super::instance::{self, method, slot};
use crate::{process, report};

/// The function that is replaced. Owned: never released, as the interpreter's `signal` module is not either.
struct Value(*mut PyObject);

pub(super) fn make_type(py: Python<'_>) -> PyResult<Py<PyAny>> {
    let slots = [
        slot(ffi::Py_tp_dealloc, instance::dealloc::<Value> as *mut _),
        slot(ffi::Py_tp_call, call as *mut c_void),
    ];
    // SAFETY: functions of the slots' types, for instances with a `Value`.
    unsafe {
        instance::make_type::<Value>(py, c"mod_wsgi.SignalIntercept", instance::NO_NEW, &slots)
    }
}

pub(super) fn create(original: &Bound<'_, PyAny>, kind: &Py<PyAny>) -> PyResult<Py<PyAny>> {
    let value = Value(original.clone().into_ptr());
    // SAFETY: the type made above.
    unsafe { instance::create(original.py(), kind.as_ptr().cast(), value) }
}

unsafe extern "C" fn call(
    object: *mut PyObject,
    arguments: *mut PyObject,
    keywords: *mut PyObject,
) -> *mut PyObject {
    method(|py| {
        // SAFETY: CPython calls the slot with an instance.
        let value = unsafe { instance::value::<Value>(object) };
        // SAFETY: a live object, owned by the value.
        let original = unsafe { Bound::from_borrowed_ptr(py, value.0) };
        // SAFETY: the slot's arguments are a tuple.
        let arguments = unsafe { Bound::from_borrowed_ptr(py, arguments) };
        // SAFETY: the slot's keywords are a dict or null.
        let keywords = unsafe { Bound::from_borrowed_ptr_or_opt(py, keywords) };
        let arguments = arguments.cast_into::<PyTuple>()?;
        let keywords = keywords
            .map(|words| words.cast_into::<PyDict>())
            .transpose()?;
        if process::facts().is_none_or(|facts| facts.pid != std::process::id()) {
            return original
                .call(arguments, keywords.as_ref())
                .map(Bound::unbind);
        }
        let (number, handler) = arguments
            .extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>()
            .map_err(|_| PyTypeError::new_err("signal() takes a signal and a handler"))?;
        note(&number);
        Ok(handler.unbind())
    })
}

/// Says that a handler was not installed, and who wanted it.
fn note(number: &Bound<'_, PyAny>) {
    if !process::log_enabled(level::INFO) {
        return;
    }
    let name = number.repr().map_or_else(
        |_| "?".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    );
    report::log(
        level::INFO,
        format!("A handler for signal {name} is not installed: signals belong to the server.")
            .as_bytes(),
    );
    report::log_stack(number.py(), level::INFO);
}
