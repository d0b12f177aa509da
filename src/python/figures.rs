//! `mod_wsgi.process_metrics()` and `mod_wsgi.request_metrics()`: figures of the whole process, for all its interpreters.

#![deny(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use rsgi_core::figures::{Finished, Interval, Phase, ThreadFigures};

use crate::capi::{self, Usage, Whose};
use crate::worker::Load;
use crate::{meter, process, worker};

static ARE_RECORDED: AtomicBool = AtomicBool::new(false);
static STATE: Mutex<Option<State>> = Mutex::new(None);

struct State {
    interval: Interval,
    begun: Moment,
    /// Microseconds that requests took, ever since figures are recorded.
    busy: u64,
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
        });
        ARE_RECORDED.store(true, Ordering::Relaxed);
        meter::want();
    }
}

/// A request is over.
pub(crate) fn record(finished: &Finished) {
    if let Some(state) = &mut *STATE.lock() {
        state.interval.add(finished);
        state.busy += finished.application_time;
    }
}

/// `mod_wsgi.process_metrics()`; none before figures are recorded.
pub(crate) fn of_process(py: Python<'_>) -> PyResult<Option<Py<PyDict>>> {
    let busy = STATE.lock().as_ref().map(|state| state.busy);
    let Some(busy) = busy else { return Ok(None) };
    let now = Moment::now();
    let loads = worker::loads();
    let running = loads.iter().filter(|load| load.is_running).count() as u64;
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
    let now = Moment::now();
    let taken = STATE.lock().as_mut().map(|state| {
        let begun = core::mem::replace(&mut state.begun, now);
        (core::mem::take(&mut state.interval), begun)
    });
    let Some((interval, begun)) = taken else {
        return Ok(None);
    };
    let found = PyDict::new(py);
    let period = now.clock.duration_since(begun.clock).as_secs_f64();
    found.set_item("pid", std::process::id())?;
    found.set_item("start_time", begun.epoch)?;
    found.set_item("stop_time", now.epoch)?;
    found.set_item("sample_period", period)?;
    found.set_item("request_count", interval.requests())?;
    // No two looks at the clock are so close.
    let period = period.max(1e-6);
    found.set_item("request_throughput", interval.requests() as f64 / period)?;
    put_threads(&found, &interval, period, &now)?;
    put_cpu(&found, begun.usage, now.usage, period)?;
    put_memory(&found, &now.usage)?;
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
        put_phase(&found, phase, &interval)?;
    }
    Ok(Some(found.unbind()))
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
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

fn put_cpu(found: &Bound<'_, PyDict>, from: Usage, to: Usage, period: f64) -> PyResult<()> {
    let user = seconds(to.user.saturating_sub(from.user)) / period;
    let system = seconds(to.system.saturating_sub(from.system)) / period;
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
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident: u64 = pages
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .unwrap_or_default();
    found.set_item("memory_rss", resident * capi::page_size())?;
    found.set_item("memory_max_rss", usage.most_memory)
}

fn put_threads(
    found: &Bound<'_, PyDict>,
    interval: &Interval,
    period: f64,
    now: &Moment,
) -> PyResult<()> {
    let loads = worker::loads();
    let most = process::facts().map_or(1, |facts| usize::try_from(facts.threads).unwrap_or(1));
    let most = most.max(1);
    let current = |load: &Load| {
        let begun = load.begun.filter(|_| load.is_running)?;
        Some(now.clock.saturating_duration_since(begun).as_secs_f64())
    };
    let place = |number: usize| {
        let load = loads.iter().find(|load| load.number as usize == number);
        let elapsed = load.and_then(current).unwrap_or_default();
        let figures = interval.threads().get(number - 1).copied();
        (figures.unwrap_or_default(), elapsed)
    };
    let threads: Vec<(ThreadFigures, f64)> = (1..=most).map(place).collect();
    let active = threads
        .iter()
        .filter(|(figures, elapsed)| figures.completed > 0 || *elapsed > 0.0);
    let busy: f64 = threads
        .iter()
        .map(|(figures, elapsed)| seconds(figures.busy) + elapsed.min(period))
        .sum();
    found.set_item("request_threads_maximum", most)?;
    found.set_item("request_threads_started", loads.len())?;
    found.set_item("request_threads_active", active.count())?;
    found.set_item("capacity_utilization", busy / (period * most as f64))?;
    let each = |of: fn(&(ThreadFigures, f64)) -> f64| threads.iter().map(of).collect::<Vec<_>>();
    let completed: Vec<u64> = threads
        .iter()
        .map(|(figures, _)| figures.completed)
        .collect();
    found.set_item("request_threads_completed", &completed)?;
    // mod_wsgi: the older name of the same list.
    found.set_item("request_threads_buckets", completed)?;
    let lists = [
        ("busy_time", each(|(figures, _)| seconds(figures.busy))),
        ("cpu_time", each(|(figures, _)| seconds(figures.cpu))),
        ("current_elapsed", each(|(_, elapsed)| *elapsed)),
        (
            "max_duration",
            each(|(figures, _)| seconds(figures.longest)),
        ),
    ];
    for (name, list) in lists {
        found.set_item(format!("request_threads_{name}"), list)?;
    }
    Ok(())
}
