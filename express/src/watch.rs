//! Watches the application's Python files for `--reload-on-changes` and asks for a graceful restart.
//!
//! Apache's children are new processes after a graceful restart, so every module is imported afresh and the
//! requests that are being served are finished by the old ones. Looking at modification times is slower than the
//! kernel's notifications but works on every file system, network and container mounts included.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The time between two looks.
const INTERVAL: Duration = Duration::from_millis(500);
/// More files than an application has; a mistaken working directory such as `/` ends here.
const MOST_FILES: usize = 20_000;

type Snapshot = HashMap<PathBuf, (SystemTime, u64)>;

/// What is watched: directories of Python files and single files of any name.
#[derive(Debug)]
pub(crate) struct Watch {
    directories: Vec<PathBuf>,
    files: Vec<PathBuf>,
    seen: Snapshot,
}

impl Watch {
    /// Takes the state of things as it is now.
    pub(crate) fn new(directories: Vec<PathBuf>, files: Vec<PathBuf>) -> Self {
        let mut watch = Self {
            directories,
            files,
            seen: Snapshot::new(),
        };
        watch.seen = watch.look();
        watch
    }

    /// Whether there are so many files that not all of them are watched.
    pub(crate) fn is_truncated(&self) -> bool {
        self.seen.len() >= MOST_FILES
    }

    /// Calls `on_change` with a file that changed, each time something did; returns only when that says so.
    pub(crate) fn run(mut self, on_change: impl Fn(&Path) -> bool) {
        loop {
            std::thread::sleep(INTERVAL);
            if let Some(path) = self.changed()
                && !on_change(&path)
            {
                return;
            }
        }
    }

    /// A file that was changed, added or removed since the last look.
    fn changed(&mut self) -> Option<PathBuf> {
        let now = self.look();
        let changed = now
            .iter()
            .find(|(path, state)| self.seen.get(*path) != Some(state))
            .or_else(|| self.seen.iter().find(|(path, _)| !now.contains_key(*path)))
            .map(|(path, _)| path.clone());
        self.seen = now;
        changed
    }

    fn look(&self) -> Snapshot {
        let mut snapshot = Snapshot::new();
        for directory in &self.directories {
            collect(directory, &mut snapshot);
        }
        for file in &self.files {
            note(file.clone(), &mut snapshot);
        }
        snapshot
    }
}

fn collect(directory: &Path, snapshot: &mut Snapshot) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        if snapshot.len() >= MOST_FILES {
            return;
        }
        let path = entry.path();
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() {
            if holds_own_code(&path) {
                collect(&path, snapshot);
            }
        } else if path.extension().is_some_and(|extension| extension == "py") {
            note(path, snapshot);
        }
    }
}

/// Leaves out hidden directories, caches, installed packages and virtual environments.
fn holds_own_code(directory: &Path) -> bool {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    let is_other = name.starts_with('.')
        || matches!(&*name, "__pycache__" | "node_modules" | "site-packages")
        || directory.join("pyvenv.cfg").exists();
    !is_other
}

fn note(path: PathBuf, snapshot: &mut Snapshot) {
    if let Ok(metadata) = fs::metadata(&path)
        && let Ok(time) = metadata.modified()
    {
        snapshot.insert(path, (time, metadata.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_an_added_and_a_removed_python_file_are_noticed_and_others_are_not() {
        let here = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(here.path().join(name), text).unwrap();
        fs::create_dir_all(here.path().join("pkg/__pycache__")).unwrap();
        fs::create_dir(here.path().join("venv")).unwrap();
        write("venv/pyvenv.cfg", "");
        write("pkg/a.py", "1");
        write("app.wsgi", "1");
        let mut watch = Watch::new(vec![here.path().into()], vec![here.path().join("app.wsgi")]);

        write("notes.txt", "x");
        write("pkg/__pycache__/a.py", "x");
        write("venv/b.py", "x");
        assert_eq!(watch.changed(), None);
        write("pkg/a.py", "22");
        assert_eq!(watch.changed(), Some(here.path().join("pkg/a.py")));
        write("app.wsgi", "22");
        assert_eq!(watch.changed(), Some(here.path().join("app.wsgi")));
        write("c.py", "");
        assert_eq!(watch.changed(), Some(here.path().join("c.py")));
        fs::remove_file(here.path().join("c.py")).unwrap();
        assert_eq!(watch.changed(), Some(here.path().join("c.py")));
        assert_eq!(watch.changed(), None);
    }
}
