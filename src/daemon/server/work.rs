//! A worker: takes complete requests from the epoll set, one at a time, and lets go of them when they are answered.
//!
//! It is the source that the Python layer's loop (or a test's) takes requests from: that decides when a thread waits,
//! and how many it takes in a row.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rsgi_bridge::abi;
use rsgi_bridge::facts::{ConstantsBlock, FieldList, TargetFacts};
use rsgi_bridge::host::Outcome;
use rsgi_bridge::owned::{Description, OwnedRequest, Room};
use rsgi_bridge::serve::{Job, Next, RequestSource};
use rsgi_core::wire::{
    BodyForm, Claim, Decoded, RequestFrame, ToDaemon, WireError, decode_to_daemon,
};

use super::body::{Body, Stream};
use super::buffer::Buffer;
use super::connection::{Connection, Progress};
use super::constants::{LastBlock, push_all};
use super::host::{FrameHost, Parts};
use super::outbox::Outbox;
use super::{Seat, Server, Wake};
use crate::config::REQUEST_IGNORE_ACTIVITY;
use crate::log;

/// The bits of a request that the layer is to see.
const LAYER_FLAGS: u32 = abi::REQUEST_HEAD | abi::REQUEST_HTTPS;

/// A thread's own memory, used again for each request.
pub struct Worker<'s> {
    server: &'s Server,
    number: u32,
    buffer: Buffer,
    /// Its bytes are the buffer's meanwhile.
    room: Room,
    out: Outbox,
    last_block: LastBlock,
}

/// A request in a worker's hands.
pub struct Work<'s> {
    request: OwnedRequest,
    host: FrameHost<'s>,
}

impl<'s> Job for Work<'s> {
    type Host = FrameHost<'s>;

    fn parts(&mut self) -> (&OwnedRequest, &mut FrameHost<'s>) {
        (&self.request, &mut self.host)
    }
}

impl<'s> RequestSource for Worker<'s> {
    type Job = Work<'s>;

    fn next(&mut self, may_wait: bool) -> Next<Work<'s>> {
        loop {
            match self.server.next(&mut self.buffer, may_wait) {
                Next::Ready((seat, connection)) => {
                    if let Some(job) = self.take(seat, connection) {
                        return Next::Ready(job);
                    }
                }
                Next::None => return Next::None,
                Next::End => return Next::End,
            }
        }
    }

    fn done(
        &mut self,
        mut job: Work<'s>,
        outcome: Outcome,
        may_wait: bool,
    ) -> Result<(), Work<'s>> {
        job.host.conclude(outcome);
        if !job.host.flush(may_wait) {
            return Err(job);
        }
        if outcome == Outcome::Stale {
            self.server.close_slot();
        }
        let activity = &self.server.activity;
        activity.end(self.number);
        if outcome == Outcome::Stale {
            activity.set_stale();
        }
        self.out = job.host.let_go();
        self.keep(job.request.into_room());
        Ok(())
    }

    fn panicked(&mut self, message: &str) {
        log::critical(format_args!(
            "RSGI0300: panic stopped in a worker of the daemon process: {message}"
        ));
        // What it ran is gone, or it was between two.
        self.server.activity.end_if_begun(self.number);
    }
}

impl<'s> Worker<'s> {
    /// Worker `number`, from 1, of a server.
    #[must_use]
    pub fn new(server: &'s Server, number: u32) -> Self {
        Self {
            server,
            number,
            buffer: Buffer::default(),
            room: Room::default(),
            out: Outbox::default(),
            last_block: LastBlock::default(),
        }
    }

