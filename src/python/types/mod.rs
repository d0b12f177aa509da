//! What belongs to one interpreter: our types in it, interned keys, cached values, the loaded scripts.
//!
//! Types whose methods run for every request are heap types in Rust; the others are classes of `support.py`.

mod adapter;
mod call;
mod input;
mod make;
mod running;

use core::ffi::{CStr, c_int, c_void};
use std::collections::HashMap;

use parking_lot::Mutex;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyType};

pub(crate) use adapter::end_adapter;
pub(crate) use call::{Call, with_bytes};
pub(crate) use input::end_input;
pub(crate) use make::make;
pub(crate) use running::{Head, Running, Sent, log_to_current, with_head};

/// Objects of one interpreter.
pub(crate) struct Objects {
    /// Keys by `NameId`.
    pub(crate) keys: Vec<Py<PyString>>,
    /// Keys that the layer fills itself.
    pub(crate) own: OwnKeys,
    /// The last value seen for each `NameId`.
    pub(crate) values: Mutex<Vec<Option<(Vec<u8>, Py<PyAny>)>>>,
    /// Environ templates by the id of their constants.
    pub(crate) templates: Mutex<HashMap<u64, Py<PyDict>>>,
    /// Loaded scripts by path.
    pub(crate) scripts: Mutex<HashMap<Vec<u8>, Py<PyDict>>>,
    /// Scripts of which a second start_response without exc_info was logged.
    pub(crate) warned: Mutex<Vec<Vec<u8>>>,
    /// `wsgi.errors` streams that no request ever used, with their logs.
    pub(crate) errors: Mutex<Vec<(Py<PyAny>, Py<PyAny>)>>,
    /// Entries that every environ of the interpreter has.
    pub(crate) fixed: Vec<(Py<PyString>, Py<PyAny>)>,
    pub(crate) input_type: Py<PyType>,
    pub(crate) adapter_type: Py<PyType>,
    /// Functions and classes of `support.py`.
    pub(crate) support: Support,
}

/// Keys whose values are not text.
pub(crate) struct OwnKeys {
    pub(crate) url_scheme: Py<PyString>,
    pub(crate) input: Py<PyString>,
    pub(crate) errors: Py<PyString>,
    pub(crate) thread_id: Py<PyString>,
    pub(crate) request_start: Py<PyString>,
    pub(crate) queue_start: Py<PyString>,
    pub(crate) daemon_start: Py<PyString>,
    pub(crate) application_start: Py<PyString>,
    pub(crate) http: Py<PyAny>,
    pub(crate) https: Py<PyAny>,
    pub(crate) close: Py<PyString>,
    pub(crate) mtime: Py<PyString>,
    pub(crate) reload_required: Py<PyString>,
}

/// What `support.py` defines.
pub(crate) struct Support {
    pub(crate) new_errors: Py<PyAny>,
    pub(crate) end_errors: Py<PyAny>,
    pub(crate) expire_errors: Py<PyAny>,
    pub(crate) file_wrapper: Py<PyType>,
    pub(crate) file_range: Py<PyAny>,
    pub(crate) request_timeout: Py<PyAny>,
    pub(crate) load: Py<PyAny>,
    pub(crate) mtime_of: Py<PyAny>,
    pub(crate) describe: Py<PyAny>,
    pub(crate) shut_down: Py<PyAny>,
}

/// A method that takes a tuple of arguments.
fn method(name: &'static CStr, function: ffi::PyCFunction, doc: &'static CStr) -> ffi::PyMethodDef {
    ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer {
            PyCFunction: function,
        },
        ml_flags: ffi::METH_VARARGS,
        ml_doc: doc.as_ptr(),
    }
}

/// The end of a list of methods.
fn method_end() -> ffi::PyMethodDef {
    ffi::PyMethodDef::zeroed()
}

/// Makes a heap type that applications cannot instantiate; slots, `size` and what they name live for good.
fn heap_type(
    py: Python<'_>,
    name: &'static CStr,
    size: usize,
    slots: &[(c_int, *mut c_void)],
) -> PyResult<Py<PyType>> {
    let mut slots: Vec<ffi::PyType_Slot> = slots
        .iter()
        .map(|&(slot, pfunc)| ffi::PyType_Slot { slot, pfunc })
        .collect();
    slots.push(ffi::PyType_Slot {
        slot: 0,
        pfunc: core::ptr::null_mut(),
    });
    let mut spec = ffi::PyType_Spec {
        name: name.as_ptr(),
        basicsize: size as c_int,
        itemsize: 0,
        flags: ffi::Py_TPFLAGS_DEFAULT as core::ffi::c_uint,
        slots: Box::leak(slots.into_boxed_slice()).as_mut_ptr(),
    };
    // SAFETY: attached; the spec is read during the call, its name and methods live for good.
    let object = unsafe { ffi::PyType_FromSpec(&raw mut spec) };
    // SAFETY: a new reference or null with an exception.
    let object = unsafe { Bound::from_owned_ptr_or_err(py, object) }?;
    Ok(object.cast_into::<PyType>()?.unbind())
}

/// A zeroed instance of one of our types.
fn instance<'py>(py: Python<'py>, class: &Py<PyType>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: attached; a heap type of this interpreter with room for its structure.
    let object = unsafe { ffi::PyType_GenericAlloc(class.as_ptr().cast(), 0) };
    // SAFETY: a new reference or null with an exception.
    unsafe { Bound::from_owned_ptr_or_err(py, object) }
}

/// Frees an instance of one of our types, none of which owns anything.
unsafe extern "C" fn dealloc(object: *mut ffi::PyObject) {
    // SAFETY: attached; an object whose last reference is gone.
    let class = unsafe { ffi::Py_TYPE(object) };
    // SAFETY: the memory came from PyType_GenericAlloc.
    unsafe { ffi::PyObject_Free(object.cast()) };
    // SAFETY: an instance of a heap type holds a reference to it.
    unsafe { ffi::Py_DECREF(class.cast()) };
}
