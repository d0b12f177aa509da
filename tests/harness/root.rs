//! The folder of one server.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::say;

/// The folder of one server; gone with this value, unless a test failed and RSGI_TEST_KEEP is set.
#[derive(Debug)]
pub(crate) struct Root(PathBuf);

impl Root {
    pub(super) fn fresh() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let base =
            std::env::var_os("RSGI_TEST_TMP").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // No root is the beginning of another: processes are found by it.
        let root = base.join(format!("rsgi-e2e-{}-{count:04}", std::process::id()));
        std::fs::remove_dir_all(&root).ok();
        make_folder(&root);
        Self(root)
    }
}

impl std::ops::Deref for Root {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("RSGI_TEST_KEEP").is_some() {
            say(&format!("kept: {}", self.0.display()));
        } else {
            std::fs::remove_dir_all(&self.0).ok();
        }
    }
}

pub(super) fn make_folder(path: &Path) {
    if path.exists() {
        return;
    }
    std::fs::create_dir_all(path).expect("a folder can be made");
    allow(path, 0o755);
}

/// Sets a file's mode, whatever the umask is.
pub(crate) fn allow(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
