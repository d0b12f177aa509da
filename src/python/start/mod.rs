//! Starts CPython in this process and stops it.
//!
//! `by_name` configures Python 3.14 and later, `by_offset` earlier ones. Called from `entry`.

mod by_name;
mod by_offset;
mod status;

use core::ffi::{CStr, c_int, c_void};
use std::ffi::CString;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rsgi_bridge::abi::{self, Bytes, Process, Start, level};

use crate::settings::{self, Rule};
use crate::{capi, events, interpreter, panics, process, seat, telemetry};

pub(crate) use status::Status;

/// The thread that the layer made to be Python's main thread.
struct MainThread {
    stop: mpsc::Sender<Instant>,
    thread: std::thread::JoinHandle<()>,
}

static MAIN_THREAD: Mutex<Option<MainThread>> = Mutex::new(None);

/// What the configuration of Python needs, in owned memory.
struct Settings {
    executable: Option<CString>,
    optimize: c_int,
    hash_seed: Option<u32>,
    warnings: Vec<CString>,
    is_writing_bytecode: bool,
    minor: u32,
    /// Whether a free-threaded Python is to run without the GIL; none for an ordinary one.
    without_gil: Option<bool>,
}

/// Starts Python.
///
/// # Safety
/// What `options` names is alive during the call.
///
/// # Errors
/// A sentence that says why Python was not started.
pub(crate) unsafe fn start(options: &Start, table: &Process) -> Result<(), String> {
    if options.size < size_of::<Start>() {
        return Err(
            "the module is older than its Python layer: install both from one build".to_owned(),
        );
    }
    let version = capi::version();
    check_version(&version, options.minor)?;
    // SAFETY: the caller's promise.
    let mut settings = unsafe { settings(options) }?;
    let is_free = is_free_threaded(&version);
    let wants_free = options.flags & abi::START_FREE_THREADING != 0;
    settings.without_gil = is_free.then_some(wants_free);
    // SAFETY: the caller's promise.
    let facts = unsafe { facts(options, table) };
    if !process::set(facts) {
        return Err("Python was started in this process before".to_owned());
    }
    panics::install_hook();
    if options.flags & abi::START_FIXED_PROCESSORS != 0 {
        seat::leave_all();
    }
    if options.flags & abi::START_MAIN_THREAD != 0 {
        run(&settings)?;
    } else {
        run_on_own_thread(settings)?;
    }
    process::open();
    if let Some(facts) = process::facts() {
        telemetry::start(facts);
    }
    process::log(level::INFO, format!("Started Python {version}.").as_bytes());
    if wants_free && !is_free {
        process::log(
            level::WARN,
            b"RSGI0200: WSGIFreeThreading is On, but this Python is not a free-threaded build: it runs with the GIL.",
        );
    }
    let wants_own = process::facts().is_some_and(settings::want_own_gils);
    if wants_own && options.minor < interpreter::FIRST_WITH_OWN_GILS {
        process::log(
            level::WARN,
            b"RSGI0198: WSGIPerInterpreterGIL is On, but only Python 3.12 and later has interpreters with a GIL of their own: they share one.",
        );
    }
    Ok(())
}

fn is_free_threaded(version: &str) -> bool {
    version.contains("free-threading build")
}

/// Whether this layer was built for free-threaded Pythons: their objects begin with more than a count and a type.
const IS_FOR_FREE_THREADED: bool = size_of::<pyo3::ffi::PyObject>() > 2 * size_of::<usize>();

fn check_version(version: &str, minor: u32) -> Result<(), String> {
    match (is_free_threaded(version), IS_FOR_FREE_THREADED) {
        (true, false) => {
            return Err(format!(
                "Python {version} is a free-threaded build, which this layer cannot run: use the ordinary build"
            ));
        }
        (false, true) => {
            return Err(format!(
                "Python {version} is an ordinary build, but this layer is for free-threaded ones: install the other one"
            ));
        }
        _ => {}
    }
    let mut parts = version.split(|c: char| !c.is_ascii_digit());
    let found = (
        parts.next(),
        parts.next().and_then(|part| part.parse().ok()),
    );
    if found == (Some("3"), Some(minor)) && minor >= 10 {
        return Ok(());
    }
    Err(format!(
        "the opened Python is {version}, but 3.{minor} was expected: set WSGIPythonHome to an environment of that version"
    ))
}

