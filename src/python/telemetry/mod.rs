//! Tells an ingester what happens in this process: a thread that sends datagrams and never waits for Python
//! (`WSGITelemetryService`; reference: runtime §15).
//!
//! What is sent is lost where nobody listens. `slow` has the requests that took long, `garbage` what garbage collectors do.

#![deny(unsafe_code)]

mod garbage;
mod slow;

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::{Condvar, Mutex};
use rsgi_bridge::abi::{self, level};
use rsgi_core::telemetry::{Datagram, Identity, Kind, Lifecycle, Sample, SlowRequest};

use crate::process::{self, Facts};
use crate::{capi, figures, worker};

pub(crate) use garbage::{Garbage, Passes};
pub(crate) use slow::Slow;

/// Slow requests that are kept until the next interval.
const MOST_KEPT: usize = 1024;
/// The longest path of a socket, its end included.
const LONGEST_PATH: usize = 108;
/// Bytes that may be on their way to the service.
const SEND_BUFFER: i32 = 65_536;
/// How long a datagram waits for a service that has not read the ones before it. The kernel keeps about ten for it.
const MOMENT: Duration = Duration::from_millis(20);

static REPORTER: OnceLock<Reporter> = OnceLock::new();

struct Reporter {
    identity: Identity,
    /// One that waits for nothing, and one that does for a [`MOMENT`].
    quick: UnixDatagram,
    patient: UnixDatagram,
    /// The service was waited for in vain in this interval.
    is_deaf: AtomicBool,
    path: PathBuf,
    sequence: AtomicU32,
    born: Instant,
    interval: Duration,
    /// From when on a request is slow.
    threshold: Option<Duration>,
    captures_user_agent: bool,
    done: Mutex<VecDeque<SlowRequest>>,
    /// It was told that the process is about to end.
    is_stopping: AtomicBool,
    /// Nothing more is to be sent in intervals.
    is_over: Mutex<bool>,
    changed: Condvar,
}

/// Whether the configuration wants anything told.
pub(crate) fn is_wanted(facts: &Facts) -> bool {
    !facts.telemetry_socket.is_empty() && !facts.has(abi::START_SERVICE)
}

/// Begins to tell, where the configuration wants it.
pub(crate) fn start(facts: &Facts) {
    if !is_wanted(facts) {
        return;
    }
    if let Err(error) = try_start(facts) {
        let line = format!(
            "RSGI0132: nothing can be told to the telemetry service at `{}`: {error}",
            facts.telemetry_socket.escape_ascii()
        );
        process::log(level::WARN, line.as_bytes());
    }
}

fn try_start(facts: &Facts) -> io::Result<()> {
    let path = Path::new(OsStr::from_bytes(&facts.telemetry_socket));
    if facts.telemetry_socket.len() >= LONGEST_PATH {
        let text = format!("the path has more than {} bytes", LONGEST_PATH - 1);
        return Err(io::Error::other(text));
    }
    let (quick, patient) = (UnixDatagram::unbound()?, UnixDatagram::unbound()?);
    quick.set_nonblocking(true)?;
    patient.set_write_timeout(Some(MOMENT))?;
    for socket in [&quick, &patient] {
        capi::set_send_buffer(socket, SEND_BUFFER)?;
    }
    let slow = Duration::from_nanos(facts.slow_requests);
    let made = Reporter {
        identity: identity(facts),
        quick,
        patient,
        is_deaf: AtomicBool::new(false),
        path: path.to_owned(),
        sequence: AtomicU32::new(1),
        born: Instant::now(),
        interval: Duration::from_nanos(facts.telemetry_interval),
        threshold: (!slow.is_zero()).then_some(slow),
        captures_user_agent: facts.has(abi::START_CAPTURE_USER_AGENT),
        done: Mutex::default(),
        is_stopping: AtomicBool::new(false),
        is_over: Mutex::default(),
        changed: Condvar::new(),
    };
    let reporter = REPORTER.get_or_init(|| made);
    figures::start_for_telemetry();
    let collectors = garbage::start(reporter)?;
    std::thread::Builder::new()
        .name("rsgi-telemetry".to_owned())
        .stack_size(256 * 1024)
        .spawn(move || reporter.run(&collectors))?;
    Ok(())
}

fn identity(facts: &Facts) -> Identity {
    let dotted = |[major, minor, patch]: [u32; 3]| format!("{major}.{minor}.{patch}");
    let version = capi::version();
    let switch_interval = match facts.switch_interval {
        // Python's own.
        0 => 0.005,
        nanoseconds => nanoseconds as f64 / 1e9,
    };
    Identity {
        wsgi_version: dotted(facts.wsgi_version),
        python_version: version.split(' ').next().unwrap_or_default().to_owned(),
        apache_version: format!("Apache/{}", dotted(facts.apache_version)),
        mpm_name: String::from_utf8_lossy(&facts.mpm_name).into_owned(),
        hostname: capi::hostname(),
        process_group: facts.process_group.clone(),
        parent_pid: std::os::unix::process::parent_id(),
        interval: facts.telemetry_interval as f64 / 1e9,
        slow_threshold: facts.slow_requests as f64 / 1e9,
        switch_interval,
        threads: u64::try_from(facts.threads).unwrap_or(1).max(1),
    }
}

