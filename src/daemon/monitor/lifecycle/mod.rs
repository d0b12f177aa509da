//! When a daemon process is to be replaced, to drain and to end: decided from what the monitor sees, without a system.
//!
//! The process serves until it wants a successor ([`Act::Report`] of `Replace`, it serves on until it is told to
//! drain), must not take more requests (draining, `graceful-timeout` bounds it), or ends. The first reason stays.

mod reasons;

use std::time::Duration;

use rsgi_core::daemon::{DaemonOptions, ShutdownReason};

use crate::order::{Order, Report};
use crate::server::Running;
use crate::times::EndTimes;

/// What the monitor sees at one moment. Times are since the process began.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    pub(super) now: Duration,
    pub(super) running: Vec<Running>,
    /// By the scoreboard.
    pub(super) assigned: u32,
    /// By the scoreboard.
    pub(super) busy: u32,
    /// When the first request began.
    pub(super) first: Option<Duration>,
    /// The last sign of life of a request.
    pub(super) last: Option<Duration>,
    pub(super) finished: u64,
    pub(super) is_loaded: bool,
    pub(super) is_stale: bool,
    /// Since when a probe waits for Python.
    pub(super) probed: Option<Duration>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Tell the supervisor.
    Report(Report),
    /// The slot takes no more requests.
    CloseSlot(ShutdownReason),
    /// Raise RequestTimeout in a request.
    Interrupt { worker: u32, daemon_start: i64 },
    /// Log where all threads of Python are.
    Dump,
    /// Begin the end.
    End(ShutdownReason),
    /// Log a line at warn.
    Warn(String),
    /// Log a line at info.
    Info(String),
}

/// A request in which RequestTimeout was raised.
#[derive(Clone, Copy, Debug)]
struct Suspect {
    worker: u32,
    daemon_start: i64,
    since: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting,
    Serving { since: Duration },
    Draining { deadline: Option<Duration> },
    Ending { since: Duration },
}

/// See the module.
#[derive(Debug)]
pub(super) struct Lifecycle {
    times: EndTimes,
    options: DaemonOptions,
    phase: Phase,
    reason: Option<ShutdownReason>,
    /// What it will ask to be replaced for when it serves.
    wanted: Option<ShutdownReason>,
    suspects: Vec<Suspect>,
    is_late_told: bool,
    /// Since when there is nobody left who could end the process.
    orphaned: Option<Duration>,
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(count.into())
}

impl Lifecycle {
    pub(super) fn new(options: DaemonOptions) -> Self {
        Self {
            times: EndTimes::of(&options),
            options,
            phase: Phase::Starting,
            reason: None,
            wanted: None,
            suspects: Vec::new(),
            is_late_told: false,
            orphaned: None,
        }
    }

    /// Why the process ends, once that is known.
    pub(super) fn reason(&self) -> Option<ShutdownReason> {
        self.reason
    }

    /// Whether there is something to look at often.
    pub(super) fn is_draining(&self) -> bool {
        matches!(self.phase, Phase::Draining { .. })
    }

    /// When the process is to be ended by force, if it has not ended by itself.
    pub(super) fn end_by_force(&self) -> Option<Duration> {
        match self.phase {
            Phase::Ending { since } => match self.times.shutdown() {
                Some(time) => Some(since + time),
                None => Some(since.max(self.orphaned?) + self.times.stop()),
            },
            _ => None,
        }
    }

    /// The process serves requests.
    pub(super) fn ready(&mut self, now: Duration) -> Vec<Act> {
        if self.phase != Phase::Starting {
            return Vec::new();
        }
        self.phase = Phase::Serving { since: now };
        let mut acts = vec![Act::Report(Report::Ready)];
        if let Some(reason) = self.wanted.take() {
            acts.extend(self.ask(reason));
        }
        acts
    }

    /// The supervisor gives an order.
    pub(super) fn order(&mut self, order: Order, now: Duration) -> Vec<Act> {
        match order {
            Order::Drain(reason) => self.drain(reason, now),
            Order::Stop => self.end(ShutdownReason::ShutdownSignal, now),
        }
    }

    /// SIGUSR1.
    pub(super) fn graceful(&mut self) -> Vec<Act> {
        let reason = if self.options.eviction_timeout > 0 {
            ShutdownReason::EvictionSignal
        } else {
            ShutdownReason::GracefulSignal
        };
        self.ask(reason)
    }

