//! What makes a process want to be replaced or end: times that are over, requests that were enough, a script that
//! changed, a lock that is held, the last request of a drain.

use std::fmt::Write;
use std::time::Duration;

use rsgi_core::daemon::ShutdownReason;

use super::{Act, Lifecycle, Suspect, View, seconds};
use crate::server::Running;

impl Lifecycle {
    pub(super) fn look_for_reasons(&mut self, view: &View, since: Duration, acts: &mut Vec<Act>) {
        let options = &self.options;
        let is_after = |from: Option<Duration>, limit: u32| {
            limit > 0 && from.is_some_and(|from| view.now.saturating_sub(from) >= seconds(limit))
        };
        let is_inactive = self.fresh(view) == 0 && is_after(view.last, options.inactivity_timeout);
        let is_full = options.maximum_requests > 0 && view.finished >= options.maximum_requests;
        if view.is_stale {
            acts.extend(self.drain(ShutdownReason::ScriptReload, view.now));
        } else if !view.is_loaded && is_after(view.first, options.startup_timeout) {
            acts.push(Act::Warn(format!(
                "RSGI0440: no request has reached its application {} s after the first one came (startup-timeout)",
                options.startup_timeout
            )));
            acts.push(Act::Dump);
            acts.extend(self.drain(ShutdownReason::StartupTimeout, view.now));
        } else if is_full {
            acts.extend(self.ask(ShutdownReason::MaximumRequests));
        } else if is_after(Some(since), options.restart_interval) {
            acts.extend(self.ask(ShutdownReason::RestartInterval));
        } else if is_inactive {
            acts.extend(self.ask(ShutdownReason::InactivityTimeout));
        }
    }

    /// How long a request may run. mod_wsgi: the more threads there are, the less one stuck thread matters.
    fn request_limit(&self) -> Option<Duration> {
        let threads = f64::from(self.options.threads.max(1));
        (self.options.request_timeout > 0)
            .then(|| seconds(self.options.request_timeout).mul_f64(1.0 + threads.ln()))
    }

    pub(super) fn look_for_slow_requests(&mut self, view: &View, acts: &mut Vec<Act>) {
        let Some(limit) = self.request_limit() else {
            return;
        };
        self.suspects.retain(|suspect| {
            let is_same = |running: &Running| {
                (running.worker, running.daemon_start) == (suspect.worker, suspect.daemon_start)
            };
            view.running.iter().any(is_same)
        });
        let patience = seconds(self.options.interrupt_timeout);
        for running in &view.running {
            let age = view.now.saturating_sub(running.since);
            if age <= limit {
                continue;
            }
            let suspect = self
                .suspects
                .iter()
                .find(|suspect| suspect.worker == running.worker);
            match suspect {
                None if !patience.is_zero() => {
                    self.suspects.push(Suspect {
                        worker: running.worker,
                        daemon_start: running.daemon_start,
                        since: view.now,
                    });
                    acts.push(Act::Interrupt {
                        worker: running.worker,
                        daemon_start: running.daemon_start,
                    });
                    // One a pass, as each stops the others for a moment.
                    return;
                }
                Some(suspect) if view.now.saturating_sub(suspect.since) < patience => {}
                _ => return self.escalate(age, view, acts),
            }
        }
    }

    /// A request does not end: the process is to be replaced.
    fn escalate(&mut self, age: Duration, view: &View, acts: &mut Vec<Act>) {
        if std::mem::replace(&mut self.is_late_told, true) {
            return;
        }
        acts.push(Act::Warn(format!(
            "RSGI0437: a request has been running for {} s (request-timeout={}, {} threads); where the threads are follows at info",
            age.as_secs(),
            self.options.request_timeout,
            self.options.threads
        )));
        acts.push(Act::Dump);
        acts.extend(if self.options.graceful_timeout == 0 {
            self.drain(ShutdownReason::RequestTimeout, view.now)
        } else {
            self.ask(ShutdownReason::RequestTimeout)
        });
    }

    pub(super) fn look_for_deadlock(&mut self, view: &View, acts: &mut Vec<Act>) {
        let limit = seconds(self.options.deadlock_timeout);
        let Some(since) = view.probed.filter(|_| !limit.is_zero()) else {
            return;
        };
        if view.now.saturating_sub(since) < limit {
            return;
        }
        acts.push(Act::Warn(format!(
            "RSGI0439: no thread could use Python for {} s (deadlock-timeout): an extension holds its lock",
            self.options.deadlock_timeout
        )));
        acts.extend(self.report_draining(ShutdownReason::DeadlockTimeout));
        acts.extend(self.end(ShutdownReason::DeadlockTimeout, view.now));
    }

    /// Running requests that may still end by themselves. mod_wsgi: those beyond their time are not waited for.
    fn fresh(&self, view: &View) -> usize {
        let limit = seconds(self.options.request_timeout) + seconds(self.options.interrupt_timeout);
        view.running
            .iter()
            .filter(|running| limit.is_zero() || view.now.saturating_sub(running.since) <= limit)
            .count()
    }

    pub(super) fn look_for_the_end(
        &mut self,
        view: &View,
        deadline: Option<Duration>,
        acts: &mut Vec<Act>,
    ) {
        let reason = self.reason.unwrap_or(ShutdownReason::ShutdownSignal);
        let stuck = u32::try_from(view.running.len() - self.fresh(view)).unwrap_or(u32::MAX);
        if view.assigned <= stuck && view.busy <= stuck {
            acts.extend(self.end(reason, view.now));
        } else if deadline.is_some_and(|deadline| view.now >= deadline) {
            let mut text = format!(
                "RSGI0441: {} requests still run at the end of the time that the process had to finish them",
                view.assigned.max(view.busy)
            );
            let oldest = view.running.iter().map(|running| running.since).min();
            if let Some(oldest) = oldest {
                let age = view.now.saturating_sub(oldest).as_secs();
                // Writing to a String does not fail.
                let _ = write!(text, ", the longest for {age} s");
            }
            // Without a time the rest is left to shutdown-timeout, by configuration.
            let is_configured = self.times.drain(reason) == Some(Duration::ZERO);
            acts.push(if is_configured {
                Act::Info(text)
            } else {
                Act::Warn(text)
            });
            acts.extend(self.end(reason, view.now));
        }
    }
}
