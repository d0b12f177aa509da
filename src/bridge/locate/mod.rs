//! Finds the shared libpython that belongs to an environment, by reading files only.
//!
//! Nothing is ever run and nothing outside the environment's own Python (or the system's folders, for the
//! system's Python) is taken. `error` has a sentence for each thing that can be wrong.

mod elf;
mod environment;
mod error;
mod files;
mod library;
#[cfg(test)]
mod tests;
mod text;

use std::path::{Path, PathBuf};

pub use error::{Distribution, LocateError};

use environment::Environment;
use text::Version;

/// The oldest supported minor version.
pub const OLDEST_MINOR: u32 = 10;
/// The oldest minor version of which free-threaded builds are supported: those of 3.13 were a trial.
pub const OLDEST_FREE_THREADED: u32 = 14;
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
    /// Whether it is a build without the GIL.
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
    match home {
        Some(home) => describe(&Environment::open(home)?),
        None => locate_system(&SYSTEM.map(Path::new)),
    }
}

/// Where a distribution has its python3.
const SYSTEM: [&str; 2] = ["/usr/bin/python3", "/usr/local/bin/python3"];

/// The first of the system's Pythons that is there.
fn locate_system(candidates: &[&Path]) -> Result<Found, LocateError> {
    let executable = candidates
        .iter()
        .find(|path| path.is_file())
        .ok_or(LocateError::NoSystemPython)?;
    describe(&Environment::open(executable)?)
}

/// What is known of an environment, or why it is of no use.
fn describe(environment: &Environment) -> Result<Found, LocateError> {
    let mut bases = environment.bases();
    let version = version_of(environment, &bases)?;
    check_version(environment, version)?;
    let nearest = bases.first().unwrap_or(&environment.prefix).clone();
    bases.retain(|base| library::standard_library(base, version).is_some());
    let Some((base_prefix, standard_library)) = bases
        .iter()
        .find_map(|base| Some((base.clone(), library::standard_library(base, version)?)))
    else {
        return Err(LocateError::NoStandardLibrary {
            path: environment.executable.clone(),
            base: nearest,
            minor: version.minor,
        });
    };
    let library = library::Search::new(version, &environment.real).run(&bases)?;
    Ok(Found {
        executable: environment.executable.clone(),
        is_venv: environment.config.is_some(),
        standard_library,
        minor: version.minor,
        version: library::full_version(&library.base, version),
        base_prefix,
        free_threaded: version.free_threaded,
        library: library.path,
        how: library.how,
    })
}

/// The version: the program's name tells it best, then the environment's packages, then what it was made with.
fn version_of(environment: &Environment, bases: &[PathBuf]) -> Result<Version, LocateError> {
    let own = environment.own_versions();
    let installed: Vec<Version> = bases
        .iter()
        .flat_map(|base| environment::versions_under(base, |folder| folder.join("os.py").is_file()))
        .collect();
    let only = |versions: &[Version]| match versions {
        [version] => Some(*version),
        _ => None,
    };
    let mut version = Version::from_file_name(environment.program_name())
        .or_else(|| only(&own))
        .or_else(|| {
            environment
                .config
                .as_ref()
                .and_then(text::VenvConfig::version)
        })
        .or_else(|| only(&installed))
        .ok_or_else(|| LocateError::UnknownVersion {
            path: environment.prefix.clone(),
        })?;
    // A free-threaded build often has a program without the t, and never says so in pyvenv.cfg.
    let threaded = Version {
        free_threaded: true,
        ..version
    };
    let seen = if own.is_empty() { installed } else { own };
    version.free_threaded |= seen.contains(&threaded) && !seen.contains(&version);
    Ok(version)
}

/// Refuses versions that cannot work.
fn check_version(environment: &Environment, version: Version) -> Result<(), LocateError> {
    let path = environment.prefix.clone();
    if !version.is_supported() {
        return Err(LocateError::Unsupported {
            path,
            version: version.tag(),
        });
    }
    let minor = version.minor;
    if version.free_threaded && minor < OLDEST_FREE_THREADED {
        return Err(LocateError::FreeThreaded { path, minor });
    }
    let own = environment.own_versions();
    let is_outgrown = environment.config.is_some() && !own.contains(&version);
    match own.last() {
        Some(made_for) if is_outgrown => Err(LocateError::Outgrown {
            home: path,
            made_for: made_for.minor,
            minor,
        }),
        _ => Ok(()),
    }
}
