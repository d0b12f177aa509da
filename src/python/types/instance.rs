//! Heap types whose instances carry a Rust value.

use core::ffi::{CStr, c_char, c_int, c_uint, c_void};
use core::mem::ManuallyDrop;

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi::{self, PyMethodDef, PyMethodDefPointer, PyObject, PyType_Slot, PyTypeObject};
use pyo3::prelude::*;
use rsgi_bridge::fence::fence;

/// `Py_TPFLAGS_DISALLOW_INSTANTIATION`, 3.10 and later.
pub(super) const NO_NEW: u32 = 1 << 7;

/// An object of ours. The value is dropped by [`dealloc`].
#[repr(C)]
struct Instance<T> {
    head: PyObject,
    value: ManuallyDrop<T>,
}

/// A table of methods. Lives forever: CPython keeps pointers into it.
pub(super) struct Methods<const N: usize>(pub(super) [PyMethodDef; N]);

// SAFETY: never written; the pointers in it are to statics.
unsafe impl<const N: usize> Sync for Methods<N> {}

/// The end of a table.
pub(super) const END: PyMethodDef = PyMethodDef::zeroed();

/// A method that takes positional arguments as an array.
pub(super) const fn fast(name: &'static CStr, method: ffi::PyCFunctionFast) -> PyMethodDef {
    PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: PyMethodDefPointer {
            PyCFunctionFast: method,
        },
        ml_flags: ffi::METH_FASTCALL,
        ml_doc: core::ptr::null(),
    }
}

/// A method without arguments.
pub(super) const fn plain(name: &'static CStr, method: ffi::PyCFunction) -> PyMethodDef {
    PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: PyMethodDefPointer {
            PyCFunction: method,
        },
        ml_flags: ffi::METH_NOARGS,
        ml_doc: core::ptr::null(),
    }
}

/// A method with one argument.
pub(super) const fn one(name: &'static CStr, method: ffi::PyCFunction) -> PyMethodDef {
    PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: PyMethodDefPointer {
            PyCFunction: method,
        },
        ml_flags: ffi::METH_O,
        ml_doc: core::ptr::null(),
    }
}

/// The same with a text that begins with its signature, for `help()` and `inspect`.
pub(super) const fn documented(mut definition: PyMethodDef, text: &'static CStr) -> PyMethodDef {
    definition.ml_doc = text.as_ptr();
    definition
}

/// A slot of a spec.
pub(super) const fn slot(id: c_int, function: *mut c_void) -> PyType_Slot {
    PyType_Slot {
        slot: id,
        pfunc: function,
    }
}

/// Makes a heap type for values of type `T` in the current interpreter.
///
/// # Safety
/// The functions in `slots` have the types that their ids ask for, expect instances with a `T`, and their tables
/// live forever.
pub(super) unsafe fn make_type<T>(
    py: Python<'_>,
    name: &'static CStr,
    flags: u32,
    slots: &[PyType_Slot],
) -> PyResult<Py<PyAny>> {
    let mut slots = slots.to_vec();
    slots.push(slot(0, core::ptr::null_mut()));
    let mut spec = ffi::PyType_Spec {
        name: name.as_ptr(),
        basicsize: size_of::<Instance<T>>() as c_int,
        itemsize: 0,
        flags: (ffi::Py_TPFLAGS_DEFAULT as c_uint) | flags,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: a complete spec, says the caller; CPython copies what it needs but the tables.
    let kind = unsafe { ffi::PyType_FromSpec(&raw mut spec) };
    // SAFETY: a new reference or null with an exception.
    unsafe { Bound::from_owned_ptr_or_err(py, kind) }.map(Bound::unbind)
}

/// Makes an instance.
///
/// # Safety
/// `kind` was made by [`make_type`] for `T`, or is a subclass of such a type.
pub(super) unsafe fn create<T>(
    py: Python<'_>,
    kind: *mut PyTypeObject,
    value: T,
) -> PyResult<Py<PyAny>> {
    // SAFETY: a ready type.
    let object = unsafe { ffi::PyType_GenericAlloc(kind, 0) };
    // SAFETY: a new reference or null with an exception.
    let owned = unsafe { Bound::from_owned_ptr_or_err(py, object) }?;
    // SAFETY: the instance has room for a `T` there.
    let place = unsafe { &raw mut (*object.cast::<Instance<T>>()).value };
    // SAFETY: the room holds nothing yet.
    unsafe { place.write(ManuallyDrop::new(value)) };
    Ok(owned.unbind())
}

/// The value of an instance.
///
/// # Safety
/// `object` is a live instance of a type made for `T`.
pub(super) unsafe fn value<'a, T>(object: *mut PyObject) -> &'a T {
    // SAFETY: the caller's promise.
    unsafe { &(*object.cast::<Instance<T>>()).value }
}

/// `tp_dealloc` for values that hold no Python object.
///
/// # Safety
/// CPython calls it with an instance of a type made for `T` that nobody refers to.
pub(super) unsafe extern "C" fn dealloc<T>(object: *mut PyObject) {
    // SAFETY: a live object.
    let kind = unsafe { ffi::Py_TYPE(object) };
    let instance = object.cast::<Instance<T>>();
    // SAFETY: the value lies there, and nobody else refers to it.
    let value = unsafe { &mut (*instance).value };
    drop(fence(|| {
        // SAFETY: dropped here and nowhere else.
        unsafe { ManuallyDrop::drop(value) }
    }));
    // SAFETY: a heap type has the slot.
    let free = unsafe { ffi::PyType_GetSlot(kind, ffi::Py_tp_free) };
    // SAFETY: the slot's type.
    let free = unsafe { core::mem::transmute::<*mut c_void, ffi::freefunc>(free) };
    // SAFETY: nobody refers to the object.
    unsafe { free(object.cast()) };
    // SAFETY: an instance of a heap type owns a reference to it.
    unsafe { ffi::Py_DECREF(kind.cast()) };
}

/// Runs a function that CPython called; an error or a panic becomes an exception and `failed`.
pub(super) fn entered<R>(failed: R, body: impl FnOnce(Python<'_>) -> PyResult<R>) -> R {
    let run = |py: Python<'_>| {
        // What leaves the fence is small: an error is handed to Python inside.
        let done = fence(|| body(py).map_err(|error| error.restore(py)).ok());
        let done = done.unwrap_or_else(|message| {
            let text = format!("RSGI0300: a panic was stopped: {message}");
            PyRuntimeError::new_err(text).restore(py);
            None
        });
        done.unwrap_or(failed)
    };
    // SAFETY: CPython called, so the thread has a current thread state, which is also the one that PyGILState knows
    // or, before 3.12 and in a worker, PyO3 is attached already.
    unsafe { Python::attach_unchecked(run) }
}

/// [`entered`] for functions that return an object.
pub(super) fn method<'a>(
    body: impl FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + 'a,
) -> *mut PyObject {
    entered(core::ptr::null_mut(), |py| {
        body(py).map(|object| object.into_ptr())
    })
}

