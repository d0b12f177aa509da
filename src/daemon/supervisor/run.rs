//! The supervisor's loop: waits for processes, their lines and the ends of pipes, and lets the groups see to them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, getppid, pidfd_open};

use super::plan::{Plan, Previous, SupervisorLog, TAKEN_OVER, UNWANTED};
use super::processes::{Processes, Watched};
use super::state::Over;

/// How often processes are looked at that the kernel cannot tell about.
const GLANCE: Duration = Duration::from_millis(100);

/// Serves one generation of httpd's, until it is over; the answer is the exit code.
pub fn run(plan: Plan, log: &dyn SupervisorLog) -> i32 {
    let mut supervisor = Supervisor::new(plan, log);
    supervisor.settle(Instant::now());
    while !supervisor.is_over() {
        supervisor.wait();
        supervisor.settle(Instant::now());
    }
    0
}

/// How long a generation without children waits for the next one to need it no more. That one tells, or closes the
/// pipe; this is for a module that was replaced by another version, which knows nothing of it.
const LONGEST_HANDOVER: Duration = Duration::from_secs(600);

/// How often the requests of killed Apache children are looked for where something ends once none runs.
const SWEEP: Duration = Duration::from_millis(500);

/// What a descriptor of the loop stands for.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// httpd is over, or wants this generation to be.
    End,
    /// The last child is gone.
    Childless,
    /// The next generation has its own processes, or never had a use for these.
    Handover,
    /// Something of a group.
    Group(usize, Watched),
}

/// What the next generation needs of this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handover {
    /// It may send requests.
    Open,
    /// It sends no more; some may still run.
    Done,
    /// It never will.
    Closed,
}

struct Supervisor<'a> {
    parent: OwnedFd,
    /// None where the kernel knows no such thing (before 5.3).
    parent_pidfd: Option<OwnedFd>,
    parent_pid: i32,
    children: OwnedFd,
    childless_since: Option<Instant>,
    next: OwnedFd,
    handover: Handover,
    previous: Option<Previous>,
    groups: Vec<Processes<'a>>,
    over: Option<Over>,
}

impl<'a> Supervisor<'a> {
    fn new(plan: Plan, log: &'a dyn SupervisorLog) -> Self {
        let (program, environment) = (plan.program, plan.environment);
        let parent_pidfd = Pid::from_raw(plan.parent_pid)
            .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        let groups = plan.groups.into_iter().enumerate();
        let groups = groups
            .map(|(index, group)| Processes::new(group, &program, &environment, index, log))
            .collect();
        Self {
            parent: plan.parent,
            parent_pidfd,
            parent_pid: plan.parent_pid,
            children: plan.children,
            childless_since: None,
            next: plan.handover,
            handover: Handover::Open,
            previous: plan.previous,
            groups,
            over: None,
        }
    }

    fn is_over(&self) -> bool {
        self.groups.iter().all(Processes::is_over)
    }

    /// Does what is due.
    fn settle(&mut self, now: Instant) {
        if getppid().is_none_or(|pid| pid.as_raw_nonzero().get() != self.parent_pid) {
            self.end(now, Over::Stopped);
        }
        if self.waits_for_requests() {
            self.groups.iter().for_each(Processes::sweep);
        }
        if self.is_unused(now) {
            self.end(now, Over::Unused);
        }
        for group in &mut self.groups {
            group.tick(now);
        }
        self.take_over();
    }

    /// Whether something ends once no request runs: a process, or all of this generation.
    fn waits_for_requests(&self) -> bool {
        let is_handed_over = self.childless_since.is_some() && self.handover == Handover::Done;
        (is_handed_over && self.over.is_none()) || self.groups.iter().any(Processes::is_draining)
    }

    /// Whether nobody can send requests any more and none runs.
    fn is_unused(&self, now: Instant) -> bool {
        let Some(since) = self.childless_since else {
            return false;
        };
        match self.handover {
            Handover::Closed => true,
            Handover::Done => self.groups.iter().all(Processes::is_idle),
            Handover::Open => now.duration_since(since) >= LONGEST_HANDOVER,
        }
    }

