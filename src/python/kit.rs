//! The objects of one interpreter: types, interned keys, templates of environs, loaded scripts.
//!
//! Made once when the interpreter is, reached by pointer through [`crate::interpreter::At`], never through an
//! import. The locks are only ever tried, or held without running Python code.

#![deny(unsafe_code)]

use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyString};
use rsgi_core::name::NAMES;

use crate::events::Callbacks;
use crate::loader::Script;
use crate::shapes::Shapes;
use crate::spares::Spares;
use crate::telemetry::Garbage;
use crate::tracked::Requests;
use crate::types::Types;
use crate::{capi, setup};

/// See the module.
pub(crate) struct Kit {
    /// Types and makers of objects.
    pub(crate) types: Types,
    /// `mod_wsgi.RequestTimeout`.
    pub(crate) request_timeout: Py<PyAny>,
    /// Keys by `NameId`; 0 is unused.
    pub(crate) keys: Vec<Py<PyString>>,
    /// Keys that the layer itself sets.
    pub(crate) own: OwnKeys,
    /// Values that are always the same.
    pub(crate) values: Values,
    /// Environ templates by the number of their constants, oldest first.
    pub(crate) templates: Mutex<Vec<(u64, Py<PyDict>)>>,
    /// Environs of requests that look alike.
    pub(crate) shapes: Shapes,
    /// See [`capi::dict_version`].
    pub(crate) has_dict_versions: bool,
    /// Objects of requests that are over, for those to come.
    pub(crate) spares: Spares,
    /// The last value of each well-known key.
    pub(crate) recent: Mutex<Recent>,
    /// Names without a number that were seen.
    spelled: Mutex<BTreeMap<Vec<u8>, Py<PyString>>>,
    /// Who is told what happens.
    pub(crate) callbacks: Callbacks,
    /// Requests that something is kept with.
    pub(crate) requests: Requests,
    /// `mod_wsgi.LogHandler`, once it was asked for.
    pub(crate) log_handler: OnceLock<Py<PyAny>>,
    /// What is told of its garbage collector, where anybody is told.
    pub(crate) garbage: Option<Garbage>,
    /// Scripts by path.
    pub(crate) scripts: Mutex<BTreeMap<Vec<u8>, Arc<Script>>>,
}

/// See [`Kit::own`].
pub(crate) struct OwnKeys {
    /// `wsgi.input`
    pub(crate) input: Py<PyString>,
    /// `wsgi.errors`
    pub(crate) errors: Py<PyString>,
    /// `wsgi.url_scheme`
    pub(crate) url_scheme: Py<PyString>,
    /// `mod_wsgi.thread_id`
    pub(crate) thread_id: Py<PyString>,
    /// `mod_wsgi.request_start`, `.queue_start`, `.daemon_start`, `.application_start`
    pub(crate) times: [Py<PyString>; 4],
    /// `__mtime__`
    pub(crate) mtime: Py<PyString>,
    /// `reload_required`
    pub(crate) reload_required: Py<PyString>,
    /// `close`
    pub(crate) close: Py<PyString>,
}

/// See [`Kit::values`].
pub(crate) struct Values {
    /// `0.0`
    pub(crate) zero: Py<PyFloat>,
    /// `http`
    pub(crate) http: Py<PyString>,
    /// `https`
    pub(crate) https: Py<PyString>,
}

/// The last value of each well-known key, with its bytes: most repeat from request to request.
pub(crate) struct Recent(Vec<Option<(Vec<u8>, Py<PyString>)>>);

impl Recent {
    /// Longer values are not kept.
    const MOST: usize = 256;

    /// The object made for these bytes last time.
    pub(crate) fn find(&self, id: usize, value: &[u8]) -> Option<&Py<PyString>> {
        let (bytes, object) = self.0.get(id)?.as_ref()?;
        (bytes == value).then_some(object)
    }

    /// Keeps an object; gives back what it replaces.
    pub(crate) fn keep(
        &mut self,
        id: usize,
        value: &[u8],
        object: Py<PyString>,
    ) -> Option<Py<PyString>> {
        let place = self.0.get_mut(id).filter(|_| value.len() <= Self::MOST)?;
        match place {
            Some((bytes, kept)) => {
                bytes.clear();
                bytes.extend_from_slice(value);
                Some(core::mem::replace(kept, object))
            }
            None => {
                *place = Some((value.to_vec(), object));
                None
            }
        }
    }
}

impl Kit {
    /// Makes the current interpreter one for applications.
    pub(crate) fn new(py: Python<'_>, group: &[u8]) -> PyResult<Self> {
        let types = Types::new(py)?;
        let callbacks = Callbacks::new(py);
        let request_timeout = setup::prepare(py, &types, &callbacks, group)?;
        let keys = NAMES
            .iter()
            .map(|name| key(py, name))
            .collect::<PyResult<Vec<_>>>()?;
        Ok(Self {
            types,
            request_timeout,
            keys,
            own: OwnKeys::new(py)?,
            values: Values {
                zero: PyFloat::new(py, 0.0).unbind(),
                http: key(py, "http")?,
                https: key(py, "https")?,
            },
            templates: Mutex::new(Vec::new()),
            shapes: Shapes::default(),
            has_dict_versions: capi::dicts_have_versions(py)?,
            spares: Spares::new(),
            recent: Mutex::new(Recent(NAMES.iter().map(|_| None).collect())),
            spelled: Mutex::new(BTreeMap::new()),
            callbacks,
            requests: Requests::default(),
            log_handler: OnceLock::new(),
            garbage: Garbage::new(py),
            scripts: Mutex::new(BTreeMap::new()),
        })
    }
}

impl Kit {
    /// Spelled names kept in an interpreter, and the longest of them in bytes.
    const MOST_SPELLED: usize = 512;
    const LONGEST_SPELLED: usize = 64;

    /// The object of a name that has no number.
    ///
    /// # Errors
    /// Python's, where there is no memory.
    pub(crate) fn spelled(&self, py: Python<'_>, name: &[u8]) -> PyResult<Py<PyString>> {
        let Some(mut known) = self.spelled.try_lock() else {
            return capi::latin1(py, name).map(Bound::unbind);
        };
        if let Some(key) = known.get(name) {
            return Ok(key.clone_ref(py));
        }
        let key = capi::latin1(py, name)?.unbind();
        if known.len() < Self::MOST_SPELLED && name.len() <= Self::LONGEST_SPELLED {
            known.insert(name.to_vec(), key.clone_ref(py));
        }
        Ok(key)
    }
}

impl OwnKeys {
    fn new(py: Python<'_>) -> PyResult<Self> {
        Ok(Self {
            input: key(py, "wsgi.input")?,
            errors: key(py, "wsgi.errors")?,
            url_scheme: key(py, "wsgi.url_scheme")?,
            thread_id: key(py, "mod_wsgi.thread_id")?,
            times: [
                key(py, "mod_wsgi.request_start")?,
                key(py, "mod_wsgi.queue_start")?,
                key(py, "mod_wsgi.daemon_start")?,
                key(py, "mod_wsgi.application_start")?,
            ],
            mtime: key(py, "__mtime__")?,
            reload_required: key(py, "reload_required")?,
            close: key(py, "close")?,
        })
    }
}

fn key(py: Python<'_>, text: &str) -> PyResult<Py<PyString>> {
    let text = CString::new(text)?;
    capi::interned(py, &text).map(Bound::unbind)
}
