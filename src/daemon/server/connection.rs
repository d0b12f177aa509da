//! One connection of an Apache child, and how a request is collected from it without ever waiting.
//!
//! What has come of a request that is not complete stays with the connection, so that no thread waits for the rest.

use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rsgi_core::wire::{BodyForm, Decoded, Hello, ToDaemon, WireError, decode_to_daemon};

use super::buffer::Buffer;
use crate::sys::socket::{Received, Waiting, recv_with_fds};

/// Why a connection is closed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The other end is closed: the usual end.
    #[error("it was closed")]
    Closed,
    /// The other end went away in the middle of a request.
    #[error("it was closed within a request")]
    ClosedWithin,
    /// What came is no frame.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A frame that has no place there.
    #[error("{0}")]
    Order(&'static str),
    /// The system.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Broken {
    /// Whether an Apache child that behaves does this: no reason for a line in the log.
    pub(super) fn is_usual(&self) -> bool {
        match self {
            Self::Closed | Self::ClosedWithin => true,
            Self::Io(error) => error.kind() == io::ErrorKind::ConnectionReset,
            Self::Wire(_) | Self::Order(_) => false,
        }
    }
}

/// What has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// A whole request is in the buffer.
    Complete,
    /// Less: the connection is to be asked again when more has come.
    Partial,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    socket: OwnedFd,
    /// The child's process id, for the log.
    pid: u32,
    /// Its row, where it makes its offers.
    row: u32,
    /// What has come of the next request.
    partial: Buffer,
    /// Since when.
    since: Option<Instant>,
    /// The descriptor that came with it.
    file: Option<OwnedFd>,
    /// A streamed body was asked for and its end has not come: it is dropped before the next request.
    is_dropping_body: bool,
}

impl Connection {
    /// A connection that was just made.
    pub(super) fn new(socket: OwnedFd, hello: &Hello) -> Self {
        Self {
            socket,
            pid: hello.pid,
            row: hello.row,
            partial: Buffer::default(),
            since: None,
            file: None,
            is_dropping_body: false,
        }
    }

    /// The socket.
    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Whether a request has been on its way for longer than `limit`: its child is hostile, or stopped.
    pub(super) fn is_overdue(&self, now: Instant, limit: Duration) -> bool {
        self.since
            .is_some_and(|since| now.saturating_duration_since(since) > limit)
    }

    /// The child's process id.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// The child's row.
    pub(super) fn row(&self) -> u32 {
        self.row
    }

    /// The descriptor of the request's body.
    pub(super) fn take_file(&mut self) -> Option<OwnedFd> {
        self.file.take()
    }

    /// What still comes of a body that was asked for is to be dropped; `rest` has come already.
    pub(super) fn drop_body(&mut self, rest: Buffer) {
        self.is_dropping_body = true;
        self.partial = rest;
    }

    /// Reads what is there. `buffer` is the thread's own and empty; it holds the whole request afterwards, or what came
    /// stays with the connection and the buffer is empty again.
    ///
    /// # Errors
    /// The connection is of no more use.
    pub(super) fn receive(&mut self, buffer: &mut Buffer) -> Result<Progress, Broken> {
        if !self.partial.is_empty() {
            mem::swap(&mut self.partial, buffer);
        }
        let mut needed = 0;
        loop {
            let room = buffer.room(needed);
            let size = room.len();
            let received = match recv_with_fds(self.socket.as_fd(), room, Waiting::Never) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            };
            let count = received.bytes;
            self.take_fds(received)?;
            if count == 0 {
                return Err(if buffer.is_empty() {
                    Broken::Closed
                } else {
                    Broken::ClosedWithin
                });
            }
            buffer.add(count);
            match self.examine(buffer)? {
                None => {
                    self.since = None;
                    return Ok(Progress::Complete);
                }
                Some(total) => needed = total,
            }
            // Less than there was room for: there is no more, unless the call ended at a descriptor.
            if count < size && self.file.is_none() {
                break;
            }
        }
        if !buffer.is_empty() {
            mem::swap(&mut self.partial, buffer);
            self.since.get_or_insert_with(Instant::now);
        }
        Ok(Progress::Partial)
    }

    fn take_fds(&mut self, received: Received) -> Result<(), Broken> {
        if received.fds_lost {
            return Err(Broken::Order(
                "more descriptors came than belong to a request",
            ));
        }
        for fd in received.fds {
            if self.file.replace(fd).is_some() {
                return Err(Broken::Order(
                    "more descriptors came than belong to a request",
                ));
            }
        }
        Ok(())
    }

    /// Looks at what came: none where it is one whole request, else how much that needs.
    fn examine(&mut self, buffer: &mut Buffer) -> Result<Option<usize>, Broken> {
        loop {
            let (used, is_end) = match decode_to_daemon(buffer.bytes())? {
                Decoded::Need(total) => return Ok(Some(total)),
                Decoded::Frame { frame, used } => match frame {
                    ToDaemon::Request(request) if !self.is_dropping_body => {
                        return self.check(&request.body, used == buffer.len());
                    }
                    ToDaemon::Request(_) => {
                        return Err(Broken::Order("a request came before the end of a body"));
                    }
                    ToDaemon::Body(_) if self.is_dropping_body => (used, false),
                    ToDaemon::BodyEnd(_) if self.is_dropping_body => (used, true),
                    ToDaemon::Body(_) | ToDaemon::BodyEnd(_) => {
                        return Err(Broken::Order("a body came that nobody asked for"));
                    }
                },
            };
            buffer.remove(used);
            self.is_dropping_body = !is_end;
        }
    }

    /// Checks what belongs to a whole request.
    fn check(&self, body: &BodyForm<'_>, is_all: bool) -> Result<Option<usize>, Broken> {
        if !is_all {
            return Err(Broken::Order("something came behind a request"));
        }
        match (body, &self.file) {
            (BodyForm::File { length }, Some(file)) => check_file(file, *length).map(|()| None),
            (BodyForm::File { .. }, None) => Err(Broken::Order("a body's descriptor did not come")),
            (_, Some(_)) => Err(Broken::Order("a descriptor came that nobody announced")),
            (_, None) => Ok(None),
        }
    }
}

/// Reading anything but a regular file could wait for ever.
fn check_file(file: &OwnedFd, length: u64) -> Result<(), Broken> {
    let stat = rustix::fs::fstat(file).map_err(io::Error::from)?;
    let is_regular = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file();
    match u64::try_from(stat.st_size) {
        Ok(size) if is_regular && size >= length => Ok(()),
        _ => Err(Broken::Order(
            "a body's descriptor is not of a file of its length",
        )),
    }
}
