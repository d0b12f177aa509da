//! How a daemon process ended, in one cell.

use std::fmt;

/// How a daemon process ended, as the supervisor saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// It ended by itself, with this exit code.
    Exit(u8),
    /// A signal ended it that nobody of ours sent.
    Signal(u8),
    /// It was ended for going beyond a limit.
    Limit(Limit),
}

/// Limits that end a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Limit {
    /// `cpu-time-limit`
    CpuTime = 1,
    /// `memory-limit` or `virtual-memory-limit`, or the system's memory was out
    Memory = 2,
    /// `startup-timeout`
    StartupTimeout = 3,
    /// `shutdown-timeout`: it did not end when it was told to.
    ShutdownTimeout = 4,
    /// `deadlock-timeout`
    DeadlockTimeout = 5,
}

impl Limit {
    const ALL: [Self; 5] = [
        Self::CpuTime,
        Self::Memory,
        Self::StartupTimeout,
        Self::ShutdownTimeout,
        Self::DeadlockTimeout,
    ];

    /// The option of `WSGIDaemonProcess`.
    #[must_use]
    pub const fn option(self) -> &'static str {
        match self {
            Self::CpuTime => "cpu-time-limit",
            Self::Memory => "memory-limit",
            Self::StartupTimeout => "startup-timeout",
            Self::ShutdownTimeout => "shutdown-timeout",
            Self::DeadlockTimeout => "deadlock-timeout",
        }
    }
}

const EXIT: u8 = 1;
const SIGNAL: u8 = 2;
const LIMIT: u8 = 3;

impl Death {
    /// The cell: who it was, and how it ended. Never 0.
    pub(super) fn pack(self, incarnation: u32) -> u64 {
        let (kind, value) = match self {
            Self::Exit(code) => (EXIT, code),
            Self::Signal(number) => (SIGNAL, number),
            Self::Limit(limit) => (LIMIT, limit as u8),
        };
        u64::from(incarnation) << 32 | u64::from(kind) << 8 | u64::from(value)
    }

    /// None if the cell is of another process, or of none.
    pub(super) fn unpack(cell: u64, incarnation: u32) -> Option<Self> {
        let [value, kind, 0, 0, rest @ ..] = cell.to_le_bytes() else {
            return None;
        };
        if u32::from_le_bytes(rest) != incarnation {
            return None;
        }
        match kind {
            EXIT => Some(Self::Exit(value)),
            SIGNAL => Some(Self::Signal(value)),
            LIMIT => Limit::ALL
                .into_iter()
                .find(|&limit| limit as u8 == value)
                .map(Self::Limit),
            _ => None,
        }
    }
}

impl fmt::Display for Death {
    /// For the middle of a sentence: "the process ended with exit code 3".
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(code) => write!(out, "ended with exit code {code}"),
            Self::Signal(number) => match signal_name(*number) {
                Some(name) => write!(out, "was ended by signal {number} ({name})"),
                None => write!(out, "was ended by signal {number}"),
            },
            Self::Limit(limit) => write!(out, "was ended for its {}", limit.option()),
        }
    }
}

/// Names of the signals that end processes; they have these numbers wherever Apache and we run together but the
/// numbers of a few, so the system's own are asked.
fn signal_name(number: u8) -> Option<&'static str> {
    [
        (libc::SIGHUP, "SIGHUP"),
        (libc::SIGINT, "SIGINT"),
        (libc::SIGQUIT, "SIGQUIT"),
        (libc::SIGILL, "SIGILL"),
        (libc::SIGTRAP, "SIGTRAP"),
        (libc::SIGABRT, "SIGABRT"),
        (libc::SIGBUS, "SIGBUS"),
        (libc::SIGFPE, "SIGFPE"),
        (libc::SIGKILL, "SIGKILL"),
        (libc::SIGUSR1, "SIGUSR1"),
        (libc::SIGSEGV, "SIGSEGV"),
        (libc::SIGUSR2, "SIGUSR2"),
        (libc::SIGPIPE, "SIGPIPE"),
        (libc::SIGALRM, "SIGALRM"),
        (libc::SIGTERM, "SIGTERM"),
        (libc::SIGXCPU, "SIGXCPU"),
        (libc::SIGXFSZ, "SIGXFSZ"),
        (libc::SIGSYS, "SIGSYS"),
    ]
    .into_iter()
    .find_map(|(known, name)| (known == i32::from(number)).then_some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_death_comes_back_for_its_own_incarnation_only() {
        let limits = Limit::ALL.into_iter().map(Death::Limit);
        let others = [
            Death::Exit(0),
            Death::Exit(255),
            Death::Signal(9),
            Death::Signal(64),
        ];
        for death in limits.chain(others) {
            for incarnation in [1, 7, u32::MAX] {
                let cell = death.pack(incarnation);
                assert_ne!(cell, 0);
                assert_eq!(Death::unpack(cell, incarnation), Some(death));
                assert_eq!(Death::unpack(cell, incarnation - 1), None);
            }
        }
    }

    #[test]
    fn a_cell_of_garbage_is_no_death() {
        for cell in [0, 1 << 32, u64::MAX, 1 << 32 | 4 << 8, 1 << 32 | 3 << 8 | 9] {
            assert_eq!(Death::unpack(cell, 1), None, "{cell:x}");
        }
    }

    #[test]
    fn a_death_reads_well_in_a_sentence() {
        let told: Vec<_> = [
            Death::Exit(3),
            Death::Signal(11),
            Death::Signal(40),
            Death::Limit(Limit::CpuTime),
        ]
        .map(|death| death.to_string())
        .into();
        assert_eq!(
            told,
            [
                "ended with exit code 3",
                "was ended by signal 11 (SIGSEGV)",
                "was ended by signal 40",
                "was ended for its cpu-time-limit"
            ]
        );
    }
}
