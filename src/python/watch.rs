//! Follows a request for those who want to know what happens to it: subscribers of events, metrics, `active_requests`.
//!
//! Where there are none, a look at three flags is all.

#![deny(unsafe_code)]

use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use rsgi_core::figures::Finished;
use rsgi_core::micros::{self, seconds};
use rsgi_core::name::id;

use crate::capi::{self, Usage, Whose};
use crate::entry::RequestView;
use crate::exchange::Exchange;
use crate::interpreter::At;
use crate::meter::{self, Meter, Waits};
use crate::telemetry::{self, Slow};
use crate::worker::Course;
use crate::{environ, events, figures, report, worker};

/// A request that is followed.
pub(crate) struct Watch<'a> {
    at: At<'a>,
    request: &'a RequestView<'a>,
    exchange: &'a Exchange,
    begun: Instant,
    /// Seconds since the epoch, as in the environ.
    application_start: f64,
    /// Where there were subscribers from the start.
    usage: Option<Usage>,
    /// Requests that ran at its beginning, where slow ones are told of.
    active: u64,
}

/// What a request that is over has cost.
struct Cost {
    application_finish: f64,
    application_time: Duration,
    meter: Meter,
    waits: Waits,
    /// As user and in the kernel.
    cpu: Option<(f64, f64)>,
    status: u16,
}

impl<'a> Watch<'a> {
    /// Begins to follow, where somebody wants to know.
    pub(crate) fn begin(
        at: At<'a>,
        request: &'a RequestView<'a>,
        exchange: &'a Exchange,
        environ: &Bound<'a, PyDict>,
    ) -> Option<Self> {
        let kit = at.kit();
        let has_subscribers = kit.callbacks.are_events_wanted(at.py);
        if kit.requests.are_listed()
            && let Err(error) = kit.requests.list(at.py, exchange)
        {
            report::log_error(at.py, &error, "listing an active request");
        }
        let is_recorded = figures::are_recorded();
        if !has_subscribers && !is_recorded {
            return None;
        }
        exchange.measure(at.py);
        meter::begin();
        let begun = Instant::now();
        let active = telemetry::active();
        let start = capi::dict_item(environ, kit.own.times[3].bind(at.py));
        let application_start = start.and_then(|time| time.extract().ok());
        let application_start: f64 = application_start.unwrap_or_default();
        worker::set_course(Some(Course {
            begun,
            application_start: environ::micros(application_start),
            active,
            waits: meter::so_far(),
        }));
        Some(Self {
            at,
            request,
            exchange,
            begun,
            application_start,
            usage: Some(capi::usage(Whose::Thread)),
            active,
        })
    }

    /// Follows a request to its end whose application subscribed while it ran. What it has read and sent is not known.
    pub(crate) fn late(
        at: At<'a>,
        request: &'a RequestView<'a>,
        exchange: &'a Exchange,
    ) -> Option<Self> {
        if !at.kit().callbacks.are_events_wanted(at.py) {
            return None;
        }
        exchange.measure(at.py);
        // The application was called a little later.
        let [start, _, daemon] = request.times();
        let application_start = if daemon > 0.0 { daemon } else { start };
        let ago = Duration::try_from_secs_f64(environ::now() - application_start);
        let now = Instant::now();
        Some(Self {
            at,
            request,
            exchange,
            begun: now.checked_sub(ago.unwrap_or_default()).unwrap_or(now),
            application_start,
            usage: None,
            active: telemetry::active(),
        })
    }

    fn server_pid(&self) -> i64 {
        let pid = self.request.value(id::MOD_WSGI_SERVER_PID);
        let pid = pid.and_then(|pid| std::str::from_utf8(pid).ok());
        pid.and_then(|pid| pid.parse().ok()).unwrap_or_default()
    }

