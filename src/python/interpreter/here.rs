//! Which interpreter a thread of the application is in.

use core::ptr;

use pyo3::ffi;
use pyo3::prelude::*;

use super::{Interp, TABLE};
use crate::kit::Kit;

/// The interpreter that the calling thread is attached to; none while it is made, and at its end.
pub(crate) fn here(_py: Python<'_>) -> Option<&'static Interp> {
    // SAFETY: attached.
    let current = unsafe { ffi::PyInterpreterState_Get() };
    let table = TABLE.read();
    table
        .iter()
        .copied()
        .find(|interp| ptr::eq(interp.state, current))
}

/// The objects of that interpreter.
pub(crate) fn kit_here(py: Python<'_>) -> Option<&'static Kit> {
    here(py)?.kit.get()
}
