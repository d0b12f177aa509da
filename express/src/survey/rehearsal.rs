//! A set-up in a temporary server root: whether Apache accepts the configuration and the application loads.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::finding::Findings;
use crate::cli::ServerArgs;
use crate::server;
use crate::settings::Settings;

/// Sets up, loads, and removes everything again.
pub(super) fn run(mut args: ServerArgs, real: &str, findings: &mut Findings) {
    let root = match Temporary::new() {
        Ok(root) => root,
        Err(error) => {
            return findings.warning(
                "rehearsal",
                format!("there is no place for a temporary server root: {error}"),
                "name a folder that can be written with TMPDIR",
            );
        }
    };
    // What is said of a file in the temporary root is meant of the one to come.
    args.tree.server_root = Some(root.0.clone());
    let rehearsed = Settings::resolve(&args).and_then(|settings| {
        server::rehearse(&settings)?;
        Ok(settings)
    });
    match rehearsed {
        Ok(settings) => {
            findings.ok("configuration", "Apache accepts what would be written");
            if settings.application.is_welcome {
                findings.ok("application", "none is named: a page of welcome");
            } else if settings.has_application() {
                let entry = &settings.application.entry;
                findings.ok("application", format!("`{entry}` loads"));
            }
        }
        Err(error) => {
            let error = error.in_place_of(&root.text(), real);
            if !findings.has_told(&error) {
                findings.failure("rehearsal", &error);
            }
        }
    }
}

struct Temporary(PathBuf);

impl Temporary {
    /// A new directory, which the serving user can enter whatever the umask is.
    fn new() -> std::io::Result<Self> {
        let folder = std::env::temp_dir();
        let stamp = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let stamp = stamp.unwrap_or_default().subsec_nanos();
        let path = folder.join(format!("rsgi-check-{}-{stamp}", std::process::id()));
        fs::create_dir(&path)?;
        let made = Self(path);
        fs::set_permissions(&made.0, fs::Permissions::from_mode(0o755))?;
        Ok(made)
    }

    fn text(&self) -> String {
        self.0.to_string_lossy().into_owned()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            crate::message::warning(&format!("cannot remove `{}`: {error}", self.0.display()));
        }
    }
}
