//! Whom the layer calls back, as safe values: the host of a request, and the source that a worker's requests come from.

use core::ffi::{c_int, c_void};

use rsgi_bridge::abi::{self, Bytes, Head, Host, Job, Request, Source};

use super::view::RequestView;

/// The host of one request.
#[derive(Clone, Copy)]
pub(crate) struct HostRef {
    // INVARIANT: both are what `handle` or a job was given with, and are used only until it is over (`Exchange::close`).
    host: *const Host,
    context: *mut c_void,
}

// SAFETY: the exchange's lock lets one thread at a time use it, and `handle` does not return before.
unsafe impl Send for HostRef {}

impl HostRef {
    /// The host may be used until `handle` returns, or until the source's `done`.
    pub(super) const fn new(host: *const Host, context: *mut c_void) -> Self {
        Self { host, context }
    }

    fn table(&self) -> &Host {
        // SAFETY: by the type's invariant.
        unsafe { &*self.host }
    }

    /// See [`Host::send`].
    pub(crate) fn send(&self, head: Option<&Head>, blocks: &[Bytes], flags: u32) -> c_int {
        let head = head.map_or(core::ptr::null(), core::ptr::from_ref);
        (self.table().send)(self.context, head, blocks.as_ptr(), blocks.len(), flags)
    }

    /// See [`Host::send_file`].
    pub(crate) fn send_file(
        &self,
        head: Option<&Head>,
        fd: c_int,
        (offset, length): (i64, i64),
        flags: u32,
    ) -> c_int {
        let head = head.map_or(core::ptr::null(), core::ptr::from_ref);
        (self.table().send_file)(self.context, head, fd, offset, length, flags)
    }

    /// See [`Host::read`].
    pub(crate) fn read(&self, buffer: &mut [u8]) -> isize {
        (self.table().read)(self.context, buffer.as_mut_ptr(), buffer.len())
    }

    /// See [`Host::is_https`].
    pub(crate) fn is_https(&self) -> bool {
        (self.table().is_https)(self.context) != 0
    }

    /// See [`Host::variable`].
    pub(crate) fn variable(&self, name: &[u8]) -> Option<Vec<u8>> {
        let mut value = Bytes::EMPTY;
        let code = (self.table().variable)(self.context, Bytes::new(name), &raw mut value);
        // SAFETY: the host keeps the value as it is until its next call.
        (code == 1).then(|| unsafe { value.as_slice() }.to_vec())
    }

    /// See [`Host::log_enabled`].
    pub(crate) fn log_enabled(&self, level: u32) -> bool {
        (self.table().log_enabled)(self.context, level) != 0
    }

    /// See [`Host::log_at`].
    pub(crate) fn log_at(&self, level: u32, text: &[u8], (source, line): (&[u8], u32)) {
        let (text, source) = (Bytes::new(text), Bytes::new(source));
        (self.table().log_at)(self.context, level, text, source, line);
    }

    /// See [`Host::server_metrics`].
    pub(crate) fn server_metrics(&self) -> Option<Vec<u8>> {
        let mut text: Vec<u8> = Vec::new();
        let place = (&raw mut text).cast();
        let is_known = (self.table().server_metrics)(self.context, place, super::take_text);
        (is_known != 0).then_some(text)
    }

    /// See [`Host::log`].
    pub(crate) fn log(&self, level: u32, text: &[u8]) {
        (self.table().log)(self.context, level, Bytes::new(text));
    }
}

/// What a source has.
pub(crate) enum Next {
    /// A request.
    Ready(Taken),
    /// None now.
    None,
    /// The worker is to leave.
    End,
}

/// A request that was taken from a source.
#[derive(Clone, Copy)]
pub(crate) struct Taken {
    // INVARIANT: alive until the source's `done`.
    request: *const Request,
    /// Its host.
    pub(crate) host: HostRef,
}

impl Taken {
    /// The request.
    pub(crate) fn view(&self) -> RequestView<'_> {
        // SAFETY: by the invariant; a `Taken` is not kept beyond `done`.
        let request = unsafe { &*self.request };
        // SAFETY: see above; all it names is alive as long.
        unsafe { RequestView::new(request) }
    }
}

/// Where a worker's requests come from.
#[derive(Clone, Copy)]
pub(crate) struct SourceRef {
    // INVARIANT: both are what `serve` was given, and are used only by its thread until it returns.
    source: *const Source,
    context: *mut c_void,
}

impl SourceRef {
    pub(super) const fn new(source: *const Source, context: *mut c_void) -> Self {
        Self { source, context }
    }

    fn table(&self) -> &Source {
        // SAFETY: by the type's invariant.
        unsafe { &*self.source }
    }

    /// See [`Source::next`].
    pub(crate) fn next(&self, flags: u32) -> Next {
        let mut job = Job {
            request: core::ptr::null(),
            host: core::ptr::null(),
            ctx: core::ptr::null_mut(),
        };
        match (self.table().next)(self.context, flags, &raw mut job) {
            abi::NEXT_READY => Next::Ready(Taken {
                request: job.request,
                host: HostRef::new(job.host, job.ctx),
            }),
            abi::NEXT_NONE => Next::None,
            _ => Next::End,
        }
    }

    /// See [`Source::done`]; false where it would have to wait.
    pub(crate) fn done(&self, outcome: i32, flags: u32) -> bool {
        (self.table().done)(self.context, outcome, flags) != abi::SEND_WOULD_BLOCK
    }
}
