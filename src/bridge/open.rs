//! Opens libpython and the layer's shared object, and compares both with what was expected.

use std::ffi::{CStr, CString, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::abi;
use crate::locate::Found;
use crate::place::LAYER_FILE;

/// Why Python or its layer could not be opened in this process.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Somebody else brought a Python.
    #[error(
        "this process already holds another Python, `{present}`{by}, and cannot open `{wanted}` beside it: unload that module or use the same Python",
        present = .present.display(), wanted = .wanted.display(),
        by = .bringer.as_ref().map(|name| format!(" (brought by {name})")).unwrap_or_default()
    )]
    OtherPython {
        /// What is there.
        present: PathBuf,
        /// What was to be opened.
        wanted: PathBuf,
        /// The Apache module that likely brought it.
        bringer: Option<String>,
    },
    /// Somebody else started the same Python.
    #[error("another module of this process already runs Python from `{library}`: unload it", library = .library.display())]
    AlreadyRunning {
        /// The library.
        library: PathBuf,
    },
    /// The linker refused libpython.
    #[error(
        "the Python library cannot be opened ({reason}): install that Python again, with all that it needs"
    )]
    Library {
        /// The linker's words, which name the file.
        reason: String,
    },
    /// A library that is not a Python.
    #[error("`{library}` is not a Python library, it has no {symbol}: install that Python again", library = .library.display())]
    NotPython {
        /// The library.
        library: PathBuf,
        /// What it lacks.
        symbol: &'static str,
    },
    /// Another version than the environment's.
    #[error("`{library}` is Python {present} but the environment needs {expected}: install that Python again, or make the environment with this one", library = .library.display())]
    Version {
        /// The library.
        library: PathBuf,
        /// What it says of itself.
        present: String,
        /// What was expected.
        expected: String,
    },
    /// A build without the GIL, where the environment is for one with it.
    #[error("`{library}` is a free-threaded Python, but its environment is not for one: make the environment again", library = .library.display())]
    FreeThreaded {
        /// The library.
        library: PathBuf,
    },
    /// There is no layer for this free-threaded Python.
    #[error(
        "the Python of `{library}` is free-threaded and needs a layer of its own, `{path}`, which is not there: build it with `ci/build --free-threaded` and install it beside the module, or use the ordinary build of that Python",
        library = .library.display(), path = .path.display()
    )]
    MissingThreadedLayer {
        /// The library.
        library: PathBuf,
        /// Where it belongs.
        path: PathBuf,
    },
    /// The layer's file is not there.
    #[error("the Python layer `{path}` is not there: install {LAYER_FILE} in the same folder as the module", path = .path.display())]
    MissingLayer {
        /// Where it belongs.
        path: PathBuf,
    },
    /// The linker refused the layer.
    #[error(
        "the Python layer cannot be opened ({reason}): install {LAYER_FILE} from the same build as the module"
    )]
    Layer {
        /// The linker's words, which name the file.
        reason: String,
    },
    /// The layer is of another build.
    #[error("the Python layer `{path}` {problem}: install {LAYER_FILE} from the same build as the module", path = .path.display())]
    Mismatch {
        /// The layer.
        path: PathBuf,
        /// What does not fit.
        problem: String,
    },
    /// A path that C cannot express.
    #[error("the path `{path}` has a NUL in it: correct it", path = .path.display())]
    BadPath {
        /// The path.
        path: PathBuf,
    },
}

/// Opens libpython for all objects that come later, and compares it with what was found.
pub(crate) fn open_python(found: &Found) -> Result<(), OpenError> {
    let handle = open_object(&found.library, libc::RTLD_NOW | libc::RTLD_GLOBAL)?
        .map_err(|reason| OpenError::Library { reason })?;
    let text = version_text(handle, &found.library)?;
    check_version(&text, found)?;
    if is_running(handle) {
        return Err(OpenError::AlreadyRunning {
            library: found.library.clone(),
        });
    }
    Ok(())
}

/// What `Py_GetVersion` says.
fn version_text(handle: *mut c_void, library: &Path) -> Result<String, OpenError> {
    let address = symbol(handle, c"Py_GetVersion").ok_or_else(|| OpenError::NotPython {
        library: library.to_path_buf(),
        symbol: "Py_GetVersion",
    })?;
    // SAFETY: Python documents `const char *Py_GetVersion(void)`, callable before Python is started.
    let version = unsafe {
        core::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> *const libc::c_char>(address)
    };
    // SAFETY: as above.
    let text = unsafe { version() };
    if text.is_null() {
        return Ok(String::new());
    }
    // SAFETY: Python returns a static C string.
    Ok(unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned())
}

