//! One request and its response, as the objects that the application holds see it.
//!
//! Shared by `wsgi.input`, `start_response` and `wsgi.errors` of a request and the handler. Any thread of the
//! application may come; the lock lets one at a time use the host. It is never waited for with the GIL held, and no
//! Python code runs while it is held. After the request the objects find the exchange sealed.

#![deny(unsafe_code)]

use std::cell::RefCell;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use pyo3::prelude::*;
use rsgi_bridge::abi::{self, Bytes, Head, Header, level};
use rsgi_core::header::HeadBuffer;
use rsgi_core::input::{BodyReader, Source};
use rsgi_core::logline::LineSplitter;
use rsgi_core::response::{Body, Ending, head_length};

use crate::entry::{HostRef, Prefix, RequestView};
use crate::process;

/// See the module.
#[derive(Default)]
pub(crate) struct Exchange {
    inner: Mutex<Inner>,
    errors: Mutex<LineSplitter>,
}

/// Why a body gave no more: a `READ_*` code.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ReadFailure(pub(crate) isize);

impl ReadFailure {
    /// In words.
    pub(crate) const fn reason(self) -> &'static str {
        match self.0 {
            abi::READ_GONE => "the client closed the connection",
            abi::READ_TIMEOUT => "the client was too slow",
            abi::READ_TOO_LARGE => "the body is larger than LimitRequestBody allows",
            abi::READ_BAD => "the body's framing is broken",
            _ => "the body cannot be read",
        }
    }

    /// The status that says so to the client.
    pub(crate) const fn status(self) -> Option<i32> {
        match self.0 {
            abi::READ_TIMEOUT => Some(408),
            abi::READ_TOO_LARGE => Some(413),
            abi::READ_BAD => Some(400),
            _ => None,
        }
    }
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
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Startable {
    /// Yes; `is_again` when it was called before.
    Yes {
        /// It was called before.
        is_again: bool,
    },
    /// Status and headers went out.
    Committed,
    /// The request is over.
    Sealed,
}

/// The state behind the lock.
#[derive(Default)]
pub(crate) struct Inner {
    host: Option<HostRef>,
    is_sealed: bool,
    prefix: Prefix,
    is_body_complete: bool,
    reader: BodyReader<ReadFailure>,
    head: HeadBuffer,
    spare: HeadBuffer,
    body: Option<Body>,
    is_head: bool,
    is_ended: bool,
    is_gone: bool,
    has_failed: bool,
    script: Vec<u8>,
}

impl Default for Prefix {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// The body as the host gives it.
struct HostBody<'a> {
    host: HostRef,
    prefix: &'a mut Prefix,
    is_complete: bool,
}

impl Source for HostBody<'_> {
    type Error = ReadFailure;

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadFailure> {
        let count = self.prefix.take(buffer);
        if count > 0 || self.is_complete {
            return Ok(count);
        }
        let count = self.host.read(buffer);
        usize::try_from(count).map_err(|_| ReadFailure(count))
    }
}

/// What may be asked of a body.
#[derive(Clone, Copy)]
pub(crate) enum Wanted {
    /// So many bytes, or all.
    Bytes(Option<u64>),
    /// A line, of at most so many bytes.
    Line(Option<u64>),
}

/// Why `wsgi.input` gives nothing.
pub(crate) enum InputError {
    /// The request is over.
    Sealed,
    /// The body cannot be read.
    Failed(ReadFailure),
}

/// What is sent when the application is done.
pub(crate) enum Outgoing<'a> {
    /// Blocks, as one unit.
    Blocks(&'a [Bytes], Option<u64>),
    /// Part of a file.
    File {
        /// The descriptor.
        fd: i32,
        /// Where it begins.
        offset: u64,
        /// Bytes from there to the end of the file.
        available: u64,
    },
}

impl Inner {
    fn begin(&mut self, request: &RequestView<'_>, host: HostRef) {
        self.host = Some(host);
        self.is_sealed = false;
        self.prefix = request.prefix();
        self.is_body_complete = request.has(abi::REQUEST_BODY_COMPLETE);
        self.reader.reset();
        self.head.clear();
        self.body = None;
        self.is_head = request.has(abi::REQUEST_HEAD);
        self.is_ended = false;
        self.is_gone = false;
        self.has_failed = false;
        self.script.clear();
        self.script.extend_from_slice(request.target.script);
    }

