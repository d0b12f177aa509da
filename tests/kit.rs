//! What some tests need that no file of the checkout can bring: other Pythons, and environments with packages
//! from PyPI. Made once, kept in a folder that the web user can enter, and shared by parallel test runs.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::harness::say;

/// A CPython with a shared library that the web user can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Python {
    /// Its prefix, good for WSGIPythonHome.
    pub(crate) home: PathBuf,
    /// 3.*minor*.
    pub(crate) minor: u32,
}

impl Python {
    pub(crate) fn executable(&self) -> PathBuf {
        self.home.join(format!("bin/python3.{}", self.minor))
    }

    /// The version as files name it: `3.14`, or `3.14t` of a free-threaded one.
    pub(crate) fn version(&self) -> String {
        let threaded = format!("lib/libpython3.{}t.so.1.0", self.minor);
        let suffix = if self.home.join(threaded).exists() {
            "t"
        } else {
            ""
        };
        format!("3.{}{suffix}", self.minor)
    }

    /// The prefix as text.
    pub(crate) fn home(&self) -> &str {
        self.home.to_str().expect("paths of the tests are UTF-8")
    }
}

/// The folder for everything in here.
pub(crate) fn place() -> PathBuf {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    let made = PLACE.get_or_init(|| {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
        let place = match std::env::var_os("RSGI_TEST_CACHE") {
            Some(path) => path.into(),
            None if is_open_to_all(&target) => target.join("e2e-cache"),
            None => PathBuf::from(format!("/var/tmp/rsgi-e2e-cache-{}", user_id())),
        };
        open_folder(&place);
        place
    });
    made.clone()
}

/// The Python of this machine's distribution.
pub(crate) fn system_python() -> Python {
    let output = Command::new("/usr/bin/python3")
        .args(["-c", "import sys; print(sys.version_info[1])"])
        .output()
        .expect("the system has a python3 (ci/setup)");
    let minor = String::from_utf8_lossy(&output.stdout).trim().parse();
    Python {
        home: "/usr".into(),
        minor: minor.expect("python3 tells its version"),
    }
}

/// Every usable Python of this machine, one for each version: the system's first, then those that
/// `RSGI_TEST_PYTHONS` names (prefixes with colons between), then pyenv's.
pub(crate) fn pythons() -> &'static [Python] {
    static FOUND: OnceLock<Vec<Python>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let mut found = vec![system_python()];
        for prefix in candidates() {
            let Some(minor) = shared_minor(&prefix) else {
                continue;
            };
            if found.iter().all(|python| python.minor != minor) {
                let home = readable_copy(&prefix, minor);
                found.push(Python { home, minor });
            }
        }
        say(&format!("Pythons: {found:?}"));
        found
    })
}

/// The free-threaded Pythons among those that `RSGI_TEST_PYTHONS` names; most machines have none.
pub(crate) fn free_threaded() -> &'static [Python] {
    static FOUND: OnceLock<Vec<Python>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let named = std::env::var("RSGI_TEST_PYTHONS").unwrap_or_default();
        let found: Vec<Python> = named
            .split(':')
            .map(PathBuf::from)
            .filter_map(|home| {
                let is_there = |minor: &u32| {
                    let library = format!("lib/libpython3.{minor}t.so.1.0");
                    home.join(library).exists()
                };
                let minor = (14..=15).find(is_there)?;
                Some(Python { home, minor })
            })
            .collect();
        say(&format!("free-threaded Pythons: {found:?}"));
        found
    })
}

/// Whether the Python of this run is a free-threaded one, with or without its GIL.
pub(crate) fn is_free_threaded_run() -> bool {
    let home = std::env::var_os("RSGI_TEST_PYTHON").map(PathBuf::from);
    free_threaded()
        .iter()
        .any(|python| Some(&python.home) == home.as_ref())
}

/// All of these and those: each version that there is, with and without a GIL.
pub(crate) fn all_pythons() -> impl Iterator<Item = &'static Python> {
    pythons().iter().chain(free_threaded())
}

