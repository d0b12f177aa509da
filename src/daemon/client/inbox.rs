//! What a process sent and nobody looked at yet: bytes, and the descriptors that came with them.
//!
//! One inbox a thread, used for one request after the other: after each it is empty and back to its usual size.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use rsgi_core::wire::{Decoded, ToChild, WireError, decode_to_child};

use crate::sys::socket::{Waiting, recv_with_fds};

/// Bytes that are received at a time, at most: more than a UNIX socket holds, and than the longest piece of a response.
const SIZE: usize = 256 * 1024;
/// Descriptors that may have come before their frames did.
const MOST_FDS: usize = 8;

/// What a call brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Receipt {
    /// Bytes.
    Some,
    /// The other end is closed, and everything it sent was received.
    End,
    /// Nothing is there.
    Nothing,
}

/// Received bytes.
///
/// # Invariants
/// `start <= end <= buffer.len()`.
#[derive(Debug, Default)]
pub struct Inbox {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    fds: VecDeque<OwnedFd>,
}

impl Inbox {
    /// An empty one; memory is taken at the first use.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            end: 0,
            fds: VecDeque::new(),
        }
    }

    /// The whole frames that are there, in order, and the descriptors for those that have one.
    /// [`Inbox::consume`] takes the frames out.
    pub(super) fn parts(&mut self) -> (Frames<'_>, &mut VecDeque<OwnedFd>) {
        let frames = Frames {
            bytes: &self.buffer[self.start..self.end],
            used: 0,
        };
        (frames, &mut self.fds)
    }

    /// Takes bytes out that [`Frames::used`] counted.
    pub(super) fn consume(&mut self, used: usize) {
        self.start = (self.start + used).min(self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Forgets everything and gives back what an unusual request needed.
    pub(super) fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
        self.fds.clear();
        if self.buffer.len() > SIZE {
            self.buffer.truncate(SIZE);
            self.buffer.shrink_to_fit();
        }
    }

    /// Receives what is there. All whole frames were consumed before.
    ///
    /// # Errors
    /// The kernel's; `InvalidData` for bytes that are the beginning of no frame, or descriptors without frames.
    pub(super) fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
        waiting: Waiting,
    ) -> io::Result<Receipt> {
        self.make_room()?;
        let received = match recv_with_fds(socket, &mut self.buffer[self.end..], waiting) {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Receipt::Nothing),
            Err(error) => return Err(error),
        };
        self.end += received.bytes;
        self.fds.extend(received.fds);
        if received.fds_lost || self.fds.len() > MOST_FDS {
            self.fds.clear();
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(if received.bytes == 0 {
            Receipt::End
        } else {
            Receipt::Some
        })
    }

    /// Makes room for the rest of the frame that has begun, or for whatever comes.
    fn make_room(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            self.buffer = vec![0; SIZE];
        }
        let begun = &self.buffer[self.start..self.end];
        let total = match decode_to_child(begun) {
            Ok(Decoded::Need(total)) if !begun.is_empty() => total,
            Ok(_) => 0,
            Err(_) => return Err(io::ErrorKind::InvalidData.into()),
        };
        if self.start + total > self.buffer.len() || self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if total > self.buffer.len() {
            // Bounded: the codec asks for no more than the longest frame.
            self.buffer.resize(total, 0);
        }
        Ok(())
    }
}

/// Goes through the whole frames of an [`Inbox`]; ends before one that is not all there.
#[derive(Debug)]
pub(super) struct Frames<'a> {
    bytes: &'a [u8],
    used: usize,
}

impl Frames<'_> {
    /// Bytes of the frames that were given.
    pub(super) const fn used(&self) -> usize {
        self.used
    }

    /// Whether nothing is there behind the last frame that was given.
    pub(super) const fn is_at_end(&self) -> bool {
        self.used == self.bytes.len()
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<ToChild<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        match decode_to_child(&self.bytes[self.used..]) {
            Ok(Decoded::Frame { frame, used }) => {
                self.used += used;
                Some(Ok(frame))
            }
            Ok(Decoded::Need(_)) => None,
            Err(error) => Some(Err(error)),
        }
    }
}
