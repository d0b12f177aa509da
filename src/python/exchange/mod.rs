//! One request and its response, as the objects that the application holds see it.
//!
//! Shared by `wsgi.input`, `start_response` and `wsgi.errors` of a request and the handler. Any thread of the
//! application may come; the lock lets one at a time use the host. It is never waited for with the GIL held, and no
//! Python code runs while it is held. After the request the objects find the exchange sealed.

#![deny(unsafe_code)]

mod body;
mod inner;

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::{Mutex, MutexGuard};
use pyo3::prelude::*;
use rsgi_bridge::abi::{self, level};
use rsgi_core::header::HeadBuffer;
use rsgi_core::logline::LineSplitter;

use crate::entry::{HostRef, RequestView};
use crate::meter::Meter;
use crate::{gate, process};

pub(crate) use body::{InputError, ReadFailure, Wanted};
pub(crate) use inner::Outgoing;

use body::HostBody;
use inner::Inner;

/// See the module.
#[derive(Default)]
pub(crate) struct Exchange {
    inner: Mutex<Inner>,
    errors: Mutex<LineSplitter>,
    /// Whether something of the request is kept in [`crate::tracked`].
    is_tracked: AtomicBool,
    /// Whether somebody is told what happens to the request.
    is_watched: AtomicBool,
    /// Whether a filter runs it for another request, which the thread is in as well.
    is_inner: AtomicBool,
}

/// Why nothing can be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    /// The request is over.
    Sealed,
    /// `start_response` was not called.
    NotStarted,
    /// The client is gone.
    Gone,
    /// The host failed.
    Failed,
}

/// Whether `start_response` may be called.
#[derive(Debug)]
pub(crate) enum Startable {
    /// Yes.
    Yes {
        /// It was called before.
        is_again: bool,
        /// Memory for the head, to be given back.
        spare: HeadBuffer,
    },
    /// Status and headers went out.
    Committed,
    /// The request is over.
    Sealed,
}

impl Exchange {
    /// Locks; waits detached.
    fn lock<'a>(&'a self, py: Python<'_>) -> MutexGuard<'a, Inner> {
        self.inner
            .try_lock()
            .unwrap_or_else(|| gate::outside(py, || self.inner.lock()))
    }

    /// Begins a request.
    pub(crate) fn begin(&self, py: Python<'_>, request: &RequestView<'_>, host: HostRef) {
        self.lock(py).begin(request, host);
        self.set_watched(false);
    }

    /// Whether `start_response` may be called now; then with memory for a new head.
    pub(crate) fn startable(&self, py: Python<'_>) -> Startable {
        let mut inner = self.lock(py);
        if inner.usable().is_none() {
            Startable::Sealed
        } else if inner.body.is_some() {
            Startable::Committed
        } else {
            Startable::Yes {
                is_again: !inner.head.is_empty(),
                spare: core::mem::take(&mut inner.spare),
            }
        }
    }

    /// Takes a new head, or only its memory.
    pub(crate) fn give_back(&self, py: Python<'_>, mut head: HeadBuffer, is_valid: bool) {
        let mut inner = self.lock(py);
        if is_valid && inner.body.is_none() {
            core::mem::swap(&mut inner.head, &mut head);
        }
        inner.spare = head;
    }

    /// Sends a block while the application still runs: first attached without waiting, then detached.
    pub(crate) fn emit(&self, py: Python<'_>, block: &[u8]) -> Result<(), Refusal> {
        let mut inner = self.lock(py);
        if inner.emit(block, abi::SEND_TRY)? {
            return Ok(());
        }
        let inner = &mut *inner;
        gate::outside(py, || inner.emit(block, 0)).map(drop)
    }

    /// Whether status and headers went out, or nothing more can.
    pub(crate) fn is_committed(&self, py: Python<'_>) -> bool {
        self.lock(py).body.is_some()
    }

    /// Whether `start_response` was called with success.
    pub(crate) fn is_started(&self, py: Python<'_>) -> bool {
        !self.lock(py).head.is_empty()
    }

    /// Whether the client went away, as far as sending or reading has shown.
    pub(crate) fn is_gone(&self, py: Python<'_>) -> bool {
        let inner = self.lock(py);
        inner.is_gone
            || inner.has_failed
            || inner.reader.error() == Some(ReadFailure(abi::READ_GONE))
    }

