//! Watches the application's Python files for `--reload-on-changes` and asks for a graceful restart.
//!
//! The processes are new ones after a graceful restart, so every module is imported afresh and the requests that are
//! being served are finished by the old ones. The kernel's notifications only say when to look: what has changed is
//! found by comparing modification times, which is also done every now and then without being told, since network and
//! container mounts tell nothing. Where there are no notifications at all, that is the only way.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use serde::{Deserialize, Serialize};

use crate::message;

/// With this variable files are looked at as if nothing told of changes: for mounts where the kernel only seems to.
const POLLING: &str = "RSGI_RELOAD_POLLING";

/// The time between two looks: without notifications, and with them.
const INTERVALS: [Duration; 2] = [Duration::from_millis(400), Duration::from_secs(2)];
/// How long nothing may happen before a change is complete: an editor or a checkout writes several files.
const SETTLED: Duration = Duration::from_millis(30);
/// How long that is waited for at most.
const PATIENCE: Duration = Duration::from_millis(200);
/// More files than an application has; a mistaken working directory such as `/` ends here.
const MOST_FILES: usize = 20_000;

type Files = HashMap<PathBuf, (SystemTime, u64)>;

/// What was found at one time.
#[derive(Debug, Default)]
struct Snapshot {
    files: Files,
    folders: HashSet<PathBuf>,
}

/// What to watch.
#[derive(Debug, Deserialize, Serialize)]
pub struct Watched {
    /// Directories of Python files.
    pub directories: Vec<PathBuf>,
    /// Single files, and folders where everything counts.
    pub files: Vec<PathBuf>,
    /// Folders that do not count, by their path or their name.
    pub ignored: Vec<PathBuf>,
}

/// What is watched, and how it was when it was last looked at.
#[derive(Debug)]
pub struct Watch {
    directories: Vec<PathBuf>,
    files: Vec<PathBuf>,
    ignored: Vec<PathBuf>,
    seen: Files,
    bell: Option<Bell>,
    interval: Duration,
}

/// The kernel's notifications.
#[derive(Debug)]
struct Bell {
    watcher: RecommendedWatcher,
    rings: Receiver<()>,
    folders: HashSet<PathBuf>,
}

impl Watch {
    /// Takes the state of things as it is now.
    pub fn new(watched: &Watched) -> Self {
        let mut watch = Self {
            directories: watched.directories.clone(),
            files: watched.files.clone(),
            ignored: watched.ignored.clone(),
            seen: Files::new(),
            bell: None,
            interval: INTERVALS[0],
        };
        let bell = if std::env::var_os(POLLING).is_some_and(|value| !value.is_empty()) {
            Err(format!("`{POLLING}` is set"))
        } else {
            watch.hang_bell().map_err(|error| error.to_string())
        };
        match bell {
            Ok(bell) => {
                watch.bell = Some(bell);
                watch.interval = INTERVALS[1];
            }
            Err(error) => message::note(&format!(
                "`--reload-on-changes`: no notifications of changes ({error}): looking every {} ms instead",
                INTERVALS[0].as_millis()
            )),
        }
        let found = watch.look();
        watch.follow(&found.folders);
        watch.seen = found.files;
        watch
    }

    /// Whether there are so many files that not all of them are watched.
    pub fn is_truncated(&self) -> bool {
        self.seen.len() >= MOST_FILES
    }

    /// Calls `on_change` with a file that changed, each time something did; returns only when that says so.
    pub fn run(mut self, on_change: impl Fn(&Path) -> bool) {
        loop {
            self.wait();
            if let Some(path) = self.changed()
                && !on_change(&path)
            {
                return;
            }
        }
    }

