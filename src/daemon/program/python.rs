//! Python in a daemon process: the bridge's layer, started by the configuration, behind what the server and the monitor
//! know.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rsgi_bridge::abi;
use rsgi_bridge::facts::TargetFacts;
use rsgi_bridge::layer::Layer;
use rsgi_bridge::locate::Found;
use rsgi_bridge::serve::RequestSource;
use rsgi_bridge::start::StartOptions;
use rustix::fs::{MemfdFlags, memfd_create};

use crate::config::{ImportConfig, ProcessConfig, PythonConfig};
use crate::log::{self, LayerLog};
use crate::monitor::Python;
use crate::server::RequestHandler;

/// The most that is logged of where the threads are.
const MOST_STACKS: usize = 256 * 1024;

/// The layer as the server and the monitor see it.
pub(super) struct LayerHandler {
    layer: Layer,
}

impl LayerHandler {
    pub(super) fn new(layer: Layer) -> Self {
        Self { layer }
    }

    /// Loads what is to be loaded before any request; what fails has been logged by the layer.
    pub(super) fn import_all(&self, config: &ProcessConfig) {
        for import in &config.imports {
            let _ = self.layer.load(&target(import));
        }
    }

    /// Runs the scripts of a service process, one after the other.
    pub(super) fn run_services(&self, config: &ProcessConfig) {
        for import in &config.imports {
            let _ = self.layer.run_service(&target(import));
        }
    }

    /// Ends Python.
    pub(super) fn stop(&self, reason: &str, patience: Duration) {
        self.layer.stopping(reason);
        self.layer.stop(patience);
    }
}

impl RequestHandler for LayerHandler {
    fn serve<S: RequestSource>(&self, number: u32, source: &mut S) -> bool {
        self.layer.worker(number);
        self.layer.serve(source)
    }
}

impl Python for LayerHandler {
    fn interrupt(&self, worker: u32, daemon_start: i64) {
        // A request that is over needs none; the layer logs one that is not.
        let _ = self.layer.interrupt(worker, daemon_start);
    }

    fn dump(&self, level: u32) {
        let _ = self.layer.dump(level);
    }

    fn signal(&self, number: i32) {
        self.layer.signal(number);
    }

    fn probe(&self) {
        let _ = self.layer.probe();
    }

    fn has_loaded(&self) -> bool {
        self.layer.has_loaded()
    }

    fn stopping(&self, reason: &str) {
        self.layer.stopping(reason);
    }

    fn cut(&self) {
        self.layer.cut();
    }

    fn dump_unsafe(&self) {
        // Python writes plain text: from a memory file it becomes lines with a level.
        let Ok(file) = memfd_create("rsgi-threads", MemfdFlags::CLOEXEC) else {
            return;
        };
        let _ = self.layer.dump_unsafe(file.as_fd());
        let mut text = vec![0; MOST_STACKS];
        let count = rustix::io::pread(&file, &mut text, 0).unwrap_or(0);
        for line in text[..count].split(|&byte| byte == b'\n') {
            if !line.is_empty() {
                log::info(format_args!("{}", String::from_utf8_lossy(line)));
            }
        }
    }
}

fn target(import: &ImportConfig) -> TargetFacts<'_> {
    TargetFacts {
        application_group: &import.application_group,
        script: &import.script,
        resource: &import.script,
        ..TargetFacts::default()
    }
}

fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

fn found(python: &PythonConfig) -> Found {
    Found {
        executable: path(&python.executable),
        is_venv: python.is_venv,
        base_prefix: path(&python.base_prefix),
        standard_library: path(&python.standard_library),
        minor: python.minor,
        version: python.version.clone(),
        free_threaded: python.free_threaded,
        library: path(&python.library),
        how: "configuration",
    }
}

/// Opens the group's libpython and the layer beside the program.
///
/// # Errors
/// One sentence with the cure.
pub(super) fn open(config: &ProcessConfig, folder: &Path) -> Result<Layer, String> {
    Layer::open(&found(&config.python), folder).map_err(|error| error.to_string())
}

/// Opens them before the process goes into its chroot, in which the layer is usually not: only where every part of
/// their paths is root's. Else they are looked for inside.
///
/// # Errors
/// As [`open`].
pub(super) fn open_outside(config: &ProcessConfig, folder: &Path) -> Result<Option<Layer>, String> {
    let Some(root) = &config.options.chroot else {
        return Ok(None);
    };
    let mut found = found(&config.python);
    let inside = found.library.strip_prefix("/").unwrap_or(&found.library);
    found.library = path(root).join(inside);
    if !(is_only_root_s(&found.library) && is_only_root_s(folder)) {
        return Ok(None);
    }
    Layer::open(&found, folder)
        .map(Some)
        .map_err(|error| error.to_string())
}

