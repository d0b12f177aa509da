//! Scripts as modules: loaded once per interpreter, again when they changed.
//!
//! A request of a loaded and unchanged script takes no lock that others hold while they load. Whoever loads holds
//! the process's load lock, which is waited for without the GIL. A script that fails is not kept.

#![deny(unsafe_code)]

use std::ffi::CString;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Condvar, Mutex};
use pyo3::exceptions::{PySyntaxError, PySystemExit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyModule, PyString};
use rsgi_bridge::abi::{self, level};
use rsgi_core::script::module_name;

use crate::entry::TargetView;
use crate::exchange::Exchange;
use crate::interpreter::{self, At};
use crate::{capi, process, report};

/// A script in one interpreter.
pub(crate) struct Script {
    name: String,
    module: Mutex<Option<Loaded>>,
}

/// A loaded module, with its dict at hand.
struct Loaded {
    module: Py<PyModule>,
    globals: Py<PyDict>,
}

/// The lock of those who load. A condition instead of a guard, because it is taken detached and held attached.
static LOADING: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

struct Turn(());

impl Turn {
    fn take() -> Self {
        let mut is_taken = LOADING.0.lock();
        while *is_taken {
            LOADING.1.wait(&mut is_taken);
        }
        *is_taken = true;
        Self(())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *LOADING.0.lock() = false;
        LOADING.1.notify_one();
    }
}

impl Script {
    fn globals<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyDict>> {
        let module = self.module.lock();
        module
            .as_ref()
            .map(|loaded| loaded.globals.bind(py).clone())
    }
}

fn script(at: At<'_>, path: &[u8]) -> Arc<Script> {
    let mut scripts = at.kit().scripts.lock();
    if let Some(script) = scripts.get(path) {
        return Arc::clone(script);
    }
    let is_case_insensitive =
        process::facts().is_some_and(|facts| facts.has(abi::START_CASE_INSENSITIVE));
    let script = Arc::new(Script {
        name: module_name(path, is_case_insensitive),
        module: Mutex::new(None),
    });
    scripts.insert(path.to_vec(), Arc::clone(&script));
    script
}

/// Whether a request has found its script loaded: a number, no Python object.
static HAS_LOADED: AtomicBool = AtomicBool::new(false);

/// Whether a request of this process has found its script loaded.
pub(crate) fn has_loaded() -> bool {
    HAS_LOADED.load(Ordering::Relaxed)
}

/// The callable that a request is for.
///
/// # Errors
/// The status to answer with; the reason is logged.
pub(crate) fn find<'py>(
    at: At<'py>,
    target: &TargetView<'_>,
    exchange: &Exchange,
) -> Result<Bound<'py, PyAny>, i32> {
    let script = script(at, target.script);
    let globals = current(at, &script, target, Some(exchange))?;
    if !has_loaded() {
        HAS_LOADED.store(true, Ordering::Relaxed);
    }
    let name = at.kit().spelled(at.py, target.callable).map_err(|_| 500)?;
    capi::dict_item(&globals, name.bind(at.py)).ok_or_else(|| {
        let line = format!(
            "RSGI0089: The script '{}' has no callable named '{}'.",
            String::from_utf8_lossy(target.script),
            String::from_utf8_lossy(target.callable)
        );
        exchange.log(level::ERROR, line.as_bytes());
        404
    })
}

/// The globals of a script that something is asked of outside of a response.
///
/// # Errors
/// The script could not be loaded, which is logged.
pub(crate) fn globals<'py>(
    at: At<'py>,
    target: &TargetView<'_>,
    exchange: &Exchange,
) -> Result<Bound<'py, PyDict>, i32> {
    let script = script(at, target.script);
    current(at, &script, target, Some(exchange))
}

/// Loads a script before any request asks for it.
pub(crate) fn load_ahead(target: &TargetView<'_>) -> bool {
    let Some(_use) = process::enter() else {
        return false;
    };
    let Ok(interp) = interpreter::find(target.application_group) else {
        return false;
    };
    interpreter::attach(interp, |at| {
        let script = script(at, target.script);
        let is_loaded = current(at, &script, target, None).is_ok();
        crate::types::flush_prints();
        is_loaded
    })
    .unwrap_or(false)
}

