//! CPython's functions that PyO3's limited API lacks or makes slow, behind safe functions.
//!
//! All symbols are exported by libpython 3.10 to 3.15; those that only some versions have are looked up by name.
//! Everything takes PyO3's types, so that the rest of the crate needs no unsafe code. `system` has what is the system's.

mod dict;
mod system;

use core::ffi::{CStr, c_char, c_int, c_ulong, c_void};
use core::ptr;

use pyo3::exceptions::PyTypeError;
use pyo3::ffi::{self, Py_ssize_t, PyObject};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

pub(crate) use dict::{dict_item, dict_version, dicts_have_versions, set_item, walk};
pub(crate) use system::{
    Usage, Whose, duplicate, hostname, memory_file, page_size, processor, set_send_buffer, usage,
};

unsafe extern "C" {
    fn PyObject_VectorcallDict(
        callable: *mut PyObject,
        args: *const *mut PyObject,
        count: usize,
        keywords: *mut PyObject,
    ) -> *mut PyObject;
    fn PyThreadState_DeleteCurrent();
    fn PyThread_get_thread_ident() -> c_ulong;
    fn PyThreadState_SetAsyncExc(thread: c_ulong, exception: *mut PyObject) -> c_int;
}

/// The room before the arguments may be used by the callee: bound methods then need no copy.
const ARGUMENTS_OFFSET: usize = 1 << (usize::BITS - 1);

/// An address of a libpython function that only some versions have.
pub(crate) fn symbol(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: a terminated name; dlsym only looks.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!address.is_null()).then_some(address)
}

/// What `Py_GetVersion` says, for instance `3.11.2 (main, …)`.
pub(crate) fn version() -> String {
    // SAFETY: may be called at any time.
    let text = unsafe { ffi::Py_GetVersion() };
    // SAFETY: a static terminated string of libpython's.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_string_lossy().into_owned()
}

/// Takes what a call returned, or the exception that it left.
fn owned<'py>(py: Python<'py>, object: *mut PyObject) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: callers pass on a new reference or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(py, object) }
}

/// Calls with two positional arguments.
pub(crate) fn call2<'py>(
    callable: &Bound<'py, PyAny>,
    first: &Bound<'py, PyAny>,
    second: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let arguments = [ptr::null_mut(), first.as_ptr(), second.as_ptr()];
    // SAFETY: live objects; the slot before the first argument is the callee's to use.
    let result = unsafe {
        PyObject_VectorcallDict(
            callable.as_ptr(),
            arguments[1..].as_ptr(),
            2 | ARGUMENTS_OFFSET,
            ptr::null_mut(),
        )
    };
    owned(callable.py(), result)
}

/// The next item of an iterator, none at its end.
pub(crate) fn next<'py>(iterator: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    // SAFETY: a live iterator (it comes from `iter`).
    let item = unsafe { ffi::PyIter_Next(iterator.as_ptr()) };
    if item.is_null() {
        return PyErr::take(iterator.py()).map_or(Ok(None), Err);
    }
    owned(iterator.py(), item).map(Some)
}

/// Decodes latin-1.
pub(crate) fn latin1<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
    // SAFETY: a live slice; no error handler is needed for latin-1.
    let text =
        unsafe { ffi::PyUnicode_DecodeLatin1(bytes.as_ptr().cast(), length(bytes), ptr::null()) };
    // SAFETY: the decoder gives a str.
    owned(py, text).map(|text| unsafe { text.cast_into_unchecked() })
}

/// Decodes a path with the file system's encoding, as `os.fsdecode` does, or latin-1 where that fails.
pub(crate) fn path<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
    // SAFETY: a live slice.
    let text =
        unsafe { ffi::PyUnicode_DecodeFSDefaultAndSize(bytes.as_ptr().cast(), length(bytes)) };
    match owned(py, text) {
        // SAFETY: the decoder gives a str.
        Ok(text) => Ok(unsafe { text.cast_into_unchecked() }),
        Err(_) => latin1(py, bytes),
    }
}

/// An interned key.
pub(crate) fn interned<'py>(py: Python<'py>, text: &CStr) -> PyResult<Bound<'py, PyString>> {
    // SAFETY: a terminated string.
    let key = unsafe { ffi::PyUnicode_InternFromString(text.as_ptr()) };
    // SAFETY: the function gives a str.
    owned(py, key).map(|key| unsafe { key.cast_into_unchecked() })
}

fn length(bytes: &[u8]) -> Py_ssize_t {
    // INVARIANT: no slice is longer than isize::MAX.
    bytes.len() as Py_ssize_t
}

/// Runs `body` with the latin-1 bytes of a str.
///
/// # Errors
/// TypeError where `text` is no str (`what` says which), UnicodeEncodeError where it is not latin-1.
pub(crate) fn with_latin1<R>(
    text: &Bound<'_, PyAny>,
    what: &str,
    body: impl FnOnce(&[u8]) -> R,
) -> PyResult<R> {
    let Ok(text) = text.cast::<PyString>() else {
        let message = format!("{what} must be a str, not {}", type_name(text));
        return Err(PyTypeError::new_err(message));
    };
    let mut size = 0;
    // SAFETY: a live str; the bytes live as long as it.
    let utf8 = unsafe { ffi::PyUnicode_AsUTF8AndSize(text.as_ptr(), &raw mut size) };
    if utf8.is_null() {
        // A lone surrogate; the encoder below says so better.
        drop(PyErr::take(text.py()));
    } else {
        // SAFETY: `size` bytes at `utf8`, alive while `text` is.
        let bytes = unsafe { core::slice::from_raw_parts(utf8.cast::<u8>(), size as usize) };
        if bytes.is_ascii() {
            return Ok(body(bytes));
        }
    }
    // SAFETY: a live str.
    let encoded = unsafe { ffi::PyUnicode_AsLatin1String(text.as_ptr()) };
    let encoded = owned(text.py(), encoded)?;
    // SAFETY: the encoder gives bytes.
    let encoded: Bound<'_, PyBytes> = unsafe { encoded.cast_into_unchecked() };
    Ok(body(encoded.as_bytes()))
}

