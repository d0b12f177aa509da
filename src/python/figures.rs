//! `mod_wsgi.process_metrics()` and `mod_wsgi.request_metrics()`: figures of the whole process, for all its interpreters.

#![deny(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use rsgi_core::figures::{Finished, Interval, Phase};
use rsgi_core::micros::{self, seconds};
use rsgi_core::telemetry::ThreadNow;

use crate::capi::{self, Usage, Whose};
use crate::worker::Load;
use crate::{meter, process, worker};

static ARE_RECORDED: AtomicBool = AtomicBool::new(false);
/// They are told to a telemetry service, and to nobody else.
static ARE_TOLD: AtomicBool = AtomicBool::new(false);
static STATE: Mutex<Option<State>> = Mutex::new(None);

struct State {
    interval: Interval,
    begun: Moment,
    /// Microseconds that requests took, ever since figures are recorded.
    busy: u64,
    /// Requests that finished, ever since.
    requests: u64,
}

/// When an interval begins or ends.
#[derive(Clone, Copy)]
struct Moment {
    clock: Instant,
    epoch: f64,
    usage: Usage,
}

impl Moment {
    fn now() -> Self {
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            clock: Instant::now(),
            epoch: epoch.map_or(0.0, |time| time.as_secs_f64()),
            usage: capi::usage(Whose::Process),
        }
    }
}

/// Whether figures are recorded.
pub(crate) fn are_recorded() -> bool {
    ARE_RECORDED.load(Ordering::Relaxed)
}

/// `mod_wsgi.start_recording_metrics()`.
pub(crate) fn start() {
    let mut state = STATE.lock();
    if state.is_none() {
        *state = Some(State {
            interval: Interval::default(),
            begun: Moment::now(),
            busy: 0,
            requests: 0,
        });
        ARE_RECORDED.store(true, Ordering::Relaxed);
        meter::want();
    }
}

/// Records them for a telemetry service.
pub(crate) fn start_for_telemetry() {
    ARE_TOLD.store(true, Ordering::Relaxed);
    start();
}

/// What happened between two looks.
pub(crate) struct Taken {
    interval: Interval,
    begun: Moment,
    now: Moment,
}

/// What the threads did meanwhile.
pub(crate) struct Threads {
    /// How many ever ran anything.
    pub(crate) started: usize,
    /// How many did anything in the interval.
    pub(crate) active: usize,
    /// Which share of their time that was.
    pub(crate) capacity: f64,
    /// Each of them, as many as there are for requests.
    pub(crate) each: Vec<ThreadNow>,
}

/// Requests that finished since figures are recorded.
pub(crate) fn requests() -> u64 {
    STATE.lock().as_ref().map_or(0, |state| state.requests)
}

/// What happened since the last look; none before figures are recorded.
pub(crate) fn take() -> Option<Taken> {
    let now = Moment::now();
    let mut state = STATE.lock();
    let state = state.as_mut()?;
    Some(Taken {
        interval: core::mem::take(&mut state.interval),
        begun: core::mem::replace(&mut state.begun, now),
        now,
    })
}

impl Taken {
    /// The requests.
    pub(crate) fn interval(&self) -> &Interval {
        &self.interval
    }

    /// Seconds between the two looks.
    pub(crate) fn period(&self) -> f64 {
        seconds(self.micros())
    }

    fn micros(&self) -> u64 {
        let period = self.now.clock.duration_since(self.begun.clock);
        // No two looks at the clock are so close.
        micros::of(period).max(1)
    }

    /// Shares of a processor: as user, in the kernel.
    pub(crate) fn cpu(&self) -> (f64, f64) {
        let (from, to, period) = (&self.begun.usage, &self.now.usage, self.period());
        (
            seconds(to.user.saturating_sub(from.user)) / period,
            seconds(to.system.saturating_sub(from.system)) / period,
        )
    }

    /// Resident memory now and at most.
    pub(crate) fn memory(&self) -> (u64, u64) {
        (resident(), self.now.usage.most_memory)
    }

