//! `start_response` and `write` of PEP 3333.

#![deny(unsafe_code)]

use std::collections::BTreeSet;

use parking_lot::Mutex;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};
use rsgi_bridge::abi::level;
use rsgi_core::header::{HeadBuffer, HeaderError};

use crate::capi;
use crate::exchange::{Exchange, Refusal, Startable};

/// What methods say when the request that they belong to is over.
pub(crate) const OVER: &str = "the request that this object belongs to is over";

/// Takes status and headers; true when it was called before, without an exception to replace the first ones.
pub(crate) fn start_response<'py>(
    exchange: &Exchange,
    status: &Bound<'py, PyAny>,
    headers: &Bound<'py, PyAny>,
    exc_info: Option<&Bound<'py, PyAny>>,
) -> PyResult<bool> {
    let py = status.py();
    let Ok(headers) = headers.cast::<PyList>() else {
        return Err(PyTypeError::new_err(format!(
            "the headers of a response must be a list, not {}",
            capi::type_name(headers)
        )));
    };
    let exc_info = exc_info.filter(|given| !given.is_none());
    let exc_info = exc_info
        .map(|given| {
            given.cast::<PyTuple>().map_err(|_| {
                PyRuntimeError::new_err("exc_info must be None or the tuple of sys.exc_info()")
            })
        })
        .transpose()?;
    let (is_again, mut head) = match exchange.startable(py) {
        Startable::Sealed => return Err(PyRuntimeError::new_err(OVER)),
        Startable::Committed => return Err(after_commit(exc_info)),
        Startable::Yes { is_again, spare } => (is_again, spare),
    };
    let filled = fill(&mut head, status, headers);
    exchange.give_back(py, head, filled.is_ok());
    filled?;
    Ok(is_again && exc_info.is_none())
}

/// Says, once a script, that PEP 3333 forbids a second call without exc_info.
pub(crate) fn warn_of_second_start(exchange: &Exchange) {
    static WARNED: Mutex<BTreeSet<Vec<u8>>> = Mutex::new(BTreeSet::new());
    let script = exchange.script();
    let line = format!(
        "RSGI0214: '{}' called start_response a second time without exc_info: the second call counts, but PEP 3333 \
         forbids it.",
        String::from_utf8_lossy(&script)
    );
    if WARNED.lock().insert(script) {
        exchange.log(level::WARN, line.as_bytes());
    }
}

/// The error of a call that comes after the headers went out.
fn after_commit(exc_info: Option<&Bound<'_, PyTuple>>) -> PyErr {
    let Some(exc_info) = exc_info else {
        return PyRuntimeError::new_err(
            "start_response was called again after the headers were sent",
        );
    };
    let parts = exc_info
        .extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>, Bound<'_, PyAny>)>()
        .map_err(|_| PyTypeError::new_err("exc_info must have three items"));
    match parts {
        Ok((kind, value, traceback)) => {
            raised(&kind, value, &traceback).unwrap_or_else(|error| error)
        }
        Err(error) => error,
    }
}

fn raised<'py>(
    kind: &Bound<'py, PyAny>,
    value: Bound<'py, PyAny>,
    traceback: &Bound<'py, PyAny>,
) -> PyResult<PyErr> {
    let value = if value.is_none() {
        kind.call0()?
    } else {
        value
    };
    if !traceback.is_none() {
        value.setattr("__traceback__", traceback)?;
    }
    Ok(PyErr::from_value(value))
}

fn refused(error: &HeaderError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

fn fill(
    head: &mut HeadBuffer,
    status: &Bound<'_, PyAny>,
    headers: &Bound<'_, PyList>,
) -> PyResult<()> {
    capi::with_latin1(status, "the status of a response", |line| head.begin(line))?
        .map_err(|error| refused(&error))?;
    for item in headers.iter() {
        let Ok(pair) = item.cast::<PyTuple>() else {
            return Err(PyTypeError::new_err(format!(
                "each header of a response must be a tuple, not {}",
                capi::type_name(&item)
            )));
        };
        if pair.len() != 2 {
            return Err(PyValueError::new_err(
                "each header of a response must be a tuple of name and value",
            ));
        }
        let (name, value) = (pair.get_item(0)?, pair.get_item(1)?);
        capi::with_latin1(&name, "a header's name", |name| {
            capi::with_latin1(&value, "a header's value", |value| head.push(name, value))
        })??
        .map_err(|error| refused(&error))?;
    }
    Ok(())
}

/// Sends a block for `write()`.
pub(crate) fn write(exchange: &Exchange, block: &Bound<'_, PyAny>) -> PyResult<()> {
    let Ok(bytes) = block.cast::<PyBytes>() else {
        return Err(not_bytes(block));
    };
    exchange.emit(block.py(), bytes.as_bytes()).map_err(refusal)
}

/// The error for a block that is no bytes.
pub(crate) fn not_bytes(block: &Bound<'_, PyAny>) -> PyErr {
    PyTypeError::new_err(format!(
        "a response must be made of bytes, not {}",
        capi::type_name(block)
    ))
}

/// The error for an application that ends without `return`.
pub(crate) fn nothing() -> PyErr {
    PyTypeError::new_err("the application returned None, not an iterable of bytes")
}

/// Why nothing can be sent, as an exception.
pub(crate) fn refusal(refusal: Refusal) -> PyErr {
    match refusal {
        Refusal::Sealed => PyRuntimeError::new_err(OVER),
        Refusal::NotStarted => PyRuntimeError::new_err(
            "the application gave its response before it called start_response",
        ),
        Refusal::Gone => PyOSError::new_err("the client closed the connection"),
        Refusal::Failed => PyOSError::new_err("the response cannot be sent"),
    }
}