    /// SIGTERM or SIGINT: the supervisor may not know, so it is told.
    pub(super) fn stop(&mut self, now: Duration) -> Vec<Act> {
        let mut acts = self.report_draining(ShutdownReason::ShutdownSignal);
        acts.extend(self.end(ShutdownReason::ShutdownSignal, now));
        acts
    }

    /// SIGXCPU.
    pub(super) fn cpu_time(&mut self, now: Duration) -> Vec<Act> {
        if self.is_over() {
            return Vec::new();
        }
        let mut acts = vec![Act::Warn(format!(
            "RSGI0445: the process has used its cpu-time-limit of {} s",
            self.options.cpu_time_limit
        ))];
        acts.extend(self.drain(ShutdownReason::CpuTimeLimit, now));
        acts
    }

    /// The supervisor is gone.
    pub(super) fn abandoned(&mut self, now: Duration) -> Vec<Act> {
        if self.is_over() {
            return Vec::new();
        }
        let mut acts = vec![Act::Warn(
            "RSGI0443: the supervisor of the process is gone; it finishes its requests and ends"
                .to_owned(),
        )];
        acts.extend(self.drain(ShutdownReason::SupervisorGone, now));
        acts
    }

    /// The supervisor is gone, and so is httpd: what its supervisor does then, the process does by itself.
    pub(super) fn orphaned(&mut self, now: Duration) -> Vec<Act> {
        self.orphaned.get_or_insert(now);
        self.end(ShutdownReason::SupervisorGone, now)
    }

    /// Looks at everything that time and requests decide.
    pub(super) fn tick(&mut self, view: &View) -> Vec<Act> {
        let mut acts = Vec::new();
        // Of this view only what was draining before it: children may have chosen a slot that was not closed yet.
        let phase = self.phase;
        if let Phase::Serving { since } = phase {
            self.look_for_reasons(view, since, &mut acts);
        }
        if matches!(self.phase, Phase::Serving { .. } | Phase::Draining { .. }) {
            self.look_for_slow_requests(view, &mut acts);
            self.look_for_deadlock(view, &mut acts);
        }
        if let Phase::Draining { deadline } = phase {
            self.look_for_the_end(view, deadline, &mut acts);
        }
        acts
    }

    fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Draining { .. } | Phase::Ending { .. })
    }

    /// Asks for a successor and serves on.
    fn ask(&mut self, reason: ShutdownReason) -> Vec<Act> {
        match self.phase {
            Phase::Serving { .. } if self.reason.is_none() => {
                self.reason = Some(reason);
                vec![Act::Report(Report::Replace(reason))]
            }
            // A process that loads is a new one: it asks when it can be replaced, and does not look like a failure.
            Phase::Starting => {
                self.wanted.get_or_insert(reason);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Takes no more requests.
    fn drain(&mut self, reason: ShutdownReason, now: Duration) -> Vec<Act> {
        match self.phase {
            Phase::Starting => self.end(reason, now),
            Phase::Serving { .. } => {
                let reason = *self.reason.get_or_insert(reason);
                let deadline = self.times.drain(reason).map(|time| now + time);
                self.phase = Phase::Draining { deadline };
                vec![
                    Act::CloseSlot(reason),
                    Act::Report(Report::Draining(reason)),
                ]
            }
            Phase::Draining { .. } | Phase::Ending { .. } => Vec::new(),
        }
    }

    fn report_draining(&self, reason: ShutdownReason) -> Vec<Act> {
        if self.is_over() {
            return Vec::new();
        }
        let reason = self.reason.unwrap_or(reason);
        vec![
            Act::CloseSlot(reason),
            Act::Report(Report::Draining(reason)),
        ]
    }

    fn end(&mut self, reason: ShutdownReason, now: Duration) -> Vec<Act> {
        if matches!(self.phase, Phase::Ending { .. }) {
            return Vec::new();
        }
        let reason = *self.reason.get_or_insert(reason);
        let is_closed = self.is_over();
        self.phase = Phase::Ending { since: now };
        let mut acts = Vec::new();
        if !is_closed {
            acts.push(Act::CloseSlot(reason));
        }
        acts.push(Act::End(reason));
        acts
    }
}