    /// `request_started`; gives the application to be called, which a subscriber may have wrapped.
    pub(crate) fn started(
        &self,
        application: Bound<'a, PyAny>,
        environ: &Bound<'a, PyDict>,
    ) -> Bound<'a, PyAny> {
        let event = PyDict::new(self.at.py);
        let made = self.fill_started(&event, &application, environ);
        self.publish("request_started", made, &event);
        match event.get_item("application_object") {
            Ok(Some(application)) => application,
            _ => application,
        }
    }

    fn fill_started(
        &self,
        event: &Bound<'a, PyDict>,
        application: &Bound<'a, PyAny>,
        environ: &Bound<'a, PyDict>,
    ) -> PyResult<bool> {
        let py = self.at.py;
        let kit = self.at.kit();
        if !kit.callbacks.are_events_wanted(py) {
            return Ok(false);
        }
        self.fill_common(event)?;
        let (connects, restarts) = self.request.tries();
        event.set_item("daemon_connects", connects)?;
        event.set_item("daemon_restarts", restarts)?;
        event.set_item("application_start", self.application_start)?;
        event.set_item("application_object", application)?;
        let callable = capi::latin1(py, self.request.target.callable)?;
        event.set_item("callable_object", callable)?;
        event.set_item("request_environ", environ)?;
        Ok(true)
    }

    /// What both the beginning and the end of a request tell.
    fn fill_common(&self, event: &Bound<'_, PyDict>) -> PyResult<()> {
        let py = self.at.py;
        let request = self.at.kit().requests.of(py, self.exchange)?;
        events::name_request(py, event, &request)?;
        event.set_item("thread_id", worker::number())?;
        event.set_item("server_pid", self.server_pid())?;
        let [start, queue, daemon] = self.request.times();
        event.set_item("request_start", start)?;
        event.set_item("queue_start", queue)?;
        event.set_item("daemon_start", daemon)
    }

    /// The application is done and its response sent: `request_finished`, and the metrics.
    pub(crate) fn finish(self) {
        let cost = self.cost();
        // From here on it is among those that are over.
        worker::set_course(None);
        if figures::are_recorded() {
            let finished = self.finished(&cost);
            figures::record(finished);
            telemetry::finished(cost.application_time, || {
                let active = (self.active, telemetry::active());
                Slow::done(
                    self.request,
                    &finished,
                    cost.cpu.unwrap_or_default(),
                    active,
                )
            });
        }
        let event = PyDict::new(self.at.py);
        let made = self.fill_finished(&event, &cost);
        self.publish("request_finished", made, &event);
    }

    fn publish(&self, name: &str, made: PyResult<bool>, event: &Bound<'_, PyDict>) {
        let py = self.at.py;
        let is_wanted = made.as_ref().is_ok_and(|is_wanted| *is_wanted);
        events::done(py, made.map(drop), name, || {
            if is_wanted {
                events::publish(self.at.kit().callbacks.events.bind(py), name, event);
            }
        });
    }

    fn cost(&self) -> Cost {
        let application_time = self.begun.elapsed();
        Cost {
            application_finish: environ::now(),
            application_time,
            meter: self.exchange.measured(self.at.py),
            waits: meter::end(),
            cpu: self
                .usage
                .map(|before| cpu_time(before, capi::usage(Whose::Thread), application_time)),
            status: self.exchange.status(self.at.py).unwrap_or(500),
        }
    }

    fn fill_finished(&self, event: &Bound<'_, PyDict>, cost: &Cost) -> PyResult<bool> {
        if !self.at.kit().callbacks.are_events_wanted(self.at.py) {
            return Ok(false);
        }
        self.fill_common(event)?;
        let (input, output) = (&cost.meter.input, &cost.meter.output);
        event.set_item("input_reads", input.count)?;
        event.set_item("input_length", input.bytes)?;
        event.set_item("input_time", input.time.as_secs_f64())?;
        event.set_item("output_length", output.bytes)?;
        event.set_item("output_writes", output.count)?;
        event.set_item("output_time", output.time.as_secs_f64())?;
        if let Some((user, system)) = cost.cpu {
            event.set_item("cpu_user_time", user)?;
            event.set_item("cpu_system_time", system)?;
            event.set_item("cpu_time", user + system)?;
        }
        event.set_item("application_finish", cost.application_finish)?;
        event.set_item("application_time", cost.application_time.as_secs_f64())?;
        event.set_item("status", cost.status)?;
        event.set_item("gil_wait_time", cost.waits.time.as_secs_f64())?;
        event.set_item("gil_wait_count", cost.waits.count)?;
        Ok(true)
    }

    fn finished(&self, cost: &Cost) -> Finished {
        let [request_start, queue_start, daemon_start] = self.request.starts();
        let flow = |flow: &meter::Flow| (micros::of(flow.time), flow.count, flow.bytes);
        let (user, system) = cost.cpu.unwrap_or_default();
        Finished {
            thread: worker::number(),
            status: cost.status,
            request_start,
            queue_start,
            daemon_start,
            application_start: environ::micros(self.application_start),
            application_time: micros::of(cost.application_time),
            busy: 0,
            gil_wait: (micros::of(cost.waits.time), cost.waits.count),
            input: flow(&cost.meter.input),
            output: flow(&cost.meter.output),
            cpu_time: micros::of(Duration::from_secs_f64(user + system)),
        }
    }
}

/// CPU time as user and in the kernel, in seconds.
///
/// mod_wsgi: the kernel's figures are coarse; more than the whole time is taken for the whole time.
fn cpu_time(before: Usage, after: Usage, whole: Duration) -> (f64, f64) {
    let user = seconds(after.user.saturating_sub(before.user));
    let system = seconds(after.system.saturating_sub(before.system));
    let whole = whole.as_secs_f64();
    if user + system <= whole {
        return (user, system);
    }
    let share = whole / (user + system);
    (user * share, system * share)
}
