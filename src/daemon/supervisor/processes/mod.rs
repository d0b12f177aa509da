//! One group's processes as they are: started, listened to, and buried in `burial`. What is to become of them `state`
//! decides.

mod burial;
mod foreign;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rsgi_core::daemon::DaemonOptions;
use rustix::process::Signal;

use self::burial::next_try;
use self::foreign::Foreign;
use crate::scoreboard::SlotState;
use crate::supervisor::child::{Child, Said, discard, program};
use crate::supervisor::level;
use crate::supervisor::output::{More, Output};
use crate::supervisor::plan::{GroupPlan, SupervisorLog};
use crate::supervisor::state::{Action, End, Group, Over, Rules};
use crate::sys::process::{Ended, Program, bury};
use crate::times::EndTimes;

/// Messages taken from a process in a row.
const TURN: usize = 16;
/// What of a group a descriptor belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Watched {
    /// This child has ended.
    End(usize),
    /// This child said something.
    Link(usize),
    /// This child wrote something.
    Output(usize),
    /// The process of an earlier supervisor in this slot has ended.
    Foreign(usize),
    /// Somebody wrote to this pipe of a child that has ended.
    Left(usize),
    /// Somebody sent something to this slot, which has no process.
    Intake(usize),
}

/// A group with its processes.
pub(super) struct Processes<'a> {
    plan: GroupPlan,
    program: Program,
    state: Group,
    children: Vec<Child>,
    /// Slots with processes of an earlier supervisor.
    foreign: BTreeMap<usize, Foreign>,
    left: Vec<Output>,
    /// Slots to which nobody can send anything any more: their ends would be told for ever.
    silent: BTreeSet<usize>,
    voice: Voice<'a>,
}

/// Speaks for the group in its server's log.
#[derive(Clone, Copy)]
struct Voice<'a> {
    log: &'a dyn SupervisorLog,
    group: usize,
}

impl Voice<'_> {
    fn say(self, level: u32, text: &str) {
        self.log.log(self.group, level, text.as_bytes());
    }
}

