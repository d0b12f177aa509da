//! The functions of the module `mod_wsgi`, and the attributes that come with their first use.

use core::ffi::CStr;

use pyo3::exceptions::{PyAttributeError, PyRuntimeError};
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyModule, PyString};
use rsgi_bridge::abi;

use super::instance::{self, Arguments, END, Methods, documented, method};
use crate::events::{self, Callbacks};
use crate::interpreter::kit_here;
use crate::kit::Kit;
use crate::{entry, exchange, figures, log_handler, process, tracked};

/// In the order of [`Function`].
static FUNCTIONS: Methods<13> = Methods([
    documented(
        instance::one(c"subscribe_events", subscribe_events),
        c"subscribe_events(callback, /)\n--\n\nRegisters a callback for everything that happens in this interpreter, and gives it back.",
    ),
    documented(
        instance::one(c"subscribe_shutdown", subscribe_shutdown),
        c"subscribe_shutdown(callback, /)\n--\n\nRegisters a callback for the end of the process, and gives it back.",
    ),
    documented(
        instance::one(c"subscribe_signals", subscribe_signals),
        c"subscribe_signals(callback, /)\n--\n\nRegisters a callback for SIGHUP and SIGUSR2, and gives it back.",
    ),
    documented(
        instance::plain(c"request_data", request_data),
        c"request_data()\n--\n\nThe dict that is kept with the request of the calling thread.",
    ),
    documented(
        instance::plain(c"start_recording_metrics", start_recording),
        c"start_recording_metrics()\n--\n\nLets the process record what request_metrics() and process_metrics() tell.",
    ),
    documented(
        instance::plain(c"request_metrics", request_metrics),
        c"request_metrics()\n--\n\nWhat happened in the process since the last call; None before start_recording_metrics().",
    ),
    documented(
        instance::plain(c"process_metrics", process_metrics),
        c"process_metrics()\n--\n\nFigures of the process so far; None before start_recording_metrics().",
    ),
    documented(
        instance::plain(c"server_metrics", server_metrics),
        c"server_metrics()\n--\n\nApache's scoreboard; None without WSGIServerMetrics On, or server-metrics=On of a group.",
    ),
    instance::one(c"__getattr__", attribute),
    instance::plain(c"__dir__", directory),
    instance::one(c"is_logged", is_logged),
    instance::fast(c"log", log),
    END,
]);

/// Functions that are no attribute of the module.
#[derive(Clone, Copy)]
enum Function {
    IsLogged = 10,
    Log = 11,
}

/// Attributes that come with their first use.
const LATE: [&str; 2] = ["LogHandler", "active_requests"];

/// Makes a function of the table; `this` is its first argument.
fn function(py: Python<'_>, index: usize, this: Option<&Bound<'_, PyAny>>) -> PyResult<Py<PyAny>> {
    let definition = (&raw const FUNCTIONS.0[index]).cast_mut();
    let this = this.map_or(core::ptr::null_mut(), Bound::as_ptr);
    let module = PyString::new(py, "mod_wsgi");
    // SAFETY: a static definition, which CPython does not write; live objects or null.
    let made = unsafe { ffi::PyCFunction_NewEx(definition, this, module.as_ptr()) };
    // SAFETY: a new reference or null with an exception.
    unsafe { Bound::from_owned_ptr_or_err(py, made) }.map(Bound::unbind)
}

/// Adds everything to the module.
pub(crate) fn add(module: &Bound<'_, PyModule>, callbacks: &Callbacks) -> PyResult<()> {
    let py = module.py();
    for (name, list) in events::attributes(callbacks, py) {
        module.setattr(name, list)?;
    }
    for (index, definition) in FUNCTIONS.0[..Function::IsLogged as usize]
        .iter()
        .enumerate()
    {
        // SAFETY: a name of the table above, which is terminated.
        let name = unsafe { CStr::from_ptr(definition.ml_name) };
        let name = name.to_string_lossy();
        // The module itself, for its names.
        let this = (&*name == "__dir__").then_some(module.as_any());
        module.setattr(&*name, function(py, index, this)?)?;
    }
    // For `from mod_wsgi import *`: what comes with its first use is in no dict yet.
    let names = module
        .dict()
        .keys()
        .into_iter()
        .chain(PyList::new(py, LATE)?);
    let is_public = |name: &Bound<'_, PyAny>| {
        let name = name.extract::<String>();
        name.is_ok_and(|name| !name.starts_with('_'))
    };
    module.setattr(
        "__all__",
        PyList::new(py, names.filter(is_public).collect::<Vec<_>>())?,
    )
}

/// The functions that `mod_wsgi.LogHandler` is made with.
pub(crate) fn of_log_handler(py: Python<'_>) -> PyResult<[Py<PyAny>; 2]> {
    let make = |which: Function| function(py, which as usize, None);
    Ok([make(Function::IsLogged)?, make(Function::Log)?])
}

