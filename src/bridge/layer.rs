//! The Python layer in this process: opened once, and called safely.
//!
//! Called once by a process that needs Python, after fork. Nothing that was opened is ever closed: neither
//! CPython nor a Rust cdylib survives being unloaded.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use crate::abi;
use crate::ask::{Answer, Asker, Question, Silent};
use crate::facts::{RequestFacts, TargetFacts};
use crate::host::{Context, Outcome, RequestHost};
use crate::loaded;
use crate::locate::Found;
use crate::open::{open_python, open_table};
use crate::place::resolve;
use crate::serve::{RequestSource, Serving};
use crate::start::{ProcessLog, ProcessTable, StartOptions};

pub use crate::open::OpenError;
pub use crate::place::{LAYER_FILE, check_layer_for, layer_path, module_directory};

/// What became of [`Layer::interrupt`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Interrupted {
    /// The exception was raised; the application sees it when it next runs Python code.
    Raised,
    /// The worker does not run that request any more.
    Over,
    /// Python is not running, or has no memory for the calling thread.
    Failed,
}

/// The opened layer: a table of functions that stays valid for the process's life.
#[derive(Clone, Copy, Debug)]
pub struct Layer {
    table: &'static abi::Layer,
}

impl Layer {
    /// Opens the Python that was found, compares it with what was expected, then opens the layer.
    /// `layer_path` is the layer's file or its folder ([`module_directory`]).
    ///
    /// # Errors
    /// One sentence that says what does not fit and what to do about it.
    pub fn open(found: &Found, layer_path: &Path) -> Result<Self, OpenError> {
        if let Some(present) = loaded::other_libpython(&found.library) {
            return Err(OpenError::OtherPython {
                bringer: loaded::likely_bringer(&present),
                present,
                wanted: found.library.clone(),
            });
        }
        open_python(found)?;
        Ok(Self {
            table: open_table(&resolve(layer_path, found)?)?,
        })
    }

    /// Starts Python in this process, once.
    ///
    /// # Errors
    /// The layer's reason, one sentence.
    pub fn start<L: ProcessLog>(&self, options: &StartOptions<'_>) -> Result<(), String> {
        let mut error = abi::ErrorText {
            len: 0,
            text: [0; 1016],
        };
        let code = options
            .with_abi(|start| (self.table.start)(start, ProcessTable::<L>::TABLE, &raw mut error));
        if code == 0 {
            return Ok(());
        }
        let used = error.text.get(..error.len).unwrap_or(&error.text);
        Err(if used.is_empty() {
            "Python could not be started for a reason that it does not tell".to_owned()
        } else {
            String::from_utf8_lossy(used).into_owned()
        })
    }

    /// Runs one request on the calling thread.
    pub fn handle<H: RequestHost>(&self, facts: &RequestFacts<'_>, host: &mut H) -> Outcome {
        let mut context = Context::new(host);
        let code = facts.with_abi(|request| {
            (self.table.handle)(request, Context::<H>::TABLE, (&raw mut context).cast())
        });
        Outcome::from_code(code)
    }

    /// Loads a script ahead of requests; a failure has been logged by the layer.
    #[must_use]
    pub fn load(&self, target: &TargetFacts<'_>) -> bool {
        let target = target.to_abi();
        (self.table.load)(&raw const target) == 0
    }

    /// Waits for running requests, then ends the interpreters and Python.
    pub fn stop(&self, patience: Duration) {
        (self.table.stop)(u32::try_from(patience.as_millis()).unwrap_or(u32::MAX));
    }

    /// Says that the calling thread is worker `number`, from 1: `mod_wsgi.thread_id`, and what [`Layer::interrupt`] knows
    /// it by until it ends. A thread that never says so is given a number at its first request.
    pub fn worker(&self, number: u32) {
        (self.table.worker)(number);
    }

