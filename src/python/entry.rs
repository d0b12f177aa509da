//! The symbol that the host looks up, and the host's functions as safe values.
//!
//! Every function of the table stops panics, also those of a payload's drop.

use core::ffi::{c_int, c_void};

use rsgi_bridge::abi::{
    self, Bytes, Constants, ErrorText, Field, Head, Host, Layer, Process, Request, Start, Target,
};
use rsgi_bridge::fence::fence;

use crate::{handler, loader, panics, process, start};

static LAYER: Layer = Layer {
    abi: abi::ABI,
    size: size_of::<Layer>(),
    start: start_python,
    handle,
    load,
    stop,
    fault,
};

/// The layer's table, or null for a host of another ABI.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rsgi_python_layer(host_abi: u32) -> *const Layer {
    if host_abi == abi::ABI {
        &raw const LAYER
    } else {
        core::ptr::null()
    }
}

/// The host of one request.
#[derive(Clone, Copy)]
pub(crate) struct HostRef {
    // INVARIANT: both are what `handle` was given, and are used only until it returns (`Exchange::finish`).
    host: *const Host,
    context: *mut c_void,
}

// SAFETY: the exchange's lock lets one thread at a time use it, and `handle` does not return before.
unsafe impl Send for HostRef {}

impl HostRef {
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
    unsafe fn new(target: &Target) -> Self {
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
    unsafe fn new(raw: &'r Request) -> Self {
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

    /// The body that is already there.
    pub(crate) const fn prefix(&self) -> Prefix {
        Prefix(self.raw.body)
    }

    /// Whether a `REQUEST_*` bit is set.
    pub(crate) const fn has(&self, flag: u32) -> bool {
        self.raw.flags & flag != 0
    }

    /// Seconds since the epoch: the request's start, when it was queued, when a daemon took it.
    pub(crate) fn times(&self) -> [f64; 3] {
        [
            self.raw.request_start,
            self.raw.queue_start,
            self.raw.daemon_start,
        ]
        .map(|micros| micros as f64 / 1e6)
    }
}

/// Runs `body`; a panic is logged and becomes `fallback`.
fn fenced<R>(what: &str, host: Option<HostRef>, fallback: R, body: impl FnOnce() -> R) -> R {
    fence(body).unwrap_or_else(|message| {
        let place = panics::place();
        let line =
            format!("RSGI0300: a panic was stopped in the Python layer's {what}: {message}{place}");
        let logged = fence(|| match host {
            Some(host) => host.log(abi::level::ERROR, line.as_bytes()),
            None => process::log(abi::level::ERROR, line.as_bytes()),
        });
        drop(logged);
        fallback
    })
}

extern "C" fn start_python(
    options: *const Start,
    table: *const Process,
    error: *mut ErrorText,
) -> c_int {
    let outcome = fence(|| {
        // SAFETY: the host gives a live structure for the call.
        let options = unsafe { &*options };
        // SAFETY: see above.
        let table = unsafe { &*table };
        // SAFETY: see above; all it names is alive for the call.
        unsafe { start::start(options, table) }
    })
    .unwrap_or_else(|message| {
        Err(format!(
            "a panic was stopped in the Python layer: {message}"
        ))
    });
    let Err(reason) = outcome else { return 0 };
    // SAFETY: null or a live structure of the host's.
    if let Some(error) = unsafe { error.as_mut() } {
        let text = reason.as_bytes();
        let mut length = text.len().min(error.text.len());
        while !reason.is_char_boundary(length) {
            length -= 1;
        }
        error.text[..length].copy_from_slice(&text[..length]);
        error.len = length;
    }
    -1
}

extern "C" fn handle(request: *const Request, host: *const Host, context: *mut c_void) -> c_int {
    // INVARIANT: used until this function returns.
    let host = HostRef { host, context };
    fenced("handle", Some(host), abi::HANDLED_PANIC, || {
        // SAFETY: the host gives a live structure for the call.
        let request = unsafe { &*request };
        // SAFETY: see above; all it names is alive for the call.
        let request = unsafe { RequestView::new(request) };
        handler::handle(&request, host)
    })
}

extern "C" fn load(target: *const Target) -> c_int {
    fenced("load", None, -1, || {
        // SAFETY: the host gives a live structure for the call.
        let target = unsafe { &*target };
        // SAFETY: see above; all it names is alive for the call.
        let target = unsafe { TargetView::new(target) };
        if loader::load_ahead(&target) { 0 } else { -1 }
    })
}

extern "C" fn stop(patience: u32) {
    fenced("stop", None, (), || start::stop(patience));
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        std::panic::panic_any("dropped");
    }
}

extern "C" fn fault(kind: c_int) -> c_int {
    fenced("fault", None, abi::HANDLED_PANIC, || match kind {
        0 => panic!("injected fault {kind}"),
        1 => std::panic::panic_any(Bomb),
        _ => abi::HANDLED,
    })
}
