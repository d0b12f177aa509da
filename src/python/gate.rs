//! Order before a GIL: how threads that are about to run a request enter Python.
//!
//! Two ways, chosen by the time that the process's requests spend in Python on average:
//! - long ones enter one behind the other. CPython wakes waiting threads in no order, so with many threads some wait
//!   many times as long as others; a fair lock, passed on as soon as Python is entered, makes it first come, first served.
//! - very short ones keep the others out until they are done. Every release of a contended GIL wakes a thread that was
//!   put to sleep, which costs more than the request; an unfair lock that spins lets the running threads go on. Nobody
//!   waits for it longer than a moment: a request that blocks inside does not hold the others up.
#![deny(unsafe_code)]

use std::cell::Cell;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use pyo3::prelude::*;
use rsgi_core::average::{Average, nanos};

use crate::{line, meter};

/// The order before one GIL.
pub(crate) struct Gate {
    /// The queue of long requests.
    queue: Mutex<()>,
    /// Held by a short request while it is in Python.
    room: Mutex<()>,
    /// Running average of the time a request spends in Python, in nanoseconds.
    average: Average,
}

/// Requests that take longer queue, in nanoseconds.
const LONG: u64 = 200_000;
/// Requests that take less keep others out, in nanoseconds.
const SHORT: u64 = 60_000;
/// Longest wait for a short request to leave.
const MOMENT: Duration = Duration::from_micros(300);

thread_local! {
    /// The room, while this thread's short request is in Python.
    static MINE: Cell<Option<MutexGuard<'static, ()>>> = const { Cell::new(None) };
}

/// A place in the order; held until Python is entered.
pub(crate) struct Turn {
    gate: Option<&'static Gate>,
    place: Option<MutexGuard<'static, ()>>,
}

impl Gate {
    /// A gate before a new GIL.
    pub(crate) const fn new() -> Self {
        Self {
            queue: Mutex::new(()),
            room: Mutex::new(()),
            average: Average::new(0),
        }
    }
}

/// Waits for this thread's turn; there is none to wait for without a GIL. The caller is detached.
pub(crate) fn wait(gate: Option<&'static Gate>) -> Turn {
    let place = gate.and_then(|gate| match gate.average.get() {
        LONG.. => Some(gate.queue.lock()),
        ..SHORT => {
            MINE.set(gate.room.try_lock_for(MOMENT));
            None
        }
        _ => None,
    });
    Turn { gate, place }
}

/// Lets others in: this thread leaves Python for good.
pub(crate) fn leave() {
    drop(MINE.take());
}

/// Leaves Python while `wait` waits, and lets others in.
pub(crate) fn outside<R: Send>(py: Python<'_>, wait: impl FnOnce() -> R + Send) -> R {
    leave();
    line::leave();
    if !meter::is_measuring() {
        return py.detach(wait);
    }
    let (result, done) = py.detach(|| (wait(), Instant::now()));
    meter::waited(done.elapsed());
    result
}

impl Turn {
    /// Python is entered: lets the next thread wait for it. What is returned measures the time until it drops.
    pub(crate) fn pass(self) -> Stay {
        if let Some(guard) = self.place {
            MutexGuard::unlock_fair(guard);
        }
        Stay(self.gate, Instant::now())
    }
}

/// A request's time in Python.
pub(crate) struct Stay(Option<&'static Gate>, Instant);

impl Drop for Stay {
    fn drop(&mut self) {
        if let Some(gate) = self.0 {
            gate.average.note(nanos(self.1.elapsed()));
        }
    }
}
