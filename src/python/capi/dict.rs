//! Dicts, without the references and the checks that PyO3's way of using them takes.

use core::ptr;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

/// Sets an entry of a dict.
pub(crate) fn set_item(
    dict: &Bound<'_, PyDict>,
    key: &Bound<'_, PyString>,
    value: &Bound<'_, PyAny>,
) -> PyResult<()> {
    // SAFETY: three live objects, the first a dict.
    let code = unsafe { ffi::PyDict_SetItem(dict.as_ptr(), key.as_ptr(), value.as_ptr()) };
    if code == 0 {
        return Ok(());
    }
    Err(PyErr::fetch(dict.py()))
}

/// An entry of a dict, none where it is missing.
pub(crate) fn dict_item<'py>(
    dict: &Bound<'py, PyDict>,
    key: &Bound<'py, PyString>,
) -> Option<Bound<'py, PyAny>> {
    // SAFETY: live objects, the first a dict.
    let value = unsafe { ffi::PyDict_GetItemWithError(dict.as_ptr(), key.as_ptr()) };
    // SAFETY: a borrowed reference or null; a str key cannot fail.
    unsafe { Bound::from_borrowed_ptr_or_opt(dict.py(), value) }
}

/// The version of a dict, which every change makes another one that no dict had before (PEP 509). Only where
/// [`dicts_have_versions`].
pub(crate) fn dict_version(dict: &Bound<'_, PyDict>) -> u64 {
    let words = dict.as_ptr().cast::<u64>();
    // SAFETY: a dict has more than four words in every version.
    let place = unsafe { words.add(DICT_VERSION) };
    // SAFETY: of a live dict, which nobody changes while this thread has the GIL.
    unsafe { place.read() }
}

/// Where that is: behind the object's head, of two words, and the number of entries.
const DICT_VERSION: usize = 3;

/// Whether dicts have versions: CPython's do up to 3.12, but no word of the limited API says so. So it is tried.
pub(crate) fn dicts_have_versions(py: Python<'_>) -> PyResult<bool> {
    if !cfg!(target_pointer_width = "64") || py.version_info() >= (3, 13) {
        return Ok(false);
    }
    let (dict, key) = (PyDict::new(py), PyString::new(py, "key"));
    let mut seen = vec![dict_version(&dict)];
    set_item(&dict, &key, py.None().bind(py))?;
    seen.push(dict_version(&dict));
    set_item(&dict, &key, key.as_any())?;
    seen.push(dict_version(&dict));
    // Its size and what only looks changes nothing.
    let is_there = dict.contains(&key)? && dict.len() == 1;
    let is_still = dict_version(&dict) == seen[2];
    dict.del_item(&key)?;
    seen.push(dict_version(&dict));
    seen.push(dict_version(&PyDict::new(py)));
    seen.sort_unstable();
    seen.dedup();
    // An empty dict that was never changed may share its version with others like it.
    Ok(is_there && is_still && seen.len() >= 4)
}

/// Shows `look`, which must leave the dict alone, each key with its value, in order, until it says no.
pub(crate) fn walk<'py>(
    dict: &Bound<'py, PyDict>,
    mut look: impl FnMut(Borrowed<'_, 'py, PyAny>, Borrowed<'_, 'py, PyAny>) -> bool,
) {
    let (mut place, mut key, mut value) = (0, ptr::null_mut(), ptr::null_mut());
    // SAFETY: a live dict and three places to write to.
    while unsafe { ffi::PyDict_Next(dict.as_ptr(), &raw mut place, &raw mut key, &raw mut value) }
        != 0
    {
        // SAFETY: a live object, which the dict holds until `look` comes back.
        let key = unsafe { Borrowed::from_ptr(dict.py(), key) };
        // SAFETY: likewise.
        let value = unsafe { Borrowed::from_ptr(dict.py(), value) };
        if !look(key, value) {
            break;
        }
    }
}
