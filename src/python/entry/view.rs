//! What the host gave, as safe values: a request, its host, where requests come from.

use core::ffi::{c_int, c_void};
use core::ptr::NonNull;

use rsgi_bridge::abi::{self, Bytes, Constants, Field, Head, Host, Job, Request, Source, Target};
use rsgi_core::name::id;

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

/// The part of a body that came with the request.
#[derive(Clone, Copy)]
pub(crate) struct Prefix(
    // INVARIANT: alive as long as the request's [`HostRef`].
    Bytes,
);

// SAFETY: only read, and used under the same lock as the host.
unsafe impl Send for Prefix {}

impl Default for Prefix {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl Prefix {
    /// Nothing.
    pub(crate) const EMPTY: Self = Self(Bytes::EMPTY);

    /// Takes bytes from the front.
    pub(crate) fn take(&mut self, buffer: &mut [u8]) -> usize {
        // SAFETY: by the type's invariant.
        let bytes = unsafe { self.0.as_slice() };
        let count = bytes.len().min(buffer.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        self.0 = Bytes::new(&bytes[count..]);
        count
    }
}

/// What is to be run.
#[derive(Clone, Copy)]
pub(crate) struct TargetView<'r> {
    /// Empty for the main interpreter.
    pub(crate) application_group: &'r [u8],
    /// Path of the script.
    pub(crate) script: &'r [u8],
    /// Name of the callable.
    pub(crate) callable: &'r [u8],
    /// The requested file.
    pub(crate) resource: &'r [u8],
    /// As the host saw it.
    pub(crate) mtime: Option<i64>,
    /// Whether a changed script is loaded again.
    pub(crate) is_reloading: bool,
}

impl TargetView<'_> {
    /// # Safety
    /// The host keeps the memory behind `target` alive for `'r`.
    pub(super) unsafe fn new(target: &Target) -> Self {
        // SAFETY: the caller's promise, as for the next three.
        let application_group = unsafe { target.application_group.as_slice() };
        // SAFETY: see above.
        let script = unsafe { target.script.as_slice() };
        // SAFETY: see above.
        let callable = unsafe { target.callable.as_slice() };
        // SAFETY: see above.
        let resource = unsafe { target.resource.as_slice() };
        Self {
            application_group,
            script,
            callable,
            resource,
            mtime: (target.mtime != abi::MTIME_UNKNOWN).then_some(target.mtime),
            is_reloading: target.flags & abi::TARGET_RELOADING != 0,
        }
    }
}

/// An environ entry.
#[derive(Clone, Copy)]
pub(crate) struct FieldView<'r> {
    /// Id of a well-known key, or 0.
    pub(crate) id: u32,
    /// The key where the id is 0.
    pub(crate) name: &'r [u8],
    /// The value.
    pub(crate) value: &'r [u8],
}

/// Environ entries.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'r>(&'r [Field]);

impl<'r> Fields<'r> {
    /// # Safety
    /// `count` fields and what they name are alive for `'r`.
    const unsafe fn new(fields: *const Field, count: usize) -> Self {
        if count == 0 {
            return Self(&[]);
        }
        // SAFETY: the caller's promise.
        Self(unsafe { core::slice::from_raw_parts(fields, count) })
    }

    /// How many there are.
    pub(crate) const fn len(self) -> usize {
        self.0.len()
    }

    /// The entries in order.
    pub(crate) fn iter(self) -> impl Iterator<Item = FieldView<'r>> {
        self.0.iter().map(|field| {
            // SAFETY: alive for 'r, as `new` was promised.
            let name = unsafe { field.name.as_slice() };
            // SAFETY: see above.
            let value = unsafe { field.value.as_slice() };
            FieldView {
                id: field.id,
                name,
                value,
            }
        })
    }
}

/// A request as the host described it.
#[derive(Clone, Copy)]
pub(crate) struct RequestView<'r> {
    raw: &'r Request,
    /// What is to be run.
    pub(crate) target: TargetView<'r>,
}

impl<'r> RequestView<'r> {
    /// # Safety
    /// The request and all it names are alive for `'r`.
    pub(super) unsafe fn new(raw: &'r Request) -> Self {
        // SAFETY: the caller's promise.
        let target = unsafe { TargetView::new(&raw.target) };
        Self { raw, target }
    }

