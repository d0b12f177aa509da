//! Waiting for either side of a relay.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rsgi_core::wire::BodyOutcome;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Delivery, Ending, Front, Relaying, Step, Stop, Waiting};
use crate::client::connection::TICK;
use crate::client::failure::Failure;
use crate::client::inbox::{Inbox, Receipt};

/// Where the client has no socket to wait at: how long until the next look at it.
const LOOK: Duration = Duration::from_millis(5);
/// Room below which nothing is passed on: a client that takes byte after byte would cost a call for each.
const LEAST_ROOM: usize = 4 * 1024;

/// What happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Happened {
    anything: bool,
    client_is_gone: bool,
}

impl<F: Front> Relaying<'_, '_, '_, F> {
    /// Brings more frames, or moves something else.
    pub(super) fn bring_more(&mut self, inbox: &mut Inbox) -> Step<()> {
        let is_plain = !self.is_unflushed && !self.body.is_active() && self.spool.is_empty();
        if is_plain {
            self.exchange.receive(inbox, Waiting::Allowed)?;
            return Ok(());
        }
        let pumped = self.body.pump(self.front, self.exchange);
        let mut moved = pumped.any | self.pass_what_fits()?;
        if self.may_receive() {
            if self.exchange.receive(inbox, Waiting::Never)? == Receipt::Some {
                self.active = None;
                return Ok(());
            }
            moved |= self.pass_what_is_unsure()?;
        }
        if moved {
            self.active = None;
        }
        if pumped.more {
            return Ok(());
        }
        self.wait(inbox)
    }

    fn may_receive(&self) -> bool {
        self.spool.length() < self.how.most_kept
    }

    /// Passes kept bytes on as far as the client is known to take them.
    fn pass_what_fits(&mut self) -> Step<bool> {
        if self.spool.is_empty() {
            return Ok(false);
        }
        match self.front.room() {
            Some(room) if room >= LEAST_ROOM => self.pass_some(room),
            None if !self.may_receive() => self.pass_all().map(|()| true),
            _ => Ok(false),
        }
    }

    /// Nothing more has come: where the client's room is not known, it is waited for.
    fn pass_what_is_unsure(&mut self) -> Step<bool> {
        let is_unsure = !self.spool.is_empty() && self.front.room().is_none();
        if is_unsure {
            self.pass_all()?;
        }
        Ok(is_unsure)
    }

    fn wait(&mut self, inbox: &mut Inbox) -> Step<()> {
        let flush = self.is_unflushed.then_some(self.how.flush_delay);
        let look = (self.front.socket().is_none() && self.body.waits_for_client()).then_some(LOOK);
        let patience = flush.into_iter().chain(look).fold(TICK, Duration::min);
        let happened = self.poll(patience).map_err(Failure::Connection)?;
        if happened.client_is_gone {
            return Err(Stop::Ended(Ending::ClientGone));
        }
        if happened.anything {
            return Ok(());
        }
        if self.is_unflushed && flush.is_some_and(|delay| patience >= delay) {
            self.is_unflushed = false;
            return match self.front.flush() {
                Delivery::Taken => Ok(()),
                other => self.delivered(other),
            };
        }
        self.count_silence(inbox)
    }

    /// Nothing moved: looks for how long already, and who is to blame.
    fn count_silence(&mut self, inbox: &mut Inbox) -> Step<()> {
        let silence = self.active.get_or_insert_with(Instant::now).elapsed();
        let waits_for_client = self.body.waits_for_client();
        if !self.spool.is_empty() && silence >= self.how.client_patience {
            return Err(Stop::Ended(Ending::ClientGone));
        }
        if waits_for_client && silence >= self.how.client_patience {
            self.body.end(BodyOutcome::Timeout);
            self.active = None;
            return Ok(());
        }
        if !waits_for_client && silence >= self.exchange.patience() {
            return Err(self.exchange.timeout().into());
        }
        Ok(self.exchange.look_after(inbox)?)
    }

    /// Waits until something can be done.
    fn poll(&self, patience: Duration) -> io::Result<Happened> {
        let mut process = PollFlags::empty();
        process.set(PollFlags::IN, self.may_receive());
        process.set(PollFlags::OUT, self.body.waits_for_process());
        let mut client = PollFlags::empty();
        client.set(PollFlags::IN, self.body.waits_for_client());
        client.set(PollFlags::OUT, !self.spool.is_empty());
        let sides = [
            (self.exchange.socket(), process),
            (self.front.socket(), client),
        ];
        let [process, client] = poll_both(sides, patience)?;
        Ok(Happened {
            anything: !process.is_empty() || !client.is_empty(),
            client_is_gone: client.intersects(PollFlags::HUP | PollFlags::ERR),
        })
    }
}

/// What is there at either descriptor; one of which nothing is wanted is not looked at.
fn poll_both(
    sides: [(Option<BorrowedFd<'_>>, PollFlags); 2],
    patience: Duration,
) -> io::Result<[PollFlags; 2]> {
    let wanted =
        |(fd, flags): &(Option<BorrowedFd<'_>>, PollFlags)| fd.is_some() && !flags.is_empty();
    let mut fds: Vec<PollFd<'_>> = sides
        .iter()
        .filter(|side| wanted(side))
        .filter_map(|(fd, flags)| fd.map(|fd| PollFd::from_borrowed_fd(fd, *flags)))
        .collect();
    let timeout = Timespec::try_from(patience).map_err(|_| io::ErrorKind::InvalidInput)?;
    match poll(&mut fds, Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let mut seen = fds.iter().map(PollFd::revents);
    Ok(sides.map(|side| {
        if wanted(&side) {
            seen.next().unwrap_or(PollFlags::empty())
        } else {
            PollFlags::empty()
        }
    }))
}
