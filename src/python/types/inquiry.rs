//! `mod_wsgi.Auth` and `mod_wsgi.Dispatch`: what `mod_ssl.is_https` and `mod_ssl.var_lookup` are bound to.

use core::ffi::CStr;
use std::sync::Arc;

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

use super::instance::{self, Arguments, END, Methods, called, method, slot};
use crate::capi;
use crate::exchange::Exchange;

type Value = Arc<Exchange>;

static METHODS: Methods<3> = Methods([
    instance::plain(c"ssl_is_https", is_https),
    instance::fast(c"ssl_var_lookup", var_lookup),
    END,
]);

const OVER: &str = "the request that this object belongs to is over";

pub(super) fn make_type(py: Python<'_>, name: &'static CStr) -> PyResult<Py<PyAny>> {
    let slots = [
        slot(ffi::Py_tp_dealloc, instance::dealloc::<Value> as *mut _),
        slot(ffi::Py_tp_methods, METHODS.0.as_ptr().cast_mut().cast()),
    ];
    // SAFETY: functions of the slots' types, for instances with a `Value`; a static table.
    unsafe { instance::make_type::<Value>(py, name, instance::NO_NEW, &slots) }
}

pub(super) fn create(py: Python<'_>, kind: &Py<PyAny>, exchange: Value) -> PyResult<Py<PyAny>> {
    // SAFETY: a type made above.
    unsafe { instance::create(py, kind.as_ptr().cast(), exchange) }
}

fn over() -> PyErr {
    PyRuntimeError::new_err(OVER)
}

/// # Safety
/// As a method that is called with an instance whose value is an exchange.
pub(super) unsafe extern "C" fn is_https(object: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    method(|py| {
        // SAFETY: CPython calls the method with an instance.
        let exchange = unsafe { instance::value::<Value>(object) };
        let number = i32::from(exchange.is_https(py).ok_or_else(over)?);
        Ok(number.into_pyobject(py)?.into_any().unbind())
    })
}

/// # Safety
/// As [`is_https`].
pub(super) unsafe extern "C" fn var_lookup(
    object: *mut PyObject,
    arguments: *mut *mut PyObject,
    count: isize,
) -> *mut PyObject {
    // SAFETY: CPython calls the method with an instance and its arguments.
    unsafe { called::<Value>(object, arguments, count, look_up) }
}

fn look_up(py: Python<'_>, exchange: &Value, arguments: Arguments<'_>) -> PyResult<Py<PyAny>> {
    let (Some(name), 1) = (arguments.get(0), arguments.len()) else {
        return Err(PyTypeError::new_err(
            "ssl_var_lookup() takes the name of a variable",
        ));
    };
    let name = capi::latin1_bytes(&name, "the name of a variable")?;
    match exchange.variable(py, &name).ok_or_else(over)? {
        Some(text) => Ok(capi::latin1(py, &text)?.into_any().unbind()),
        None => Ok(py.None()),
    }
}