    /// How reading the body failed, if it did.
    pub(crate) fn read_failure(&self, py: Python<'_>) -> Option<ReadFailure> {
        self.lock(py).reader.error()
    }

    /// Reads from the body, detached unless all of it is here.
    pub(crate) fn read(&self, py: Python<'_>, wanted: Wanted) -> Result<Vec<u8>, InputError> {
        let mut inner = self.lock(py);
        let inner = &mut *inner;
        let host = inner.usable().ok_or(InputError::Sealed)?;
        let is_complete = inner.is_body_complete;
        let begun = inner.meter.is_some().then(Instant::now);
        let mut out = Vec::new();
        let reader = &mut inner.reader;
        let mut source = HostBody {
            host,
            prefix: &mut inner.prefix,
            is_complete,
        };
        let mut run = || match wanted {
            Wanted::Bytes(Some(0)) => reader.touch(&mut source),
            Wanted::Bytes(size) => reader.read(&mut source, size, &mut out),
            Wanted::Line(limit) => reader.read_line(&mut source, limit, &mut out),
        };
        let result = if is_complete {
            run()
        } else {
            gate::outside(py, run)
        };
        if let (Some(begun), Some(meter)) = (begun, &mut inner.meter) {
            meter.input.add(begun, 1, out.len() as u64);
        }
        result.map(|()| out).map_err(InputError::Failed)
    }

    /// Counts what the request reads and sends from now on.
    pub(crate) fn measure(&self, py: Python<'_>) {
        self.lock(py).meter = Some(Meter::default());
        self.set_watched(true);
    }

    /// What was counted.
    pub(crate) fn measured(&self, py: Python<'_>) -> Meter {
        self.lock(py).meter.unwrap_or_default()
    }

    /// From now on somebody is told what happens to the request, or nobody.
    pub(crate) fn set_watched(&self, is_watched: bool) {
        self.is_watched.store(is_watched, Ordering::Relaxed);
    }

    /// Whether somebody is told what happens to the request.
    pub(crate) fn is_watched(&self) -> bool {
        self.is_watched.load(Ordering::Relaxed)
    }

    /// A filter runs it for another request of the same thread, or not.
    pub(crate) fn set_inner(&self, is_inner: bool) {
        self.is_inner.store(is_inner, Ordering::Relaxed);
    }

    /// Whether a filter runs it for another request of the same thread.
    pub(crate) fn is_inner(&self) -> bool {
        self.is_inner.load(Ordering::Relaxed)
    }

    /// Something of the request is kept, or no longer.
    pub(crate) fn set_tracked(&self, is_tracked: bool) -> bool {
        self.is_tracked.swap(is_tracked, Ordering::Relaxed)
    }

    /// Whether something of the request is kept.
    pub(crate) fn is_tracked(&self) -> bool {
        self.is_tracked.load(Ordering::Relaxed)
    }

    /// The request's id by httpd.
    pub(crate) fn request_id(&self, py: Python<'_>) -> Option<Vec<u8>> {
        self.lock(py).request_id()
    }

    /// The status of the response; none before `start_response`.
    pub(crate) fn status(&self, py: Python<'_>) -> Option<u16> {
        let inner = self.lock(py);
        (!inner.head.is_empty()).then(|| inner.head.status())
    }

    /// Asks the request's owner something, as the only one who does; none where the request is over.
    pub(crate) fn while_open<R>(&self, py: Python<'_>, ask: impl FnOnce() -> R) -> Option<R> {
        let inner = self.lock(py);
        inner.usable().map(|_| ask())
    }

    /// Whether the connection is known to be encrypted; none where the request is over.
    pub(crate) fn is_https(&self, py: Python<'_>) -> Option<bool> {
        self.lock(py).usable().map(|host| host.is_https())
    }

    /// A variable of mod_ssl; none where the request is over.
    pub(crate) fn variable(&self, py: Python<'_>, name: &[u8]) -> Option<Option<Vec<u8>>> {
        self.lock(py).usable().map(|host| host.variable(name))
    }

    /// Whether a line of this level would be written for the request; none where it is over or its owner is in use
    /// elsewhere.
    pub(crate) fn log_enabled(&self, level: u32) -> Option<bool> {
        let host = self.inner.try_lock()?.usable()?;
        Some(host.log_enabled(level))
    }