    /// What the threads did.
    pub(crate) fn threads(&self) -> Threads {
        let (loads, period) = (worker::loads(), self.period());
        let most = process::facts().map_or(1, |facts| usize::try_from(facts.threads).unwrap_or(1));
        let most = most.max(1);
        let place = |number: usize| {
            let load = loads.iter().find(|load| load.number as usize == number);
            let figures = self.interval.threads().get(number - 1).copied();
            let mut figures = figures.unwrap_or_default();
            let elapsed = load.map_or(0, |load| elapsed(load, self.now.clock));
            figures.busy += elapsed.min(self.micros());
            ThreadNow {
                figures,
                elapsed: seconds(elapsed),
            }
        };
        let each: Vec<ThreadNow> = (1..=most).map(place).collect();
        let did = |thread: &&ThreadNow| thread.figures.completed > 0 || thread.elapsed > 0.0;
        let busy = |thread: &ThreadNow| seconds(thread.figures.busy);
        Threads {
            started: loads.len(),
            active: each.iter().filter(did).count(),
            capacity: each.iter().map(busy).sum::<f64>() / (period * most as f64),
            each,
        }
    }
}

/// How long the application of the thread's request has been running, in microseconds; 0 where there is none.
fn elapsed(load: &Load, now: Instant) -> u64 {
    let begun = load.begun.filter(|_| load.is_running);
    begun.map_or(0, |begun| micros::of(now.saturating_duration_since(begun)))
}

/// A request is over.
pub(crate) fn record(mut finished: Finished) {
    if let Some(state) = &mut *STATE.lock() {
        let interval = micros::of(state.begun.clock.elapsed());
        finished.busy = finished.application_time.min(interval);
        state.interval.add(&finished);
        state.busy += finished.application_time;
        state.requests += 1;
    }
}

/// `mod_wsgi.process_metrics()`; none before figures are recorded.
pub(crate) fn of_process(py: Python<'_>) -> PyResult<Option<Py<PyDict>>> {
    if ARE_TOLD.load(Ordering::Relaxed) {
        return Ok(None);
    }
    let busy = STATE.lock().as_ref().map(|state| state.busy);
    let Some(busy) = busy else { return Ok(None) };
    let now = Moment::now();
    let loads = worker::loads();
    let running = loads.iter().filter(|load| load.is_running).count() as u64;
    let busy = busy
        + loads
            .iter()
            .map(|load| elapsed(load, now.clock))
            .sum::<u64>();
    let begun: u64 = loads.iter().map(|load| load.requests).sum();
    let restart = process::started().unwrap_or(now.epoch);
    let (user, system) = (seconds(now.usage.user), seconds(now.usage.system));
    let found = PyDict::new(py);
    found.set_item("pid", std::process::id())?;
    found.set_item("request_busy_time", seconds(busy))?;
    found.set_item("request_count", begun.saturating_sub(running))?;
    put_memory(&found, &now.usage)?;
    found.set_item("cpu_user_time", user)?;
    found.set_item("cpu_system_time", system)?;
    found.set_item("cpu_time", user + system)?;
    found.set_item("restart_time", restart)?;
    found.set_item("current_time", now.epoch)?;
    found.set_item("running_time", (now.epoch - restart).max(0.0) as u64)?;
    found.set_item("request_threads", loads.len())?;
    found.set_item("active_requests", running)?;
    let threads = PyList::empty(py);
    for load in &loads {
        let thread = PyDict::new(py);
        thread.set_item("thread_id", load.number)?;
        thread.set_item("request_count", load.requests)?;
        threads.append(thread)?;
    }
    found.set_item("threads", threads)?;
    Ok(Some(found.unbind()))
}

