//! The environ: a template for what requests share, a copy of it, and the request's own entries.

#![deny(unsafe_code)]

use std::time::{SystemTime, UNIX_EPOCH};

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyString, PyTuple};
use rsgi_bridge::abi;
use rsgi_core::name::{NAMES, NameId, id};

use crate::entry::{FieldView, Fields, RequestView};
use crate::interpreter::At;
use crate::kit::{Kit, Recent};
use crate::process::{self, Facts};
use crate::types::RequestObjects;
use crate::{capi, worker};

/// Templates kept in an interpreter; a server has one for each virtual host and mount.
const MOST_TEMPLATES: usize = 256;
/// More entries than a template's table has room for.
const MOST_ROOM: usize = 4096;
/// Spelled keys kept in an interpreter, and the longest of them.
const MOST_SPELLED: usize = 512;
const LONGEST_SPELLED: usize = 64;

/// Makes the environ of a request.
pub(crate) fn build<'py>(
    at: At<'py>,
    request: &RequestView<'_>,
    objects: &RequestObjects,
) -> PyResult<Bound<'py, PyDict>> {
    let (py, kit) = (at.py, at.kit());
    let (number, constants) = request.constants();
    let environ = template(at, number, constants)?.bind(py).copy()?;
    put_all(at, &environ, request.fields())?;
    let own = &kit.own;
    let put = |key: &Py<PyString>, value: &Bound<'py, PyAny>| {
        capi::set_item(&environ, key.bind(py), value)
    };
    put(&own.input, objects.input.bind(py))?;
    put(&own.errors, objects.errors.bind(py))?;
    let scheme = match request.has(abi::REQUEST_HTTPS) {
        true => &kit.values.https,
        false => &kit.values.http,
    };
    put(&own.url_scheme, scheme.bind(py).as_any())?;
    let thread = worker::number().into_pyobject(py)?;
    put(&own.thread_id, thread.as_any())?;
    let [start, queue, daemon] = request.times();
    for (key, time) in own.times.iter().zip([start, queue, daemon, now()]) {
        if time == 0.0 {
            put(key, kit.values.zero.bind(py).as_any())?;
        } else {
            put(key, PyFloat::new(py, time).as_any())?;
        }
    }
    Ok(environ)
}

/// Makes the environ of a question outside of a response: what the host gave, and versions.
pub(crate) fn plain<'py>(at: At<'py>, request: &RequestView<'_>) -> PyResult<Bound<'py, PyDict>> {
    let environ = PyDict::new(at.py);
    put_all(at, &environ, request.constants().1)?;
    put_all(at, &environ, request.fields())?;
    if let Some(facts) = process::facts() {
        put_versions(at.py, &environ, facts)?;
    }
    Ok(environ)
}

/// Microseconds of a time in seconds since the epoch.
pub(crate) fn micros(seconds: f64) -> i64 {
    (seconds * 1e6) as i64
}

/// Seconds since the epoch.
pub(crate) fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

fn template(at: At<'_>, number: u64, constants: Fields<'_>) -> PyResult<Py<PyDict>> {
    let kit = at.kit();
    let known = kit.templates.try_lock().and_then(|templates| {
        let found = templates.iter().find(|(own, _)| *own == number);
        found.map(|(_, template)| template.clone_ref(at.py))
    });
    if let Some(template) = known {
        return Ok(template);
    }
    let template = new_template(at, constants)?.unbind();
    let mut dropped = None;
    if let Some(mut templates) = kit.templates.try_lock() {
        if templates.len() >= MOST_TEMPLATES {
            dropped = Some(templates.remove(0));
        }
        templates.push((number, template.clone_ref(at.py)));
    }
    drop(dropped);
    Ok(template)
}

fn new_template<'py>(at: At<'py>, constants: Fields<'_>) -> PyResult<Bound<'py, PyDict>> {
    let py = at.py;
    let environ = PyDict::new(py);
    put_all(at, &environ, constants)?;
    if let Some(facts) = process::facts() {
        put_facts(at, &environ, facts)?;
    }
    let own = &at.kit().own;
    for key in [&own.input, &own.errors, &own.url_scheme, &own.thread_id]
        .into_iter()
        .chain(&own.times)
    {
        environ.set_item(key, py.None())?;
    }
    make_room(&environ)?;
    Ok(environ)
}

