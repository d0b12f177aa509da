//! The answer's way back: receives it, and sees to the request while its process says nothing.

use std::io;
use std::time::Instant;

use rsgi_core::average::nanos;

use super::Exchange;
use crate::admission::Assignment;
use crate::client::connection::TICK;
use crate::client::failure::{Failure, Garbage};
use crate::client::inbox::{Inbox, Receipt};
use crate::scoreboard::clock;
use crate::sys::socket::Waiting;

impl Exchange<'_, '_> {
    /// Receives what is there; where it may wait, something or a failure. Whole frames were consumed before.
    ///
    /// # Errors
    /// The process is gone, silent for too long, or says what it cannot say; or was gone before it took the request,
    /// and no other takes it.
    pub(in crate::client) fn receive(
        &mut self,
        inbox: &mut Inbox,
        waiting: Waiting,
    ) -> Result<Receipt, Failure> {
        let mut since = (self.attempts, None);
        loop {
            let Some(connection) = &self.connection else {
                return Err(self.lost(None));
            };
            match inbox.receive(connection.socket(), waiting) {
                Ok(Receipt::Some) => {
                    if let Some(place) = &mut self.place {
                        place.set_taken();
                    }
                    return Ok(Receipt::Some);
                }
                Ok(Receipt::Nothing) if waiting == Waiting::Never => return Ok(Receipt::Nothing),
                Ok(Receipt::Nothing) => {
                    self.look_after(inbox)?;
                    if since.0 != self.attempts {
                        since = (self.attempts, None);
                    }
                    let silent = since.1.get_or_insert_with(Instant::now).elapsed();
                    if silent + TICK >= self.patience() {
                        self.is_too_late(inbox)?;
                    }
                }
                Ok(Receipt::End) => self.is_over(None, inbox)?,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return Err(self.garbage(Garbage::File));
                }
                Err(error) => self.is_over(Some(error), inbox)?,
            }
        }
    }

    /// Looks whether the process is still there although its socket says nothing. One that is stopped keeps what it has
    /// begun with, and loses what it has not; so does one that was given more than it has threads for and is slow, once.
    ///
    /// # Errors
    /// It is gone, and has begun with the request; or no other takes it.
    pub(in crate::client) fn look_after(&mut self, inbox: &mut Inbox) -> Result<(), Failure> {
        let is_taken = self.place.as_ref().is_none_or(Assignment::is_taken);
        if self.is_well() {
            if is_taken || !self.is_crowded() || self.since.is_some() || !self.retract() {
                return Ok(());
            }
            self.since = Some(clock::nanos().saturating_sub(nanos(TICK)));
            inbox.clear();
            return self.dispatch(None);
        }
        if is_taken && self.is_alive() {
            return Ok(());
        }
        if self.retract() {
            self.count_restart();
            return self.send_elsewhere(inbox);
        }
        if self.is_alive() {
            return Ok(());
        }
        Err(self.lost(None))
    }

    /// The connection is at its end.
    fn is_over(&mut self, error: Option<io::Error>, inbox: &mut Inbox) -> Result<(), Failure> {
        if !self.retract() {
            return Err(self.lost(error));
        }
        inbox.clear();
        self.count_restart();
        // An old connection may have been closed by a process that still takes requests.
        let is_new = self.connection.as_ref().is_some_and(|it| it.is_new);
        self.dispatch(is_new.then_some(self.slot))
    }

    /// The process has said nothing for as long as it may. Where it has not even begun, another one gets the request;
    /// once, as a client does not wait for ever.
    fn is_too_late(&mut self, inbox: &mut Inbox) -> Result<(), Failure> {
        if self.is_late || !self.retract() {
            return Err(self.timeout());
        }
        self.is_late = true;
        self.send_elsewhere(inbox)
    }
}
