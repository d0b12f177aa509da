//! The host's callbacks and the request, as values that need no unsafe code to use.

use core::ffi::{c_int, c_void};
use core::slice;

use rsgi_bridge::abi::{self, Bytes};
use rsgi_core::name::NameId;

/// The callbacks of the request that runs on this thread.
///
/// # Invariants
/// `host` and `ctx` are what the host passed to `handle`, which has not returned.
#[derive(Clone, Copy)]
pub(crate) struct HostCalls {
    host: *const abi::Host,
    ctx: *mut c_void,
}

impl HostCalls {
    /// # Safety
    /// `host` is the host's table and `ctx` its context, alive until the last use of the value.
    pub(super) unsafe fn new(host: *const abi::Host, ctx: *mut c_void) -> Self {
        // INVARIANT: the caller's promise.
        Self { host, ctx }
    }

    fn table(&self) -> &abi::Host {
        // SAFETY: alive (type invariant).
        unsafe { &*self.host }
    }

    /// Sends blocks: a `SEND_*` code.
    pub(crate) fn send(&self, head: Option<&abi::Head>, blocks: &[Bytes], flags: u32) -> c_int {
        let head = head.map_or(core::ptr::null(), core::ptr::from_ref);
        (self.table().send)(self.ctx, head, blocks.as_ptr(), blocks.len(), flags)
    }

    /// Sends part of a file: a `SEND_*` code.
    pub(crate) fn send_file(
        &self,
        head: Option<&abi::Head>,
        fd: c_int,
        offset: i64,
        length: i64,
        flags: u32,
    ) -> c_int {
        let head = head.map_or(core::ptr::null(), core::ptr::from_ref);
        (self.table().send_file)(self.ctx, head, fd, offset, length, flags)
    }

    /// Reads the body: a count, 0 at its end, or a `READ_*` code.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> isize {
        (self.table().read)(self.ctx, buffer.as_mut_ptr(), buffer.len())
    }

    /// Logs one line for the request.
    pub(crate) fn log(&self, level: u32, text: &[u8]) {
        (self.table().log)(self.ctx, level, Bytes::new(text));
    }
}

/// What is to be run.
#[derive(Clone, Copy)]
pub(crate) struct TargetView<'a> {
    pub(crate) application_group: &'a [u8],
    pub(crate) script: &'a [u8],
    pub(crate) callable: &'a [u8],
    pub(crate) resource: &'a [u8],
    /// Microseconds since the epoch, where the host knows it.
    pub(crate) mtime: Option<i64>,
    pub(crate) is_reloading: bool,
}

impl<'a> TargetView<'a> {
    /// # Safety
    /// What the target points to is alive and unchanged for `'a`.
    pub(super) unsafe fn new(target: &'a abi::Target) -> Self {
        let bytes = |bytes: Bytes| {
            // SAFETY: alive for 'a (caller).
            unsafe { bytes.as_slice() }
        };
        Self {
            application_group: bytes(target.application_group),
            script: bytes(target.script),
            callable: bytes(target.callable),
            resource: bytes(target.resource),
            mtime: (target.mtime != abi::MTIME_UNKNOWN).then_some(target.mtime),
            is_reloading: target.flags & abi::TARGET_RELOADING != 0,
        }
    }
}

/// One request.
#[derive(Clone, Copy)]
pub(crate) struct RequestView<'a> {
    pub(crate) target: TargetView<'a>,
    raw: &'a abi::Request,
}

impl<'a> RequestView<'a> {
    /// # Safety
    /// What the request points to is alive and unchanged for `'a`.
    pub(super) unsafe fn new(raw: &'a abi::Request) -> Self {
        // SAFETY: the caller's promise.
        let target = unsafe { TargetView::new(&raw.target) };
        Self { target, raw }
    }

    /// Whether a `REQUEST_*` bit is set.
    pub(crate) fn has(&self, bit: u32) -> bool {
        self.raw.flags & bit != 0
    }

    /// What was read of the body.
    pub(crate) fn body(&self) -> &'a [u8] {
        // SAFETY: alive for 'a (`new`).
        unsafe { self.raw.body.as_slice() }
    }

    /// When Apache read the request line, in microseconds since the epoch.
    pub(crate) fn start(&self) -> i64 {
        self.raw.request_start
    }

    /// When it was queued for a daemon and taken by it, 0 when embedded.
    pub(crate) fn daemon_times(&self) -> (i64, i64) {
        (self.raw.queue_start, self.raw.daemon_start)
    }

    /// The entries of this request.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (NameId, &'a [u8], &'a [u8])> + use<'a> {
        entries(self.raw.fields, self.raw.count)
    }

    /// The id and the entries of what it shares with others.
    pub(crate) fn constants(
        &self,
    ) -> Option<(
        u64,
        impl Iterator<Item = (NameId, &'a [u8], &'a [u8])> + use<'a>,
    )> {
        // SAFETY: null or alive for 'a (`new`).
        let constants = unsafe { self.raw.constants.as_ref() }?;
        Some((constants.id, entries(constants.fields, constants.count)))
    }
}

/// The entries of an array that is alive for `'a`.
fn entries<'a>(
    fields: *const abi::Field,
    count: usize,
) -> impl Iterator<Item = (NameId, &'a [u8], &'a [u8])> {
    // SAFETY: the views' `new` vouch for pointer, count and lifetime.
    let fields: &'a [abi::Field] = if count == 0 {
        &[]
    } else {
        unsafe { slice::from_raw_parts(fields, count) }
    };
    fields.iter().map(|field| {
        // SAFETY: alive for 'a, as the array is.
        let name = unsafe { field.name.as_slice() };
        // SAFETY: as above.
        let value = unsafe { field.value.as_slice() };
        (field.id, name, value)
    })
}
