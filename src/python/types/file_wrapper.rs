//! `mod_wsgi.FileWrapper`: a file that an application returns.

use core::cell::Cell;
use core::ffi::{c_int, c_void};

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::ffi::{self, PyObject, PyTypeObject};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use super::instance::{self, Attributes, END, Methods, NO_MORE, entered, method, slot};

/// Bytes that are read at a time where nothing else is said.
const BLOCK: isize = 8192;

/// The value of an instance.
pub(crate) struct FileWrapper {
    // INVARIANT: an owned reference, or null before it has one and once the garbage collector cleared it.
    file: Cell<*mut PyObject>,
    block: Cell<isize>,
}

static METHODS: Methods<2> = Methods([instance::plain(c"close", close), END]);

static ATTRIBUTES: Attributes<3> = Attributes([
    instance::getter(c"filelike", filelike),
    instance::getter(c"blksize", blksize),
    NO_MORE,
]);

pub(super) fn make_type(py: Python<'_>) -> PyResult<Py<PyAny>> {
    let slots = [
        slot(ffi::Py_tp_new, new as *mut _),
        slot(ffi::Py_tp_init, init as *mut _),
        slot(ffi::Py_tp_dealloc, dealloc as *mut _),
        slot(ffi::Py_tp_traverse, traverse as *mut _),
        slot(ffi::Py_tp_clear, clear as *mut _),
        slot(ffi::Py_tp_iter, iter as *mut _),
        slot(ffi::Py_tp_iternext, next as *mut _),
        slot(ffi::Py_tp_methods, METHODS.0.as_ptr().cast_mut().cast()),
        slot(ffi::Py_tp_getset, ATTRIBUTES.0.as_ptr().cast_mut().cast()),
    ];
    let flags = (ffi::Py_TPFLAGS_BASETYPE | ffi::Py_TPFLAGS_HAVE_GC) as u32;
    // SAFETY: functions of the slots' types, for instances with a `FileWrapper`; static tables.
    unsafe { instance::make_type::<FileWrapper>(py, c"mod_wsgi.FileWrapper", flags, &slots) }
}

/// The file of an object, if that is a file wrapper of the given type.
pub(crate) fn file_wrapper<'py>(
    object: &Bound<'py, PyAny>,
    kind: &Py<PyAny>,
) -> Option<Bound<'py, PyAny>> {
    // SAFETY: a live object.
    let own = unsafe { ffi::Py_TYPE(object.as_ptr()) };
    // SAFETY: two types.
    if unsafe { ffi::PyType_IsSubtype(own, kind.as_ptr().cast()) } == 0 {
        return None;
    }
    // SAFETY: an instance of the type or of a subclass.
    let value = unsafe { instance::value::<FileWrapper>(object.as_ptr()) };
    value.file(object.py())
}

impl FileWrapper {
    fn file<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        // SAFETY: by the type's invariant.
        unsafe { Bound::from_borrowed_ptr_or_opt(py, self.file.get()) }
    }
}

unsafe extern "C" fn new(
    kind: *mut PyTypeObject,
    _: *mut PyObject,
    _: *mut PyObject,
) -> *mut PyObject {
    method(|py| {
        let value = FileWrapper {
            // INVARIANT: null until `init`.
            file: Cell::new(core::ptr::null_mut()),
            block: Cell::new(BLOCK),
        };
        // SAFETY: CPython calls the slot with the type or a subclass.
        unsafe { instance::create(py, kind, value) }
    })
}

/// mod_wsgi: a subclass may take other arguments, and give these to `super().__init__`; more than once.
unsafe extern "C" fn init(
    object: *mut PyObject,
    arguments: *mut PyObject,
    keywords: *mut PyObject,
) -> c_int {
    entered(-1, |py| {
        // SAFETY: the slot's arguments are a tuple.
        let arguments = unsafe { Bound::from_borrowed_ptr(py, arguments) };
        let arguments = arguments.cast_into::<PyTuple>()?;
        // SAFETY: the slot's keywords are a dict or null.
        let keywords = unsafe { Bound::from_borrowed_ptr_or_opt(py, keywords) };
        let keywords = keywords
            .map(|words| words.cast_into::<PyDict>())
            .transpose()?;
        let (file, block) = parse(&arguments, keywords.as_ref())?;
        // SAFETY: CPython calls the slot with an instance.
        let value = unsafe { instance::value::<FileWrapper>(object) };
        value.block.set(block);
        // INVARIANT: an owned reference.
        let before = value.file.replace(file.into_ptr());
        // SAFETY: the owned reference, or null.
        unsafe { ffi::Py_XDECREF(before) };
        Ok(0)
    })
}

