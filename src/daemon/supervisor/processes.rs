//! One group's processes as they are: started, listened to, buried. What is to become of them `state` decides.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rsgi_core::daemon::{DaemonOptions, ShutdownReason};
use rsgi_core::metrics;
use rustix::process::{Pid, PidfdFlags, pidfd_open, test_kill_process};

use super::child::{Child, Said, discard, program};
use super::death::{Cause, lasted};
use super::level;
use super::output::{More, Output};
use super::plan::{GroupPlan, SupervisorLog};
use super::state::{Action, End, Farewell, Group, Rules};
use crate::scoreboard::{Scoreboard, SlotState};
use crate::sys::process::{EXIT_HOPELESS, Ended, Program, bury};

/// Log pipes of ended processes that others still have open, kept for each group.
const MOST_LEFT: usize = 32;
/// Messages taken from a process in a row.
const TURN: usize = 16;
/// Turns of output taken from a process that has ended, before it is left to its children.
const LAST_TURNS: usize = 16;

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
    /// Slots with processes of an earlier supervisor; their pidfds, where the kernel has such.
    foreign: BTreeMap<usize, (Pid, Option<OwnedFd>)>,
    left: Vec<Output>,
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
        let foreign = foreign(&plan.board);
        let taken: Vec<usize> = foreign.keys().copied().collect();
        let state = Group::new(rules(&plan), plan.intakes.len(), &taken);
        Self {
            plan,
            program,
            state,
            children: Vec::new(),
            foreign,
            left: Vec::new(),
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
        self.children.iter().all(|child| {
            let cells = slot_number(child.slot).and_then(|index| self.plan.board.slot(index));
            cells.is_none_or(|cells| cells.is_idle())
        })
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.state.deadline()
    }

    /// Whether there are processes whose end nothing tells.
    pub(super) fn needs_glances(&self) -> bool {
        self.children.iter().any(|child| child.pidfd.is_none())
            || self.foreign.values().any(|(_, pidfd)| pidfd.is_none())
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
        for (&slot, (_, pidfd)) in &self.foreign {
            if let Some(fd) = pidfd {
                watch(Watched::Foreign(slot), fd.as_fd());
            }
        }
        for (at, output) in self.left.iter().enumerate() {
            watch(Watched::Left(at), output.as_fd());
        }
        for (slot, intake) in self.plan.intakes.iter().enumerate() {
            if !taken.contains(&slot) {
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
    pub(super) fn end(&mut self, now: Instant) {
        let actions = self.state.end(now);
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
                if let Some((_, pidfd)) = self.foreign.get_mut(&slot) {
                    // Without it the next look asks for the process itself.
                    *pidfd = None;
                }
            }
            Watched::Intake(slot) => {
                if let Some(intake) = self.plan.intakes.get(slot) {
                    discard(intake.as_fd());
                }
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
        let gone = |pid: &Pid| test_kill_process(*pid) == Err(rustix::io::Errno::SRCH);
        let ended: Vec<usize> = self
            .foreign
            .iter()
            .filter(|(_, (pid, pidfd))| pidfd.is_none() && gone(pid))
            .map(|(slot, _)| *slot)
            .collect();
        for slot in ended {
            self.foreign.remove(&slot);
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
                Action::Tell(slot, order) => {
                    if let Some(child) = self.child(slot) {
                        child.tell(order);
                    }
                }
                Action::Kill(slot) => {
                    if let Some(child) = self.child(slot) {
                        child.kill();
                    }
                }
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

    /// Takes leave of a process: its last lines, its death in the log and on the board, its place.
    fn bury(&mut self, now: Instant, mut child: Child, ended: Ended, used: Duration) {
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
        let cause = match farewell {
            Farewell::Killed => Cause::ShutdownTimeout,
            _ => Cause::of(ended, used, self.options()),
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
        let cells = slot_number(slot).and_then(|index| self.plan.board.slot(index));
        let has_reason = cells.is_some_and(|cells| cells.reason().is_some());
        match ended {
            Ended::Exit(EXIT_HOPELESS) => End::Hopeless,
            Ended::Exit(_) if has_reason => End::Deliberate,
            _ => End::Failed,
        }
    }

    /// The end for the counts of it.
    fn kind_of(&self, slot: usize, cause: Cause) -> metrics::End {
        use metrics::End as Kind;
        let cells = slot_number(slot).and_then(|index| self.plan.board.slot(index));
        let reason = cells.and_then(|cells| cells.reason());
        match (cause, reason) {
            (Cause::CpuTime, _) => Kind::Reason(ShutdownReason::CpuTimeLimit),
            (Cause::Signal(_), _) => Kind::Signal,
            (_, Some(reason)) => Kind::Reason(reason),
            (Cause::ShutdownTimeout, None) => Kind::ShutdownTimeout,
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
            (Farewell::Killed, _) | (Farewell::Expected, Cause::ShutdownTimeout) => {
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

    /// A slot is without a process again, as far as others are concerned.
    fn vacate(&self, slot: usize) {
        let cells = slot_number(slot).and_then(|index| self.plan.board.slot(index));
        if let Some(cells) = cells {
            cells.set_state(SlotState::Dead);
        }
        self.vacate_intake(slot);
    }

    /// Whoever sent something there is told at once; what comes later wakes the loop.
    fn vacate_intake(&self, slot: usize) {
        if let Some(intake) = self.plan.intakes.get(slot) {
            discard(intake.as_fd());
        }
    }

    fn options(&self) -> &DaemonOptions {
        &self.plan.config.options
    }

    fn name(&self) -> String {
        format!("process group `{}`", self.plan.config.group.escape_ascii())
    }
}

fn concerns(action: &Action, slot: usize) -> bool {
    matches!(action, Action::Tell(other, _) | Action::Kill(other) if *other == slot)
}

fn slot_number(slot: usize) -> Option<u32> {
    u32::try_from(slot).ok()
}

fn next_try(farewell: Farewell) -> String {
    match farewell {
        Farewell::Unwanted(delay) if !delay.is_zero() => {
            format!("; the next one starts in {}", lasted(delay))
        }
        _ => String::new(),
    }
}

fn rules(plan: &GroupPlan) -> Rules {
    let options = &plan.config.options;
    let seconds = |value: u32| Duration::from_secs(u64::from(value));
    Rules {
        processes: usize::try_from(options.processes).unwrap_or(1),
        is_service: options.threads == 0,
        overlaps: plan.overlaps,
        graceful: (options.graceful_timeout > 0).then(|| seconds(options.graceful_timeout)),
        shutdown: seconds(options.shutdown_timeout),
    }
}

/// The slots in which processes of an earlier supervisor are still alive.
fn foreign(board: &Scoreboard) -> BTreeMap<usize, (Pid, Option<OwnedFd>)> {
    let mut found = BTreeMap::new();
    for (slot, cells) in board.slots().enumerate() {
        let pid = i32::try_from(cells.pid()).ok().and_then(Pid::from_raw);
        let (Some(pid), false) = (
            pid,
            matches!(cells.state(), SlotState::Free | SlotState::Dead),
        ) else {
            continue;
        };
        if is_daemon(pid) {
            found.insert(slot, (pid, pidfd_open(pid, PidfdFlags::empty()).ok()));
        } else {
            cells.set_state(SlotState::Dead);
        }
    }
    found
}

/// Whether a process is one of ours: its number may have gone to another one.
fn is_daemon(pid: Pid) -> bool {
    let path = format!("/proc/{}/exe", pid.as_raw_nonzero());
    match std::fs::read_link(path) {
        Ok(program) => program
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"rsgi-daemon")),
        // Not ours to look at: then it is another user's, or the system hides it.
        Err(error) => {
            error.kind() == io::ErrorKind::PermissionDenied && test_kill_process(pid).is_ok()
        }
    }
}
