//! The supervisor's loop: waits for processes, their lines and the ends of pipes, and lets the groups see to them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, getppid, pidfd_open};

use super::plan::{Plan, SupervisorLog};
use super::processes::{Processes, Watched};

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

/// What a descriptor of the loop stands for.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// The generation, or httpd, is over.
    End,
    /// Something of a group.
    Group(usize, Watched),
}

struct Supervisor<'a> {
    parent: OwnedFd,
    /// None where the kernel knows no such thing (before 5.3).
    parent_pidfd: Option<OwnedFd>,
    parent_pid: i32,
    children: OwnedFd,
    groups: Vec<Processes<'a>>,
    is_ending: bool,
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
            groups,
            is_ending: false,
        }
    }

    fn is_over(&self) -> bool {
        self.groups.iter().all(Processes::is_over)
    }

    /// Does what is due.
    fn settle(&mut self, now: Instant) {
        if getppid().is_none_or(|pid| pid.as_raw_nonzero().get() != self.parent_pid) {
            self.end(now);
        }
        for group in &mut self.groups {
            group.tick(now);
        }
    }

    /// The generation is over: all processes end.
    fn end(&mut self, now: Instant) {
        if self.is_ending {
            return;
        }
        self.is_ending = true;
        for group in &mut self.groups {
            group.end(now);
        }
    }

    /// Waits for something to happen and takes it in.
    fn wait(&mut self) {
        for source in self.happened() {
            match source {
                Source::End => self.end(Instant::now()),
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
        if !self.is_ending {
            watched.push((Source::End, self.parent.as_fd()));
            watched.push((Source::End, self.children.as_fd()));
            if let Some(pidfd) = &self.parent_pidfd {
                watched.push((Source::End, pidfd.as_fd()));
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
        let glance =
            (glances || (self.parent_pidfd.is_none() && !self.is_ending)).then_some(GLANCE);
        due.into_iter().chain(glance).min()
    }
}
