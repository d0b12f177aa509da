//! Takes a request's body in before a process is asked for, so that no process waits for a slow client.
//!
//! A body of known length that is not too long is read whole: a short one into memory, a longer one into a memory file
//! whose descriptor goes along. Everything else is streamed when the application asks for it: what has no length, and
//! what the client sends only when it is asked to.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rsgi_core::directive::Shown;
use rsgi_core::metrics::FailureCause;
use rsgi_core::wire::BodyPlan;
use rsgi_daemon::client::MemoryFile;

use super::asked::Asked;
use super::front::{ApacheFront, Prefix};
use super::handler::Refusal;
use crate::apr::{Block, is_wanting};
use crate::httpd::{Body, BodyError};

/// Longest body that is kept in memory, in bytes.
const INLINE: usize = 64 * 1024;

/// Where the body is.
pub(super) enum Taken {
    /// There is none.
    None,
    /// So many bytes are in the buffer.
    Inline(usize),
    /// In a file.
    File(MemoryFile),
    /// With the client.
    Stream,
}

impl Taken {
    /// What the frame says of it.
    pub(super) const fn plan(&self) -> BodyPlan {
        match self {
            Self::None => BodyPlan::None,
            Self::Inline(length) => BodyPlan::Inline(*length),
            Self::File(file) => BodyPlan::File {
                length: file.length(),
            },
            Self::Stream => BodyPlan::Stream,
        }
    }

    /// The descriptor that goes along.
    pub(super) fn file(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::File(file) => Some(file.as_fd()),
            _ => None,
        }
    }
}

/// Why a body is not taken in.
enum NotTaken {
    /// The client does not send it.
    Unread(BodyError),
    /// This child has no place for it.
    Unkept(io::Error),
}

impl From<BodyError> for NotTaken {
    fn from(error: BodyError) -> Self {
        Self::Unread(error)
    }
}

impl From<io::Error> for NotTaken {
    fn from(error: io::Error) -> Self {
        Self::Unkept(error)
    }
}

/// Takes in what is to be taken in for a process of the group.
///
/// # Errors
/// The client does not send it, or there is no place for it.
pub(super) fn take_in(
    asked: &Asked<'_>,
    group: &[u8],
    front: &mut ApacheFront<'_>,
    buffer: &mut Vec<u8>,
) -> Result<Taken, Refusal> {
    let request = asked.request;
    let headers = request.headers_in();
    let has = |name| headers.is_some_and(|headers| headers.first(name).is_some());
    let most = asked.effective.request_buffer();
    match asked.length {
        _ if has(c"Transfer-Encoding") => Ok(Taken::Stream),
        Some(0) => Ok(Taken::None),
        Some(length) if length > most || request.expects_continue() || has(c"Upgrade") => {
            Ok(Taken::Stream)
        }
        Some(length) => read_whole(front, buffer, length, most),
        // HTTP/2 has bodies without a length and without an encoding.
        None if request.is_secondary() => look(front, buffer).map_err(NotTaken::Unread),
        None => Ok(Taken::None),
    }
    .map_err(|error| match error {
        NotTaken::Unread(error) => refusal(error),
        NotTaken::Unkept(error) => unkept(group, &error),
    })
}

/// The client has done nothing wrong.
fn unkept(group: &[u8], error: &io::Error) -> Refusal {
    let line = format!(
        "RSGI0309: the request body for the process group {} cannot be kept: {error}: look at the limits on open files and \
         memory of Apache's children, or set a smaller RSGIRequestBuffer, beyond which a body is passed on as it comes",
        Shown::new(group)
    );
    Refusal::failure(FailureCause::NoMemory, 503, line)
}

fn refusal(error: BodyError) -> Refusal {
    let (status, line) = match error {
        BodyError::Timeout => (408, "the client was too slow to send the request body"),
        BodyError::TooLarge => (413, "the request body is larger than LimitRequestBody"),
        BodyError::Gone => {
            let line = "the client went away within the request body";
            return Refusal::failure(FailureCause::ClientGone, 400, line);
        }
        BodyError::Bad => (400, "the request body cannot be read"),
    };
    Refusal::new(status, line)
}

/// Reads until the buffer is full or the body at its end.
fn fill(body: &mut Body<'_>, buffer: &mut [u8]) -> Result<usize, BodyError> {
    let mut filled = 0;
    while filled < buffer.len() && !body.is_complete() {
        filled += body.read(&mut buffer[filled..], Block::Wait)?;
    }
    Ok(filled)
}

/// Makes the buffer usable; what it holds means nothing.
fn extend(buffer: &mut Vec<u8>, length: usize) -> &mut [u8] {
    if buffer.len() < length {
        buffer.resize(length, 0);
    }
    &mut buffer[..length]
}

fn read_whole(
    front: &mut ApacheFront<'_>,
    buffer: &mut Vec<u8>,
    length: u64,
    most: u64,
) -> Result<Taken, NotTaken> {
    // One more: the end is behind the last byte.
    let wanted = usize::try_from(length).map_or(INLINE, |length| length.min(INLINE)) + 1;
    let filled = fill(&mut front.body, extend(buffer, wanted))?;
    if front.body.is_complete() && filled <= INLINE {
        return Ok(Taken::Inline(filled));
    }
    // Longer, or longer than it said: a filter may have inflated it.
    if is_wanting("body") {
        return Err(io::Error::from(io::ErrorKind::OutOfMemory).into());
    }
    let mut file = MemoryFile::new()?;
    let mut filled = filled;
    loop {
        file.append(&buffer[..filled])?;
        if front.body.is_complete() {
            file.seal()?;
            return Ok(Taken::File(file));
        }
        if file.length() > most {
            front.prefix = Prefix::File(file, 0);
            return Ok(Taken::Stream);
        }
        filled = fill(&mut front.body, extend(buffer, INLINE))?;
    }
}

/// Looks whether there is a body.
fn look(front: &mut ApacheFront<'_>, buffer: &mut Vec<u8>) -> Result<Taken, BodyError> {
    let buffer = extend(buffer, INLINE);
    let count = front.body.read(buffer, Block::Try)?;
    if count == 0 && front.body.is_complete() {
        return Ok(Taken::None);
    }
    if front.body.is_complete() {
        return Ok(Taken::Inline(count));
    }
    front.prefix = Prefix::Memory(buffer[..count].to_vec());
    Ok(Taken::Stream)
}