fn put_facts(at: At<'_>, environ: &Bound<'_, PyDict>, facts: &Facts) -> PyResult<()> {
    let py = at.py;
    environ.set_item("wsgi.version", (1, 0))?;
    for (key, flag) in [
        ("wsgi.multithread", abi::START_MULTITHREAD),
        ("wsgi.multiprocess", abi::START_MULTIPROCESS),
        ("wsgi.run_once", abi::START_RUN_ONCE),
    ] {
        environ.set_item(key, PyBool::new(py, facts.has(flag)))?;
    }
    environ.set_item("wsgi.input_terminated", true)?;
    environ.set_item("wsgi.file_wrapper", &at.kit().types.file_wrapper)?;
    put_versions(py, environ, facts)
}

fn put_versions(py: Python<'_>, environ: &Bound<'_, PyDict>, facts: &Facts) -> PyResult<()> {
    environ.set_item("apache.version", PyTuple::new(py, facts.apache_version)?)?;
    environ.set_item("mod_wsgi.version", PyTuple::new(py, facts.wsgi_version)?)
}

/// Makes the table of a template so large that its copies take a request's entries without growing.
///
/// CPython copies the table as it is while at least two thirds of what was ever put into it is still there. An entry that
/// is put in and taken out again uses up room until there is none; then the table is made anew, three times as large as
/// what is left in it, so half as many more are in it then. All keys are strings: others make a table slower for good.
fn make_room(environ: &Bound<'_, PyDict>) -> PyResult<()> {
    let py = environ.py();
    let size = || environ.call_method0("__sizeof__")?.extract::<usize>();
    let spare = |number: usize| PyString::new(py, &format!("mod_rsgi.room.{number}"));
    let extra = (environ.len() / 2).saturating_sub(2);
    for number in 1..=extra {
        environ.set_item(spare(number), py.None())?;
    }
    let before = size()?;
    for _ in 0..MOST_ROOM {
        environ.set_item(spare(0), py.None())?;
        environ.del_item(spare(0))?;
        if size()? != before {
            break;
        }
    }
    for number in 1..=extra {
        environ.del_item(spare(number))?;
    }
    Ok(())
}

fn put_all(at: At<'_>, environ: &Bound<'_, PyDict>, fields: Fields<'_>) -> PyResult<()> {
    // While the lock is held only strings and dict entries are made: nothing that runs Python code. Another thread
    // can hold it only if that is wrong; then there is no cache this time.
    let mut recent = at.kit().recent.try_lock();
    for field in fields.iter() {
        put(at, environ, field, recent.as_deref_mut())?;
    }
    Ok(())
}

fn put(
    at: At<'_>,
    environ: &Bound<'_, PyDict>,
    field: FieldView<'_>,
    recent: Option<&mut Recent>,
) -> PyResult<()> {
    let (py, kit) = (at.py, at.kit());
    let index = field.id as usize;
    if index == 0 || index >= NAMES.len() {
        let key = spelled(at, kit, field.name)?;
        let value = capi::latin1(py, field.value)?;
        return capi::set_item(environ, key.bind(py), value.as_any());
    }
    let key = kit.keys[index].bind(py);
    let Some(recent) = recent.filter(|_| !is_unique(field.id)) else {
        return capi::set_item(environ, key, value(py, field)?.as_any());
    };
    if let Some(known) = recent.find(index, field.value) {
        return capi::set_item(environ, key, known.bind(py).as_any());
    }
    let value = value(py, field)?;
    drop(recent.keep(index, field.value, value.clone().unbind()));
    capi::set_item(environ, key, value.as_any())
}

/// Whether a key's value is another one in each request.
const fn is_unique(key: NameId) -> bool {
    matches!(
        key,
        id::REMOTE_PORT | id::UNIQUE_ID | id::MOD_WSGI_REQUEST_ID | id::MOD_WSGI_CONNECTION_ID
    )
}

fn value<'py>(py: Python<'py>, field: FieldView<'_>) -> PyResult<Bound<'py, PyString>> {
    match field.id {
        id::DOCUMENT_ROOT | id::SCRIPT_FILENAME => capi::path(py, field.value),
        _ => capi::latin1(py, field.value),
    }
}

/// The key object of a name without an id.
fn spelled(at: At<'_>, kit: &Kit, name: &[u8]) -> PyResult<Py<PyString>> {
    let py = at.py;
    let Some(mut known) = kit.spelled.try_lock() else {
        return capi::latin1(py, name).map(Bound::unbind);
    };
    if let Some(key) = known.get(name) {
        return Ok(key.clone_ref(py));
    }
    let key = capi::latin1(py, name)?.unbind();
    if known.len() < MOST_SPELLED && name.len() <= LONGEST_SPELLED {
        known.insert(name.to_vec(), key.clone_ref(py));
    }
    Ok(key)
}
