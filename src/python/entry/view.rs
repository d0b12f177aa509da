//! What the host gave, as safe values: a request, what is to be run, its environ and its body.

use core::ffi::c_void;
use core::ptr::NonNull;

use rsgi_bridge::abi::{self, Bytes, Constants, Field, Request, Target};
use rsgi_core::name::id;

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
