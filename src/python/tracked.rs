//! What applications keep with their running requests: `mod_wsgi.request_data()` and `mod_wsgi.active_requests`.
//!
//! mod_wsgi makes a dict for each request and puts it into `active_requests`. Here both come with who asks first: a
//! request whose data nobody wants costs nothing, and `active_requests` is kept from its first use on.

#![deny(unsafe_code)]

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::OnceLock;

use parking_lot::Mutex;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::exchange::{self, Exchange};
use crate::interpreter::kit_here;
use crate::{capi, worker};

/// A request's name and data.
#[derive(Debug)]
pub(crate) struct Tracked {
    /// httpd's id of it, if it has one.
    pub(crate) id: Option<Py<PyString>>,
    /// What the application keeps with it.
    pub(crate) data: Py<PyDict>,
}

impl Tracked {
    fn new(py: Python<'_>, id: Option<&[u8]>) -> PyResult<Self> {
        Ok(Self {
            id: id
                .map(|id| capi::latin1(py, id).map(Bound::unbind))
                .transpose()?,
            data: PyDict::new(py).unbind(),
        })
    }

    fn clone_ref(&self, py: Python<'_>) -> Self {
        Self {
            id: self.id.as_ref().map(|id| id.clone_ref(py)),
            data: self.data.clone_ref(py),
        }
    }
}

/// By whom a request is known: where its exchange is, which serves one request at a time.
pub(crate) fn key(exchange: &Exchange) -> usize {
    core::ptr::from_ref(exchange) as usize
}

/// The requests of an interpreter that something is kept with. The lock is held without running Python code.
#[derive(Default)]
pub(crate) struct Requests {
    tracked: Mutex<HashMap<usize, Tracked>>,
    /// `mod_wsgi.active_requests`, once it was asked for.
    active: OnceLock<Py<PyDict>>,
}

impl Requests {
    /// Whether `active_requests` is kept.
    pub(crate) fn are_listed(&self) -> bool {
        self.active.get().is_some()
    }

    fn find(&self, py: Python<'_>, key: usize) -> Option<Tracked> {
        let tracked = self.tracked.lock();
        tracked.get(&key).map(|found| found.clone_ref(py))
    }

    /// Keeps what was made for a request, unless another thread was faster.
    fn keep(&self, py: Python<'_>, key: usize, made: Tracked) -> Tracked {
        let (kept, _spare) = match self.tracked.lock().entry(key) {
            Entry::Occupied(found) => (found.get().clone_ref(py), Some(made)),
            Entry::Vacant(place) => (place.insert(made).clone_ref(py), None),
        };
        // What was made in vain goes when the lock is free.
        kept
    }

    /// The name and the data of a request that runs.
    pub(crate) fn of(&self, py: Python<'_>, exchange: &Exchange) -> PyResult<Tracked> {
        let key = key(exchange);
        if let Some(found) = self.find(py, key) {
            return Ok(found);
        }
        let made = Tracked::new(py, exchange.request_id(py).as_deref())?;
        exchange.set_tracked(true);
        Ok(self.keep(py, key, made))
    }

    /// Puts a request that begins into `active_requests`.
    pub(crate) fn list(&self, py: Python<'_>, exchange: &Exchange) -> PyResult<()> {
        let Some(active) = self.active.get() else {
            return Ok(());
        };
        let found = self.of(py, exchange)?;
        match found.id {
            Some(id) => active.bind(py).set_item(id, found.data),
            None => Ok(()),
        }
    }

    /// The request is over.
    pub(crate) fn forget(&self, py: Python<'_>, exchange: &Exchange) {
        if !exchange.set_tracked(false) && !self.are_listed() {
            return;
        }
        let found = self.tracked.lock().remove(&key(exchange));
        let Some(found) = found else { return };
        if let (Some(active), Some(id)) = (self.active.get(), found.id) {
            // The application may have taken it out itself.
            drop(active.bind(py).del_item(id));
        }
    }

    /// `mod_wsgi.active_requests`; from the first call on it has every request of the interpreter.
    pub(crate) fn active<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        if let Some(active) = self.active.get() {
            return Ok(active.bind(py).clone());
        }
        let made = PyDict::new(py).unbind();
        // Requests that begin from here on list themselves.
        let active = self.active.get_or_init(|| made).bind(py);
        for running in worker::requests(|kit| core::ptr::eq(&raw const kit.requests, self)) {
            let Some(id) = running.id.as_deref() else {
                continue;
            };
            let made = Tracked::new(py, Some(id))?;
            // It may have ended since.
            if let Some(found) = running.if_it_runs(|| self.keep(py, running.key, made))
                && let Some(id) = found.id
            {
                active.set_item(id, found.data)?;
            }
        }
        Ok(active.clone())
    }
}

/// `mod_wsgi.request_data()`: of the request that the calling thread runs.
///
/// # Errors
/// RuntimeError where it runs none.
pub(crate) fn request_data(py: Python<'_>) -> PyResult<Py<PyDict>> {
    let current = exchange::current().zip(kit_here(py));
    let (exchange, kit) =
        current.ok_or_else(|| PyRuntimeError::new_err("no active request for thread"))?;
    Ok(kit.requests.of(py, &exchange)?.data)
}
