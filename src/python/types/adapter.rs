//! `mod_wsgi.Adapter`: `start_response` and `write` of one request (PEP 3333, "The start_response() Callable").

use core::ffi::{c_int, c_void};
use core::ptr;

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple, PyType};
use rsgi_bridge::abi::level;
use rsgi_core::header::{ErrorClass, HeadError, HeaderKind, check_header, parse_status};

use super::Objects;
use super::running::{self, Head, Running, Sent};
use crate::capi::to_latin1;
use crate::entry::python_call;

/// # Invariants
/// `running` is null or a request that has not ended.
#[repr(C)]
struct Adapter {
    base: ffi::PyObject,
    running: *mut Running,
}

/// Makes the type in the interpreter that is attached.
pub(super) fn new_type(py: Python<'_>) -> PyResult<Py<PyType>> {
    let methods = Box::leak(Box::new([
        super::method(
            c"start_response",
            start_response,
            c"start_response(status, headers[, exc_info]) -> write",
        ),
        super::method(c"write", write, c"write(bytes): sends a block of the body."),
        super::method_end(),
    ]));
    let slots: [(c_int, *mut c_void); 3] = [
        (ffi::Py_tp_methods, methods.as_mut_ptr().cast()),
        (
            ffi::Py_tp_dealloc,
            super::dealloc as unsafe extern "C" fn(_) as *mut c_void,
        ),
        (
            ffi::Py_tp_doc,
            c"The server's side of one request."
                .as_ptr()
                .cast_mut()
                .cast(),
        ),
    ];
    super::heap_type(py, c"mod_wsgi.Adapter", size_of::<Adapter>(), &slots)
}

/// The adapter of a request; its `start_response` is given to the application.
///
/// # Safety
/// `running` outlives the call of [`end_adapter`] for the object.
pub(crate) unsafe fn new_adapter<'py>(
    py: Python<'py>,
    objects: &Objects,
    running: *mut Running,
) -> PyResult<Bound<'py, PyAny>> {
    let object = super::instance(py, &objects.adapter_type)?;
    // SAFETY: an instance of our type.
    unsafe { (*object.as_ptr().cast::<Adapter>()).running = running };
    Ok(object)
}

/// Takes the request away from the adapter.
pub(crate) fn end_adapter(object: &Bound<'_, PyAny>) {
    // SAFETY: only called with what `new_adapter` made.
    unsafe { (*object.as_ptr().cast::<Adapter>()).running = ptr::null_mut() };
}

fn request(object: *mut ffi::PyObject) -> *mut Running {
    // SAFETY: a method of our type gets an instance of it.
    unsafe { (*object.cast::<Adapter>()).running }
}