impl<'a> Processes<'a> {
    pub(super) fn new(
        plan: GroupPlan,
        path: &CString,
        environment: &[CString],
        group: usize,
        log: &'a dyn SupervisorLog,
    ) -> Self {
        let program = program(path, &plan, environment);
        let foreign = foreign::find(&plan.board);
        let taken: Vec<usize> = foreign.keys().copied().collect();
        let state = Group::new(rules(&plan), plan.intakes.len(), &taken);
        Self {
            plan,
            program,
            state,
            children: Vec::new(),
            foreign,
            left: Vec::new(),
            silent: BTreeSet::new(),
            voice: Voice { log, group },
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.state.is_over()
    }

    /// Whether some process of it serves.
    pub(super) fn is_serving(&self) -> bool {
        self.state.is_serving()
    }

    /// Whether no request runs in any process.
    pub(super) fn is_idle(&self) -> bool {
        let own = self.children.iter().map(|child| child.slot);
        own.chain(self.foreign.keys().copied()).all(|slot| {
            let cells = slot_number(slot).and_then(|index| self.plan.board.slot(index));
            cells.is_none_or(|cells| cells.is_idle())
        })
    }

    /// Whether some process ends once its requests are done.
    pub(super) fn is_draining(&self) -> bool {
        self.state.is_draining()
    }

    /// Requests of Apache children that were killed run no more.
    pub(super) fn sweep(&self) {
        self.plan.board.sweep_if_due();
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.state.deadline()
    }

    /// Whether there are processes whose end nothing tells.
    pub(super) fn needs_glances(&self) -> bool {
        self.children.iter().any(|child| child.pidfd.is_none()) || self.has_silent_foreign()
    }

    /// Names every descriptor that tells something.
    pub(super) fn watched<'f>(&'f self, mut watch: impl FnMut(Watched, BorrowedFd<'f>)) {
        let mut taken: Vec<usize> = self.foreign.keys().copied().collect();
        for (at, child) in self.children.iter().enumerate() {
            taken.push(child.slot);
            if let Some(fd) = &child.pidfd {
                watch(Watched::End(at), fd.as_fd());
            }
            if let Some(fd) = &child.link {
                watch(Watched::Link(at), fd.as_fd());
            }
            if let Some(output) = &child.output {
                watch(Watched::Output(at), output.as_fd());
            }
        }
        for (&slot, foreign) in &self.foreign {
            if let Some(fd) = foreign.pidfd() {
                watch(Watched::Foreign(slot), fd);
            }
        }
        for (at, output) in self.left.iter().enumerate() {
            watch(Watched::Left(at), output.as_fd());
        }
        for (slot, intake) in self.plan.intakes.iter().enumerate() {
            if !taken.contains(&slot) && !self.silent.contains(&slot) {
                watch(Watched::Intake(slot), intake.as_fd());
            }
        }
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, now: Instant) {
        let actions = self.state.tick(now);
        self.act(actions);
    }

    /// All processes are to end.
    pub(super) fn end(&mut self, now: Instant, over: Over) {
        let actions = self.state.end(now, over);
        self.act(actions);
    }

    /// Takes in what a descriptor tells.
    pub(super) fn heard(&mut self, now: Instant, watched: Watched) {
        let voice = self.voice;
        let mut line = |level, text: &[u8]| voice.log.log(voice.group, level, text);
        match watched {
            Watched::End(at) => self.children[at].has_ended = true,
            Watched::Link(at) => self.listen(now, at),
            Watched::Output(at) => {
                let output = &mut self.children[at].output;
                if output.as_mut().map(|output| output.read(&mut line)) == Some(More::Never) {
                    *output = None;
                }
            }
            Watched::Left(at) => {
                self.left[at].read(&mut line);
            }
            Watched::Foreign(slot) => {
                if let Some(foreign) = self.foreign.get_mut(&slot) {
                    foreign.set_ended();
                }
            }
            Watched::Intake(slot) => {
                self.vacate_intake(slot);
            }
        }
    }

    /// Buries who has ended, and closes what nobody writes to any more.
    pub(super) fn tidy(&mut self, now: Instant) {
        self.left.retain(|output| !output.is_over());
        while let Some((at, ended, used)) = self.next_ended() {
            let child = self.children.remove(at);
            self.bury(now, child, ended, used);
        }
        for slot in self.take_ended_foreign() {
            self.vacate(slot);
            let (_, actions) = self.state.ended(now, slot, End::Failed);
            self.act(actions);
        }
    }

    fn next_ended(&self) -> Option<(usize, Ended, Duration)> {
        let candidates = self.children.iter().enumerate();
        candidates
            .filter(|(_, child)| child.has_ended || child.pidfd.is_none())
            .find_map(|(at, child)| {
                let (ended, used) = bury(child.pid).ok()??;
                Some((at, ended, used))
            })
    }

    fn listen(&mut self, now: Instant, at: usize) {
        for _ in 0..TURN {
            let child = &mut self.children[at];
            let (slot, pid) = (child.slot, child.pid);
            match child.listen() {
                Said::Report(report) => {
                    let actions = self.state.reported(now, slot, report);
                    self.act(actions);
                }
                Said::Nonsense(what) => {
                    let text = format!(
                        "RSGI0458: {} (pid {}) said what no daemon process says: {what}",
                        self.name(),
                        pid.as_raw_nonzero()
                    );
                    self.voice.say(level::WARN, &text);
                }
                Said::Nothing => break,
            }
        }
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Start(slot) => self.start(slot),
                Action::Tell(slot, order) => match self.child(slot) {
                    Some(child) => child.tell(order),
                    None => self.tell_foreign(slot, order),
                },
                Action::Kill(slot) => match self.child(slot) {
                    Some(child) => child.kill(),
                    None => self.signal_foreign(slot, Signal::KILL),
                },
            }
        }
    }

    fn child(&self, slot: usize) -> Option<&Child> {
        self.children.iter().find(|child| child.slot == slot)
    }

    fn start(&mut self, slot: usize) {
        let cells = slot_number(slot).and_then(|index| self.plan.board.slot(index));
        let incarnation = cells.map_or(1, |cells| cells.incarnation().wrapping_add(1).max(1));
        if let Some(cells) = cells {
            cells.begin(incarnation);
        }
        match Child::start(&self.plan, slot, incarnation, &self.program) {
            Ok(child) => {
                if let Some(cells) = cells {
                    cells.set_pid(child.pid.as_raw_nonzero().get().unsigned_abs());
                }
                let text = format!(
                    "{}: process {} started in slot {slot}, number {incarnation}",
                    self.name(),
                    child.pid.as_raw_nonzero()
                );
                self.voice.say(level::INFO, &text);
                self.children.push(child);
            }
            Err(error) => self.not_started(slot, &error),
        }
    }

    fn not_started(&mut self, slot: usize, error: &io::Error) {
        self.vacate(slot);
        let (farewell, actions) = self.state.ended(Instant::now(), slot, End::Hopeless);
        let text = format!(
            "RSGI0452: no process can be started for {}: {error}{}",
            self.name(),
            next_try(farewell)
        );
        self.voice.say(level::ERROR, &text);
        // There is a delay in between: the state starts nothing now.
        self.act(actions);
    }

    /// A slot is without a process again, as far as others are concerned.
    fn vacate(&mut self, slot: usize) {
        let cells = slot_number(slot).and_then(|index| self.plan.board.slot(index));
        if let Some(cells) = cells {
            cells.set_state(SlotState::Dead);
        }
        self.vacate_intake(slot);
    }

    /// Whoever sent something there is told at once; what comes later wakes the loop.
    fn vacate_intake(&mut self, slot: usize) {
        if let Some(intake) = self.plan.intakes.get(slot)
            && discard(intake.as_fd()) == More::Never
        {
            self.silent.insert(slot);
        }
    }

    fn options(&self) -> &DaemonOptions {
        &self.plan.config.options
    }

    fn name(&self) -> String {
        format!("process group `{}`", self.plan.config.group.escape_ascii())
    }
}

fn slot_number(slot: usize) -> Option<u32> {
    u32::try_from(slot).ok()
}

fn rules(plan: &GroupPlan) -> Rules {
    let options = &plan.config.options;
    Rules {
        processes: usize::try_from(options.processes).unwrap_or(1),
        is_service: options.threads == 0,
        overlaps: plan.overlaps,
        times: EndTimes::of(options),
    }
}
