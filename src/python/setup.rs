//! Makes a fresh interpreter look as mod_wsgi's do: modules, streams, arguments, signals, search path.

#![deny(unsafe_code)]

use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyModule, PyString, PyTuple};
use rsgi_bridge::abi;

use crate::events::Callbacks;
use crate::interpreter::{self, prepare_dump};
use crate::process::{self, Facts};
use crate::settings::{Interval, Settings};
use crate::types::{Stream, Types, functions};
use crate::{capi, report, service};

/// Prepares the current interpreter; gives back `mod_wsgi.RequestTimeout`.
pub(crate) fn prepare(
    py: Python<'_>,
    types: &Types,
    callbacks: &Callbacks,
    group: &[u8],
) -> PyResult<Py<PyAny>> {
    let Some(facts) = process::facts() else {
        return Err(pyo3::exceptions::PyRuntimeError::new_err(
            "Python was not started by this layer",
        ));
    };
    // The thread that imports it first is what the module takes for the main thread.
    py.import("threading")?;
    let sys = py.import("sys")?;
    let modules = sys.getattr("modules")?.cast_into::<PyDict>()?;
    let (module, timeout) = api(py, types, facts, group)?;
    functions::add(&module, callbacks)?;
    modules.set_item("mod_wsgi", &module)?;
    let settings = Settings::of(facts, group);
    replace_streams(py, types, &settings, &sys)?;
    sys.setattr("argv", ["mod_wsgi"])?;
    let is_main = group.is_empty();
    set_environment(py, facts)?;
    if let Some(interval) = settings.switch_interval {
        set_switch_interval(facts, interval, group, &sys)?;
    }
    if is_main && facts.has(abi::START_DAEMON) {
        prepare_dump(py)?;
    }
    if is_main && facts.has(abi::START_SERVICE) {
        service::prepare(py)?;
    }
    if settings.has(abi::START_RESTRICT_SIGNAL) && !facts.has(abi::START_SERVICE) {
        let signal = py.import("signal")?;
        let original = signal.getattr("signal")?;
        signal.setattr("signal", types.signal(&original)?)?;
    }
    for folders in &settings.python_path {
        if let Err(error) = extend_path(py, folders, &sys) {
            report::log_error(py, &error, "WSGIPythonPath");
        }
    }
    if !facts.home.is_empty() {
        let home = capi::path(py, &facts.home)?;
        sys.getattr("path")?.call_method1("insert", (0, home))?;
    }
    if let Some(path) = folders_of(py, "mod_wsgi")? {
        module.setattr("__path__", path)?;
    }
    let own = own_name(py, &module, facts)?;
    // The package beside the launcher, which has a Django app in it.
    if let Some(path) = folders_of(py, "mod_rsgi")? {
        own.setattr("__path__", path)?;
    }
    modules.set_item("mod_rsgi", own)?;
    if !facts.process_group.is_empty() || find(py, "apache")?.is_none() {
        modules.set_item("apache", server(py, facts)?)?;
    }
    Ok(timeout)
}

/// One time for each GIL: that of the main interpreter, or of one that has its own. The application's from then on.
fn set_switch_interval(
    facts: &Facts,
    interval: Interval,
    group: &[u8],
    sys: &Bound<'_, PyModule>,
) -> PyResult<()> {
    let warn = |text: String| process::log(abi::level::WARN, text.as_bytes());
    let label = String::from_utf8_lossy(group);
    if !interpreter::has_gil() {
        if interval.is_named {
            warn(format!(
                "RSGI0205: WSGISwitchInterval of application group '{label}' has no effect: Python runs without the GIL."
            ));
        } else if group.is_empty() {
            let (id, what) = match facts.process_group.is_empty() {
                true => ("RSGI0203", "WSGISwitchInterval has"),
                false => ("RSGI0204", "switch-interval= and WSGISwitchInterval have"),
            };
            warn(format!(
                "{id}: {what} no effect: Python runs without the GIL."
            ));
        }
        return Ok(());
    }
    if group.is_empty() || interpreter::is_with_own_gil(facts, group) {
        let seconds = interval.nanoseconds as f64 / 1e9;
        sys.call_method1("setswitchinterval", (seconds,))?;
    } else if interval.is_named {
        warn(format!(
            "RSGI0199: WSGISwitchInterval of application group '{label}' has no effect: its interpreter shares the GIL of the main one."
        ));
    }
    Ok(())
}

fn version<'py>(py: Python<'py>, numbers: [u32; 3]) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, numbers)
}

/// The module `mod_wsgi`.
fn api<'py>(
    py: Python<'py>,
    types: &Types,
    facts: &Facts,
    group: &[u8],
) -> PyResult<(Bound<'py, PyModule>, Py<PyAny>)> {
    let module = PyModule::new(py, "mod_wsgi")?;
    let timeout = PyErr::new_type(
        py,
        c"mod_wsgi.RequestTimeout",
        Some(c"The request took longer than its process group allows."),
        Some(&py.get_type::<PyBaseException>()),
        None,
    )?
    .into_any();
    module.setattr("version", version(py, facts.wsgi_version)?)?;
    module.setattr("process_group", capi::latin1(py, &facts.process_group)?)?;
    module.setattr("application_group", capi::latin1(py, group)?)?;
    module.setattr("maximum_processes", facts.processes.max(1))?;
    module.setattr("threads_per_process", facts.threads.max(1))?;
    module.setattr("FileWrapper", &types.file_wrapper)?;
    module.setattr("RequestTimeout", &timeout)?;
    Ok((module, timeout))
}

