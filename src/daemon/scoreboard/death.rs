//! How a daemon process ended, in one cell.

use std::fmt;

use rsgi_core::daemon::ShutdownReason;

/// How a daemon process ended, as the supervisor saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// It ended by itself, with this exit code.
    Exit(u8),
    /// A signal ended it that nobody of ours sent.
    Signal(u8),
    /// The kernel ended it at the end of its `cpu-time-limit`.
    CpuTime,
    /// It was to end for this reason and had no more time for what still ran; none where it gave no reason.
    Cut(Option<ShutdownReason>),
}

const EXIT: u8 = 1;
const SIGNAL: u8 = 2;
const CPU_TIME: u8 = 3;
const CUT: u8 = 4;

impl Death {
    /// The cell: who it was, and how it ended. Never 0.
    pub(super) fn pack(self, incarnation: u32) -> u64 {
        let (kind, value) = match self {
            Self::Exit(code) => (EXIT, code),
            Self::Signal(number) => (SIGNAL, number),
            Self::CpuTime => (CPU_TIME, 0),
            Self::Cut(reason) => (CUT, reason.map_or(0, ShutdownReason::code)),
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
            CPU_TIME if value == 0 => Some(Self::CpuTime),
            CUT if value == 0 => Some(Self::Cut(None)),
            CUT => Some(Self::Cut(Some(ShutdownReason::from_code(value)?))),
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
            Self::CpuTime => out.write_str("was ended for its cpu-time-limit"),
            Self::Cut(reason) => out.write_str(cut(*reason)),
        }
    }
}

/// Why a process had to end, and which of its options left no more time for what ran.
const fn cut(reason: Option<ShutdownReason>) -> &'static str {
    use ShutdownReason as Reason;
    match reason {
        Some(Reason::RequestTimeout) => "was ended for its request-timeout",
        Some(Reason::StartupTimeout) => "was ended for its startup-timeout",
        Some(Reason::DeadlockTimeout) => "was ended for its deadlock-timeout",
        Some(Reason::CpuTimeLimit) => "was ended for its cpu-time-limit",
        Some(Reason::EvictionSignal) => {
            "was to be replaced (SIGUSR1) and was ended at the end of its eviction-timeout"
        }
        Some(Reason::GracefulSignal) => {
            "was to be replaced (SIGUSR1) and was ended at the end of its graceful-timeout"
        }
        Some(Reason::MaximumRequests) => {
            "was to be replaced (maximum-requests) and was ended at the end of its graceful-timeout"
        }
        Some(Reason::RestartInterval) => {
            "was to be replaced (restart-interval) and was ended at the end of its graceful-timeout"
        }
        Some(Reason::InactivityTimeout) => {
            "was to be replaced (inactivity-timeout) and was ended at the end of its graceful-timeout"
        }
        Some(Reason::ScriptReload) => {
            "was to be replaced (a script changed) and was ended at the end of its graceful-timeout"
        }
        Some(Reason::SupervisorGone) => {
            "had lost its supervisor and was ended at the end of its graceful-timeout"
        }
        Some(Reason::ShutdownSignal) | None => {
            "was told to end and was ended by force at the end of its shutdown-timeout"
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
        let reasons = (0..=u8::MAX).filter_map(ShutdownReason::from_code);
        let cut = reasons.map(Some).chain([None]).map(Death::Cut);
        let others = [
            Death::CpuTime,
            Death::Exit(0),
            Death::Exit(255),
            Death::Signal(9),
            Death::Signal(64),
        ];
        for death in cut.chain(others) {
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
        for cell in [
            0,
            1 << 32,
            u64::MAX,
            1 << 32 | 5 << 8,
            1 << 32 | 3 << 8 | 9,
            1 << 32 | 4 << 8 | 250,
        ] {
            assert_eq!(Death::unpack(cell, 1), None, "{cell:x}");
        }
    }

    #[test]
    fn every_reason_names_the_option_that_cut_what_ran() {
        use ShutdownReason as Reason;
        for (reason, options) in [
            (
                Reason::MaximumRequests,
                &["maximum-requests", "graceful-timeout"][..],
            ),
            (
                Reason::RestartInterval,
                &["restart-interval", "graceful-timeout"],
            ),
            (
                Reason::InactivityTimeout,
                &["inactivity-timeout", "graceful-timeout"],
            ),
            (Reason::RequestTimeout, &["request-timeout"]),
            (Reason::StartupTimeout, &["startup-timeout"]),
            (Reason::DeadlockTimeout, &["deadlock-timeout"]),
            (Reason::CpuTimeLimit, &["cpu-time-limit"]),
            (Reason::GracefulSignal, &["SIGUSR1", "graceful-timeout"]),
            (Reason::EvictionSignal, &["SIGUSR1", "eviction-timeout"]),
            (Reason::ShutdownSignal, &["shutdown-timeout"]),
            (Reason::ScriptReload, &["script", "graceful-timeout"]),
            (Reason::SupervisorGone, &["supervisor", "graceful-timeout"]),
        ] {
            let text = Death::Cut(Some(reason)).to_string();
            for option in options {
                assert!(text.contains(option), "{reason:?}: {text}");
            }
            let others = text.contains("shutdown-timeout");
            assert_eq!(others, reason == Reason::ShutdownSignal, "{text}");
        }
    }

    #[test]
    fn a_death_reads_well_in_a_sentence() {
        let told: Vec<_> = [
            Death::Exit(3),
            Death::Signal(11),
            Death::Signal(40),
            Death::CpuTime,
            Death::Cut(Some(ShutdownReason::DeadlockTimeout)),
        ]
        .map(|death| death.to_string())
        .into();
        assert_eq!(
            told,
            [
                "ended with exit code 3",
                "was ended by signal 11 (SIGSEGV)",
                "was ended by signal 40",
                "was ended for its cpu-time-limit",
                "was ended for its deadlock-timeout"
            ]
        );
    }
}
