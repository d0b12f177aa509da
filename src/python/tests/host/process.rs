//! Opening and starting the layer, and the process's log.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rsgi_bridge::abi::{self, level};
use rsgi_bridge::layer::Layer;
use rsgi_bridge::locate::{Found, locate};
use rsgi_bridge::start::{ProcessLog, StartOptions};

/// Lines with their levels.
#[derive(Debug, Default)]
pub(crate) struct Log(pub(crate) Vec<(u32, String)>);

impl Log {
    /// Whether a line has this text.
    pub(crate) fn has(&self, text: &str) -> bool {
        self.count(text) > 0
    }

    /// How many lines have this text.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.0
            .iter()
            .filter(|(_, line)| line.contains(text))
            .count()
    }

    /// Lines of this level or worse.
    pub(crate) fn worse_than(&self, level: u32) -> Vec<&str> {
        self.0
            .iter()
            .filter(|(own, _)| *own <= level)
            .map(|(_, line)| line.as_str())
            .collect()
    }
}

static PROCESS: Mutex<Vec<(u32, String)>> = Mutex::new(Vec::new());

struct Lines;

impl ProcessLog for Lines {
    fn log(level: u32, text: &[u8]) {
        let line = String::from_utf8_lossy(text).into_owned();
        PROCESS.lock().unwrap().push((level, line));
    }

    fn enabled(level: u32) -> bool {
        level <= level::TRACE1
    }
}

/// A started layer and a folder for scripts.
pub(crate) struct Bench {
    /// The layer.
    pub(crate) layer: Layer,
    /// Python's minor version.
    pub(crate) minor: u32,
    folder: PathBuf,
}

impl Bench {
    /// Starts Python with these `START_*` bits in addition to the defaults.
    pub(crate) fn start(home: &Path, flags: u32, python_path: &[Vec<u8>]) -> Self {
        let options = StartOptions {
            flags,
            python_path,
            ..StartOptions::default()
        };
        Self::start_as(home, &options)
    }

    /// The same, with all that a process may be.
    pub(crate) fn start_as(home: &Path, options: &StartOptions<'_>) -> Self {
        let home = Some(home).filter(|home| !home.as_os_str().is_empty());
        let found = locate(home).unwrap();
        let layer = Layer::open(&found, &layer_file(&found)).unwrap();
        let executable = found.executable.to_string_lossy().into_owned();
        let options = StartOptions {
            executable: executable.as_bytes(),
            minor: found.minor,
            flags: options.flags
                | abi::START_RESTRICT_SIGNAL
                | abi::START_DESTROY
                | abi::START_MULTITHREAD,
            processes: 3,
            threads: 8,
            mpm_processes: 3,
            mpm_threads: 8,
            apache_version: [2, 4, 62],
            wsgi_version: [6, 1, 1],
            rsgi_version: [0, 1, 0],
            description: b"Apache/2.4.62 (Test)",
            mpm_name: b"event",
            build_date: b"2026-01-01",
            ..*options
        };
        layer.start::<Lines>(&options).unwrap();
        let folder = scratch_folder();
        std::fs::create_dir_all(&folder).unwrap();
        Self {
            layer,
            minor: found.minor,
            folder,
        }
    }

    /// Writes a script and gives its path.
    pub(crate) fn script(&self, name: &str, source: &str) -> Vec<u8> {
        use std::os::unix::ffi::OsStrExt;
        let path = self.folder.join(name);
        std::fs::write(&path, source).unwrap();
        path.as_os_str().as_bytes().to_vec()
    }

    /// A file beside the scripts.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What was logged for no request since the last call.
    pub(crate) fn take_log(&self) -> Log {
        Log(core::mem::take(&mut *PROCESS.lock().unwrap()))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Where this process's scripts lie.
pub(crate) fn scratch_folder() -> PathBuf {
    std::env::temp_dir().join(format!("rsgi-layer-{}", std::process::id()))
}

/// The layer under test: `RSGI_TEST_LAYER`, or what cargo built beside this program, for a free-threaded Python in the
/// folder that `build_free_threaded_layer` of ci/common.sh has for it.
fn layer_file(found: &Found) -> PathBuf {
    if let Some(path) = std::env::var_os("RSGI_TEST_LAYER") {
        return PathBuf::from(path);
    }
    let own = std::env::current_exe().unwrap();
    let mut folder = own.ancestors().nth(2).unwrap().to_owned();
    if found.free_threaded {
        let target = folder.parent().unwrap();
        folder = target.join(format!("free-threaded-3.{}/debug", found.minor));
    }
    let built = folder.join("librsgi_python.so");
    assert!(
        built.is_file(),
        "build it first: cargo build -p rsgi-python, or build_free_threaded_layer of ci/common.sh"
    );
    built
}
