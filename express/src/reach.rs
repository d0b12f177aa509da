//! Finds the first component on the way to a file that the serving user cannot enter or read.
//!
//! The question is put to the system by a process that *is* that user ([`crate::privileges`]), so access lists,
//! security modules and read-protected mounts are all taken into account.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};

use crate::error::Error;
use crate::privileges::{self, Identity};

/// Stands for a program in [`privileges::command_as`].
pub(crate) const REACH: &str = "__reach";

/// What stands in the way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Obstacle {
    /// The path that was asked about.
    pub(crate) target: PathBuf,
    /// The component of it that cannot be entered, read or found.
    pub(crate) component: PathBuf,
    /// Whether it is missing rather than forbidden.
    pub(crate) is_missing: bool,
}

impl Obstacle {
    /// The obstacle as half a sentence: "`/x/y` cannot be read by `www-data`: the way to it ends at `/x`".
    pub(crate) fn sentence(&self, user: &str) -> String {
        let target = self.target.display();
        let component = self.component.display();
        if self.is_missing {
            return format!("`{target}` does not exist");
        }
        if self.component == self.target {
            let verb = if self.target.is_dir() {
                "enter"
            } else {
                "read"
            };
            return format!("user `{user}` cannot {verb} `{target}`");
        }
        format!("user `{user}` cannot enter `{component}`, which is on the way to `{target}`")
    }
}

/// Asks as `identity` whether each target, a file to read or a directory to enter and list, can be had.
///
/// # Errors
/// The child cannot be run.
pub(crate) fn first_obstacle(
    identity: Option<&Identity>,
    targets: &[&Path],
) -> Result<Option<Obstacle>, Error> {
    if identity.is_none() {
        return Ok(obstacle(targets.iter().copied()));
    }
    let output = privileges::command_as(identity, REACH)?
        .args(targets)
        .current_dir("/")
        .output()
        .map_err(Error::system("run a child as the serving user"))?;
    if !output.status.success() {
        return Err(Error::Usage(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines();
    Ok(match (lines.next(), lines.next(), lines.next()) {
        (Some(kind), Some(target), Some(component)) => Some(Obstacle {
            target: target.into(),
            component: component.into(),
            is_missing: kind == "missing",
        }),
        _ => None,
    })
}

/// The child's side: prints the first obstacle, if there is one.
///
/// # Errors
/// Nobody reads the answer.
pub(crate) fn report(targets: impl Iterator<Item = OsString>) -> Result<(), Error> {
    let targets: Vec<PathBuf> = targets.map(PathBuf::from).collect();
    let Some(found) = obstacle(targets.iter().map(PathBuf::as_path)) else {
        return Ok(());
    };
    let kind = if found.is_missing {
        "missing"
    } else {
        "denied"
    };
    let (target, component) = (found.target.display(), found.component.display());
    writeln!(std::io::stdout(), "{kind}\n{target}\n{component}")
        .map_err(Error::system("write the answer"))
}

fn obstacle<'a>(targets: impl Iterator<Item = &'a Path>) -> Option<Obstacle> {
    targets
        .filter_map(|target| {
            let (component, errno) = first_refused(target)?;
            Some(Obstacle {
                target: target.to_path_buf(),
                component,
                is_missing: matches!(errno, Errno::ENOENT | Errno::ENOTDIR),
            })
        })
        .next()
}

/// The first component that this process cannot pass, and why.
fn first_refused(target: &Path) -> Option<(PathBuf, Errno)> {
    let mut ancestors: Vec<_> = target.ancestors().skip(1).collect();
    ancestors.reverse();
    for directory in ancestors {
        if let Err(errno) = access(directory, AccessFlags::X_OK) {
            return Some((behind_links(directory, errno), errno));
        }
    }
    let wanted = if target.is_dir() {
        AccessFlags::R_OK | AccessFlags::X_OK
    } else {
        AccessFlags::R_OK
    };
    let errno = access(target, wanted).err()?;
    Some((behind_links(target, errno), errno))
}

/// Where a refused path is a link, the component refused behind it.
fn behind_links(path: &Path, errno: Errno) -> PathBuf {
    let found = (errno == Errno::EACCES)
        .then(|| Some(path.parent()?.join(std::fs::read_link(path).ok()?)))
        .flatten()
        .and_then(|real| first_refused(&real));
    found.map_or_else(|| path.to_path_buf(), |(component, _)| component)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_read_is_no_obstacle_and_what_is_missing_is() {
        let here = tempfile::tempdir().unwrap();
        let gone = here.path().join("gone/x.py");
        assert_eq!(obstacle([here.path()].into_iter()), None);
        let found = obstacle([here.path(), gone.as_path()].into_iter()).unwrap();
        assert!(found.is_missing);
        assert_eq!(found.component, here.path().join("gone"));
    }
}
