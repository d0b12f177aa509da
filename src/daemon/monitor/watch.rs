//! The monitor's thread: it hears the supervisor and signals, looks at the server, and does what the lifecycle decides.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use rsgi_core::daemon::ShutdownReason;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::helper::Helper;
use super::lifecycle::{Act, Lifecycle, View};
use super::{Ending, Shared, Watched};
use crate::log;
use crate::order::{Order, Report};
use crate::program::Httpd;
use crate::scoreboard::{Slot, SlotState};
use crate::sys::identity::exit_now;
use crate::sys::process::EXIT_CUT;
use crate::sys::signal::{self, Signal};
use crate::sys::socket::{Waiting, recv_with_fds, send_with_fds};
use crate::times::EndTimes;

/// Between two signs of life.
const BEAT: Duration = Duration::from_millis(250);
/// Between two looks at whether the last request is done.
const DRAIN_BEAT: Duration = Duration::from_millis(5);

/// See the module.
pub(super) struct Watch {
    watched: Watched,
    lifecycle: Lifecycle,
    shared: Arc<Shared>,
    helper: Option<Helper>,
    is_abandoned: bool,
}

impl Watch {
    pub(super) fn new(watched: Watched, shared: Arc<Shared>) -> Self {
        Self {
            lifecycle: Lifecycle::new(watched.options.clone()),
            watched,
            shared,
            helper: None,
            is_abandoned: false,
        }
    }

    pub(super) fn run(&mut self) {
        loop {
            if let Some(slot) = self.slot() {
                slot.set_brisk(self.watched.activity.look_at_pace());
                slot.beat();
            }
            self.meet_main_thread();
            let view = self.view();
            let acts = self.lifecycle.tick(&view);
            self.do_all(acts);
            self.look_for_httpd(view.now);
            if self
                .lifecycle
                .end_by_force()
                .is_some_and(|at| view.now >= at)
            {
                self.end_by_force();
            }
            self.listen();
        }
    }

