//! Where mod_rsgi.so, its Python layer and the daemons' program are, and copying the three.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// File names of the layer: as installed, and as cargo builds it.
const LAYERS: [&str; 2] = ["rsgi_python.so", "librsgi_python.so"];

/// The program of daemon processes.
const PROGRAM: &str = "rsgi-daemon";

/// The module and what belongs to it.
#[derive(Clone, Debug)]
pub(crate) struct ModuleFiles {
    /// `mod_rsgi.so`.
    pub(crate) module: PathBuf,
    /// `rsgi_python.so`; absent only where RSGI_MODULE names a module that is not ours.
    pub(crate) layer: Option<PathBuf>,
    /// `rsgi-daemon`; absent only there.
    pub(crate) program: Option<PathBuf>,
}

impl ModuleFiles {
    /// Finds the three: RSGI_MODULE, the tree this program is in, or cargo's output directory.
    ///
    /// # Errors
    /// One of them is missing.
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
        let program = Some(directory.join(PROGRAM)).filter(|path| path.is_file());
        let missing = if layer.is_none() {
            Some(("Python layer", LAYERS[0]))
        } else {
            program
                .is_none()
                .then_some(("program of daemon processes", PROGRAM))
        };
        match missing {
            Some((what, name)) if is_ours => Err(Error::Installation(format!(
                "the {what} `{name}` is missing beside `{}`\nbuild or install both",
                module.display()
            ))),
            _ => Ok(Self {
                module,
                layer,
                program,
            }),
        }
    }

    /// Copies them into `directory` under their installed names, with the layers for free-threaded Pythons.
    ///
    /// # Errors
    /// A file cannot be written, or the module's directory not be read.
    pub(crate) fn copy_to(&self, directory: &Path) -> Result<Self, Error> {
        let copy = |from: &Path, name: &str, mode: u32| {
            let to = directory.join(name);
            replace(from, &to, mode).map_err(Error::file("write", &to))?;
            Ok(to)
        };
        let layer = self.layer.as_deref();
        let program = self.program.as_deref();
        for name in self.free_threaded_layers()? {
            copy(&self.module.with_file_name(&name), &name, 0o644)?;
        }
        Ok(Self {
            module: copy(&self.module, "mod_rsgi.so", 0o644)?,
            layer: layer
                .map(|layer| copy(layer, LAYERS[0], 0o644))
                .transpose()?,
            program: program
                .map(|program| copy(program, PROGRAM, 0o755))
                .transpose()?,
        })
    }

    /// The names of those beside the module.
    fn free_threaded_layers(&self) -> Result<Vec<String>, Error> {
        let directory = self.module.parent().unwrap_or(Path::new("/"));
        let entries = fs::read_dir(directory).map_err(Error::file("read", directory))?;
        let names = entries.flatten().map(|entry| entry.file_name());
        Ok(names
            .filter_map(|name| name.into_string().ok())
            .filter(|name| is_free_threaded_layer(name))
            .collect())
    }
}

/// Whether a file's name is that of a layer for a free-threaded Python: `rsgi_python.cp314t.so`.
fn is_free_threaded_layer(name: &str) -> bool {
    let minor = name
        .strip_prefix("rsgi_python.cp3")
        .and_then(|rest| rest.strip_suffix("t.so"));
    minor.is_some_and(|minor| minor.parse::<u32>().is_ok())
}

/// Copies beside the target and renames, so that an Apache that has the old file mapped keeps it.
fn replace(from: &Path, to: &Path, mode: u32) -> std::io::Result<()> {
    let fresh = to.with_extension(format!("new.{}", std::process::id()));
    let copied = fs::copy(from, &fresh)
        .and_then(|_| fs::set_permissions(&fresh, permissions(mode)))
        .and_then(|()| fs::rename(&fresh, to));
    if copied.is_err() {
        // The error that led here is the one to report.
        drop(fs::remove_file(&fresh));
    }
    copied
}

fn permissions(mode: u32) -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt as _;
    fs::Permissions::from_mode(mode)
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
            "`mod_rsgi.so` is neither in `../modules` nor in `../lib/mod_rsgi` beside `{}`\nrun `make build`",
            directory.display()
        ))
    })
}
