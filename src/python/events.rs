//! Telling applications what happens: to their requests, to the process, and which signals come.
//!
//! Callbacks are called in the order in which they were registered, with the event's name and its values as keywords. A
//! dict that one returns is merged into the event for those behind it. What one raises is logged, and nothing else.

#![deny(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use rsgi_bridge::abi::{self, level};

use crate::exchange::{self, Exchange};
use crate::interpreter::{self, At, kit_here};
use crate::tracked::Tracked;
use crate::types::flush_prints;
use crate::{meter, process, report};

/// The callbacks of an interpreter: `mod_wsgi.event_callbacks` and its like, which applications may change.
pub(crate) struct Callbacks {
    /// Of `subscribe_events`.
    pub(crate) events: Py<PyList>,
    /// Of `subscribe_shutdown`.
    pub(crate) shutdown: Py<PyList>,
    /// Of `subscribe_signals`.
    pub(crate) signals: Py<PyList>,
}

impl Callbacks {
    /// None yet.
    pub(crate) fn new(py: Python<'_>) -> Self {
        let list = || PyList::empty(py).unbind();
        Self {
            events: list(),
            shutdown: list(),
            signals: list(),
        }
    }

    /// Whether events of requests are wanted.
    pub(crate) fn are_events_wanted(&self, py: Python<'_>) -> bool {
        !self.events.bind(py).is_empty()
    }
}

static ARE_SUBSCRIBED: AtomicBool = AtomicBool::new(false);

/// Registers a callback.
pub(crate) fn subscribe(list: &Bound<'_, PyList>, callback: &Bound<'_, PyAny>) -> PyResult<()> {
    list.append(callback)?;
    ARE_SUBSCRIBED.store(true, Ordering::Relaxed);
    if let Some(exchange) = exchange::current() {
        // It hears of the rest of the request that it was registered in.
        exchange.set_watched(true);
    }
    meter::want();
    Ok(())
}

/// Whether anybody of the process ever subscribed to anything.
pub(crate) fn are_subscribed() -> bool {
    ARE_SUBSCRIBED.load(Ordering::Relaxed)
}

/// Registers a callback for signals, in a process that has any for applications.
pub(crate) fn subscribe_signals(
    list: &Bound<'_, PyList>,
    callback: &Bound<'_, PyAny>,
) -> PyResult<()> {
    if process::has(abi::START_DAEMON) && !process::has(abi::START_SERVICE) {
        return subscribe(list, callback);
    }
    if process::log_enabled(level::INFO) {
        report::log(
            level::INFO,
            b"A callback for signals is not registered: only processes of a group with threads are told of signals.",
        );
        report::log_stack(list.py(), level::INFO);
    }
    Ok(())
}

/// Calls the callbacks of a list.
pub(crate) fn publish(list: &Bound<'_, PyList>, name: &str, event: &Bound<'_, PyDict>) {
    for callback in list.to_tuple().iter() {
        let told =
            callback
                .call((name,), Some(event))
                .and_then(|result| match result.cast::<PyDict>() {
                    Ok(changes) => event.update(changes.as_mapping()),
                    Err(_) => Ok(()),
                });
        if let Err(error) = told {
            tell(list.py(), name, &error);
        }
    }
}

fn tell(py: Python<'_>, name: &str, error: &PyErr) {
    let (id, end) = match error.is_instance_of::<PySystemExit>(py) {
        true => ("RSGI0190", ", and ignored"),
        false => ("RSGI0112", ""),
    };
    let line = format!(
        "{id}: {} was raised{end} by a callback for the event '{name}'.",
        report::type_name(py, error)
    );
    report::log(level::ERROR, line.as_bytes());
    report::each_line(&report::text(py, error), |line| {
        report::log(level::ERROR, line);
    });
}

/// Puts into an event whose it is.
pub(crate) fn name_request(
    py: Python<'_>,
    event: &Bound<'_, PyDict>,
    request: &Tracked,
) -> PyResult<()> {
    if let Some(id) = &request.id {
        event.set_item("request_id", id)?;
    }
    event.set_item("request_data", request.data.bind(py))
}

