//! What goes out on a connection: frames collected in memory, blocks of the application uncopied behind them.
//!
//! A send that may not wait is either taken or leaves no trace. Should the kernel take a part of one, the rest is kept
//! and goes first the next time.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::sys::socket::{Interest, Waiting, send_with_fds, wait_for};

/// Bytes that the kernel takes as one piece or not at all: a send that may not wait has no more.
pub(super) const AT_ONCE: usize = 32 * 1024;
/// Memory that is kept between requests.
const KEPT: usize = 256 * 1024;

/// Why nothing more can be sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unsent {
    /// It may not wait, and nothing was taken.
    #[error("it would have to wait")]
    WouldBlock,
    /// The other end is closed.
    #[error("the other end is closed")]
    Gone,
    /// The other end took nothing for too long.
    #[error("the other end took nothing for {} s", .0.as_secs())]
    Timeout(Duration),
    /// The system.
    #[error(transparent)]
    Io(io::Error),
}

impl From<io::Error> for Unsent {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock => Self::WouldBlock,
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Self::Gone,
            _ => Self::Io(error),
        }
    }
}

/// Frames that are to go out.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// The frames; encoders append to it.
    pub(super) frames: Vec<u8>,
}

impl Outbox {
    /// Forgets everything and keeps the memory unless it is much.
    pub(super) fn clear(&mut self) {
        self.frames.clear();
        if self.frames.capacity() > KEPT {
            self.frames = Vec::new();
        }
    }

    /// Sends the frames, then the blocks, with the descriptors at the last byte of the frames if there is one: then the
    /// frames are few. Nothing is left on success, but for the rest of what the kernel took in part.
    ///
    /// # Errors
    /// [`Unsent`]; where it may not wait and nothing was taken, the frames are still there.
    pub(super) fn send(
        &mut self,
        socket: BorrowedFd<'_>,
        blocks: &[&[u8]],
        fds: &[BorrowedFd<'_>],
        waiting: Waiting,
        patience: Duration,
    ) -> Result<(), Unsent> {
        let mut slices = Vec::with_capacity(blocks.len() + 1);
        slices.push(IoSlice::new(&self.frames));
        slices.extend(blocks.iter().map(|block| IoSlice::new(block)));
        let mut rest = &mut slices[..];
        // Empty slices at the front go first.
        IoSlice::advance_slices(&mut rest, 0);
        let mut fds = fds;
        let mut is_begun = false;
        while !rest.is_empty() {
            let most = rest.len().min(MOST_SLICES);
            match send_with_fds(socket, &rest[..most], fds, Waiting::Never) {
                Ok(count) => {
                    is_begun = true;
                    fds = &[];
                    IoSlice::advance_slices(&mut rest, count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if waiting == Waiting::Never {
                        break;
                    }
                    if !wait_for(socket, Interest::Writable, patience)? {
                        return Err(Unsent::Timeout(patience));
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        if !rest.is_empty() && !is_begun {
            return Err(Unsent::WouldBlock);
        }
        let left: Vec<u8> = rest
            .iter()
            .flat_map(|slice| slice.iter().copied())
            .collect();
        self.frames.clear();
        self.frames.extend_from_slice(&left);
        Ok(())
    }

    /// Sends what there is.
    ///
    /// # Errors
    /// As [`Outbox::send`].
    pub(super) fn flush(
        &mut self,
        socket: BorrowedFd<'_>,
        waiting: Waiting,
        patience: Duration,
    ) -> Result<(), Unsent> {
        if self.frames.is_empty() {
            return Ok(());
        }
        self.send(socket, &[], &[], waiting, patience)
    }
}

/// The most slices of one call (UIO_MAXIOV).
const MOST_SLICES: usize = 1024;
