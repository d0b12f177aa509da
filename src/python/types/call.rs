//! A request while an application runs for it: the one place through which it is used.

use core::ptr;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rsgi_bridge::abi::Bytes;

use super::running::{self, Running};
use super::{Objects, adapter, input};

/// # Invariants
/// `running` is alive for as long as the value, which never leaves [`Call::run`].
pub(crate) struct Call {
    running: *mut Running,
}

impl Call {
    /// Runs `run` with the request as this thread's current one.
    pub(crate) fn run<R>(mut running: Running, run: impl FnOnce(&Self) -> R) -> R {
        let place = ptr::from_mut(&mut running);
        // SAFETY: alive until the end of this function.
        let _current = unsafe { &*place }.make_current();
        run(&Self { running: place })
    }

    /// Uses the request.
    ///
    /// # Errors
    /// It is in use by another thread, or `run`'s.
    pub(crate) fn with<R>(&self, run: impl FnOnce(&mut Running) -> PyResult<R>) -> PyResult<R> {
        // SAFETY: alive (type invariant); the callers are attached.
        unsafe { running::with(self.running, run) }
    }

    fn look<R>(&self, look: impl FnOnce(&Running) -> R) -> R {
        // SAFETY: alive (type invariant); attached, so that nobody changes it meanwhile.
        look(unsafe { &*self.running })
    }

    /// What belongs to the request's interpreter.
    pub(crate) fn objects(&self) -> &'static Objects {
        self.look(|running| running.objects)
    }

    /// The path of the script.
    pub(crate) fn script(&self) -> Vec<u8> {
        self.look(|running| running.script.clone())
    }

    /// Whether status and headers went out.
    pub(crate) fn is_committed(&self) -> bool {
        self.look(|running| running.is_committed)
    }

    /// Whether the client went away.
    pub(crate) fn is_gone(&self) -> bool {
        self.look(|running| running.is_gone)
    }

    /// Logs one line for the request.
    pub(crate) fn log(&self, level: u32, text: &[u8]) {
        self.look(|running| running.host.log(level, text));
    }

    /// `wsgi.input`; the caller ends it with [`super::end_input`].
    ///
    /// # Errors
    /// Out of memory.
    pub(crate) fn new_input<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        // SAFETY: the caller ends it before the request ends.
        unsafe { input::new_input(py, self.objects(), self.running) }
    }

    /// The request's adapter; the caller ends it with [`super::end_adapter`].
    ///
    /// # Errors
    /// Out of memory.
    pub(crate) fn new_adapter<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        // SAFETY: the caller ends it before the request ends.
        unsafe { adapter::new_adapter(py, self.objects(), self.running) }
    }
}

/// Uses the bytes of kept blocks, also detached: bytes never change, and the references keep them alive.
pub(crate) fn with_bytes<R>(blocks: &[Py<PyBytes>], run: impl FnOnce(&[Bytes]) -> R) -> R {
    // SAFETY: only used to reach immutable memory of objects that `blocks` keeps alive.
    let py = unsafe { Python::assume_attached() };
    let bytes: Vec<Bytes> = blocks
        .iter()
        .map(|block| Bytes::new(block.as_bytes(py)))
        .collect();
    run(&bytes)
}
