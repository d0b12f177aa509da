//! One generation's groups in httpd's parent: made before anything is forked, kept for as long as the parent forks
//! children and supervisors for it. Each of those takes its own part and closes the rest.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Signal, getpid, kill_process, pidfd_open};

use super::membership::{Membership, has_ready};
use super::plan::{GroupPlan, Plan, Previous, UNWANTED};
use super::state::STOP_GRACE;
use crate::client::GroupHandle;
use crate::config::ProcessConfig;
use crate::scoreboard::{Layout, Scoreboard};
use crate::sys::process::{bury, fork};
use crate::sys::socket::{Interest, Waiting, message_pair, send_with_fds, wait_for};
use crate::times::EndTimes;

/// Places beyond twice the processes: for those that take long to leave.
const SPARE_SLOTS: u32 = 2;
/// How much longer than its processes a supervisor may take to end.
const GRACE: Duration = Duration::from_millis(500);
/// How often a process is looked at that the kernel cannot tell about.
const GLANCE: Duration = Duration::from_millis(10);

/// What is to be known of a group.
#[derive(Debug)]
pub struct GroupSpec {
    /// How its processes are to be; slot and incarnation are filled in later.
    pub config: ProcessConfig,
    /// Whether a successor starts while its predecessor still serves.
    pub overlaps: bool,
    /// Most Apache children that may be alive at a time.
    pub rows: u32,
    /// Most requests of one of them that may wait at a time.
    pub waiters: u32,
    /// `Timeout` of the group's server.
    pub timeout: Duration,
}

#[derive(Debug)]
struct Group {
    spec: GroupSpec,
    board: Arc<Scoreboard>,
    senders: Vec<OwnedFd>,
    receivers: Vec<OwnedFd>,
}

/// The groups of one generation of httpd's.
#[derive(Debug)]
pub struct Generation {
    program: CString,
    environment: Vec<CString>,
    groups: Vec<Group>,
    /// Both ends of the pipe that every Apache child keeps open.
    children: (OwnedFd, OwnedFd),
    /// Both ends of the pipe that is open for as long as the next generation may use this one's processes.
    handover: (OwnedFd, OwnedFd),
    previous: Option<Retired>,
}

/// What the parent keeps of a generation whose configuration is gone: its processes serve the children of the next
/// one until that has its own.
#[derive(Debug)]
pub struct Retired {
    groups: Vec<Group>,
    handover: OwnedFd,
}

impl Generation {
    /// Makes scoreboards and intakes. Groups that the generation before defined in the same way may use its processes
    /// for a start.
    ///
    /// # Errors
    /// No memory or descriptors left.
    pub fn new(
        program: CString,
        environment: Vec<CString>,
        specs: Vec<GroupSpec>,
        mut previous: Option<Retired>,
    ) -> io::Result<Self> {
        if let Some(retired) = &mut previous {
            retired
                .groups
                .retain(|old| specs.iter().any(|spec| spec.may_continue(&old.spec)));
        }
        Ok(Self {
            program,
            environment,
            groups: specs
                .into_iter()
                .map(Group::new)
                .collect::<io::Result<_>>()?,
            children: pipe_with(PipeFlags::CLOEXEC)?,
            handover: pipe_with(PipeFlags::CLOEXEC)?,
            previous: previous.and_then(Retired::if_used),
        })
    }

    /// The part of an Apache child; everything else is closed.
    #[must_use]
    pub fn into_membership(self) -> Membership {
        let previous = self
            .previous
            .map_or_else(Vec::new, |retired| retired.groups);
        Membership::new(
            self.groups.into_iter().map(Group::into_handle).collect(),
            previous.into_iter().map(Group::into_handle).collect(),
            self.children.1,
        )
    }

    /// The part of an Apache child beside what the parent keeps, in a process that is both (`httpd -X`).
    ///
    /// # Errors
    /// No descriptors.
    pub fn membership(&self) -> io::Result<Membership> {
        let twin = |group: &Group| {
            let senders = group.senders.iter().map(OwnedFd::try_clone);
            Ok(GroupHandle::new(
                group.name().to_vec(),
                group.spec.config.options.clone(),
                Arc::clone(&group.board),
                senders.collect::<io::Result<_>>()?,
                group.spec.timeout,
            ))
        };
        let previous = self.previous.iter().flat_map(|retired| &retired.groups);
        Ok(Membership::new(
            self.groups.iter().map(twin).collect::<io::Result<_>>()?,
            previous.map(twin).collect::<io::Result<_>>()?,
            self.children.1.try_clone()?,
        ))
    }

    /// The part of a supervisor; everything else is closed.
    fn into_plan(self, parent: OwnedFd, parent_pid: i32) -> Plan {
        let previous = self.previous.map(|retired| Previous {
            groups: self
                .groups
                .iter()
                .enumerate()
                .filter(|(_, group)| retired.groups.iter().any(|old| old.name() == group.name()))
                .map(|(index, _)| index)
                .collect(),
            handover: retired.handover,
        });
        let groups = self.groups.into_iter().map(|group| GroupPlan {
            config: group.spec.config,
            board: group.board,
            intakes: group.receivers,
            overlaps: group.spec.overlaps,
        });
        Plan {
            program: self.program,
            environment: self.environment,
            parent,
            parent_pid,
            children: self.children.0,
            handover: self.handover.0,
            previous,
            groups: groups.collect(),
        }
    }

    /// What the parent keeps for the next generation when the configuration is gone: nothing that keeps this one's
    /// children or supervisor from seeing that.
    #[must_use]
    pub fn retire(self) -> Retired {
        let groups = self.groups.into_iter().map(|group| Group {
            receivers: Vec::new(),
            ..group
        });
        Retired {
            groups: groups.collect(),
            handover: self.handover.1,
        }
    }

