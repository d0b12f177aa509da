//! Which Python serves the application, and whether the serving user can read it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use rsgi_bridge::locate::{Found, locate};

use crate::apache::find_in_path;
use crate::error::Error;
use crate::message;
use crate::privileges::Identity;
use crate::reach;

/// The Python to serve with.
#[derive(Debug)]
pub(crate) struct Python {
    /// The environment or prefix, for WSGIPythonHome.
    pub(crate) home: PathBuf,
    /// Its interpreter.
    pub(crate) executable: PathBuf,
    /// Its version as far as its files tell.
    pub(crate) version: String,
    /// Whether it can run without the GIL.
    pub(crate) is_free_threaded: bool,
}

impl Python {
    /// The Python asked for, else the active virtual environment, else python3 on PATH, else the system's.
    ///
    /// What was asked for or activated is refused when it cannot be used; what merely happens to be on PATH gives
    /// way to the system's Python, with a note.
    ///
    /// # Errors
    /// No Python can be used, with the cure.
    pub(crate) fn choose(asked: Option<&Path>, identity: Option<&Identity>) -> Result<Self, Error> {
        let active = env::var_os("VIRTUAL_ENV").filter(|path| !path.is_empty());
        if let Some(path) = asked {
            return Self::at(path, identity).map_err(|why| refused("`--python`", &why));
        }
        if let Some(path) = active {
            return Self::at(Path::new(&path), identity)
                .map_err(|why| refused("`VIRTUAL_ENV`", &why));
        }
        if let Some(path) = find_in_path(&["python3"], &[]) {
            match Self::at(&behind_shim(path, identity), identity) {
                Ok(python) => return Ok(python),
                Err(why) => message::note(&format!("the python3 on PATH is not used: {why}")),
            }
        }
        let found = locate(None).map_err(|error| Error::Installation(error.to_string()))?;
        Self::readable(&found, identity).map_err(|why| refused("the system's python3", &why))
    }

    fn at(path: &Path, identity: Option<&Identity>) -> Result<Self, String> {
        let found = locate(Some(path)).map_err(|error| error.to_string())?;
        Self::readable(&found, identity)
    }

    fn readable(found: &Found, identity: Option<&Identity>) -> Result<Self, String> {
        let library = found.library.as_path();
        let targets = [&found.executable, library, &found.standard_library];
        let obstacle =
            reach::first_obstacle(identity, &targets).map_err(|error| error.to_string())?;
        if let (Some(obstacle), Some(identity)) = (obstacle, identity) {
            return Err(obstacle.sentence(&identity.user));
        }
        let home = found.executable.parent().and_then(Path::parent);
        Ok(Self {
            home: home.unwrap_or(&found.base_prefix).to_path_buf(),
            executable: found.executable.clone(),
            is_free_threaded: found.free_threaded,
            version: found
                .version
                .clone()
                .unwrap_or_else(|| format!("3.{}", found.minor)),
        })
    }
}

fn refused(origin: &str, why: &str) -> Error {
    let cure = if why.starts_with("user ") {
        "\nmove the environment to where that user can read it, or name another one, such as \
         `--python /usr/bin/python3`"
    } else {
        ""
    };
    Error::Installation(format!("{origin}: {why}{cure}"))
}

/// pyenv and its kin put scripts on PATH that choose a Python: asks such a script for its choice.
///
/// Not as root: what a PATH kept by sudo leads to may belong to anybody.
fn behind_shim(python: PathBuf, identity: Option<&Identity>) -> PathBuf {
    let is_script = std::fs::read(&python).is_ok_and(|bytes| bytes.starts_with(b"#!"));
    if !is_script || identity.is_some() {
        return python;
    }
    let output = Command::new(&python)
        .args(["-I", "-c", "import sys; print(sys.prefix)"])
        .output();
    match output {
        Ok(output) if output.status.success() => {
            PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
        }
        _ => python,
    }
}
