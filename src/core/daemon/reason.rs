//! Why a daemon process ends (reference: runtime §9.3).

/// Why a daemon process ends. The names are mod_wsgi's; applications see them in `process_stopping`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ShutdownReason {
    /// `maximum-requests`
    MaximumRequests = 1,
    /// `restart-interval`
    RestartInterval = 2,
    /// `inactivity-timeout`
    InactivityTimeout = 3,
    /// `request-timeout`
    RequestTimeout = 4,
    /// `startup-timeout`
    StartupTimeout = 5,
    /// `deadlock-timeout`
    DeadlockTimeout = 6,
    /// `cpu-time-limit`
    CpuTimeLimit = 7,
    /// SIGUSR1 without `eviction-timeout`
    GracefulSignal = 8,
    /// SIGUSR1 with `eviction-timeout`
    EvictionSignal = 9,
    /// SIGTERM, SIGINT, or the end of httpd or of its generation
    ShutdownSignal = 10,
    /// A script changed.
    ScriptReload = 11,
    /// The supervisor is gone.
    SupervisorGone = 12,
}

/// All of them.
const ALL: [ShutdownReason; 12] = [
    ShutdownReason::MaximumRequests,
    ShutdownReason::RestartInterval,
    ShutdownReason::InactivityTimeout,
    ShutdownReason::RequestTimeout,
    ShutdownReason::StartupTimeout,
    ShutdownReason::DeadlockTimeout,
    ShutdownReason::CpuTimeLimit,
    ShutdownReason::GracefulSignal,
    ShutdownReason::EvictionSignal,
    ShutdownReason::ShutdownSignal,
    ShutdownReason::ScriptReload,
    ShutdownReason::SupervisorGone,
];

impl ShutdownReason {
    /// Its number in shared memory and messages.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The reason with that number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// mod_wsgi's name for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MaximumRequests => "maximum_requests",
            Self::RestartInterval => "restart_interval",
            Self::InactivityTimeout => "inactivity_timeout",
            Self::RequestTimeout => "request_timeout",
            Self::StartupTimeout => "startup_timeout",
            Self::DeadlockTimeout => "deadlock_timeout",
            Self::CpuTimeLimit => "cpu_time_limit",
            Self::GracefulSignal => "graceful_signal",
            Self::EvictionSignal => "eviction_signal",
            Self::ShutdownSignal => "shutdown_signal",
            Self::ScriptReload => "script_reload",
            Self::SupervisorGone => "supervisor_gone",
        }
    }
}