    /// Waits until something may have changed.
    fn wait(&self) {
        let Some(bell) = &self.bell else {
            std::thread::sleep(self.interval);
            return;
        };
        match bell.rings.recv_timeout(self.interval) {
            Ok(()) => {
                let end = Instant::now() + PATIENCE;
                while Instant::now() < end && bell.rings.recv_timeout(SETTLED).is_ok() {}
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(INTERVALS[0]),
        }
    }

    /// A file that was changed, added or removed since the last look.
    fn changed(&mut self) -> Option<PathBuf> {
        let now = self.look();
        self.follow(&now.folders);
        let changed = now
            .files
            .iter()
            .find(|(path, state)| self.seen.get(*path) != Some(state))
            .or_else(|| {
                let mut seen = self.seen.iter();
                seen.find(|(path, _)| !now.files.contains_key(*path))
            })
            .map(|(path, _)| path.clone());
        self.seen = now.files;
        changed
    }

    fn look(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for directory in &self.directories {
            self.collect(directory, is_python, &mut snapshot);
        }
        for path in &self.files {
            if path.is_dir() {
                self.collect(path, |_| true, &mut snapshot);
                continue;
            }
            // Editors put another file in its place, which the folder tells.
            snapshot
                .folders
                .extend(path.parent().map(Path::to_path_buf));
            note(path.clone(), &mut snapshot.files);
        }
        snapshot
    }

    fn collect(&self, directory: &Path, counts: fn(&Path) -> bool, snapshot: &mut Snapshot) {
        let Ok(entries) = fs::read_dir(directory) else {
            return;
        };
        snapshot.folders.insert(directory.to_path_buf());
        for entry in entries.flatten() {
            if snapshot.files.len() >= MOST_FILES {
                return;
            }
            let path = entry.path();
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            if kind.is_dir() {
                if holds_own_code(&path) && !self.is_ignored(&path) {
                    self.collect(&path, counts, snapshot);
                }
            } else if counts(&path) {
                note(path, &mut snapshot.files);
            }
        }
    }

    /// A folder is ignored by its path, or by its name alone.
    fn is_ignored(&self, folder: &Path) -> bool {
        let name = folder.file_name().map(Path::new);
        let mut ignored = self.ignored.iter();
        ignored.any(|ignored| ignored == folder || Some(ignored.as_path()) == name)
    }

    fn hang_bell(&self) -> notify::Result<Bell> {
        let (ring, rings) = mpsc::channel();
        let files = self.files.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // An error may mean that something was missed, so it is a reason to look as well.
            if event.map_or(true, |event| counts(&event, &files)) {
                // Nobody listens any more when the launcher ends.
                ring.send(()).ok();
            }
        })?;
        Ok(Bell {
            watcher,
            rings,
            folders: HashSet::new(),
        })
    }

    /// Asks for notifications about folders that are new; what cannot be watched is still looked at now and then.
    fn follow(&mut self, folders: &HashSet<PathBuf>) {
        let Some(bell) = &mut self.bell else { return };
        for folder in folders.difference(&bell.folders) {
            if let Err(error) = bell.watcher.watch(folder, RecursiveMode::NonRecursive) {
                message::note(&format!(
                    "`--reload-on-changes`: `{}` is looked at every {} s only: {error}",
                    folder.display(),
                    INTERVALS[1].as_secs()
                ));
            }
        }
        for folder in bell.folders.difference(folders) {
            // A folder that is gone takes its notifications with it.
            bell.watcher.unwatch(folder).ok();
        }
        bell.folders.clone_from(folders);
    }
}

/// Whether an event can be a change of what is watched: not the reading of a file, nor a log that grows.
fn counts(event: &notify::Event, files: &[PathBuf]) -> bool {
    let is_reading = matches!(event.kind, EventKind::Access(kind)
        if kind != AccessKind::Close(AccessMode::Write));
    if is_reading {
        return false;
    }
    event.paths.iter().any(|path| {
        is_python(path)
            || files.iter().any(|file| path.starts_with(file))
            || path.extension().is_none() && path.is_dir()
    })
}

fn is_python(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "py")
}

/// Leaves out hidden directories, caches, installed packages and virtual environments.
fn holds_own_code(directory: &Path) -> bool {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    let is_other = name.starts_with('.')
        || matches!(&*name, "__pycache__" | "node_modules" | "site-packages")
        || directory.join("pyvenv.cfg").exists();
    !is_other
}

fn note(path: PathBuf, files: &mut Files) {
    if let Ok(metadata) = fs::metadata(&path)
        && let Ok(time) = metadata.modified()
    {
        files.insert(path, (time, metadata.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(here: &Path, files: &[PathBuf], ignored: &[PathBuf]) -> Watch {
        Watch::new(&Watched {
            directories: vec![here.into()],
            files: [&[here.join("app.wsgi")], files].concat(),
            ignored: ignored.to_vec(),
        })
    }

    #[test]
    fn a_changed_an_added_and_a_removed_python_file_are_noticed_and_others_are_not() {
        let here = tempfile::tempdir().unwrap();
        let at = |name: &str| here.path().join(name);
        let write = |name: &str, text: &str| fs::write(at(name), text).unwrap();
        for folder in ["pkg/__pycache__", "venv", "data/raw", "build", "pages"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        write("venv/pyvenv.cfg", "");
        write("pkg/a.py", "1");
        write("app.wsgi", "1");
        write("settings.toml", "1");
        let mut watch = watch(
            here.path(),
            &[at("settings.toml"), at("pages")],
            &["build".into(), at("data/raw")],
        );

        for name in ["notes.txt", "pkg/__pycache__/a.py", "venv/b.py"] {
            write(name, "x");
        }
        for name in ["build/x.py", "data/raw/x.py"] {
            write(name, "x");
        }
        assert_eq!(watch.changed(), None);
        for name in [
            "pkg/a.py",
            "app.wsgi",
            "settings.toml",
            "pages/a.html",
            "c.py",
        ] {
            write(name, "22");
            assert_eq!(watch.changed(), Some(at(name)), "{name}");
        }
        fs::remove_file(at("c.py")).unwrap();
        assert_eq!(watch.changed(), Some(at("c.py")));
        assert_eq!(watch.changed(), None);
    }

    #[test]
    fn notifications_tell_of_a_change_at_once_in_folders_that_are_new_too() {
        let here = tempfile::tempdir().unwrap();
        let mut watch = watch(here.path(), &[], &[]);
        if watch.bell.is_none() {
            return;
        }
        // Without notifications the test would never end.
        watch.interval = Duration::from_secs(3600);
        for name in ["a.py", "new/b.py", "new/b.py"] {
            let path = here.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let text = fs::read_to_string(&path).unwrap_or_default() + "x";
            fs::write(&path, text).unwrap();
            let changed = loop {
                watch.wait();
                if let Some(changed) = watch.changed() {
                    break changed;
                }
            };
            assert_eq!(changed, path);
        }
    }
}