/// Runs a script as the service that the process is for. It holds no lock, for it may never return, and keeps its module,
/// which exit functions may need. False when it failed, which is logged.
pub(crate) fn run_service(at: At<'_>, target: &TargetView<'_>) -> bool {
    let script = script(at, target.script);
    let path = shown(target.script);
    let (source, mtime) = match read(target.script) {
        Ok(source) => source,
        Err(error) => {
            let line = format!("RSGI0105: The script {path} cannot be read: {error}.");
            process::log(level::ERROR, line.as_bytes());
            return false;
        }
    };
    match execute(at, &script, target.script, source, mtime) {
        Ok(loaded) => {
            *script.module.lock() = Some(loaded);
            true
        }
        Err(Failure::Run(error)) if error.is_instance_of::<PySystemExit>(at.py) => true,
        Err(failure) => {
            tell(at, None, &failure, &path);
            false
        }
    }
}

/// The globals of the script, loaded if that is needed.
///
/// # Errors
/// The result of `handle`: that of a failure, which is logged, or in a daemon that the script has changed.
fn current<'py>(
    at: At<'py>,
    script: &Script,
    target: &TargetView<'_>,
    exchange: Option<&Exchange>,
) -> Result<Bound<'py, PyDict>, i32> {
    let known = match script.globals(at.py) {
        Some(globals) if !is_outdated(at, &globals, target, exchange) => return Ok(globals),
        known => known,
    };
    // mod_wsgi: a daemon is replaced as a whole, so that modules that the script imports are loaded again as well.
    if known.is_some() && exchange.is_some() && process::has(abi::START_DAEMON) {
        return Err(abi::HANDLED_STALE);
    }
    let _turn = at.detach(Turn::take);
    // Another thread may have loaded it meanwhile.
    let newer = script.globals(at.py);
    let is_same = match (&newer, &known) {
        (Some(newer), Some(known)) => newer.is(known),
        (newer, known) => newer.is_none() && known.is_none(),
    };
    if let Some(newer) = newer
        && !is_same
    {
        return Ok(newer);
    }
    load(at, script, target, exchange, known.is_some()).ok_or(500)
}

/// Whether a loaded module is to be loaded again.
fn is_outdated(
    at: At<'_>,
    globals: &Bound<'_, PyDict>,
    target: &TargetView<'_>,
    exchange: Option<&Exchange>,
) -> bool {
    if !target.is_reloading {
        return false;
    }
    let own = &at.kit().own;
    let loaded = capi::dict_item(globals, own.mtime.bind(at.py));
    let loaded = loaded.and_then(|mtime| mtime.extract::<i64>().ok());
    let now = target.mtime.or_else(|| modified(target.script));
    if loaded.is_none() || loaded != now {
        // A daemon's host has seen the file a while ago: a process that loaded it since then is not to be replaced.
        let is_seen_late = loaded.is_some()
            && target.mtime.is_some()
            && process::has(abi::START_DAEMON)
            && loaded == modified(target.script);
        if !is_seen_late {
            return true;
        }
    }
    if target.resource.is_empty() {
        return false;
    }
    let Some(ask) = capi::dict_item(globals, own.reload_required.bind(at.py)) else {
        return false;
    };
    let answer = capi::path(at.py, target.resource)
        .and_then(|resource| ask.call1((resource,)))
        .and_then(|answer| answer.is_truthy());
    answer.unwrap_or_else(|error| {
        let what = format!("escaped from reload_required of {}", shown(target.script));
        report::exception(at, exchange, &error, "RSGI0104", &what);
        false
    })
}

fn shown(path: &[u8]) -> String {
    format!("'{}'", String::from_utf8_lossy(path))
}

fn micros(seconds: i64, nanos: i64) -> i64 {
    seconds
        .saturating_mul(1_000_000)
        .saturating_add(nanos / 1000)
}

fn modified(path: &[u8]) -> Option<i64> {
    let path = Path::new(std::ffi::OsStr::from_bytes(path));
    let found = std::fs::metadata(path).ok()?;
    Some(micros(found.mtime(), found.mtime_nsec()))
}

