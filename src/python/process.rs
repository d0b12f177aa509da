//! What holds for the whole process: how it was started, its log, and the gate that `stop` closes.

#![deny(unsafe_code)]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::{Condvar, Mutex};
use rsgi_bridge::abi::{self, Bytes};

use crate::settings::Rule;

/// How Python was started, in owned memory.
#[derive(Debug)]
pub(crate) struct Facts {
    /// The host's process table.
    pub(crate) table: abi::Process,
    /// `START_*` bits.
    pub(crate) flags: u32,
    /// Folders for `sys.path`.
    pub(crate) python_path: Vec<Vec<u8>>,
    /// What holds for some interpreters only.
    pub(crate) rules: Vec<Rule>,
    /// Empty in embedded mode.
    pub(crate) process_group: Vec<u8>,
    /// Of the process group.
    pub(crate) processes: i32,
    /// Of the process group.
    pub(crate) threads: i32,
    /// Of the MPM.
    pub(crate) mpm_processes: i32,
    /// Of the MPM.
    pub(crate) mpm_threads: i32,
    /// Of httpd.
    pub(crate) apache_version: [u32; 3],
    /// Of the mod_wsgi whose behaviour is kept.
    pub(crate) wsgi_version: [u32; 3],
    /// Our own.
    pub(crate) rsgi_version: [u32; 3],
    /// The server's description of itself.
    pub(crate) description: Vec<u8>,
    /// Name of the MPM.
    pub(crate) mpm_name: Vec<u8>,
    /// When the server was built.
    pub(crate) build_date: Vec<u8>,
    /// Folder for `sys.path[0]`; empty: none.
    pub(crate) home: Vec<u8>,
    /// `PYTHON_EGG_CACHE`; empty: left alone.
    pub(crate) python_eggs: Vec<u8>,
    /// In nanoseconds; 0 leaves Python's own.
    pub(crate) switch_interval: u64,
    /// Name of the process's user; empty: left alone.
    pub(crate) user_name: Vec<u8>,
    /// Home folder of that user; empty: left alone.
    pub(crate) user_home: Vec<u8>,
    /// The socket of a telemetry service; empty: none.
    pub(crate) telemetry_socket: Vec<u8>,
    /// Nanoseconds between two samples.
    pub(crate) telemetry_interval: u64,
    /// From how many nanoseconds on a request is slow; 0 for never.
    pub(crate) slow_requests: u64,
    /// The process, to tell it from its forks.
    pub(crate) pid: u32,
}

impl Facts {
    /// Whether a `START_*` bit is set.
    pub(crate) const fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}

static FACTS: OnceLock<Facts> = OnceLock::new();
static STARTED: OnceLock<f64> = OnceLock::new();
static REASON: OnceLock<Vec<u8>> = OnceLock::new();
static IS_OPEN: AtomicBool = AtomicBool::new(false);
static ACTIVE: AtomicUsize = AtomicUsize::new(0);
static IDLE: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());

/// Keeps the facts; false when there were some already.
pub(crate) fn set(facts: Facts) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    STARTED.get_or_init(|| now.map_or(0.0, |now| now.as_secs_f64()));
    FACTS.set(facts).is_ok()
}

/// When Python was asked for, in seconds since the epoch.
pub(crate) fn started() -> Option<f64> {
    STARTED.get().copied()
}

/// Whether this is a process of a group.
pub(crate) fn is_of_group() -> bool {
    has(abi::START_DAEMON)
}

/// The facts, once Python was asked for.
pub(crate) fn facts() -> Option<&'static Facts> {
    FACTS.get()
}

/// Whether a `START_*` bit is set.
pub(crate) fn has(flag: u32) -> bool {
    facts().is_some_and(|facts| facts.has(flag))
}

/// Keeps why the process ends; the first reason wins.
pub(crate) fn set_reason(reason: &[u8]) {
    // Another reason was there before.
    drop(REASON.set(reason.to_vec()));
}

/// Why the process ends, by mod_wsgi's name; empty where nobody said.
pub(crate) fn reason() -> &'static [u8] {
    REASON.get().map_or(b"", Vec::as_slice)
}

/// Logs a line outside of any request.
pub(crate) fn log(level: u32, text: &[u8]) {
    if let Some(facts) = FACTS.get() {
        (facts.table.log)(level, Bytes::new(text));
    }
}

/// Whether a line of that level would be written.
pub(crate) fn log_enabled(level: u32) -> bool {
    FACTS
        .get()
        .is_some_and(|facts| (facts.table.log_enabled)(level) != 0)
}

/// Somebody uses Python; `stop` waits for it.
pub(crate) struct Use(());

impl Drop for Use {
    fn drop(&mut self) {
        if ACTIVE.fetch_sub(1, Ordering::SeqCst) == 1 && !IS_OPEN.load(Ordering::SeqCst) {
            let _guard = IDLE.0.lock();
            IDLE.1.notify_all();
        }
    }
}

/// Begins a use, unless Python is not running or is about to stop.
pub(crate) fn enter() -> Option<Use> {
    ACTIVE.fetch_add(1, Ordering::SeqCst);
    let entered = Use(());
    IS_OPEN.load(Ordering::SeqCst).then_some(entered)
}

/// Lets uses begin.
pub(crate) fn open() {
    IS_OPEN.store(true, Ordering::SeqCst);
}

/// Whether uses may begin.
pub(crate) fn is_open() -> bool {
    IS_OPEN.load(Ordering::Relaxed)
}

/// Lets no further use begin; false when that was so already.
pub(crate) fn close() -> bool {
    IS_OPEN.swap(false, Ordering::SeqCst)
}

/// Waits until nobody uses Python any more; false when somebody still does after `patience`.
pub(crate) fn wait_idle(patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    let mut guard = IDLE.0.lock();
    while ACTIVE.load(Ordering::SeqCst) > 0 {
        if IDLE.1.wait_until(&mut guard, deadline).timed_out() {
            return ACTIVE.load(Ordering::SeqCst) == 0;
        }
    }
    true
}
