//! `mod_wsgi.Input`: `wsgi.input` (PEP 3333, "Input and Error Streams"), a heap type of its interpreter.

use core::ffi::{c_int, c_void};
use core::ptr;

use pyo3::exceptions::{PyOSError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple, PyType};
use rsgi_bridge::abi;
use rsgi_core::input::Source;

use super::Objects;
use super::running::{self, Running};
use crate::entry::{HostCalls, python_call};
use crate::interpreter::detached;

/// # Invariants
/// `running` is null or a request that has not ended.
#[repr(C)]
struct Input {
    base: ffi::PyObject,
    running: *mut Running,
}

/// The host's part of the body, read without the GIL.
struct HostSource<'py> {
    py: Python<'py>,
    host: HostCalls,
}

impl Source for HostSource<'_> {
    type Error = isize;

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, isize> {
        let host = self.host;
        let result = detached(self.py, || host.read(buffer));
        usize::try_from(result).map_err(|_| result)
    }
}

/// What a failed read says; the prefix is mod_wsgi's.
fn failure(code: isize) -> &'static str {
    match code {
        abi::READ_GONE => "mod_wsgi request data read error: the client closed the connection",
        abi::READ_TIMEOUT => "mod_wsgi request data read error: the client was too slow",
        abi::READ_TOO_LARGE => {
            "mod_wsgi request data read error: the request body is larger than LimitRequestBody"
        }
        abi::READ_BAD => {
            "mod_wsgi request data read error: the framing of the request body is broken"
        }
        _ => "mod_wsgi request data read error: the request body cannot be read",
    }
}

/// Makes the type in the interpreter that is attached.
pub(super) fn new_type(py: Python<'_>) -> PyResult<Py<PyType>> {
    let methods = Box::leak(Box::new([
        super::method(
            c"read",
            read,
            c"read([size]): exactly size bytes, fewer at the end; all without a size.",
        ),
        super::method(
            c"readline",
            readline,
            c"readline([size]): one line, at most size bytes of it.",
        ),
        super::method(
            c"readlines",
            readlines,
            c"readlines([hint]): the lines, until hint bytes are reached.",
        ),
        super::method(c"close", close, c"Does nothing: the body is the server's."),
        super::method_end(),
    ]));
    let slots: [(c_int, *mut c_void); 5] = [
        (ffi::Py_tp_methods, methods.as_mut_ptr().cast()),
        (
            ffi::Py_tp_iter,
            this as unsafe extern "C" fn(_) -> _ as *mut c_void,
        ),
        (
            ffi::Py_tp_iternext,
            next as unsafe extern "C" fn(_) -> _ as *mut c_void,
        ),
        (
            ffi::Py_tp_dealloc,
            super::dealloc as unsafe extern "C" fn(_) as *mut c_void,
        ),
        (
            ffi::Py_tp_doc,
            c"The request body.".as_ptr().cast_mut().cast(),
        ),
    ];
    super::heap_type(py, c"mod_wsgi.Input", size_of::<Input>(), &slots)
}

/// The stream for a request.
///
/// # Safety
/// `running` outlives the call of [`end_input`] for the object.
pub(crate) unsafe fn new_input<'py>(
    py: Python<'py>,
    objects: &Objects,
    running: *mut Running,
) -> PyResult<Bound<'py, PyAny>> {
    let object = super::instance(py, &objects.input_type)?;
    // SAFETY: an instance of our type.
    unsafe { (*object.as_ptr().cast::<Input>()).running = running };
    Ok(object)
}

/// Takes the request away from the stream.
pub(crate) fn end_input(object: &Bound<'_, PyAny>) {
    // SAFETY: only called with what `new_input` made.
    unsafe { (*object.as_ptr().cast::<Input>()).running = ptr::null_mut() };
}

