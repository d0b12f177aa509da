//! Where the Python layer's file is: beside the module, one for all ordinary Pythons and one for each version of the
//! free-threaded ones.

use std::ffi::c_void;
use std::path::{Path, PathBuf};

use crate::loaded;
use crate::locate::Found;
use crate::open::OpenError;

/// The layer's file, beside the object that this code is linked into.
pub const LAYER_FILE: &str = "rsgi_python.so";
/// What cargo calls it, in a target folder.
const LAYER_FILE_OF_CARGO: &str = "librsgi_python.so";

/// The folder where the layer is expected: that of the shared object (or program) that this code is linked
/// into, or of the file that it is a link to where the layer is only there.
#[must_use]
pub fn module_directory() -> Option<PathBuf> {
    let file = loaded::object_of(module_directory as *const c_void)?;
    let file = std::path::absolute(&file).unwrap_or(file);
    let real = std::fs::canonicalize(&file).unwrap_or_else(|_| file.clone());
    let folders = [file.parent()?, real.parent()?];
    let has_layer = |folder: &&Path| layer_in(folder, LAYER_FILE).is_some();
    let folder = folders.into_iter().find(has_layer).unwrap_or(folders[0]);
    Some(folder.to_path_buf())
}

/// The layer's file for a Python beside this module, where it is there.
#[must_use]
pub fn layer_path(found: &Found) -> Option<PathBuf> {
    layer_in(&module_directory()?, &file_for(found))
}

/// Whether a free-threaded Python has the layer that it needs beside this module, as far as can be known.
///
/// # Errors
/// The sentence that opening it would end in.
pub fn check_layer_for(found: &Found) -> Result<(), OpenError> {
    match module_directory() {
        Some(folder) if found.free_threaded => resolve(&folder, found).map(drop),
        _ => Ok(()),
    }
}

/// What the layer's file for a Python is called: a free-threaded one needs one that was built for its version.
fn file_for(found: &Found) -> String {
    match found.free_threaded {
        true => format!("rsgi_python.cp3{}t.so", found.minor),
        false => LAYER_FILE.to_owned(),
    }
}

/// The layer's file in a folder, by either name.
fn layer_in(folder: &Path, name: &str) -> Option<PathBuf> {
    let of_cargo = (name == LAYER_FILE).then_some(LAYER_FILE_OF_CARGO);
    [Some(name), of_cargo]
        .into_iter()
        .flatten()
        .map(|name| folder.join(name))
        .find(|path| path.is_file())
}

/// The layer's file for a Python, from its own path or that of its folder.
pub(crate) fn resolve(path: &Path, found: &Found) -> Result<PathBuf, OpenError> {
    if path.is_file() {
        return Ok(path.to_path_buf());
    }
    let name = file_for(found);
    let missing = match path.is_dir() {
        true => match layer_in(path, &name) {
            Some(path) => return Ok(path),
            None => path.join(name),
        },
        false => path.to_path_buf(),
    };
    Err(match found.free_threaded {
        true => OpenError::MissingThreadedLayer {
            library: found.library.clone(),
            path: missing,
        },
        false => OpenError::MissingLayer { path: missing },
    })
}
