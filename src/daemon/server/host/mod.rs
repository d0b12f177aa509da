//! A request as the Python layer's host: its response becomes frames, its body comes from the frame, a file or frames.
//!
//! A short answer goes out with one call: head, data and end in one piece of memory. Longer blocks are not copied.
//! Lines for the log go out at once where the socket takes them, so that they are there if the process dies of what
//! comes next; nothing waits for them.

mod blocks;
mod lines;
mod request;

use std::os::fd::BorrowedFd;
use std::time::Duration;

use rsgi_bridge::host::{Blocks, HeadView, Outcome, RequestHost, SendFlags, Sent};
use rsgi_core::wire::{self, AbortReason};

use self::blocks::headers;
use self::request::leave_if_forked;
use crate::log;
use crate::server::body::Body;
use crate::server::connection::Connection;
use crate::server::outbox::{Outbox, Unsent};
use crate::server::{Seat, Server};
use crate::sys::socket::Waiting;

/// Blocks of up to this many bytes together are copied behind their head.
const COPIED: usize = 16 * 1024;

/// One request while an application runs for it.
pub struct FrameHost<'s> {
    seat: Seat<'s>,
    connection: Connection,
    out: Outbox,
    body: Body,
    log_level: u8,
    /// It keeps the process from being called inactive.
    is_activity: bool,
    is_committed: bool,
    /// The child has the whole response, but not its end, as the application still runs.
    is_whole: bool,
    is_ended: bool,
    is_concluded: bool,
    is_broken: bool,
    /// Cannot be used again, whatever comes.
    is_last: bool,
    count: Option<Count<'s>>,
    /// When it was taken, since the process began.
    began: Duration,
}

/// What a host is made of.
pub(super) struct Parts {
    pub(super) connection: Connection,
    pub(super) out: Outbox,
    pub(super) body: Body,
    pub(super) log_level: u8,
    pub(super) is_activity: bool,
}

/// Counts as a running request while it lives.
struct Count<'s>(&'s Server);

impl<'s> Count<'s> {
    fn new(server: &'s Server) -> Self {
        server.board_slot(|slot| slot.enter());
        Self(server)
    }
}

impl Drop for Count<'_> {
    fn drop(&mut self) {
        self.0.board_slot(|slot| slot.leave());
    }
}

impl<'s> FrameHost<'s> {
    /// A host for a request that was just read; counts as running from here.
    pub(super) fn new(seat: Seat<'s>, parts: Parts) -> Self {
        let count = Count::new(seat.server);
        let mut host = Self {
            seat,
            connection: parts.connection,
            out: parts.out,
            body: parts.body,
            log_level: parts.log_level,
            is_activity: parts.is_activity,
            is_committed: false,
            is_whole: false,
            is_ended: false,
            is_concluded: false,
            is_broken: false,
            is_last: false,
            count: Some(count),
            began: Duration::ZERO,
        };
        host.began = host.touch();
        host.seat.server.activity.pace().begin(host.began);
        host
    }

    /// The application is done: what the child does not know yet is put behind what goes out.
    pub(super) fn conclude(&mut self, outcome: Outcome) {
        leave_if_forked();
        if self.count.is_some() {
            // What a process does not run another one does.
            let ended = (outcome != Outcome::Stale).then(|| self.seat.server.activity.now());
            self.uncount(ended);
        }
        if self.is_ended || std::mem::replace(&mut self.is_concluded, true) {
            return;
        }
        let frames = &mut self.out.frames;
        if self.is_whole {
            self.is_ended = true;
            return wire::push_end(frames);
        }
        match outcome {
            Outcome::Stale if !self.is_committed => {
                self.is_last = true;
                wire::push_stale(frames);
            }
            Outcome::Status(status) if !self.is_committed => wire::push_status(frames, status),
            Outcome::Gone => wire::push_abort(frames, AbortReason::Gone),
            _ if !self.is_committed => wire::push_status(frames, 500),
            Outcome::Panicked => wire::push_abort(frames, AbortReason::Panicked),
            _ => wire::push_abort(frames, AbortReason::Truncated),
        }
    }

    /// Sends what there is to send; false where it may not wait and would have to.
    pub(super) fn flush(&mut self, may_wait: bool) -> bool {
        if self.is_broken {
            return true;
        }
        let waiting = if may_wait {
            Waiting::Allowed
        } else {
            Waiting::Never
        };
        match self.send_rest(waiting) {
            // A part may be left.
            Ok(()) => may_wait || self.out.frames.is_empty(),
            Err(Unsent::WouldBlock) => false,
            Err(error) => {
                let _ = self.fail(&error);
                true
            }
        }
    }