/// `response_started`: `start_response` was called, whatever becomes of what it was given.
pub(crate) fn response_started(
    exchange: &Exchange,
    status: &Bound<'_, PyAny>,
    headers: &Bound<'_, PyAny>,
    exc_info: Option<&Bound<'_, PyAny>>,
) {
    let py = status.py();
    let Some(kit) = kit_here(py).filter(|kit| kit.callbacks.are_events_wanted(py)) else {
        return;
    };
    let event = PyDict::new(py);
    let filled = kit.requests.of(py, exchange).and_then(|request| {
        event.set_item("response_status", status)?;
        event.set_item("response_headers", headers)?;
        event.set_item("exception_info", exc_info)?;
        name_request(py, &event, &request)
    });
    done(py, filled, "response_started", || {
        publish(kit.callbacks.events.bind(py), "response_started", &event);
    });
}

/// `request_exception`: an exception of the application was logged.
pub(crate) fn request_exception(at: At<'_>, exchange: &Exchange, error: &PyErr) {
    let (py, kit) = (at.py, at.kit());
    if !kit.callbacks.are_events_wanted(py) {
        return;
    }
    let event = PyDict::new(py);
    let filled = kit.requests.of(py, exchange).and_then(|request| {
        let info = (error.get_type(py), error.value(py), error.traceback(py));
        event.set_item("exception_info", info.into_pyobject(py)?)?;
        name_request(py, &event, &request)
    });
    done(py, filled, "request_exception", || {
        publish(kit.callbacks.events.bind(py), "request_exception", &event);
    });
}

/// Goes on with an event that was made, or says why it was not.
pub(crate) fn done(py: Python<'_>, made: PyResult<()>, name: &str, go_on: impl FnOnce()) {
    match made {
        Ok(()) => go_on(),
        Err(error) => report::log_error(py, &error, &format!("the event '{name}'")),
    }
}

/// Tells all interpreters that the process ends. Once a process.
pub(crate) fn stopping() {
    if process::has(abi::START_SERVICE) {
        return;
    }
    let reason = String::from_utf8_lossy(process::reason());
    in_all(
        "process_stopping",
        |callbacks| &callbacks.shutdown,
        |event| event.set_item("shutdown_reason", &*reason),
    );
}

/// Tells all interpreters of a signal; see [`abi::Layer::signal`].
pub(crate) fn signal(number: i32) {
    let Some(_use) = process::enter() else {
        return;
    };
    let name = match number {
        libc::SIGHUP => "SIGHUP",
        libc::SIGUSR2 => "SIGUSR2",
        _ => return,
    };
    in_all(
        "process_signal",
        |callbacks| &callbacks.signals,
        |event| {
            event.set_item("signame", name)?;
            event.set_item("signum", number)
        },
    );
}

/// Tells those who subscribed to all events, then those who did to this one.
fn in_all(
    name: &str,
    own: impl Fn(&Callbacks) -> &Py<PyList>,
    fill: impl Fn(&Bound<'_, PyDict>) -> PyResult<()>,
) {
    for interp in interpreter::all() {
        let told = interpreter::attach(interp, |at| {
            let callbacks = &at.kit().callbacks;
            let event = PyDict::new(at.py);
            done(at.py, fill(&event), name, || {
                publish(callbacks.events.bind(at.py), name, &event);
                publish(own(callbacks).bind(at.py), name, &event);
            });
            flush_prints();
        });
        if told.is_none() {
            process::log(level::ERROR, crate::handler::NO_STATE);
        }
    }
}

/// What is registered in an interpreter, as attributes of its module.
pub(crate) fn attributes<'py>(
    callbacks: &Callbacks,
    py: Python<'py>,
) -> [(&'static str, Bound<'py, PyList>); 3] {
    [
        ("event_callbacks", callbacks.events.bind(py).clone()),
        ("shutdown_callbacks", callbacks.shutdown.bind(py).clone()),
        ("signal_callbacks", callbacks.signals.bind(py).clone()),
    ]
}
