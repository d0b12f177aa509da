//! Opens libpython and the Python layer in this process, and calls the layer safely.
//!
//! Called once by a process that needs Python, after fork. Nothing that was opened is ever closed: neither
//! CPython nor a Rust cdylib survives being unloaded.

use std::ffi::{CStr, CString, c_int, c_void};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::abi;
use crate::ask::{Answer, Asker, Question, Silent};
use crate::facts::{RequestFacts, TargetFacts};
use crate::host::{Context, Outcome, RequestHost};
use crate::loaded;
use crate::locate::Found;
use crate::place::resolve;
use crate::serve::{RequestSource, Serving};
use crate::start::{ProcessLog, ProcessTable, StartOptions};

pub use crate::place::{LAYER_FILE, check_layer_for, layer_path, module_directory};

/// Why Python or its layer could not be opened in this process.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Somebody else brought a Python.
    #[error(
        "this process already holds another Python, `{present}`{by}, and cannot open `{wanted}` beside it: unload that module or use the same Python",
        present = .present.display(), wanted = .wanted.display(),
        by = .bringer.as_ref().map(|name| format!(" (brought by {name})")).unwrap_or_default()
    )]
    OtherPython {
        /// What is there.
        present: PathBuf,
        /// What was to be opened.
        wanted: PathBuf,
        /// The Apache module that likely brought it.
        bringer: Option<String>,
    },
    /// Somebody else started the same Python.
    #[error("another module of this process already runs Python from `{library}`: unload it", library = .library.display())]
    AlreadyRunning {
        /// The library.
        library: PathBuf,
    },
    /// The linker refused libpython.
    #[error(
        "the Python library cannot be opened ({reason}): install that Python again, with all that it needs"
    )]
    Library {
        /// The linker's words, which name the file.
        reason: String,
    },
    /// A library that is not a Python.
    #[error("`{library}` is not a Python library, it has no {symbol}: install that Python again", library = .library.display())]
    NotPython {
        /// The library.
        library: PathBuf,
        /// What it lacks.
        symbol: &'static str,
    },
    /// Another version than the environment's.
    #[error("`{library}` is Python {present} but the environment needs {expected}: install that Python again, or make the environment with this one", library = .library.display())]
    Version {
        /// The library.
        library: PathBuf,
        /// What it says of itself.
        present: String,
        /// What was expected.
        expected: String,
    },
    /// A build without the GIL, where the environment is for one with it.
    #[error("`{library}` is a free-threaded Python, but its environment is not for one: make the environment again", library = .library.display())]
    FreeThreaded {
        /// The library.
        library: PathBuf,
    },
    /// There is no layer for this free-threaded Python.
    #[error(
        "the Python of `{library}` is free-threaded and needs a layer of its own, `{path}`, which is not there: build it with `ci/build --free-threaded` and install it beside the module, or use the ordinary build of that Python",
        library = .library.display(), path = .path.display()
    )]
    MissingThreadedLayer {
        /// The library.
        library: PathBuf,
        /// Where it belongs.
        path: PathBuf,
    },
    /// The layer's file is not there.
    #[error("the Python layer `{path}` is not there: install {LAYER_FILE} in the same folder as the module", path = .path.display())]
    MissingLayer {
        /// Where it belongs.
        path: PathBuf,
    },
    /// The linker refused the layer.
    #[error(
        "the Python layer cannot be opened ({reason}): install {LAYER_FILE} from the same build as the module"
    )]
    Layer {
        /// The linker's words, which name the file.
        reason: String,
    },
    /// The layer is of another build.
    #[error("the Python layer `{path}` {problem}: install {LAYER_FILE} from the same build as the module", path = .path.display())]
    Mismatch {
        /// The layer.
        path: PathBuf,
        /// What does not fit.
        problem: String,
    },
    /// A path that C cannot express.
    #[error("the path `{path}` has a NUL in it: correct it", path = .path.display())]
    BadPath {
        /// The path.
        path: PathBuf,
    },
}

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

    /// Says why the process is about to end (`rsgi_core::daemon::ShutdownReason::name`). The first reason is kept.
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

/// Opens libpython for all objects that come later, and compares it with what was found.
fn open_python(found: &Found) -> Result<(), OpenError> {
    let handle = open_object(&found.library, libc::RTLD_NOW | libc::RTLD_GLOBAL)?
        .map_err(|reason| OpenError::Library { reason })?;
    let text = version_text(handle, &found.library)?;
    check_version(&text, found)?;
    if is_running(handle) {
        return Err(OpenError::AlreadyRunning {
            library: found.library.clone(),
        });
    }
    Ok(())
}

