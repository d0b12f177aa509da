//! Which Python a process group runs, found and looked at while httpd reads its configuration.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rsgi_bridge::locate::{Found, LocateError, locate};
use rsgi_bridge::readable::{Identity, Unreadable, check_readable, first_unreachable};
use rsgi_core::daemon::GroupDefinition;

use crate::config::{ProcessIdentity, PythonConfig};

/// Why a group has no Python. Each text is one line behind `WSGIDaemonProcess` and the group's name.
#[derive(Debug, thiserror::Error)]
pub enum PythonError {
    /// `python-home=`
    #[error("python-home: {0}")]
    Own(LocateError),
    /// `WSGIPythonHome`, which the group has by default.
    #[error("it has no python-home=, and WSGIPythonHome cannot be used: {0}")]
    Default(LocateError),
    /// The system's.
    #[error(
        "neither python-home= nor WSGIPythonHome is set, and the system's Python cannot be used: {0}"
    )]
    System(LocateError),
    /// The process would not see it.
    #[error(
        "`{path}` is not inside of chroot=`{jail}`, where the process looks for it: put the Python there as well",
        path = .path.display(), jail = .jail.display()
    )]
    OutsideChroot {
        /// What is missing.
        path: PathBuf,
        /// The folder.
        jail: PathBuf,
    },
    /// The group's user cannot read our own part of it.
    #[error("its processes cannot read the Python layer of mod_rsgi: {0}")]
    Layer(Unreadable),
    /// The group's user cannot read it.
    #[error("its processes cannot read the Python they are to run: {0}")]
    Unreadable(Unreadable),
}

impl PythonError {
    /// Whether a Python was found, but is of no use to the group's user.
    #[must_use]
    pub const fn is_access(&self) -> bool {
        matches!(self, Self::Unreadable(_) | Self::Layer(_))
    }
}

/// The Python of a group: that of `python-home=`, else `WSGIPythonHome` (`default_home`), else the system's.
///
/// # Errors
/// There is none, or `identity` cannot read it.
pub fn find(
    group: &GroupDefinition,
    default_home: Option<&[u8]>,
    identity: Option<&ProcessIdentity>,
) -> Result<Found, PythonError> {
    let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
    let own = group.options.python_home.as_deref();
    let home = own.or(default_home).map(path);
    let jail = group.options.chroot.as_deref().map(path);
    let home = match (home, &jail) {
        (Some(home), Some(jail)) if below(jail, &home).exists() => Some(below(jail, &home)),
        (home, _) => home,
    };
    let found = locate(home.as_deref()).map_err(|error| match (own, default_home) {
        (Some(_), _) => PythonError::Own(error),
        (None, Some(_)) => PythonError::Default(error),
        (None, None) => PythonError::System(error),
    })?;
    if let Some(jail) = jail {
        // What can be read from inside is seen from there only.
        return inside(found, &jail);
    }
    if let Some(identity) = identity {
        check_readable(&found, &identity_of(identity)).map_err(PythonError::Unreadable)?;
    }
    Ok(found)
}

/// Whether the processes of a group can read the Python layer at `layer`, which they open as `identity`.
///
/// # Errors
/// They cannot.
pub fn check_layer(
    group: &GroupDefinition,
    layer: &Path,
    identity: Option<&ProcessIdentity>,
) -> Result<(), PythonError> {
    // Before a chroot it is opened by root, and inside of one there may be another.
    let (Some(identity), None) = (identity, &group.options.chroot) else {
        return Ok(());
    };
    match first_unreachable(layer, &identity_of(identity)) {
        Ok(None) => Ok(()),
        Ok(Some(blocked)) => Err(PythonError::Layer(Unreadable::Blocked(blocked))),
        Err(error) => Err(PythonError::Layer(Unreadable::Unknown {
            path: layer.to_path_buf(),
            error,
        })),
    }
}

fn identity_of(identity: &ProcessIdentity) -> Identity<'_> {
    Identity {
        uid: identity.user,
        gid: identity.group,
        groups: Some(&identity.groups),
    }
}

/// `path` as it is called outside, for what is `path` inside of `jail`.
fn below(jail: &Path, path: &Path) -> PathBuf {
    jail.join(path.strip_prefix("/").unwrap_or(path))
}

