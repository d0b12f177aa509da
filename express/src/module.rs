//! Where mod_rsgi.so and its Python layer are, and copying the pair.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// File names of the layer: as installed, and as cargo builds it.
const LAYERS: [&str; 2] = ["rsgi_python.so", "librsgi_python.so"];

/// The module and what belongs to it.
#[derive(Clone, Debug)]
pub(crate) struct ModuleFiles {
    /// `mod_rsgi.so`.
    pub(crate) module: PathBuf,
    /// `rsgi_python.so`; absent only where RSGI_MODULE names a module that is not ours.
    pub(crate) layer: Option<PathBuf>,
}

impl ModuleFiles {
    /// Finds the pair: RSGI_MODULE, the tree this program is in, or cargo's output directory.
    ///
    /// # Errors
    /// One of the two is missing.
    pub(crate) fn find() -> Result<Self, Error> {
        let module = find_module()?;
        let directory = module.parent().unwrap_or(Path::new("/"));
        let layer = LAYERS
            .iter()
            .map(|name| directory.join(name))
            .find(|path| path.is_file());
        let is_ours = module
            .file_name()
            .is_some_and(|name| name.to_string_lossy().contains("mod_rsgi"));
        if layer.is_none() && is_ours {
            return Err(Error::Installation(format!(
                "the Python layer `{}` is missing beside `{}`: build or install both",
                LAYERS[0],
                module.display()
            )));
        }
        Ok(Self { module, layer })
    }

    /// Copies the pair into `directory` under its installed names.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(crate) fn copy_to(&self, directory: &Path) -> Result<Self, Error> {
        let copy = |from: &Path, name: &str| {
            let to = directory.join(name);
            replace(from, &to).map_err(Error::file("write", &to))?;
            Ok(to)
        };
        Ok(Self {
            module: copy(&self.module, "mod_rsgi.so")?,
            layer: self
                .layer
                .as_deref()
                .map(|layer| copy(layer, LAYERS[0]))
                .transpose()?,
        })
    }
}

/// Copies beside the target and renames, so that an Apache that has the old file mapped keeps it.
fn replace(from: &Path, to: &Path) -> std::io::Result<()> {
    let fresh = to.with_extension(format!("so.{}", std::process::id()));
    let copied = fs::copy(from, &fresh)
        .and_then(|_| fs::set_permissions(&fresh, readable_by_all()))
        .and_then(|()| fs::rename(&fresh, to));
    if copied.is_err() {
        // The error that led here is the one to report.
        drop(fs::remove_file(&fresh));
    }
    copied
}

fn readable_by_all() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt as _;
    fs::Permissions::from_mode(0o644)
}

fn find_module() -> Result<PathBuf, Error> {
    if let Some(path) = env::var_os("RSGI_MODULE").filter(|path| !path.is_empty()) {
        let path = PathBuf::from(path);
        return path.canonicalize().map_err(|_| {
            Error::Installation(format!(
                "`RSGI_MODULE`: there is no file `{}`",
                path.display()
            ))
        });
    }
    let own = env::current_exe().map_err(Error::system("find this program's file"))?;
    let own = own.canonicalize().unwrap_or(own);
    let directory = own.parent().unwrap_or(Path::new("/"));
    let places = [
        directory.join("../modules/mod_rsgi.so"),
        directory.join("../lib/mod_rsgi/mod_rsgi.so"),
        directory.join("libmod_rsgi.so"),
    ];
    let found = places.iter().find_map(|path| path.canonicalize().ok());
    found.ok_or_else(|| {
        Error::Installation(format!(
            "`mod_rsgi.so` is neither in `../modules` nor in `../lib/mod_rsgi` beside `{}`: run `make build`",
            directory.display()
        ))
    })
}