/// A request is over, whose application took so long. `slow` is only made of one that was slow.
pub(crate) fn finished(duration: Duration, slow: impl FnOnce() -> SlowRequest) {
    let Some(reporter) = REPORTER.get() else {
        return;
    };
    if reporter
        .threshold
        .is_some_and(|threshold| duration >= threshold)
    {
        let mut done = reporter.done.lock();
        if done.len() < MOST_KEPT {
            done.push_back(reporter.without_secrets(slow()));
        }
    }
}

/// How many requests run, where that is to be told of slow ones.
pub(crate) fn active() -> u64 {
    let is_wanted = REPORTER
        .get()
        .is_some_and(|reporter| reporter.threshold.is_some());
    if is_wanted { running() } else { 0 }
}

/// It is decided that the process ends. Waits for a moment at most; later calls change nothing.
pub(crate) fn stopping() {
    if let Some(reporter) = REPORTER.get()
        && !reporter.is_stopping.swap(true, Ordering::Relaxed)
    {
        reporter.send(Kind::Stopping, |datagram| {
            reporter
                .identity
                .fill_stopping(&reporter.life(false), datagram);
        });
    }
}

/// The process ends: the last interval, and its end. `is_drained` where nobody uses Python any more.
pub(crate) fn stopped(is_drained: bool) {
    if let Some(reporter) = REPORTER.get().filter(|reporter| reporter.close()) {
        reporter.tick();
        if is_drained {
            garbage::tell_all(reporter);
        }
        reporter.tell_end(is_drained);
    }
}

/// The process is ended while it does not end by itself. Waits for a moment at most.
pub(crate) fn cut() {
    stopping();
    if let Some(reporter) = REPORTER.get().filter(|reporter| reporter.close()) {
        reporter.tell_end(false);
    }
}

fn running() -> u64 {
    worker::loads()
        .iter()
        .filter(|load| load.is_running)
        .count() as u64
}

fn now() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0.0, |now| now.as_secs_f64())
}

impl Reporter {
    /// Sends nothing more in intervals; false where that was so already.
    fn close(&self) -> bool {
        let was_over = core::mem::replace(&mut *self.is_over.lock(), true);
        self.changed.notify_all();
        !was_over
    }

    fn tell_end(&self, is_drained: bool) {
        self.send(Kind::Stopped, |datagram| {
            self.identity.fill_stopped(&self.life(is_drained), datagram);
        });
    }

    fn run(&self, collectors: &SyncSender<()>) {
        self.send(Kind::Started, |datagram| {
            self.identity.fill_started(datagram)
        });
        let mut next = Instant::now() + self.interval;
        loop {
            {
                let mut is_over = self.is_over.lock();
                while !*is_over && !self.changed.wait_until(&mut is_over, next).timed_out() {}
                if *is_over {
                    return;
                }
            }
            self.tick();
            // Where that thread still waits for the GIL, it is told already.
            let _ = collectors.try_send(());
            // One that came late does not make the next ones follow at once.
            next = (next + self.interval).max(Instant::now());
        }
    }

    fn send(&self, kind: Kind, fill: impl FnOnce(&mut Datagram)) {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let mut datagram = Datagram::new(kind, std::process::id(), sequence, now());
        fill(&mut datagram);
        let is_busy = |error: io::Error| error.kind() == io::ErrorKind::WouldBlock;
        let sent = self.quick.send_to(datagram.bytes(), &self.path);
        if sent.is_err_and(is_busy) && !self.is_deaf.load(Ordering::Relaxed) {
            let sent = self.patient.send_to(datagram.bytes(), &self.path);
            if sent.is_err_and(is_busy) {
                self.is_deaf.store(true, Ordering::Relaxed);
            }
        }
        // What nobody took is lost: the gap in the sequence says so.
    }

    /// What happened since the last time.
    fn tick(&self) {
        self.is_deaf.store(false, Ordering::Relaxed);
        if let Some(taken) = figures::take() {
            let threads = taken.threads();
            let sample = Sample {
                interval: taken.interval(),
                period: taken.period(),
                cpu: taken.cpu(),
                memory: taken.memory(),
                threads_started: threads.started as u64,
                threads_active: threads.active as u64,
                capacity: threads.capacity,
                threads: &threads.each,
            };
            self.send(Kind::Sample, |datagram| {
                self.identity.fill_sample(&sample, datagram);
            });
        }
        let done = core::mem::take(&mut *self.done.lock());
        for request in &done {
            self.send(Kind::SlowRequest, |datagram| request.fill(datagram));
        }
        if let Some(threshold) = self.threshold {
            for request in slow::running(threshold) {
                let request = self.without_secrets(request);
                self.send(Kind::SlowRequest, |datagram| request.fill(datagram));
            }
        }
    }

    fn without_secrets(&self, mut request: SlowRequest) -> SlowRequest {
        if !self.captures_user_agent {
            request.user_agent.clear();
        }
        request
    }

    fn life(&self, is_drained: bool) -> Lifecycle<'static> {
        Lifecycle {
            reason: process::reason(),
            uptime: self.born.elapsed().as_secs_f64(),
            requests: figures::requests(),
            active: running(),
            is_drained,
        }
    }
}
