//! Order before the GIL: how threads that are about to run a request enter Python.
//!
//! Two ways, chosen by the time that the process's requests spend in Python on average:
//! - long ones enter one behind the other. CPython wakes waiting threads in no order, so with many threads some wait
//!   many times as long as others; a fair lock, passed on as soon as Python is entered, makes it first come, first served.
//! - very short ones keep the others out until they are done. Every release of a contended GIL wakes a thread that was
//!   put to sleep, which costs more than the request; an unfair lock that spins lets the running threads go on. Nobody
//!   waits for it longer than a moment: a request that blocks inside does not hold the others up.
#![deny(unsafe_code)]

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use pyo3::prelude::*;

use crate::meter;

/// The queue of long requests.
static QUEUE: Mutex<()> = Mutex::new(());
/// Held by a short request while it is in Python.
static ROOM: Mutex<()> = Mutex::new(());
/// Running average of the time a request spends in Python, in nanoseconds.
static AVERAGE: AtomicU64 = AtomicU64::new(0);

/// Requests that take longer queue, in nanoseconds.
const LONG: u64 = 200_000;
/// Requests that take less keep others out, in nanoseconds.
const SHORT: u64 = 60_000;
/// Longest wait for a short request to leave.
const MOMENT: Duration = Duration::from_micros(300);
/// A request counts for this share of the average.
const SHARE: u64 = 16;
/// Longest time that counts, so that one slow request does not decide about many.
const MOST: u64 = 20_000_000;

thread_local! {
    /// The room, while this thread's short request is in Python.
    static MINE: Cell<Option<MutexGuard<'static, ()>>> = const { Cell::new(None) };
}

/// A place in the order; held until Python is entered.
pub(crate) struct Turn(Option<MutexGuard<'static, ()>>);

/// Waits for this thread's turn. The caller is detached.
pub(crate) fn wait() -> Turn {
    match AVERAGE.load(Ordering::Relaxed) {
        LONG.. => Turn(Some(QUEUE.lock())),
        ..SHORT => {
            MINE.set(ROOM.try_lock_for(MOMENT));
            Turn(None)
        }
        _ => Turn(None),
    }
}

/// Lets others in: this thread leaves Python, for good or to wait for something.
pub(crate) fn leave() {
    drop(MINE.take());
}

/// Leaves Python while `wait` waits, and lets others in.
pub(crate) fn outside<R: Send>(py: Python<'_>, wait: impl FnOnce() -> R + Send) -> R {
    leave();
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
        if let Some(guard) = self.0 {
            MutexGuard::unlock_fair(guard);
        }
        Stay(Instant::now())
    }
}

/// A request's time in Python.
pub(crate) struct Stay(Instant);

impl Drop for Stay {
    fn drop(&mut self) {
        let spent = self.0.elapsed().as_nanos();
        let spent = u64::try_from(spent).unwrap_or(MOST).min(MOST);
        // Lost updates of other threads only make the average a little older.
        let average = AVERAGE.load(Ordering::Relaxed);
        AVERAGE.store(average - average / SHARE + spent / SHARE, Ordering::Relaxed);
    }
}