/// The bytes of a bytes object, or of a str in latin-1.
///
/// # Errors
/// See [`with_latin1`].
pub(crate) fn latin1_bytes(object: &Bound<'_, PyAny>, what: &str) -> PyResult<Vec<u8>> {
    match object.cast::<PyBytes>() {
        Ok(bytes) => Ok(bytes.as_bytes().to_vec()),
        Err(_) => with_latin1(object, what, <[u8]>::to_vec),
    }
}

/// The name of an object's type.
pub(crate) fn type_name(object: &Bound<'_, PyAny>) -> String {
    let name = object.get_type();
    name.getattr("__name__")
        .and_then(|name| name.extract::<String>())
        .unwrap_or_else(|_| "?".to_owned())
}

/// How many references to an object there are.
pub(crate) fn references(object: &Py<PyAny>, _py: Python<'_>) -> Py_ssize_t {
    // SAFETY: a live object, and the thread is attached.
    unsafe { ffi::Py_REFCNT(object.as_ptr()) }
}

/// Compiles the bytes of a script as `compile(bytes, path, "exec")` does in a fresh interpreter.
pub(crate) fn compile<'py>(
    py: Python<'py>,
    source: &CStr,
    path: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyAny>> {
    let Some(compile) = symbol(c"Py_CompileStringObject") else {
        let builtins = py.import("builtins")?;
        let source = PyBytes::new(py, source.to_bytes());
        return builtins
            .getattr("compile")?
            .call1((source, path, "exec", 0, true));
    };
    type Compile = unsafe extern "C" fn(
        *const c_char,
        *mut PyObject,
        c_int,
        *const c_void,
        c_int,
    ) -> *mut PyObject;
    // SAFETY: the function has had this signature in all versions.
    let compile = unsafe { core::mem::transmute::<*mut c_void, Compile>(compile) };
    // SAFETY: a terminated source, a live str, no flags, the interpreter's own optimisation.
    let code = unsafe {
        compile(
            source.as_ptr(),
            path.as_ptr(),
            ffi::Py_file_input,
            ptr::null(),
            -1,
        )
    };
    owned(py, code)
}

/// Runs a code object.
pub(crate) fn run(code: &Bound<'_, PyAny>, globals: &Bound<'_, PyDict>) -> PyResult<()> {
    // SAFETY: a live code object and a live dict.
    let result = unsafe { ffi::PyEval_EvalCode(code.as_ptr(), globals.as_ptr(), globals.as_ptr()) };
    owned(code.py(), result).map(drop)
}

/// The number by which Python knows the calling thread.
pub(crate) fn thread_ident() -> c_ulong {
    // SAFETY: may be called at any time.
    unsafe { PyThread_get_thread_ident() }
}

/// Raises an exception in another thread of the current interpreter, when that next runs Python code; without one,
/// takes back what it has not met yet. False where the interpreter has no such thread.
pub(crate) fn raise_in(
    _py: Python<'_>,
    thread: c_ulong,
    exception: Option<&Bound<'_, PyAny>>,
) -> bool {
    let exception = exception.map_or(ptr::null_mut(), Bound::as_ptr);
    // SAFETY: attached; a live exception type, of which CPython takes a reference of its own, or null.
    unsafe { PyThreadState_SetAsyncExc(thread, exception) > 0 }
}

/// Ends the current thread state and gives the GIL back.
///
/// # Safety
/// The thread is attached with that state, which was cleared.
pub(crate) unsafe fn delete_current_state() {
    // SAFETY: as the caller says.
    unsafe { PyThreadState_DeleteCurrent() }
}

/// The automatic garbage collection of the current interpreter, as it was; goes on when this drops.
pub(crate) struct CollectorPause {
    was_enabled: bool,
    is_paused: bool,
}

impl CollectorPause {
    /// Whether it is on, by the application's will.
    pub(crate) const fn was_enabled(&self) -> bool {
        self.was_enabled
    }
}

/// Looks whether automatic garbage collection is on, and switches it off meanwhile where that `is_needed`. Nobody sees
/// it as long as the GIL is held.
pub(crate) fn pause_collector(_py: Python<'_>, is_needed: bool) -> CollectorPause {
    // SAFETY: attached.
    let was_enabled = unsafe { ffi::PyGC_IsEnabled() } != 0;
    let is_paused = is_needed && was_enabled;
    if is_paused {
        // SAFETY: attached.
        unsafe { ffi::PyGC_Disable() };
    }
    CollectorPause {
        was_enabled,
        is_paused,
    }
}

impl Drop for CollectorPause {
    fn drop(&mut self) {
        if self.is_paused {
            // SAFETY: attached, as it is dropped where it was made.
            unsafe { ffi::PyGC_Enable() };
        }
    }
}
