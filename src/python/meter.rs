//! What a request reads, sends and waits for: counted only for those who want to know.
//!
//! An exchange has a [`Meter`] while its request is measured; waits for the GIL belong to the thread.

#![deny(unsafe_code)]

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::worker;

/// Times in microseconds, counts and bytes of one direction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flow {
    /// Time.
    pub(crate) time: Duration,
    /// How often.
    pub(crate) count: u64,
    /// Bytes.
    pub(crate) bytes: u64,
}

impl Flow {
    /// Takes in what happened since `begun`.
    pub(crate) fn add(&mut self, begun: Instant, count: u64, bytes: u64) {
        self.time += begun.elapsed();
        self.count += count;
        self.bytes += bytes;
    }
}

/// What a request reads and sends.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meter {
    /// Of its body.
    pub(crate) input: Flow,
    /// Of its response.
    pub(crate) output: Flow,
}

/// How often and how long a thread waited for the GIL in a request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Waits {
    /// How long.
    pub(crate) time: Duration,
    /// How often.
    pub(crate) count: u64,
}

impl Waits {
    fn and(self, time: Duration) -> Self {
        Self {
            time: self.time + time,
            count: self.count + 1,
        }
    }
}

/// Whether anybody of the process ever wanted to know. Only saves the rest a look at the clock.
static IS_WANTED: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// The waits of the thread's request, while that is measured.
    static WAITS: Cell<Option<Waits>> = const { Cell::new(None) };
    /// The wait with which the thread came in.
    static ENTRY: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// From now on it is measured how long threads wait before they enter Python.
pub(crate) fn want() {
    IS_WANTED.store(true, Ordering::Relaxed);
}

/// The time before a wait, where somebody wants to know.
pub(crate) fn before() -> Option<Instant> {
    IS_WANTED.load(Ordering::Relaxed).then(Instant::now)
}

/// The thread has entered Python.
pub(crate) fn entered(before: Option<Instant>) {
    if let Some(before) = before {
        ENTRY.set(Some(before.elapsed()));
    }
}

/// Begins to measure the thread's waits, that with which it came in included.
pub(crate) fn begin() {
    let waits = Waits::default();
    WAITS.set(Some(match ENTRY.take() {
        Some(time) => waits.and(time),
        None => waits,
    }));
}

/// Whether the thread's waits are measured.
pub(crate) fn is_measuring() -> bool {
    WAITS
        .try_with(|waits| waits.get().is_some())
        .unwrap_or(false)
}

/// The thread has waited.
pub(crate) fn waited(time: Duration) {
    if let Some(waits) = WAITS.get() {
        let waits = waits.and(time);
        WAITS.set(Some(waits));
        worker::set_waits(waits);
    }
}

/// What was measured so far.
pub(crate) fn so_far() -> Waits {
    WAITS.get().unwrap_or_default()
}

/// What was measured; ends it.
pub(crate) fn end() -> Waits {
    WAITS.take().unwrap_or_default()
}