/// Whether somebody has started this Python.
fn is_running(handle: *mut c_void) -> bool {
    let Some(address) = symbol(handle, c"Py_IsInitialized") else {
        return false;
    };
    // SAFETY: Python documents `int Py_IsInitialized(void)`, callable at any time.
    let is_initialized =
        unsafe { core::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> c_int>(address) };
    // SAFETY: as above.
    unsafe { is_initialized() != 0 }
}

/// Compares the text of `Py_GetVersion`, "3.11.2 (main, ...) [GCC ...]", with what was found.
fn check_version(text: &str, found: &Found) -> Result<(), OpenError> {
    let library = found.library.clone();
    let is_free_threaded = text.contains("free-threading build");
    if is_free_threaded && !found.free_threaded {
        return Err(OpenError::FreeThreaded { library });
    }
    let present = text.split_whitespace().next().unwrap_or_default();
    if found.free_threaded && !is_free_threaded {
        return Err(OpenError::Version {
            library,
            present: present.to_owned(),
            expected: format!("a free-threaded 3.{}", found.minor),
        });
    }
    let expected = found
        .version
        .clone()
        .unwrap_or_else(|| format!("3.{}", found.minor));
    let minor = present.strip_prefix("3.").and_then(|rest| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        rest.get(..digits)?.parse::<u32>().ok()
    });
    let fits = found
        .version
        .as_ref()
        .is_none_or(|version| version == present);
    if minor == Some(found.minor) && fits {
        return Ok(());
    }
    Err(OpenError::Version {
        library,
        present: present.to_owned(),
        expected,
    })
}

/// Opens the layer and checks that it speaks this ABI.
pub(crate) fn open_table(path: &Path) -> Result<&'static abi::Layer, OpenError> {
    let mismatch = |problem: String| OpenError::Mismatch {
        path: path.to_path_buf(),
        problem,
    };
    let handle = open_object(path, libc::RTLD_NOW | libc::RTLD_LOCAL)?
        .map_err(|reason| OpenError::Layer { reason })?;
    let address = symbol(handle, abi::ENTRY_SYMBOL)
        .ok_or_else(|| mismatch("is not one, it has no entry".to_owned()))?;
    // SAFETY: the symbol's type is part of the ABI.
    let entry = unsafe { core::mem::transmute::<*mut c_void, abi::Entry>(address) };
    // SAFETY: the entry may be called with any number.
    let table = unsafe { entry(abi::ABI) };
    if table.is_null() {
        return Err(mismatch(format!("does not speak ABI {}", abi::ABI)));
    }
    // SAFETY: every version of the table begins with `abi` and lives for the process's life.
    let version = unsafe { (*table).abi };
    // SAFETY: every version of the table has `size` next.
    let size = unsafe { (*table).size };
    if version != abi::ABI {
        return Err(mismatch(format!("speaks ABI {version}, not {}", abi::ABI)));
    }
    if size < size_of::<abi::Layer>() {
        return Err(mismatch("is older than the module".to_owned()));
    }
    // SAFETY: checked to be as large as the type, of this ABI, and never closed.
    Ok(unsafe { &*table })
}

/// `dlopen` by path. The outer error is a bad path, the inner one the linker's words.
fn open_object(path: &Path, flags: c_int) -> Result<Result<*mut c_void, String>, OpenError> {
    let c_path = CString::new(path.as_os_str().as_bytes()).map_err(|_| OpenError::BadPath {
        path: path.to_path_buf(),
    })?;
    // SAFETY: a C string and flags; what the object's constructors do is its own matter.
    let handle = unsafe { libc::dlopen(c_path.as_ptr(), flags) };
    if !handle.is_null() {
        return Ok(Ok(handle));
    }
    // SAFETY: returns this thread's last linker error, or null.
    let reason = unsafe { libc::dlerror() };
    if reason.is_null() {
        return Ok(Err(format!("{}", path.display())));
    }
    // SAFETY: a C string that stays until the thread's next call of the linker.
    let reason = unsafe { CStr::from_ptr(reason) };
    Ok(Err(reason.to_string_lossy().into_owned()))
}

fn symbol(handle: *mut c_void, name: &CStr) -> Option<*mut c_void> {
    // SAFETY: an open handle and a C string.
    let address = unsafe { libc::dlsym(handle, name.as_ptr()) };
    (!address.is_null()).then_some(address)
}
