//! The host's callbacks as a safe trait.
//!
//! Whoever owns a request (an Apache child, a daemon) implements [`RequestHost`]; the trampolines here are what
//! the layer calls through the ABI. A panic in an implementation is stopped, logged to the same request, and
//! every later call for it is refused.

use core::ffi::{c_int, c_void};
use std::os::fd::BorrowedFd;

use crate::abi::{self, Bytes, level};
use crate::fence::fence;

/// What the owner of a request does for the application. All calls come on the thread that called
/// [`crate::layer::Layer::handle`].
pub trait RequestHost {
    /// Sends blocks as one unit; `head` comes exactly once, with the first send of any kind.
    fn send(&mut self, head: Option<HeadView<'_>>, blocks: Blocks<'_>, flags: SendFlags) -> Sent;

    /// Sends `length` bytes of a regular file from `offset`; the file position is not to be moved.
    fn send_file(
        &mut self,
        head: Option<HeadView<'_>>,
        file: BorrowedFd<'_>,
        offset: u64,
        length: u64,
        flags: SendFlags,
    ) -> Sent;

    /// Reads at least one byte of the body unless it has ended; 0 is the end. The buffer's contents before the
    /// call mean nothing and are only to be written.
    ///
    /// # Errors
    /// Why there is no more of the body.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError>;

    /// Logs one line for the request; `level` is one of [`abi::level`].
    fn log(&mut self, level: u32, text: &[u8]);
}

/// What became of a send.
#[must_use]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sent {
    /// Everything was taken.
    Ok,
    /// Nothing was taken: it might wait, and [`SendFlags::is_try`] was asked.
    WouldBlock,
    /// The client is gone.
    Gone,
    /// Refused for another reason, already logged.
    Failed,
}

impl Sent {
    const fn code(self) -> c_int {
        match self {
            Self::Ok => abi::SEND_OK,
            Self::WouldBlock => abi::SEND_WOULD_BLOCK,
            Self::Gone => abi::SEND_GONE,
            Self::Failed => abi::SEND_FAILED,
        }
    }
}

/// Why a read gave nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ReadError {
    /// The client went away.
    #[error("the client went away")]
    Gone,
    /// The client was too slow.
    #[error("the client was too slow")]
    Timeout,
    /// The body is larger than allowed.
    #[error("the body is too large")]
    TooLarge,
    /// The framing of the body is broken.
    #[error("the framing of the body is broken")]
    Bad,
    /// Anything else.
    #[error("the body cannot be read")]
    Failed,
}

impl ReadError {
    const fn code(self) -> isize {
        match self {
            Self::Gone => abi::READ_GONE,
            Self::Timeout => abi::READ_TIMEOUT,
            Self::TooLarge => abi::READ_TOO_LARGE,
            Self::Bad => abi::READ_BAD,
            Self::Failed => abi::READ_FAILED,
        }
    }
}

/// How a request ended in the layer.
#[must_use]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The response is complete.
    Handled,
    /// The head was sent but the response cannot be completed: cut the connection.
    Truncated,
    /// The client went away.
    Gone,
    /// A panic was stopped in the layer; nothing is known about what was sent.
    Panicked,
    /// Nothing was sent; answer with this HTTP status.
    Status(u16),
}

impl Outcome {
    /// From the code that `handle` returned. One that the ABI does not know counts as a panic.
    pub(crate) fn from_code(code: c_int) -> Self {
        match code {
            abi::HANDLED => Self::Handled,
            abi::HANDLED_TRUNCATED => Self::Truncated,
            abi::HANDLED_GONE => Self::Gone,
            100..=999 => u16::try_from(code).map_or(Self::Panicked, Self::Status),
            _ => Self::Panicked,
        }
    }
}

/// How a send is to be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SendFlags(u32);

impl SendFlags {
    /// From `SEND_*` bits of [`abi`].
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// What is given ends the response.
    #[must_use]
    pub const fn is_end(self) -> bool {
        self.0 & abi::SEND_END != 0
    }

    /// It is to be on the network when the call returns.
    #[must_use]
    pub const fn is_flush(self) -> bool {
        self.0 & abi::SEND_FLUSH != 0
    }

    /// The caller holds the GIL: answer [`Sent::WouldBlock`] unless certain not to wait.
    #[must_use]
    pub const fn is_try(self) -> bool {
        self.0 & abi::SEND_TRY != 0
    }

    /// The kernel may send the file itself.
    #[must_use]
    pub const fn may_sendfile(self) -> bool {
        self.0 & abi::SEND_SENDFILE != 0
    }
}

/// Status and headers of a response.
///
/// # Invariants
/// What the structure points to is alive for `'a`.
#[derive(Clone, Copy, Debug)]
pub struct HeadView<'a>(&'a abi::Head);