/// # Safety
/// `bytes` are alive.
unsafe fn owned(bytes: Bytes) -> Vec<u8> {
    // SAFETY: the caller's promise.
    unsafe { bytes.as_slice() }.to_vec()
}

/// # Safety
/// `count` items at `list`, and their bytes, are alive.
unsafe fn owned_list(list: *const Bytes, count: usize) -> Vec<Vec<u8>> {
    if count == 0 {
        return Vec::new();
    }
    // SAFETY: the caller's promise.
    let list = unsafe { core::slice::from_raw_parts(list, count) };
    list.iter()
        .map(|item| {
            // SAFETY: the caller's promise.
            unsafe { owned(*item) }
        })
        .collect()
}

/// # Safety
/// As [`start`].
unsafe fn settings(options: &Start) -> Result<Settings, String> {
    let text =
        |bytes: Vec<u8>, what: &str| CString::new(bytes).map_err(|_| format!("{what} has a NUL"));
    // SAFETY: the caller's promise.
    let executable = unsafe { owned(options.executable) };
    // SAFETY: the caller's promise.
    let warnings = unsafe { owned_list(options.warnings, options.warnings_count) };
    Ok(Settings {
        executable: match executable.is_empty() {
            true => None,
            false => Some(text(executable, "the path of Python's executable")?),
        },
        optimize: options.optimize,
        hash_seed: u32::try_from(options.hash_seed).ok(),
        warnings: warnings
            .into_iter()
            .map(|warning| text(warning, "a warning filter"))
            .collect::<Result<_, _>>()?,
        is_writing_bytecode: options.flags & abi::START_DONT_WRITE_BYTECODE == 0,
        minor: options.minor,
        without_gil: None,
    })
}

/// # Safety
/// As [`start`].
unsafe fn facts(options: &Start, table: &Process) -> process::Facts {
    // SAFETY: the caller's promise, as for all below.
    let python_path = unsafe { owned_list(options.python_path, options.python_path_count) };
    // SAFETY: see above.
    let process_group = unsafe { owned(options.process_group) };
    // SAFETY: see above.
    let description = unsafe { owned(options.description) };
    // SAFETY: see above.
    let mpm_name = unsafe { owned(options.mpm_name) };
    // SAFETY: see above.
    let build_date = unsafe { owned(options.build_date) };
    // SAFETY: see above.
    let home = unsafe { owned(options.home) };
    // SAFETY: see above.
    let python_eggs = unsafe { owned(options.python_eggs) };
    // SAFETY: see above.
    let user_name = unsafe { owned(options.user_name) };
    // SAFETY: see above.
    let user_home = unsafe { owned(options.user_home) };
    // SAFETY: see above.
    let rules = unsafe { rules(options) };
    // SAFETY: see above.
    let telemetry_socket = unsafe { owned(options.telemetry_socket) };
    process::Facts {
        table: *table,
        flags: options.flags,
        python_path,
        rules,
        process_group,
        processes: options.processes,
        threads: options.threads,
        mpm_processes: options.mpm_processes,
        mpm_threads: options.mpm_threads,
        apache_version: options.apache_version,
        wsgi_version: options.wsgi_version,
        rsgi_version: options.rsgi_version,
        description,
        mpm_name,
        build_date,
        home,
        python_eggs,
        switch_interval: options.switch_interval_ns,
        user_name,
        user_home,
        telemetry_socket,
        telemetry_interval: options.telemetry_interval_ns,
        slow_requests: options.slow_requests_ns,
        pid: std::process::id(),
    }
}

