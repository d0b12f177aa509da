//! `mod_wsgi.Restricted`: stands where applications must not look.

use pyo3::exceptions::PyOSError;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

use super::instance::{self, method, slot};

type Value = &'static str;

pub(super) fn make_type(py: Python<'_>) -> PyResult<Py<PyAny>> {
    let slots = [
        slot(ffi::Py_tp_dealloc, instance::dealloc::<Value> as *mut _),
        slot(ffi::Py_tp_getattro, getattro as *mut _),
    ];
    // SAFETY: functions of the slots' types, for instances with a `Value`.
    unsafe { instance::make_type::<Value>(py, c"mod_wsgi.Restricted", instance::NO_NEW, &slots) }
}

pub(super) fn create(py: Python<'_>, kind: &Py<PyAny>, name: Value) -> PyResult<Py<PyAny>> {
    // SAFETY: the type made above.
    unsafe { instance::create(py, kind.as_ptr().cast(), name) }
}

unsafe extern "C" fn getattro(object: *mut PyObject, _name: *mut PyObject) -> *mut PyObject {
    method(|_| {
        // SAFETY: CPython calls the slot with an instance.
        let name = unsafe { instance::value::<Value>(object) };
        Err(PyOSError::new_err(format!(
            "access to {name} is restricted by mod_wsgi"
        )))
    })
}