    /// Tells the generation before that it is not needed any more, once every group that used it has a process.
    fn take_over(&mut self) {
        let is_ready = self.previous.as_ref().is_some_and(|previous| {
            let mut groups = previous.groups.iter();
            groups.all(|&index| self.groups.get(index).is_none_or(Processes::is_serving))
        });
        if is_ready && let Some(previous) = self.previous.take() {
            // Whoever is gone needs no word.
            let _ = rustix::io::write(&previous.handover, &[TAKEN_OVER]);
        }
    }

    /// The generation is over: all processes end.
    fn end(&mut self, now: Instant, over: Over) {
        if self.over >= Some(over) {
            return;
        }
        self.over = Some(over);
        for group in &mut self.groups {
            group.end(now, over);
        }
    }

    /// Waits for something to happen and takes it in.
    fn wait(&mut self) {
        for source in self.happened() {
            match source {
                Source::End => self.end(Instant::now(), Over::Stopped),
                Source::Childless => self.childless_since = Some(Instant::now()),
                Source::Handover => {
                    let mut word = [0; 1];
                    let is_word = rustix::io::read(&self.next, &mut word) == Ok(1);
                    self.handover = if is_word && word[0] != UNWANTED {
                        Handover::Done
                    } else {
                        Handover::Closed
                    };
                }
                Source::Group(group, watched) => self.groups[group].heard(Instant::now(), watched),
            }
        }
        for group in &mut self.groups {
            group.tidy(Instant::now());
        }
    }

    /// Waits until something happens, or is due; what it was.
    fn happened(&self) -> Vec<Source> {
        let watched = self.watched();
        let mut fds: Vec<PollFd<'_>> = watched
            .iter()
            .map(|(_, fd)| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
            .collect();
        let timeout = self
            .patience()
            .and_then(|patience| Timespec::try_from(patience).ok());
        match poll(&mut fds, timeout.as_ref()) {
            // Interrupted, or no memory for a moment: the caller looks at what is due and comes back.
            Err(_) | Ok(0) => Vec::new(),
            Ok(_) => watched
                .iter()
                .zip(&fds)
                .filter(|(_, fd)| !fd.revents().is_empty())
                .map(|((source, _), _)| *source)
                .collect(),
        }
    }

    /// All descriptors of interest.
    fn watched(&self) -> Vec<(Source, BorrowedFd<'_>)> {
        let mut watched = Vec::new();
        // What is known needs no waiting for, and would wake for ever.
        if self.over != Some(Over::Stopped) {
            watched.push((Source::End, self.parent.as_fd()));
            if let Some(pidfd) = &self.parent_pidfd {
                watched.push((Source::End, pidfd.as_fd()));
            }
        }
        if self.over.is_none() {
            if self.childless_since.is_none() {
                watched.push((Source::Childless, self.children.as_fd()));
            }
            if self.handover == Handover::Open {
                watched.push((Source::Handover, self.next.as_fd()));
            }
        }
        for (index, group) in self.groups.iter().enumerate() {
            group.watched(|what, fd| watched.push((Source::Group(index, what), fd)));
        }
        watched
    }

    /// How long nothing is due; none for ever.
    fn patience(&self) -> Option<Duration> {
        let now = Instant::now();
        let due = self.groups.iter().filter_map(Processes::deadline).min();
        let due = due.map(|at| at.saturating_duration_since(now));
        let glances = self.groups.iter().any(Processes::needs_glances);
        let glance = (glances || (self.parent_pidfd.is_none() && self.over != Some(Over::Stopped)))
            .then_some(GLANCE);
        let sweep = self.waits_for_requests().then_some(SWEEP);
        // Nothing may ever tell that it is over.
        let unused = (self.over.is_none() && self.handover == Handover::Open)
            .then_some(self.childless_since)
            .flatten()
            .map(|since| (since + LONGEST_HANDOVER).saturating_duration_since(now));
        due.into_iter()
            .chain(glance)
            .chain(sweep)
            .chain(unused)
            .min()
    }
}
