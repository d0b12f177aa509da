//! What the relay needs of the client's side, and what each says to the other.

use std::os::fd::BorrowedFd;

use rsgi_core::wire::{AbortReason, BodyOutcome, HeadFrame};

/// The client, as the relay needs it. Nothing but `send`, `send_file` and `flush` may wait for it.
pub trait Front {
    /// Takes status and headers.
    fn head(&mut self, head: &HeadFrame<'_>) -> HeadAction;
    /// Bytes that can be sent without waiting; none where that is not known.
    fn room(&mut self) -> Option<usize>;
    /// Sends blocks, which are not looked at any more when this returns.
    fn send(&mut self, blocks: &[&[u8]], passing: Passing) -> Delivery;
    /// Sends part of a regular file. It stays the caller's, and whoever else has it may change it.
    fn send_file(
        &mut self,
        file: BorrowedFd<'_>,
        offset: u64,
        length: u64,
        passing: Passing,
    ) -> Delivery;
    /// Brings what was sent to the client.
    fn flush(&mut self) -> Delivery;
    /// Logs a line for the request.
    fn log(&mut self, level: u8, text: &[u8]);
    /// The same for a line that the application wrote, with the path of its source and the line in it.
    fn log_at(&mut self, level: u8, text: &[u8], _source: &[u8], _line: u32) {
        self.log(level, text);
    }
    /// What httpd as a whole does, as JSON.
    fn server_metrics(&mut self) -> Option<String> {
        None
    }
    /// Reads what is there of the request's body.
    ///
    /// # Errors
    /// Why there is no more of it.
    fn read_body(&mut self, buffer: &mut [u8]) -> Result<BodyPiece, BodyOutcome>;
    /// What to wait for the client at; none where it has no socket of its own.
    fn socket(&self) -> Option<BorrowedFd<'_>>;
}

/// What becomes of a response whose head was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadAction {
    /// It goes to the client.
    Pass,
    /// Its body is dropped: something else is sent in its place.
    Drop,
}

/// How a piece of a response is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    /// More comes.
    More,
    /// It is the end, which the client may get when it likes.
    End,
    /// It is the end, and is to go out now: that does not wait.
    EndNow,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It was taken.
    Taken,
    /// The client is gone.
    Gone,
    /// The client took nothing of it for as long as it may.
    Silent,
    /// A filter of httpd's refused it.
    Failed,
}

/// What a look at the request's body gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyPiece {
    /// So many bytes, not 0.
    Bytes(usize),
    /// It is at its end.
    End,
    /// Nothing has come.
    NotYet,
}

/// How a response ended.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is complete and was passed on, or dropped as the head's taker wished.
    Complete,
    /// Nothing was sent: this is the status.
    Status(u16),
    /// It cannot be completed; logged by the process.
    Aborted(AbortReason),
    /// The client is gone.
    ClientGone,
}