/// [`method`] for one that takes positional arguments, with the value of its instance and with these.
///
/// # Safety
/// CPython called a method of a type made for `T` that takes its arguments as an array, and gave it all of this.
pub(super) unsafe fn called<T>(
    object: *mut PyObject,
    arguments: *mut *mut PyObject,
    count: isize,
    body: impl for<'a> FnOnce(Python<'a>, &'a T, Arguments<'a>) -> PyResult<Py<PyAny>>,
) -> *mut PyObject {
    method(|py| {
        // SAFETY: the caller's promise.
        let value = unsafe { value::<T>(object) };
        // SAFETY: see above.
        let arguments = unsafe { Arguments::new(py, arguments, count) };
        body(py, value, arguments)
    })
}

/// Positional arguments.
#[derive(Clone, Copy)]
pub(super) struct Arguments<'py> {
    py: Python<'py>,
    // INVARIANT: `count` live objects during the call.
    first: *const *mut PyObject,
    count: usize,
}

impl<'py> Arguments<'py> {
    /// # Safety
    /// What CPython gave to a METH_FASTCALL function, during its call.
    pub(super) const unsafe fn new(
        py: Python<'py>,
        first: *const *mut PyObject,
        count: isize,
    ) -> Self {
        Self {
            py,
            first,
            count: count as usize,
        }
    }

    /// How many.
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// One of them.
    pub(super) fn get(&self, index: usize) -> Option<Bound<'py, PyAny>> {
        if index >= self.count {
            return None;
        }
        // SAFETY: within the array.
        let place = unsafe { self.first.add(index) };
        // SAFETY: as above, and initialised.
        let object = unsafe { *place };
        // SAFETY: a live borrowed object.
        Some(unsafe { Bound::from_borrowed_ptr(self.py, object) })
    }
}

/// A `tp_getset` entry that only reads.
pub(super) const fn getter(name: &'static CStr, get: ffi::getter) -> ffi::PyGetSetDef {
    ffi::PyGetSetDef {
        name: name.as_ptr().cast::<c_char>(),
        get: Some(get),
        set: None,
        doc: core::ptr::null(),
        closure: core::ptr::null_mut(),
    }
}

/// A table of attributes. Lives forever.
pub(super) struct Attributes<const N: usize>(pub(super) [ffi::PyGetSetDef; N]);

// SAFETY: never written; the pointers in it are to statics.
unsafe impl<const N: usize> Sync for Attributes<N> {}

/// The end of a table.
pub(super) const NO_MORE: ffi::PyGetSetDef = ffi::PyGetSetDef {
    name: core::ptr::null(),
    get: None,
    set: None,
    doc: core::ptr::null(),
    closure: core::ptr::null_mut(),
};
