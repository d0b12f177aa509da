//! Order before the GIL: threads that are about to run long requests enter Python one behind the other.
//!
//! CPython wakes waiting threads in no order, so with many threads some requests wait many times as long as others.
//! A fair lock, taken before attaching and passed on as soon as Python is entered, makes the waiting first come, first
//! served. It costs short requests more than it gives them, so it is used only while the process's requests take long.
#![deny(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::{Mutex, MutexGuard};

static ORDER: Mutex<()> = Mutex::new(());
/// Running average of the time a request spends in Python, in nanoseconds.
static AVERAGE: AtomicU64 = AtomicU64::new(0);

/// From this average on the order is kept, in nanoseconds.
const LONG: u64 = 200_000;
/// A request counts for this share of the average.
const SHARE: u64 = 16;
/// Longest time that counts, so that one slow request does not decide about many.
const MOST: u64 = 20_000_000;

/// A place in the order; held until Python is entered.
pub(crate) struct Turn(Option<MutexGuard<'static, ()>>);

/// Waits for this thread's turn. The caller is detached.
pub(crate) fn wait() -> Turn {
    Turn((AVERAGE.load(Ordering::Relaxed) >= LONG).then(|| ORDER.lock()))
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
        let spent = u64::try_from(self.0.elapsed().as_nanos())
            .unwrap_or(MOST)
            .min(MOST);
        // Lost updates of other threads only make the average a little older.
        let average = AVERAGE.load(Ordering::Relaxed);
        AVERAGE.store(average - average / SHARE + spent / SHARE, Ordering::Relaxed);
    }
}
