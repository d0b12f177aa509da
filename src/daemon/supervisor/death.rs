//! How a process ended, in words.

use std::time::Duration;

use rsgi_core::daemon::{DaemonOptions, ShutdownReason};

use crate::scoreboard::Death;
use crate::sys::process::{EXIT_CUT, EXIT_HOPELESS, Ended};

/// The end of a process with what is known about why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// It exited.
    Exit(i32),
    /// A signal.
    Signal(i32),
    /// `cpu-time-limit=`, kept by the kernel.
    CpuTime,
    /// It did not end in time when it was to, for this reason: it was killed, or cut what still ran.
    Cut(Option<ShutdownReason>),
}

impl Cause {
    /// What ended a process that had used this much of the processors, and gave this reason.
    pub(super) fn of(
        ended: Ended,
        used: Duration,
        reason: Option<ShutdownReason>,
        options: &DaemonOptions,
    ) -> Self {
        let limit = Duration::from_secs(u64::from(options.cpu_time_limit));
        match ended {
            Ended::Exit(EXIT_CUT) => Self::Cut(reason),
            Ended::Exit(code) => Self::Exit(code),
            Ended::Signal(libc::SIGXCPU) => Self::CpuTime,
            Ended::Signal(libc::SIGKILL) if !limit.is_zero() && used >= limit => Self::CpuTime,
            Ended::Signal(signal) => Self::Signal(signal),
        }
    }

    /// As the scoreboard keeps it.
    pub(super) fn death(self) -> Death {
        match self {
            Self::Exit(code) => Death::Exit(u8::try_from(code).unwrap_or(u8::MAX)),
            Self::Signal(signal) => Death::Signal(u8::try_from(signal).unwrap_or(u8::MAX)),
            Self::CpuTime => Death::CpuTime,
            Self::Cut(reason) => Death::Cut(reason),
        }
    }

    /// Behind "the process …"; where the board can say it, in the words of the child that asks it.
    pub(super) fn words(self, options: &DaemonOptions) -> String {
        match self {
            Self::Exit(EXIT_HOPELESS) => {
                format!("gave up with exit code {EXIT_HOPELESS}; its last lines say why")
            }
            Self::CpuTime => format!(
                "was ended by the kernel: cpu-time-limit={} is used up",
                options.cpu_time_limit
            ),
            Self::Cut(reason) => format!(
                "did not end in time when it was told to, and its requests were cut (shutdown reason {}: {}shutdown-timeout={})",
                reason.map_or("unknown", ShutdownReason::name),
                reason.map_or_else(String::new, |reason| times(reason, options)),
                options.shutdown_timeout
            ),
            Self::Exit(_) => self.death().to_string(),
            Self::Signal(signal) => format!("{}{}", self.death(), hint(signal, options)),
        }
    }
}

/// The options that a reason is about and what requests had of it, each with a comma behind it.
fn times(reason: ShutdownReason, options: &DaemonOptions) -> String {
    use ShutdownReason as Reason;
    let graceful = ("graceful-timeout", u64::from(options.graceful_timeout));
    let own = match reason {
        Reason::MaximumRequests => Some(("maximum-requests", options.maximum_requests)),
        Reason::RestartInterval => Some(("restart-interval", options.restart_interval.into())),
        Reason::InactivityTimeout => {
            Some(("inactivity-timeout", options.inactivity_timeout.into()))
        }
        Reason::RequestTimeout => Some(("request-timeout", options.request_timeout.into())),
        Reason::StartupTimeout => Some(("startup-timeout", options.startup_timeout.into())),
        Reason::DeadlockTimeout => Some(("deadlock-timeout", options.deadlock_timeout.into())),
        Reason::CpuTimeLimit => Some(("cpu-time-limit", options.cpu_time_limit.into())),
        Reason::EvictionSignal => Some(("eviction-timeout", options.eviction_timeout.into())),
        Reason::GracefulSignal
        | Reason::ShutdownSignal
        | Reason::ScriptReload
        | Reason::SupervisorGone => None,
    };
    let drains = !matches!(
        reason,
        Reason::DeadlockTimeout | Reason::EvictionSignal | Reason::ShutdownSignal
    );
    own.into_iter()
        .chain(drains.then_some(graceful))
        .map(|(option, value)| format!("{option}={value}, "))
        .collect()
}

