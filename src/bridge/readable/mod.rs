//! Whether another user could reach a file: walks each component, as the kernel would, and looks at mode bits.
//!
//! Used where a process that may read everything (root) prepares work for one that may not: before Python
//! starts, and by the launcher for scripts. Access control lists are not evaluated: where one is set, the
//! component counts as accessible.

mod names;
#[cfg(test)]
mod tests;

use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use crate::locate::Found;

/// Whose access is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups. Where they are not known, only what is allowed whether or not a group is among them counts as
    /// allowed.
    pub groups: Option<&'a [u32]>,
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
    if identity.uid == 0 {
        return Ok(None);
    }
    let blocked = Walk::new(path)?.first_blocked(identity)?;
    Ok(blocked.map(|(component, need, metadata)| Blocked {
        component,
        target: path.to_path_buf(),
        need,
        user: names::user(identity.uid),
        allowed: who_may(&metadata, need),
    }))
}

/// Whether `identity` can read all that Python needs to start.
///
/// # Errors
/// The first component that it cannot enter or read.
pub fn check_readable(found: &Found, identity: &Identity<'_>) -> Result<(), Unreadable> {
    let mut needed = vec![
        found.executable.clone(),
        found.library.clone(),
        found.standard_library.clone(),
    ];
    if found.standard_library.is_dir() {
        let landmark = found.standard_library.join("os.py");
        needed.extend(landmark.exists().then_some(landmark));
    }
    if let (true, Some(prefix)) = (
        found.is_venv,
        found.executable.parent().and_then(Path::parent),
    ) {
        let packages = prefix.join(format!("lib/python3.{}/site-packages", found.minor));
        needed.push(prefix.join("pyvenv.cfg"));
        needed.extend(packages.exists().then_some(packages));
    }
    for path in needed {
        match first_unreachable(&path, identity) {
            Ok(None) => {}
            Ok(Some(blocked)) => return Err(Unreadable::Blocked(blocked)),
            Err(error) => return Err(Unreadable::Unknown { path, error }),
        }
    }
    Ok(())
}

impl core::fmt::Display for Blocked {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let component = self.component.display();
        let user = &self.user;
        let (verb, bits) = match self.need {
            Need::Enter => ("entered", "x"),
            Need::Read => ("read", "r"),
            Need::List => ("listed", "rx"),
        };
        write!(
            out,
            "`{component}` may be {verb} only by {}: {user} cannot read `{}`; ",
            self.allowed,
            self.target.display()
        )?;
        write!(
            out,
            "move it to where {user} may go, or run `chmod o+{bits} {component}`"
        )
    }
}

/// How many links are followed, as by the kernel.
const LINK_LIMIT: usize = 40;

/// A path's way through the file system, component by component, links followed.
struct Walk {
    /// What has been entered; absolute, without links.
    current: PathBuf,
    /// What is still to come, last first.
    rest: Vec<OsString>,
    links: usize,
}

impl Walk {
    fn new(path: &Path) -> io::Result<Self> {
        let mut walk = Self {
            current: PathBuf::from("/"),
            rest: Vec::new(),
            links: 0,
        };
        walk.push(&std::path::absolute(path)?);
        Ok(walk)
    }

    /// Puts a path's components before what is to come.
    fn push(&mut self, path: &Path) {
        if path.is_absolute() {
            self.current = PathBuf::from("/");
        }
        let names = path
            .components()
            .rev()
            .filter_map(|component| match component {
                Component::Normal(name) => Some(name.to_owned()),
                Component::ParentDir => Some(OsString::from("..")),
                _ => None,
            });
        self.rest.extend(names);
    }

    /// Goes on until a component stops `identity`.
    fn first_blocked(
        mut self,
        identity: &Identity<'_>,
    ) -> io::Result<Option<(PathBuf, Need, Metadata)>> {
        loop {
            let metadata = fs::metadata(&self.current)?;
            let need = match (self.rest.is_empty(), metadata.is_dir()) {
                (true, true) => Need::List,
                (true, false) => Need::Read,
                (false, _) => Need::Enter,
            };
            if !may(&metadata, need, identity) && !has_access_list(&self.current) {
                return Ok(Some((self.current, need, metadata)));
            }
            let Some(name) = self.rest.pop() else {
                return Ok(None);
            };
            self.step(&name)?;
        }
    }

    /// Goes through one name.
    fn step(&mut self, name: &OsStr) -> io::Result<()> {
        if name == ".." {
            self.current.pop();
            return Ok(());
        }
        let next = self.current.join(name);
        if !fs::symlink_metadata(&next)?.is_symlink() {
            self.current = next;
            return Ok(());
        }
        self.links += 1;
        if self.links > LINK_LIMIT {
            return Err(io::Error::from_raw_os_error(libc::ELOOP));
        }
        self.push(&fs::read_link(&next)?);
        Ok(())
    }
}

impl Need {
    /// The bits of one of the three digits of a mode.
    const fn bits(self) -> u32 {
        match self {
            Self::Enter => 1,
            Self::Read => 4,
            Self::List => 5,
        }
    }
}

/// Whether the mode lets `identity`: the owner's digit for the owner, else the group's, else the rest's.
fn may(metadata: &Metadata, need: Need, identity: &Identity<'_>) -> bool {
    let allows = |shift: u32| (metadata.mode() >> shift) & need.bits() == need.bits();
    if metadata.uid() == identity.uid {
        return allows(6);
    }
    if metadata.gid() == identity.gid {
        return allows(3);
    }
    match identity.groups {
        Some(groups) if groups.contains(&metadata.gid()) => allows(3),
        Some(_) => allows(0),
        None => allows(3) && allows(0),
    }
}

/// Whether an access control list decides there, which mode bits do not tell.
fn has_access_list(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else {
        return false;
    };
    let name = c"system.posix_acl_access";
    // SAFETY: two C strings; with no buffer only the size is asked for.
    let size = unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), core::ptr::null_mut(), 0) };
    size > 0
}

/// The owner and, where it may, the group.
fn who_may(metadata: &Metadata, need: Need) -> String {
    let user = names::user(metadata.uid());
    if (metadata.mode() >> 3) & need.bits() == need.bits() {
        return format!("{user} and the group {}", names::group(metadata.gid()));
    }
    user
}
