//! Layouts of environments, made in a folder for each test, and the real ones of this machine.
//!
//! A layout's libraries are hard links to a real shared object, so that its ELF header is a real one.

mod accepted;
mod real;
mod refused;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::{Found, LocateError, locate};

/// A folder with layouts in it. Paths are relative to it.
struct Tree {
    _folder: tempfile::TempDir,
    root: PathBuf,
}

impl Tree {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        Self {
            _folder: folder,
            root,
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn prepared(&self, path: &str) -> PathBuf {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    /// Writes a file; `{root}` in the text is the tree's own path.
    fn file(&self, path: &str, text: &str) -> &Self {
        let text = text.replace("{root}", self.root.to_str().unwrap());
        fs::write(self.prepared(path), text).unwrap();
        self
    }

    fn folder(&self, path: &str) -> &Self {
        fs::create_dir_all(self.path(path)).unwrap();
        self
    }

    /// Makes `path` a link with the text `target`.
    fn link(&self, target: &str, path: &str) -> &Self {
        let target = target.replace("{root}", self.root.to_str().unwrap());
        symlink(target, self.prepared(path)).unwrap();
        self
    }

    /// Puts a real shared object of this machine there.
    fn object(&self, path: &str) -> &Self {
        let object = fs::canonicalize(native_object()).unwrap();
        let path = self.prepared(path);
        if fs::hard_link(&object, &path).is_err() {
            fs::copy(&object, &path).unwrap();
        }
        self
    }

    /// Puts the header of a shared object of another processor there.
    fn foreign_object(&self, path: &str) -> &Self {
        let mut header = super::files::beginning::<64>(&native_object()).unwrap();
        header[18] ^= 0x55;
        fs::write(self.prepared(path), header).unwrap();
        self
    }

    /// An installed Python with programs and standard library, but without a shared library.
    fn installed(&self, prefix: &str, version: &str) -> &Self {
        self.file(&format!("{prefix}/bin/python{version}"), "a program")
            .link(
                &format!("python{version}"),
                &format!("{prefix}/bin/python3"),
            )
            .link("python3", &format!("{prefix}/bin/python"))
            .file(&format!("{prefix}/lib/python{version}/os.py"), "")
    }

    /// An installed Python with its shared library in `lib`.
    fn shared(&self, prefix: &str, version: &str) -> &Self {
        self.installed(prefix, version)
            .object(&format!("{prefix}/lib/libpython{version}.so.1.0"))
    }

    /// What `python -m venv` of 3.12 makes at `env` for the Python at `base`.
    fn venv(&self, env: &str, base: &str) -> &Self {
        self.file(
            &format!("{env}/pyvenv.cfg"),
            &format!(
                "home = {{root}}/{base}/bin\ninclude-system-site-packages = false\nversion = 3.12.1\n\
                 executable = {{root}}/{base}/bin/python3.12\ncommand = {{root}}/{base}/bin/python3 -m venv {{root}}/{env}\n"
            ),
        )
        .link("python3", &format!("{env}/bin/python"))
        .link(&format!("{{root}}/{base}/bin/python3"), &format!("{env}/bin/python3"))
        .link("python3", &format!("{env}/bin/python3.12"))
        .folder(&format!("{env}/lib/python3.12/site-packages"))
    }

    fn locate(&self, home: &str) -> Result<Found, LocateError> {
        locate(Some(&self.path(home)))
    }

    /// The library found for a home, relative to the tree.
    #[track_caller]
    fn library(&self, home: &str) -> String {
        match self.locate(home) {
            Ok(found) => self.relative(&found.library),
            Err(error) => panic!("{home}: {error}"),
        }
    }

    /// Asserts where library and base of a home are.
    #[track_caller]
    fn expect(&self, home: &str, library: &str, base: &str) -> Found {
        let found = match self.locate(home) {
            Ok(found) => found,
            Err(error) => panic!("{home}: {error}"),
        };
        assert_eq!(self.relative(&found.library), library);
        assert_eq!(self.relative(&found.base_prefix), base);
        assert!(found.executable.starts_with(&self.root));
        assert!(!found.free_threaded);
        found
    }

    /// The sentence that refuses a home, with the tree's own path as `{root}`.
    #[track_caller]
    fn refusal(&self, home: &str) -> String {
        match self.locate(home) {
            Ok(found) => panic!("{home} was accepted: {found:?}"),
            Err(error) => error
                .to_string()
                .replace(self.root.to_str().unwrap(), "{root}"),
        }
    }

    fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.root)
            .unwrap_or(path)
            .display()
            .to_string()
    }
}

/// The system's libpython, or this test program where there is none: both are shared objects.
fn native_object() -> PathBuf {
    locate(None).map_or_else(|_| std::env::current_exe().unwrap(), |found| found.library)
}