/// What `Py_GetVersion` says.
fn version_text(handle: *mut c_void, library: &Path) -> Result<String, OpenError> {
    let address = symbol(handle, c"Py_GetVersion").ok_or_else(|| OpenError::NotPython {
        library: library.to_path_buf(),
        symbol: "Py_GetVersion",
    })?;
    // SAFETY: Python documents `const char *Py_GetVersion(void)`, callable before Python is started.
    let version = unsafe {
        core::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> *const libc::c_char>(address)
    };
    // SAFETY: as above.
    let text = unsafe { version() };
    if text.is_null() {
        return Ok(String::new());
    }
    // SAFETY: Python returns a static C string.
    Ok(unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned())
}

/// Whether somebody has started this Python.
fn is_running(handle: *mut c_void) -> bool {
    let Some(address) = symbol(handle, c"Py_IsInitialized") else {
        return false;
    };
    // SAFETY: Python documents `int Py_IsInitialized(void)`, callable at any time.
    let is_initialized =
        unsafe { core::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> c_int>(address) };
    // SAFETY: as above.
    unsafe { is_initialized() != 0 }
}

/// Compares the text of `Py_GetVersion`, "3.11.2 (main, ...) [GCC ...]", with what was found.
fn check_version(text: &str, found: &Found) -> Result<(), OpenError> {
    let library = found.library.clone();
    let is_free_threaded = text.contains("free-threading build");
    if is_free_threaded && !found.free_threaded {
        return Err(OpenError::FreeThreaded { library });
    }
    let present = text.split_whitespace().next().unwrap_or_default();
    if found.free_threaded && !is_free_threaded {
        return Err(OpenError::Version {
            library,
            present: present.to_owned(),
            expected: format!("a free-threaded 3.{}", found.minor),
        });
    }
    let expected = found
        .version
        .clone()
        .unwrap_or_else(|| format!("3.{}", found.minor));
    let minor = present.strip_prefix("3.").and_then(|rest| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        rest.get(..digits)?.parse::<u32>().ok()
    });
    let fits = found
        .version
        .as_ref()
        .is_none_or(|version| version == present);
    if minor == Some(found.minor) && fits {
        return Ok(());
    }
    Err(OpenError::Version {
        library,
        present: present.to_owned(),
        expected,
    })
}

/// Opens the layer and checks that it speaks this ABI.
fn open_table(path: &Path) -> Result<&'static abi::Layer, OpenError> {
    let mismatch = |problem: String| OpenError::Mismatch {
        path: path.to_path_buf(),
        problem,
    };
    let handle = open_object(path, libc::RTLD_NOW | libc::RTLD_LOCAL)?
        .map_err(|reason| OpenError::Layer { reason })?;
    let address = symbol(handle, abi::ENTRY_SYMBOL)
        .ok_or_else(|| mismatch("is not one, it has no entry".to_owned()))?;
    // SAFETY: the symbol's type is part of the ABI.
    let entry = unsafe { core::mem::transmute::<*mut c_void, abi::Entry>(address) };
    // SAFETY: the entry may be called with any number.
    let table = unsafe { entry(abi::ABI) };
    if table.is_null() {
        return Err(mismatch(format!("does not speak ABI {}", abi::ABI)));
    }
    // SAFETY: every version of the table begins with `abi` and lives for the process's life.
    let version = unsafe { (*table).abi };
    // SAFETY: every version of the table has `size` next.
    let size = unsafe { (*table).size };
    if version != abi::ABI {
        return Err(mismatch(format!("speaks ABI {version}, not {}", abi::ABI)));
    }
    if size < size_of::<abi::Layer>() {
        return Err(mismatch("is older than the module".to_owned()));
    }
    // SAFETY: checked to be as large as the type, of this ABI, and never closed.
    Ok(unsafe { &*table })
}

/// `dlopen` by path. The outer error is a bad path, the inner one the linker's words.
fn open_object(path: &Path, flags: c_int) -> Result<Result<*mut c_void, String>, OpenError> {
    let c_path = CString::new(path.as_os_str().as_bytes()).map_err(|_| OpenError::BadPath {
        path: path.to_path_buf(),
    })?;
    // SAFETY: a C string and flags; what the object's constructors do is its own matter.
    let handle = unsafe { libc::dlopen(c_path.as_ptr(), flags) };
    if !handle.is_null() {
        return Ok(Ok(handle));
    }
    // SAFETY: returns this thread's last linker error, or null.
    let reason = unsafe { libc::dlerror() };
    if reason.is_null() {
        return Ok(Err(format!("{}", path.display())));
    }
    // SAFETY: a C string that stays until the thread's next call of the linker.
    let reason = unsafe { CStr::from_ptr(reason) };
    Ok(Err(reason.to_string_lossy().into_owned()))
}

fn symbol(handle: *mut c_void, name: &CStr) -> Option<*mut c_void> {
    // SAFETY: an open handle and a C string.
    let address = unsafe { libc::dlsym(handle, name.as_ptr()) };
    (!address.is_null()).then_some(address)
}
