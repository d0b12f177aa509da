//! The names of what goes wrong and of why processes end.

use crate::daemon::ShutdownReason;

/// Why a request got no answer of its application, or not all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FailureCause {
    /// No process was ready in time.
    NoProcess = 0,
    /// `queue-timeout` was over.
    QueueTimeout = 1,
    /// Process after process ended before it took the request.
    Unstable = 2,
    /// No connection to a process could be made.
    Connection = 3,
    /// The process said nothing for `socket-timeout`.
    Timeout = 4,
    /// The process ended.
    Died = 5,
    /// The connection to it broke.
    Lost = 6,
    /// It said what it cannot say.
    Protocol = 7,
    /// The application failed after its answer had begun.
    Truncated = 8,
    /// The client went away.
    ClientGone = 9,
    /// A panic was stopped.
    Panic = 10,
    /// Python could not be started.
    NoPython = 11,
    /// There was no memory for it.
    NoMemory = 12,
}

impl FailureCause {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 13] = [
        Self::NoProcess,
        Self::QueueTimeout,
        Self::Unstable,
        Self::Connection,
        Self::Timeout,
        Self::Died,
        Self::Lost,
        Self::Protocol,
        Self::Truncated,
        Self::ClientGone,
        Self::Panic,
        Self::NoPython,
        Self::NoMemory,
    ];

    /// Its number, below the length of [`Self::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoProcess => "no_process",
            Self::QueueTimeout => "queue_timeout",
            Self::Unstable => "unstable",
            Self::Connection => "connection",
            Self::Timeout => "timeout",
            Self::Died => "died",
            Self::Lost => "lost",
            Self::Protocol => "protocol",
            Self::Truncated => "truncated",
            Self::ClientGone => "client_gone",
            Self::Panic => "panic",
            Self::NoPython => "no_python",
            Self::NoMemory => "no_memory",
        }
    }
}

/// How a daemon process came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It ended by itself, for no reason that it gave.
    Exit,
    /// It ended for a reason.
    Reason(ShutdownReason),
    /// A signal that nobody of ours sent.
    Signal,
    /// It could not start serving.
    StartFailed,
    /// It did not end when it was told to.
    ShutdownTimeout,
}

impl End {
    /// How many there are.
    pub const COUNT: usize = 16;

    /// Its number, below [`Self::COUNT`].
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::Exit => 0,
            Self::Reason(reason) => usize::from(reason.code()),
            Self::Signal => 13,
            Self::StartFailed => 14,
            Self::ShutdownTimeout => 15,
        }
    }

    /// The end with that number.
    #[must_use]
    pub fn from_index(index: usize) -> Option<Self> {
        match index {
            0 => Some(Self::Exit),
            13 => Some(Self::Signal),
            14 => Some(Self::StartFailed),
            15 => Some(Self::ShutdownTimeout),
            _ => u8::try_from(index)
                .ok()
                .and_then(ShutdownReason::from_code)
                .map(Self::Reason),
        }
    }

    /// Its name in metrics; mod_wsgi's where it has one.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exit => "exit",
            Self::Reason(reason) => reason.name(),
            Self::Signal => "signal",
            Self::StartFailed => "start_failed",
            Self::ShutdownTimeout => "shutdown_timeout",
        }
    }
}
