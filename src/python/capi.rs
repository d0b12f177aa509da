//! CPython's functions beyond the limited API as PyO3 declares it: looked up at run time, with what is used where a
//! version lacks one.

use core::ffi::{CStr, c_char, c_int, c_void};
use std::sync::OnceLock;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// The address of a symbol of the process.
pub(crate) fn symbol(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: a C string; the default scope has libpython, opened globally by the host.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!address.is_null()).then_some(address)
}

/// The minor version of the running CPython 3.
pub(crate) fn minor() -> u32 {
    static MINOR: OnceLock<u32> = OnceLock::new();
    *MINOR.get_or_init(|| {
        // SAFETY: takes nothing; returns a static C string.
        let version = unsafe { ffi::Py_GetVersion() };
        // SAFETY: as above.
        let version = unsafe { CStr::from_ptr(version) }.to_bytes();
        let digits = version
            .get(2..)
            .unwrap_or_default()
            .iter()
            .take_while(|byte| byte.is_ascii_digit());
        digits.fold(0, |minor, digit| minor * 10 + u32::from(digit - b'0'))
    })
}

/// A str of latin-1 bytes.
pub(crate) fn latin1<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
    // SAFETY: attached; the bytes are only read during the call.
    let object = unsafe {
        ffi::PyUnicode_DecodeLatin1(
            bytes.as_ptr().cast(),
            bytes.len() as isize,
            c"strict".as_ptr(),
        )
    };
    // SAFETY: a new reference or null with an exception.
    let object = unsafe { Bound::from_owned_ptr_or_err(py, object) }?;
    Ok(object.cast_into::<PyString>()?)
}

/// A str of a path, as `os.fsdecode` makes it; latin-1 where that fails.
pub(crate) fn fs_decoded<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
    // SAFETY: attached; the bytes are only read during the call.
    let object = unsafe {
        ffi::PyUnicode_DecodeFSDefaultAndSize(bytes.as_ptr().cast(), bytes.len() as isize)
    };
    // SAFETY: a new reference or null with an exception.
    match unsafe { Bound::from_owned_ptr_or_err(py, object) } {
        Ok(object) => Ok(object.cast_into::<PyString>()?),
        Err(_) => latin1(py, bytes),
    }
}

/// The latin-1 bytes of a str.
///
/// # Errors
/// UnicodeEncodeError.
pub(crate) fn to_latin1(text: &Bound<'_, PyString>) -> PyResult<Vec<u8>> {
    let mut length = 0;
    // ASCII, the usual case, needs no encoder: its UTF-8 is cached in the str.
    // SAFETY: attached; a str.
    let utf8 = unsafe { ffi::PyUnicode_AsUTF8AndSize(text.as_ptr(), &raw mut length) };
    if utf8.is_null() {
        drop(PyErr::take(text.py()));
    } else {
        // SAFETY: the str's own UTF-8 of that length, alive as long as the str.
        let bytes = unsafe { core::slice::from_raw_parts(utf8.cast::<u8>(), length as usize) };
        if bytes.is_ascii() {
            return Ok(bytes.to_vec());
        }
    }
    // SAFETY: attached; a str.
    let encoded = unsafe { ffi::PyUnicode_AsLatin1String(text.as_ptr()) };
    // SAFETY: a new reference or null with an exception.
    let encoded = unsafe { Bound::from_owned_ptr_or_err(text.py(), encoded) }?;
    Ok(encoded.cast::<PyBytes>()?.as_bytes().to_vec())
}

/// References to an object.
pub(crate) fn references(object: &Bound<'_, PyAny>) -> isize {
    // SAFETY: attached; a live object.
    unsafe { ffi::Py_REFCNT(object.as_ptr()) as isize }
}

/// Sets `dict[key] = value` where both are known to be right.
pub(crate) fn set_item(
    dict: &Bound<'_, PyAny>,
    key: &Py<PyString>,
    value: &Bound<'_, PyAny>,
) -> PyResult<()> {
    // SAFETY: attached; a dict and live objects of this interpreter.
    if unsafe { ffi::PyDict_SetItem(dict.as_ptr(), key.as_ptr(), value.as_ptr()) } == 0 {
        Ok(())
    } else {
        Err(PyErr::fetch(dict.py()))
    }
}

/// A status of PyConfig's functions.
#[repr(C)]
pub(crate) struct Status {
    pub(crate) kind: c_int,
    pub(crate) function: *const c_char,
    pub(crate) message: *const c_char,
    pub(crate) code: c_int,
}
