//! The server of a daemon process: connections of Apache's children, and the threads that run their requests.
//!
//! All threads wait on one epoll set, in which a connection is armed for one event. The thread that wakes reads the
//! request, runs it, answers, and arms the connection again: four calls for a short request. What has not come
//! completely stays with its connection, so that no thread ever waits for a child. The server knows neither Python nor
//! what ends the process: the first is a [`RequestHandler`], the second the monitor, which reads [`Activity`].

mod activity;
mod body;
mod buffer;
mod connection;
mod constants;
mod host;
mod intake;
mod outbox;
mod pace;
mod table;
#[cfg(test)]
mod tests;
mod work;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rsgi_bridge::serve::RequestSource;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};

pub use activity::{Activity, Running};
use connection::Connection;
use constants::Constants;
pub use host::FrameHost;
use table::Table;
pub use work::{Work, Worker};

use crate::scoreboard::{Scoreboard, Slot, SlotState};

/// Runs requests: the Python layer, or a test.
pub trait RequestHandler: Send + Sync + 'static {
    /// Makes the calling thread worker `number`, from 1, which runs what `source` has until that has no more. False where
    /// it gave up before: it may be called again.
    fn serve<S: RequestSource>(&self, number: u32, source: &mut S) -> bool;
}

/// How a server is to be.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its slot in the scoreboard.
    pub slot: u32,
    /// Which process of the slot it is.
    pub incarnation: u32,
    /// The user whose connections it takes, beside its own.
    pub client_user: u32,
    /// How long a child may take nothing.
    pub socket_timeout: Duration,
    /// `SO_SNDBUF` of connections; 0 leaves it.
    pub send_buffer: u32,
    /// `SO_RCVBUF` of connections; 0 leaves it.
    pub receive_buffer: u32,
}

impl Settings {
    /// How long a child may send nothing of a body: it has its own limit for the client, and says when that is over.
    fn read_timeout(&self) -> Duration {
        self.socket_timeout + Duration::from_secs(5)
    }
}

/// Names in the epoll set that are no connection's.
const INTAKE: u64 = u64::MAX;
const STOP: u64 = u64::MAX - 1;

/// The server.
pub struct Server {
    settings: Settings,
    board: Arc<Scoreboard>,
    activity: Arc<Activity>,
    connections: Table,
    constants: Constants,
    epoll: OwnedFd,
    intake: OwnedFd,
    stop: OwnedFd,
    is_stopping: AtomicBool,
    is_full_told: AtomicBool,
    own_user: u32,
}

/// What woke a thread.
enum Wake {
    Nothing,
    Intake { is_closed: bool },
    Stop,
    Connection(u32),
}

impl Server {
    /// A server that takes its connections from `intake`; nothing happens before a worker runs.
    ///
    /// # Errors
    /// No descriptors.
    pub fn new(
        settings: Settings,
        board: Arc<Scoreboard>,
        activity: Arc<Activity>,
        intake: OwnedFd,
    ) -> io::Result<Self> {
        let layout = board.layout();
        // Each thread of each child has at most one; those of children that died are there until they are seen.
        let most = layout.rows.saturating_mul(layout.waiters);
        let most = most.saturating_mul(2).saturating_add(64);
        let server = Self {
            settings,
            connections: Table::new(most as usize),
            constants: Constants::default(),
            board,
            activity,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            intake,
            stop: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            is_stopping: AtomicBool::new(false),
            is_full_told: AtomicBool::new(false),
            own_user: rustix::process::geteuid().as_raw(),
        };
        server.watch(&server.intake, INTAKE, ONCE)?;
        server.watch(&server.stop, STOP, epoll::EventFlags::IN)?;
        Ok(server)
    }

    /// What its threads do.
    #[must_use]
    pub fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// No thread takes another request. What has come and was not taken goes back to the children when the process ends,
    /// which give it to another one.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        // Cannot be full.
        let _ = rustix::io::write(&self.stop, &1u64.to_ne_bytes());
    }

    /// Closes the connections on which a request began so long ago that the rest will not come: what has come of it would
    /// stay for ever. A child that was only stopped gives it to another process.
    pub fn close_overdue(&self) {
        self.close_older_than(self.settings.read_timeout());
    }

    fn close_older_than(&self, limit: Duration) {
        let now = Instant::now();
        let mut from = 0;
        while let Some((place, connection)) = self
            .connections
            .take_if(from, |connection| connection.is_overdue(now, limit))
        {
            drop(connection);
            self.connections.release(place);
            from = place + 1;
        }
    }

    /// How often that is worth a look.
    #[must_use]
    pub fn overdue_period(&self) -> Duration {
        self.settings.read_timeout()
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }

    /// The process's slot.
    fn board_slot(&self, body: impl FnOnce(Slot<'_>)) {
        if let Some(slot) = self.board.slot(self.settings.slot) {
            body(slot);
        }
    }

    fn watch(&self, fd: &OwnedFd, name: u64, flags: epoll::EventFlags) -> io::Result<()> {
        epoll::add(&self.epoll, fd, epoll::EventData::new_u64(name), flags)?;
        Ok(())
    }

    /// Waits for one event, or takes one that is there.
    fn wait(&self, may_wait: bool) -> io::Result<Wake> {
        let mut events = [epoll::Event {
            flags: epoll::EventFlags::empty(),
            data: epoll::EventData::new_u64(0),
        }];
        let at_once = Timespec::default();
        let timeout = (!may_wait).then_some(&at_once);
        match epoll::wait(&self.epoll, &mut events, timeout) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(Wake::Nothing),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let [event] = events;
        let flags = event.flags;
        Ok(match event.data.u64() {
            INTAKE => Wake::Intake {
                is_closed: flags.contains(epoll::EventFlags::HUP),
            },
            STOP => Wake::Stop,
            place => u32::try_from(place).map_or(Wake::Nothing, Wake::Connection),
        })
    }

    /// A worker: runs requests until the server stops.
    pub fn work<R: RequestHandler>(&self, number: u32, handler: &R) {
        let mut worker = Worker::new(self, number);
        while !handler.serve(number, &mut worker) && !self.is_stopping() {}
    }

    /// A script changed: children choose another process from here on.
    fn close_slot(&self) {
        self.board_slot(|slot| {
            slot.change_state(SlotState::Ready, SlotState::Draining);
        });
    }

    /// Waits for the next connections.
    fn arm_intake(&self) {
        let data = epoll::EventData::new_u64(INTAKE);
        if let Err(error) = epoll::modify(&self.epoll, self.intake.as_fd(), data, ONCE) {
            crate::log::error(format_args!(
                "RSGI0423: no more connections can be taken: {error}"
            ));
        }
    }
}

/// For what one thread is to see, once.
const ONCE: epoll::EventFlags = epoll::EventFlags::IN.union(epoll::EventFlags::ONESHOT);

/// A place in the table whose connection is in a thread's hands; without it the place is free.
pub(crate) struct Seat<'s> {
    server: &'s Server,
    place: u32,
}

impl Seat<'_> {
    /// Puts the connection to its place and waits for its next request.
    fn arm(self, connection: Connection) {
        let Self { server, place } = &self;
        server.connections.put(*place, connection);
        let armed = server.connections.with(*place, |connection| {
            let data = epoll::EventData::new_u64((*place).into());
            epoll::modify(&server.epoll, connection.socket(), data, ONCE)
        });
        match armed {
            // No memory: a connection that nobody hears is worse than none.
            Some(Err(_)) => drop(server.connections.take(*place)),
            _ => std::mem::forget(self),
        }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.server.connections.release(self.place);
    }
}