    fn usable(&self) -> Option<HostRef> {
        self.host.filter(|_| !self.is_sealed)
    }

    fn new_body(&self, declared: Option<u64>) -> Body {
        Body::new(self.head.status(), declared, self.is_head)
    }

    /// Gives `body` to the host with the head when that has not gone out, and takes in the host's answer.
    fn pass(
        &mut self,
        host: HostRef,
        body: Body,
        known: Option<u64>,
        flags: u32,
        send: impl FnOnce(&HostRef, Option<&Head>) -> i32,
    ) -> i32 {
        let code = if self.body.is_some() {
            send(&host, None)
        } else {
            let headers: Vec<Header> = self
                .head
                .headers()
                .map(|(name, value)| Header {
                    name: Bytes::new(name),
                    value: Bytes::new(value),
                })
                .collect();
            let length = head_length(self.head.status(), self.head.content_length(), known);
            let head = Head {
                status: u32::from(self.head.status()),
                line: Bytes::new(self.head.line()),
                headers: headers.as_ptr(),
                count: headers.len(),
                content_length: length.and_then(|n| i64::try_from(n).ok()).unwrap_or(-1),
            };
            send(&host, Some(&head))
        };
        match code {
            abi::SEND_WOULD_BLOCK => return code,
            abi::SEND_OK => self.is_ended |= flags & abi::SEND_END != 0,
            abi::SEND_GONE => self.is_gone = true,
            _ => self.has_failed = true,
        }
        self.body = Some(body);
        code
    }

    /// Sends one block at once.
    fn emit(&mut self, block: &[u8], extra: u32) -> Result<bool, Refusal> {
        let host = self.usable().ok_or(Refusal::Sealed)?;
        self.check()?;
        if self.head.is_empty() {
            return Err(Refusal::NotStarted);
        }
        let mut body = self
            .body
            .unwrap_or_else(|| self.new_body(self.head.content_length()));
        let taken = body.take(block.len());
        if self.is_ended || (taken.send == 0 && self.body.is_some() && !taken.is_last) {
            return Ok(true);
        }
        let block = [Bytes::new(&block[..taken.send])];
        let blocks = &block[..usize::from(taken.send > 0)];
        let mut flags = extra;
        if taken.send > 0 {
            flags |= abi::SEND_FLUSH;
        }
        if taken.is_last {
            flags |= abi::SEND_FLUSH | abi::SEND_END;
        }
        let code = self.pass(host, body, None, flags, |host, head| {
            host.send(head, blocks, flags)
        });
        if code == abi::SEND_WOULD_BLOCK {
            return Ok(false);
        }
        self.check().map(|()| true)
    }

    fn check(&self) -> Result<(), Refusal> {
        match (self.is_gone, self.has_failed) {
            (true, _) => Err(Refusal::Gone),
            (_, true) => Err(Refusal::Failed),
            _ => Ok(()),
        }
    }

    /// Sends what is left and the end; the result of `handle`.
    fn finish(&mut self, outgoing: &Outgoing<'_>) -> i32 {
        let Some(host) = self.host else {
            return abi::HANDLED_TRUNCATED;
        };
        if !self.is_ended && self.check().is_ok() {
            match outgoing {
                Outgoing::Blocks(blocks, known) => self.finish_blocks(host, blocks, *known),
                Outgoing::File {
                    fd,
                    offset,
                    available,
                } => self.finish_file(host, *fd, *offset, *available),
            }
        }
        self.outcome()
    }

    fn outcome(&self) -> i32 {
        let is_gone = self.is_gone || self.reader.error() == Some(ReadFailure(abi::READ_GONE));
        match (self.is_ended, is_gone) {
            (true, _) => abi::HANDLED,
            (_, true) => abi::HANDLED_GONE,
            _ => abi::HANDLED_TRUNCATED,
        }
    }