/// The bytes of a script and when it was changed.
fn read(path: &[u8]) -> std::io::Result<(Vec<u8>, i64)> {
    let path = Path::new(std::ffi::OsStr::from_bytes(path));
    let mut file = std::fs::File::open(path)?;
    let found = file.metadata()?;
    let mut source = Vec::new();
    file.read_to_end(&mut source)?;
    Ok((source, micros(found.mtime(), found.mtime_nsec())))
}

fn load<'py>(
    at: At<'py>,
    script: &Script,
    target: &TargetView<'_>,
    exchange: Option<&Exchange>,
    is_again: bool,
) -> Option<Bound<'py, PyDict>> {
    let log = |level, line: &str| match exchange {
        Some(exchange) => exchange.log(level, line.as_bytes()),
        None => process::log(level, line.as_bytes()),
    };
    let path = shown(target.script);
    let verb = if is_again { "Reloading" } else { "Loading" };
    log(
        level::INFO,
        &format!(
            "{verb} {path} in application group '{}'.",
            at.interp.label()
        ),
    );
    let before = script.module.lock().take();
    forget(at.py, script);
    drop(before);
    let bytes = target.script;
    let source = at.detach(|| read(bytes));
    let (source, found) = match source {
        Ok(source) => source,
        Err(error) => {
            log(
                level::ERROR,
                &format!("RSGI0105: The script {path} cannot be read: {error}."),
            );
            return None;
        }
    };
    let seen = target.mtime.filter(|_| !process::has(abi::START_DAEMON));
    let mtime = seen.unwrap_or(found);
    match execute(at, script, target.script, source, mtime) {
        Ok(loaded) => {
            let globals = loaded.globals.bind(at.py).clone();
            *script.module.lock() = Some(loaded);
            Some(globals)
        }
        Err(failure) => {
            forget(at.py, script);
            tell(at, exchange, &failure, &path);
            None
        }
    }
}

enum Failure {
    Compile(PyErr),
    Run(PyErr),
}

fn tell(at: At<'_>, exchange: Option<&Exchange>, failure: &Failure, path: &str) {
    let (error, id, what) = match failure {
        Failure::Compile(error) => (error, "RSGI0106", "stopped the compilation of"),
        Failure::Run(error) if error.is_instance_of::<PySystemExit>(at.py) => {
            (error, "RSGI0107", "was raised, and ignored, while loading")
        }
        Failure::Run(error) => (error, "RSGI0109", "was raised while loading"),
    };
    report::exception(at, exchange, error, id, &format!("{what} {path}"));
}

/// Takes the module of an earlier load, or of one that failed, out of `sys.modules`.
fn forget(py: Python<'_>, script: &Script) {
    let modules = py.import("sys").and_then(|sys| sys.getattr("modules"));
    if let Ok(modules) = modules {
        // A module that is not there any more need not be taken out.
        drop(modules.del_item(&script.name));
    }
}

fn execute(
    at: At<'_>,
    script: &Script,
    path: &[u8],
    source: Vec<u8>,
    mtime: i64,
) -> Result<Loaded, Failure> {
    let py = at.py;
    let file = capi::path(py, path).map_err(Failure::Compile)?;
    let source = CString::new(source).map_err(|_| {
        Failure::Compile(PySyntaxError::new_err(
            "source code cannot contain null bytes",
        ))
    })?;
    let code = capi::compile(py, &source, &file).map_err(Failure::Compile)?;
    let module = module(py, &script.name, &file, mtime).map_err(Failure::Run)?;
    let globals = module.dict();
    capi::run(&code, &globals).map_err(Failure::Run)?;
    Ok(Loaded {
        globals: globals.unbind(),
        module: module.unbind(),
    })
}

/// A fresh module, already in `sys.modules`.
fn module<'py>(
    py: Python<'py>,
    name: &str,
    file: &Bound<'py, PyString>,
    mtime: i64,
) -> PyResult<Bound<'py, PyModule>> {
    let module = PyModule::new(py, name)?;
    module.setattr("__file__", file)?;
    module.setattr("__mtime__", mtime)?;
    module.setattr("__builtins__", py.import("builtins")?)?;
    py.import("sys")?
        .getattr("modules")?
        .set_item(name, &module)?;
    Ok(module)
}

impl Loaded {
    /// Keeps the module alive: a dict alone does not.
    #[expect(dead_code, reason = "the field is only there to own the module")]
    fn owner(&self) -> &Py<PyModule> {
        &self.module
    }
}
