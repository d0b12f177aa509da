//! The environ: a template for what requests share, a copy of it, and the request's own entries; or a copy of an earlier
//! request's environ, and what differs.

#![deny(unsafe_code)]

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyString, PyTuple};
use rsgi_bridge::abi;
use rsgi_core::name::{NAMES, NameId, id};

use crate::entry::{FieldView, Fields, RequestView};
use crate::interpreter::At;
use crate::kept::{Kept, OwnSet};
use crate::kit::Recent;
use crate::process::{self, Facts};
use crate::shapes::Shape;
use crate::types::RequestObjects;
use crate::{capi, worker};

/// Templates kept in an interpreter; a server has one for each virtual host and mount.
const MOST_TEMPLATES: usize = 256;
/// More entries than a template's table has room for.
const MOST_ROOM: usize = 4096;
/// Longer values are not kept for the requests that follow, in bytes.
const LONGEST_REPEATED: usize = 256;

/// Makes the environ of a request.
pub(crate) fn build<'py>(
    at: At<'py>,
    request: &RequestView<'_>,
    objects: &RequestObjects,
) -> PyResult<Bound<'py, PyDict>> {
    let (number, constants) = request.constants();
    let fields = request.fields();
    if let Some(mut kept) = objects.keeper.take(number, fields) {
        let (environ, stale) = renewed(at, &mut kept, fields)?;
        let changing = put_own(at, request, objects, &environ, stale)?;
        kept.seal(at.py, changing, at.kit().has_dict_versions);
        objects.keeper.set(kept);
        return Ok(environ);
    }
    let Some(shape) = at.kit().shapes.find(number, fields) else {
        let environ = unknown(at, (number, constants), fields)?;
        put_own(at, request, objects, &environ, FRESH)?;
        return Ok(environ);
    };
    let environ = shaped(at, &shape, fields)?;
    let changing = put_own(at, request, objects, &environ, FRESH)?;
    if objects.keeper.is_wanted(&shape) {
        let own = (|key: &Bound<'_, PyAny>| own_bit(at, key), changing);
        if let Some(mut kept) = Kept::new(shape, &environ, fields, own, is_repeated) {
            kept.seal(at.py, changing, at.kit().has_dict_versions);
            objects.keeper.set(kept);
        }
    }
    Ok(environ)
}

/// The layer's own entries as bits: times follow in order.
const INPUT: OwnSet = 1;
const ERRORS: OwnSet = 2;
const SCHEME: OwnSet = 4;
const THREAD: OwnSet = 8;
const FIRST_TIME: OwnSet = 16;
/// What a copy of a template lacks: that has zeros for times.
const FRESH: OwnSet = INPUT | ERRORS | SCHEME | THREAD;

fn own_bit(at: At<'_>, key: &Bound<'_, PyAny>) -> Option<OwnSet> {
    let own = &at.kit().own;
    let [start, queue, daemon, application] = &own.times;
    let keys = [
        &own.input,
        &own.errors,
        &own.url_scheme,
        &own.thread_id,
        start,
        queue,
        daemon,
        application,
    ];
    let place = keys.iter().position(|own| key.is(*own))?;
    Some(1 << place)
}

/// Sets the layer's own entries: `wanted` and whatever changes from request to request. Gives back which the next request
/// cannot have as they are.
fn put_own<'py>(
    at: At<'py>,
    request: &RequestView<'_>,
    objects: &RequestObjects,
    environ: &Bound<'py, PyDict>,
    wanted: OwnSet,
) -> PyResult<OwnSet> {
    let (py, kit) = (at.py, at.kit());
    let own = &kit.own;
    let put = |key: &Py<PyString>, value: &Bound<'py, PyAny>| {
        capi::set_item(environ, key.bind(py), value)
    };
    if wanted & INPUT != 0 {
        put(&own.input, objects.input.bind(py))?;
    }
    if wanted & ERRORS != 0 {
        put(&own.errors, objects.errors.bind(py))?;
    }
    let mut changing = THREAD;
    let is_https = request.has(abi::REQUEST_HTTPS);
    if is_https {
        // The rule is that there is none here.
        changing |= SCHEME;
    }
    if is_https || wanted & SCHEME != 0 {
        let scheme = match is_https {
            true => &kit.values.https,
            false => &kit.values.http,
        };
        put(&own.url_scheme, scheme.bind(py).as_any())?;
    }
    let thread = worker::number().into_pyobject(py)?;
    put(&own.thread_id, thread.as_any())?;
    let [start, queue, daemon] = request.times();
    let times = [start, queue, daemon, now()];
    for (place, (key, time)) in own.times.iter().zip(times).enumerate() {
        let bit = FIRST_TIME << place;
        if time != 0.0 {
            put(key, PyFloat::new(py, time).as_any())?;
            changing |= bit;
        } else if wanted & bit != 0 {
            put(key, kit.values.zero.bind(py).as_any())?;
        }
    }
    Ok(changing)
}

