//! One request and its answer: finds a process, gives it the request, and tells how it ended when it did not go well.
//!
//! A process that ends before it took the request costs the client nothing: the request goes to another one. The
//! kernel tells the two apart: an end that is closed with unread bytes is a reset here, one that has read everything is
//! an end of file. Where bytes are sent behind the request (a streamed body), the process says `Taken`.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rsgi_core::wire::Hello;

use super::connection::{Connection, SendError, TICK};
use super::failure::{Failure, Garbage};
use super::group::{GroupHandle, Member};
use super::inbox::{Inbox, Receipt};
use crate::admission::{Assignment, Refused, Wait};
use crate::scoreboard::SlotRef;
use crate::sys::socket::{Waiting, has_unread};

/// How long the supervisor may take to say how a process ended.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// What goes to the process.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'o> {
    /// The request frame, without its inline body.
    pub frame: &'o [u8],
    /// The inline body.
    pub inline: &'o [u8],
    /// The file with the body.
    pub file: Option<BorrowedFd<'o>>,
}

/// One request on its way.
pub struct Exchange<'c, 'o> {
    group: &'c GroupHandle,
    member: &'c Member,
    outgoing: Outgoing<'o>,
    place: Option<Assignment<'c>>,
    connection: Option<Connection>,
    slot: SlotRef,
    pid: u32,
    attempts: u32,
    /// Whether the process may have begun with it.
    is_taken: bool,
}

/// What came of one attempt.
enum Attempt {
    /// The process does not take it: ask another one.
    Elsewhere,
    /// It is no use.
    Failed(Failure),
}

impl<'c, 'o> Exchange<'c, 'o> {
    /// Finds a process and sends it the request.
    ///
    /// # Errors
    /// No process takes it in time.
    pub fn start(group: &'c GroupHandle, outgoing: Outgoing<'o>) -> Result<Self, Failure> {
        let member = group.member().map_err(Failure::Connection)?;
        let mut exchange = Self {
            group,
            member,
            outgoing,
            place: None,
            connection: None,
            slot: SlotRef {
                slot: 0,
                incarnation: 0,
            },
            pid: 0,
            attempts: 0,
            is_taken: false,
        };
        exchange.dispatch(None)?;
        Ok(exchange)
    }

