//! The environ of a request (PEP 3333, "environ Variables"): a copied template, and the request's own entries.
#![deny(unsafe_code)]

use core::cell::Cell;
use core::sync::atomic::{AtomicU32, Ordering};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyString};
use rsgi_bridge::abi;
use rsgi_core::name::{NameId, id};

use crate::capi::{fs_decoded, latin1, set_item};
use crate::entry::RequestView;
use crate::types::Objects;

/// Most templates that an interpreter keeps.
const TEMPLATES: usize = 256;
/// Entries that a template is grown for, so that its copies need not be.
const ROOM: usize = 84;
/// Longest value that is remembered for the next request.
const REMEMBERED: usize = 512;

/// Makes the environ, but for `wsgi.input` and `wsgi.errors`.
///
/// # Errors
/// Out of memory.
pub(crate) fn environ<'py>(
    py: Python<'py>,
    objects: &Objects,
    request: &RequestView<'_>,
) -> PyResult<Bound<'py, PyDict>> {
    let environ = template(py, objects, request)?.copy()?;
    {
        let mut values = objects.values.lock();
        for (id, name, value) in request.fields() {
            if id == 0 {
                environ.set_item(latin1(py, name)?, latin1(py, value)?)?;
            } else if let Some(key) = objects.keys.get(id as usize) {
                let value = known_value(py, &mut values[id as usize], id, value)?;
                set_item(&environ, key, &value)?;
            }
        }
    }
    let own = &objects.own;
    let scheme = if request.has(abi::REQUEST_HTTPS) {
        &own.https
    } else {
        &own.http
    };
    set_item(&environ, &own.url_scheme, scheme.bind(py))?;
    set_item(
        &environ,
        &own.thread_id,
        thread_id().into_pyobject(py)?.as_any(),
    )?;
    set_item(&environ, &own.request_start, &seconds(py, request.start()))?;
    let (queued, taken) = request.daemon_times();
    if queued != 0 {
        set_item(&environ, &own.queue_start, &seconds(py, queued))?;
        set_item(&environ, &own.daemon_start, &seconds(py, taken))?;
    }
    set_item(&environ, &own.application_start, &seconds(py, now()))?;
    Ok(environ)
}

/// The value of a well-known key: the last request's object when it was the same.
fn known_value<'py>(
    py: Python<'py>,
    last: &mut Option<(Vec<u8>, Py<PyAny>)>,
    key: NameId,
    value: &[u8],
) -> PyResult<Bound<'py, PyAny>> {
    if let Some((bytes, object)) = last
        && bytes.as_slice() == value
    {
        return Ok(object.bind(py).clone());
    }
    let object = decoded(py, key, value)?.into_any();
    if value.len() <= REMEMBERED {
        *last = Some((value.to_vec(), object.clone().unbind()));
    }
    Ok(object)
}

fn decoded<'py>(py: Python<'py>, key: NameId, value: &[u8]) -> PyResult<Bound<'py, PyString>> {
    if key == id::DOCUMENT_ROOT || key == id::SCRIPT_FILENAME {
        fs_decoded(py, value)
    } else {
        latin1(py, value)
    }
}

/// The entries that the request shares with others, as a dict with room for the rest.
fn template<'py>(
    py: Python<'py>,
    objects: &Objects,
    request: &RequestView<'_>,
) -> PyResult<Bound<'py, PyDict>> {
    let Some((number, constants)) = request.constants() else {
        return fixed(py, objects);
    };
    if let Some(known) = objects.templates.lock().get(&number) {
        return Ok(known.bind(py).clone());
    }
    let template = fixed(py, objects)?;
    for (id, name, value) in constants {
        match objects.keys.get(id as usize).filter(|_| id != 0) {
            Some(key) => set_item(&template, key, decoded(py, id, value)?.as_any())?,
            None => template.set_item(latin1(py, name)?, latin1(py, value)?)?,
        }
    }
    // A dict keeps the size it has grown to, and its copies get it, as long as most of it is used.
    let used = template.len();
    let fillers = ROOM.saturating_sub(used).min(used / 2);
    for filler in 0..fillers {
        template.set_item(filler, py.None())?;
    }
    for filler in 0..fillers {
        template.del_item(filler)?;
    }
    let mut templates = objects.templates.lock();
    if templates.len() >= TEMPLATES {
        templates.clear();
    }
    templates.insert(number, template.clone().unbind());
    Ok(template)
}

fn fixed<'py>(py: Python<'py>, objects: &Objects) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (key, value) in &objects.fixed {
        set_item(&dict, key, value.bind(py))?;
    }
    Ok(dict)
}

fn seconds(py: Python<'_>, microseconds: i64) -> Bound<'_, PyAny> {
    PyFloat::new(py, microseconds as f64 / 1e6).into_any()
}

/// Microseconds since the epoch.
fn now() -> i64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// The number of this thread among those that served requests, from 1.
fn thread_id() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    thread_local! {
        static MINE: Cell<u32> = const { Cell::new(0) };
    }
    if MINE.get() == 0 {
        MINE.set(NEXT.fetch_add(1, Ordering::Relaxed));
    }
    MINE.get()
}