impl<'a> HeadView<'a> {
    /// # Safety
    /// `head` is null, or it and all that it points to are alive and unchanged for `'a`.
    #[must_use]
    pub unsafe fn from_raw(head: *const abi::Head) -> Option<Self> {
        // SAFETY: the caller vouches for pointer and lifetime.
        let head = unsafe { head.as_ref() };
        // INVARIANT: the caller vouches for what it points to.
        head.map(Self)
    }

    /// The status code.
    #[must_use]
    pub fn status(self) -> u16 {
        u16::try_from(self.0.status).unwrap_or(500)
    }

    /// The application's whole status string.
    #[must_use]
    pub fn line(self) -> &'a [u8] {
        // SAFETY: alive for 'a by the invariant.
        unsafe { self.0.line.as_slice() }
    }

    /// Names and values in the application's order, without Content-Length.
    pub fn headers(self) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> {
        // SAFETY: `headers` has `count` items, alive for 'a by the invariant.
        let headers = unsafe { slice(self.0.headers, self.0.count) };
        headers.iter().map(|header| {
            // SAFETY: alive for 'a by the invariant.
            let name = unsafe { header.name.as_slice() };
            // SAFETY: as above.
            let value = unsafe { header.value.as_slice() };
            (name, value)
        })
    }

    /// Declared or known length of the body.
    #[must_use]
    pub fn content_length(self) -> Option<u64> {
        u64::try_from(self.0.content_length).ok()
    }
}

/// The blocks of one send.
///
/// # Invariants
/// Each item's memory is alive for `'a`.
#[derive(Clone, Copy, Debug)]
pub struct Blocks<'a>(&'a [Bytes]);

impl<'a> Blocks<'a> {
    /// # Safety
    /// `blocks` points to `count` items, or anything when `count` is 0; they and their memory are alive and
    /// unchanged for `'a`.
    #[must_use]
    pub unsafe fn from_raw(blocks: *const Bytes, count: usize) -> Self {
        // SAFETY: the caller vouches for pointer, count and lifetime.
        let blocks = unsafe { slice(blocks, count) };
        // INVARIANT: the caller vouches for the items' memory.
        Self(blocks)
    }

    /// How many blocks there are.
    #[must_use]
    pub fn count(self) -> usize {
        self.0.len()
    }

    /// Length of all blocks together.
    #[must_use]
    pub fn total(self) -> usize {
        self.0
            .iter()
            .fold(0, |sum, block| sum.saturating_add(block.len))
    }

    /// The blocks in order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone {
        self.0.iter().map(|block| {
            // SAFETY: alive for 'a by the invariant.
            unsafe { block.as_slice() }
        })
    }
}

impl<'a> IntoIterator for Blocks<'a> {
    type Item = &'a [u8];
    type IntoIter = core::iter::Map<core::slice::Iter<'a, Bytes>, fn(&'a Bytes) -> &'a [u8]>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|block| {
            // SAFETY: alive for 'a by the invariant.
            unsafe { block.as_slice() }
        })
    }
}

/// A slice from a pointer that may be anything when `count` is 0.
///
/// # Safety
/// `first` points to `count` items that are alive and unchanged for `'a`.
unsafe fn slice<'a, T>(first: *const T, count: usize) -> &'a [T] {
    if count == 0 || first.is_null() {
        return &[];
    }
    // SAFETY: the caller vouches for it.
    unsafe { core::slice::from_raw_parts(first, count) }
}

/// What `ctx` points to during a call of `handle`.
pub(crate) struct Context<'h, H> {
    host: &'h mut H,
    is_broken: bool,
}

impl<'h, H: RequestHost> Context<'h, H> {
    /// The table that goes with a [`Context`] of this host.
    pub(crate) const TABLE: &'static abi::Host = &abi::Host {
        size: size_of::<abi::Host>(),
        send: send::<H>,
        send_file: send_file::<H>,
        read: read::<H>,
        log: log::<H>,
    };

    pub(crate) fn new(host: &'h mut H) -> Self {
        Self {
            host,
            is_broken: false,
        }
    }

    /// Runs one callback; after a panic this and every later one gives `fallback`.
    fn call<R>(&mut self, name: &str, fallback: R, body: impl FnOnce(&mut H) -> R) -> R {
        if self.is_broken {
            return fallback;
        }
        let host = &mut *self.host;
        match fence(|| body(host)) {
            Ok(result) => result,
            Err(message) => {
                self.is_broken = true;
                let line = format!("RSGI0900: panic stopped in `{name}` of the request: {message}");
                let host = &mut *self.host;
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
unsafe fn context<'c, H>(ctx: *mut c_void) -> Option<&'c mut Context<'c, H>> {
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
