//! Finds the shared libpython that belongs to an environment, by reading files only.
//!
//! Nothing is ever run and nothing outside the environment's own Python (or the system's folders, for the
//! system's Python) is taken. `error` has a sentence for each thing that can be wrong.

mod error;

use std::path::{Path, PathBuf};

pub use error::{Distribution, LocateError};

/// The oldest supported minor version.
pub const OLDEST_MINOR: u32 = 10;
/// The newest supported minor version.
pub const NEWEST_MINOR: u32 = 15;

/// An environment's Python.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Found {
    /// The environment's own `bin/python`, links kept: what Python is told it is.
    pub executable: PathBuf,
    /// Whether there is a `pyvenv.cfg`.
    pub is_venv: bool,
    /// The prefix of the installed Python behind the environment.
    pub base_prefix: PathBuf,
    /// The folder (or zip file) of the standard library.
    pub standard_library: PathBuf,
    /// Minor version: 3.*minor*.
    pub minor: u32,
    /// The full version, where a file tells it.
    pub version: Option<String>,
    /// Whether it is a build without the GIL; `locate` refuses those for now.
    pub free_threaded: bool,
    /// The shared library.
    pub library: PathBuf,
    /// How the library was found, for debug logs.
    pub how: &'static str,
}

/// Finds the Python of `home` (an environment, a prefix, its `bin` folder or a Python in that), or the
/// system's python3 where there is none.
///
/// # Errors
/// One sentence that says what is wrong and what to do about it.
pub fn locate(home: Option<&Path>) -> Result<Found, LocateError> {
    let _ = home;
    Err(LocateError::NoSystemPython)
}
