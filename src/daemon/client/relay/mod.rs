//! Brings a response to the client and the client's body to the process, both at the same time.
//!
//! The usual response is there whole at the first look and goes out in one piece. Where the client does not take what
//! has come, it waits in a [`Spool`], so that the process is done with the request as soon as it can be, whatever the
//! client does; only beyond `response-buffer-size` has it to wait.

mod batch;
mod body;
mod front;
mod passing;
mod spool;
mod step;
mod whole;

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rsgi_core::wire::{HeadFrame, ToChild};

use self::batch::{BLOCKS, Batch};
use self::body::BodyPump;
pub use self::front::{BodyPiece, Delivery, Ending, Front, HeadAction, Passing};
use self::spool::Spool;
use self::whole::Whole;
use super::exchange::Exchange;
use super::failure::{Failure, Garbage};
use super::file::has_part;
use super::inbox::Inbox;
use crate::notice;
use crate::sys::socket::Waiting;

/// A whole response of so many bytes goes out without a look at the client's room, which costs two calls: where there
/// is none, only this thread waits, and not the process.
const SMALL: usize = 16 * 1024;
/// Bytes that are dropped for the connection's sake; beyond that it is closed.
const MOST_DROPPED: usize = 1024 * 1024;

/// Why a step is the last one.
enum Stop {
    Failed(Failure),
    Ended(Ending),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

type Step<T> = Result<T, Stop>;

/// How a response is relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relay {
    /// Whether the body is streamed.
    pub is_streamed: bool,
    /// How long nothing may come before what has come is brought to the client (`response-flush-delay`).
    pub flush_delay: Duration,
    /// Bytes that are kept for a slow client (`response-buffer-size`).
    pub most_kept: u64,
    /// How long a client may take nothing and send nothing.
    pub client_patience: Duration,
    /// How long one write may wait for the client; none where httpd's `Timeout` says so.
    pub write_patience: Option<Duration>,
    /// Whether the process may ask what httpd as a whole does (`server-metrics`).
    pub may_ask: bool,
}

/// Relays until the response has ended or cannot be had.
///
/// # Errors
/// Why there is no response, or no more of it.
pub fn relay<F: Front>(
    how: Relay,
    exchange: &mut Exchange<'_, '_>,
    inbox: &mut Inbox,
    front: &mut F,
) -> Result<Ending, Failure> {
    inbox.clear();
    let mut relayed = Relaying {
        how,
        exchange,
        front,
        body: BodyPump::new(how.is_streamed),
        spool: Spool::default(),
        is_committed: false,
        whole: Whole::No,
        is_dropping: false,
        dropped: 0,
        has_passed: false,
        is_unflushed: false,
        is_flush_due: false,
        lull: Duration::ZERO,
        quiet: Duration::ZERO,
        active: None,
    };
    let stop = relayed.run(inbox);
    relayed.exchange.finish(false);
    let stop = relayed.settle(stop);
    inbox.clear();
    match stop {
        Stop::Ended(ending) => Ok(ending),
        Stop::Failed(failure) => Err(failure),
    }
}

/// One response on its way.
struct Relaying<'e, 'c, 'o, F> {
    how: Relay,
    exchange: &'e mut Exchange<'c, 'o>,
    front: &'e mut F,
    body: BodyPump,
    spool: Spool,
    is_committed: bool,
    whole: Whole,
    is_dropping: bool,
    dropped: usize,
    has_passed: bool,
    /// Something was passed on that may still be on its way to the client.
    is_unflushed: bool,
    /// It is time to bring it there, and the client has no room.
    is_flush_due: bool,
    /// How long the client is left alone that has room by its socket's word and not by ours; zero where it is waited
    /// for.
    lull: Duration,
    /// For how long nothing has come or gone.
    quiet: Duration,
    /// When something moved last, where somebody asked.
    active: Option<Instant>,
}