    /// The process that has it, or had it last.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// How long a process may say nothing.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.group.patience()
    }

    /// The group.
    #[must_use]
    pub const fn group(&self) -> &'c GroupHandle {
        self.group
    }

    /// The socket to wait for.
    pub(super) fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.connection.as_ref().map(Connection::socket)
    }

    /// Gives the request to another process than the one that has it.
    ///
    /// # Errors
    /// No other takes it in time.
    pub(super) fn send_elsewhere(&mut self, inbox: &mut Inbox) -> Result<(), Failure> {
        inbox.clear();
        self.dispatch(Some(self.slot))
    }

    fn dispatch(&mut self, mut avoid: Option<SlotRef>) -> Result<(), Failure> {
        let most = u32::try_from(self.group.intakes.len()).unwrap_or(u32::MAX);
        loop {
            self.connection = None;
            self.place = None;
            self.is_taken = false;
            if self.attempts > most.saturating_mul(2) {
                return Err(Failure::Unstable {
                    attempts: self.attempts,
                });
            }
            self.attempts += 1;
            let place = self.assign(avoid)?;
            self.slot = place.process();
            self.pid = self
                .group
                .board
                .slot(place.slot())
                .map_or(0, |slot| slot.pid());
            self.place = Some(place);
            match self.send() {
                Ok(connection) => {
                    self.connection = Some(connection);
                    return Ok(());
                }
                Err(Attempt::Elsewhere) => avoid = Some(self.slot),
                Err(Attempt::Failed(failure)) => return Err(failure),
            }
        }
    }

    fn assign(&self, avoid: Option<SlotRef>) -> Result<Assignment<'c>, Failure> {
        let seconds = |seconds: u32| (seconds > 0).then(|| Duration::from_secs(seconds.into()));
        let options = &self.group.options;
        let wait = Wait {
            ready: Some(Duration::from_secs(options.connect_timeout.into())),
            queue: seconds(options.queue_timeout),
        };
        self.member
            .admission
            .assign(wait, avoid)
            .map_err(|refused| match refused {
                Refused::QueueTimeout { waited, waiting } => {
                    Failure::QueueTimeout { waited, waiting }
                }
                Refused::NoProcess { waited } => Failure::NoProcess { waited },
            })
    }

    /// Sends the request to the process that was chosen, over a connection that waits for it or a new one.
    fn send(&self) -> Result<Connection, Attempt> {
        loop {
            let connection = match self.member.pool.take(self.slot.slot, self.slot.incarnation) {
                Some(connection) => connection,
                None => self.connect()?,
            };
            let Outgoing {
                frame,
                inline,
                file,
            } = self.outgoing;
            let sent = connection.send(frame, inline, file, self.patience(), || self.is_alive());
            match sent {
                Ok(()) => return Ok(connection),
                Err(SendError::Io(error)) if is_closed(&error) && !connection.is_new => {}
                Err(SendError::Io(error)) if is_closed(&error) => return Err(Attempt::Elsewhere),
                Err(SendError::Gone) => return Err(Attempt::Elsewhere),
                Err(SendError::Timeout) => return Err(Attempt::Failed(self.timeout())),
                Err(SendError::Io(error)) => {
                    return Err(Attempt::Failed(Failure::Lost {
                        pid: self.pid,
                        error,
                    }));
                }
            }
        }
    }

    fn connect(&self) -> Result<Connection, Attempt> {
        use rustix::io::Errno;
        let hello = Hello {
            row: self.member.admission.row(),
            incarnation: self.slot.incarnation,
            pid: std::process::id(),
        };
        let intake = self.group.intakes.get(self.slot.slot as usize);
        let intake = intake.ok_or(Attempt::Elsewhere)?;
        Connection::open(
            std::os::fd::AsFd::as_fd(intake),
            hello,
            self.group.buffer_sizes(),
        )
        .map_err(|error| match Errno::from_io_error(&error) {
            // The process does not look at its intake, or nobody has it.
            Some(
                Errno::AGAIN | Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN | Errno::CONNREFUSED,
            ) => Attempt::Elsewhere,
            _ => Attempt::Failed(Failure::Connection(error)),
        })
    }

    /// Receives what is there; where it may wait, something or a failure. Whole frames were consumed before.
    ///
    /// # Errors
    /// The process is gone, silent for too long, or says what it cannot say; or was gone before it took the request,
    /// and no other takes it.
    pub(super) fn receive(
        &mut self,
        inbox: &mut Inbox,
        waiting: Waiting,
    ) -> Result<Receipt, Failure> {
        let mut since = None;
        loop {
            let Some(connection) = &self.connection else {
                return Err(self.lost(None));
            };
            match inbox.receive(connection.socket(), waiting) {
                Ok(Receipt::Some) => {
                    self.is_taken = true;
                    return Ok(Receipt::Some);
                }
                Ok(Receipt::Nothing) if waiting == Waiting::Never => return Ok(Receipt::Nothing),
                Ok(Receipt::Nothing) => {
                    self.look_after(inbox)?;
                    let since = since.get_or_insert_with(Instant::now);
                    if since.elapsed() + TICK >= self.patience() {
                        return Err(self.timeout());
                    }
                }
                Ok(Receipt::End) => return Err(self.lost(None)),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return Err(self.garbage(Garbage::File));
                }
                Err(error) if !self.is_taken && is_closed(&error) => self.was_not_taken(inbox)?,
                Err(error) => return Err(self.lost(Some(error))),
            }
        }
    }

    /// Looks whether the process is still there although its socket says nothing.
    ///
    /// # Errors
    /// It is gone, and may have begun with the request; or no other takes it.
    pub(super) fn look_after(&mut self, inbox: &mut Inbox) -> Result<(), Failure> {
        if self.is_alive() {
            return Ok(());
        }
        // What it has not read when it is gone, it will not read.
        let is_unread = self
            .socket()
            .is_some_and(|socket| has_unread(socket).unwrap_or(false));
        if is_unread && !self.is_taken {
            self.was_not_taken(inbox)
        } else {
            Err(self.lost(None))
        }
    }

    fn was_not_taken(&mut self, inbox: &mut Inbox) -> Result<(), Failure> {
        // An old connection may have been closed by a process that still takes requests.
        let is_new = self.connection.as_ref().is_some_and(|it| it.is_new);
        inbox.clear();
        self.dispatch(is_new.then_some(self.slot))
    }

    /// Sends what is taken of bytes behind the request, without waiting. A process that takes no more is found by
    /// [`Exchange::receive`]: it may have answered before.
    ///
    /// # Errors
    /// It reads no more.
    pub(super) fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.connection {
            Some(connection) => connection.try_send(bytes),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// The process is done with the request: its thread is free for another one, and so is the connection unless
    /// `is_clean` says that something is on its way in it.
    pub(super) fn finish(&mut self, is_clean: bool) {
        if let Some(connection) = self.connection.take().filter(|_| is_clean) {
            self.member.pool.put(self.slot.slot, connection);
        }
        self.place = None;
    }

    fn is_alive(&self) -> bool {
        let slot = self.group.board.slot(self.slot.slot);
        slot.is_some_and(|slot| {
            slot.incarnation() == self.slot.incarnation
                && slot.death(self.slot.incarnation).is_none()
        })
    }

    pub(super) fn timeout(&self) -> Failure {
        Failure::Timeout {
            pid: self.pid,
            patience: self.patience(),
        }
    }

    pub(super) fn garbage(&self, error: impl Into<Garbage>) -> Failure {
        Failure::Garbage {
            pid: self.pid,
            error: error.into(),
        }
    }

    /// What to say of a connection that is at its end.
    fn lost(&self, error: Option<io::Error>) -> Failure {
        let slot = self.group.board.slot(self.slot.slot);
        let death = slot.and_then(|slot| slot.wait_death(self.slot.incarnation, LAST_WORDS));
        match error {
            Some(error) if death.is_none() && !is_closed(&error) => Failure::Lost {
                pid: self.pid,
                error,
            },
            _ => Failure::Died {
                pid: self.pid,
                death,
            },
        }
    }
}

/// Whether the other end is closed.
fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}
