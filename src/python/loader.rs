//! Scripts as modules: loaded once, looked at for changes, loaded again.
#![deny(unsafe_code)]

use parking_lot::{Mutex, MutexGuard};
use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt};
use rsgi_bridge::abi::level;
use rsgi_core::script::module_name;

use crate::capi::{fs_decoded, latin1};
use crate::entry::TargetView;
use crate::interpreter::{self, detached};
use crate::options::options;
use crate::types::{self, Objects};
use crate::{handler, log};

/// Held while a script is loaded: two first requests load it once.
static LOADING: Mutex<()> = Mutex::new(());

/// Loads a script ahead of requests; whether it could be loaded. The caller is detached.
pub(crate) fn load_ahead(target: &TargetView<'_>) -> bool {
    let made = interpreter::of_group(target.application_group, |py| {
        types::make(py, target.application_group)
    });
    let interpreter = match made {
        Ok(interpreter) => interpreter,
        Err(reason) => {
            log::process(level::ERROR, format!("RSGI0103: {reason}").as_bytes());
            return false;
        }
    };
    interpreter::enter(interpreter, |py| match interpreter.objects() {
        Some(objects) => module(py, objects, target).is_some(),
        None => false,
    })
}

/// The namespace of a script's module, loaded or loaded again if need be; `None` when that failed, which was logged.
pub(crate) fn module<'py>(
    py: Python<'py>,
    objects: &Objects,
    target: &TargetView<'_>,
) -> Option<Bound<'py, PyDict>> {
    if let Some(known) = known(py, objects, target.script)
        && !is_stale(py, objects, &known, target)
    {
        return Some(known);
    }
    // Waiting for another thread's load with the GIL held would stop that thread.
    let _loading: MutexGuard<'_, ()> = match LOADING.try_lock() {
        Some(guard) => guard,
        None => detached(py, || LOADING.lock()),
    };
    let before = known(py, objects, target.script);
    if let Some(known) = &before
        && !is_stale(py, objects, known, target)
    {
        return before;
    }
    let verb = if before.is_some() {
        "Reloading"
    } else {
        "Loading"
    };
    let script = String::from_utf8_lossy(target.script);
    log::line(
        level::INFO,
        format!("{verb} Python script file '{script}'.").as_bytes(),
    );
    objects.scripts.lock().remove(target.script);
    match load(py, objects, target) {
        Ok(namespace) => {
            objects
                .scripts
                .lock()
                .insert(target.script.to_vec(), namespace.clone().unbind());
            Some(namespace)
        }
        Err(error) => {
            let number = if error.is_instance_of::<PySystemExit>(py) {
                "RSGI0107"
            } else {
                "RSGI0109"
            };
            handler::log_exception(
                py,
                objects,
                &error,
                &format!("{number}: the script '{script}' cannot be loaded"),
            );
            None
        }
    }
}

fn known<'py>(py: Python<'py>, objects: &Objects, script: &[u8]) -> Option<Bound<'py, PyDict>> {
    objects
        .scripts
        .lock()
        .get(script)
        .map(|namespace| namespace.bind(py).clone())
}

fn load<'py>(
    py: Python<'py>,
    objects: &Objects,
    target: &TargetView<'_>,
) -> PyResult<Bound<'py, PyDict>> {
    let name = module_name(target.script, options().is_case_sensitive());
    let path = fs_decoded(py, target.script)?;
    let namespace = objects
        .support
        .load
        .bind(py)
        .call1((name, path, target.mtime))?;
    Ok(namespace.cast_into::<PyDict>()?)
}

/// Whether the script has changed since it was loaded, as far as reloading is on.
fn is_stale(
    py: Python<'_>,
    objects: &Objects,
    namespace: &Bound<'_, PyDict>,
    target: &TargetView<'_>,
) -> bool {
    if !target.is_reloading {
        return false;
    }
    let loaded = namespace
        .get_item(objects.own.mtime.bind(py))
        .ok()
        .flatten();
    let loaded = loaded
        .filter(|value| value.is_instance_of::<PyInt>())
        .and_then(|value| value.extract::<i64>().ok());
    let Some(loaded) = loaded else { return true };
    let current = target.mtime.or_else(|| {
        let path = fs_decoded(py, target.script).ok()?;
        objects
            .support
            .mtime_of
            .bind(py)
            .call1((path,))
            .ok()?
            .extract()
            .ok()
    });
    if current != Some(loaded) {
        return true;
    }
    let Ok(Some(required)) = namespace.get_item(objects.own.reload_required.bind(py)) else {
        return false;
    };
    let answer = latin1(py, target.resource)
        .and_then(|resource| required.call1((resource,)))
        .and_then(|answer| answer.is_truthy());
    answer.unwrap_or_else(|error| {
        handler::log_exception(
            py,
            objects,
            &error,
            "RSGI0111: reload_required raised, the script is kept",
        );
        false
    })
}
