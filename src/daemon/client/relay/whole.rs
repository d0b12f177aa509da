//! Responses whose body is complete while their application still runs: in the last part of a generator, in `close()`.
//!
//! The client gets them at once. Place and connection are kept until the process is done, so that nobody is sent to the
//! thread that runs there; the client is never waited for meanwhile.

use super::batch::Batch;
use super::spool::{IN_MEMORY, Next};
use super::{Front, Passing, Relaying, SMALL, Step, Stop};

/// httpd's number of the level for what is of interest and no trouble.
const INFO: u8 = 6;

/// Whether the body is complete although the application still runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whole {
    No,
    /// It is, and not all of it went to the client.
    Kept,
    /// It is, and the client has it, as far as that depends on us.
    Sent,
}

impl<F: Front> Relaying<'_, '_, '_, F> {
    /// The body is complete, and the process is not done with the request: the client gets it, but is not waited for, as
    /// the process's thread would be kept by it.
    pub(super) fn take_whole(&mut self, batch: &mut Batch<'_>) -> Step<()> {
        self.check(self.may_add())?;
        self.whole = Whole::Kept;
        if self.is_dropping {
            self.whole = Whole::Sent;
            return Ok(());
        }
        let blocks = batch.blocks();
        let total = blocks.iter().map(|block| block.len()).sum();
        // A short one waits for a look at the process, which mostly is done by then: that costs less than one at the
        // client's room.
        let is_short = !self.has_passed && total <= SMALL;
        if self.spool.is_empty() && !is_short && self.fits(total) {
            self.sent_whole();
            let delivery = self.front.send(blocks, Passing::EndNow);
            self.delivered(delivery)?;
        } else {
            self.keep(blocks)?;
        }
        batch.count = 0;
        Ok(())
    }

    fn sent_whole(&mut self) {
        self.whole = Whole::Sent;
        self.is_unflushed = false;
    }

    /// Sends the rest of a complete response where the client need not be waited for.
    pub(super) fn send_whole(&mut self) -> Step<()> {
        let rest = match self.spool.next() {
            None => &[][..],
            Some(Next::Bytes(bytes)) if self.spool.is_last() => bytes,
            Some(_) => return Ok(()),
        };
        let passing = match self.front.room() {
            Some(room) if room > 0 && room >= rest.len() => Passing::EndNow,
            None if rest.len() <= IN_MEMORY => Passing::End,
            _ => return Ok(()),
        };
        let delivery = self.front.send(&[rest], passing);
        self.spool.pop();
        self.sent_whole();
        self.delivered(delivery)
    }

    /// Whether all of a short response is kept, which was complete before the process was done.
    pub(super) fn is_short_whole(&self) -> bool {
        let is_short = |next| matches!(next, Next::Bytes(bytes) if bytes.len() <= SMALL);
        self.whole == Whole::Kept && !self.has_passed && self.spool.next().is_some_and(is_short)
    }

    /// What becomes of a failure after the body was complete: the client gets the response.
    pub(super) fn settle(&mut self, stop: Stop) -> Stop {
        match stop {
            Stop::Failed(failure) if self.whole != Whole::No => {
                let line = format!(
                    "the response is complete, but the process {} of the daemon process group `{}` was not done with its request: {}",
                    self.exchange.pid(),
                    self.exchange.group().name.escape_ascii(),
                    failure.cause().name()
                );
                self.front.log(INFO, line.as_bytes());
                self.end(&Batch::new())
            }
            stop => stop,
        }
    }
}
