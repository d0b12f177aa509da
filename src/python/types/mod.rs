//! The Python-visible types: heap types made for each interpreter from a spec.
//!
//! `instance` makes types and objects whose values are Rust's; each other file is one type, but
//! `functions` and `pass`, which have functions. Every function that
//! CPython calls is fenced, attaches PyO3 (threads of the application come here as well) and turns errors into
//! exceptions.

mod adapter;
mod file_wrapper;
pub(crate) mod functions;
mod input;
mod inquiry;
mod instance;
mod log;
pub(crate) mod pass;
mod request_rec;
mod restricted;
mod signal;

use std::sync::Arc;

use pyo3::prelude::*;

use crate::capi;
use crate::exchange::Exchange;
use crate::kept::Keeper;

pub(crate) use file_wrapper::file_wrapper;
pub(crate) use log::{Stream, flush_prints};
pub(crate) use request_rec::RequestRec;

/// The types of an interpreter.
pub(crate) struct Types {
    input: Py<PyAny>,
    adapter: Py<PyAny>,
    log: Py<PyAny>,
    restricted: Py<PyAny>,
    signal: Py<PyAny>,
    auth: Py<PyAny>,
    dispatch: Py<PyAny>,
    /// `mod_wsgi.FileWrapper`.
    pub(crate) file_wrapper: Py<PyAny>,
    /// `io.TextIOWrapper`.
    text: Py<PyAny>,
}

impl Types {
    /// Makes the types in the current interpreter.
    pub(crate) fn new(py: Python<'_>) -> PyResult<Self> {
        Ok(Self {
            input: input::make_type(py)?,
            adapter: adapter::make_type(py)?,
            log: log::make_type(py)?,
            restricted: restricted::make_type(py)?,
            signal: signal::make_type(py)?,
            auth: inquiry::make_type(py, c"mod_wsgi.Auth")?,
            dispatch: inquiry::make_type(py, c"mod_wsgi.Dispatch")?,
            file_wrapper: file_wrapper::make_type(py)?,
            text: py.import("io")?.getattr("TextIOWrapper")?.unbind(),
        })
    }

    /// A text stream that prints to the log.
    pub(crate) fn stream(&self, py: Python<'_>, stream: Stream) -> PyResult<Py<PyAny>> {
        let log = log::stream(py, &self.log, stream)?;
        self.text_over(py, &log)
    }

    /// An object of which every attribute raises.
    pub(crate) fn restricted(&self, py: Python<'_>, name: &'static str) -> PyResult<Py<PyAny>> {
        restricted::create(py, &self.restricted, name)
    }

    /// What replaces `signal.signal`.
    pub(crate) fn signal(&self, original: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        signal::create(original, &self.signal)
    }

    /// `wsgi.errors` of an exchange.
    pub(crate) fn errors(&self, py: Python<'_>, exchange: &Arc<Exchange>) -> PyResult<Py<PyAny>> {
        let log = log::errors(py, &self.log, Arc::clone(exchange))?;
        self.text_over(py, &log)
    }

    /// What a question's script may ask about the connection.
    pub(crate) fn inquiry(
        &self,
        py: Python<'_>,
        is_dispatch: bool,
        exchange: &Arc<Exchange>,
    ) -> PyResult<Py<PyAny>> {
        let kind = if is_dispatch {
            &self.dispatch
        } else {
            &self.auth
        };
        inquiry::create(py, kind, Arc::clone(exchange))
    }

    fn text_over(&self, py: Python<'_>, log: &Py<PyAny>) -> PyResult<Py<PyAny>> {
        // buffer, encoding, errors, newline, line_buffering, write_through
        let arguments = (log, "utf-8", "replace", py.None(), true, true);
        self.text.call1(py, arguments)
    }
}

/// The objects of one request. When the application let go of all of them they serve the thread's next one.
pub(crate) struct RequestObjects {
    /// What they share.
    pub(crate) exchange: Arc<Exchange>,
    /// `wsgi.input`.
    pub(crate) input: Py<PyAny>,
    /// The callable given to the application.
    pub(crate) start_response: Py<PyAny>,
    /// `wsgi.errors`.
    pub(crate) errors: Py<PyAny>,
    /// The environ, where it serves again.
    pub(crate) keeper: Keeper,
    adapter: Py<PyAny>,
    log: Py<PyAny>,
}

impl RequestObjects {
    /// Makes a set around an exchange of its own.
    pub(crate) fn new(py: Python<'_>, types: &Types) -> PyResult<Self> {
        let exchange = Arc::new(Exchange::default());
        let adapter = adapter::create(py, &types.adapter, Arc::clone(&exchange))?;
        let log = log::errors(py, &types.log, Arc::clone(&exchange))?;
        Ok(Self {
            input: input::create(py, &types.input, Arc::clone(&exchange))?,
            start_response: adapter::start_response(py, &adapter)?,
            errors: types.text_over(py, &log)?,
            exchange,
            keeper: Keeper::default(),
            adapter,
            log,
        })
    }

    /// Whether nobody else refers to any of them: the adapter is held by its bound method as well, the log by its
    /// text stream (not so after `detach()`), and two by an environ that is kept, and by what keeps it.
    pub(crate) fn are_unused(&self, py: Python<'_>) -> bool {
        let kept = 2 * isize::from(self.keeper.restore(py));
        [
            (&self.input, 1 + kept),
            (&self.start_response, 1),
            (&self.errors, 1 + kept),
            (&self.adapter, 2),
            (&self.log, 2),
        ]
        .iter()
        .all(|(object, expected)| capi::references(object, py) == *expected)
    }
}