/// The size argument: none for "all".
fn size(arguments: &Bound<'_, PyTuple>, name: &str) -> PyResult<Option<usize>> {
    match arguments.len() {
        0 => Ok(None),
        1 => {
            let size = arguments.get_item(0)?;
            if size.is_instance_of::<pyo3::types::PyInt>() {
                // Larger than any length: as much as there is.
                Ok(size
                    .extract::<i64>()
                    .map_or(None, |size| usize::try_from(size).ok()))
            } else {
                Err(PyTypeError::new_err(format!(
                    "{name}() takes an int as its size, not {}",
                    size.get_type().name()?
                )))
            }
        }
        count => Err(PyTypeError::new_err(format!(
            "{name}() takes at most 1 argument ({count} given)"
        ))),
    }
}

/// Runs one read on the request behind `object`.
fn on_request<'py, R>(
    py: Python<'py>,
    object: *mut ffi::PyObject,
    read: impl FnOnce(&mut Running, &mut HostSource<'py>) -> Result<R, isize>,
) -> PyResult<R> {
    // SAFETY: a method of our type gets an instance of it.
    let running = unsafe { (*object.cast::<Input>()).running };
    // SAFETY: null or live (type invariant); attached.
    unsafe {
        running::with(running, |running| {
            if let Some(text) = running.read_failed {
                return Err(PyOSError::new_err(format!(
                    "{text} (already in error state)"
                )));
            }
            running.was_read = true;
            let mut source = HostSource {
                py,
                host: running.host,
            };
            read(running, &mut source).map_err(|code| {
                let text = failure(code);
                running.read_failed = Some(text);
                PyOSError::new_err(text)
            })
        })
    }
}

/// The arguments of a METH_VARARGS call.
fn arguments(py: Python<'_>, raw: *mut ffi::PyObject) -> PyResult<Bound<'_, PyTuple>> {
    // SAFETY: CPython passes a tuple, borrowed for the call.
    let tuple = unsafe { Bound::from_borrowed_ptr(py, raw) };
    Ok(tuple.cast_into::<PyTuple>()?)
}

fn line<'py>(
    py: Python<'py>,
    object: *mut ffi::PyObject,
    size: Option<usize>,
) -> PyResult<Bound<'py, PyBytes>> {
    let line = on_request(py, object, |running, source| {
        running.reader.read_line(source, size)
    })?;
    Ok(PyBytes::new(py, &line))
}

unsafe extern "C" fn read(
    object: *mut ffi::PyObject,
    raw: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    python_call(|py| {
        let size = size(&arguments(py, raw)?, "read")?;
        let data = on_request(py, object, |running, source| {
            if size == Some(0) && !running.was_read {
                // mod_wsgi: the first read of nothing makes Apache send 100 Continue.
                return source
                    .read(&mut [0; 0])
                    .map(|_| Vec::new())
                    .or(Ok(Vec::new()));
            }
            running.reader.read(source, size)
        })?;
        Ok(PyBytes::new(py, &data).into_any())
    })
}

unsafe extern "C" fn readline(
    object: *mut ffi::PyObject,
    raw: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    python_call(|py| {
        let size = size(&arguments(py, raw)?, "readline")?;
        Ok(line(py, object, size)?.into_any())
    })
}

unsafe extern "C" fn readlines(
    object: *mut ffi::PyObject,
    raw: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    python_call(|py| {
        let hint = size(&arguments(py, raw)?, "readlines")?.filter(|&hint| hint > 0);
        let lines = pyo3::types::PyList::empty(py);
        let mut total = 0;
        while hint.is_none_or(|hint| total < hint) {
            let line = line(py, object, None)?;
            let length = line.as_bytes().len();
            if length == 0 {
                break;
            }
            total += length;
            lines.append(line)?;
        }
        Ok(lines.into_any())
    })
}

unsafe extern "C" fn close(
    _object: *mut ffi::PyObject,
    _arguments: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    python_call(|py| Ok(py.None().into_bound(py)))
}

unsafe extern "C" fn this(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: attached; a live object.
    unsafe { ffi::Py_NewRef(object) }
}

unsafe extern "C" fn next(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    python_call(|py| {
        let line = line(py, object, None)?;
        if line.as_bytes().is_empty() {
            Err(pyo3::exceptions::PyStopIteration::new_err(()))
        } else {
            Ok(line.into_any())
        }
    })
}