impl<F: Front> Relaying<'_, '_, '_, F> {
    fn run(&mut self, inbox: &mut Inbox) -> Stop {
        loop {
            let step = self
                .take_frames(inbox)
                .and_then(|()| self.bring_more(inbox));
            if let Err(stop) = step {
                return stop;
            }
        }
    }

    /// Takes the whole frames that are there.
    fn take_frames(&mut self, inbox: &mut Inbox) -> Step<()> {
        let (mut frames, fds) = inbox.parts();
        let mut batch = Batch::new();
        let mut is_stale = false;
        while let Some(frame) = frames.next() {
            match frame.map_err(|error| self.exchange.garbage(error))? {
                ToChild::Log { level, text } => self.front.log(level, text),
                ToChild::LogAt {
                    level,
                    source,
                    line,
                    text,
                } => self.front.log_at(level, text, source, line),
                ToChild::AskServer => self.tell(fds.pop_front())?,
                ToChild::Head(head) => self.take_head(&head)?,
                ToChild::Data(data) => self.take_data(data, &mut batch)?,
                ToChild::File { offset, length } => {
                    self.pass(&mut batch)?;
                    let file = fds.pop_front();
                    self.take_file(file, offset, length)?;
                }
                ToChild::NeedBody => {
                    let may = self.body.open();
                    self.check(may)?;
                }
                ToChild::Stale => {
                    self.check(!self.is_committed && !self.body.is_active())?;
                    is_stale = true;
                    break;
                }
                ToChild::Whole => self.take_whole(&mut batch)?,
                ToChild::End => {
                    self.check(self.is_committed)?;
                    self.finish(frames.is_at_end() && fds.is_empty());
                    return Err(self.end(&batch));
                }
                ToChild::Abort(reason) => {
                    self.check(self.may_add())?;
                    self.finish(frames.is_at_end() && fds.is_empty());
                    return Err(self.abort(&mut batch, reason));
                }
                ToChild::Status(status) => {
                    self.check(!self.is_committed)?;
                    self.finish(frames.is_at_end() && fds.is_empty());
                    return Err(Stop::Ended(Ending::Status(status)));
                }
            }
        }
        self.pass(&mut batch)?;
        let used = frames.used();
        inbox.consume(used);
        if is_stale {
            self.exchange.turned_away(inbox)?;
        }
        Ok(())
    }

    /// The process is done; its connection can be used again where nothing is left on it.
    fn finish(&mut self, is_at_end: bool) {
        let is_clean = self.body.close(self.exchange);
        self.exchange.finish(is_clean && is_at_end);
    }

    /// Answers what httpd as a whole does.
    fn tell(&mut self, place: Option<OwnedFd>) -> Step<()> {
        self.check(self.how.may_ask)?;
        let place = place.ok_or_else(|| self.exchange.garbage(Garbage::Order))?;
        let text = self.front.server_metrics().unwrap_or_default();
        notice::give(&place, text.as_bytes());
        Ok(())
    }

    /// What the process says must have a meaning at this time.
    fn check(&self, has_meaning: bool) -> Step<()> {
        if has_meaning {
            Ok(())
        } else {
            Err(self.exchange.garbage(Garbage::Order).into())
        }
    }

    fn take_head(&mut self, head: &HeadFrame<'_>) -> Step<()> {
        self.check(!self.is_committed)?;
        self.is_committed = true;
        self.is_dropping = self.front.head(head) == HeadAction::Drop;
        Ok(())
    }

    /// Whether more of the body may come.
    fn may_add(&self) -> bool {
        self.is_committed && self.whole == Whole::No
    }

    fn take_data<'i>(&mut self, data: &'i [u8], batch: &mut Batch<'i>) -> Step<()> {
        self.check(self.may_add())?;
        if self.is_dropping {
            return self.drop_bytes(data.len());
        }
        if batch.count == BLOCKS {
            self.pass(batch)?;
        }
        batch.blocks[batch.count] = data;
        batch.count += 1;
        Ok(())
    }

    fn take_file(&mut self, file: Option<OwnedFd>, offset: u64, length: u64) -> Step<()> {
        self.check(self.may_add())?;
        let file = file.filter(|file| has_part(std::os::fd::AsFd::as_fd(file), offset, length));
        let file = file.ok_or_else(|| self.exchange.garbage(Garbage::File))?;
        if !self.is_dropping && length > 0 {
            // Passed on with what is behind it, which usually is the end.
            self.spool.push_file(file, offset, length);
        }
        Ok(())
    }

    fn drop_bytes(&mut self, count: usize) -> Step<()> {
        self.dropped = self.dropped.saturating_add(count);
        if self.dropped > MOST_DROPPED {
            // The process learns that nobody wants it.
            return Err(Stop::Ended(Ending::Complete));
        }
        Ok(())
    }
}