/// `(filelike, blksize=8192)`, by position or by name.
fn parse<'py>(
    arguments: &Bound<'py, PyTuple>,
    keywords: Option<&Bound<'py, PyDict>>,
) -> PyResult<(Bound<'py, PyAny>, isize)> {
    let mut parts = [None, None];
    if arguments.len() > parts.len() {
        return Err(PyTypeError::new_err(
            "FileWrapper() takes at most two arguments",
        ));
    }
    for (part, given) in parts.iter_mut().zip(arguments.iter()) {
        *part = Some(given);
    }
    for (name, given) in keywords.into_iter().flatten() {
        let index = match name.extract::<String>()?.as_str() {
            "filelike" => 0,
            "blksize" => 1,
            other => {
                return Err(PyTypeError::new_err(format!(
                    "FileWrapper() has no argument '{other}'"
                )));
            }
        };
        if parts[index].replace(given).is_some() {
            return Err(PyTypeError::new_err("FileWrapper() got an argument twice"));
        }
    }
    let [file, block] = parts;
    let file = file.ok_or_else(|| PyTypeError::new_err("FileWrapper() needs a file"))?;
    let block = block.map_or(Ok(BLOCK), |block| block.extract::<isize>())?;
    if block < 0 {
        return Err(PyValueError::new_err("blksize must not be negative"));
    }
    Ok((file, block))
}

unsafe extern "C" fn traverse(
    object: *mut PyObject,
    visit: ffi::visitproc,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: the collector calls with an instance.
    let file = unsafe { instance::value::<FileWrapper>(object) }.file.get();
    if !file.is_null() {
        // SAFETY: the collector's own function.
        let code = unsafe { visit(file, argument) };
        if code != 0 {
            return code;
        }
    }
    // SAFETY: a live object.
    let kind = unsafe { ffi::Py_TYPE(object) };
    // SAFETY: an instance of a heap type refers to it.
    unsafe { visit(kind.cast(), argument) }
}

unsafe extern "C" fn clear(object: *mut PyObject) -> c_int {
    // SAFETY: the collector calls with an instance.
    let value = unsafe { instance::value::<FileWrapper>(object) };
    let file = value.file.replace(core::ptr::null_mut());
    // SAFETY: the owned reference, or null.
    unsafe { ffi::Py_XDECREF(file) };
    0
}

unsafe extern "C" fn dealloc(object: *mut PyObject) {
    // SAFETY: an object that the collector knows.
    unsafe { ffi::PyObject_GC_UnTrack(object.cast()) };
    // SAFETY: an instance.
    unsafe { clear(object) };
    // SAFETY: an instance that nobody refers to.
    unsafe { instance::dealloc::<FileWrapper>(object) };
}

unsafe extern "C" fn iter(object: *mut PyObject) -> *mut PyObject {
    // SAFETY: a live object; the caller gets a reference of its own.
    unsafe { ffi::Py_NewRef(object) }
}

unsafe extern "C" fn next(object: *mut PyObject) -> *mut PyObject {
    entered(core::ptr::null_mut(), |py| {
        // SAFETY: CPython calls the slot with an instance.
        let value = unsafe { instance::value::<FileWrapper>(object) };
        let Some(file) = value.file(py) else {
            return Ok(core::ptr::null_mut());
        };
        let block = file.call_method1("read", (value.block.get(),))?;
        let Ok(block) = block.cast::<PyBytes>() else {
            return Err(crate::respond::not_bytes(&block));
        };
        if block.as_bytes().is_empty() {
            return Ok(core::ptr::null_mut());
        }
        Ok(block.clone().into_ptr())
    })
}

unsafe extern "C" fn close(object: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    method(|py| {
        // SAFETY: CPython calls the method with an instance.
        let value = unsafe { instance::value::<FileWrapper>(object) };
        if let Some(file) = value.file(py)
            && let Ok(close) = file.getattr("close")
        {
            // mod_wsgi: what closing raises is nobody's to handle.
            drop(close.call0());
        }
        Ok(py.None())
    })
}

unsafe extern "C" fn filelike(object: *mut PyObject, _: *mut c_void) -> *mut PyObject {
    method(|py| {
        // SAFETY: CPython calls the getter with an instance.
        let value = unsafe { instance::value::<FileWrapper>(object) };
        Ok(value.file(py).map_or_else(|| py.None(), Bound::unbind))
    })
}

unsafe extern "C" fn blksize(object: *mut PyObject, _: *mut c_void) -> *mut PyObject {
    method(|py| {
        // SAFETY: CPython calls the getter with an instance.
        let value = unsafe { instance::value::<FileWrapper>(object) };
        Ok(value.block.get().into_pyobject(py)?.into_any().unbind())
    })
}