/// A kept environ with the request's entries, and which of the layer's own are to be set.
fn renewed<'py>(
    at: At<'py>,
    kept: &mut Kept,
    fields: Fields<'_>,
) -> PyResult<(Bound<'py, PyDict>, OwnSet)> {
    let mut recent = at.kit().recent.try_lock();
    let put = |environ: &Bound<'py, PyDict>, field: FieldView<'_>| {
        put(at, environ, field, recent.as_deref_mut())
    };
    kept.renew(at.py, fields, put, is_repeated)
}

/// An environ with the request's entries, made of an earlier one.
fn shaped<'py>(
    at: At<'py>,
    shape: &Arc<Shape>,
    fields: Fields<'_>,
) -> PyResult<Bound<'py, PyDict>> {
    let mut recent = at.kit().recent.try_lock();
    let environ = shape.environ(at.py, fields, |environ, field| {
        put(at, environ, field, recent.as_deref_mut()).map(drop)
    })?;
    drop(recent);
    if shape.is_outdated() {
        at.kit().shapes.forget(shape);
    }
    Ok(environ)
}

/// An environ with the request's entries, of which none was made before, or not lately.
fn unknown<'py>(
    at: At<'py>,
    (number, constants): (u64, Fields<'_>),
    fields: Fields<'_>,
) -> PyResult<Bound<'py, PyDict>> {
    let environ = template(at, number, constants)?.bind(at.py).copy()?;
    let before = environ.len();
    put_all(at, &environ, fields)?;
    // Every entry has a key of its own: no two of them, nor one and a constant, mean the same.
    let is_plain = environ.len() == before + fields.len();
    if is_plain && at.kit().shapes.is_wanted(fields) {
        let like = environ.copy()?;
        // What each request sets anew is not to be kept for nothing.
        for field in fields.iter().filter(|field| !is_repeated(field)) {
            capi::set_item(&like, key(at, field)?.bind(at.py), at.py.None().bind(at.py))?;
        }
        let shape = Shape::new(number, fields, like.unbind(), is_repeated);
        drop(at.kit().shapes.keep(shape));
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
    for key in [&own.input, &own.errors, &own.url_scheme, &own.thread_id] {
        environ.set_item(key, py.None())?;
    }
    for key in &own.times {
        environ.set_item(key, &at.kit().values.zero)?;
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

fn put<'py>(
    at: At<'py>,
    environ: &Bound<'py, PyDict>,
    field: FieldView<'_>,
    recent: Option<&mut Recent>,
) -> PyResult<Bound<'py, PyString>> {
    let py = at.py;
    let key = key(at, field)?;
    let key = key.bind(py);
    let value = match recent.filter(|_| has_id(field) && !is_unique(field.id)) {
        None => value(py, field)?,
        Some(recent) => {
            let index = field.id as usize;
            match recent.find(index, field.value) {
                Some(known) => known.bind(py).clone(),
                None => {
                    let value = value(py, field)?;
                    drop(recent.keep(index, field.value, value.clone().unbind()));
                    value
                }
            }
        }
    };
    capi::set_item(environ, key, value.as_any())?;
    Ok(value)
}

fn has_id(field: FieldView<'_>) -> bool {
    field.id != 0 && (field.id as usize) < NAMES.len()
}

/// The key object of an entry.
fn key(at: At<'_>, field: FieldView<'_>) -> PyResult<Py<PyString>> {
    if has_id(field) {
        return Ok(at.kit().keys[field.id as usize].clone_ref(at.py));
    }
    at.kit().spelled(at.py, field.name)
}

/// Whether a value may well be that of another request, too.
fn is_repeated(field: &FieldView<'_>) -> bool {
    field.value.len() <= LONGEST_REPEATED && !is_unique(field.id)
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
