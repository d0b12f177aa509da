//! Bounded looks at files that a user may own: no read blocks on a pipe or goes on for ever.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Most of a folder that is looked at; a system's `bin` has about 3,000 entries.
const FOLDER_LIMIT: usize = 20_000;
/// How many links the kernel follows.
const LINK_LIMIT: usize = 40;

/// Opens a regular file; anything else is an error, and none of it blocks.
fn open_regular(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::ErrorKind::InvalidInput.into())
}

/// The contents of a regular file of at most `limit` bytes.
pub(super) fn contents(path: &Path, limit: usize) -> Option<Vec<u8>> {
    let file = open_regular(path).ok()?;
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).ok()?.saturating_add(1);
    file.take(most).read_to_end(&mut bytes).ok()?;
    (bytes.len() <= limit).then_some(bytes)
}

/// As [`contents`], as text.
pub(super) fn text(path: &Path, limit: usize) -> Option<String> {
    contents(path, limit).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The first bytes of a regular file, as many as there are up to `N`.
pub(super) fn beginning<const N: usize>(path: &Path) -> io::Result<Vec<u8>> {
    let file = open_regular(path)?;
    let mut bytes = Vec::with_capacity(N);
    file.take(N as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The names in a folder; none where it cannot be read.
pub(super) fn names(folder: &Path) -> impl Iterator<Item = OsString> + use<> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .take(FOLDER_LIMIT)
        .flatten()
        .map(|entry| entry.file_name())
}

/// Where a chain of links that leads nowhere ends: the first path that does not exist.
pub(super) fn end_of_links(link: &Path) -> PathBuf {
    let mut path = link.to_path_buf();
    for _ in 0..LINK_LIMIT {
        let Ok(target) = fs::read_link(&path) else {
            break;
        };
        path = match path.parent() {
            Some(folder) => folder.join(target),
            None => target,
        };
    }
    path
}

/// Whether a path is a link, whatever it leads to.
pub(super) fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}

/// A path from bytes of a file.
pub(super) fn path_from(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}
