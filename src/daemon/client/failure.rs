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
    /// The client took nothing of the response for as long as it may.
    ClientSilent {
        /// Whose response.
        pid: u32,
        /// How long that is; none where httpd's `Timeout` says so.
        patience: Option<Duration>,
    },
    /// A filter of httpd's did not take the response.
    Refused {
        /// Whose.
        pid: u32,
    },
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
            Self::ClientSilent { .. } => 408,
            Self::Refused { .. } => 500,
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
            Self::ClientGone | Self::ClientSilent { .. } => FailureCause::ClientGone,
            Self::Refused { .. } => FailureCause::Truncated,
            Self::Connection(_) => FailureCause::Connection,
            Self::Timeout { .. } => FailureCause::Timeout,
            Self::Died { .. } => FailureCause::Died,
            Self::Lost { .. } => FailureCause::Lost,
            Self::Garbage { .. } => FailureCause::Protocol,
        }
    }

    /// Whether the client is the cause: any client can do that, and it is no error of the server's.
    #[must_use]
    pub const fn is_of_client(&self) -> bool {
        matches!(self, Self::ClientGone | Self::ClientSilent { .. })
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
            Self::ClientSilent { pid, patience } => format!(
                "RSGI0307: the client took nothing of the response of the process {pid} of the daemon process group \
                 `{group}` for {}, and is given up: raise that if it is to wait longer",
                Patience(*patience)
            ),
            Self::Refused { pid } => format!(
                "RSGI0308: a filter of httpd's did not take the response of the process {pid} of the daemon process group \
                 `{group}`: {FILTERS}"
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
                 response was complete: the error log of the server or virtual host that defines the group says in a line \
                 with {pid} how it ended; if there is none, something in it closes descriptors that are not its own"
            ),
            Self::Lost { pid, error } => format!(
                "RSGI0147: the connection to the process {pid} of the daemon process group `{group}` broke before the \
                 response was complete: {error}: look at the memory and the limits of the machine; if they suffice, \
                 something in the process uses descriptors that are not its own"
            ),
            Self::Garbage { pid, error } => format!(
                "RSGI0148: the process {pid} of the daemon process group `{group}` does not keep to the protocol: {error}: \
                 something in it writes to descriptors that are not its own, or `rsgi-daemon` is of another build"
            ),
        }
    }
}

/// What to do about a filter that does not take a response.
pub const FILTERS: &str = "lines before this one may hold what it says; look at SetOutputFilter, AddOutputFilter, and \
    FilterProvider, and at the encoding of what the application sends";

/// How long a client is waited for, and what says so.
struct Patience(Option<Duration>);

impl fmt::Display for Patience {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(patience) => write!(out, "{} (`response-socket-timeout`)", Seconds(patience)),
            None => out.write_str("as long as `Timeout` of httpd says"),
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

    /// One of each, with its status, words of its cause, and words of its cure.
    fn all() -> Vec<(Failure, u16, &'static str, &'static str)> {
        let waited = Duration::from_millis(1_240);
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        let patience = Duration::from_secs(300);
        let (pid, signal) = (9, Some(Death::Signal(11)));
        let dead = |death| Failure::Died { pid, death };
        let silent = |patience| Failure::ClientSilent { pid, patience };
        let error = Garbage::Order;
        let full = Failure::QueueTimeout { waited, waiting: 7 };
        let unstable = Failure::Unstable { attempts: 5 };
        let mute = Failure::Timeout { pid, patience };
        let lost = Failure::Lost { pid, error: reset };
        let filtered = Failure::Refused { pid };
        [
            (
                Failure::NoProcess { waited },
                503,
                "RSGI0116|1.2 s",
                "why its processes do not start",
            ),
            (full, 504, "RSGI0084|7 more", "raise `processes`"),
            (
                unstable,
                503,
                "RSGI0124|5 times",
                "earlier lines of the error log",
            ),
            (
                Failure::Connection(refused),
                503,
                "RSGI0115|refused",
                "look at the limits",
            ),
            (mute, 504, "RSGI0145| 9 |300 s", "raise `socket-timeout`"),
            (dead(signal), 502, "RSGI0146| 9 |SIGSEGV", "last words"),
            (
                dead(None),
                502,
                "RSGI0146| 9 |closed",
                "the server or virtual host that defines the group",
            ),
            (lost, 502, "RSGI0147| 9 |reset", "the limits of the machine"),
            (
                Failure::Garbage { pid, error },
                502,
                "RSGI0148| 9 |order",
                "is of another build",
            ),
            (
                silent(Some(patience)),
                408,
                "RSGI0307| 9 |300 s (`response-socket-timeout`)",
                "raise that",
            ),
            (silent(None), 408, "RSGI0307| 9 |`Timeout`", "raise that"),
            (filtered, 500, "RSGI0308| 9 ", "SetOutputFilter"),
        ]
        .into()
    }

    #[test]
    fn every_failure_names_the_group_its_cause_and_cure_and_a_status() {
        for (failure, status, words, cure) in all() {
            let text = failure.text(b"web");
            assert_eq!(failure.status(), status, "{text}");
            for word in words.split('|').chain(["`web`"]) {
                assert!(text.contains(word), "{word} in {text}");
            }
            let behind = text.rsplit_once(words.rsplit('|').next().unwrap_or_default());
            assert!(
                behind.is_some_and(|(_, rest)| rest.contains(cure)),
                "{cure} behind the cause in {text}"
            );
            assert!(!text.contains('\n'), "one line: {text}");
        }
    }

    #[test]
    fn only_the_client_is_to_blame_for_what_it_does_not_take() {
        for (failure, ..) in all() {
            let expected = failure.cause() == FailureCause::ClientGone;
            assert_eq!(failure.is_of_client(), expected, "{failure:?}");
        }
    }
}
