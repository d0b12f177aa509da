//! `mod_wsgi.Adapter`: what `start_response` and `write` are bound to, and where mod_ssl is asked.

use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

use super::inquiry;
use super::instance::{self, Arguments, END, Methods, called, slot};
use crate::exchange::Exchange;
use crate::{events, respond};

type Value = Arc<Exchange>;

static METHODS: Methods<5> = Methods([
    instance::fast(c"start_response", call_start_response),
    instance::fast(c"write", call_write),
    instance::plain(c"ssl_is_https", inquiry::is_https),
    instance::fast(c"ssl_var_lookup", inquiry::var_lookup),
    END,
]);

pub(super) fn make_type(py: Python<'_>) -> PyResult<Py<PyAny>> {
    let slots = [
        slot(ffi::Py_tp_dealloc, instance::dealloc::<Value> as *mut _),
        slot(ffi::Py_tp_methods, METHODS.0.as_ptr().cast_mut().cast()),
    ];
    // SAFETY: functions of the slots' types, for instances with a `Value`; a static table.
    unsafe { instance::make_type::<Value>(py, c"mod_wsgi.Adapter", instance::NO_NEW, &slots) }
}

pub(super) fn create(py: Python<'_>, kind: &Py<PyAny>, exchange: Value) -> PyResult<Py<PyAny>> {
    // SAFETY: the type made above.
    unsafe { instance::create(py, kind.as_ptr().cast(), exchange) }
}

/// Binds a method of the table to an adapter.
fn bound(py: Python<'_>, adapter: *mut PyObject, index: usize) -> PyResult<Py<PyAny>> {
    let definition = (&raw const METHODS.0[index]).cast_mut();
    // SAFETY: a static definition, which CPython does not write, and a live adapter.
    let function = unsafe { ffi::PyCFunction_NewEx(definition, adapter, core::ptr::null_mut()) };
    // SAFETY: a new reference or null with an exception.
    unsafe { Bound::from_owned_ptr_or_err(py, function) }.map(Bound::unbind)
}

/// The callable that applications are given.
pub(super) fn start_response(py: Python<'_>, adapter: &Py<PyAny>) -> PyResult<Py<PyAny>> {
    bound(py, adapter.as_ptr(), 0)
}

unsafe extern "C" fn call_start_response(
    object: *mut PyObject,
    arguments: *mut *mut PyObject,
    count: isize,
) -> *mut PyObject {
    // SAFETY: CPython calls the method with an instance and its arguments.
    unsafe {
        called::<Value>(object, arguments, count, |py, exchange, arguments| {
            start(exchange, arguments)?;
            bound(py, object, 1)
        })
    }
}

fn start(exchange: &Value, arguments: Arguments<'_>) -> PyResult<()> {
    let (Some(status), Some(headers), 2..=3) =
        (arguments.get(0), arguments.get(1), arguments.len())
    else {
        return Err(PyTypeError::new_err(
            "start_response() takes two or three positional arguments",
        ));
    };
    let exc_info = arguments.get(2);
    if exchange.is_watched() {
        events::response_started(exchange, &status, &headers, exc_info.as_ref());
    }
    if respond::start_response(exchange, &status, &headers, exc_info.as_ref())? {
        respond::warn_of_second_start(exchange);
    }
    Ok(())
}

unsafe extern "C" fn call_write(
    object: *mut PyObject,
    arguments: *mut *mut PyObject,
    count: isize,
) -> *mut PyObject {
    // SAFETY: CPython calls the method with an instance and its arguments.
    unsafe { called::<Value>(object, arguments, count, write) }
}

fn write(py: Python<'_>, exchange: &Value, arguments: Arguments<'_>) -> PyResult<Py<PyAny>> {
    let (Some(block), 1) = (arguments.get(0), arguments.len()) else {
        return Err(PyTypeError::new_err("write() takes one argument"));
    };
    respond::write(exchange, &block)?;
    Ok(py.None())
}