/// # Safety
/// As [`start`].
unsafe fn rules(options: &Start) -> Vec<Rule> {
    if options.rules_count == 0 {
        return Vec::new();
    }
    // SAFETY: the caller's promise.
    let rules = unsafe { core::slice::from_raw_parts(options.rules, options.rules_count) };
    rules
        .iter()
        .map(|rule| {
            // SAFETY: the caller's promise.
            let group = unsafe { owned(rule.application_group) };
            Rule {
                application_group: (rule.kind & abi::RULE_NAMED != 0).then_some(group),
                mask: rule.mask,
                flags: rule.flags & rule.mask,
                switch_interval: rule.switch_interval_ns,
                // SAFETY: the caller's promise.
                python_path: unsafe { owned_list(rule.python_path, rule.python_path_count) },
            }
        })
        .collect()
}

/// Starts Python on the calling thread, which becomes its main thread, and leaves it detached.
fn run(settings: &Settings) -> Result<(), String> {
    // SAFETY: may be called at any time.
    if unsafe { pyo3::ffi::Py_IsInitialized() } != 0 {
        return Err("somebody else in this process has started this Python".to_owned());
    }
    if settings.minor >= 14 {
        by_name::initialize(settings)?;
    } else {
        by_offset::initialize(settings)?;
    }
    // SAFETY: just started by this thread.
    unsafe { interpreter::adopt_main(settings.minor) }
}

fn run_on_own_thread(settings: Settings) -> Result<(), String> {
    let (stop, stopped) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    let body = move || {
        let outcome = run(&settings);
        let is_running = outcome.is_ok();
        if tell.send(outcome).is_err() || !is_running {
            return;
        }
        // An error means that nobody can ask any more: the process ends without `stop`.
        if let Ok(deadline) = stopped.recv() {
            interpreter::end_all(deadline);
        }
    };
    let thread = std::thread::Builder::new()
        .name("rsgi-python".to_owned())
        .stack_size(8 << 20)
        .spawn(body)
        .map_err(|error| format!("no thread can be made for Python: {error}"))?;
    told.recv()
        .unwrap_or_else(|_| Err("the thread that starts Python panicked".to_owned()))?;
    *MAIN_THREAD.lock() = Some(MainThread { stop, thread });
    Ok(())
}

/// Waits for running requests, then ends Python as far as it was asked to.
pub(crate) fn stop(patience: u32) {
    if !process::close() {
        return;
    }
    let reason = process::reason();
    if !reason.is_empty() {
        let line = format!("Python ends: {}.", String::from_utf8_lossy(reason));
        process::log(level::INFO, line.as_bytes());
    }
    telemetry::stopping();
    let patience = Duration::from_millis(u64::from(patience));
    let deadline = Instant::now() + patience;
    let is_told = events::are_subscribed();
    if is_told {
        events::stopping();
    }
    let is_idle = process::wait_idle(patience);
    telemetry::stopped(is_idle);
    let is_wanted = process::facts().is_some_and(|facts| facts.has(abi::START_DESTROY));
    if is_idle && is_wanted && !is_told {
        // Somebody may have registered in another way, and Python is entered in any case.
        events::stopping();
    }
    let own = MAIN_THREAD.lock().take();
    if !is_wanted {
        core::mem::forget(own);
        return;
    }
    if !is_idle {
        process::log(
            level::NOTICE,
            b"Requests still run at the end of the process: Python is left as it is, exit functions are not called.",
        );
        core::mem::forget(own);
        return;
    }
    let Some(own) = own else {
        return interpreter::end_all(deadline);
    };
    // A thread that is gone has nothing left to end.
    if own.stop.send(deadline).is_ok() {
        drop(own.thread.join());
    }
}

/// Looks up a function of libpython that this version must have.
fn function(name: &CStr) -> Result<*mut c_void, String> {
    capi::symbol(name).ok_or_else(|| {
        format!(
            "the opened Python has no {}: its version is not supported",
            name.to_string_lossy()
        )
    })
}
