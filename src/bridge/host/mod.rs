//! The host's callbacks as a safe trait.
//!
//! Whoever owns a request (an Apache child, a daemon) implements [`RequestHost`]; the trampolines here are what
//! the layer calls through the ABI. A panic in an implementation is stopped, logged to the same request, and
//! every later call for it is refused.

mod table;
#[cfg(test)]
mod tests;
mod view;

use core::ffi::c_int;
use std::os::fd::BorrowedFd;

use crate::abi;

pub(crate) use table::{Context, context};
pub use view::{Blocks, HeadView};

/// What the owner of a request does for the application. Calls come one at a time while
/// [`crate::layer::Layer::handle`] runs; where the application hands its request to a thread of its own, on that one.
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

    /// Whether the request's connection is known to be encrypted: a process that has not got the connection does not know.
    fn is_https(&mut self) -> bool {
        false
    }

    /// A variable of mod_ssl.
    fn variable(&mut self, _name: &[u8]) -> Option<&[u8]> {
        None
    }

    /// Whether a line of this level would be written for the request.
    fn log_enabled(&mut self, _level: u32) -> bool {
        true
    }

    /// [`RequestHost::log`] for a line that the application wrote, with the path of its source and the line in it.
    fn log_at(&mut self, level: u32, text: &[u8], _source: &[u8], _line: u32) {
        self.log(level, text);
    }

    /// What httpd as a whole does, as the JSON object of [`abi::Process::server_metrics`]; none where it cannot be asked.
    fn server_metrics(&mut self) -> Option<String> {
        None
    }
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
    pub(crate) const fn code(self) -> c_int {
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
    pub(crate) const fn code(self) -> isize {
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
    /// The script changed ([`abi::START_DAEMON`]): nothing was read, run or sent, and another process can have the request.
    Stale,
}

impl Outcome {
    /// From the code that `handle` returned. One that the ABI does not know counts as a panic.
    pub(crate) fn from_code(code: c_int) -> Self {
        match code {
            abi::HANDLED => Self::Handled,
            abi::HANDLED_TRUNCATED => Self::Truncated,
            abi::HANDLED_GONE => Self::Gone,
            abi::HANDLED_STALE => Self::Stale,
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

    /// The application still runs behind the end of the response.
    #[must_use]
    pub const fn is_running(self) -> bool {
        self.0 & abi::SEND_RUNNING != 0
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
