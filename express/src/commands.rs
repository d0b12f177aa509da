//! The small commands: where the module is, how it is loaded, and installing it.

use crate::apache::Apache;
use crate::cli::{InstallArgs, ModuleArgs};
use crate::error::Error;
use crate::message;
use crate::module::ModuleFiles;
use crate::privileges::Identity;
use crate::python::Python;
use crate::render::conf;

/// Prints the lines for an existing Apache's configuration.
///
/// # Errors
/// The module or a Python is missing.
pub(crate) fn module_config(args: &ModuleArgs) -> Result<(), Error> {
    print_lines(&ModuleFiles::find()?, args)
}

/// Prints the module's path.
///
/// # Errors
/// The module is missing.
pub(crate) fn module_location() -> Result<(), Error> {
    message::output(&ModuleFiles::find()?.module.display().to_string());
    Ok(())
}

/// Copies the module and its layer, and prints the lines for their new place.
///
/// # Errors
/// The directory is unknown or cannot be written.
pub(crate) fn install_module(args: &InstallArgs) -> Result<(), Error> {
    let files = ModuleFiles::find()?;
    let directory = match &args.modules_directory {
        Some(directory) => directory.clone(),
        None => Apache::find(args.httpd_executable.as_deref(), None)?.modules_directory,
    };
    if !directory.is_dir() {
        return Err(Error::Usage(format!(
            "`--modules-directory`: `{}` is no directory\nmake it, or name the one that Apache loads its modules from",
            directory.display()
        )));
    }
    let directory = directory
        .canonicalize()
        .map_err(Error::file("find", &directory))?;
    print_lines(&files.copy_to(&directory)?, &args.module)
}

fn print_lines(files: &ModuleFiles, args: &ModuleArgs) -> Result<(), Error> {
    // Root asks for an Apache that will serve as the web user, who has to be able to read the Python.
    let web_user = Identity::resolve(None, None).ok().flatten();
    let python = Python::choose(args.python.as_deref(), web_user.as_ref())?;
    let module = conf(&files.module.to_string_lossy());
    let home = conf(&python.home.to_string_lossy());
    message::output(&format!(
        "LoadModule wsgi_module {module}\nWSGIPythonHome {home}"
    ));
    Ok(())
}
