//! The function in `gc.callbacks` by which the garbage collector says when a pass begins and ends.
//!
//! It is bound to a capsule with the place where passes are kept: it needs no look-up and no lock that a process which
//! the application forked could have inherited locked, and refers to nothing of Python's but that capsule.

use core::ffi::CStr;

use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

use super::instance::{self, Arguments, END, Methods, method};
use crate::telemetry::Passes;

static FUNCTION: Methods<2> = Methods([instance::fast(c"note_collection", note), END]);

/// The capsule's name: nothing else can be taken for one.
const NAME: &CStr = c"mod_wsgi.collections";

/// Makes the function for the current interpreter.
pub(crate) fn create(py: Python<'_>, passes: &'static Passes) -> PyResult<Py<PyAny>> {
    let place = core::ptr::from_ref(passes).cast_mut().cast();
    // SAFETY: not null; both live forever, and there is nothing to be done at the capsule's end.
    let capsule = unsafe { ffi::PyCapsule_New(place, NAME.as_ptr(), None) };
    // SAFETY: a new reference or null with an exception.
    let capsule = unsafe { Bound::from_owned_ptr_or_err(py, capsule) }?;
    let definition = (&raw const FUNCTION.0[0]).cast_mut();
    // SAFETY: a static definition, which CPython does not write, and a live object.
    let function =
        unsafe { ffi::PyCFunction_NewEx(definition, capsule.as_ptr(), core::ptr::null_mut()) };
    // SAFETY: a new reference or null with an exception.
    unsafe { Bound::from_owned_ptr_or_err(py, function) }.map(Bound::unbind)
}

unsafe extern "C" fn note(
    capsule: *mut PyObject,
    arguments: *mut *mut PyObject,
    count: isize,
) -> *mut PyObject {
    method(|py| {
        // SAFETY: the capsule that the function was made with.
        let place = unsafe { ffi::PyCapsule_GetPointer(capsule, NAME.as_ptr()) };
        // SAFETY: what `create` put there, or null.
        let passes = unsafe { place.cast::<Passes>().as_ref() };
        // SAFETY: the call's own arguments.
        let arguments = unsafe { Arguments::new(py, arguments, count) };
        if let (Some(passes), Some(phase), Some(told)) =
            (passes, arguments.get(0), arguments.get(1))
        {
            passes.note(&phase, &told)?;
        }
        Ok(py.None())
    })
}