    /// Raises `mod_wsgi.RequestTimeout` in the request that a worker runs if that is the one whose
    /// [`RequestFacts::daemon_start`] is given (0: whichever it is), and logs where it is. Another request is never hit,
    /// also when this is late. Worker 0 is the thread of [`Layer::run_service`], in which SystemExit is raised.
    ///
    /// Waits for the GIL, which may be for ever: call it on a thread that can be given up. That thread must not be a worker.
    pub fn interrupt(&self, worker: u32, daemon_start: i64) -> Interrupted {
        match (self.table.interrupt)(worker, daemon_start) {
            abi::INTERRUPT_RAISED => Interrupted::Raised,
            abi::INTERRUPT_OVER => Interrupted::Over,
            _ => Interrupted::Failed,
        }
    }

    /// Logs where all threads of Python are, in all interpreters, at a level of [`abi::level`]; false where Python is not
    /// running. Waits for the GIL, which may be for ever: call it on a thread that can be given up.
    pub fn dump(&self, level: u32) -> bool {
        (self.table.dump)(level) == 0
    }

    /// Writes where all threads of Python are to a file, as text and without waiting for the GIL; false where this Python
    /// cannot. It reads what other threads may change meanwhile, and may crash: only for a process that is about to end.
    pub fn dump_unsafe(&self, file: BorrowedFd<'_>) -> bool {
        (self.table.dump_unsafe)(file.as_raw_fd()) == 0
    }

    /// Takes the GIL of the main interpreter once; false where Python is not running. Waits, which may be for ever.
    pub fn probe(&self) -> bool {
        (self.table.probe)() == 0
    }

    /// Runs a script as the service that this process is for ([`abi::START_SERVICE`]), on the thread that called
    /// [`Layer::start`]. False when it failed, which is logged; SystemExit is a normal end.
    pub fn run_service(&self, target: &TargetFacts<'_>) -> bool {
        let target = target.to_abi();
        (self.table.run_service)(&raw const target) == 0
    }

    /// Says that it is decided that the process ends, and why (`rsgi_core::daemon::ShutdownReason::name`). The first reason
    /// is kept. Never waits for Python.
    pub fn stopping(&self, reason: &str) {
        (self.table.stopping)(abi::Bytes::new(reason.as_bytes()));
    }

    /// Makes the calling thread a worker that takes its requests from `source`, until that says [`Next::End`]
    /// (see [`RequestSource`]). False after a panic outside of any request, which is logged; it may be called again.
    ///
    /// [`Next::End`]: crate::serve::Next::End
    pub fn serve<S: RequestSource>(&self, source: &mut S) -> bool {
        let mut serving = Serving::new(source);
        let code = (self.table.serve)(Serving::<S>::TABLE, (&raw mut serving).cast());
        code == 0 && !serving.is_broken()
    }

    /// Whether a request of this process has found its script loaded, whatever came of it then. Never waits.
    #[must_use]
    pub fn has_loaded(&self) -> bool {
        (self.table.has_loaded)() != 0
    }

    /// Asks a function of a script ([`abi::Layer::ask`]).
    pub fn ask<A: Asker>(
        &self,
        facts: &RequestFacts<'_>,
        question: &Question<'_>,
        asker: &mut A,
    ) -> Answer {
        let mut silent = Silent(asker);
        let mut context = Context::new(&mut silent);
        let code = facts.with_abi(|request| {
            question.with_abi(|question| {
                let ctx = (&raw mut context).cast();
                (self.table.ask)(request, question, Silent::<A>::ASKER, ctx)
            })
        });
        Answer::from_code(code)
    }

    /// Tells applications that subscribed to signals that SIGHUP or SIGUSR2 has come. Waits for the GIL and runs Python
    /// code, which may be for ever: call it on a thread that can be given up.
    pub fn signal(&self, number: i32) {
        (self.table.signal)(number);
    }

    /// Says that the process is ended by force, as [`Layer::stop`] has not come back in time. Never waits for Python.
    pub fn cut(&self) {
        (self.table.cut)();
    }

    /// Injects a fault, for tests; gives `abi::HANDLED_PANIC`.
    #[must_use]
    pub fn fault(&self, kind: i32) -> i32 {
        (self.table.fault)(kind)
    }

    /// A layer from a table that lives in this process, for tests of hosts.
    #[must_use]
    pub fn from_table(table: &'static abi::Layer) -> Self {
        Self { table }
    }
}
