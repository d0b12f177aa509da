//! The streamed body of a request on its way to the process: read from the client only when the application asks for
//! it, and never waiting for either side.

use rsgi_core::wire::{BodyOutcome, HEADER, body_header, push_body_end};

use super::{BodyPiece, Front};
use crate::client::exchange::Exchange;

/// Bytes that are read from the client at a time.
const PIECE: usize = 64 * 1024;
/// Pieces that are passed before the other direction has its turn.
const ROUNDS: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There is none, or it was sent with the request.
    Absent,
    /// The process may ask for it.
    Offered,
    /// The process asked.
    Open,
    /// Its end is in the buffer.
    Ending,
    /// Its end is sent.
    Done,
    /// The process takes no more.
    Broken,
}

/// A streamed body.
#[derive(Debug)]
pub(super) struct BodyPump {
    state: State,
    /// A whole frame.
    frame: Vec<u8>,
    /// Bytes of `frame` that are to be sent; the rest of it is memory for the next one.
    filled: usize,
    sent: usize,
    waits_for_client: bool,
}

/// How far the pump came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pumped {
    /// Something was sent to the process.
    pub(super) any: bool,
    /// More can be done at once.
    pub(super) more: bool,
}

impl BodyPump {
    pub(super) const fn new(is_streamed: bool) -> Self {
        Self {
            state: if is_streamed {
                State::Offered
            } else {
                State::Absent
            },
            frame: Vec::new(),
            filled: 0,
            sent: 0,
            waits_for_client: false,
        }
    }

    /// The process asks for it; false where it may not.
    pub(super) fn open(&mut self) -> bool {
        let may = self.state == State::Offered;
        if may {
            self.state = State::Open;
        }
        may
    }

    /// Whether anything is to be done for it.
    pub(super) const fn is_active(&self) -> bool {
        matches!(self.state, State::Open | State::Ending)
    }

    /// Whether the process has to make room first.
    pub(super) const fn waits_for_process(&self) -> bool {
        self.is_active() && self.sent < self.filled
    }

    /// Whether the client has to send something first.
    pub(super) const fn waits_for_client(&self) -> bool {
        self.waits_for_client
    }

    /// Passes what is there, both sides allowing.
    pub(super) fn pump<F: Front>(&mut self, front: &mut F, exchange: &Exchange<'_, '_>) -> Pumped {
        let mut any = false;
        for _ in 0..ROUNDS {
            any |= self.send(exchange);
            if self.sent < self.filled || !self.is_active() {
                return Pumped { any, more: false };
            }
            self.read(front);
            if self.waits_for_client {
                return Pumped { any, more: false };
            }
        }
        Pumped { any, more: true }
    }

    /// Ends it without the client.
    pub(super) fn end(&mut self, outcome: BodyOutcome) {
        if self.state == State::Open {
            // Behind what is still to be sent.
            self.frame.truncate(self.filled);
            push_body_end(&mut self.frame, outcome);
            self.filled = self.frame.len();
            self.state = State::Ending;
            self.waits_for_client = false;
        }
    }

    /// The answer ended: whether the connection can be used for another request.
    pub(super) fn close(&mut self, exchange: &Exchange<'_, '_>) -> bool {
        self.end(BodyOutcome::Failed);
        self.send(exchange);
        self.sent == self.filled && self.state != State::Broken
    }

    /// Sends what is taken; whether any was.
    fn send(&mut self, exchange: &Exchange<'_, '_>) -> bool {
        let mut any = false;
        while self.sent < self.filled {
            match exchange.try_send(&self.frame[self.sent..self.filled]) {
                Ok(0) => break,
                Ok(count) => {
                    self.sent += count;
                    any = true;
                }
                Err(_) => {
                    // It takes no more. What it said before is still to be read; the end of it comes from there.
                    self.state = State::Broken;
                    self.filled = 0;
                    self.sent = 0;
                    return any;
                }
            }
        }
        any
    }

    /// Makes the next frame.
    fn read<F: Front>(&mut self, front: &mut F) {
        self.sent = 0;
        self.filled = 0;
        self.waits_for_client = false;
        if self.state == State::Ending {
            self.state = State::Done;
            return;
        }
        self.frame.resize(HEADER + PIECE, 0);
        let outcome = match front.read_body(&mut self.frame[HEADER..]) {
            Ok(BodyPiece::NotYet) => {
                self.waits_for_client = true;
                return;
            }
            Ok(BodyPiece::Bytes(count)) => match body_header(count) {
                Ok(header) => {
                    self.frame[..HEADER].copy_from_slice(&header);
                    self.filled = HEADER + count;
                    return;
                }
                Err(_) => BodyOutcome::Failed,
            },
            Ok(BodyPiece::End) => BodyOutcome::Complete,
            Err(outcome) => outcome,
        };
        self.end(outcome);
    }
}
