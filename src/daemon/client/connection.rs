//! One connection to a daemon process: made through its intake, written to with an eye on the process's life.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rsgi_core::wire::Hello;
use rustix::net::sockopt::{self, Timeout};

use crate::sys::socket::{Waiting, send_with_fds, stream_pair};

/// How long a call waits before the process's slot is looked at: a process can be gone although its socket is open,
/// namely in a child that the application forked.
pub(super) const TICK: Duration = Duration::from_millis(250);

/// Sizes of a new connection's buffers in bytes; 0 is the system's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BufferSizes {
    /// From the daemon's side: `send-buffer-size=`.
    pub(super) send: usize,
    /// `receive-buffer-size=`.
    pub(super) receive: usize,
}

/// A connection to the process that had the slot when it was made.
#[derive(Debug)]
pub(super) struct Connection {
    socket: OwnedFd,
    /// Number of the process among all that ever had the slot.
    pub(super) incarnation: u32,
    /// Whether no request went over it yet.
    pub(super) is_new: bool,
}

/// Why bytes could not be sent.
#[derive(Debug)]
pub(super) enum SendError {
    /// The process is gone, by its slot.
    Gone,
    /// Nothing was taken for as long as that may last.
    Timeout,
    /// The kernel's word.
    Io(io::Error),
}

impl Connection {
    /// Makes a connection and passes its other end to the process.
    ///
    /// # Errors
    /// No descriptors or memory; `WouldBlock` where the intake is full; `BrokenPipe` where nobody has it any more.
    pub(super) fn open(
        intake: BorrowedFd<'_>,
        hello: Hello,
        sizes: BufferSizes,
    ) -> io::Result<Self> {
        let (ours, theirs) = stream_pair()?;
        sockopt::set_socket_timeout(&ours, Timeout::Recv, Some(TICK))?;
        sockopt::set_socket_timeout(&ours, Timeout::Send, Some(TICK))?;
        if sizes.send > 0 {
            sockopt::set_socket_send_buffer_size(&theirs, sizes.send)?;
        }
        if sizes.receive > 0 {
            // What a UNIX socket holds for a reader is counted against the writer.
            sockopt::set_socket_send_buffer_size(&ours, sizes.receive)?;
        }
        let message = hello.encode();
        send_with_fds(
            intake,
            &[IoSlice::new(&message)],
            &[theirs.as_fd()],
            Waiting::Never,
        )?;
        Ok(Self {
            socket: ours,
            incarnation: hello.incarnation,
            is_new: true,
        })
    }

    /// The socket.
    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Sends both parts, the descriptor with the first byte. `is_alive` is asked at each [`TICK`] in which nothing was
    /// taken; after `patience` of them it is given up.
    ///
    /// # Errors
    /// See [`SendError`]; an unknown part was sent.
    pub(super) fn send(
        &self,
        mut first: &[u8],
        mut second: &[u8],
        mut file: Option<BorrowedFd<'_>>,
        patience: Duration,
        is_alive: impl Fn() -> bool,
    ) -> Result<(), SendError> {
        let mut since = None;
        while !first.is_empty() || !second.is_empty() {
            let slices = [IoSlice::new(first), IoSlice::new(second)];
            match send_with_fds(self.socket(), &slices, file.as_slice(), Waiting::Allowed) {
                Ok(sent) => {
                    since = None;
                    file = None;
                    let of_first = sent.min(first.len());
                    first = &first[of_first..];
                    second = &second[(sent - of_first).min(second.len())..];
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !is_alive() {
                        return Err(SendError::Gone);
                    }
                    // The first tick is over already.
                    if since.get_or_insert_with(Instant::now).elapsed() + TICK >= patience {
                        return Err(SendError::Timeout);
                    }
                }
                Err(error) => return Err(SendError::Io(error)),
            }
        }
        Ok(())
    }

    /// Sends what is taken without waiting; 0 where nothing is.
    ///
    /// # Errors
    /// The kernel's, other than `WouldBlock`.
    pub(super) fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        match send_with_fds(self.socket(), &[IoSlice::new(bytes)], &[], Waiting::Never) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            result => result,
        }
    }
}
