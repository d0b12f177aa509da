//! The program and the layer side by side in a folder that every user can read.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The program, with the layer beside it.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let built = std::env::var_os("RSGI_TEST_PROGRAM")
            .map_or_else(|| env!("CARGO_BIN_EXE_rsgi-daemon").into(), PathBuf::from);
        let folder = std::env::temp_dir().join(format!("rsgi-daemon-test-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let place = |from: &Path, name: &str| {
            let to = folder.join(name);
            fs::copy(from, &to).unwrap();
            fs::set_permissions(&to, fs::Permissions::from_mode(0o755)).unwrap();
            to
        };
        place(&layer(built.parent().unwrap()), "rsgi_python.so");
        place(&built, "rsgi-daemon")
    })
}

fn layer(target: &Path) -> PathBuf {
    if let Some(layer) = std::env::var_os("RSGI_TEST_LAYER") {
        return layer.into();
    }
    let layer = target.join("librsgi_python.so");
    if !layer.is_file() {
        let status = Command::new(env!("CARGO"))
            .args(["build", "-p", "rsgi-python"])
            .status()
            .unwrap();
        assert!(status.success(), "the Python layer cannot be built");
    }
    layer
}
