//! The Pythons of this machine: the system's, pyenv's, and a virtual environment made for real.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::text::Version;
use super::locate;
use crate::readable::{Identity, check_readable};

/// Says why a test did nothing, past the test runner's capture.
fn skip(reason: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
}

#[test]
fn the_systems_python_is_found_without_a_home() {
    match locate(None) {
        Ok(found) => {
            assert!(found.library.is_file());
            assert!(found.standard_library.join("os.py").is_file());
            assert_eq!(found.base_prefix, Path::new("/usr"));
            for home in ["/usr", "/usr/bin", "/usr/bin/python3"] {
                assert_eq!(locate(Some(Path::new(home))).unwrap(), found);
            }
        }
        Err(error) => skip(&format!("no system Python: {error}")),
    }
}

#[test]
fn everybody_may_read_the_systems_python() {
    let Ok(found) = locate(None) else {
        return skip("no system Python");
    };
    let nobody = Identity {
        uid: 65_534,
        gid: 65_534,
        groups: Some(&[]),
    };
    check_readable(&found, &nobody).unwrap();
}

/// The versions of pyenv, if it is installed.
fn pyenv_versions() -> Vec<(Version, PathBuf)> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let folder = home.unwrap_or_default().join(".pyenv/versions");
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = Version::from_number(entry.file_name().to_str()?)?;
            Some((version, entry.path()))
        })
        .collect()
}

#[test]
fn each_version_of_pyenv_is_found_or_refused_for_its_version() {
    let versions = pyenv_versions();
    if versions.is_empty() {
        return skip("no pyenv");
    }
    for (version, home) in versions {
        let located = locate(Some(&home));
        if !version.is_supported() {
            let error = located.unwrap_err().to_string();
            assert!(error.contains("supported are"), "{error}");
            continue;
        }
        let found = located.unwrap();
        assert_eq!(found.minor, version.minor);
        assert!(found.library.starts_with(&home));
        let full = home.file_name().and_then(|name| name.to_str());
        assert_eq!(found.version.as_deref(), full);
    }
}

/// Makes a virtual environment with `python -m venv`; none where that Python cannot.
fn make_venv(python: &Path, env: &Path, option: &str) -> Option<()> {
    let status = Command::new(python)
        .args(["-I", "-m", "venv", "--without-pip", option])
        .arg(env)
        .status()
        .ok()?;
    status.success().then_some(())
}

#[test]
fn a_real_venv_is_followed_to_the_python_that_made_it() {
    let mut pythons: Vec<PathBuf> = pyenv_versions()
        .into_iter()
        .filter(|(version, _)| version.is_supported())
        .map(|(_, home)| home)
        .collect();
    pythons.push(PathBuf::from("/usr"));
    for prefix in pythons {
        let Ok(base) = locate(Some(&prefix)) else {
            skip(&format!("no usable Python at {}", prefix.display()));
            continue;
        };
        for option in ["--symlinks", "--copies"] {
            let folder = tempfile::tempdir().unwrap();
            let env = folder.path().join("env");
            if make_venv(&base.executable, &env, option).is_none() {
                skip(&format!("no venv from {}", prefix.display()));
                continue;
            }
            let found = locate(Some(&env)).unwrap();
            assert!(found.is_venv);
            assert_eq!(found.library, base.library);
            assert_eq!(found.version, base.version);
            assert_eq!(found.base_prefix, base.base_prefix);
            assert_eq!(found.executable, env.join("bin/python"));
        }
    }
}

#[test]
fn an_environment_in_a_closed_folder_is_named_by_that_folder() {
    use std::os::unix::fs::PermissionsExt;
    let Ok(base) = locate(None) else {
        return skip("no system Python");
    };
    let folder = tempfile::tempdir().unwrap();
    let env = folder.path().join("env");
    if make_venv(&base.executable, &env, "--symlinks").is_none() {
        return skip("no venv from the system's Python");
    }
    let stranger = Identity {
        uid: 65_000,
        gid: 65_000,
        groups: Some(&[]),
    };
    let found = locate(Some(&env)).unwrap();
    let closed = std::fs::canonicalize(folder.path()).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).unwrap();
    let sentence = check_readable(&found, &stranger).unwrap_err().to_string();
    assert!(
        sentence.starts_with(&format!("`{}` may be entered only by ", closed.display())),
        "{sentence}"
    );
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o755)).unwrap();
    check_readable(&found, &stranger).unwrap();
}
