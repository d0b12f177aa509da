//! What a supervisor and a daemon process say to each other: one byte a message on a SEQPACKET pair.
//!
//! The end of the pair is an order too: a process whose supervisor is gone ends gracefully, a supervisor whose
//! process is gone waits for it and buries it.

use rsgi_core::daemon::ShutdownReason;

/// What a daemon process reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// It serves requests (its slot says so as well).
    Ready,
    /// It wants to be replaced and serves on until it is told to drain.
    Replace(ShutdownReason),
    /// It takes no more requests and ends when those that run are done; a successor is needed now.
    Draining(ShutdownReason),
}

/// What a daemon process is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Take no more requests, finish those that run (graceful-timeout bounds it), end.
    Drain(ShutdownReason),
    /// End now; shutdown-timeout bounds it.
    Stop,
}

/// A message that nobody sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message of {0:?} is none of the supervisor's protocol")]
pub struct BadMessage(pub [u8; 2]);

const READY: u8 = 1;
const REPLACE: u8 = 2;
const DRAINING: u8 = 3;
const DRAIN: u8 = 4;
const STOP: u8 = 5;

impl Report {
    /// The bytes of the message.
    #[must_use]
    pub const fn encode(self) -> [u8; 2] {
        match self {
            Self::Ready => [READY, 0],
            Self::Replace(reason) => [REPLACE, reason.code()],
            Self::Draining(reason) => [DRAINING, reason.code()],
        }
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`BadMessage`] with the bytes.
    pub fn decode(message: [u8; 2]) -> Result<Self, BadMessage> {
        let reason = ShutdownReason::from_code(message[1]);
        match (message[0], reason) {
            (READY, _) => Ok(Self::Ready),
            (REPLACE, Some(reason)) => Ok(Self::Replace(reason)),
            (DRAINING, Some(reason)) => Ok(Self::Draining(reason)),
            _ => Err(BadMessage(message)),
        }
    }
}

impl Order {
    /// The bytes of the message.
    #[must_use]
    pub const fn encode(self) -> [u8; 2] {
        match self {
            Self::Drain(reason) => [DRAIN, reason.code()],
            Self::Stop => [STOP, 0],
        }
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`BadMessage`] with the bytes.
    pub fn decode(message: [u8; 2]) -> Result<Self, BadMessage> {
        match (message[0], ShutdownReason::from_code(message[1])) {
            (DRAIN, Some(reason)) => Ok(Self::Drain(reason)),
            (STOP, _) => Ok(Self::Stop),
            _ => Err(BadMessage(message)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_comes_back_as_it_was() {
        for code in 0..=u8::MAX {
            let Some(reason) = ShutdownReason::from_code(code) else {
                continue;
            };
            for report in [
                Report::Ready,
                Report::Replace(reason),
                Report::Draining(reason),
            ] {
                assert_eq!(Report::decode(report.encode()), Ok(report));
            }
            for order in [Order::Stop, Order::Drain(reason)] {
                assert_eq!(Order::decode(order.encode()), Ok(order));
            }
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        assert_eq!(Order::decode([9, 0]), Err(BadMessage([9, 0])));
        assert_eq!(
            Report::decode([REPLACE, 250]),
            Err(BadMessage([REPLACE, 250]))
        );
    }
}
