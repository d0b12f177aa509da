//! Makes the objects of a fresh interpreter.

use core::ffi::CStr;
use std::collections::HashMap;
use std::ffi::CString;

use parking_lot::Mutex;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyType};
use rsgi_bridge::abi;
use rsgi_core::name::NAMES;

use super::{Objects, OwnKeys, Support, adapter, input};
use crate::capi;
use crate::log;
use crate::options::options;

const SUPPORT: &CStr =
    match CStr::from_bytes_with_nul(concat!(include_str!("../support.py"), "\0").as_bytes()) {
        Ok(text) => text,
        Err(_) => c"",
    };

/// Sets a fresh interpreter up; attached to it.
///
/// # Errors
/// What went wrong, for the log.
pub(crate) fn make(py: Python<'_>, application_group: &[u8]) -> Result<Objects, String> {
    try_make(py, application_group).map_err(|error| format!("{error}"))
}

fn try_make(py: Python<'_>, application_group: &[u8]) -> PyResult<Objects> {
    let space = PyDict::new(py);
    space.set_item("__builtins__", py.import("builtins")?)?;
    space.set_item("__name__", "mod_rsgi.support")?;
    space.set_item("_log", native(py, log_method())?)?;
    space.set_item("_options", options_dict(py, application_group)?)?;
    run(py, SUPPORT, c"<mod_rsgi>", &space)?;
    named(&space, "set_up")?.call0()?;
    let key = |text: &str| interned(py, text);
    let own = OwnKeys {
        url_scheme: key("wsgi.url_scheme")?,
        input: key("wsgi.input")?,
        errors: key("wsgi.errors")?,
        thread_id: key("mod_wsgi.thread_id")?,
        request_start: key("mod_wsgi.request_start")?,
        queue_start: key("mod_wsgi.queue_start")?,
        daemon_start: key("mod_wsgi.daemon_start")?,
        application_start: key("mod_wsgi.application_start")?,
        http: key("http")?.into_any(),
        https: key("https")?.into_any(),
        close: key("close")?,
        mtime: key("__mtime__")?,
        reload_required: key("reload_required")?,
    };
    let support = support(&space)?;
    Ok(Objects {
        keys: NAMES
            .iter()
            .map(|name| key(name))
            .collect::<PyResult<_>>()?,
        own,
        values: Mutex::new((0..NAMES.len()).map(|_| None).collect()),
        templates: Mutex::new(HashMap::new()),
        scripts: Mutex::new(HashMap::new()),
        warned: Mutex::new(Vec::new()),
        errors: Mutex::new(Vec::new()),
        fixed: fixed(py, &support)?,
        input_type: input::new_type(py)?,
        adapter_type: adapter::new_type(py)?,
        support,
    })
}

fn named<'py>(space: &Bound<'py, PyDict>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    space
        .get_item(name)?
        .ok_or_else(|| pyo3::exceptions::PyNameError::new_err(name.to_owned()))
}

fn support(space: &Bound<'_, PyDict>) -> PyResult<Support> {
    let get = |name| named(space, name).map(Bound::unbind);
    Ok(Support {
        new_errors: get("new_errors")?,
        end_errors: get("end_errors")?,
        expire_errors: get("expire_errors")?,
        file_wrapper: named(space, "FileWrapper")?.cast_into::<PyType>()?.unbind(),
        file_range: get("file_range")?,
        request_timeout: get("RequestTimeout")?,
        load: get("load")?,
        mtime_of: get("mtime_of")?,
        describe: get("describe")?,
        shut_down: get("shut_down")?,
    })
}

/// Entries of every environ whose values never change in this interpreter.
fn fixed(py: Python<'_>, support: &Support) -> PyResult<Vec<(Py<PyString>, Py<PyAny>)>> {
    let options = options();
    let flag = |bit| -> PyResult<Py<PyAny>> {
        Ok(options
            .has(bit)
            .into_pyobject(py)?
            .to_owned()
            .into_any()
            .unbind())
    };
    let version = |version: [u32; 3]| -> PyResult<Py<PyAny>> {
        Ok((version[0], version[1], version[2])
            .into_pyobject(py)?
            .into_any()
            .unbind())
    };
    let zero = 0.0_f64.into_pyobject(py)?.into_any().unbind();
    let entries = [
        (
            "wsgi.version",
            (1, 0).into_pyobject(py)?.into_any().unbind(),
        ),
        ("wsgi.multithread", flag(abi::START_MULTITHREAD)?),
        ("wsgi.multiprocess", flag(abi::START_MULTIPROCESS)?),
        ("wsgi.run_once", flag(abi::START_RUN_ONCE)?),
        (
            "wsgi.input_terminated",
            true.into_pyobject(py)?.to_owned().into_any().unbind(),
        ),
        (
            "wsgi.file_wrapper",
            support.file_wrapper.clone_ref(py).into_any(),
        ),
        ("apache.version", version(options.apache_version)?),
        ("mod_wsgi.version", version(options.wsgi_version)?),
        ("mod_wsgi.queue_start", zero.clone_ref(py)),
        ("mod_wsgi.daemon_start", zero),
    ];
    entries
        .into_iter()
        .map(|(key, value)| Ok((interned(py, key)?, value)))
        .collect()
}

