//! The request that an application runs for: what `start_response`, `write` and `wsgi.input` work on.
//!
//! It lives on the stack of the handler. Python objects point to it until the request ends, when their pointers are
//! taken away, so that anything kept for later raises RuntimeError instead.

use core::cell::Cell;
use core::ffi::c_int;
use core::ptr;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use rsgi_bridge::abi::{self, Bytes};
use rsgi_core::input::Reader;
use rsgi_core::response::BodyPlan;

use super::Objects;
use crate::entry::HostCalls;
use crate::interpreter::detached;

/// Status and headers as `start_response` left them.
#[derive(Default)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) line: Vec<u8>,
    pub(crate) headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) declared: Option<u64>,
}

/// What became of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Ok,
    Gone,
    Failed,
}

/// A request in an application.
pub(crate) struct Running {
    pub(crate) host: HostCalls,
    pub(crate) objects: &'static Objects,
    pub(crate) script: Vec<u8>,
    pub(crate) is_head: bool,
    pub(crate) reader: Reader,
    /// The body could not be read: every later read says so again.
    pub(crate) read_failed: Option<&'static str>,
    pub(crate) was_read: bool,
    pub(crate) head: Option<Head>,
    pub(crate) plan: Option<BodyPlan>,
    /// Status and headers went out.
    pub(crate) is_committed: bool,
    /// The end went out.
    pub(crate) is_ended: bool,
    pub(crate) is_gone: bool,
    is_busy: Cell<bool>,
}

thread_local! {
    /// The request that runs on this thread.
    static CURRENT: Cell<*const Running> = const { Cell::new(ptr::null()) };
}

/// Logs a line for the request on this thread; false when there is none.
pub(crate) fn log_to_current(level: u32, text: &[u8]) -> bool {
    let current = CURRENT.get();
    if current.is_null() {
        return false;
    }
    // SAFETY: set by `Running::make_current` for as long as the request is on this thread's stack; `host` is never
    // changed.
    let host = unsafe { (*current).host };
    host.log(level, text);
    true
}

/// Makes a request this thread's current one until it drops.
pub(crate) struct Currency(*const Running);

impl Drop for Currency {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

impl Running {
    /// A request of which nothing was read and for which nothing was sent.
    pub(crate) fn new(
        host: HostCalls,
        objects: &'static Objects,
        script: &[u8],
        is_head: bool,
        reader: Reader,
    ) -> Self {
        Self {
            host,
            objects,
            script: script.to_vec(),
            is_head,
            reader,
            read_failed: None,
            was_read: false,
            head: None,
            plan: None,
            is_committed: false,
            is_ended: false,
            is_gone: false,
            is_busy: Cell::new(false),
        }
    }

    /// Sends this thread's log lines to the request's log.
    pub(crate) fn make_current(&self) -> Currency {
        Currency(CURRENT.replace(ptr::from_ref(self)))
    }

    /// Takes the declared length as the body's measure; at the first block.
    fn plan(&mut self) -> PyResult<&mut BodyPlan> {
        let Some(head) = &self.head else {
            return Err(PyRuntimeError::new_err("response has not been started"));
        };
        Ok(self
            .plan
            .get_or_insert_with(|| BodyPlan::new(head.status, head.declared, self.is_head)))
    }

    /// Sends one block and has it on the network before it returns.
    ///
    /// # Errors
    /// No status was given yet.
    pub(crate) fn send_block(&mut self, py: Python<'_>, block: &[u8]) -> PyResult<Sent> {
        let admitted = self.plan()?.admit(block.len());
        let has_more = !self.plan()?.is_full();
        if self.is_ended || self.is_committed && admitted == 0 {
            return Ok(if self.is_gone { Sent::Gone } else { Sent::Ok });
        }
        let mut flags = abi::SEND_FLUSH;
        if !has_more {
            flags |= abi::SEND_END;
        }
        let blocks = [Bytes::new(&block[..admitted])];
        let mut code = self.host_send(&blocks, flags | abi::SEND_TRY);
        if code == abi::SEND_WOULD_BLOCK {
            code = detached(py, || self.host_send(&blocks, flags));
        }
        self.is_committed = true;
        self.is_ended |= !has_more;
        Ok(self.sent(code))
    }

    /// Hands blocks to the host, with the head if it has not gone out.
    pub(crate) fn host_send(&self, blocks: &[Bytes], flags: u32) -> c_int {
        if self.is_committed {
            return self.host.send(None, blocks, flags);
        }
        let Some(head) = &self.head else {
            return abi::SEND_FAILED;
        };
        with_head(head, |raw| self.host.send(Some(raw), blocks, flags))
    }

    /// Sends part of a file, with the head, as the whole body.
    pub(crate) fn send_file(
        &mut self,
        py: Python<'_>,
        fd: c_int,
        offset: i64,
        length: i64,
        flags: u32,
    ) -> Sent {
        let code = match &self.head {
            Some(head) => with_head(head, |raw| {
                detached(py, || {
                    self.host.send_file(Some(raw), fd, offset, length, flags)
                })
            }),
            None => abi::SEND_FAILED,
        };
        self.is_committed = true;
        self.is_ended = flags & abi::SEND_END != 0;
        self.sent(code)
    }

    pub(crate) fn sent(&mut self, code: c_int) -> Sent {
        match code {
            abi::SEND_OK => Sent::Ok,
            abi::SEND_GONE => {
                self.is_gone = true;
                Sent::Gone
            }
            _ => Sent::Failed,
        }
    }
}

/// The head as the bridge wants it.
pub(crate) fn with_head<R>(head: &Head, run: impl FnOnce(&abi::Head) -> R) -> R {
    let headers: Vec<abi::Header> = head
        .headers
        .iter()
        .map(|(name, value)| abi::Header {
            name: Bytes::new(name),
            value: Bytes::new(value),
        })
        .collect();
    run(&abi::Head {
        status: u32::from(head.status),
        line: Bytes::new(&head.line),
        headers: headers.as_ptr(),
        count: headers.len(),
        content_length: head
            .declared
            .and_then(|length| i64::try_from(length).ok())
            .unwrap_or(-1),
    })
}

/// Uses the request that a Python object points to.
///
/// # Errors
/// The request has ended, or another thread is using it.
///
/// # Safety
/// `running` is null, or points to a request that has not ended; attached.
pub(crate) unsafe fn with<R>(
    running: *mut Running,
    run: impl FnOnce(&mut Running) -> PyResult<R>,
) -> PyResult<R> {
    struct Free(*mut Running);
    impl Drop for Free {
        fn drop(&mut self) {
            // SAFETY: the request cannot end while one of its methods runs on its behalf.
            unsafe { (*self.0).is_busy.set(false) };
        }
    }
    if running.is_null() {
        return Err(PyRuntimeError::new_err("request object has expired"));
    }
    // SAFETY: live (caller); the GIL orders this test and set.
    if unsafe { (*running).is_busy.replace(true) } {
        return Err(PyRuntimeError::new_err(
            "request object is in use by another thread",
        ));
    }
    let _free = Free(running);
    // SAFETY: live (caller), and the flag keeps every other use away.
    run(unsafe { &mut *running })
}
