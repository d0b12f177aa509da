//! Where `wsgi.input` reads from: what came with the request, then the host.

#![deny(unsafe_code)]

use rsgi_bridge::abi;
use rsgi_core::input::Source;

use crate::entry::{HostRef, Prefix};

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

/// The body as the host gives it.
pub(super) struct HostBody<'a> {
    pub(super) host: HostRef,
    pub(super) prefix: &'a mut Prefix,
    pub(super) is_complete: bool,
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
