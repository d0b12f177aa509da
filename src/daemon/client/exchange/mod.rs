//! One request and its answer: finds a process, gives it the request, and tells how it ended when it did not go well.
//!
//! A process that ends or is stopped before it took the request costs the client nothing: the request goes to another
//! one. What tells is the claim (see [`Assignment::offer`]), not the socket: where it can be retracted, the process has
//! not begun with the request and never will, however it got lost.

mod answer;

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rsgi_core::wire::{Claim, Hello, Tries, set_claim, set_tries};

use super::connection::{Connection, SendError};
use super::failure::{Failure, Garbage};
use super::group::{GroupHandle, Member};
use super::inbox::Inbox;
use crate::admission::{Assignment, Refused, Wait};
use crate::scoreboard::{Slot, SlotRef, SlotState, clock};

/// How long the supervisor may take to say how a process ended.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// What goes to the process.
#[derive(Debug)]
pub struct Outgoing<'o> {
    /// The request frame, without its inline body. Its claim is written where it is sent.
    pub frame: &'o mut [u8],
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
    /// How many processes were about to be replaced, or ended, and had not begun with it.
    restarts: u32,
    waited: Duration,
    /// When a process first turned it away.
    refused: Option<u64>,
    /// When it came, once it was taken back from a process whose threads had no time for it.
    since: Option<u64>,
    /// The client's socket, where it has one.
    client: Option<BorrowedFd<'o>>,
    /// It was taken back once from a process that did not look at it for as long as it may say nothing.
    is_late: bool,
}

/// What came of one attempt.
enum Attempt {
    /// The process does not take it: ask another one.
    Elsewhere,
    /// It is no use.
    Failed(Failure),
}

