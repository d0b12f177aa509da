//! What can be wrong with an environment: one sentence each, with the cure.

use std::io;
use std::path::PathBuf;

use super::{NEWEST_MINOR, OLDEST_FREE_THREADED, OLDEST_MINOR};

/// Why no usable Python was found. Each text is one sentence that can follow a directive's name and a colon.
#[derive(Debug, thiserror::Error)]
pub enum LocateError {
    /// The folder is not there.
    #[error("`{home}` does not exist: make the environment there or correct the path", home = .home.display())]
    MissingHome {
        /// As given.
        home: PathBuf,
    },
    /// Something on the way cannot be read by this process.
    #[error("`{path}` cannot be read ({error}): make it and every folder above it accessible", path = .path.display())]
    Unreadable {
        /// What.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There is no Python in it.
    #[error(
        "`{home}` is neither a virtual environment nor a Python prefix, it has no bin/python3: name the folder that has{hint}",
        home = .home.display(), hint = .hint.as_ref().map(|hint| format!(", for instance `{}`", hint.display())).unwrap_or_default()
    )]
    NoPython {
        /// As given.
        home: PathBuf,
        /// A folder that might be meant.
        hint: Option<PathBuf>,
    },
    /// A file that is no Python.
    #[error("`{path}` is neither a folder nor a Python: name the folder that has bin/python3", path = .path.display())]
    NotPython {
        /// As given.
        path: PathBuf,
    },
    /// The environment's Python is a link to nothing.
    #[error("`{link}` leads to `{target}`, which is gone: make the environment again", link = .link.display(), target = .target.display())]
    Dangling {
        /// The environment's link.
        link: PathBuf,
        /// Where it ends.
        target: PathBuf,
    },
    /// `pyvenv.cfg` names a folder that is not there.
    #[error("`{config}` says that its Python is in `{home}`, which is gone: make the environment again", config = .config.display(), home = .home.display())]
    BaseGone {
        /// The environment's `pyvenv.cfg`.
        config: PathBuf,
        /// Its `home`.
        home: PathBuf,
    },
    /// The environment's packages are for another version than its Python.
    #[error(
        "`{home}` was made for Python 3.{made_for} but its Python is now 3.{minor}, which does not see its packages: make the environment again",
        home = .home.display()
    )]
    Outgrown {
        /// As given.
        home: PathBuf,
        /// What its packages are for.
        made_for: u32,
        /// What its Python is.
        minor: u32,
    },
    /// A script in place of a Python.
    #[error("`{path}` is a script that chooses a Python, as those of pyenv and asdf: name the environment or the version's own folder instead", path = .path.display())]
    Shim {
        /// The script.
        path: PathBuf,
    },
    /// Another implementation.
    #[error("`{path}` is {implementation}: only CPython can be embedded, make the environment with it", path = .path.display())]
    NotCPython {
        /// Its executable or folder.
        path: PathBuf,
        /// Its name.
        implementation: String,
    },
    /// A build without the GIL, of a version whose are not supported.
    #[error("the Python 3.{minor} of `{path}` is a free-threaded build, which is supported from 3.{OLDEST_FREE_THREADED} on: make the environment with the ordinary build of 3.{minor}", path = .path.display())]
    FreeThreaded {
        /// The environment.
        path: PathBuf,
        /// Its version.
        minor: u32,
    },
    /// Too old or too new.
    #[error(
        "the Python of `{path}` is {version}, supported are 3.{OLDEST_MINOR} to 3.{NEWEST_MINOR}: make the environment with one of these",
        path = .path.display()
    )]
    Unsupported {
        /// The environment.
        path: PathBuf,
        /// Major and minor version.
        version: String,
    },
    /// No file tells.
    #[error("no file of `{path}` tells which version of Python it is: make the environment again with `python3 -m venv`", path = .path.display())]
    UnknownVersion {
        /// The environment.
        path: PathBuf,
    },
    /// The version has no standard library.
    #[error("the Python 3.{minor} behind `{path}` has no standard library under `{base}`: install that Python again", path = .path.display(), base = .base.display())]
    NoStandardLibrary {
        /// The environment.
        path: PathBuf,
        /// Its prefix.
        base: PathBuf,
        /// Its version.
        minor: u32,
    },
    /// Built without a shared library.
    #[error(
        "the Python 3.{minor} at `{base}` was built without a shared library: build it again with {how}",
        base = .base.display(), how = if *.is_pyenv {
            format!("`PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install --force 3.{minor}`")
        } else {
            "`./configure --enable-shared`".to_owned()
        }
    )]
    Static {
        /// Its prefix.
        base: PathBuf,
        /// Its version.
        minor: u32,
        /// Whether pyenv made it.
        is_pyenv: bool,
    },
    /// The shared library is not where it belongs.
    #[error("{name} of the Python at `{base}` is not there: {cure}", base = .base.display(), cure = .distribution.map_or_else(
        || "install that Python again, built with `--enable-shared`".to_owned(),
        |distribution| distribution.cure(*minor)))]
    MissingLibrary {
        /// Its prefix.
        base: PathBuf,
        /// Its version.
        minor: u32,
        /// The library's file name.
        name: String,
        /// Whose package would bring it, where the Python is the distribution's.
        distribution: Option<Distribution>,
    },
    /// A library that this process cannot open.
    #[error("`{library}` {problem}: install a Python for this machine's processor and make the environment with it", library = .library.display())]
    Foreign {
        /// The library.
        library: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Nothing was named and the system has none.
    #[error(
        "the system has no python3 (neither `/usr/bin/python3` nor `/usr/local/bin/python3`): install one, or name an environment"
    )]
    NoSystemPython,
}

/// Whose packages bring a libpython.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Distribution {
    /// Debian, Ubuntu and their kin.
    Debian,
    /// Fedora, RHEL and their kin.
    Fedora,
    /// Alpine.
    Alpine,
    /// Arch.
    Arch,
    /// SUSE.
    Suse,
    /// Any other.
    Other,
}

impl Distribution {
    /// How the shared library of Python 3.`minor` is installed.
    #[must_use]
    pub fn cure(self, minor: u32) -> String {
        match self {
            Self::Debian => format!("`apt install libpython3.{minor}` brings it"),
            Self::Fedora => {
                format!("`dnf install python3-libs` (or `python3.{minor}-libs`) brings it")
            }
            Self::Alpine => "`apk add python3` brings it".to_owned(),
            Self::Arch => "`pacman -S python` brings it".to_owned(),
            Self::Suse => format!("`zypper install libpython3_{minor}-1_0` brings it"),
            Self::Other => format!(
                "install the package with the shared library of Python 3.{minor} (libpython3.{minor} on Debian, \
                 python3-libs on Fedora, python3 on Alpine)"
            ),
        }
    }
}
