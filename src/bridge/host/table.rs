//! The functions that the layer calls, made for each type of host; they stop panics.

use core::ffi::{c_int, c_void};
use core::marker::PhantomData;
use core::ptr::NonNull;
use std::os::fd::BorrowedFd;

use super::{Blocks, HeadView, ReadError, RequestHost, SendFlags, Sent};
use crate::abi::{self, Bytes, level};
use crate::fence::fence;

/// What `ctx` points to while a request runs.
///
/// # Invariants
/// `host` is alive, and used through this alone, for as long as the layer may call.
pub(crate) struct Context<'h, H> {
    host: NonNull<H>,
    is_broken: bool,
    borrowed: PhantomData<&'h mut H>,
}

impl<'h, H: RequestHost> Context<'h, H> {
    /// The table that goes with a [`Context`] of this host.
    pub(crate) const TABLE: &'static abi::Host = &abi::Host {
        size: size_of::<abi::Host>(),
        send: send::<H>,
        send_file: send_file::<H>,
        read: read::<H>,
        log: log::<H>,
        is_https: is_https::<H>,
        variable: variable::<H>,
        log_enabled: log_enabled::<H>,
        log_at: log_at::<H>,
        server_metrics: server_metrics::<H>,
    };

    pub(crate) fn new(host: &'h mut H) -> Self {
        // INVARIANT: borrowed for as long as the context lives.
        Self {
            host: NonNull::from(host),
            is_broken: false,
            borrowed: PhantomData,
        }
    }

    /// A context for a host whose borrow the compiler cannot follow.
    ///
    /// # Safety
    /// The host stays where it is and is used through the context alone until the layer calls no more.
    pub(crate) unsafe fn detached(host: &mut H) -> Self {
        // INVARIANT: the caller's promise.
        Self {
            host: NonNull::from(host),
            is_broken: false,
            borrowed: PhantomData,
        }
    }

    fn host(&mut self) -> &mut H {
        // SAFETY: by the invariant.
        unsafe { self.host.as_mut() }
    }

    /// Runs one callback; after a panic this and every later one gives `fallback`.
    pub(crate) fn call<R>(&mut self, name: &str, fallback: R, body: impl FnOnce(&mut H) -> R) -> R {
        if self.is_broken {
            return fallback;
        }
        let host = self.host();
        match fence(|| body(host)) {
            Ok(result) => result,
            Err(message) => {
                self.is_broken = true;
                let line = format!("RSGI0900: panic stopped in `{name}` of the request: {message}");
                let host = self.host();
                // A log that panics as well has no place left to say so.
                let _ = fence(|| host.log(level::CRIT, line.as_bytes()));
                fallback
            }
        }
    }
}

/// The context behind a callback's `ctx`.
///
/// # Safety
/// `ctx` is null or the pointer that `Layer::handle` passed with `Context<H>`'s table, and `handle` has not
/// returned. The ABI has the layer call from that thread only, one call at a time.
pub(crate) unsafe fn context<'c, H>(ctx: *mut c_void) -> Option<&'c mut Context<'c, H>> {
    // SAFETY: the caller vouches for it.
    unsafe { ctx.cast::<Context<'c, H>>().as_mut() }
}

extern "C" fn send<H: RequestHost>(
    ctx: *mut c_void,
    head: *const abi::Head,
    blocks: *const Bytes,
    count: usize,
    flags: u32,
) -> c_int {
    // SAFETY: the layer passes on what `handle` was given.
    let Some(context) = (unsafe { context::<H>(ctx) }) else {
        return abi::SEND_FAILED;
    };
    // SAFETY: the ABI has the layer keep the head alive during the call.
    let head = unsafe { HeadView::from_raw(head) };
    // SAFETY: the ABI has the layer keep the blocks alive during the call.
    let blocks = unsafe { Blocks::from_raw(blocks, count) };
    let send = |host: &mut H| host.send(head, blocks, SendFlags(flags));
    context.call("send", Sent::Failed, send).code()
}

