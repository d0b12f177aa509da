//! What finished in an interval.

use super::Histogram;

/// What a request's time goes to, in the order of mod_wsgi's figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// In Apache, before it was queued for a process or entered the application.
    Server,
    /// Waiting for a process; none in Apache's own.
    Queue,
    /// In the process, before the application; none in Apache's own.
    Daemon,
    /// In the application.
    Application,
    /// All of these.
    Request,
    /// Waiting for the GIL.
    GilWait,
    /// Reading the body.
    InputRead,
    /// Sending the response.
    OutputWrite,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Server,
        Self::Queue,
        Self::Daemon,
        Self::Application,
        Self::Request,
        Self::GilWait,
        Self::InputRead,
        Self::OutputWrite,
    ];

    /// mod_wsgi's name of it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server_time",
            Self::Queue => "queue_time",
            Self::Daemon => "daemon_time",
            Self::Application => "application_time",
            Self::Request => "request_time",
            Self::GilWait => "gil_wait_time",
            Self::InputRead => "input_read_time",
            Self::OutputWrite => "output_write_time",
        }
    }

    /// Whether only process groups have it.
    #[must_use]
    pub const fn is_of_groups(self) -> bool {
        matches!(self, Self::Queue | Self::Daemon)
    }
}

/// One request that is over. Times are in microseconds, those of the clock since the epoch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Finished {
    /// The worker, from 1.
    pub thread: u32,
    /// Its status; 0 is taken for a failure.
    pub status: u16,
    /// When Apache had it.
    pub request_start: i64,
    /// When it was queued for a process, or 0.
    pub queue_start: i64,
    /// When a process had it, or 0.
    pub daemon_start: i64,
    /// When its application was called.
    pub application_start: i64,
    /// How long the application took.
    pub application_time: u64,
    /// How much of that was in the interval in which it ended.
    pub busy: u64,
    /// Time and count of waits for the GIL.
    pub gil_wait: (u64, u64),
    /// Time, count and bytes of reads of the body.
    pub input: (u64, u64, u64),
    /// Time, count and bytes of writes of the response.
    pub output: (u64, u64, u64),
    /// CPU time of its thread.
    pub cpu_time: u64,
}

impl Finished {
    /// How long it took in each phase; none where there is no such phase.
    #[must_use]
    pub fn phase(&self, phase: Phase) -> Option<u64> {
        let between = |from: i64, to: i64| u64::try_from(to.saturating_sub(from)).unwrap_or(0);
        let is_of_group = self.daemon_start != 0;
        if phase.is_of_groups() && !is_of_group {
            return None;
        }
        Some(match phase {
            Phase::Server if is_of_group => between(self.request_start, self.queue_start),
            Phase::Server => between(self.request_start, self.application_start),
            Phase::Queue => between(self.queue_start, self.daemon_start),
            Phase::Daemon => between(self.daemon_start, self.application_start),
            Phase::Application => self.application_time,
            Phase::Request => [
                Phase::Server,
                Phase::Queue,
                Phase::Daemon,
                Phase::Application,
            ]
            .into_iter()
            .filter_map(|part| self.phase(part))
            .sum(),
            Phase::GilWait => self.gil_wait.0,
            Phase::InputRead => self.input.0,
            Phase::OutputWrite => self.output.0,
        })
    }
}

/// What a thread finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadFigures {
    /// Requests.
    pub completed: u64,
    /// Microseconds of the interval that it spent in them.
    pub busy: u64,
    /// Microseconds of CPU in them.
    pub cpu: u64,
    /// Microseconds of the longest.
    pub longest: u64,
}

/// Everything that finished in an interval.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interval {
    requests: u64,
    phases: [Histogram; 8],
    statuses: [u64; 5],
    gil_waits: u64,
    input: (u64, u64),
    output: (u64, u64),
    threads: Vec<ThreadFigures>,
}

impl Interval {
    /// Threads with higher numbers than this are not told apart.
    const MOST_THREADS: usize = 65_536;