    /// Makes a job of the request in the buffer. None where its child has taken it back: then another process runs it,
    /// and the connection is closed without a word.
    fn take(&mut self, seat: Seat<'s>, mut connection: Connection) -> Option<Work<'s>> {
        let daemon_start = micros();
        let (bytes, length) = mem::take(&mut self.buffer).into_memory();
        let summary = match self.summary(&bytes[..length]) {
            Ok(summary) => summary,
            Err(error) => return refuse(&connection, &error),
        };
        let is_shared = summary.constants.is_some();
        let mut room = mem::take(&mut self.room);
        room.bytes = bytes;
        let made = room.fill(summary.constants, |bytes, fields| {
            describe(&bytes[..length], fields, is_shared, daemon_start)
        });
        let request = match made {
            Ok(request) => request,
            Err((error, room)) => {
                self.keep(room);
                return refuse(&connection, &error);
            }
        };
        // From here on it is run and nowhere else.
        let board = &self.server.board;
        if !board.take_claim(connection.row(), summary.claim) {
            self.keep(request.into_room());
            return None;
        }
        let body = match (summary.body, connection.take_file()) {
            (Form::File(length), Some(file)) => Body::File {
                file,
                position: 0,
                end: length,
            },
            (Form::Stream, _) => Body::Stream(Stream::default()),
            _ => Body::Given,
        };
        let parts = Parts {
            connection,
            out: mem::take(&mut self.out),
            body,
            log_level: summary.log_level,
            is_activity: summary.is_activity,
        };
        let host = FrameHost::new(seat, parts);
        self.server.activity.begin(self.number, daemon_start);
        Some(Work { request, host })
    }

    fn summary(&mut self, bytes: &[u8]) -> Result<Summary, WireError> {
        let request = request(bytes)?;
        let constants = &self.server.constants;
        Ok(Summary {
            claim: request.claim,
            constants: constants.block(request.head.constants, &mut self.last_block)?,
            body: match request.body {
                BodyForm::None | BodyForm::Inline(_) => Form::Given,
                BodyForm::File { length } => Form::File(length),
                BodyForm::Stream => Form::Stream,
            },
            log_level: request.head.log_level,
            is_activity: request.head.request_flags & REQUEST_IGNORE_ACTIVITY == 0,
        })
    }

    /// Memory for the next request.
    fn keep(&mut self, mut room: Room) {
        self.buffer = Buffer::from_memory(mem::take(&mut room.bytes));
        self.room = room;
    }
}

/// What the host must know of a request.
struct Summary {
    claim: Claim,
    constants: Option<Arc<ConstantsBlock>>,
    body: Form,
    log_level: u8,
    is_activity: bool,
}

enum Form {
    Given,
    File(u64),
    Stream,
}

impl Server {
    /// Takes the next complete request, into `buffer`, which is empty. Where it may not wait, one that is there already:
    /// a request that has not come completely is never waited for.
    fn next(&self, buffer: &mut Buffer, may_wait: bool) -> Next<(Seat<'_>, Connection)> {
        while !self.is_stopping() {
            match self.wait(may_wait) {
                // Goes back to the child when the process ends.
                Ok(Wake::Connection(_)) if self.is_stopping() => {}
                Ok(Wake::Connection(place)) => {
                    if let Some(ready) = self.receive(place, buffer) {
                        return Next::Ready(ready);
                    }
                }
                Ok(Wake::Intake { is_closed }) => {
                    self.take_connections();
                    // Whoever could send is gone: armed again, it would wake us without end.
                    if !is_closed {
                        self.arm_intake();
                    }
                }
                Ok(Wake::Stop) => {}
                Ok(Wake::Nothing) => return Next::None,
                Err(error) => {
                    log::error(format_args!("RSGI0426: a thread cannot wait: {error}"));
                    return Next::End;
                }
            }
        }
        Next::End
    }

    /// Reads what came on a connection; gives it where that is a whole request.
    fn receive(&self, place: u32, buffer: &mut Buffer) -> Option<(Seat<'_>, Connection)> {
        let mut connection = self.connections.take(place)?;
        let seat = Seat {
            server: self,
            place,
        };
        match connection.receive(buffer) {
            Ok(Progress::Complete) => return Some((seat, connection)),
            Ok(Progress::Partial) => seat.arm(connection),
            Err(broken) => {
                buffer.clear();
                if !broken.is_usual() {
                    tell_broken(&connection, &broken);
                }
            }
        }
        None
    }
}

/// Says that a child has sent what is no request; the connection is closed when it drops.
fn refuse<T>(connection: &Connection, error: &WireError) -> Option<T> {
    tell_broken(connection, error);
    None
}

fn tell_broken(connection: &Connection, why: &dyn fmt::Display) {
    log::warn(format_args!(
        "RSGI0420: a connection of httpd's process {} is closed: {why}",
        connection.pid()
    ));
}

/// The request that the bytes are.
fn request(bytes: &[u8]) -> Result<RequestFrame<'_>, WireError> {
    match decode_to_daemon(bytes)? {
        Decoded::Frame {
            frame: ToDaemon::Request(request),
            ..
        } => Ok(request),
        _ => Err(WireError::Value("a request")),
    }
}

fn describe<'b>(
    bytes: &'b [u8],
    mut fields: FieldList<'b>,
    is_shared: bool,
    daemon_start: i64,
) -> Result<Description<'b>, WireError> {
    let request = request(bytes)?;
    let head = request.head;
    if !is_shared {
        push_all(head.constants, &mut fields)?;
    }
    push_all(request.entries, &mut fields)?;
    let (body, is_complete): (&[u8], bool) = match request.body {
        BodyForm::None => (&[], true),
        BodyForm::Inline(body) => (body, true),
        BodyForm::File { .. } | BodyForm::Stream => (&[], false),
    };
    let complete = if is_complete {
        abi::REQUEST_BODY_COMPLETE
    } else {
        0
    };
    Ok(Description {
        target: TargetFacts {
            application_group: head.application_group,
            script: head.script,
            callable: head.callable,
            resource: head.resource,
            mtime: head.mtime,
            flags: head.target_flags & abi::TARGET_RELOADING,
        },
        fields,
        body,
        flags: head.request_flags & LAYER_FLAGS | complete,
        request_start: head.request_start,
        queue_start: head.queue_start,
        daemon_start,
        tries: request.tries,
    })
}

fn micros() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
