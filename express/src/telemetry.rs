//! The service of `--enable-telemetry`: whether it can run, found out before Apache starts, and the folder of its socket.

use std::os::unix::process::CommandExt as _;
use std::process::Stdio;

use crate::check;
use crate::error::Error;
use crate::privileges::{self, Identity};
use crate::python::Python;
use crate::settings::{Service, Settings};
use crate::tree::ServerRoot;

/// The program that imports the package and takes the port, for a moment.
const PROGRAM: &str = concat!(
    include_str!("../templates/answer.py"),
    include_str!("../templates/telemetry.py")
);
/// The package on PyPI.
const PACKAGE: &str = "mod_wsgi-telemetry";

/// Who runs the service: its own user and group where they are named, or whoever serves.
///
/// # Errors
/// As [`Identity::named`].
pub(crate) fn identity(settings: &Settings) -> Result<Option<Identity>, Error> {
    let generated = |service: &&Service| service.is_generated;
    let Some(service) = settings.services.iter().find(generated) else {
        return Ok(None);
    };
    service.identity(&settings.tree)
}

/// Runs what the service begins with: the import of its package, and listening on the port if it is to serve now.
///
/// # Errors
/// The package is not there, or the port cannot be had by the service's user.
pub(crate) fn check(settings: &Settings, python: &Python, is_serving: bool) -> Result<(), Error> {
    let Some(own) = settings.metrics.own_service() else {
        return Ok(());
    };
    let port = if is_serving { own.port } else { 0 };
    let mut command = privileges::command_as(identity(settings)?.as_ref(), &python.executable)?;
    let child = command
        .args(["-c", PROGRAM])
        .arg(port.to_string())
        .arg(&settings.python.working_directory)
        .args(&settings.python.path)
        .current_dir(&settings.python.working_directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(Error::file("run", &python.executable))?;
    let answer = check::answer(child).unwrap_or_default();
    let executable = python.executable.display();
    match answer.lines().collect::<Vec<_>>().as_slice() {
        ["missing", why, ..] => Err(Error::Installation(format!(
            "`--enable-telemetry`: the Python `{executable}` has no {PACKAGE}: `{why}`\n\
             `{executable} -m pip install {PACKAGE}`, or name a Python that has it with `--python`"
        ))),
        ["port", why, ..] => Err(Error::Port(format!(
            "`--telemetry-ui-port`: the service cannot listen on port `{port}`: {why}\nchoose another one"
        ))),
        // One that took too long may still do in time.
        _ => Ok(()),
    }
}

/// Makes the folder of the socket: the service's to write to, and open to those who serve and nobody else.
///
/// # Errors
/// It cannot be made or given away.
pub(crate) fn make_folder(
    settings: &Settings,
    root: &ServerRoot,
    serving: Option<&Identity>,
) -> Result<(), Error> {
    let Some(own) = settings.metrics.own_service() else {
        return Ok(());
    };
    let service = identity(settings)?;
    let ids = service.as_ref().zip(serving);
    let ids = ids.map(|(service, serving)| (service.uid, serving.gid));
    root.shared_directory(&own.folder, ids)
}
