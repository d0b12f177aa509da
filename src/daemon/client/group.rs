//! One group as Apache's processes know it: made by httpd's parent, inherited by its children, joined by each of them.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rsgi_core::daemon::DaemonOptions;

use super::connection::BufferSizes;
use super::pool::Pool;
use super::relay::Relay;
use crate::admission::Admission;
use crate::scoreboard::{Scoreboard, Tally};

/// A daemon process group from the outside.
#[derive(Debug)]
pub struct GroupHandle {
    /// Its name.
    pub name: Vec<u8>,
    /// The options of its `WSGIDaemonProcess`.
    pub options: DaemonOptions,
    /// What its processes say of themselves.
    pub board: Arc<Scoreboard>,
    /// Where new connections to its processes are passed: the sending end of each slot, by slot.
    pub intakes: Vec<OwnedFd>,
    /// `Timeout` of the group's server, for socket-timeout=0.
    pub timeout: Duration,
    member: OnceLock<Member>,
}

/// What an Apache child has of a group.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) admission: Admission,
    pub(super) pool: Pool,
}

impl GroupHandle {
    /// A group nobody joined yet.
    #[must_use]
    pub const fn new(
        name: Vec<u8>,
        options: DaemonOptions,
        board: Arc<Scoreboard>,
        intakes: Vec<OwnedFd>,
        timeout: Duration,
    ) -> Self {
        Self {
            name,
            options,
            board,
            intakes,
            timeout,
            member: OnceLock::new(),
        }
    }

    /// Takes this process among those that send requests; in an Apache child, before its first one. Later calls do
    /// nothing.
    ///
    /// # Errors
    /// The scoreboard has no row left.
    pub fn join(&self) -> io::Result<()> {
        self.member().map(|_| ())
    }

    pub(super) fn member(&self) -> io::Result<&Member> {
        if let Some(member) = self.member.get() {
            return Ok(member);
        }
        let member = Member {
            admission: Admission::join(Arc::clone(&self.board))?,
            pool: Pool::new(self.intakes.len()),
        };
        // Of two threads one loses, and leaves the row that it took.
        Ok(self.member.get_or_init(|| member))
    }

    /// Where this child counts what becomes of the group's requests; none where it could not join.
    #[must_use]
    pub fn tally(&self) -> Option<Tally<'_>> {
        let row = self.member().ok()?.admission.row();
        Some(self.board.tally(row))
    }

    /// How long a process may say nothing.
    pub(super) fn patience(&self) -> Duration {
        match self.options.socket_timeout {
            0 => self.timeout,
            seconds => Duration::from_secs(seconds.into()),
        }
    }

    /// How a response of the group is relayed.
    #[must_use]
    pub fn relay(&self, is_streamed: bool) -> Relay {
        let options = &self.options;
        let own = match options.response_socket_timeout {
            0 => None,
            seconds => Some(Duration::from_secs(seconds.into())),
        };
        Relay {
            is_streamed,
            flush_delay: Duration::from_millis(options.response_flush_delay.into()),
            most_kept: options.response_buffer_size,
            client_patience: own.unwrap_or_else(|| self.patience()),
            // What is left of a streamed body is read with the same patience as the response is written.
            write_patience: own.filter(|_| !is_streamed),
            may_ask: options.server_metrics,
        }
    }

    pub(super) fn buffer_sizes(&self) -> BufferSizes {
        BufferSizes {
            send: self.options.send_buffer_size as usize,
            receive: self.options.receive_buffer_size as usize,
        }
    }
}