    /// Takes a request in.
    pub fn add(&mut self, finished: &Finished) {
        self.requests += 1;
        for (phase, histogram) in Phase::ALL.into_iter().zip(&mut self.phases) {
            if let Some(micros) = finished.phase(phase) {
                histogram.add(micros);
            }
        }
        let class = match finished.status {
            // mod_wsgi: an application that never said is one that failed.
            0 => Some(4),
            status => usize::from(status / 100).checked_sub(1),
        };
        if let Some(count) = class.and_then(|class| self.statuses.get_mut(class)) {
            *count += 1;
        }
        self.gil_waits += finished.gil_wait.1;
        let add = |total: &mut (u64, u64), (_, count, bytes)| {
            total.0 += bytes;
            total.1 += count;
        };
        add(&mut self.input, finished.input);
        add(&mut self.output, finished.output);
        self.add_to_thread(finished);
    }

    fn add_to_thread(&mut self, finished: &Finished) {
        let Some(index) = (finished.thread as usize).checked_sub(1) else {
            return;
        };
        if index >= Self::MOST_THREADS {
            return;
        }
        if index >= self.threads.len() {
            self.threads.resize(index + 1, ThreadFigures::default());
        }
        let thread = &mut self.threads[index];
        thread.completed += 1;
        thread.busy += finished.busy;
        thread.cpu += finished.cpu_time;
        thread.longest = thread.longest.max(finished.application_time);
    }

    /// How many requests there were.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.requests
    }

    /// The times of a phase.
    #[must_use]
    pub const fn phase(&self, phase: Phase) -> &Histogram {
        &self.phases[phase as usize]
    }

    /// How many there were of each class of statuses, from 1xx.
    #[must_use]
    pub const fn statuses(&self) -> [u64; 5] {
        self.statuses
    }

    /// How often a thread waited for the GIL.
    #[must_use]
    pub const fn gil_waits(&self) -> u64 {
        self.gil_waits
    }

    /// Bytes and reads of bodies.
    #[must_use]
    pub const fn input(&self) -> (u64, u64) {
        self.input
    }

    /// Bytes and writes of responses.
    #[must_use]
    pub const fn output(&self) -> (u64, u64) {
        self.output
    }

    /// What the threads finished, the first being number 1. Those behind the last that did anything are missing.
    #[must_use]
    pub fn threads(&self) -> &[ThreadFigures] {
        &self.threads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAEMON: Finished = Finished {
        thread: 2,
        status: 200,
        request_start: 1_000_000,
        queue_start: 1_000_100,
        daemon_start: 1_000_300,
        application_start: 1_000_600,
        application_time: 5000,
        busy: 3000,
        gil_wait: (7, 3),
        input: (8, 2, 100),
        output: (9, 1, 50),
        cpu_time: 4000,
    };

    #[test]
    fn a_request_of_a_group_has_all_phases() {
        let times: Vec<_> = Phase::ALL
            .into_iter()
            .map(|phase| DAEMON.phase(phase).unwrap())
            .collect();
        assert_eq!(times, [100, 200, 300, 5000, 5600, 7, 8, 9]);
    }

    #[test]
    fn one_in_apache_s_own_processes_has_no_queue() {
        let finished = Finished {
            queue_start: 0,
            daemon_start: 0,
            ..DAEMON
        };
        assert_eq!(finished.phase(Phase::Server), Some(600));
        assert_eq!(finished.phase(Phase::Queue), None);
        assert_eq!(finished.phase(Phase::Daemon), None);
        assert_eq!(finished.phase(Phase::Request), Some(5600));
    }

    #[test]
    fn a_clock_that_goes_back_makes_no_negative_times() {
        let finished = Finished {
            queue_start: 900_000,
            ..DAEMON
        };
        assert_eq!(finished.phase(Phase::Server), Some(0));
    }

    #[test]
    fn an_interval_adds_up() {
        let mut interval = Interval::default();
        interval.add(&DAEMON);
        interval.add(&Finished {
            status: 0,
            thread: 1,
            application_time: 1000,
            busy: 1000,
            ..DAEMON
        });
        for status in [100, 404, 599, 600, 999] {
            interval.add(&Finished {
                status,
                thread: 0,
                ..DAEMON
            });
        }
        assert_eq!(interval.requests(), 7);
        assert_eq!(interval.statuses(), [1, 1, 0, 1, 2]);
        assert_eq!(interval.input(), (700, 14));
        assert_eq!(interval.output(), (350, 7));
        assert_eq!(interval.gil_waits(), 21);
        assert_eq!(interval.phase(Phase::Queue).count(), 7);
        let threads = interval.threads();
        assert_eq!(threads.len(), 2);
        assert_eq!((threads[0].busy, threads[0].longest), (1000, 1000));
        assert_eq!((threads[1].busy, threads[1].longest), (3000, 5000));
    }
}
