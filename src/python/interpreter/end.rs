//! Ends interpreters, and Python with them.
//!
//! Workers are parked in the host then, with thread states that they will not use again; CPython wants an
//! interpreter's last state to be the only one.

use std::time::{Duration, Instant};

use pyo3::ffi::{self, PyThreadState};
use rsgi_bridge::abi::level;

use super::{At, Interp, Slot, StatePtr, SwapBack, TABLE, attach_slot, minor, slot, states};
use crate::{capi, ending, process};

/// How long a thread that ended may take to give its state back.
const A_MOMENT: Duration = Duration::from_millis(100);

/// Ends the sub-interpreters one by one, then Python. The caller has made sure that nobody uses Python any more.
/// Threads of applications are waited for until `deadline`; an interpreter in which some still run is left as it is,
/// and then Python is too: only their exit functions are called.
pub(crate) fn end_all(deadline: Instant) {
    let table = core::mem::take(&mut *TABLE.write());
    let Some((main, others)) = table.split_first() else {
        return;
    };
    let Some(main) = slot(main) else {
        return;
    };
    let mut are_ended = true;
    let may_end = !are_entangled(&table);
    if !may_end {
        let line = "This version of CPython cannot destroy interpreters that share extension modules (3.12.3 and later can): they are left as they are.";
        process::log(level::INFO, line.as_bytes());
    }
    for interp in others {
        // The state must exist before the main one is current: making it may bind it to the thread.
        let ended = slot(interp)
            .is_some_and(|own| attach_slot(&main, |at| end_sub(at, &own, deadline, may_end)));
        if !ended && may_end {
            let line = format!(
                "Threads of application group '{}' still run: its interpreter is not destroyed.",
                interp.label()
            );
            process::log(level::INFO, line.as_bytes());
        }
        are_ended &= ended;
    }
    let is_ending = attach_slot(&main, |at| {
        main.scratch.clear(at.py);
        if let Some(kit) = at.interp.kit.get() {
            kit.spares.clear(at.py);
        }
        let is_ending = ending::finish_threads(at.py, deadline) && are_ended;
        if !is_ending {
            ending::run_exit_functions(at.py);
        }
        is_ending
    });
    if !is_ending {
        return;
    }
    // SAFETY: this thread's state, and the thread is detached.
    unsafe { ffi::PyEval_RestoreThread(main.state) };
    // SAFETY: attached to the main interpreter; the others are ended and nobody else may attach.
    unsafe { ffi::Py_FinalizeEx() };
}

/// Whether ending the interpreters one after the other would crash. CPython 3.12.0 to 3.12.2 leave the objects of an
/// extension module that several interpreters have in the garbage collector's lists of the one that imported it first,
/// also when that is gone (gh-116510).
fn are_entangled(interps: &[&Interp]) -> bool {
    let is_used = |interp: &&&Interp| {
        let kit = interp.kit.get();
        kit.is_some_and(|kit| !kit.scripts.lock().is_empty())
    };
    is_broken(&capi::version()) && interps.iter().filter(is_used).count() > 1
}

fn is_broken(version: &str) -> bool {
    let Some(rest) = version.strip_prefix("3.12.") else {
        return false;
    };
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
    digits
        .and_then(|digits| digits.parse().ok())
        .is_some_and(|micro: u32| micro < 3)
}

/// Ends one sub-interpreter; the thread is attached to the main one, before and after. False when it may not be ended,
/// or threads that the application made still run in it: then only its exit functions were run.
fn end_sub(at: At<'_>, own: &Slot, deadline: Instant, may_end: bool) -> bool {
    // SAFETY: attached; the state is this thread's.
    let main = unsafe { ffi::PyThreadState_Swap(own.state) };
    let _back = SwapBack(main);
    own.scratch.clear(at.py);
    let interp = own.interp;
    if let Some(kit) = interp.kit.get() {
        kit.spares.clear(at.py);
    }
    let are_finished = ending::finish_threads(at.py, deadline);
    // A thread that was joined still has its state for a moment.
    let moment = Instant::now() + A_MOMENT;
    while may_end && are_finished && has_foreign(interp) && Instant::now() < moment {
        at.py
            .detach(|| std::thread::sleep(Duration::from_millis(1)));
    }
    if !may_end || has_foreign(interp) {
        ending::run_exit_functions(at.py);
        return false;
    }
    // Up to 3.12 CPython waits for the thread that made the interpreter until its state is cleared: here.
    delete_others(interp, own.state);
    // SAFETY: the current state and the only one of its interpreter.
    unsafe { ffi::Py_EndInterpreter(own.state) };
    true
}

/// Whether an interpreter, to which the thread is attached, has thread states that this layer did not make; also where
/// nobody can tell.
fn has_foreign(interp: &Interp) -> bool {
    // SAFETY: the caller is attached to it.
    let Some(states) = (unsafe { states::all(interp.state) }) else {
        return true;
    };
    let made = interp.made.lock();
    states.iter().any(|state| !made.contains(&StatePtr(*state)))
}

/// Deletes the states of parked workers. The thread is attached to `interp` with `own`.
fn delete_others(interp: &Interp, own: *mut PyThreadState) {
    let mut others = core::mem::take(&mut *interp.made.lock());
    others.retain(|state| *state != StatePtr(own));
    for state in &others {
        // SAFETY: a state of the current interpreter, whose thread is parked in the host and cannot come back.
        unsafe { ffi::PyThreadState_Clear(state.0) };
    }
    let delete = move || {
        for state in others {
            let StatePtr(state) = state;
            // SAFETY: cleared, not current anywhere.
            unsafe { ffi::PyThreadState_Delete(state) };
        }
    };
    if minor() < 12 {
        return delete();
    }
    // From 3.12 on, deleting a state that its own thread had bound for PyGILState unbinds the *calling* thread's:
    // so let a thread do it that has none to lose.
    std::thread::scope(|scope| {
        scope.spawn(delete);
    });
}