/// `mod_wsgi.request_metrics()`: what happened since the call before; none before figures are recorded.
pub(crate) fn of_requests(py: Python<'_>) -> PyResult<Option<Py<PyDict>>> {
    if ARE_TOLD.load(Ordering::Relaxed) {
        return Ok(None);
    }
    let Some(taken) = take() else {
        return Ok(None);
    };
    let (interval, period) = (&taken.interval, taken.period());
    let found = PyDict::new(py);
    found.set_item("pid", std::process::id())?;
    found.set_item("start_time", taken.begun.epoch)?;
    found.set_item("stop_time", taken.now.epoch)?;
    found.set_item("sample_period", period)?;
    found.set_item("request_count", interval.requests())?;
    found.set_item("request_throughput", interval.requests() as f64 / period)?;
    put_threads(&found, &taken.threads())?;
    put_cpu(&found, taken.cpu())?;
    put_memory(&found, &taken.now.usage)?;
    for (class, count) in (1..).zip(interval.statuses()) {
        found.set_item(format!("status_{class}xx"), count)?;
    }
    let ((read, reads), (written, writes)) = (interval.input(), interval.output());
    found.set_item("input_bytes", read)?;
    found.set_item("input_reads", reads)?;
    found.set_item("output_bytes", written)?;
    found.set_item("output_writes", writes)?;
    found.set_item("gil_wait_count", interval.gil_waits())?;
    for phase in Phase::ALL {
        put_phase(&found, phase, interval)?;
    }
    Ok(Some(found.unbind()))
}

fn put_phase(found: &Bound<'_, PyDict>, phase: Phase, interval: &Interval) -> PyResult<()> {
    let (name, times) = (phase.name(), interval.phase(phase));
    let is_missing = phase.is_of_groups() && !process::is_of_group();
    found.set_item(name, (!is_missing).then(|| times.mean()))?;
    let bounds = times.bounds();
    found.set_item(format!("{name}_min_us"), bounds.map(|(least, _)| least))?;
    found.set_item(format!("{name}_max_us"), bounds.map(|(_, most)| most))?;
    found.set_item(
        format!("{name}_buckets"),
        times.buckets().as_slice().to_vec(),
    )
}

fn put_cpu(found: &Bound<'_, PyDict>, (user, system): (f64, f64)) -> PyResult<()> {
    for (name, share) in [
        ("cpu_user", user),
        ("cpu_system", system),
        ("cpu", user + system),
    ] {
        found.set_item(format!("{name}_utilization"), share)?;
        // mod_wsgi: the older name of the same figure.
        found.set_item(format!("{name}_time"), share)?;
    }
    Ok(())
}

fn put_memory(found: &Bound<'_, PyDict>, usage: &Usage) -> PyResult<()> {
    found.set_item("memory_rss", resident())?;
    found.set_item("memory_max_rss", usage.most_memory)
}

fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident: Option<u64> = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    resident.unwrap_or_default() * capi::page_size()
}

fn put_threads(found: &Bound<'_, PyDict>, threads: &Threads) -> PyResult<()> {
    found.set_item("request_threads_maximum", threads.each.len())?;
    found.set_item("request_threads_started", threads.started)?;
    found.set_item("request_threads_active", threads.active)?;
    found.set_item("capacity_utilization", threads.capacity)?;
    let each = |of: fn(&ThreadNow) -> f64| threads.each.iter().map(of).collect::<Vec<_>>();
    let completed = threads.each.iter().map(|thread| thread.figures.completed);
    let completed: Vec<u64> = completed.collect();
    found.set_item("request_threads_completed", &completed)?;
    // mod_wsgi: the older name of the same list.
    found.set_item("request_threads_buckets", completed)?;
    let lists = [
        ("busy_time", each(|thread| seconds(thread.figures.busy))),
        ("cpu_time", each(|thread| seconds(thread.figures.cpu))),
        ("current_elapsed", each(|thread| thread.elapsed)),
        (
            "max_duration",
            each(|thread| seconds(thread.figures.longest)),
        ),
    ];
    for (name, list) in lists {
        found.set_item(format!("request_threads_{name}"), list)?;
    }
    Ok(())
}
