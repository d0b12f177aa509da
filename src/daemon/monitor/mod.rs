//! The monitor of a daemon process: a thread that never waits for Python, says that the process lives, and decides when
//! it is to be replaced and to end.
//!
//! It hears the supervisor, signals and the server's [`Activity`], asks [`lifecycle`] what that means, and does it. What
//! may wait for Python is left to helper threads. When the end does not come to an end by itself, it makes one.

mod helper;
mod lifecycle;
#[cfg(test)]
mod tests;
mod watch;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rsgi_core::daemon::{DaemonOptions, ShutdownReason};

pub use helper::Python;
use watch::Watch;

use crate::program::Httpd;
use crate::scoreboard::Scoreboard;
use crate::server::Activity;

/// What the monitor watches.
pub struct Watched {
    /// The group's name.
    pub group: Vec<u8>,
    /// The group's options.
    pub options: DaemonOptions,
    /// The group's scoreboard.
    pub board: Arc<Scoreboard>,
    /// The process's slot.
    pub slot: u32,
    /// What the server does.
    pub activity: Arc<Activity>,
    /// The line to the supervisor.
    pub supervisor: OwnedFd,
    /// Where signals come from.
    pub signals: OwnedFd,
    /// Who started the process.
    pub parent: Option<rustix::process::Pid>,
    /// Who started that one, where it is known.
    pub httpd: Option<Httpd>,
}

/// Why and since when the process ends.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    /// Why.
    pub reason: ShutdownReason,
    /// How long requests still get.
    pub patience: Duration,
}

/// What the main thread tells the monitor, and is told.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_ready: bool,
    python: Option<Arc<dyn Python>>,
    ending: Option<Ending>,
    /// The scripts of a service have returned.
    is_through: bool,
}

/// The main thread's end of the monitor.
pub struct Monitor {
    shared: Arc<Shared>,
    activity: Arc<Activity>,
}

impl Monitor {
    /// Starts the monitor's thread.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(watched: Watched) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let activity = Arc::clone(&watched.activity);
        let mut watch = Watch::new(watched, Arc::clone(&shared));
        std::thread::Builder::new()
            .name("rsgi-monitor".to_owned())
            .stack_size(128 * 1024)
            .spawn(move || watch.run())?;
        Ok(Self { shared, activity })
    }

    /// Python runs: it can be asked for what it does.
    pub fn set_python(&self, python: Arc<dyn Python>) {
        self.shared.state.lock().python = Some(python);
        self.activity.wake();
    }

    /// The process serves.
    pub fn set_ready(&self) {
        self.shared.state.lock().is_ready = true;
        self.activity.wake();
    }

    /// The scripts of a service have returned: it ends by itself, and is not asked to any more.
    pub fn set_through(&self) {
        self.shared.state.lock().is_through = true;
    }

    /// Why the process is to end, if that is so already.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        self.shared.state.lock().ending
    }

    /// Waits until the process is to end; meanwhile, `now_and_then` is called once in each `period`.
    #[must_use]
    pub fn wait(&self, period: Duration, now_and_then: impl Fn()) -> Ending {
        let mut state = self.shared.state.lock();
        loop {
            if let Some(ending) = state.ending {
                return ending;
            }
            if self.shared.changed.wait_for(&mut state, period).timed_out() {
                parking_lot::MutexGuard::unlocked(&mut state, &now_and_then);
            }
        }
    }
}
