//! What has come goes to the client: at once where it fits, else later, in the order in which it came.

use std::io;

use rsgi_core::wire::AbortReason;

use super::batch::Batch;
use super::spool::{IN_MEMORY, Next};
use super::whole::Whole;
use super::{Delivery, Ending, Front, Passing, Relaying, SMALL, Step, Stop};
use crate::client::failure::Failure;

impl<F: Front> Relaying<'_, '_, '_, F> {
    /// Passes blocks on, or keeps them for later where the client would have to be waited for.
    pub(super) fn pass(&mut self, batch: &mut Batch<'_>) -> Step<()> {
        if batch.count == 0 {
            return Ok(());
        }
        let blocks = batch.blocks();
        let total = blocks.iter().map(|block| block.len()).sum();
        if self.spool.is_empty() && self.fits(total) {
            let delivery = self.front.send(blocks, Passing::More);
            self.has_passed = true;
            self.is_unflushed = true;
            self.delivered(delivery)?;
        } else {
            self.keep(blocks)?;
        }
        batch.count = 0;
        Ok(())
    }

    /// Whether so many bytes can be sent without waiting. Where that is not known, they are kept and passed on when no
    /// more is there.
    pub(super) fn fits(&mut self, total: usize) -> bool {
        self.front.room().is_some_and(|room| room >= total)
    }

    pub(super) fn keep(&mut self, blocks: &[&[u8]]) -> Step<()> {
        for block in blocks {
            self.spool.push(block).map_err(Failure::Connection)?;
        }
        Ok(())
    }

    pub(super) fn delivered(&mut self, delivery: Delivery) -> Step<()> {
        match delivery {
            Delivery::Taken => Ok(()),
            Delivery::Gone => Err(Stop::Ended(Ending::ClientGone)),
            Delivery::Silent => {
                let patience = self.how.write_patience;
                let pid = self.exchange.pid();
                Err(Failure::ClientSilent { pid, patience }.into())
            }
            Delivery::Failed => {
                let pid = self.exchange.pid();
                Err(Failure::Refused { pid }.into())
            }
        }
    }

    /// The response is complete with these blocks.
    pub(super) fn end(&mut self, batch: &Batch<'_>) -> Stop {
        let step = self.try_end(batch);
        step.err().unwrap_or(Stop::Ended(Ending::Complete))
    }

    pub(super) fn try_end(&mut self, batch: &Batch<'_>) -> Step<()> {
        if self.is_dropping || self.whole == Whole::Sent {
            return Ok(());
        }
        let blocks = batch.blocks();
        if self.spool.is_empty()
            && let Some(passing) = self.last_passing(blocks)
        {
            let delivery = self.front.send(blocks, passing);
            return self.delivered(delivery);
        }
        self.keep(blocks)?;
        while !self.spool.is_empty() {
            let passing = match self.spool.is_last() {
                true if self.is_short_whole() => Passing::EndNow,
                true => Passing::End,
                false => Passing::More,
            };
            self.pass_next(passing)?;
        }
        Ok(())
    }

    /// How the last blocks can be passed on without waiting; none where they cannot.
    pub(super) fn last_passing(&mut self, blocks: &[&[u8]]) -> Option<Passing> {
        let total: usize = blocks.iter().map(|block| block.len()).sum();
        if !self.has_passed && total <= SMALL {
            return Some(Passing::EndNow);
        }
        match self.front.room() {
            Some(room) if room >= total => Some(Passing::EndNow),
            // httpd's own filters keep the rest and write it when the client takes it.
            Some(room) if room.saturating_add(IN_MEMORY) >= total => Some(Passing::End),
            Some(_) => None,
            None => Some(Passing::End),
        }
    }

    /// The response ends without being complete: the client gets what has come.
    pub(super) fn abort(&mut self, batch: &mut Batch<'_>, reason: AbortReason) -> Stop {
        let step = self.pass(batch).and_then(|()| self.pass_all());
        step.err().unwrap_or(Stop::Ended(Ending::Aborted(reason)))
    }

    pub(super) fn pass_all(&mut self) -> Step<()> {
        while !self.spool.is_empty() {
            self.pass_next(Passing::More)?;
        }
        Ok(())
    }

    /// Passes the first kept part on, whole.
    pub(super) fn pass_next(&mut self, passing: Passing) -> Step<()> {
        let delivery = match self.spool.next() {
            Some(Next::Bytes(bytes)) => self.front.send(&[bytes], passing),
            Some(Next::File {
                file,
                offset,
                length,
            }) => self.front.send_file(file, offset, length, passing),
            None => Delivery::Failed,
        };
        self.spool.pop();
        self.has_passed = true;
        self.is_unflushed = true;
        self.delivered(delivery)
    }

    /// Passes on what fits into `room`; how many bytes did, of files some number.
    pub(super) fn pass_some(&mut self, mut room: usize) -> Step<usize> {
        let mut buffer = [0; 16 * 1024];
        let mut passed = 0;
        while room > 0 && !self.spool.is_empty() {
            let most = room.min(buffer.len());
            let count = match self.spool.peek(&mut buffer[..most]) {
                Ok(Some(bytes)) => {
                    let delivery = self.front.send(&[bytes], Passing::More);
                    let count = bytes.len();
                    self.delivered(delivery)?;
                    count
                }
                Ok(None) => {
                    self.pass_next(Passing::More)?;
                    return Ok(room);
                }
                Err(error) => return Err(kept_is_lost(error)),
            };
            self.spool.consume(count);
            self.is_unflushed = true;
            passed += count;
            room -= count;
        }
        Ok(passed)
    }
}

fn kept_is_lost(error: io::Error) -> Stop {
    Stop::Failed(Failure::Connection(error))
}
