//! What a named home is: its prefix, its Python, its `pyvenv.cfg`, and where its base may be.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::LocateError;
use super::files;
use super::text::{VenvConfig, Version};

/// Larger than any `pyvenv.cfg`.
const CONFIG_LIMIT: usize = 64 << 10;
/// Where a prefix has its programs.
const PROGRAMS: &str = "bin";

/// An environment, or a plain installed Python.
#[derive(Debug)]
pub(super) struct Environment {
    /// Its prefix, as given as far as possible.
    pub(super) prefix: PathBuf,
    /// Its own Python, links kept.
    pub(super) executable: PathBuf,
    /// The program behind it.
    pub(super) real: PathBuf,
    /// Its `pyvenv.cfg`.
    pub(super) config: Option<VenvConfig>,
}

impl Environment {
    /// From a prefix, its `bin`, or a Python in that.
    pub(super) fn open(given: &Path) -> Result<Self, LocateError> {
        let given = std::path::absolute(given).unwrap_or_else(|_| given.to_path_buf());
        let metadata = fs::metadata(&given).map_err(|error| match error.kind() {
            ErrorKind::NotFound if files::is_link(&given) => dangling(&given),
            ErrorKind::NotFound | ErrorKind::NotADirectory => LocateError::MissingHome {
                home: given.clone(),
            },
            _ => LocateError::Unreadable {
                path: given.clone(),
                error,
            },
        })?;
        let executable = if metadata.is_dir() {
            executable_of(&given)?
        } else if metadata.is_file() && has_python_name(&given) {
            given.clone()
        } else {
            return Err(LocateError::NotPython { path: given });
        };
        Self::of_executable(&given, executable)
    }

    fn of_executable(given: &Path, executable: PathBuf) -> Result<Self, LocateError> {
        let prefix = executable
            .parent()
            .and_then(Path::parent)
            .unwrap_or(given)
            .to_path_buf();
        let real = fs::canonicalize(&executable).map_err(|error| LocateError::Unreadable {
            path: executable.clone(),
            error,
        })?;
        check_program(&executable, &real)?;
        let config = files::contents(&prefix.join("pyvenv.cfg"), CONFIG_LIMIT)
            .map(|bytes| VenvConfig::parse(&bytes));
        if let Some(implementation) = config.as_ref().and_then(VenvConfig::other_implementation) {
            return Err(LocateError::NotCPython {
                path: prefix,
                implementation: format!("made for {implementation}"),
            });
        }
        let environment = Self {
            prefix,
            executable,
            real,
            config,
        };
        environment.check_home_key()?;
        Ok(environment)
    }

    /// Python looks for its library where `home` of `pyvenv.cfg` says.
    fn check_home_key(&self) -> Result<(), LocateError> {
        let Some(home) = self.config.as_ref().and_then(|config| config.path("home")) else {
            return Ok(());
        };
        match fs::metadata(&home) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                Err(LocateError::Unreadable { path: home, error })
            }
            Ok(metadata) if metadata.is_dir() => Ok(()),
            _ => Err(LocateError::BaseGone {
                config: self.prefix.join("pyvenv.cfg"),
                home,
            }),
        }
    }

    /// Where the installed Python behind it may be, best first. A virtual environment is never one.
    pub(super) fn bases(&self) -> Vec<PathBuf> {
        let prefix_of = |executable: &Path| Some(executable.parent()?.parent()?.to_path_buf());
        let mut candidates = Vec::new();
        if let Some(config) = &self.config {
            if let Some(home) = config.path("home") {
                let real = fs::canonicalize(&home).unwrap_or(home);
                candidates.extend(real.parent().map(Path::to_path_buf));
            }
            candidates.extend(config.path("base-prefix"));
            for key in ["base-executable", "executable"] {
                candidates.extend(config.path(key).and_then(|path| prefix_of(&path)));
            }
        }
        candidates.extend(prefix_of(&self.real));
        let mut bases: Vec<PathBuf> = Vec::new();
        for base in candidates {
            if !bases.contains(&base) && !base.join("pyvenv.cfg").exists() {
                bases.push(base);
            }
        }
        bases
    }

    /// The versions that the environment's own packages are for.
    pub(super) fn own_versions(&self) -> Vec<Version> {
        versions_under(&self.prefix, |folder| folder.join("site-packages").is_dir())
    }

    /// The file name of the program behind it.
    pub(super) fn program_name(&self) -> &str {
        self.real
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
    }
}