    /// The request's own entries.
    pub(crate) fn fields(&self) -> Fields<'r> {
        // SAFETY: alive for 'r, as `new` was promised.
        unsafe { Fields::new(self.raw.fields, self.raw.count) }
    }

    /// Number and entries of the constants; number 0 without them.
    pub(crate) fn constants(&self) -> (u64, Fields<'r>) {
        let constants: *const Constants = self.raw.constants;
        if constants.is_null() {
            return (0, Fields(&[]));
        }
        // SAFETY: alive for 'r, as `new` was promised.
        let constants = unsafe { &*constants };
        // SAFETY: see above.
        let fields = unsafe { Fields::new(constants.fields, constants.count) };
        (constants.id, fields)
    }

    /// The value of an entry that is the request's own or shared.
    pub(crate) fn value(&self, id: u32) -> Option<&'r [u8]> {
        let own = self.fields().iter().filter(|field| field.id == id).last();
        let found = own.or_else(|| self.constants().1.iter().find(|field| field.id == id));
        found.map(|field| field.value)
    }

    /// httpd's own structure, where the application is to have it.
    pub(crate) const fn apache_request(&self) -> Option<NonNull<c_void>> {
        NonNull::new(self.raw.apache_request)
    }

    /// The body that is already there.
    pub(crate) const fn prefix(&self) -> Prefix {
        Prefix(self.raw.body)
    }

    /// Whether a `REQUEST_*` bit is set.
    pub(crate) const fn has(&self, flag: u32) -> bool {
        self.raw.flags & flag != 0
    }

    /// When a daemon took it, in microseconds since the epoch, or 0.
    pub(crate) const fn daemon_start(&self) -> i64 {
        self.raw.daemon_start
    }

    /// The request, to be kept while it runs.
    pub(crate) const fn to_ref(self) -> RequestRef {
        RequestRef(core::ptr::from_ref(self.raw))
    }

    /// Microseconds since the epoch: the request's start, when it was queued, when a daemon took it.
    pub(crate) const fn starts(&self) -> [i64; 3] {
        [
            self.raw.request_start,
            self.raw.queue_start,
            self.raw.daemon_start,
        ]
    }

    /// Processes that it was given to, and how many of them were about to be replaced.
    pub(crate) const fn tries(&self) -> (u32, u32) {
        (self.raw.connects, self.raw.restarts)
    }

    /// Seconds since the epoch: the request's start, when it was queued, when a daemon took it.
    pub(crate) fn times(&self) -> [f64; 3] {
        self.starts().map(|micros| micros as f64 / 1e6)
    }
}

/// A running request, for those who know that it still runs.
#[derive(Clone, Copy)]
pub(crate) struct RequestRef(
    // INVARIANT: kept only under a lock that the request's end takes to forget it.
    *const Request,
);

// SAFETY: only read, which may happen anywhere while it is alive.
unsafe impl Send for RequestRef {}

impl RequestRef {
    /// It as the host described it.
    pub(crate) fn view(&self) -> RequestView<'_> {
        // SAFETY: by the invariant.
        let raw = unsafe { &*self.0 };
        // SAFETY: see above; all it names is alive as long.
        unsafe { RequestView::new(raw) }
    }

    /// httpd's id of it, if it has one.
    pub(crate) fn id(&self) -> Option<Vec<u8>> {
        // SAFETY: by the invariant.
        let raw = unsafe { &*self.0 };
        // SAFETY: see above; all it names is alive as long.
        let fields = unsafe { Fields::new(raw.fields, raw.count) };
        // The last one counts.
        let own = fields
            .iter()
            .filter(|field| field.id == id::MOD_WSGI_REQUEST_ID)
            .last();
        own.map(|field| field.value.to_vec())
    }
}

/// Blocks of a response, borrowed from objects that are kept until they were sent.
pub(crate) struct Blocks(pub(crate) Vec<Bytes>);

// SAFETY: only read, by one thread at a time; bytes of Python never change or move.
unsafe impl Send for Blocks {}

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
