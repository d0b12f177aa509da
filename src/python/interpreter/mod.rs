//! Application groups as interpreters, and the one way to attach a thread to them.
//!
//! `attach` has the latter, `slot` what threads keep there, `fresh` and `end` the beginning and the end of an interpreter.

mod attach;
mod crash;
mod end;
mod fresh;
mod here;
mod last;
mod private;
mod slot;
mod states;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use parking_lot::{Mutex, RwLock};
use pyo3::ffi::{self, PyInterpreterState, PyThreadState};
use pyo3::prelude::*;
use rsgi_bridge::abi::{self, level};

use crate::gate::Gate;
use crate::kit::Kit;
use crate::process::Facts;
use crate::settings::Settings;
use crate::{gate, process, report};

pub(crate) use attach::{attach, look_in};
pub(crate) use end::end_all;
pub(crate) use here::kit_here;
pub(crate) use last::{dump_unsafe, prepare_dump, write_stacks};

use attach::{SwapBack, attach_slot};
use slot::{Slot, slot};

/// An interpreter. Never destroyed before `stop`, so references to it are `'static`.
pub(crate) struct Interp {
    /// The application group; empty is the main interpreter.
    pub(crate) name: Vec<u8>,
    // INVARIANT: alive until `stop`, after which nobody attaches.
    state: *mut PyInterpreterState,
    kit: OnceLock<Kit>,
    /// The state that came with the interpreter.
    first: StatePtr,
    /// Thread states that this layer made and that still exist.
    made: Mutex<Vec<StatePtr>>,
    has_own_gil: bool,
    /// The order before its GIL, where that is its own or this is the main interpreter.
    gate: Gate,
}

// SAFETY: the pointer is only handed to CPython, and only by attached threads or to make a thread state, which
// needs no lock of ours; the rest is Sync by itself.
unsafe impl Sync for Interp {}
// SAFETY: see above.
unsafe impl Send for Interp {}

/// A thread state; used by its own thread, and by `stop` when that thread cannot come back.
#[derive(Clone, Copy, PartialEq)]
struct StatePtr(*mut PyThreadState);

// SAFETY: see the type.
unsafe impl Send for StatePtr {}

/// All interpreters, the main one first.
static TABLE: RwLock<Vec<&'static Interp>> = RwLock::new(Vec::new());
static MAIN: OnceLock<&'static Interp> = OnceLock::new();
/// Held by the one thread that makes an interpreter. Always taken detached.
static MAKING: Mutex<()> = Mutex::new(());
static MINOR: AtomicU32 = AtomicU32::new(0);
/// Whether Python runs without the GIL.
static IS_FREE: AtomicBool = AtomicBool::new(false);

/// The first minor version that has interpreters with a GIL of their own.
pub(crate) const FIRST_WITH_OWN_GILS: u32 = 12;

/// Proof that the thread is attached to an interpreter, and where.
#[derive(Clone, Copy)]
pub(crate) struct At<'py> {
    /// PyO3's proof.
    pub(crate) py: Python<'py>,
    /// The interpreter.
    pub(crate) interp: &'static Interp,
    /// The thread's place in it.
    pub(crate) slot: &'py Slot,
}

impl<'py> At<'py> {
    /// The interpreter's objects.
    pub(crate) fn kit(&self) -> &'static Kit {
        let kit = self.interp.kit.get();
        // INVARIANT: an interpreter is entered by others only after its kit was set.
        kit.unwrap_or_else(|| unreachable!("an interpreter without its kit"))
    }

    /// Runs `body` without the GIL.
    pub(crate) fn detach<R: Send>(&self, body: impl FnOnce() -> R + Send) -> R {
        gate::outside(self.py, body)
    }
}

impl Interp {
    /// The name as text.
    pub(crate) fn label(&self) -> String {
        String::from_utf8_lossy(&self.name).into_owned()
    }

    /// Its objects; none while it is made.
    pub(crate) fn kit(&self) -> Option<&Kit> {
        self.kit.get()
    }

    fn is_main(&self) -> bool {
        self.name.is_empty()
    }

    /// The order before its GIL; none where there is no GIL.
    pub(crate) fn gate(&'static self) -> Option<&'static Gate> {
        if !has_gil() {
            return None;
        }
        match self.has_own_gil {
            true => Some(&self.gate),
            false => MAIN.get().map(|main| &main.gate),
        }
    }

    /// Whether no other interpreter, or nobody at all, is kept waiting by who is in it.
    pub(crate) fn is_by_itself(&self) -> bool {
        self.has_own_gil || !has_gil()
    }
}

/// Whether there is a GIL in this process; once Python was started.
pub(crate) fn has_gil() -> bool {
    !IS_FREE.load(Ordering::Relaxed)
}

/// Whether the interpreter of that application group has, or is to have, a GIL of its own.
pub(crate) fn is_with_own_gil(facts: &Facts, group: &[u8]) -> bool {
    !group.is_empty()
        && minor() >= FIRST_WITH_OWN_GILS
        && has_gil()
        && Settings::of(facts, group).has(abi::START_OWN_GIL)
}

/// All interpreters, the main one last.
pub(crate) fn all() -> Vec<&'static Interp> {
    let mut all = TABLE.read().clone();
    all.reverse();
    all
}

/// Takes the GIL of the main interpreter once; false where Python is not running.
pub(crate) fn probe() -> bool {
    let Some(_use) = process::enter() else {
        return false;
    };
    MAIN.get().and_then(|main| look_in(main, |_| ())).is_some()
}

