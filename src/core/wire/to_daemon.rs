//! What an Apache child says to a daemon process.

use super::error::WireError;
use super::frame::{self, Decoded, Fields, HEADER, push_fixed};
use super::request::{self, RequestFrame};

/// Bytes that a request may have, its inline body among them.
pub const MAX_REQUEST: usize = 16 * 1024 * 1024;
/// Bytes that one piece of a streamed body may have.
pub const MAX_BODY: usize = 128 * 1024;

/// Numbers of the frames.
pub(super) mod kind {
    pub(in crate::wire) const REQUEST: u8 = 1;
    pub(in crate::wire) const BODY: u8 = 2;
    pub(in crate::wire) const BODY_END: u8 = 3;
}

/// How a streamed body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum BodyOutcome {
    /// All of it came.
    Complete = 0,
    /// The client went away.
    Gone = 1,
    /// The client was too slow.
    Timeout = 2,
    /// More than LimitRequestBody.
    TooLarge = 3,
    /// Its framing is broken.
    Bad = 4,
    /// Anything else, or nobody wants the rest.
    Failed = 5,
}

/// One frame to a daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToDaemon<'a> {
    /// A request.
    Request(RequestFrame<'a>),
    /// A piece of a streamed body, never empty.
    Body(&'a [u8]),
    /// Its end.
    BodyEnd(BodyOutcome),
}

fn limit(of: u8) -> Option<usize> {
    match of {
        kind::REQUEST => Some(MAX_REQUEST),
        kind::BODY => Some(MAX_BODY),
        kind::BODY_END => Some(1),
        _ => None,
    }
}

/// Reads the frame at the beginning of what a child sent.
///
/// # Errors
/// The bytes are no frame to a daemon.
pub fn decode_to_daemon(bytes: &[u8]) -> Result<Decoded<ToDaemon<'_>>, WireError> {
    let (raw, used) = match frame::split(bytes, limit)? {
        Decoded::Frame { frame, used } => (frame, used),
        Decoded::Need(total) => return Ok(Decoded::Need(total)),
    };
    let frame = match raw.kind {
        kind::REQUEST => ToDaemon::Request(request::decode(raw.payload)?),
        kind::BODY if raw.payload.is_empty() => return Err(WireError::Short("a body")),
        kind::BODY => ToDaemon::Body(raw.payload),
        _ => ToDaemon::BodyEnd(outcome(raw.payload)?),
    };
    Ok(Decoded::Frame { frame, used })
}

fn outcome(payload: &[u8]) -> Result<BodyOutcome, WireError> {
    let mut fields = Fields(payload);
    let code = fields.u8("a body's end")?;
    fields.end("a body's end")?;
    Ok(match code {
        0 => BodyOutcome::Complete,
        1 => BodyOutcome::Gone,
        2 => BodyOutcome::Timeout,
        3 => BodyOutcome::TooLarge,
        4 => BodyOutcome::Bad,
        5 => BodyOutcome::Failed,
        _ => return Err(WireError::Value("a body's end")),
    })
}

/// The header of a piece of a body; the piece goes out behind it.
///
/// # Errors
/// More than [`MAX_BODY`] bytes.
pub fn body_header(length: usize) -> Result<[u8; HEADER], WireError> {
    frame::header(kind::BODY, length, MAX_BODY)
}

/// Appends the end of a streamed body.
pub fn push_body_end(out: &mut Vec<u8>, outcome: BodyOutcome) {
    push_fixed(out, kind::BODY_END, [outcome as u8]);
}
