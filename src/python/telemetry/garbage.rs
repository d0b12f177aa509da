//! What garbage collectors do, an interpreter each: their counters, and when each pass began and how long it took.
//!
//! Where a telemetry service is told anything, an interpreter gets a function in its `gc.callbacks` when it is made, once:
//! an application that empties that list has it empty, and then only the counters are told. Passes are kept in owned
//! memory. A thread of its own asks for the counters, as that waits for the GIL, and the samples must not.

#![deny(unsafe_code)]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Instant;

use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rsgi_core::telemetry::{
    self as told, Collection, Collector, KEPT_COLLECTIONS, Kind, MOST_COLLECTIONS,
    MOST_INTERPRETERS,
};

use super::{Reporter, now};
use crate::interpreter::{self, At, Interp};
use crate::types::pass;
use crate::{capi, process, report};

/// The passes of an interpreter's collector that are not told yet. A lock is only tried where Python code may run.
#[derive(Default)]
pub(crate) struct Passes {
    state: Mutex<State>,
    /// Passes that were lost, ever since.
    dropped: AtomicU64,
}

#[derive(Default)]
struct State {
    /// When the pass that runs began: by a clock that only goes forward, and since the epoch.
    begun: Option<(Instant, f64)>,
    kept: VecDeque<Collection>,
}

/// What an interpreter needs of its collector.
pub(crate) struct Garbage {
    passes: &'static Passes,
    /// `gc.get_count`, `.get_threshold`, `.get_stats`, `.get_freeze_count`, whatever the application puts in their places.
    functions: [Py<PyAny>; 4],
}

impl Garbage {
    /// Begins to note what the current interpreter's collector does, where anybody is told; nothing else depends on it.
    pub(crate) fn new(py: Python<'_>) -> Option<Self> {
        if !process::facts().is_some_and(super::is_wanted) {
            return None;
        }
        Self::try_new(py)
            .inspect_err(|error| report::log_error(py, error, "the garbage collector"))
            .ok()
    }

    fn try_new(py: Python<'_>) -> PyResult<Self> {
        let gc = py.import("gc")?;
        let function = |name| gc.getattr(name).map(Bound::unbind);
        let functions = [
            function("get_count")?,
            function("get_threshold")?,
            function("get_stats")?,
            function("get_freeze_count")?,
        ];
        // As the interpreter itself: there until the process ends.
        let passes: &Passes = Box::leak(Box::default());
        gc.getattr("callbacks")?
            .call_method1("append", (pass::create(py, passes)?,))?;
        Ok(Self { passes, functions })
    }

    /// The counters. No code of the application is run for them.
    fn counters(&self, py: Python<'_>) -> PyResult<Collector> {
        // Up to 3.11 what is made here can begin a pass, with the application's finalizers, on this thread.
        let pause = capi::pause_collector(py, interpreter::minor() < 12);
        let [count, threshold, stats, frozen] =
            self.functions.each_ref().map(|function| function.bind(py));
        let mut found = Collector {
            counts: three(&count.call0()?)?,
            thresholds: three(&threshold.call0()?)?,
            is_enabled: pause.was_enabled(),
            frozen: count_of(&frozen.call0()?)?,
            dropped: self.passes.dropped.load(Ordering::Relaxed),
            ..Collector::default()
        };
        for (passes, stats) in found.passes.iter_mut().zip(stats.call0()?.try_iter()?) {
            let stats = stats?;
            *passes = told::Passes {
                collections: count_of(&stats.get_item("collections")?)?,
                collected: count_of(&stats.get_item("collected")?)?,
                uncollectable: count_of(&stats.get_item("uncollectable")?)?,
            };
        }
        Ok(found)
    }
}

fn three(numbers: &Bound<'_, PyAny>) -> PyResult<[u64; 3]> {
    let mut found = [0; 3];
    for (place, number) in found.iter_mut().zip(numbers.try_iter()?) {
        *place = count_of(&number?)?;
    }
    Ok(found)
}

/// A count; some versions let that of the youngest generation fall below zero.
fn count_of(number: &Bound<'_, PyAny>) -> PyResult<u64> {
    let number: i64 = number.extract()?;
    Ok(u64::try_from(number).unwrap_or(0))
}

impl Passes {
    /// The collector says that a pass begins or ends. Called in the middle of anything.
    pub(crate) fn note(&self, phase: &Bound<'_, PyAny>, told: &Bound<'_, PyAny>) -> PyResult<()> {
        if phase.eq("start")? {
            if let Some(mut state) = self.state.try_lock() {
                state.begun = Some((Instant::now(), now()));
            }
            return Ok(());
        }
        let Ok(told) = told.cast::<PyDict>() else {
            return Ok(());
        };
        let number = |name: &str| match told.get_item(name)? {
            Some(number) => count_of(&number),
            None => Ok(0),
        };
        let pass = Collection {
            generation: number("generation")?,
            collected: number("collected")?,
            uncollectable: number("uncollectable")?,
            ..Collection::default()
        };
        self.end(pass);
        Ok(())
    }

    fn end(&self, pass: Collection) {
        let ended = Instant::now();
        let is_lost = match self.state.try_lock() {
            None => true,
            Some(mut state) => match state.begun.take() {
                // Its beginning was not noted: somebody else called.
                None => false,
                Some((begun, start)) => {
                    let is_full = state.kept.len() >= KEPT_COLLECTIONS;
                    if is_full {
                        state.kept.pop_front();
                    }
                    state.kept.push_back(Collection {
                        start,
                        duration: ended.saturating_duration_since(begun).as_secs_f64(),
                        ..pass
                    });
                    is_full
                }
            },
        };
        if is_lost {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The oldest passes that are not told yet.
    fn take(&self) -> Vec<Collection> {
        let mut state = self.state.lock();
        let count = state.kept.len().min(MOST_COLLECTIONS);
        state.kept.drain(..count).collect()
    }
}

/// Starts the thread that tells of collectors; it does so each time that something is sent to it.
pub(super) fn start(reporter: &'static Reporter) -> std::io::Result<SyncSender<()>> {
    let (sender, receiver) = sync_channel(1);
    std::thread::Builder::new()
        .name("rsgi-telemetry-gc".to_owned())
        .stack_size(256 * 1024)
        .spawn(move || {
            for () in receiver {
                if let Some(_use) = process::enter() {
                    tell_all(reporter);
                }
            }
        })?;
    Ok(sender)
}

/// Tells of all interpreters. Waits for the GIL. Call within a [`process::Use`], or when nobody else uses Python any more.
pub(super) fn tell_all(reporter: &Reporter) {
    // The main one first: it is there in any case.
    for interp in interpreter::all().into_iter().rev().take(MOST_INTERPRETERS) {
        let Some(garbage) = interp.kit().and_then(|kit| kit.garbage.as_ref()) else {
            continue;
        };
        tell(reporter, interp, garbage);
    }
}

fn tell(reporter: &Reporter, interp: &'static Interp, garbage: &'static Garbage) {
    let look = |at: At<'_>| {
        let counters = garbage.counters(at.py);
        // While the GIL is held no fork can find the lock taken.
        (counters, garbage.passes.take())
    };
    let Some((counters, passes)) = interpreter::look_in(interp, look) else {
        return;
    };
    if let Ok(counters) = counters {
        reporter.send(Kind::Collector, |datagram| {
            counters.fill(&interp.name, datagram);
        });
    }
    for pass in passes {
        reporter.send(Kind::Collection, |datagram| {
            pass.fill(&interp.name, datagram);
        });
    }
}