extern "C" fn send_file<H: RequestHost>(
    ctx: *mut c_void,
    head: *const abi::Head,
    fd: c_int,
    offset: i64,
    length: i64,
    flags: u32,
) -> c_int {
    // SAFETY: the layer passes on what `handle` was given.
    let Some(context) = (unsafe { context::<H>(ctx) }) else {
        return abi::SEND_FAILED;
    };
    let (Ok(offset), Ok(length)) = (u64::try_from(offset), u64::try_from(length)) else {
        return abi::SEND_FAILED;
    };
    if fd < 0 {
        return abi::SEND_FAILED;
    }
    // SAFETY: the ABI has the layer keep the head alive during the call.
    let head = unsafe { HeadView::from_raw(head) };
    // SAFETY: not negative, and the ABI has the layer keep it open during the call.
    let file = unsafe { BorrowedFd::borrow_raw(fd) };
    let send = |host: &mut H| host.send_file(head, file, offset, length, SendFlags(flags));
    context.call("send_file", Sent::Failed, send).code()
}

extern "C" fn read<H: RequestHost>(ctx: *mut c_void, buffer: *mut u8, capacity: usize) -> isize {
    // SAFETY: the layer passes on what `handle` was given.
    let Some(context) = (unsafe { context::<H>(ctx) }) else {
        return abi::READ_FAILED;
    };
    if buffer.is_null() || capacity == 0 {
        return abi::READ_FAILED;
    }
    // SAFETY: the layer owns `capacity` writable bytes there and leaves them alone during the call.
    let buffer = unsafe { core::slice::from_raw_parts_mut(buffer, capacity) };
    match context.call("read", Err(ReadError::Failed), |host| host.read(buffer)) {
        Ok(count) if count <= capacity => isize::try_from(count).unwrap_or(abi::READ_FAILED),
        Ok(_) => abi::READ_FAILED,
        Err(error) => error.code(),
    }
}

extern "C" fn log<H: RequestHost>(ctx: *mut c_void, level: u32, text: Bytes) {
    // SAFETY: the layer passes on what `handle` was given.
    let Some(context) = (unsafe { context::<H>(ctx) }) else {
        return;
    };
    // SAFETY: the ABI has the layer keep the text alive during the call.
    let text = unsafe { text.as_slice() };
    context.call("log", (), |host| host.log(level, text));
}

extern "C" fn is_https<H: RequestHost>(ctx: *mut c_void) -> c_int {
    // SAFETY: the layer passes on what `handle` was given.
    let Some(context) = (unsafe { context::<H>(ctx) }) else {
        return 0;
    };
    context.call("is_https", 0, |host| c_int::from(host.is_https()))
}

extern "C" fn variable<H: RequestHost>(ctx: *mut c_void, name: Bytes, value: *mut Bytes) -> c_int {
    // SAFETY: the layer passes on what `handle` was given.
    let Some(context) = (unsafe { context::<H>(ctx) }) else {
        return 0;
    };
    // SAFETY: the ABI has the layer keep the name alive during the call.
    let name = unsafe { name.as_slice() };
    let found = context.call("variable", None, |host| host.variable(name).map(Bytes::new));
    // SAFETY: null or a place of the layer's for the answer.
    match (found, unsafe { value.as_mut() }) {
        (Some(found), Some(place)) => {
            *place = found;
            1
        }
        _ => 0,
    }
}

extern "C" fn log_enabled<H: RequestHost>(ctx: *mut c_void, level: u32) -> c_int {
    // SAFETY: the layer passes on what `handle` was given.
    let Some(context) = (unsafe { context::<H>(ctx) }) else {
        return 0;
    };
    context.call("log_enabled", 0, |host| {
        c_int::from(host.log_enabled(level))
    })
}

extern "C" fn log_at<H: RequestHost>(
    ctx: *mut c_void,
    level: u32,
    text: Bytes,
    source: Bytes,
    line: u32,
) {
    // SAFETY: the layer passes on what `handle` was given.
    let Some(context) = (unsafe { context::<H>(ctx) }) else {
        return;
    };
    // SAFETY: the ABI has the layer keep the text alive during the call.
    let text = unsafe { text.as_slice() };
    // SAFETY: as above.
    let source = unsafe { source.as_slice() };
    context.call("log_at", (), |host| host.log_at(level, text, source, line));
}

extern "C" fn server_metrics<H: RequestHost>(
    ctx: *mut c_void,
    place: *mut c_void,
    take: extern "C" fn(*mut c_void, Bytes),
) -> c_int {
    // SAFETY: the layer passes on what `handle` was given.
    let Some(context) = (unsafe { context::<H>(ctx) }) else {
        return 0;
    };
    match context.call("server_metrics", None, H::server_metrics) {
        Some(text) => {
            take(place, Bytes::new(text.as_bytes()));
            1
        }
        None => 0,
    }
}
