//! The places that a thread has in interpreters: a thread state in each, kept until the thread ends.

use core::cell::{Cell, RefCell};
use core::ptr;
use std::rc::Rc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use pyo3::ffi::{self, PyThreadState};

use super::{Interp, MAIN, StatePtr, SwapBack, attach_slot, minor};
use crate::scratch::Scratch;
use crate::{capi, process};

/// A thread's place in one interpreter.
pub(crate) struct Slot {
    pub(super) interp: &'static Interp,
    // INVARIANT: made for this thread and `interp`; deleted only when the thread ends or by `stop`.
    pub(super) state: *mut PyThreadState,
    /// Whether `threading` knows the thread there.
    pub(super) is_introduced: Cell<bool>,
    /// What the thread keeps from request to request.
    pub(crate) scratch: Scratch,
}

struct Thread {
    slots: RefCell<Vec<Rc<Slot>>>,
    is_pinned: Cell<bool>,
}

/// Held while a thread state is made, and by those who read the states of all threads: CPython 3.11 puts one into its list
/// before there is anything in it that can be read (`new_threadstate` in pystate.c), and needs no GIL for that. Others fill
/// it first. Nobody waits for a GIL while holding it.
static MAKING: Mutex<()> = Mutex::new(());

thread_local! {
    static THREAD: Thread = const {
        Thread {
            slots: RefCell::new(Vec::new()),
            is_pinned: Cell::new(false),
        }
    };
}

/// Makes a thread state for the calling thread, which needs no GIL for that; null where CPython has no memory for it.
fn make_state(interp: &Interp) -> *mut PyThreadState {
    let _alone = MAKING.lock();
    // SAFETY: the interpreter is alive.
    unsafe { ffi::PyThreadState_New(interp.state) }
}

/// As long as it lives, this layer makes no thread state where that would disturb who reads them; none where it does not, or
/// where one was being made for all of `patience`.
pub(super) fn make_none(patience: Duration) -> Option<MutexGuard<'static, ()>> {
    if minor() != 11 {
        return None;
    }
    if patience.is_zero() {
        // Nothing that a handler of a signal may not do.
        return MAKING.try_lock();
    }
    MAKING.try_lock_for(patience)
}

/// The calling thread has this state in an interpreter from now on.
pub(super) fn keep(interp: &'static Interp, state: *mut PyThreadState) -> Rc<Slot> {
    let slot = Rc::new(Slot {
        interp,
        state,
        is_introduced: Cell::new(false),
        scratch: Scratch::default(),
    });
    THREAD.with(|thread| thread.slots.borrow_mut().push(Rc::clone(&slot)));
    slot
}

/// The calling thread is Python's main thread: what it has in interpreters is not given back.
pub(super) fn pin_thread() {
    THREAD.with(|thread| thread.is_pinned.set(true));
}

/// The interpreter of an application group, if the calling thread has a place there.
pub(super) fn of_group(group: &[u8]) -> Option<&'static Interp> {
    THREAD.with(|thread| {
        let slots = thread.slots.borrow();
        slots
            .iter()
            .map(|slot| slot.interp)
            .find(|interp| interp.name == group)
    })
}

/// The calling thread's place in an interpreter; none where CPython has no memory for it.
pub(super) fn slot(interp: &'static Interp) -> Option<Rc<Slot>> {
    let known = THREAD.with(|thread| {
        let slots = thread.slots.borrow();
        slots
            .iter()
            .find(|slot| ptr::eq(slot.interp, interp))
            .map(Rc::clone)
    });
    if known.is_some() {
        return known;
    }
    if !interp.is_main() {
        slot(MAIN.get()?)?;
    }
    let state = make_state(interp);
    if state.is_null() {
        return None;
    }
    interp.made.lock().push(StatePtr(state));
    Some(keep(interp, state))
}

impl Drop for Thread {
    /// Gives a worker's thread states back when it ends before the process does.
    fn drop(&mut self) {
        let mut slots = core::mem::take(self.slots.get_mut());
        let entered = process::enter();
        if self.is_pinned.get() || entered.is_none() {
            // Python's main thread, or Python is gone: what they hold cannot be released any more.
            core::mem::forget(slots);
            return;
        }
        for slot in slots.iter().filter(|slot| slot.is_introduced.get()) {
            attach_slot(slot, |at| slot.scratch.clear(at.py));
        }
        // The main interpreter's state was made first and goes last.
        while let Some(slot) = slots.pop() {
            let main = Rc::clone(slots.first().unwrap_or(&slot));
            if slot.interp.first == StatePtr(slot.state) && minor() < 13 {
                // They cannot make a first state again, so the interpreter must not be left without any. Others ask the
                // system for the names of threads that have states: this one has ended then.
                let place = make_state(slot.interp);
                if place.is_null() {
                    continue;
                }
                slot.interp.made.lock().push(StatePtr(place));
            }
            slot.interp
                .made
                .lock()
                .retain(|made| *made != StatePtr(slot.state));
            // SAFETY: both are this thread's, which is detached and will not come back to `slot`.
            unsafe { delete_state(slot.state, &main) };
        }
    }
}

/// Deletes a thread state of the calling, detached thread.
///
/// # Safety
/// The state is the thread's own, and so is `main`, the place in the main interpreter (which may have that state).
unsafe fn delete_state(state: *mut PyThreadState, main: &Slot) {
    if state == main.state {
        // SAFETY: the thread's own, and it is detached.
        unsafe { ffi::PyEval_RestoreThread(state) };
        // SAFETY: current.
        unsafe { ffi::PyThreadState_Clear(state) };
        // SAFETY: current and cleared.
        unsafe { capi::delete_current_state() };
        return;
    }
    // Attached through PyO3: destructors of thread-locals may come back to this layer.
    attach_slot(main, |_| {
        // SAFETY: the thread's own.
        let back = SwapBack(unsafe { ffi::PyThreadState_Swap(state) });
        // SAFETY: current.
        unsafe { ffi::PyThreadState_Clear(state) };
        drop(back);
        // SAFETY: cleared and not current.
        unsafe { ffi::PyThreadState_Delete(state) };
    });
}
