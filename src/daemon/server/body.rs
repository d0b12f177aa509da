//! The body of one request as the application reads it: from a file that came with it, or piece by piece from the
//! child, which asks the client for it only when the application reads for the first time.

use std::io;
use std::ops::Range;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rsgi_bridge::host::ReadError;
use rsgi_core::wire::{self, BodyOutcome, Decoded, ToDaemon, decode_to_daemon};

use super::buffer::Buffer;
use crate::sys::socket::{Interest, Waiting, recv_with_fds, wait_for};

/// Where the body is.
#[derive(Debug)]
pub(super) enum Body {
    /// Nowhere, or the layer has it already.
    Given,
    /// In a file.
    File {
        /// The file.
        file: OwnedFd,
        /// Where the next byte is.
        position: u64,
        /// Where there are no more.
        end: u64,
    },
    /// With the child.
    Stream(Stream),
}

/// A body that comes in frames.
#[derive(Debug, Default)]
pub(super) struct Stream {
    is_asked: bool,
    inbox: Buffer,
    /// What of the inbox is of the body and was not read yet; what is before it is done with.
    piece: Range<usize>,
    ended: Option<Result<(), ReadError>>,
    is_broken: bool,
}

impl Body {
    /// Whether the child has it.
    pub(super) fn is_stream(&self) -> bool {
        matches!(self, Self::Stream(_))
    }

    /// Appends the frames that ask the child for a streamed body, once.
    pub(super) fn ask(&mut self, frames: &mut Vec<u8>) {
        if let Self::Stream(stream) = self
            && !std::mem::replace(&mut stream.is_asked, true)
        {
            wire::push_need_body(frames);
        }
    }

    /// Reads at least one byte, or 0 at the end.
    ///
    /// # Errors
    /// Why there is no more.
    pub(super) fn read(
        &mut self,
        socket: BorrowedFd<'_>,
        buffer: &mut [u8],
        patience: Duration,
    ) -> Result<usize, ReadError> {
        match self {
            Self::Given => Ok(0),
            Self::File {
                file,
                position,
                end,
            } => read_file(file, position, *end, buffer),
            Self::Stream(stream) => stream.read(socket, buffer, patience),
        }
    }

    /// Whether the child broke the protocol, or went away.
    pub(super) fn is_broken(&self) -> bool {
        matches!(self, Self::Stream(stream) if stream.is_broken)
    }

    /// What has come and was not read of a body that was asked for and did not end; none of any other.
    pub(super) fn into_rest(self) -> Option<Buffer> {
        match self {
            Self::Stream(mut stream) if stream.is_asked && stream.ended.is_none() => {
                stream.inbox.remove(stream.piece.end);
                Some(stream.inbox)
            }
            _ => None,
        }
    }
}

fn read_file(
    file: &OwnedFd,
    position: &mut u64,
    end: u64,
    buffer: &mut [u8],
) -> Result<usize, ReadError> {
    let left = usize::try_from(end - *position).unwrap_or(usize::MAX);
    let most = left.min(buffer.len());
    if most == 0 {
        return Ok(0);
    }
    let read =
        rustix::io::retry_on_intr(|| rustix::io::pread(file, &mut buffer[..most], *position));
    match read {
        // Somebody made it shorter meanwhile.
        Ok(0) | Err(_) => Err(ReadError::Failed),
        Ok(count) => {
            *position += count as u64;
            Ok(count)
        }
    }
}

impl Stream {
    fn read(
        &mut self,
        socket: BorrowedFd<'_>,
        buffer: &mut [u8],
        patience: Duration,
    ) -> Result<usize, ReadError> {
        loop {
            if !self.piece.is_empty() {
                let piece = &self.inbox.bytes()[self.piece.clone()];
                let count = piece.len().min(buffer.len());
                buffer[..count].copy_from_slice(&piece[..count]);
                self.piece.start += count;
                return Ok(count);
            }
            if let Some(ended) = self.ended {
                return ended.map(|()| 0);
            }
            self.advance(socket, patience)?;
        }
    }

    /// Gets the next frame, or more of it.
    fn advance(&mut self, socket: BorrowedFd<'_>, patience: Duration) -> Result<(), ReadError> {
        self.inbox.remove(self.piece.end);
        self.piece = 0..0;
        match decode_to_daemon(self.inbox.bytes()) {
            Ok(Decoded::Need(total)) => self.receive(socket, total, patience),
            Ok(Decoded::Frame { frame, used }) => match frame {
                ToDaemon::Body(piece) => {
                    self.piece = used - piece.len()..used;
                    Ok(())
                }
                ToDaemon::BodyEnd(outcome) => {
                    self.ended = Some(ended(outcome));
                    self.piece = used..used;
                    if used == self.inbox.len() {
                        Ok(())
                    } else {
                        self.give_up(ReadError::Bad)
                    }
                }
                ToDaemon::Request(_) => self.give_up(ReadError::Bad),
            },
            Err(_) => self.give_up(ReadError::Bad),
        }
    }

    fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
        total: usize,
        patience: Duration,
    ) -> Result<(), ReadError> {
        let room = self.inbox.room(total);
        match recv_with_fds(socket, room, Waiting::Never) {
            Ok(received) if received.bytes == 0 => self.give_up(ReadError::Gone),
            Ok(received) if !received.fds.is_empty() || received.fds_lost => {
                self.give_up(ReadError::Bad)
            }
            Ok(received) => {
                self.inbox.add(received.bytes);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                match wait_for(socket, Interest::Readable, patience) {
                    Ok(true) => Ok(()),
                    Ok(false) => self.give_up(ReadError::Timeout),
                    Err(_) => self.give_up(ReadError::Failed),
                }
            }
            Err(_) => self.give_up(ReadError::Gone),
        }
    }

    fn give_up(&mut self, error: ReadError) -> Result<(), ReadError> {
        self.is_broken = true;
        self.ended = Some(Err(error));
        Err(error)
    }
}

const fn ended(outcome: BodyOutcome) -> Result<(), ReadError> {
    match outcome {
        BodyOutcome::Complete => Ok(()),
        BodyOutcome::Gone => Err(ReadError::Gone),
        BodyOutcome::Timeout => Err(ReadError::Timeout),
        BodyOutcome::TooLarge => Err(ReadError::TooLarge),
        BodyOutcome::Bad => Err(ReadError::Bad),
        BodyOutcome::Failed => Err(ReadError::Failed),
    }
}
