//! Order before a GIL: how threads that are about to run a request enter Python.
//!
//! What is best depends on the time that the process's requests spend in Python on average:
//! - long ones enter one behind the other. CPython wakes waiting threads in no order, so with many threads some wait
//!   many times as long as others; a line whose first place is passed on as soon as Python is entered makes it first come,
//!   first served.
//! - those of usual length, such as pages with templates, keep that place until they leave Python: the next need not be
//!   woken twice, and wakes where the caches are warm (see `line`, which also says how requests that wait for something in
//!   Python are known, and `seat`).
//! - very short ones keep the others out until they are done. Every release of a contended GIL wakes a thread that was
//!   put to sleep, which costs more than the request; an unfair lock that spins lets the running threads go on. Nobody
//!   waits for it longer than a moment: a request that blocks inside does not hold the others up.
//! - between these two no order pays: to sleep costs about as much as it saves.
#![deny(unsafe_code)]

use std::cell::Cell;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use pyo3::prelude::*;
use rsgi_core::average::{Average, nanos};

use crate::line::{self, First, Line, Of};
use crate::meter;

/// The order before one GIL.
pub(crate) struct Gate {
    /// The line of those that are not very short.
    line: Line,
    /// Held by a short request while it is in Python.
    room: Mutex<()>,
    /// Running average of the time a request spends in Python, in nanoseconds.
    average: Average,
}

/// Requests that take longer let the next one wait for Python.
const LONG: Duration = Duration::from_millis(2);
/// Requests that come less often meet too rarely to keep order among them.
const CLOSE: Duration = Duration::from_millis(5);
/// Requests that take less, and are not very short, need no order.
const MIDDLING: Duration = Duration::from_micros(120);
/// Requests that take less keep others out.
const SHORT: Duration = Duration::from_micros(60);
/// Longest wait for a short request to leave.
const MOMENT: Duration = Duration::from_micros(300);

thread_local! {
    /// The room, while this thread's short request is in Python.
    static MINE: Cell<Option<MutexGuard<'static, ()>>> = const { Cell::new(None) };
}

/// A turn in Python: waited for, taken, and over when it drops.
pub(crate) struct Turn {
    gate: Option<&'static Gate>,
    way: Way,
}

/// How a turn was come by.
enum Way {
    /// Not waited for.
    Free,
    /// Alone in the room, or after a moment before it.
    Room,
    /// In line; the place is here until Python is entered.
    Line(Option<First>),
}

impl Gate {
    /// A gate before a new GIL.
    pub(crate) const fn new() -> Self {
        Self {
            line: Line::new(Of::Requests, CLOSE, LONG),
            room: Mutex::new(()),
            average: Average::new(0),
        }
    }
}

/// Waits for this thread's turn; there is none to wait for without a GIL. The caller is detached.
pub(crate) fn wait(gate: Option<&'static Gate>) -> Turn {
    let way = match gate {
        Some(gate) if gate.average.is_below(SHORT) => {
            MINE.set(gate.room.try_lock_for(MOMENT));
            Way::Room
        }
        Some(gate) if !gate.average.is_below(MIDDLING) => Way::Line(Some(gate.line.wait())),
        _ => Way::Free,
    };
    Turn { gate, way }
}

/// Leaves Python while `wait` waits, and lets others in.
pub(crate) fn outside<R: Send>(py: Python<'_>, wait: impl FnOnce() -> R + Send) -> R {
    let wait = || {
        drop(MINE.take());
        line::leave();
        wait()
    };
    if !meter::is_measuring() {
        return py.detach(wait);
    }
    let (result, done) = py.detach(|| (wait(), Instant::now()));
    meter::waited(done.elapsed());
    result
}

impl Turn {
    /// Python is entered. What is returned measures the time until it drops.
    pub(crate) fn enter(&mut self) -> Stay {
        if let Way::Line(first) = &mut self.way
            && let Some(first) = first.take()
        {
            first.begin();
        }
        Stay(self.gate, Instant::now())
    }
}

impl Drop for Turn {
    /// Lets others in: this thread, which is detached, has left Python.
    fn drop(&mut self) {
        match self.way {
            Way::Free => {}
            Way::Room => drop(MINE.take()),
            Way::Line(_) => {
                line::end();
                line::leave();
            }
        }
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
