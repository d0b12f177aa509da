//! `apache.request_rec`: httpd's own structure for C extensions (`WSGIPassApacheRequest`), as long as the request runs.
//!
//! mod_wsgi: a capsule without a name, whose pointer stays what it was when the request is over and its memory used for
//! something else. Ours then gets a name, so that `PyCapsule_GetPointer(capsule, NULL)` raises ValueError; who asks for
//! whatever name it has finds zeros. What C code does with the pointer while the request runs cannot be checked.

use core::ffi::CStr;
use core::ptr;
use core::sync::atomic::AtomicU64;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::entry::RequestView;

const KEY: &str = "apache.request_rec";
/// The capsule's name when the request is over.
const OVER: &CStr = c"apache.request_rec of a request that is over";
/// What it points to then: larger than any `request_rec`, and some may write to it.
static NOTHING: [AtomicU64; 512] = [const { AtomicU64::new(0) }; 512];

/// The capsule; worth nothing any more when this drops. Attached all the time.
pub(crate) struct RequestRec<'py>(Bound<'py, PyAny>);

impl<'py> RequestRec<'py> {
    /// The capsule for a request whose application is to have one.
    pub(crate) fn new(py: Python<'py>, request: &RequestView<'_>) -> PyResult<Option<Self>> {
        let Some(address) = request.apache_request() else {
            return Ok(None);
        };
        // SAFETY: a pointer that is not null, no name, no destructor.
        let capsule = unsafe { ffi::PyCapsule_New(address.as_ptr(), ptr::null(), None) };
        // SAFETY: a new reference, or null with an exception.
        let capsule = unsafe { Bound::from_owned_ptr_or_err(py, capsule) }?;
        Ok(Some(Self(capsule)))
    }

    /// Puts it into an environ.
    pub(crate) fn put(&self, environ: &Bound<'py, PyDict>) -> PyResult<()> {
        environ.set_item(KEY, &self.0)
    }
}

impl Drop for RequestRec<'_> {
    fn drop(&mut self) {
        let nothing = NOTHING.as_ptr().cast_mut().cast();
        // SAFETY: a live capsule, and a static name.
        let is_named = unsafe { ffi::PyCapsule_SetName(self.0.as_ptr(), OVER.as_ptr()) };
        // SAFETY: a live capsule, and memory that is never freed and that anybody may write to.
        let is_set = unsafe { ffi::PyCapsule_SetPointer(self.0.as_ptr(), nothing) };
        debug_assert!(is_named == 0 && is_set == 0, "a capsule takes both");
    }
}
