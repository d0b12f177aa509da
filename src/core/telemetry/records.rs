//! What each kind of datagram says; ids of fields are those of the reference.

use super::wire::Datagram;
use super::{MOST_THREADS, wire};
use crate::figures::{Interval, Phase, ThreadFigures};
use crate::micros::seconds;

/// Longest texts, by what they are.
const SHORT: usize = 16;
const LOG_ID: usize = 64;
const ADDRESS: usize = 46;
const NAME: usize = 256;
const LONG: usize = 512;

/// Who tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    /// Version of the mod_wsgi whose behaviour is kept.
    pub wsgi_version: String,
    /// Python's.
    pub python_version: String,
    /// Apache's.
    pub apache_version: String,
    /// Name of the MPM.
    pub mpm_name: String,
    /// The machine.
    pub hostname: String,
    /// Empty in Apache's own processes.
    pub process_group: Vec<u8>,
    /// The parent.
    pub parent_pid: u32,
    /// Seconds between two samples.
    pub interval: f64,
    /// Seconds from which a request is slow; 0 for never.
    pub slow_threshold: f64,
    /// Seconds that a thread keeps the GIL.
    pub switch_interval: f64,
    /// Threads for requests.
    pub threads: u64,
}

/// What a thread has finished in an interval, and how long it has been running what it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ThreadNow {
    /// Finished.
    pub figures: ThreadFigures,
    /// Seconds.
    pub elapsed: f64,
}

/// What happened in an interval.
#[derive(Clone, Debug)]
pub struct Sample<'s> {
    /// The requests.
    pub interval: &'s Interval,
    /// How long it was, in seconds.
    pub period: f64,
    /// Shares of a processor: as user, in the kernel.
    pub cpu: (f64, f64),
    /// Resident memory now and at most.
    pub memory: (u64, u64),
    /// Threads that ran anything ever, and in the interval.
    pub threads_started: u64,
    /// See `threads_started`.
    pub threads_active: u64,
    /// Share of the threads' time that was used.
    pub capacity: f64,
    /// Each of them.
    pub threads: &'s [ThreadNow],
}

/// The beginning or the end of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lifecycle<'s> {
    /// Why it ends.
    pub reason: &'s [u8],
    /// Seconds that it lived.
    pub uptime: f64,
    /// Requests of its life.
    pub requests: u64,
    /// Requests that run.
    pub active: u64,
    /// All requests were finished.
    pub is_drained: bool,
}

/// A slow request. Times are in seconds.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the fields")]
pub struct SlowRequest {
    pub is_done: bool,
    /// When its application was called, since the epoch.
    pub start: f64,
    pub thread: u32,
    pub log_id: Vec<u8>,
    pub server_pid: u64,
    pub method: Vec<u8>,
    pub scheme: Vec<u8>,
    pub hostname: Vec<u8>,
    pub script_name: Vec<u8>,
    pub path_info: Vec<u8>,
    pub protocol: Vec<u8>,
    pub peer: Vec<u8>,
    /// Only where it is wanted.
    pub user_agent: Vec<u8>,
    /// In Apache, in the queue, in the process, in the application.
    pub times: [f64; 4],
    /// Time and count.
    pub gil_wait: (f64, u64),
    /// Time, count and bytes.
    pub input: (f64, u64, u64),
    /// Time, count and bytes.
    pub output: (f64, u64, u64),
    pub status: u16,
    pub cpu: (f64, f64),
    pub active_at_start: u64,
    pub active_at_completion: u64,
}

impl Identity {
    fn put_names(&self, datagram: &mut Datagram) {
        put(datagram, 5, self.hostname.as_bytes(), NAME);
        put(datagram, 6, &self.process_group, NAME);
    }

    fn put_versions(&self, datagram: &mut Datagram) {
        put(datagram, 1, self.wsgi_version.as_bytes(), NAME);
        put(datagram, 2, self.python_version.as_bytes(), NAME);
        put(datagram, 3, self.apache_version.as_bytes(), NAME);
        put(datagram, 4, self.mpm_name.as_bytes(), NAME);
        self.put_names(datagram);
        datagram.number(7, self.parent_pid.into());
    }

    /// Fills the datagram of a process that began.
    pub fn fill_started(&self, datagram: &mut Datagram) {
        self.put_versions(datagram);
        datagram.float(13, self.switch_interval);
    }

    /// Fills that of a process that is about to end.
    pub fn fill_stopping(&self, life: &Lifecycle<'_>, datagram: &mut Datagram) {
        self.put_names(datagram);
        put(datagram, 130, life.reason, NAME);
        datagram.number(133, life.active);
    }