/// The same Python as a process inside of `jail` sees it.
fn inside(found: Found, jail: &Path) -> Result<Found, PythonError> {
    let see = |path: PathBuf| match path.strip_prefix(jail) {
        Ok(rest) => Ok(Path::new("/").join(rest)),
        Err(_) if below(jail, &path).symlink_metadata().is_ok() => Ok(path),
        Err(_) => Err(PythonError::OutsideChroot {
            path,
            jail: jail.to_path_buf(),
        }),
    };
    Ok(Found {
        executable: see(found.executable)?,
        library: see(found.library)?,
        standard_library: see(found.standard_library)?,
        base_prefix: see(found.base_prefix)?,
        ..found
    })
}

impl PythonConfig {
    /// The Python, with every setting as it is by default.
    #[must_use]
    pub fn new(found: &Found) -> Self {
        let bytes = |path: &Path| path.as_os_str().as_bytes().to_vec();
        Self {
            executable: bytes(&found.executable),
            library: bytes(&found.library),
            standard_library: bytes(&found.standard_library),
            base_prefix: bytes(&found.base_prefix),
            minor: found.minor,
            version: found.version.clone(),
            is_venv: found.is_venv,
            free_threaded: found.free_threaded,
            optimize: 0,
            hash_seed: None,
            warnings: Vec::new(),
            flags: 0,
            rules: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(prefix: &str) -> Found {
        let path = |rest: &str| PathBuf::from(format!("{prefix}{rest}"));
        Found {
            executable: path("/bin/python3"),
            is_venv: false,
            base_prefix: path("/"),
            standard_library: path("/lib/python3.12"),
            minor: 12,
            version: None,
            free_threaded: false,
            library: path("/lib/libpython3.12.so.1.0"),
            how: "test",
        }
    }

    #[test]
    fn a_process_inside_of_a_chroot_sees_paths_without_it() {
        let seen = inside(found("/jail/usr"), Path::new("/jail")).unwrap();
        assert_eq!(seen.executable, Path::new("/usr/bin/python3"));
        assert_eq!(seen.library, Path::new("/usr/lib/libpython3.12.so.1.0"));
        assert_eq!(
            PythonConfig::new(&seen).standard_library,
            b"/usr/lib/python3.12"
        );
    }

    #[test]
    fn a_python_outside_of_the_chroot_has_to_be_inside_too() {
        let jail = tempfile::tempdir().unwrap();
        let error = inside(found("/usr"), jail.path()).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("`/usr/bin/python3` is not inside of chroot="),
            "{error}"
        );
        for folder in ["usr/bin", "usr/lib/python3.12"] {
            std::fs::create_dir_all(jail.path().join(folder)).unwrap();
        }
        for file in ["usr/bin/python3", "usr/lib/libpython3.12.so.1.0"] {
            std::fs::write(jail.path().join(file), "").unwrap();
        }
        let seen = inside(found("/usr"), jail.path()).unwrap();
        assert_eq!(seen, found("/usr"));
    }

    #[test]
    fn the_layer_has_to_be_where_the_group_s_user_may_go() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let layer = folder.path().join("layer.so");
        std::fs::write(&layer, "").unwrap();
        let somebody = ProcessIdentity {
            user: 4_000_000_001,
            group: 4_000_000_001,
            groups: Vec::new(),
            name: b"somebody".to_vec(),
            home: None,
        };
        let group =
            |options: &str| GroupDefinition::parse(format!("g {options}").as_bytes()).unwrap();
        let check = |options: &str, identity| check_layer(&group(options), &layer, identity);
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        set(folder.path(), 0o700);
        let error = check("", Some(&somebody)).unwrap_err();
        assert!(error.is_access());
        assert!(
            error
                .to_string()
                .starts_with("its processes cannot read the Python layer of mod_rsgi: ")
        );
        check("chroot=/jail", Some(&somebody)).unwrap();
        check("", None).unwrap();
        set(folder.path(), 0o755);
        set(&layer, 0o644);
        check("", Some(&somebody)).unwrap();
    }

    #[test]
    fn the_sentence_says_where_the_python_was_to_come_from() {
        let group =
            |options: &str| GroupDefinition::parse(format!("g {options}").as_bytes()).unwrap();
        let text = |options: &str, default: Option<&[u8]>| {
            find(&group(options), default, None)
                .unwrap_err()
                .to_string()
        };
        assert!(
            text("python-home=/not/there", None)
                .starts_with("python-home: `/not/there` does not exist")
        );
        assert!(
            text("", Some(b"/not/here")).starts_with(
                "it has no python-home=, and WSGIPythonHome cannot be used: `/not/here`"
            )
        );
        // Its own goes before the default.
        assert!(text("python-home=/not/there", Some(b"/not/here")).contains("/not/there"));
    }
}