    /// Lets go of the connection, for its next request if it can be used again; gives back what can be.
    pub(super) fn let_go(self) -> Outbox {
        let Self {
            seat,
            mut connection,
            mut out,
            body,
            ..
        } = self;
        out.clear();
        if !self.is_broken && !self.is_last {
            if let Some(rest) = body.into_rest() {
                connection.drop_body(rest);
            }
            seat.arm(connection);
        }
        out
    }

    fn send_rest(&mut self, waiting: Waiting) -> Result<(), Unsent> {
        let patience = self.seat.server.settings.socket_timeout;
        self.out.flush(self.connection.socket(), waiting, patience)
    }

    /// The request counts no longer: before its last bytes go out, so that a child that has them finds a free thread.
    /// `ended` is when that is.
    fn uncount(&mut self, ended: Option<Duration>) {
        if let (Some(_), Some(ended)) = (&self.count, ended) {
            let server = self.seat.server;
            let time = ended.saturating_sub(self.began);
            server.board.tally(server.settings.slot).ran(time);
            let pace = server.activity.pace();
            pace.end(time);
            server.board_slot(|slot| slot.set_brisk(pace.is_brisk()));
        }
        self.count = None;
    }

    /// A sign of life; when it was.
    fn touch(&self) -> Duration {
        let activity = &self.seat.server.activity;
        let now = activity.now();
        if self.is_activity {
            activity.touch(now);
        }
        now
    }

    /// Notes that the connection is of no more use.
    fn fail(&mut self, error: &Unsent) -> Sent {
        self.is_broken = true;
        if matches!(error, Unsent::Gone) {
            return Sent::Gone;
        }
        log::warn(format_args!(
            "RSGI0421: the answer to a request of httpd's process {} is given up: {error}",
            self.connection.pid()
        ));
        Sent::Failed
    }

    /// Appends the head.
    fn begin(&mut self, head: Option<HeadView<'_>>) -> Result<(), Sent> {
        let Some(head) = head else { return Ok(()) };
        let pushed = wire::push_head(
            &mut self.out.frames,
            head.status(),
            head.line(),
            head.content_length(),
            head.headers(),
        );
        pushed.map_err(|error| {
            let line = format!("RSGI0422: the response's headers are too long: {error}");
            self.log(rsgi_bridge::abi::level::ERROR, line.as_bytes());
            Sent::Failed
        })
    }

    /// Sends the frames and what is behind them; they end at `mark` again where nothing was taken.
    fn transmit(
        &mut self,
        mark: usize,
        blocks: &[&[u8]],
        fds: &[BorrowedFd<'_>],
        waiting: Waiting,
    ) -> Sent {
        let patience = self.seat.server.settings.socket_timeout;
        let socket = self.connection.socket();
        match self.out.send(socket, blocks, fds, waiting, patience) {
            Ok(()) => Sent::Ok,
            Err(Unsent::WouldBlock) => {
                self.out.frames.truncate(mark);
                Sent::WouldBlock
            }
            Err(error) => self.fail(&error),
        }
    }

    /// Sends one frame with a descriptor, after all others were sent: alone in its call, so that the descriptor is at its
    /// frame's bytes.
    fn transmit_alone(&mut self, fd: BorrowedFd<'_>, push: impl FnOnce(&mut Vec<u8>)) -> Sent {
        push(&mut self.out.frames);
        self.transmit(0, &[], &[fd], Waiting::Allowed)
    }

    /// Sends blocks that are too long to be copied: whole frames, each behind its header.
    fn send_long(&mut self, blocks: Blocks<'_>, flags: SendFlags) -> Sent {
        let headers = headers(blocks.total());
        let mut end = Vec::new();
        push_last(&mut end, flags);
        let mut slices: Vec<&[u8]> = Vec::with_capacity(blocks.count() + headers.len() * 2 + 1);
        let mut blocks = blocks.iter();
        let mut block: &[u8] = &[];
        for (header, length) in &headers {
            slices.push(header);
            let mut left = *length;
            while left > 0 {
                if block.is_empty() {
                    let Some(next) = blocks.next() else { break };
                    block = next;
                }
                let (piece, rest) = block.split_at(left.min(block.len()));
                if !piece.is_empty() {
                    slices.push(piece);
                }
                left -= piece.len();
                block = rest;
            }
        }
        slices.push(&end);
        self.transmit(0, &slices, &[], Waiting::Allowed)
    }
}

/// Appends what is behind the last block.
fn push_last(frames: &mut Vec<u8>, flags: SendFlags) {
    match (flags.is_end(), flags.is_running()) {
        (true, true) => wire::push_whole(frames),
        (true, false) => wire::push_end(frames),
        (false, _) => {}
    }
}