    /// Fills that of a process that ends.
    pub fn fill_stopped(&self, life: &Lifecycle<'_>, datagram: &mut Datagram) {
        self.put_names(datagram);
        put(datagram, 130, life.reason, NAME);
        datagram.float(131, life.uptime);
        datagram.number(132, life.requests);
        datagram.number(134, life.active);
        datagram.number(135, life.is_drained.into());
    }

    /// Fills that of an interval.
    pub fn fill_sample(&self, sample: &Sample<'_>, datagram: &mut Datagram) {
        let interval = sample.interval;
        self.put_versions(datagram);
        datagram.float(10, sample.period);
        datagram.float(11, self.interval);
        datagram.float(12, self.slow_threshold);
        datagram.float(13, self.switch_interval);
        datagram.number(20, interval.requests());
        datagram.float(21, interval.requests() as f64 / sample.period.max(1e-6));
        datagram.float(22, sample.capacity);
        let (user, system) = sample.cpu;
        datagram.float(30, user);
        datagram.float(31, system);
        datagram.float(32, user + system);
        datagram.number(40, sample.memory.0);
        datagram.number(41, sample.memory.1);
        datagram.number(50, self.threads);
        datagram.number(51, sample.threads_started);
        datagram.number(52, sample.threads_active);
        for (index, phase) in (0..).zip(Phase::ALL) {
            // mod_wsgi: what only groups have is left out where no request had it.
            if !phase.is_of_groups() || interval.phase(phase).count() > 0 {
                put_phase(interval, phase, index, datagram);
            }
        }
        let ((read, reads), (written, writes)) = (interval.input(), interval.output());
        for (id, count) in (100..).zip([read, reads, written, writes]) {
            datagram.number(id, count);
        }
        for (id, count) in (120..).zip(interval.statuses()) {
            datagram.number(id, count);
        }
        put_threads(sample.threads, datagram);
    }
}

/// Adds a text; mod_wsgi: one that says nothing is left out.
fn put(datagram: &mut Datagram, id: u16, text: &[u8], most: usize) {
    if !text.is_empty() {
        datagram.text(id, text, most);
    }
}

fn put_phase(interval: &Interval, phase: Phase, index: u16, datagram: &mut Datagram) {
    let times = interval.phase(phase);
    datagram.float(60 + index, times.mean());
    if let Some((least, most)) = times.bounds() {
        datagram.float(70 + index, seconds(least));
        datagram.float(80 + index, seconds(most));
    }
    datagram.numbers(90 + index, times.buckets().iter().copied());
}

fn put_threads(threads: &[ThreadNow], datagram: &mut Datagram) {
    let threads = &threads[..threads.len().min(MOST_THREADS)];
    datagram.numbers(110, threads.iter().map(|thread| thread.figures.completed));
    let lists: [fn(&ThreadNow) -> f64; 4] = [
        |thread| seconds(thread.figures.busy),
        |thread| seconds(thread.figures.cpu),
        |thread| thread.elapsed,
        |thread| seconds(thread.figures.longest),
    ];
    for (id, list) in (111..).zip(lists) {
        datagram.floats(id, threads.iter().map(list));
    }
}

impl SlowRequest {
    /// Fills its datagram.
    pub fn fill(&self, datagram: &mut wire::Datagram) {
        datagram.number(200, self.is_done.into());
        datagram.float(201, self.start);
        // mod_wsgi: a request is slow by the time of its application, whatever it waited for before.
        datagram.float(202, self.times[3]);
        datagram.number(203, self.thread.into());
        datagram.number(205, self.server_pid);
        let texts = [
            (204, &self.log_id, LOG_ID),
            (210, &self.method, SHORT),
            (211, &self.scheme, SHORT),
            (212, &self.hostname, NAME),
            (213, &self.script_name, NAME),
            (214, &self.path_info, LONG),
            (215, &self.protocol, SHORT),
            (216, &self.peer, ADDRESS),
            (217, &self.user_agent, LONG),
        ];
        for (id, text, most) in texts {
            put(datagram, id, text, most);
        }
        for (id, time) in (220..).zip(self.times) {
            datagram.float(id, time);
        }
        datagram.float(224, self.gil_wait.0);
        datagram.number(225, self.gil_wait.1);
        let ((input_time, reads, read), (output_time, writes, written)) = (self.input, self.output);
        for (id, count) in (230..).zip([read, reads, written, writes]) {
            datagram.number(id, count);
        }
        datagram.float(234, input_time);
        datagram.float(235, output_time);
        datagram.number(240, self.status.into());
        datagram.float(250, self.cpu.0);
        datagram.float(251, self.cpu.1);
        datagram.number(260, self.active_at_start);
        datagram.number(261, self.active_at_completion);
    }
}
