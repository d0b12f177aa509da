//! Application groups: the main interpreter and its sub-interpreters, and how a thread gets into one.
//!
//! A thread keeps one thread state per interpreter for its life, so that `threading.local` lasts as long as the
//! worker. The main interpreter's state is always a thread's first: CPython takes a thread's first state for the one
//! that PyGILState (and with it extensions) attaches to.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ptr;
use std::sync::OnceLock;

use parking_lot::{Mutex, RwLock};
use pyo3::ffi;
use pyo3::prelude::*;

use crate::capi;
use crate::types::Objects;

/// An application group's interpreter; lives as long as the process.
///
/// # Invariants
/// `state` is a live interpreter until the process stops; `objects` belong to it and are used attached to it only.
pub(crate) struct Interpreter {
    /// 0 is the main interpreter.
    index: usize,
    state: *mut ffi::PyInterpreterState,
    objects: OnceLock<Objects>,
}

// SAFETY: the pointer is only given to CPython, which any thread may do; the objects are reached attached only.
unsafe impl Send for Interpreter {}
// SAFETY: as above.
unsafe impl Sync for Interpreter {}

static BY_NAME: RwLock<Option<HashMap<Vec<u8>, &'static Interpreter>>> = RwLock::new(None);
/// Held, detached, while an interpreter is made: two first requests make one.
static MAKING: Mutex<()> = Mutex::new(());
static MAIN: OnceLock<&'static Interpreter> = OnceLock::new();

thread_local! {
    /// This thread's states by the index of their interpreters; null where it was never there.
    static STATES: RefCell<Vec<*mut ffi::PyThreadState>> = const { RefCell::new(Vec::new()) };
}

impl Interpreter {
    /// What belongs to the interpreter.
    pub(crate) fn objects(&self) -> Option<&Objects> {
        self.objects.get()
    }
}

/// Takes the interpreter that was just started on this thread as the main one, and leaves it.
pub(crate) fn adopt_main(
    make: impl FnOnce(Python<'_>) -> Result<Objects, String>,
) -> Result<(), String> {
    // SAFETY: Python was started on this thread, which holds the GIL.
    let state = unsafe { ffi::PyInterpreterState_Get() };
    let main: &'static Interpreter = Box::leak(Box::new(Interpreter {
        index: 0,
        state,
        objects: OnceLock::new(),
    }));
    // SAFETY: the GIL is held.
    let thread = unsafe { ffi::PyThreadState_Get() };
    STATES.with_borrow_mut(|states| states.push(thread));
    let objects = Python::attach(make);
    // SAFETY: the GIL is held by this thread's state.
    unsafe { ffi::PyEval_SaveThread() };
    let _ = main.objects.set(objects?);
    let _ = MAIN.set(main);
    BY_NAME
        .write()
        .get_or_insert_default()
        .insert(Vec::new(), main);
    Ok(())
}

/// The interpreter of an application group, made now if it is the first use. The caller is detached.
///
/// # Errors
/// Why it cannot be made.
pub(crate) fn of_group(
    name: &[u8],
    make: impl FnOnce(Python<'_>) -> Result<Objects, String>,
) -> Result<&'static Interpreter, String> {
    if let Some(found) = existing(name) {
        return Ok(found);
    }
    let _making = MAKING.lock();
    if let Some(found) = existing(name) {
        return Ok(found);
    }
    let main = *MAIN.get().ok_or("Python is not running")?;
    let index = BY_NAME.read().as_ref().map_or(0, HashMap::len);
    let made = enter(main, |_| new_interpreter(index, make))?;
    BY_NAME
        .write()
        .get_or_insert_default()
        .insert(name.to_vec(), made);
    Ok(made)
}

fn existing(name: &[u8]) -> Option<&'static Interpreter> {
    if name.is_empty() {
        return MAIN.get().copied();
    }
    BY_NAME.read().as_ref()?.get(name).copied()
}

/// All interpreters, sub-interpreters first in the order of their making, the main one last.
pub(crate) fn all() -> Vec<&'static Interpreter> {
    let mut all: Vec<_> = BY_NAME
        .read()
        .iter()
        .flat_map(|map| map.values().copied())
        .collect();
    all.sort_by_key(|interpreter| {
        if interpreter.index == 0 {
            usize::MAX
        } else {
            interpreter.index
        }
    });
    all
}

