//! How long a process that is to be replaced or to end may take, by the options of its group. The process keeps these
//! times itself; its supervisor, which sees to it that it does, has them from here as well.

use std::time::Duration;

use rsgi_core::daemon::{DaemonOptions, ShutdownReason};

/// What takes the place of `shutdown-timeout=0` when httpd stops or restarts: it gives its own children as much, and
/// does not wait for ever for anybody.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// The times of a group's processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EndTimes {
    graceful: Duration,
    eviction: Duration,
    shutdown: Duration,
}

impl EndTimes {
    /// The times of a group with these options.
    pub(crate) fn of(options: &DaemonOptions) -> Self {
        let seconds = |count: u32| Duration::from_secs(count.into());
        Self {
            graceful: seconds(options.graceful_timeout),
            eviction: seconds(options.eviction_timeout),
            shutdown: seconds(options.shutdown_timeout),
        }
    }

    /// How long requests may go on in a process that takes no more of them; none is for ever. mod_wsgi: without a time,
    /// processes that are full or stuck end at once, others when they are idle.
    pub(crate) fn drain(self, reason: ShutdownReason) -> Option<Duration> {
        let time = match reason {
            ShutdownReason::EvictionSignal => self.eviction,
            // Such a process ends without waiting for its requests.
            ShutdownReason::ShutdownSignal | ShutdownReason::DeadlockTimeout => {
                return Some(Duration::ZERO);
            }
            _ => self.graceful,
        };
        match reason {
            _ if !time.is_zero() => Some(time),
            ShutdownReason::MaximumRequests
            | ShutdownReason::RequestTimeout
            | ShutdownReason::StartupTimeout
            | ShutdownReason::CpuTimeLimit => Some(Duration::ZERO),
            _ => None,
        }
    }

    /// How long a process may take to end once it has begun to; none is for ever. mod_wsgi: 0 is no limit.
    pub(crate) fn shutdown(self) -> Option<Duration> {
        (!self.shutdown.is_zero()).then_some(self.shutdown)
    }

    /// The same when httpd stops, or nobody is there to end it any more.
    pub(crate) fn stop(self) -> Duration {
        self.shutdown().unwrap_or(STOP_LIMIT)
    }

    /// How long both may take together; none is for ever.
    pub(crate) fn whole(self, reason: ShutdownReason) -> Option<Duration> {
        Some(self.drain(reason)? + self.shutdown()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(change: impl FnOnce(&mut DaemonOptions)) -> EndTimes {
        let mut options = DaemonOptions::default();
        change(&mut options);
        EndTimes::of(&options)
    }

    #[test]
    fn each_reason_has_its_own_time() {
        use ShutdownReason as Reason;
        let seconds = |count| Some(Duration::from_secs(count));
        let both = times(|options| {
            options.graceful_timeout = 10;
            options.eviction_timeout = 120;
        });
        let none = times(|options| options.graceful_timeout = 0);
        for (reason, with, without) in [
            (Reason::EvictionSignal, seconds(120), None),
            (Reason::GracefulSignal, seconds(10), None),
            (Reason::RestartInterval, seconds(10), None),
            (Reason::InactivityTimeout, seconds(10), None),
            (Reason::ScriptReload, seconds(10), None),
            (Reason::SupervisorGone, seconds(10), None),
            (Reason::MaximumRequests, seconds(10), seconds(0)),
            (Reason::RequestTimeout, seconds(10), seconds(0)),
            (Reason::StartupTimeout, seconds(10), seconds(0)),
            (Reason::CpuTimeLimit, seconds(10), seconds(0)),
            (Reason::DeadlockTimeout, seconds(0), seconds(0)),
            (Reason::ShutdownSignal, seconds(0), seconds(0)),
        ] {
            assert_eq!(both.drain(reason), with, "{reason:?}");
            assert_eq!(none.drain(reason), without, "{reason:?}");
        }
        assert_eq!(both.whole(Reason::EvictionSignal), seconds(125));
        assert_eq!(none.whole(Reason::EvictionSignal), None);
    }

    #[test]
    fn without_a_shutdown_timeout_only_a_stop_of_httpd_is_an_end() {
        let some = times(|options| options.shutdown_timeout = 3);
        assert_eq!(some.shutdown(), Some(Duration::from_secs(3)));
        assert_eq!(some.stop(), Duration::from_secs(3));
        let none = times(|options| options.shutdown_timeout = 0);
        assert_eq!(none.shutdown(), None);
        assert_eq!(none.whole(ShutdownReason::MaximumRequests), None);
        assert_eq!(none.stop(), Duration::from_secs(10));
    }
}