fn arguments(py: Python<'_>, raw: *mut ffi::PyObject) -> PyResult<Bound<'_, PyTuple>> {
    // SAFETY: CPython passes a tuple, borrowed for the call.
    let tuple = unsafe { Bound::from_borrowed_ptr(py, raw) };
    Ok(tuple.cast_into::<PyTuple>()?)
}

unsafe extern "C" fn start_response(
    object: *mut ffi::PyObject,
    raw: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    python_call(|py| {
        let arguments = arguments(py, raw)?;
        if !(2..=3).contains(&arguments.len()) {
            return Err(PyTypeError::new_err(format!(
                "start_response() takes 2 or 3 positional arguments ({} given)",
                arguments.len()
            )));
        }
        // SAFETY: null or live (type invariant); attached.
        unsafe { running::with(request(object), |running| start(py, running, &arguments)) }?;
        // SAFETY: attached; the object that the method was called on.
        let adapter = unsafe { Bound::from_borrowed_ptr(py, object) };
        adapter.getattr("write")
    })
}

fn start(py: Python<'_>, running: &mut Running, arguments: &Bound<'_, PyTuple>) -> PyResult<()> {
    let status = arguments.get_item(0)?;
    let headers = arguments.get_item(1)?;
    let headers = headers.cast::<PyList>().map_err(|_| {
        PyTypeError::new_err(format!(
            "start_response() argument 2 must be list, not {}",
            type_name(&headers)
        ))
    })?;
    let exc_info = arguments
        .get_item(2)
        .ok()
        .filter(|exc_info| !exc_info.is_none());
    if let Some(exc_info) = &exc_info
        && !exc_info.is_instance_of::<PyTuple>()
    {
        return Err(PyRuntimeError::new_err("exception info must be a tuple"));
    }
    if running.is_committed {
        return Err(match &exc_info {
            Some(exc_info) => reraise(py, exc_info)?,
            None => PyRuntimeError::new_err("headers have already been sent"),
        });
    }
    let head = validate(&status, headers).map_err(|refused| refused.into_error())?;
    if running.head.is_some() && exc_info.is_none() {
        warn_once(running);
    }
    running.head = Some(head);
    Ok(())
}

/// PEP 3333 calls a second call without exc_info fatal; mod_wsgi lets it pass before any output.
fn warn_once(running: &Running) {
    let mut warned = running.objects.warned.lock();
    if !warned.contains(&running.script) {
        warned.push(running.script.clone());
        let text = format!(
            "RSGI0305: the application in '{}' called start_response twice without exc_info; the later call counts",
            String::from_utf8_lossy(&running.script)
        );
        running.host.log(level::WARN, text.as_bytes());
    }
}

/// The exception of an exc_info tuple.
fn reraise(py: Python<'_>, exc_info: &Bound<'_, PyAny>) -> PyResult<PyErr> {
    let (class, value, trace): (Bound<'_, PyAny>, Bound<'_, PyAny>, Bound<'_, PyAny>) =
        exc_info.extract().map_err(|_| {
            PyTypeError::new_err("exception info must be a tuple of type, value and traceback")
        })?;
    let value = if value.is_none() {
        class.call0()?
    } else {
        value
    };
    if !trace.is_none() {
        value.call_method1("with_traceback", (trace,))?;
    }
    let _ = py;
    Ok(PyErr::from_value(value))
}

/// A refusal: ours, or Python's own (a str that latin-1 cannot hold).
enum Refused {
    Head(HeadError),
    Python(PyErr),
}

impl Refused {
    fn into_error(self) -> PyErr {
        match self {
            Self::Python(error) => error,
            Self::Head(error) => match error.class() {
                ErrorClass::Type => PyTypeError::new_err(error.to_string()),
                ErrorClass::Value => PyValueError::new_err(error.to_string()),
            },
        }
    }
}

impl From<HeadError> for Refused {
    fn from(error: HeadError) -> Self {
        Self::Head(error)
    }
}

impl From<PyErr> for Refused {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

fn type_name(object: &Bound<'_, PyAny>) -> String {
    object
        .get_type()
        .name()
        .map_or_else(|_| "object".to_owned(), |name| name.to_string())
}

fn validate(status: &Bound<'_, PyAny>, headers: &Bound<'_, PyList>) -> Result<Head, Refused> {
    let status = status
        .cast::<PyString>()
        .map_err(|_| HeadError::StatusType)?;
    let line = to_latin1(status)?;
    let mut head = Head {
        status: parse_status(&line)?,
        line,
        headers: Vec::with_capacity(headers.len()),
        declared: None,
    };
    for item in headers {
        let item = item
            .cast::<PyTuple>()
            .map_err(|_| HeadError::ItemType(type_name(&item)))?;
        if item.len() != 2 {
            return Err(HeadError::ItemLength(item.len()).into());
        }
        let (name, value) = (item.get_item(0)?, item.get_item(1)?);
        let name = to_latin1(name.cast::<PyString>().map_err(|_| HeadError::NameType)?)?;
        let value = to_latin1(value.cast::<PyString>().map_err(|_| HeadError::ValueType)?)?;
        match (check_header(&name, &value)?, head.declared) {
            (HeaderKind::Other, _) => head.headers.push((name, value)),
            (HeaderKind::ContentLength(length), Some(before)) if before != length => {
                return Err(HeadError::ContentLengths(before, length).into());
            }
            (HeaderKind::ContentLength(length), _) => head.declared = Some(length),
        }
    }
    Ok(head)
}

unsafe extern "C" fn write(
    object: *mut ffi::PyObject,
    raw: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    python_call(|py| {
        let arguments = arguments(py, raw)?;
        if arguments.len() != 1 {
            return Err(PyTypeError::new_err(format!(
                "write() takes exactly 1 argument ({} given)",
                arguments.len()
            )));
        }
        let block = arguments.get_item(0)?;
        let block = block.cast::<PyBytes>().map_err(|_| {
            PyTypeError::new_err(format!(
                "byte string value expected, value of type {} found",
                type_name(&block)
            ))
        })?;
        // SAFETY: null or live (type invariant); attached.
        let sent = unsafe {
            running::with(request(object), |running| {
                running.send_block(py, block.as_bytes())
            })
        }?;
        match sent {
            Sent::Ok => Ok(py.None().into_bound(py)),
            Sent::Gone => Err(PyOSError::new_err(
                "Apache/mod_wsgi client connection closed.",
            )),
            Sent::Failed => Err(PyOSError::new_err(
                "Apache/mod_wsgi failed to write response data.",
            )),
        }
    })
}
