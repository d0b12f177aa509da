//! The thread states of an interpreter, which CPython keeps in a list.
//!
//! Threads take their state out of it when they end: attached, so that whoever holds the GIL of the interpreter can walk
//! through the list. Without a GIL all other threads have to be stopped for that. (A thread without the GIL may put a new
//! state in front, which a walk does not meet.)

use core::ffi::{CStr, c_void};
use core::mem::transmute;

use pyo3::ffi::{PyInterpreterState, PyThreadState};

use super::has_gil;
use crate::capi;

unsafe extern "C" {
    fn PyInterpreterState_ThreadHead(interpreter: *mut PyInterpreterState) -> *mut PyThreadState;
    fn PyThreadState_Next(state: *mut PyThreadState) -> *mut PyThreadState;
}

type Control = unsafe extern "C" fn(*mut PyInterpreterState);

/// The thread states of an interpreter; none where they cannot be told.
///
/// # Safety
/// The calling thread is attached to the interpreter.
pub(super) unsafe fn all(interpreter: *mut PyInterpreterState) -> Option<Vec<*mut PyThreadState>> {
    let _stopped = match has_gil() {
        true => None,
        // SAFETY: as the caller says.
        false => Some(unsafe { Stopped::new(interpreter) }?),
    };
    let mut states = Vec::new();
    // SAFETY: alive, since the thread is attached to it.
    let mut state = unsafe { PyInterpreterState_ThreadHead(interpreter) };
    while !state.is_null() {
        states.push(state);
        // SAFETY: a state of the list, from which nobody takes any meanwhile.
        state = unsafe { PyThreadState_Next(state) };
    }
    Some(states)
}

/// All other threads that are attached to an interpreter stand still until it drops.
struct Stopped {
    // INVARIANT: the calling thread is attached to it.
    interpreter: *mut PyInterpreterState,
    start: Control,
}

impl Stopped {
    /// None where this version has no such thing.
    ///
    /// # Safety
    /// The calling thread is attached to the interpreter, and stays so until this drops.
    unsafe fn new(interpreter: *mut PyInterpreterState) -> Option<Self> {
        let stop = control(c"_PyEval_StopTheWorld")?;
        let start = control(c"_PyEval_StartTheWorld")?;
        // SAFETY: as the caller says.
        unsafe { stop(interpreter) };
        // INVARIANT: as the caller says.
        Some(Self { interpreter, start })
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // SAFETY: it was stopped by this thread.
        unsafe { (self.start)(self.interpreter) };
    }
}

fn control(name: &CStr) -> Option<Control> {
    let address = capi::symbol(name)?;
    // SAFETY: the type of both functions in all versions that have them (3.13 and later).
    Some(unsafe { transmute::<*mut c_void, Control>(address) })
}