    /// Lets the generation before go once each group has a process of its own: children to come need it no more.
    pub fn release_previous(&mut self) {
        if self.groups.iter().all(|group| has_ready(&group.board)) {
            self.previous = None;
        }
    }

    /// Both parts at once, for tests of the supervisor in one process.
    #[cfg(test)]
    pub(super) fn split(self, parent: OwnedFd, parent_pid: Pid) -> (Plan, Membership, OwnedFd) {
        let handover = self.handover.1.try_clone().unwrap();
        let membership = self.membership().unwrap();
        let plan = self.into_plan(parent, parent_pid.as_raw_nonzero().get());
        (plan, membership, handover)
    }

    #[cfg(test)]
    pub(super) fn board(&self, group: usize) -> Arc<Scoreboard> {
        Arc::clone(&self.groups[group].board)
    }

    /// How long the processes may take to end when they are told to.
    fn patience(&self) -> Duration {
        let times = self
            .groups
            .iter()
            .map(|group| EndTimes::of(&group.spec.config.options).stop());
        times.max().unwrap_or_default() + STOP_GRACE + GRACE
    }
}

impl Retired {
    /// Nobody will send its processes requests any more.
    pub fn let_go(self) {
        // A supervisor that has ended needs no word.
        let _ = rustix::io::write(&self.handover, &[UNWANTED]);
    }

    #[cfg(test)]
    pub(super) fn of_nothing(handover: OwnedFd) -> Self {
        Self {
            groups: Vec::new(),
            handover,
        }
    }

    fn if_used(self) -> Option<Self> {
        if self.groups.is_empty() {
            self.let_go();
            return None;
        }
        Some(self)
    }
}

impl GroupSpec {
    /// Whether processes of `old` are what this definition wants, and can take its requests.
    fn may_continue(&self, old: &Self) -> bool {
        self.config == old.config && self.config.options.threads > 0
    }
}

impl Group {
    fn name(&self) -> &[u8] {
        &self.spec.config.group
    }

    fn into_handle(self) -> GroupHandle {
        let config = self.spec.config;
        GroupHandle::new(
            config.group,
            config.options,
            self.board,
            self.senders,
            self.spec.timeout,
        )
    }

    fn new(spec: GroupSpec) -> io::Result<Self> {
        let options = &spec.config.options;
        let slots = options
            .processes
            .saturating_mul(2)
            .saturating_add(SPARE_SLOTS);
        let layout = Layout {
            slots,
            rows: spec.rows,
            waiters: spec.waiters,
        };
        let name = String::from_utf8_lossy(&spec.config.group).into_owned();
        let board = Arc::new(Scoreboard::create(layout, &name).map_err(io::Error::other)?);
        let mut senders = Vec::new();
        let mut receivers = Vec::new();
        for _ in 0..slots {
            let (sender, receiver) = message_pair()?;
            senders.push(sender);
            receivers.push(receiver);
        }
        Ok(Self {
            spec,
            board,
            senders,
            receivers,
        })
    }
}

/// A supervisor, as its parent knows it.
#[derive(Debug)]
pub struct Supervisor {
    pid: Pid,
    /// Its end, or a byte on it, is the order to stop.
    life: OwnedFd,
    started: Instant,
    patience: Duration,
}

impl Supervisor {
    /// Forks a supervisor for a generation; in the new process, `run` gets its plan and is all that happens.
    ///
    /// The generation is taken out in the new process only: the parent keeps it.
    ///
    /// # Errors
    /// No processes or descriptors left.
    pub fn fork(
        generation: &mut Option<Generation>,
        run: impl FnOnce(Plan) -> i32,
    ) -> io::Result<Self> {
        let patience = generation
            .as_ref()
            .map_or(Duration::ZERO, Generation::patience);
        let parent = getpid().as_raw_nonzero().get();
        let (ours, theirs) = message_pair()?;
        let mut ours = Some(ours);
        let pid = fork(|| {
            drop(ours.take());
            match generation.take() {
                Some(generation) => run(generation.into_plan(theirs, parent)),
                None => 0,
            }
        })?;
        let life = ours.ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self {
            pid,
            life,
            started: Instant::now(),
            patience,
        })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// How long ago it started.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Whether it has ended; it is buried then.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        !matches!(bury(self.pid), Ok(None))
    }

    /// Tells it to stop its processes and end.
    pub fn stop(&self) {
        // Whoever is gone needs no order.
        let _ = send_with_fds(
            self.life.as_fd(),
            &[io::IoSlice::new(b"s")],
            &[],
            Waiting::Never,
        );
    }

    /// Waits for its end and buries it; one that takes too long is killed, and its processes end without it. Whether
    /// it ended by itself.
    #[must_use]
    pub fn wait(self) -> bool {
        let end = Instant::now() + self.patience;
        let pidfd = pidfd_open(self.pid, PidfdFlags::empty()).ok();
        loop {
            // Gone, or somebody else buried it.
            if !matches!(bury(self.pid), Ok(None)) {
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            match &pidfd {
                // Ended, or time is up: the next turn tells.
                Some(pidfd) => drop(wait_for(pidfd.as_fd(), Interest::Readable, left)),
                None => std::thread::sleep(left.min(GLANCE)),
            }
        }
        // It is not buried yet, so the number is its own.
        let _ = kill_process(self.pid, Signal::KILL);
        let killed = Instant::now();
        while matches!(bury(self.pid), Ok(None)) && killed.elapsed() < GRACE {
            std::thread::sleep(GLANCE);
        }
        false
    }
}