/// The minor version of Python; 0 before it was started.
pub(crate) fn minor() -> u32 {
    MINOR.load(Ordering::Relaxed)
}

/// Takes in the interpreter that `Py_Initialize…` made; the thread is attached to it, and detached afterwards.
///
/// # Safety
/// Python was just started by the calling thread, which has its only thread state.
pub(crate) unsafe fn adopt_main(python_minor: u32) -> Result<(), String> {
    MINOR.store(python_minor, Ordering::Relaxed);
    // SAFETY: attached, says the caller.
    let state = unsafe { ffi::PyThreadState_Get() };
    // SAFETY: see above.
    let interpreter = unsafe { ffi::PyInterpreterState_Get() };
    let interp = leak(b"", interpreter, state, false);
    let made = Python::attach(|py| {
        IS_FREE.store(!is_gil_enabled(py), Ordering::Relaxed);
        // PyO3 makes the type of its own panics when it first meets an exception: here, in the main interpreter.
        pyo3::exceptions::PyRuntimeError::new_err("").restore(py);
        drop(PyErr::take(py));
        Kit::new(py, &interp.name).map_err(|error| report::text(py, &error))
    });
    slot::pin_thread();
    slot::keep(interp, state);
    // SAFETY: attached; the state is kept for this thread.
    unsafe { ffi::PyEval_SaveThread() };
    let kit = made?;
    drop(interp.kit.set(kit));
    let _ = MAIN.set(interp);
    TABLE.write().push(interp);
    Ok(())
}

/// What `sys._is_gil_enabled` says; versions without that function have a GIL.
fn is_gil_enabled(py: Python<'_>) -> bool {
    let asked = py
        .import("sys")
        .and_then(|sys| sys.call_method0("_is_gil_enabled"))
        .and_then(|answer| answer.extract::<bool>());
    asked.unwrap_or(true)
}

fn leak(
    name: &[u8],
    state: *mut PyInterpreterState,
    thread: *mut PyThreadState,
    has_own_gil: bool,
) -> &'static Interp {
    Box::leak(Box::new(Interp {
        name: name.to_vec(),
        state,
        kit: OnceLock::new(),
        first: StatePtr(thread),
        made: Mutex::new(vec![StatePtr(thread)]),
        has_own_gil,
        gate: Gate::new(),
    }))
}

/// The interpreter of an application group; made now if this is its first use. Call detached.
///
/// # Errors
/// Why it could not be made; logged already.
pub(crate) fn find(group: &[u8]) -> Result<&'static Interp, ()> {
    known(group).map_or_else(|| make(group), Ok)
}

/// The interpreter of an application group, if it was used before.
pub(crate) fn known(group: &[u8]) -> Option<&'static Interp> {
    slot::of_group(group).or_else(|| look_up(group))
}

fn look_up(group: &[u8]) -> Option<&'static Interp> {
    let table = TABLE.read();
    table.iter().copied().find(|interp| interp.name == group)
}

fn make(group: &[u8]) -> Result<&'static Interp, ()> {
    let _making = MAKING.lock();
    if let Some(interp) = look_up(group) {
        return Ok(interp);
    }
    let main = *MAIN.get().ok_or(())?;
    let label = String::from_utf8_lossy(group).into_owned();
    let made = attach(main, |at| make_attached(at, group)).unwrap_or_else(|| {
        Err("no thread state could be made for the main interpreter".to_owned())
    });
    match made {
        Ok(interp) => {
            TABLE.write().push(interp);
            process::log(
                level::INFO,
                format!(
                    "Made the interpreter of application group '{label}'{}.",
                    if interp.has_own_gil {
                        ", with a GIL of its own"
                    } else {
                        ""
                    }
                )
                .as_bytes(),
            );
            Ok(interp)
        }
        Err(reason) => {
            let lines = format!(
                "RSGI0087: The interpreter of application group '{label}' cannot be made: {reason}"
            );
            report::each_line(&lines, |line| process::log(level::ERROR, line));
            Err(())
        }
    }
}

fn make_attached(at: At<'_>, group: &[u8]) -> Result<&'static Interp, String> {
    // SAFETY: attached to the main interpreter.
    let before = unsafe { ffi::PyThreadState_Get() };
    let has_own_gil = process::facts().is_some_and(|facts| is_with_own_gil(facts, group));
    // SAFETY: attached to the main interpreter, no lock is held that Python code could want.
    let made = unsafe { fresh::make(has_own_gil) };
    let state = match made {
        Ok(state) => state,
        Err(reason) => {
            // SAFETY: this thread's state, which was current before.
            unsafe { ffi::PyThreadState_Swap(before) };
            return Err(reason);
        }
    };
    // SAFETY: attached to the new interpreter.
    let interpreter = unsafe { ffi::PyInterpreterState_Get() };
    let made = Kit::new(at.py, group).map_err(|error| report::text(at.py, &error));
    let interp = made.map(|kit| {
        let interp = leak(group, interpreter, state, has_own_gil);
        drop(interp.kit.set(kit));
        interp
    });
    if interp.is_err() {
        // SAFETY: the current state, the interpreter's only one unless its set-up left threads behind.
        unsafe { ffi::Py_EndInterpreter(state) };
    }
    // SAFETY: this thread's state, which was current before.
    unsafe { ffi::PyThreadState_Swap(before) };
    if let Ok(interp) = &interp {
        slot::keep(interp, state);
    }
    interp
}
