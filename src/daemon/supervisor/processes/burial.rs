//! The end of a process: its last lines, what it means for its successor, and what the log says of it.

use std::time::{Duration, Instant};

use rsgi_core::daemon::ShutdownReason;
use rsgi_core::metrics;

use super::{Processes, slot_number};
use crate::scoreboard::SlotState;
use crate::supervisor::child::{Child, Said};
use crate::supervisor::death::{Cause, lasted};
use crate::supervisor::level;
use crate::supervisor::output::{More, Output};
use crate::supervisor::state::{Action, End, Farewell};
use crate::sys::process::{EXIT_HOPELESS, Ended};

/// Log pipes of ended processes that others still have open, kept for each group.
const MOST_LEFT: usize = 32;
/// Turns of output taken from a process that has ended, before it is left to its children.
const LAST_TURNS: usize = 16;

impl Processes<'_> {
    /// Takes leave of a process: its last lines, its death in the log and on the board, its place.
    pub(super) fn bury(&mut self, now: Instant, mut child: Child, ended: Ended, used: Duration) {
        let slot = child.slot;
        let mut actions = Vec::new();
        while let Said::Report(report) = child.listen() {
            actions.extend(self.state.reported(now, slot, report));
        }
        let voice = self.voice;
        if let Some(output) = child.output.take() {
            self.last_words(output);
        }
        let (farewell, more) = self.state.ended(now, slot, self.end_of(slot, ended));
        actions.extend(more);
        let reason = self.reason_of(slot);
        let cause = match farewell {
            Farewell::Killed => Cause::Cut(reason),
            _ => Cause::of(ended, used, reason, self.options()),
        };
        self.plan.board.count_end(self.kind_of(slot, cause));
        let number = slot_number(slot);
        if let Some(cells) = number.and_then(|index| self.plan.board.slot(index)) {
            cells.set_state(SlotState::Dead);
            cells.set_death(child.incarnation, cause.death());
        }
        self.vacate_intake(slot);
        let (level, text) = self.epitaph(&child, cause, farewell, now);
        voice.say(level, &text);
        actions.retain(|action| !concerns(action, slot));
        self.act(actions);
    }

    /// What the end means for the successor. A crash is one whatever was said before.
    fn end_of(&self, slot: usize, ended: Ended) -> End {
        match ended {
            Ended::Exit(EXIT_HOPELESS) => End::Hopeless,
            Ended::Exit(_) if self.reason_of(slot).is_some() => End::Deliberate,
            _ => End::Failed,
        }
    }

    /// Why the process of a slot was to end, if it has said so.
    fn reason_of(&self, slot: usize) -> Option<ShutdownReason> {
        let cells = slot_number(slot).and_then(|index| self.plan.board.slot(index));
        cells.and_then(|cells| cells.reason())
    }

    /// The end for the counts of it.
    fn kind_of(&self, slot: usize, cause: Cause) -> metrics::End {
        use metrics::End as Kind;
        match (cause, self.reason_of(slot)) {
            (Cause::CpuTime, _) => Kind::Reason(ShutdownReason::CpuTimeLimit),
            (Cause::Signal(_), _) => Kind::Signal,
            (_, Some(reason)) => Kind::Reason(reason),
            (Cause::Cut(_), None) => Kind::ShutdownTimeout,
            (Cause::Exit(EXIT_HOPELESS), None) => Kind::StartFailed,
            (Cause::Exit(_), None) => Kind::Exit,
        }
    }

    fn last_words(&mut self, mut output: Output) {
        let voice = self.voice;
        let mut line = |level, text: &[u8]| voice.log.log(voice.group, level, text);
        for _ in 0..LAST_TURNS {
            match output.read(&mut line) {
                More::Now => {}
                More::Never => return,
                More::Later => break,
            }
        }
        output.flush(&mut line);
        if self.left.len() >= MOST_LEFT {
            self.left.remove(0);
        }
        self.left.push(output);
    }

    fn epitaph(
        &self,
        child: &Child,
        cause: Cause,
        farewell: Farewell,
        now: Instant,
    ) -> (u32, String) {
        let what = format!(
            "{}: process {} {}, {} after its start",
            self.name(),
            child.pid.as_raw_nonzero(),
            cause.words(self.options()),
            lasted(now.duration_since(child.started))
        );
        match (farewell, cause) {
            (Farewell::Expected | Farewell::Unwanted(Duration::ZERO), Cause::Exit(0)) => {
                (level::INFO, what)
            }
            (Farewell::Unwanted(_), Cause::Exit(0)) => (
                level::WARN,
                format!("RSGI0453: {what}{}", next_try(farewell)),
            ),
            (Farewell::Killed, _) | (Farewell::Expected, Cause::Cut(_)) => {
                (level::WARN, format!("RSGI0451: {what}"))
            }
            (Farewell::Expected, _) => {
                (level::WARN, format!("RSGI0459: {what} while it was ending"))
            }
            (Farewell::Unwanted(_), _) => (
                level::ERROR,
                format!("RSGI0450: {what}{}", next_try(farewell)),
            ),
        }
    }
}

fn concerns(action: &Action, slot: usize) -> bool {
    matches!(action, Action::Tell(other, _) | Action::Kill(other) if *other == slot)
}

pub(super) fn next_try(farewell: Farewell) -> String {
    match farewell {
        Farewell::Unwanted(delay) if !delay.is_zero() => {
            format!("; the next one starts in {}", lasted(delay))
        }
        _ => String::new(),
    }
}