    fn slot(&self) -> Option<Slot<'_>> {
        self.watched.board.slot(self.watched.slot)
    }

    fn now(&self) -> Duration {
        self.watched.activity.now()
    }

    /// Takes over what the main thread has said.
    fn meet_main_thread(&mut self) {
        let (is_ready, python) = {
            let state = self.shared.state.lock();
            (state.is_ready, state.python.clone())
        };
        if self.helper.is_none()
            && let Some(python) = python
        {
            let deadlock_timeout = self.watched.options.deadlock_timeout;
            let activity = Arc::clone(&self.watched.activity);
            self.helper = Some(Helper::new(python, activity, deadlock_timeout > 0));
        }
        if is_ready {
            let now = self.now();
            let acts = self.lifecycle.ready(now);
            if !acts.is_empty()
                && let Some(slot) = self.slot()
            {
                // A worker may have closed it already.
                slot.change_state(SlotState::Starting, SlotState::Ready);
            }
            self.do_all(acts);
        }
    }

    fn view(&self) -> View {
        let activity = &self.watched.activity;
        let slot = self.slot();
        View {
            now: activity.now(),
            running: activity.running().collect(),
            assigned: slot.map_or(0, Slot::assigned),
            busy: slot.map_or(0, Slot::busy),
            first: activity.first(),
            last: activity.last(),
            finished: activity.finished(),
            is_loaded: self.helper.as_ref().is_some_and(Helper::has_loaded),
            is_stale: activity.is_stale(),
            probed: self.helper.as_ref().and_then(Helper::waiting_since),
        }
    }

    /// Without a supervisor nobody tells that httpd is gone, too.
    fn look_for_httpd(&mut self, now: Duration) {
        if self.is_abandoned && self.watched.httpd.as_ref().is_some_and(Httpd::has_ended) {
            let acts = self.lifecycle.orphaned(now);
            self.do_all(acts);
        }
    }

    /// Waits for somebody to say something, at most until the next look is due.
    fn listen(&mut self) {
        let pause = if self.lifecycle.is_draining() {
            DRAIN_BEAT
        } else {
            BEAT
        };
        let timeout = Timespec::try_from(pause).unwrap_or_default();
        let watched = &self.watched;
        let mut fds = vec![
            PollFd::from_borrowed_fd(watched.activity.wake_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(watched.signals.as_fd(), PollFlags::IN),
        ];
        if !self.is_abandoned {
            fds.push(PollFd::from_borrowed_fd(
                watched.supervisor.as_fd(),
                PollFlags::IN,
            ));
        }
        // An error is a pause that was too short.
        let _ = poll(&mut fds, Some(&timeout));
        let is_ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        if is_ready[0] {
            watched.activity.hushed();
        }
        if is_ready[1] {
            self.hear_signals();
        }
        if is_ready.get(2) == Some(&true) {
            self.hear_supervisor();
        }
    }

    fn hear_signals(&mut self) {
        let mut bytes = [0; 16];
        let count = rustix::io::read(&self.watched.signals, &mut bytes).unwrap_or(0);
        for signal in bytes[..count]
            .iter()
            .filter_map(|&byte| signal::decode(byte))
        {
            let now = self.now();
            let acts = match signal {
                // The kernel sends it when the supervisor is gone (PDEATHSIG).
                Signal::Terminate if rustix::process::getppid() != self.watched.parent => {
                    self.lifecycle.abandoned(now)
                }
                // The next supervisor has no line to this process and stops it with SIGINT.
                Signal::Terminate | Signal::Stop => self.lifecycle.stop(now),
                Signal::Graceful => self.lifecycle.graceful(),
                Signal::CpuTime => self.lifecycle.cpu_time(now),
                Signal::Application(number) => {
                    if let Some(helper) = &mut self.helper {
                        helper.signal(number);
                    }
                    Vec::new()
                }
            };
            self.do_all(acts);
        }
    }

    fn hear_supervisor(&mut self) {
        loop {
            let mut message = [0; 3];
            let socket = self.watched.supervisor.as_fd();
            let count = match recv_with_fds(socket, &mut message, Waiting::Never) {
                Ok(received) => received.bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => 0,
            };
            let now = self.now();
            let acts = match message {
                _ if count == 0 => {
                    self.is_abandoned = true;
                    self.lifecycle.abandoned(now)
                }
                [code, argument, _] if count == 2 => match Order::decode([code, argument]) {
                    Ok(order) => self.lifecycle.order(order, now),
                    Err(bad) => {
                        log::error(format_args!("RSGI0444: {bad}"));
                        Vec::new()
                    }
                },
                _ => {
                    log::error(format_args!(
                        "RSGI0444: a message of the supervisor has {count} bytes"
                    ));
                    Vec::new()
                }
            };
            self.do_all(acts);
            if self.is_abandoned {
                return;
            }
        }
    }

    fn do_all(&mut self, acts: Vec<Act>) {
        for act in acts {
            self.act(act);
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Report(report) => self.report(report),
            Act::CloseSlot(reason) => {
                if let Some(slot) = self.slot() {
                    slot.set_reason(reason);
                    slot.set_state(SlotState::Draining);
                }
            }
            Act::Interrupt {
                worker,
                daemon_start,
            } => {
                if let Some(helper) = &mut self.helper {
                    helper.interrupt(worker, daemon_start);
                }
            }
            Act::Dump => {
                if let Some(helper) = &mut self.helper {
                    helper.dump();
                }
            }
            Act::End(reason) => self.begin_end(reason),
            Act::Warn(text) => log::warn(format_args!("{text}")),
            Act::Info(text) => log::info(format_args!("{text}")),
        }
    }

    fn report(&self, report: Report) {
        let message = report.encode();
        let slices = [io::IoSlice::new(&message)];
        // A supervisor that is gone is seen as the end of the line.
        let _ = send_with_fds(
            self.watched.supervisor.as_fd(),
            &slices,
            &[],
            Waiting::Never,
        );
    }

    fn begin_end(&self, reason: ShutdownReason) {
        // Before the main thread can say anything of it.
        if let Some(helper) = &self.helper {
            helper.stopping(reason.name());
        }
        let patience = EndTimes::of(&self.watched.options)
            .shutdown()
            // Some of it is for Python's own end.
            .map_or(Duration::MAX, |timeout| timeout.mul_f32(0.8));
        let mut state = self.shared.state.lock();
        if self.watched.options.threads == 0 && !state.is_through {
            // The script of a service is in Python on the main thread, and SIGTERM is what tells it. Python's own end
            // takes its handler away: nothing would stop the signal then.
            signal::terminate_self();
        }
        state.ending.get_or_insert(Ending { reason, patience });
        self.shared.changed.notify_all();
    }

    /// shutdown-timeout is over.
    fn end_by_force(&self) -> ! {
        let running = self.watched.activity.running().count();
        let reason = self.lifecycle.reason().map_or("", ShutdownReason::name);
        log::error(format_args!(
            "RSGI0442: process {} of group `{}` (shutdown reason {reason}) has not ended after {} s (shutdown-timeout), {running} requests still run; it is ended by force",
            std::process::id(),
            self.watched.group.escape_ascii(),
            self.watched.options.shutdown_timeout,
        ));
        if let Some(helper) = &self.helper {
            helper.cut();
            if running > 0 {
                helper.dump_unsafe();
            }
        }
        exit_now(EXIT_CUT)
    }
}