fn options_dict<'py>(py: Python<'py>, application_group: &[u8]) -> PyResult<Bound<'py, PyDict>> {
    let options = options();
    let dict = PyDict::new(py);
    for (key, version) in [
        ("apache_version", options.apache_version),
        ("wsgi_version", options.wsgi_version),
        ("rsgi_version", options.rsgi_version),
    ] {
        dict.set_item(key, (version[0], version[1], version[2]))?;
    }
    let texts = [
        ("process_group", &options.process_group[..]),
        ("application_group", application_group),
        ("description", &options.description),
        ("mpm_name", &options.mpm_name),
        ("build_date", &options.build_date),
    ];
    for (key, text) in texts {
        dict.set_item(key, capi::latin1(py, text)?)?;
    }
    for (key, number) in [
        ("processes", options.processes),
        ("threads", options.threads),
        ("mpm_processes", options.mpm_processes),
        ("mpm_threads", options.mpm_threads),
    ] {
        dict.set_item(key, number)?;
    }
    let bits = [
        ("single_process", abi::START_SINGLE_PROCESS),
        ("restrict_stdin", abi::START_RESTRICT_STDIN),
        ("restrict_stdout", abi::START_RESTRICT_STDOUT),
        ("restrict_signal", abi::START_RESTRICT_SIGNAL),
    ];
    for (key, bit) in bits {
        dict.set_item(key, options.has(bit))?;
    }
    let folders: Vec<_> = options
        .python_path
        .iter()
        .map(|folder| capi::fs_decoded(py, folder))
        .collect::<PyResult<_>>()?;
    dict.set_item("python_path", folders)?;
    Ok(dict)
}

/// An interned str, kept for good.
fn interned(py: Python<'_>, text: &str) -> PyResult<Py<PyString>> {
    let text = CString::new(text)?;
    // SAFETY: attached; a C string.
    let object = unsafe { ffi::PyUnicode_InternFromString(text.as_ptr()) };
    // SAFETY: a new reference or null with an exception.
    let object = unsafe { Bound::from_owned_ptr_or_err(py, object) }?;
    Ok(object.cast_into::<PyString>()?.unbind())
}

fn run(py: Python<'_>, source: &CStr, file: &CStr, space: &Bound<'_, PyDict>) -> PyResult<()> {
    // SAFETY: attached; C strings.
    let code = unsafe { ffi::Py_CompileString(source.as_ptr(), file.as_ptr(), ffi::Py_file_input) };
    // SAFETY: a new reference or null with an exception.
    let code = unsafe { Bound::from_owned_ptr_or_err(py, code) }?;
    // SAFETY: attached; a code object and a dict.
    let result = unsafe { ffi::PyEval_EvalCode(code.as_ptr(), space.as_ptr(), space.as_ptr()) };
    // SAFETY: a new reference or null with an exception.
    unsafe { Bound::from_owned_ptr_or_err(py, result) }.map(drop)
}

/// A Python function of a definition that lives for good.
fn native(py: Python<'_>, method: ffi::PyMethodDef) -> PyResult<Bound<'_, PyAny>> {
    let method = Box::leak(Box::new(method));
    // SAFETY: attached; the definition is leaked.
    let function =
        unsafe { ffi::PyCFunction_NewEx(method, core::ptr::null_mut(), core::ptr::null_mut()) };
    // SAFETY: a new reference or null with an exception.
    unsafe { Bound::from_owned_ptr_or_err(py, function) }
}

fn log_method() -> ffi::PyMethodDef {
    ffi::PyMethodDef {
        ml_name: c"_log".as_ptr(),
        ml_meth: ffi::PyMethodDefPointer {
            PyCFunction: log_line,
        },
        ml_flags: ffi::METH_VARARGS,
        ml_doc: c"Writes one line: (level, bytes).".as_ptr(),
    }
}

unsafe extern "C" fn log_line(
    _module: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    crate::entry::python_call(|py| {
        // SAFETY: CPython passes a tuple, borrowed for the call.
        let arguments = unsafe { Bound::from_borrowed_ptr(py, arguments) };
        let (level, text): (u32, Bound<'_, PyBytes>) = arguments.extract()?;
        log::line(level, text.as_bytes());
        Ok(py.None().into_bound(py))
    })
}