fn candidates() -> Vec<PathBuf> {
    if let Ok(named) = std::env::var("RSGI_TEST_PYTHONS") {
        return named.split(':').map(PathBuf::from).collect();
    }
    let root = std::env::var_os("PYENV_ROOT").map(PathBuf::from);
    let root = root.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".pyenv")));
    let versions = root.map(|root| root.join("versions")).unwrap_or_default();
    let mut prefixes: Vec<PathBuf> = std::fs::read_dir(versions)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    prefixes.sort();
    prefixes
}

/// The version of a prefix with a supported Python and its shared library.
fn shared_minor(prefix: &Path) -> Option<u32> {
    (10..=15).find(|minor| {
        let has = |file: String| prefix.join(file).exists();
        has(format!("bin/python3.{minor}")) && has(format!("lib/libpython3.{minor}.so.1.0"))
    })
}

/// The prefix itself where everybody may read it, else a copy without tests and packages.
fn readable_copy(prefix: &Path, minor: u32) -> PathBuf {
    if is_open_to_all(prefix) {
        return prefix.to_owned();
    }
    let name = prefix.file_name().unwrap_or_default().to_string_lossy();
    let copy = place().join(format!("python-{name}"));
    once(&copy, |copy| {
        open_folder(copy);
        let script = format!(
            "tar -C \"$1\" --exclude=lib/python3.{minor}/test --exclude=lib/python3.{minor}/site-packages \
             --exclude='*.a' --exclude=__pycache__ -cf - bin include lib | tar -C \"$2\" -xf - && \
             mkdir -p \"$2/lib/python3.{minor}/site-packages\" && chmod -R go+rX \"$2\""
        );
        run(Command::new("sh")
            .args(["-c", &script, "sh"])
            .arg(prefix)
            .arg(copy));
    });
    copy
}

/// A virtual environment with these packages; the same name and packages give the same environment.
pub(crate) fn venv(python: &Python, name: &str, packages: &[&str]) -> PathBuf {
    let folder = place().join(format!("venv-{name}-{}", python.version()));
    once(&folder, |folder| {
        run(clean(&python.executable()).args(["-m", "venv"]).arg(folder));
        if !packages.is_empty() {
            let pip = folder.join("bin/python");
            run(clean(&pip)
                .args(["-m", "pip", "install", "-q", "--no-input"])
                .arg("--disable-pip-version-check")
                .args(packages));
        }
        run(Command::new("chmod").args(["-R", "go+rX"]).arg(folder));
    });
    folder
}

/// A folder that `make` fills once, kept beside the environments.
pub(crate) fn kept(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let folder = place().join(name);
    once(&folder, |folder| {
        open_folder(folder);
        make(folder);
    });
    folder
}

/// A command that sees no settings of an environment around the tests.
pub(crate) fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    for name in std::env::vars().map(|v| v.0) {
        if name.starts_with("PYTHON") || name == "VIRTUAL_ENV" {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command; fails with its output.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{command:?}: {text}");
    text
}

/// Makes a folder once for all processes; one that was left half made is made again.
fn once(folder: &Path, make: impl FnOnce(&Path)) {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let lock = File::create(place().join(format!(".{name}.lock"))).unwrap();
    // SAFETY: the descriptor is open.
    let code = unsafe { libc::flock(lock.as_raw_fd(), libc::LOCK_EX) };
    assert_eq!(code, 0, "the lock can be taken");
    let done = place().join(format!(".{name}.done"));
    if !done.exists() {
        std::fs::remove_dir_all(folder).ok();
        make(folder);
        File::create(&done).unwrap();
    }
}

/// Whether everybody may enter the folder and all above it.
fn is_open_to_all(path: &Path) -> bool {
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    real.ancestors().all(|folder| {
        std::fs::metadata(folder).is_ok_and(|m| m.permissions().mode() & 0o005 == 0o005)
    })
}

fn open_folder(path: &Path) {
    std::fs::create_dir_all(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    crate::harness::allow(path, 0o755);
}

fn user_id() -> u32 {
    // SAFETY: getuid takes nothing and cannot fail.
    unsafe { libc::getuid() }
}