impl<'c, 'o> Exchange<'c, 'o> {
    /// Finds a process and sends it the request. Where it has to wait, it does as long as the client does.
    ///
    /// # Errors
    /// No process takes it in time, or the client has hung up.
    pub fn start(
        group: &'c GroupHandle,
        outgoing: Outgoing<'o>,
        client: Option<BorrowedFd<'o>>,
    ) -> Result<Self, Failure> {
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
            restarts: 0,
            waited: Duration::ZERO,
            refused: None,
            since: None,
            client,
            is_late: false,
        };
        exchange.dispatch(None)?;
        Ok(exchange)
    }

    /// The process that has it, or had it last.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// The slot of that process.
    #[must_use]
    pub const fn slot(&self) -> SlotRef {
        self.slot
    }

    /// How long it waited for a place, in all.
    #[must_use]
    pub const fn waited(&self) -> Duration {
        self.waited
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

    /// The process is about to be replaced, and another one is to have the request.
    ///
    /// # Errors
    /// No other takes it in time.
    pub(super) fn turned_away(&mut self, inbox: &mut Inbox) -> Result<(), Failure> {
        self.restarts += 1;
        self.send_elsewhere(inbox)
    }

    /// Gives the request to another process than the one that has it.
    fn send_elsewhere(&mut self, inbox: &mut Inbox) -> Result<(), Failure> {
        inbox.clear();
        self.dispatch(Some(self.slot))
    }

    fn dispatch(&mut self, mut avoid: Option<SlotRef>) -> Result<(), Failure> {
        let most = u32::try_from(self.group.intakes.len()).unwrap_or(u32::MAX);
        loop {
            self.connection = None;
            self.place = None;
            if self.attempts > most.saturating_mul(2) {
                return Err(Failure::Unstable {
                    attempts: self.attempts,
                });
            }
            self.attempts += 1;
            if avoid.is_some() {
                self.refused.get_or_insert_with(clock::nanos);
            }
            let place = self.assign(avoid)?;
            self.slot = place.process();
            self.waited += place.waited();
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
                Err(Attempt::Elsewhere) => {
                    self.count_restart();
                    avoid = Some(self.slot);
                }
                Err(Attempt::Failed(failure)) => return Err(failure),
            }
        }
    }

    fn assign(&self, avoid: Option<SlotRef>) -> Result<Assignment<'c>, Failure> {
        let seconds = |seconds: u32| (seconds > 0).then(|| Duration::from_secs(seconds.into()));
        let options = &self.group.options;
        let wait = Wait {
            ready: Some(Duration::from_secs(options.connect_timeout.into())),
            loading: (options.connect_timeout > 0).then(|| self.patience()),
            queue: seconds(options.queue_timeout),
            refused: self.refused,
            since: self.since,
            client: self.client,
        };
        self.member
            .admission
            .assign(wait, avoid)
            .map_err(|refused| match refused {
                Refused::QueueTimeout { waited, waiting } => {
                    Failure::QueueTimeout { waited, waiting }
                }
                Refused::NoProcess { waited } => Failure::NoProcess { waited },
                Refused::ClientGone => Failure::ClientGone,
            })
    }

    /// Sends the request to the process that was chosen, over a connection that waits for it or a new one.
    fn send(&mut self) -> Result<Connection, Attempt> {
        loop {
            let connection = match self.member.pool.take(self.slot.slot, self.slot.incarnation) {
                Some(connection) => connection,
                None => self.connect()?,
            };
            let claim = self.place.as_mut().map_or(Claim::NONE, Assignment::offer);
            let tries = self.tries();
            set_claim(self.outgoing.frame, claim);
            set_tries(self.outgoing.frame, tries);
            let Outgoing {
                frame,
                inline,
                file,
            } = &self.outgoing;
            let sent = connection.send(frame, inline, *file, self.patience(), || self.is_well());
            let Err(error) = sent else {
                return Ok(connection);
            };
            // Without a claim: a part that is missing was not taken either.
            if !self.retract() && claim != Claim::NONE {
                return Err(Attempt::Failed(match error {
                    SendError::Gone => self.lost(None),
                    SendError::Timeout => self.timeout(),
                    SendError::Io(error) => self.lost(Some(error)),
                }));
            }
            match error {
                SendError::Io(error) if is_closed(&error) && !connection.is_new => {}
                SendError::Io(error) if is_closed(&error) => return Err(Attempt::Elsewhere),
                SendError::Gone => return Err(Attempt::Elsewhere),
                SendError::Timeout if !self.is_late => {
                    self.is_late = true;
                    return Err(Attempt::Elsewhere);
                }
                SendError::Timeout => return Err(Attempt::Failed(self.timeout())),
                SendError::Io(error) => {
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

    /// The process has given the request back: counts it, where it does not serve any more.
    fn count_restart(&mut self) {
        let is_serving = self
            .process()
            .is_some_and(|slot| slot.state() == SlotState::Ready);
        self.restarts += u32::from(!is_serving);
    }

    /// How the request comes to the process that it is sent to now.
    fn tries(&self) -> Tries {
        let most = |count| u8::try_from(count).unwrap_or(u8::MAX);
        Tries {
            connects: most(self.attempts),
            restarts: most(self.restarts),
        }
    }

    /// Takes the request back from the process: true where that has not begun with it, and never will.
    fn retract(&mut self) -> bool {
        self.place.as_mut().is_some_and(Assignment::retract)
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

    /// Whether the process has not ended.
    fn is_alive(&self) -> bool {
        self.process().is_some()
    }

    /// Whether its heart beats as well.
    fn is_well(&self) -> bool {
        self.process()
            .is_some_and(|slot| slot.is_fresh(clock::millis()))
    }

    /// Whether it was given more than it has threads for.
    fn is_crowded(&self) -> bool {
        self.process()
            .is_some_and(|slot| slot.assigned() > slot.threads())
    }

    /// The slot, as long as the process has it.
    fn process(&self) -> Option<Slot<'c>> {
        let SlotRef { slot, incarnation } = self.slot;
        let slot = self.group.board.slot(slot)?;
        (slot.incarnation() == incarnation && slot.death(incarnation).is_none()).then_some(slot)
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
