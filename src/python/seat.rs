//! On which processor a thread of a line wakes.
//!
//! The kernel wakes a thread on a processor that is idle. For one that waits to run Python that is the wrong one: what
//! Python works with, a megabyte and more, lies in the caches of the processor on which the thread before it ran. A
//! page of Flask takes up to twice as long where each request runs on another processor than the one before.
//!
//! So the thread that passes its place on has the next woken where it runs itself. That holds for the waking only: the
//! thread has its own processors again before it enters Python, so that no code of an application, no thread and no
//! process that it starts ever sees anything else, and the kernel moves it where there is more room.

#![deny(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::Pid;
use rustix::thread::{CpuSet, gettid, sched_getaffinity, sched_getcpu, sched_setaffinity};

/// A thread that wakes later than this had to wait for the processor.
const LATE: Duration = Duration::from_micros(1_500);

/// Whether the system does not let us.
static IS_REFUSED: AtomicBool = AtomicBool::new(false);

/// Processors that threads were found to have, and what gives a thread these.
static KNOWN: Mutex<Option<(CpuSet, CpuSet)>> = Mutex::new(None);

/// From here on threads wake where the kernel has them wake: it is not for this process to say.
pub(crate) fn leave_all() {
    IS_REFUSED.store(true, Relaxed);
}

/// Where a thread runs.
pub(crate) struct Seat {
    thread: Pid,
    /// What gives it its own processors back, and since when it is to wake.
    own: Mutex<Option<(CpuSet, Instant)>>,
}

impl Seat {
    /// The calling thread's.
    pub(crate) fn of_this_thread() -> Self {
        Self {
            thread: gettid(),
            own: Mutex::new(None),
        }
    }

    /// The thread sleeps, and is about to be woken: it wakes on the processor of the calling thread.
    pub(crate) fn keep_warm(&self) {
        if IS_REFUSED.load(Relaxed) {
            return;
        }
        let here = sched_getcpu();
        let Ok(before) = sched_getaffinity(Some(self.thread)) else {
            // More processors than the set has room for.
            IS_REFUSED.store(true, Relaxed);
            return;
        };
        if here >= CpuSet::MAX_CPU || !before.is_set(here) || before.count() == 1 {
            return;
        }
        let own = giving(before);
        let mut only = CpuSet::new();
        only.set(here);
        // First: what is taken away is given back, whatever happens.
        *self.own.lock() = Some((own, Instant::now()));
        if sched_setaffinity(Some(self.thread), &only).is_err() {
            IS_REFUSED.store(true, Relaxed);
        }
    }

    /// The calling thread, whose seat it is, is awake. False where that took long: others want the processor as well, and
    /// the next thread better wakes where the kernel has it wake.
    pub(crate) fn taken(&self) -> bool {
        let Some((own, since)) = self.own.lock().take() else {
            return true;
        };
        // Nothing can be done where that fails: the processors were all taken away meanwhile.
        let _ = sched_setaffinity(None, &own);
        since.elapsed() < LATE
    }
}

/// What gives a thread these processors. Those that a thread has by default are not named one by one: it would then
/// not be given those that come later (`cpuset` of its control group).
fn giving(processors: CpuSet) -> CpuSet {
    let mut known = KNOWN.lock();
    if let Some((found, giving)) = *known
        && found == processors
    {
        return giving;
    }
    let giving = match by_default() {
        Some((found, all)) if found == processors => all,
        _ => processors,
    };
    *known = Some((processors, giving));
    giving
}

/// What a thread has that may have all there are, and what gives it that. Tried out on the calling thread.
fn by_default() -> Option<(CpuSet, CpuSet)> {
    let mut all = CpuSet::new();
    (0..CpuSet::MAX_CPU).for_each(|number| all.set(number));
    let own = sched_getaffinity(None).ok()?;
    sched_setaffinity(None, &all).ok()?;
    let found = sched_getaffinity(None).ok();
    if found != Some(own) {
        let _ = sched_setaffinity(None, &own);
    }
    found.map(|found| (found, all))
}