/// Makes a sub-interpreter; the caller is attached to the main one, and is again afterwards.
fn new_interpreter(
    index: usize,
    make: impl FnOnce(Python<'_>) -> Result<Objects, String>,
) -> Result<&'static Interpreter, String> {
    // SAFETY: attached to the main interpreter.
    let outer = unsafe { ffi::PyThreadState_Get() };
    // SAFETY: attached to the main interpreter.
    let thread = unsafe { ffi::Py_NewInterpreter() };
    if thread.is_null() {
        // SAFETY: back to the state that was current before.
        unsafe { ffi::PyThreadState_Swap(outer) };
        return Err("CPython could not make a sub-interpreter".to_owned());
    }
    // SAFETY: the new interpreter is current.
    let state = unsafe { ffi::PyInterpreterState_Get() };
    let interpreter: &'static Interpreter = Box::leak(Box::new(Interpreter {
        index,
        state,
        objects: OnceLock::new(),
    }));
    remember(index, thread);
    // SAFETY: attached, to the new interpreter.
    let objects = make(unsafe { Python::assume_attached() });
    // SAFETY: back to the main interpreter's state of this thread.
    unsafe { ffi::PyThreadState_Swap(outer) };
    let _ = interpreter.objects.set(objects?);
    Ok(interpreter)
}

fn remember(index: usize, thread: *mut ffi::PyThreadState) {
    STATES.with_borrow_mut(|states| {
        if states.len() <= index {
            states.resize(index + 1, ptr::null_mut());
        }
        states[index] = thread;
    });
}

/// This thread's state in an interpreter, made at its first use.
fn thread_state(interpreter: &Interpreter) -> *mut ffi::PyThreadState {
    let known = STATES.with_borrow(|states| {
        states
            .get(interpreter.index)
            .copied()
            .unwrap_or(ptr::null_mut())
    });
    if !known.is_null() {
        return known;
    }
    // SAFETY: a live interpreter (type invariant); needs no GIL.
    let thread = unsafe { ffi::PyThreadState_New(interpreter.state) };
    remember(interpreter.index, thread);
    thread
}

/// Runs `run` in an interpreter; the caller is detached, and is again afterwards.
pub(crate) fn enter<R>(interpreter: &'static Interpreter, run: impl FnOnce(Python<'_>) -> R) -> R {
    let main = match MAIN.get() {
        Some(main) => thread_state(main),
        None => ptr::null_mut(),
    };
    let own = thread_state(interpreter);
    if capi::minor() >= 12 || interpreter.index == 0 {
        // SAFETY: this thread's own state, which is not current anywhere.
        unsafe { ffi::PyEval_RestoreThread(own) };
        let result = Python::attach(|py| {
            debug_assert_eq!(current(), interpreter.state);
            run(py)
        });
        // SAFETY: attached by the state restored above.
        unsafe { ffi::PyEval_SaveThread() };
        return result;
    }
    // On 3.10 and 3.11 PyGILState only knows the main interpreter's state: attach by it, then change over.
    // SAFETY: this thread's main state, which is not current anywhere.
    unsafe { ffi::PyEval_RestoreThread(main) };
    let result = Python::attach(|py| {
        // SAFETY: attached; both states are this thread's.
        unsafe { ffi::PyThreadState_Swap(own) };
        debug_assert_eq!(current(), interpreter.state);
        let result = run(py);
        // SAFETY: as above.
        unsafe { ffi::PyThreadState_Swap(main) };
        result
    });
    // SAFETY: attached by the state restored above.
    unsafe { ffi::PyEval_SaveThread() };
    result
}

/// The interpreter that this thread is attached to.
fn current() -> *mut ffi::PyInterpreterState {
    // SAFETY: attached.
    unsafe { ffi::PyInterpreterState_Get() }
}

/// Lets other threads run Python while `run` waits.
pub(crate) fn detached<R>(_py: Python<'_>, run: impl FnOnce() -> R) -> R {
    struct Restore(*mut ffi::PyThreadState);
    impl Drop for Restore {
        fn drop(&mut self) {
            // SAFETY: the state that was saved on this thread below.
            unsafe { ffi::PyEval_RestoreThread(self.0) };
        }
    }
    // SAFETY: attached (the token proves it); restored when `_restore` drops, also when `run` unwinds.
    let _restore = Restore(unsafe { ffi::PyEval_SaveThread() });
    run()
}
