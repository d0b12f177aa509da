//! The documentation as web pages, which the program carries (build.rs makes them), and writing them into a folder.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::error::Error;

mod files {
    include!(concat!(env!("OUT_DIR"), "/book.rs"));
}

/// Writes all pages into a folder that is there, for everybody to read.
///
/// # Errors
/// A file cannot be written.
pub(crate) fn write(folder: &Path) -> Result<(), Error> {
    for (name, content) in files::FILES {
        let path = folder.join(name);
        if let Some(parent) = path.parent().filter(|parent| *parent != folder) {
            fs::create_dir_all(parent)
                .and_then(|()| allow(parent, 0o755))
                .map_err(Error::file("make the directory", parent))?;
        }
        fs::write(&path, content)
            .and_then(|()| allow(&path, 0o644))
            .map_err(Error::file("write", &path))?;
    }
    Ok(())
}

/// Whatever the umask.
fn allow(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// The same for one that may not be there.
///
/// # Errors
/// As [`write`], or the folder cannot be made.
pub(crate) fn write_into(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(Error::file("make the directory", folder))?;
    write(folder)
}