/// Whether nobody but root can change what a path leads to: each folder, each link and what is behind it.
fn is_only_root_s(path: &Path) -> bool {
    let is_root_s = |part: &Path| {
        part.symlink_metadata().is_ok_and(|found| {
            // In a sticky folder nobody can take away or replace what is root's.
            let is_writable = found.mode() & 0o022 != 0 && found.mode() & 0o1000 == 0;
            found.uid() == 0 && (found.is_symlink() || !is_writable)
        })
    };
    let Ok(real) = path.canonicalize() else {
        return false;
    };
    path.ancestors().chain(real.ancestors()).all(is_root_s)
}

/// Starts Python on this thread.
///
/// # Errors
/// The layer's reason.
pub(super) fn start(config: &ProcessConfig, layer: Layer) -> Result<Layer, String> {
    let python = &config.python;
    let options = &config.options;
    let telemetry = config.telemetry.as_ref();
    let count = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let (user_name, user_home) = match &config.identity {
        Some(identity) => (&*identity.name, identity.home.as_deref().unwrap_or(b"/")),
        None => (&b""[..], &b""[..]),
    };
    layer.start::<LayerLog>(&StartOptions {
        executable: &python.executable,
        minor: python.minor,
        flags: flags(config),
        optimize: python.optimize,
        hash_seed: python.hash_seed,
        warnings: &python.warnings,
        python_path: &options.python_path,
        process_group: &config.group,
        processes: count(options.processes),
        threads: count(options.threads),
        mpm_processes: config.server.mpm_processes,
        mpm_threads: config.server.mpm_threads,
        apache_version: config.server.apache_version,
        wsgi_version: config.server.wsgi_version,
        rsgi_version: config.server.rsgi_version,
        description: &config.server.description,
        mpm_name: &config.server.mpm_name,
        build_date: &config.server.build_date,
        home: options.home.as_deref().unwrap_or_default(),
        python_eggs: options.python_eggs.as_deref().unwrap_or_default(),
        switch_interval: options.switch_interval,
        user_name,
        user_home,
        rules: &python.rules,
        telemetry_socket: telemetry.map_or(&[], |telemetry| &telemetry.socket),
        telemetry_interval: telemetry.map_or(0, |telemetry| telemetry.interval),
        slow_requests: telemetry.map_or(0, |telemetry| telemetry.slow_requests),
    })?;
    Ok(layer)
}

fn flags(config: &ProcessConfig) -> u32 {
    let options = &config.options;
    let bits = [
        (options.threads != 1, abi::START_MULTITHREAD),
        (options.is_multiprocess, abi::START_MULTIPROCESS),
        (options.threads == 0, abi::START_SERVICE),
    ];
    let own = abi::START_MAIN_THREAD | abi::START_DAEMON;
    bits.iter()
        .filter(|(holds, _)| *holds)
        .fold(config.python.flags | own, |flags, (_, bit)| flags | bit)
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    #[test]
    fn a_libpython_that_somebody_else_could_change_is_not_opened_as_root() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path, mode| set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let inner = folder.path().join("lib");
        std::fs::create_dir(&inner).unwrap();
        let library = inner.join("libpython3.so");
        write(&library, "").unwrap();
        for path in [folder.path(), &inner, &library] {
            mode(path, 0o755);
        }
        assert!(is_only_root_s(&library));
        for part in [&library, &inner] {
            chown(part, Some(65_534), None).unwrap();
            assert!(!is_only_root_s(&library), "a user's: {}", part.display());
            chown(part, Some(0), None).unwrap();
            for bits in [0o775, 0o757] {
                mode(part, bits);
                assert!(!is_only_root_s(&library), "{bits:o}: {}", part.display());
            }
            mode(part, 0o755);
        }
        // In a sticky folder everybody may make files and change none of root's.
        mode(&inner, 0o1777);
        assert!(is_only_root_s(&library));
        mode(&inner, 0o755);
        let link = folder.path().join("link");
        symlink(&library, &link).unwrap();
        assert!(is_only_root_s(&link));
        // A link of a user's, and a link of root's into a user's folder.
        std::os::unix::fs::lchown(&link, Some(65_534), None).unwrap();
        assert!(!is_only_root_s(&link));
        std::os::unix::fs::lchown(&link, Some(0), None).unwrap();
        chown(&inner, Some(65_534), None).unwrap();
        assert!(!is_only_root_s(&link));
        assert!(!is_only_root_s(&folder.path().join("missing")));
    }
}