/// Versions of `lib/python3.X` folders that `counts` accepts, sorted.
pub(super) fn versions_under(prefix: &Path, counts: impl Fn(&Path) -> bool) -> Vec<Version> {
    let mut versions: Vec<Version> = ["lib", "lib64"]
        .iter()
        .map(|lib| prefix.join(lib))
        .flat_map(|lib| files::names(&lib).map(move |name| (lib.join(&name), name)))
        .filter_map(|(path, name)| Some((path, Version::from_file_name(name.to_str()?)?)))
        .filter(|(path, _)| counts(path))
        .map(|(_, version)| version)
        .collect();
    versions.sort_unstable();
    versions.dedup();
    versions
}

/// Whether a program, or what it is a link to, is called as Pythons are.
fn has_python_name(program: &Path) -> bool {
    let is_python = |path: &Path| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| {
                ["python", "pypy", "graalpy"]
                    .iter()
                    .any(|known| name.starts_with(known))
            })
    };
    is_python(program) || fs::canonicalize(program).is_ok_and(|real| is_python(&real))
}

/// Refuses scripts and other implementations.
fn check_program(executable: &Path, real: &Path) -> Result<(), LocateError> {
    let name = real
        .file_name()
        .map(|name| name.to_string_lossy().to_ascii_lowercase())
        .unwrap_or_default();
    for (part, implementation) in [("pypy", "PyPy"), ("graalpy", "GraalPy")] {
        if name.starts_with(part) {
            return Err(LocateError::NotCPython {
                path: executable.to_path_buf(),
                implementation: implementation.to_owned(),
            });
        }
    }
    let beginning = files::beginning::<2>(real).map_err(|error| LocateError::Unreadable {
        path: real.to_path_buf(),
        error,
    })?;
    if beginning == b"#!" {
        return Err(LocateError::Shim {
            path: executable.to_path_buf(),
        });
    }
    Ok(())
}

/// The Python of a prefix, or of a folder that has Pythons itself.
fn executable_of(given: &Path) -> Result<PathBuf, LocateError> {
    let is_venv = given.join("pyvenv.cfg").exists();
    let programs = given.join(PROGRAMS);
    let mut dangling_link = None;
    for folder in [programs.as_path(), given] {
        for name in candidates(folder, is_venv) {
            let path = folder.join(name);
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_file() => return Ok(path),
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    return Err(LocateError::Unreadable { path, error });
                }
                Err(_) if dangling_link.is_none() && files::is_link(&path) => {
                    dangling_link = Some(path);
                }
                _ => {}
            }
        }
    }
    Err(dangling_link.map_or_else(
        || LocateError::NoPython {
            home: given.to_path_buf(),
            hint: hint(given),
        },
        |link| dangling(&link),
    ))
}

/// Names to try in a folder of programs. A plain prefix's `python` may be a Python 2, so it comes last there.
fn candidates(folder: &Path, is_venv: bool) -> Vec<String> {
    let mut numbered: Vec<(Version, String)> = files::names(folder)
        .filter_map(|name| name.into_string().ok())
        .filter_map(|name| Some((Version::from_file_name(&name)?, name)))
        .collect();
    numbered.sort_unstable_by(|one, other| other.cmp(one));
    let numbered = numbered.into_iter().map(|(_, name)| name);
    let first = if is_venv {
        ["python", "python3"].as_slice()
    } else {
        &["python3"]
    };
    let mut names: Vec<String> = first.iter().map(|name| (*name).to_owned()).collect();
    names.extend(numbered);
    names.extend(["python", "pypy3", "graalpy"].map(str::to_owned));
    names
}

/// A Python that might be meant: an environment in a project's folder, or the newest of pyenv's versions.
fn hint(given: &Path) -> Option<PathBuf> {
    let versions = given.join("versions");
    let newest = files::names(&versions)
        .filter_map(|name| Some((Version::from_number(name.to_str()?)?, versions.join(name))))
        .filter(|(version, path)| version.is_supported() && path.join("bin/python3").exists())
        .max();
    [".venv", "venv", "env"]
        .iter()
        .map(|name| given.join(name))
        .find(|path| path.join("bin/python3").exists())
        .or(newest.map(|(_, path)| path))
}

fn dangling(link: &Path) -> LocateError {
    LocateError::Dangling {
        link: link.to_path_buf(),
        target: files::end_of_links(link),
    }
}