    /// Logs what the application wrote at a place of its source, as [`Exchange::log`] does.
    pub(crate) fn log_at(&self, level: u32, line: &[u8], place: (&[u8], u32)) {
        match self.inner.try_lock() {
            Some(inner) if inner.host.is_some() => {
                if let Some(host) = inner.host {
                    host.log_at(level, line, place);
                }
            }
            _ => process::log(level, line),
        }
    }

    /// What the server as a whole does, by way of the request.
    pub(crate) fn server_metrics(&self, py: Python<'_>) -> Option<Vec<u8>> {
        let inner = self.lock(py);
        let host = inner.usable()?;
        gate::outside(py, move || host.server_metrics())
    }

    /// Logs for the request; where the host is in use elsewhere or the request is over, for the process.
    pub(crate) fn log(&self, level: u32, line: &[u8]) {
        match self.inner.try_lock() {
            Some(inner) if inner.host.is_some() => {
                if let Some(host) = inner.host {
                    host.log(level, line);
                }
            }
            _ => process::log(level, line),
        }
    }

    /// Takes what is written to `wsgi.errors`; false when the request is over.
    pub(crate) fn write_errors(&self, bytes: &[u8]) -> bool {
        // Taken elsewhere means that another thread uses the host: then the request is not over.
        if self
            .inner
            .try_lock()
            .is_some_and(|inner| inner.usable().is_none())
        {
            return false;
        }
        let lines = self.with_errors(|splitter, lines| {
            splitter.push(bytes, |line| lines.push(line.to_vec()));
        });
        for line in lines {
            self.log(level::ERROR, &line);
        }
        true
    }

    /// Logs the unfinished line of `wsgi.errors`.
    pub(crate) fn flush_errors(&self) {
        let lines = self.with_errors(|splitter, lines| {
            splitter.flush(|line| lines.push(line.to_vec()));
        });
        for line in lines {
            self.log(level::ERROR, &line);
        }
    }

    fn with_errors(&self, body: impl FnOnce(&mut LineSplitter, &mut Vec<Vec<u8>>)) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        body(&mut self.errors.lock(), &mut lines);
        lines
    }

    /// The path of the script; empty while another thread uses the host.
    pub(crate) fn script(&self) -> Vec<u8> {
        let inner = self.inner.try_lock();
        inner.map_or_else(Vec::new, |inner| inner.script.clone())
    }

    /// Closes the exchange to the application's objects; waits for a thread that uses it.
    pub(crate) fn seal(&self, py: Python<'_>) {
        self.lock(py).is_sealed = true;
        self.errors.lock().restart();
    }

    /// Sends what is left and the end, with these `SEND_*` flags in addition; none where that would wait. Call detached.
    pub(crate) fn finish(&self, outgoing: &Outgoing<'_>, flags: u32) -> Option<i32> {
        self.inner.lock().finish(outgoing, flags)
    }

    /// The same, attached.
    pub(crate) fn finish_attached(
        &self,
        py: Python<'_>,
        outgoing: &Outgoing<'_>,
        flags: u32,
    ) -> Option<i32> {
        self.lock(py).finish(outgoing, flags)
    }

    /// The result of `handle` for a response that cannot be completed. Call detached.
    pub(crate) fn cut(&self) -> i32 {
        self.inner.lock().outcome()
    }

    /// The same, attached.
    pub(crate) fn cut_attached(&self, py: Python<'_>) -> i32 {
        self.lock(py).outcome()
    }

    /// Forgets the host, which ends with `handle`. Call detached.
    pub(crate) fn close(&self) {
        self.inner.lock().close();
    }

    /// The same, attached.
    pub(crate) fn close_attached(&self, py: Python<'_>) {
        self.lock(py).close();
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<Exchange>>> = const { RefCell::new(None) };
}

/// Makes an exchange the one whose log takes what this thread prints; gives the one before.
pub(crate) fn set_current(exchange: Option<Arc<Exchange>>) -> Option<Arc<Exchange>> {
    // A thread that is being torn down prints to the process's log.
    CURRENT
        .try_with(|current| current.replace(exchange))
        .ok()
        .flatten()
}

/// Whether this thread runs a request.
pub(crate) fn has_current() -> bool {
    CURRENT
        .try_with(|current| current.borrow().is_some())
        .unwrap_or(false)
}

/// The exchange of the request that this thread runs.
pub(crate) fn current() -> Option<Arc<Exchange>> {
    CURRENT
        .try_with(|current| current.borrow().clone())
        .ok()
        .flatten()
}