/// The module `mod_rsgi`: all that `mod_wsgi` has, and a version of its own.
fn own_name<'py>(
    py: Python<'py>,
    module: &Bound<'py, PyModule>,
    facts: &Facts,
) -> PyResult<Bound<'py, PyModule>> {
    let own = PyModule::new(py, "mod_rsgi")?;
    for (name, value) in module.dict() {
        if name.ne("__path__")? && own.dict().contains(&name)? {
            continue;
        }
        own.setattr(name.cast_into::<PyString>()?, value)?;
    }
    own.setattr("version", version(py, facts.rsgi_version)?)?;
    Ok(own)
}

/// The module `apache`.
fn server<'py>(py: Python<'py>, facts: &Facts) -> PyResult<Bound<'py, PyModule>> {
    let module = PyModule::new(py, "apache")?;
    module.setattr("version", version(py, facts.apache_version)?)?;
    module.setattr("maximum_processes", facts.mpm_processes)?;
    module.setattr("threads_per_process", facts.mpm_threads)?;
    module.setattr("description", capi::latin1(py, &facts.description)?)?;
    module.setattr("mpm_name", capi::latin1(py, &facts.mpm_name)?)?;
    module.setattr("build_date", capi::latin1(py, &facts.build_date)?)?;
    Ok(module)
}

fn replace_streams(
    py: Python<'_>,
    types: &Types,
    settings: &Settings<'_>,
    sys: &Bound<'_, PyModule>,
) -> PyResult<()> {
    sys.setattr("stderr", types.stream(py, Stream::Error)?)?;
    // httpd -X: a debugger needs the terminal.
    if settings.has(abi::START_SINGLE_PROCESS) {
        return Ok(());
    }
    let out = if settings.has(abi::START_RESTRICT_STDOUT) {
        types.restricted(py, "sys.stdout")?
    } else {
        types.stream(py, Stream::Out)?
    };
    sys.setattr("stdout", out)?;
    if settings.has(abi::START_RESTRICT_STDIN) {
        sys.setattr("stdin", types.restricted(py, "sys.stdin")?)?;
    }
    Ok(())
}

/// Makes `os.environ` speak of the user that the process has become.
fn set_environment(py: Python<'_>, facts: &Facts) -> PyResult<()> {
    let environ = py.import("os")?.getattr("environ")?;
    let set = |name: &str, value: &[u8]| environ.set_item(name, capi::path(py, value)?);
    if !facts.user_name.is_empty() {
        for name in ["USER", "USERNAME", "LOGNAME"] {
            if environ.contains(name)? {
                set(name, &facts.user_name)?;
            }
        }
    }
    if !facts.user_home.is_empty() {
        set("HOME", &facts.user_home)?;
    }
    if !facts.python_eggs.is_empty() {
        set("PYTHON_EGG_CACHE", &facts.python_eggs)?;
    }
    Ok(())
}

/// Adds the configured folders with their .pth files; what is new goes to the front, in order.
fn extend_path(py: Python<'_>, folders: &[Vec<u8>], sys: &Bound<'_, PyModule>) -> PyResult<()> {
    if folders.is_empty() {
        return Ok(());
    }
    let before = sys.getattr("path")?.cast_into::<PyList>()?;
    let before: Vec<Bound<'_, PyAny>> = before.iter().collect();
    let add = py.import("site")?.getattr("addsitedir")?;
    for folder in folders {
        add.call1((capi::path(py, folder)?,))?;
    }
    let after = sys.getattr("path")?.cast_into::<PyList>()?;
    let (mut new, mut old) = (Vec::new(), Vec::new());
    for entry in after.iter() {
        let mut is_old = false;
        for known in &before {
            is_old |= known.eq(&entry)?;
        }
        if is_old { &mut old } else { &mut new }.push(entry);
    }
    new.append(&mut old);
    after.set_slice(0, after.len(), PyList::new(py, new)?.as_any())
}

/// Where a module would be found, without importing it.
fn find<'py>(py: Python<'py>, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
    let spec = py
        .import("importlib.machinery")?
        .getattr("PathFinder")?
        .call_method1("find_spec", (PyString::new(py, name),))?;
    Ok((!spec.is_none()).then_some(spec))
}

/// The folders of a package.
fn folders_of<'py>(py: Python<'py>, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
    let Some(spec) = find(py, name)? else {
        return Ok(None);
    };
    let folders = spec.getattr("submodule_search_locations")?;
    if folders.is_none() {
        return Ok(None);
    }
    let list = PyList::empty(py);
    for folder in folders.try_iter()? {
        list.append(folder?)?;
    }
    Ok(Some(list.into_any()))
}