/// The objects of the interpreter that a function is called in.
fn kit(py: Python<'_>) -> PyResult<&'static Kit> {
    kit_here(py).ok_or_else(|| {
        PyRuntimeError::new_err("the interpreter is not ready, or it is about to end")
    })
}

/// Registers a callback in one of the lists.
///
/// # Safety
/// A live argument.
unsafe fn subscribe(
    callback: *mut PyObject,
    list: fn(&Callbacks) -> &Py<PyList>,
    register: fn(&Bound<'_, PyList>, &Bound<'_, PyAny>) -> PyResult<()>,
) -> *mut PyObject {
    method(|py| {
        // SAFETY: the caller's promise.
        let callback = unsafe { Bound::from_borrowed_ptr(py, callback) };
        register(list(&kit(py)?.callbacks).bind(py), &callback)?;
        Ok(callback.unbind())
    })
}

unsafe extern "C" fn subscribe_events(_: *mut PyObject, callback: *mut PyObject) -> *mut PyObject {
    // SAFETY: CPython gives a live argument.
    unsafe { subscribe(callback, |lists| &lists.events, events::subscribe) }
}

unsafe extern "C" fn subscribe_shutdown(
    _: *mut PyObject,
    callback: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: CPython gives a live argument.
    unsafe { subscribe(callback, |lists| &lists.shutdown, events::subscribe) }
}

unsafe extern "C" fn subscribe_signals(_: *mut PyObject, callback: *mut PyObject) -> *mut PyObject {
    // SAFETY: CPython gives a live argument.
    unsafe { subscribe(callback, |lists| &lists.signals, events::subscribe_signals) }
}

unsafe extern "C" fn request_data(_: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    method(|py| tracked::request_data(py).map(Py::into_any))
}

unsafe extern "C" fn start_recording(_: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    method(|py| {
        figures::start();
        Ok(py.None())
    })
}

unsafe extern "C" fn request_metrics(_: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    method(|py| {
        let found = figures::of_requests(py)?;
        Ok(found.map_or_else(|| py.None(), Py::into_any))
    })
}

unsafe extern "C" fn process_metrics(_: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    method(|py| {
        let found = figures::of_process(py)?;
        Ok(found.map_or_else(|| py.None(), Py::into_any))
    })
}

unsafe extern "C" fn server_metrics(_: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    method(|py| {
        let facts = process::facts().filter(|facts| facts.has(abi::START_SERVER_METRICS));
        let text = facts.and_then(|facts| {
            entry::server_metrics(&facts.table).or_else(|| exchange::current()?.server_metrics(py))
        });
        let Some(text) = text else {
            return Ok(py.None());
        };
        let found = py
            .import("json")?
            .call_method1("loads", (text.as_slice(),))?;
        Ok(found.unbind())
    })
}

/// PEP 562: an attribute that the module does not have (yet).
unsafe extern "C" fn attribute(_: *mut PyObject, name: *mut PyObject) -> *mut PyObject {
    method(|py| {
        // SAFETY: CPython gives a live argument.
        let name = unsafe { Bound::from_borrowed_ptr(py, name) };
        let name: String = name.extract()?;
        if !LATE.contains(&&*name) {
            return Err(PyAttributeError::new_err(format!(
                "module 'mod_wsgi' has no attribute '{name}'"
            )));
        }
        let kit = kit(py)?;
        match &*name {
            "LogHandler" => log_handler::class(py, kit),
            _ => Ok(kit.requests.active(py)?.into_any().unbind()),
        }
    })
}

/// PEP 562: the names, also of what comes with its first use.
unsafe extern "C" fn directory(module: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    method(|py| {
        // SAFETY: CPython gives what the function was made with.
        let module = unsafe { Bound::from_borrowed_ptr(py, module) };
        let names = PyList::new(py, LATE)?;
        for name in module.cast_into::<PyModule>()?.dict().keys() {
            names.append(name)?;
        }
        Ok(names.into_any().unbind())
    })
}

unsafe extern "C" fn is_logged(_: *mut PyObject, number: *mut PyObject) -> *mut PyObject {
    method(|py| {
        // SAFETY: CPython gives a live argument.
        let number = unsafe { Bound::from_borrowed_ptr(py, number) };
        let is_logged = log_handler::is_logged(number.extract()?);
        Ok(is_logged.into_pyobject(py)?.to_owned().into_any().unbind())
    })
}

unsafe extern "C" fn log(
    _: *mut PyObject,
    arguments: *mut *mut PyObject,
    count: isize,
) -> *mut PyObject {
    method(|py| {
        // SAFETY: the call's own arguments.
        let arguments = unsafe { Arguments::new(py, arguments, count) };
        if let [Some(number), Some(text), Some(path), Some(line)] =
            [0, 1, 2, 3].map(|index| arguments.get(index))
        {
            let path = path.call_method1("encode", ("utf-8", "replace"))?;
            let line = line.extract().unwrap_or_default();
            log_handler::write(number.extract()?, &text, (path.extract()?, line))?;
        }
        Ok(py.None())
    })
}
