//! Why a group did not answer: the status for the client, and the line for the log with cause and cure.

use std::fmt;
use std::io;
use std::time::Duration;

use rsgi_core::metrics::FailureCause;
use rsgi_core::wire::WireError;

use crate::scoreboard::Death;

/// Why a request has no answer, or no more of it.
#[derive(Debug)]
pub enum Failure {
    /// No process was ready in all that time.
    NoProcess {
        /// How long.
        waited: Duration,
    },
    /// All threads of all processes were busy for longer than a request may wait.
    QueueTimeout {
        /// How long it waited.
        waited: Duration,
        /// How many others wait.
        waiting: u32,
    },
    /// Process after process ended or stopped before it took the request.
    Unstable {
        /// How many were asked.
        attempts: u32,
    },
    /// The client hung up while the request waited for a place.
    ClientGone,
    /// The connection could not be made.
    Connection(io::Error),
    /// The process said nothing for as long as it may.
    Timeout {
        /// Which.
        pid: u32,
        /// How long that is.
        patience: Duration,
    },
    /// The process is gone.
    Died {
        /// Which.
        pid: u32,
        /// How it ended, where the supervisor has said.
        death: Option<Death>,
    },
    /// The connection to the process broke.
    Lost {
        /// Which.
        pid: u32,
        /// How.
        error: io::Error,
    },
    /// The process said what it cannot say.
    Garbage {
        /// Which.
        pid: u32,
        /// What is wrong with it.
        error: Garbage,
    },
}

/// What is wrong with what a process sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Garbage {
    /// A frame by itself.
    #[error(transparent)]
    Frame(#[from] WireError),
    /// A frame at a time when it has no meaning.
    #[error("a frame out of order")]
    Order,
    /// A file without its descriptor, or one that is not regular, or a descriptor without a file.
    #[error("a file that cannot be one")]
    File,
}

impl Failure {
    /// The status with which the request is answered where nothing was sent.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::NoProcess { .. }
            | Self::Unstable { .. }
            | Self::Connection(_)
            | Self::ClientGone => 503,
            Self::QueueTimeout { .. } | Self::Timeout { .. } => 504,
            Self::Died { .. } | Self::Lost { .. } | Self::Garbage { .. } => 502,
        }
    }

    /// Its name in metrics.
    #[must_use]
    pub const fn cause(&self) -> FailureCause {
        match self {
            Self::NoProcess { .. } => FailureCause::NoProcess,
            Self::QueueTimeout { .. } => FailureCause::QueueTimeout,
            Self::Unstable { .. } => FailureCause::Unstable,
            Self::ClientGone => FailureCause::ClientGone,
            Self::Connection(_) => FailureCause::Connection,
            Self::Timeout { .. } => FailureCause::Timeout,
            Self::Died { .. } => FailureCause::Died,
            Self::Lost { .. } => FailureCause::Lost,
            Self::Garbage { .. } => FailureCause::Protocol,
        }
    }

    /// The line for the log; the same for the same cause.
    #[must_use]
    pub fn text(&self, group: &[u8]) -> String {
        let group = group.escape_ascii();
        match self {
            Self::NoProcess { waited } => format!(
                "RSGI0116: no process of the daemon process group `{group}` was ready within {}: earlier lines of the \
                 error log say why its processes do not start; a request waits for `connect-timeout`, and while a process \
                 loads for `socket-timeout`",
                Seconds(*waited)
            ),
            Self::QueueTimeout { waited, waiting } => format!(
                "RSGI0084: all threads of the daemon process group `{group}` were busy for {}, and {waiting} more requests \
                 wait: raise `processes` or `threads`, or `queue-timeout`",
                Seconds(*waited)
            ),
            Self::ClientGone => format!(
                "the client went away while its request waited for the daemon process group `{group}`"
            ),
            Self::Unstable { attempts } => format!(
                "RSGI0124: {attempts} times a process of the daemon process group `{group}` ended or stopped before \
                 it took the request: earlier lines of the error log say why they end"
            ),
            Self::Connection(error) => format!(
                "RSGI0115: no connection to the daemon process group `{group}` could be made: {error}: look at the limits \
                 on open files and memory of Apache's children"
            ),
            Self::Timeout { pid, patience } => format!(
                "RSGI0145: the process {pid} of the daemon process group `{group}` sent nothing for {}: see what the \
                 application waits for (`request-timeout` logs it), or raise `socket-timeout`",
                Seconds(*patience)
            ),
            Self::Died {
                pid,
                death: Some(death),
            } => format!(
                "RSGI0146: the process {pid} of the daemon process group `{group}` {death} before the response was \
                 complete: lines before this one may hold its last words"
            ),
            Self::Died { pid, death: None } => format!(
                "RSGI0146: the process {pid} of the daemon process group `{group}` closed the connection before the \
                 response was complete: the main error log says how it ended, if it did"
            ),
            Self::Lost { pid, error } => format!(
                "RSGI0147: the connection to the process {pid} of the daemon process group `{group}` broke before the \
                 response was complete: {error}"
            ),
            Self::Garbage { pid, error } => format!(
                "RSGI0148: the process {pid} of the daemon process group `{group}` does not keep to the protocol: {error}: \
                 something in it writes to descriptors that are not its own, or `rsgi-daemon` is of another build"
            ),
        }
    }
}

/// A duration as a reader likes it: `15 s`, `0.25 s`.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0.as_millis() + 50) / 100;
        match tenths % 10 {
            0 => write!(out, "{} s", tenths / 10),
            tenth => write!(out, "{}.{tenth} s", tenths / 10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_names_the_group_its_cause_and_a_status() {
        let waited = Duration::from_millis(1_240);
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        let death = Some(Death::Signal(11));
        for (failure, status, words) in [
            (Failure::NoProcess { waited }, 503, "RSGI0116 1.2 s"),
            (
                Failure::QueueTimeout { waited, waiting: 7 },
                504,
                "RSGI0084 7 more",
            ),
            (Failure::Unstable { attempts: 5 }, 503, "RSGI0124 5 times"),
            (Failure::Connection(refused), 503, "RSGI0115 refused"),
            (
                Failure::Timeout {
                    pid: 9,
                    patience: Duration::from_secs(300),
                },
                504,
                "RSGI0145 9 300 s",
            ),
            (Failure::Died { pid: 9, death }, 502, "RSGI0146 9 SIGSEGV"),
            (
                Failure::Died {
                    pid: 9,
                    death: None,
                },
                502,
                "RSGI0146 9 closed",
            ),
            (
                Failure::Lost {
                    pid: 9,
                    error: reset,
                },
                502,
                "RSGI0147 9 reset",
            ),
            (
                Failure::Garbage {
                    pid: 9,
                    error: Garbage::Order,
                },
                502,
                "RSGI0148 9 order",
            ),
        ] {
            let text = failure.text(b"web");
            assert_eq!(failure.status(), status, "{text}");
            for word in words.split(' ').chain(["`web`"]) {
                assert!(text.contains(word), "{word} in {text}");
            }
        }
    }
}