/// What a signal without a sender usually means.
fn hint(signal: i32, options: &DaemonOptions) -> &'static str {
    let is_limited = options.memory_limit > 0 || options.virtual_memory_limit > 0;
    match signal {
        libc::SIGKILL => {
            ": by hand, or by the kernel because the machine or container is out of memory"
        }
        libc::SIGSEGV | libc::SIGBUS | libc::SIGABRT if is_limited => {
            ": a crash in C code; memory-limit or virtual-memory-limit may be the cause"
        }
        libc::SIGSEGV | libc::SIGBUS | libc::SIGABRT | libc::SIGILL | libc::SIGFPE => {
            ": a crash in C code of the application or of an extension"
        }
        _ => "",
    }
}

/// A length of time for people.
pub(super) fn lasted(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..=9 => format!("{:.1} s", time.as_secs_f64()),
        10..=599 => format!("{seconds} s"),
        600..=35_999 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REASON: Option<ShutdownReason> = Some(ShutdownReason::RequestTimeout);

    #[test]
    fn the_processor_limit_is_told_apart_from_other_kills() {
        let options = DaemonOptions {
            cpu_time_limit: 5,
            ..DaemonOptions::default()
        };
        let spent = Duration::from_secs(5);
        let kill = Ended::Signal(libc::SIGKILL);
        let plain = DaemonOptions::default();
        let table = [
            (
                Ended::Signal(libc::SIGXCPU),
                spent,
                &options,
                Cause::CpuTime,
            ),
            (kill, spent, &options, Cause::CpuTime),
            (kill, Duration::ZERO, &options, Cause::Signal(libc::SIGKILL)),
            (kill, spent, &plain, Cause::Signal(libc::SIGKILL)),
            (Ended::Exit(3), spent, &options, Cause::Exit(3)),
            (Ended::Exit(75), spent, &plain, Cause::Cut(REASON)),
        ];
        for (ended, used, options, cause) in table {
            assert_eq!(Cause::of(ended, used, REASON, options), cause);
        }
        assert!(Cause::CpuTime.words(&options).contains("cpu-time-limit=5"));
    }

    #[test]
    fn a_signal_has_its_name_and_what_it_may_mean() {
        let words = Cause::Signal(libc::SIGSEGV).words(&DaemonOptions::default());
        assert!(
            words.contains("signal 11 (SIGSEGV): a crash in C code"),
            "{words}"
        );
        assert!(
            Cause::Exit(78)
                .words(&DaemonOptions::default())
                .contains("78")
        );
    }

    #[test]
    fn what_was_cut_names_the_reason_and_the_times_that_it_had() {
        use ShutdownReason as Reason;
        let options = DaemonOptions {
            maximum_requests: 1,
            restart_interval: 2,
            inactivity_timeout: 3,
            request_timeout: 4,
            startup_timeout: 5,
            deadlock_timeout: 6,
            cpu_time_limit: 7,
            eviction_timeout: 8,
            graceful_timeout: 9,
            shutdown_timeout: 10,
            ..DaemonOptions::default()
        };
        for (reason, times) in [
            (
                Reason::MaximumRequests,
                "maximum-requests=1, graceful-timeout=9, ",
            ),
            (
                Reason::RestartInterval,
                "restart-interval=2, graceful-timeout=9, ",
            ),
            (
                Reason::InactivityTimeout,
                "inactivity-timeout=3, graceful-timeout=9, ",
            ),
            (
                Reason::RequestTimeout,
                "request-timeout=4, graceful-timeout=9, ",
            ),
            (
                Reason::StartupTimeout,
                "startup-timeout=5, graceful-timeout=9, ",
            ),
            (Reason::DeadlockTimeout, "deadlock-timeout=6, "),
            (
                Reason::CpuTimeLimit,
                "cpu-time-limit=7, graceful-timeout=9, ",
            ),
            (Reason::EvictionSignal, "eviction-timeout=8, "),
            (Reason::GracefulSignal, "graceful-timeout=9, "),
            (Reason::ScriptReload, "graceful-timeout=9, "),
            (Reason::SupervisorGone, "graceful-timeout=9, "),
            (Reason::ShutdownSignal, ""),
        ] {
            let words = Cause::Cut(Some(reason)).words(&options);
            let end = format!(
                "(shutdown reason {}: {times}shutdown-timeout=10)",
                reason.name()
            );
            assert!(words.ends_with(&end), "{words}");
        }
        let words = Cause::Cut(None).words(&options);
        assert!(
            words.ends_with("(shutdown reason unknown: shutdown-timeout=10)"),
            "{words}"
        );
    }

    #[test]
    fn times_are_short_words() {
        let table = [
            (500, "0.5 s"),
            (12_000, "12 s"),
            (900_000, "15 min"),
            (36_000_000, "10 h"),
        ];
        for (milliseconds, words) in table {
            assert_eq!(lasted(Duration::from_millis(milliseconds)), words);
        }
    }
}
