//! What may wait for Python, and so for ever: done by threads that can be given up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use rsgi_bridge::abi::level;

use crate::log;
use crate::server::Activity;

/// What the monitor wants of Python. The first four calls may wait for ever, the others never do.
pub trait Python: Send + Sync {
    /// Raises RequestTimeout in the request that a worker runs, if that is the one that began then.
    fn interrupt(&self, worker: u32, daemon_start: i64);
    /// Logs where all threads are.
    fn dump(&self, level: u32);
    /// Tells applications of a signal, which runs their code.
    fn signal(&self, number: i32);
    /// Uses Python for a moment.
    fn probe(&self);
    /// Whether a request has found its script loaded, without waiting.
    fn has_loaded(&self) -> bool;
    /// Logs where all threads are at info, without waiting and at the risk of a crash.
    fn dump_unsafe(&self);
    /// Says that it is decided that the process ends, and why, without waiting.
    fn stopping(&self, reason: &str);
    /// Says that the process is ended by force, without waiting.
    fn cut(&self);
}

/// Between two probes.
const PAUSE: Duration = Duration::from_secs(1);

/// Signals that wait for applications.
const MOST_SIGNALS: usize = 64;

enum Task {
    Interrupt { worker: u32, daemon_start: i64 },
    Dump,
}

/// The helpers of one process.
pub(super) struct Helper {
    python: Arc<dyn Python>,
    tasks: Option<Sender<Task>>,
    /// Signals have a thread of their own: what applications do then is not to hold up an interruption.
    signals: Option<SyncSender<i32>>,
    /// Since when a probe waits, in milliseconds plus one; 0 is not.
    probing: Option<Arc<AtomicU64>>,
}

impl Helper {
    pub(super) fn new(python: Arc<dyn Python>, activity: Arc<Activity>, is_probed: bool) -> Self {
        let probing = is_probed.then(|| Arc::new(AtomicU64::new(0)));
        if let Some(probing) = probing.clone() {
            let python = Arc::clone(&python);
            spawn("rsgi-probe", move || {
                loop {
                    let now = u64::try_from(activity.now().as_millis()).unwrap_or(u64::MAX - 1);
                    probing.store(now + 1, Ordering::Relaxed);
                    python.probe();
                    probing.store(0, Ordering::Relaxed);
                    std::thread::sleep(PAUSE);
                }
            });
        }
        Self {
            python,
            tasks: None,
            signals: None,
            probing,
        }
    }

    /// Since when a probe waits.
    pub(super) fn waiting_since(&self) -> Option<Duration> {
        let since = self.probing.as_ref()?.load(Ordering::Relaxed);
        since.checked_sub(1).map(Duration::from_millis)
    }

    pub(super) fn interrupt(&mut self, worker: u32, daemon_start: i64) {
        self.task(Task::Interrupt {
            worker,
            daemon_start,
        });
    }

    pub(super) fn dump(&mut self) {
        self.task(Task::Dump);
    }

    /// A signal for applications. While they take many in, further ones are lost.
    pub(super) fn signal(&mut self, number: i32) {
        let signals = self.signals.get_or_insert_with(|| {
            let (sender, receiver) = sync_channel(MOST_SIGNALS);
            let python = Arc::clone(&self.python);
            spawn("rsgi-signals", move || {
                for number in receiver {
                    python.signal(number);
                }
            });
            sender
        });
        let _ = signals.try_send(number);
    }

    pub(super) fn has_loaded(&self) -> bool {
        self.python.has_loaded()
    }

    pub(super) fn dump_unsafe(&self) {
        self.python.dump_unsafe();
    }

    pub(super) fn stopping(&self, reason: &str) {
        self.python.stopping(reason);
    }

    pub(super) fn cut(&self) {
        self.python.cut();
    }

    /// Most processes never have a task, so the thread comes with the first.
    fn task(&mut self, task: Task) {
        let tasks = self.tasks.get_or_insert_with(|| {
            let (sender, receiver) = channel();
            let python = Arc::clone(&self.python);
            spawn("rsgi-helper", move || {
                for task in receiver {
                    match task {
                        Task::Interrupt {
                            worker,
                            daemon_start,
                        } => python.interrupt(worker, daemon_start),
                        Task::Dump => python.dump(level::INFO),
                    }
                }
            });
            sender
        });
        // Without the thread there is nobody to tell, which has been logged.
        let _ = tasks.send(task);
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) {
    let spawned = std::thread::Builder::new()
        .name(name.to_owned())
        .stack_size(512 * 1024)
        .spawn(body);
    if let Err(error) = spawned {
        log::error(format_args!(
            "RSGI0434: there is no thread to be had: {error}"
        ));
    }
}
