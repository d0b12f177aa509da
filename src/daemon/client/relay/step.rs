//! Waiting for either side of a relay.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rsgi_core::wire::BodyOutcome;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Ending, Front, Relaying, Step, Stop, Waiting, Whole};
use crate::client::connection::TICK;
use crate::client::failure::Failure;
use crate::client::inbox::{Inbox, Receipt};

/// Where the client has no socket to wait at: how long until the next look at it.
const LOOK: Duration = Duration::from_millis(5);
/// The longest time between two looks.
const LONGEST_LOOK: Duration = Duration::from_millis(100);
/// Room below which nothing is passed on at once: a client that takes byte after byte would cost a call for each.
const LEAST_ROOM: usize = 4 * 1024;
/// What has to be passed on at a look for the next one to be soon.
const WORTH_A_LOOK: usize = 512;

impl<F: Front> Relaying<'_, '_, '_, F> {
    /// Brings more frames, or moves something else.
    pub(super) fn bring_more(&mut self, inbox: &mut Inbox) -> Step<()> {
        if self.whole == Whole::Kept {
            // Mostly the process is done by now.
            if self.exchange.receive(inbox, Waiting::Never)? == Receipt::Some {
                return Ok(());
            }
            self.send_whole()?;
        }
        let is_plain = !self.is_unflushed && !self.body.is_active() && self.spool.is_empty();
        if is_plain {
            self.exchange.receive(inbox, Waiting::Allowed)?;
            return Ok(());
        }
        let pumped = self.body.pump(self.front, self.exchange);
        let mut moved = pumped.any | self.pass_what_fits()?;
        if self.may_receive() {
            if self.exchange.receive(inbox, Waiting::Never)? == Receipt::Some {
                self.stir();
                return Ok(());
            }
            moved |= self.pass_what_is_unsure()?;
        }
        if moved {
            self.stir();
        }
        if pumped.more {
            return Ok(());
        }
        self.wait(inbox)
    }

    /// Something has come or gone.
    fn stir(&mut self) {
        self.active = None;
        self.quiet = Duration::ZERO;
    }

    fn may_receive(&self) -> bool {
        self.spool.length() < self.how.most_kept
    }

    /// Passes kept bytes on as far as the client is known to take them.
    fn pass_what_fits(&mut self) -> Step<bool> {
        if self.spool.is_empty() {
            if !self.is_flush_due {
                self.lull = Duration::ZERO;
            }
            return Ok(false);
        }
        match self.front.room() {
            Some(room) if room >= LEAST_ROOM => {
                self.lull = Duration::ZERO;
                Ok(self.pass_some(room)? > 0)
            }
            Some(room) if room > 0 && !self.lull.is_zero() => {
                // A small buffer that empties fast is looked at often, a slow client seldom.
                let passed = self.pass_some(room)?;
                if passed >= WORTH_A_LOOK {
                    self.lull = LOOK;
                }
                Ok(passed > 0)
            }
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
        let patience = self.patience();
        let [process, client] = self.poll(patience).map_err(Failure::Connection)?;
        if client.intersects(PollFlags::HUP | PollFlags::ERR) {
            return Err(Stop::Ended(Ending::ClientGone));
        }
        if client.contains(PollFlags::OUT) {
            self.lull = LOOK;
        }
        if !process.is_empty() || !client.is_empty() {
            return Ok(());
        }
        self.lull = (self.lull * 2).min(LONGEST_LOOK);
        self.quiet += patience;
        if self.wants_flush() && self.quiet >= self.how.flush_delay {
            return self.flush();
        }
        self.count_silence(inbox)
    }

    /// Whether what was passed on may still be in httpd's filters, and nothing follows by itself.
    fn wants_flush(&self) -> bool {
        self.is_unflushed && self.spool.is_empty()
    }

    /// How long nothing may happen before something is to be done.
    fn patience(&self) -> Duration {
        let looks = self.front.socket().is_none() && self.body.waits_for_client();
        let flush = (self.wants_flush() && !self.is_flush_due).then_some(self.how.flush_delay);
        [
            flush,
            looks.then_some(LOOK),
            (!self.lull.is_zero()).then_some(self.lull),
        ]
        .into_iter()
        .flatten()
        .fold(TICK, Duration::min)
    }

    /// Brings to the client what was passed on, if that does not wait.
    fn flush(&mut self) -> Step<()> {
        self.is_flush_due = self.front.room().is_some_and(|room| room < LEAST_ROOM);
        if self.is_flush_due {
            return Ok(());
        }
        self.is_unflushed = false;
        self.lull = Duration::ZERO;
        let delivery = self.front.flush();
        self.delivered(delivery)
    }

    /// Nothing moved: looks for how long already, and who is to blame.
    fn count_silence(&mut self, inbox: &mut Inbox) -> Step<()> {
        let silence = self.active.get_or_insert_with(Instant::now).elapsed();
        let waits_for_client = self.body.waits_for_client();
        let has_more = !self.spool.is_empty() || self.is_flush_due;
        let patience = self.how.client_patience;
        if has_more && silence >= patience {
            let (pid, patience) = (self.exchange.pid(), Some(patience));
            return Err(Failure::ClientSilent { pid, patience }.into());
        }
        if waits_for_client && silence >= patience {
            self.body.end(BodyOutcome::Timeout);
            self.active = None;
            return Ok(());
        }
        if !waits_for_client && silence >= self.exchange.patience() {
            return Err(self.exchange.timeout().into());
        }
        Ok(self.exchange.look_after(inbox)?)
    }

    /// Waits until something can be done: what is there at the process and at the client.
    fn poll(&self, patience: Duration) -> io::Result<[PollFlags; 2]> {
        let mut process = PollFlags::empty();
        process.set(PollFlags::IN, self.may_receive());
        process.set(PollFlags::OUT, self.body.waits_for_process());
        let mut client = PollFlags::empty();
        client.set(PollFlags::IN, self.body.waits_for_client());
        let has_more = !self.spool.is_empty() || self.is_flush_due;
        client.set(PollFlags::OUT, has_more && self.lull.is_zero());
        // The end of a client is told whatever else is asked for: one that is left alone for a while may hang up.
        let is_client_wanted = has_more || !client.is_empty();
        poll_both(
            [
                self.exchange.socket().filter(|_| !process.is_empty()),
                self.front.socket().filter(|_| is_client_wanted),
            ],
            [process, client],
            patience,
        )
    }
}

/// What is there at either descriptor; one of which nothing is wanted is not looked at.
fn poll_both(
    sides: [Option<BorrowedFd<'_>>; 2],
    flags: [PollFlags; 2],
    patience: Duration,
) -> io::Result<[PollFlags; 2]> {
    let mut fds: Vec<PollFd<'_>> = sides
        .iter()
        .zip(flags)
        .filter_map(|(fd, flags)| fd.map(|fd| PollFd::from_borrowed_fd(fd, flags)))
        .collect();
    let timeout = Timespec::try_from(patience).map_err(|_| io::ErrorKind::InvalidInput)?;
    match poll(&mut fds, Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let mut seen = fds.iter().map(PollFd::revents);
    Ok(sides.map(|side| side.and_then(|_| seen.next()).unwrap_or(PollFlags::empty())))
}