    fn finish_blocks(&mut self, host: HostRef, blocks: &[Bytes], known: Option<u64>) {
        let mut body = self
            .body
            .unwrap_or_else(|| self.new_body(self.head.content_length()));
        let mut cut = Vec::new();
        let mut blocks = blocks;
        let total: usize = blocks.iter().map(|block| block.len).sum();
        let send = body.take(total).send;
        if send < total {
            let mut left = send;
            cut.extend(blocks.iter().map(|block| {
                let len = block.len.min(left);
                left -= len;
                Bytes { len, ..*block }
            }));
            cut.retain(|block| block.len > 0);
            blocks = &cut;
        }
        let flags = match body.end() {
            Ending::Complete => abi::SEND_FLUSH | abi::SEND_END,
            Ending::Short { missing } => {
                self.tell_short(host, missing);
                abi::SEND_FLUSH
            }
        };
        let is_idle = blocks.is_empty() && self.body.is_some() && flags & abi::SEND_END == 0;
        if !is_idle {
            self.pass(host, body, known, flags, |host, head| {
                host.send(head, blocks, flags)
            });
        }
    }

    fn finish_file(&mut self, host: HostRef, fd: i32, offset: u64, available: u64) {
        let declared = self.head.content_length();
        let mut body = self.new_body(Some(declared.unwrap_or(available)));
        let length = usize::try_from(available).unwrap_or(usize::MAX);
        let send = body.take(length).send;
        let flags = match body.end() {
            Ending::Complete => abi::SEND_FLUSH | abi::SEND_END,
            Ending::Short { missing } => {
                self.tell_short(host, missing);
                abi::SEND_FLUSH
            }
        };
        let (Ok(start), Ok(count)) = (i64::try_from(offset), i64::try_from(send)) else {
            self.has_failed = true;
            return;
        };
        self.pass(host, body, Some(available), flags, |host, head| {
            if send == 0 {
                host.send(head, &[], flags)
            } else {
                host.send_file(head, fd, (start, count), flags)
            }
        });
    }

    fn tell_short(&self, host: HostRef, missing: u64) {
        let line = format!(
            "The response is cut: {missing} bytes less than its Content-Length came from '{}'.",
            String::from_utf8_lossy(&self.script)
        );
        host.log(level::INFO, line.as_bytes());
    }
}

impl Exchange {
    /// Locks; waits detached.
    fn lock<'a>(&'a self, py: Python<'_>) -> MutexGuard<'a, Inner> {
        self.inner
            .try_lock()
            .unwrap_or_else(|| py.detach(|| self.inner.lock()))
    }

    /// Begins a request.
    pub(crate) fn begin(&self, py: Python<'_>, request: &RequestView<'_>, host: HostRef) {
        self.lock(py).begin(request, host);
    }

    /// Whether `start_response` may be called now.
    pub(crate) fn startable(&self, py: Python<'_>) -> Startable {
        let inner = self.lock(py);
        if inner.usable().is_none() {
            Startable::Sealed
        } else if inner.body.is_some() {
            Startable::Committed
        } else {
            Startable::Yes {
                is_again: !inner.head.is_empty(),
            }
        }
    }

    /// Memory for a new head.
    pub(crate) fn take_spare(&self, py: Python<'_>) -> HeadBuffer {
        core::mem::take(&mut self.lock(py).spare)
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
        py.detach(|| inner.emit(block, 0)).map(drop)
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
        let result = if is_complete { run() } else { py.detach(run) };
        result.map(|()| out).map_err(InputError::Failed)
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

    /// Sends what is left and the end. Call detached.
    pub(crate) fn finish(&self, outgoing: &Outgoing<'_>) -> i32 {
        self.inner.lock().finish(outgoing)
    }

    /// The result of `handle` for a response that cannot be completed. Call detached.
    pub(crate) fn cut(&self) -> i32 {
        self.inner.lock().outcome()
    }

    /// Forgets the host, which ends with `handle`. Call detached.
    pub(crate) fn close(&self) {
        let mut inner = self.inner.lock();
        inner.host = None;
        inner.is_sealed = true;
        inner.prefix = Prefix::EMPTY;
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<Exchange>>> = const { RefCell::new(None) };
}

/// Makes an exchange the one whose log takes what this thread prints.
pub(crate) fn set_current(exchange: Option<Arc<Exchange>>) {
    // A thread that is being torn down prints to the process's log.
    let before = CURRENT.try_with(|current| current.replace(exchange));
    drop(before);
}

/// The exchange of the request that this thread runs.
pub(crate) fn current() -> Option<Arc<Exchange>> {
    CURRENT
        .try_with(|current| current.borrow().clone())
        .ok()
        .flatten()
}
