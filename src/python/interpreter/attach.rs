//! The one way to attach a thread to an interpreter.
//!
//! Every thread keeps a thread state for each interpreter that it has been in, so thread-locals of applications
//! live as long as the thread. The main interpreter's state is made first (PITFALLS P16): it is the one that
//! `PyGILState_Ensure` knows the thread by. How a state becomes current depends on the version:
//! - 3.12 and later: it is restored; that also makes it the thread's PyGILState state, so PyO3 attaches to it.
//! - before: PyO3 attaches to the main interpreter, then the state is swapped in. Restoring another state than the
//!   PyGILState one there and attaching inside waits for a lock that the thread holds itself.

use core::ptr;

use pyo3::ffi::{self, PyThreadState};
use pyo3::prelude::*;

use super::{At, Interp, Slot, minor, slot};
use crate::ending;

/// Runs `body` attached to an interpreter. Call detached, within a [`Use`](crate::process::Use). None where CPython has no
/// memory for a thread state.
pub(crate) fn attach<R>(interp: &'static Interp, body: impl FnOnce(At<'_>) -> R) -> Option<R> {
    let slot = slot(interp)?;
    Some(attach_slot(&slot, body))
}

/// Runs `body` as [`attach`] does, on a thread that no application is to see: `body` runs no Python code.
pub(crate) fn look_in<R>(interp: &'static Interp, body: impl FnOnce(At<'_>) -> R) -> Option<R> {
    let slot = slot(interp)?;
    Some(enter(&slot, body))
}

pub(super) fn attach_slot<R>(slot: &Slot, body: impl FnOnce(At<'_>) -> R) -> R {
    enter(slot, |at| {
        if !slot.is_introduced.replace(true) {
            ending::introduce_thread(at.py);
        }
        body(at)
    })
}

fn enter<R>(slot: &Slot, body: impl FnOnce(At<'_>) -> R) -> R {
    let interp = slot.interp;
    let checked = |py: Python<'_>| {
        // SAFETY: attached.
        let current = unsafe { ffi::PyInterpreterState_Get() };
        debug_assert!(
            ptr::eq(current, interp.state),
            "attached to another interpreter than '{}'",
            interp.label()
        );
        body(At { py, interp, slot })
    };
    if minor() >= 12 {
        // SAFETY: this thread's state, and the thread is detached.
        unsafe { ffi::PyEval_RestoreThread(slot.state) };
        let _detach = Detach;
        return Python::attach(checked);
    }
    if interp.is_main() {
        return Python::attach(checked);
    }
    Python::attach(|py| {
        // SAFETY: attached; the new state is this thread's.
        let main = unsafe { ffi::PyThreadState_Swap(slot.state) };
        let _back = SwapBack(main);
        checked(py)
    })
}

/// Detaches, also when a panic passes.
struct Detach;

impl Drop for Detach {
    fn drop(&mut self) {
        // SAFETY: attached since it was made.
        unsafe { ffi::PyEval_SaveThread() };
    }
}

/// Makes an earlier thread state current again, also when a panic passes.
pub(super) struct SwapBack(pub(super) *mut PyThreadState);

impl Drop for SwapBack {
    fn drop(&mut self) {
        // SAFETY: attached; the state was current on this thread before.
        unsafe { ffi::PyThreadState_Swap(self.0) };
    }
}
