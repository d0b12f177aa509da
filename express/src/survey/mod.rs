//! `check`: looks at everything a start depends on, one thing after the other, and starts nothing.
//!
//! Where a start ends at the first obstacle this goes on, so that one run names them all. What only shows when the
//! pieces come together (Apache's own check of the configuration, the application's imports) is rehearsed in a
//! temporary server root.

pub(crate) mod certificates;
mod finding;
mod paths;
mod rehearsal;
mod system;

use std::path::Path;

use crate::apache::Apache;
use crate::capacity::Capacity;
use crate::cli::CheckArgs;
use crate::error::{Error, ExitCode};
use crate::message::{self, Paint};
use crate::module::ModuleFiles;
use crate::port;
use crate::privileges::{self, Identity};
use crate::python::Python;
use crate::reach;
use crate::settings::Settings;
use crate::sources::Given;
use crate::tree::ServerRoot;
use finding::{Findings, Level};

/// Prints all findings; what to exit with is whether there is an error among them.
///
/// # Errors
/// The options make no sense, so that there is nothing to look at.
pub(crate) fn check(args: CheckArgs, given: &Given) -> Result<u8, Error> {
    let is_json = args.json;
    let settings = Settings::resolve(&args.server)?;
    let mut findings = Findings::default();
    if survey(&settings, given, &mut findings) {
        rehearsal::run(args.server, &settings.server_root, &mut findings);
    }
    let text = if is_json {
        format!("{:#}", findings.json())
    } else {
        findings.text(Paint::of_stdout())
    };
    message::output(&text);
    Ok(match findings.level() {
        Level::Error => ExitCode::Failure as u8,
        Level::Ok | Level::Warning => ExitCode::Success as u8,
    })
}

/// Looks at each piece; whether it is worth the while to put them together.
fn survey(settings: &Settings, given: &Given, findings: &mut Findings) -> bool {
    let tree = &settings.tree;
    let identity = Identity::resolve(tree.user.as_deref(), tree.group.as_deref());
    let identity = findings.take("user", identity);
    if let Some(identity) = &identity {
        findings.ok("user", served_by(identity.as_ref()));
    }
    let user = identity.clone().flatten();
    let apache = apache(settings, findings);
    // Files alone are served without either.
    let (module, python) = if settings.has_python() {
        (
            module(user.as_ref(), findings),
            python(settings, user.as_ref(), findings),
        )
    } else {
        (true, true)
    };
    if identity.is_some() {
        paths::survey(settings, user.as_ref(), findings);
    }
    ports(settings, findings);
    certificates::survey(given, findings);
    match ServerRoot::examine(&settings.server_root, &settings.tree.pid_file) {
        Ok(()) => findings.ok("server root", format!("`{}`", settings.server_root)),
        Err(error) => findings.failure("server root", &error),
    }
    if let Some((_, mpm)) = &apache {
        let capacity = Capacity::new(&settings.processes, mpm);
        let (processes, threads) = (settings.processes.processes, settings.processes.threads);
        system::limits(&capacity, processes, threads, findings);
    }
    let port = settings.listening.port;
    system::security(apache.as_ref().map(|(apache, _)| apache), port, findings);
    apache.is_some() && module && python && identity.is_some()
}

fn served_by(identity: Option<&Identity>) -> String {
    match identity {
        Some(identity) => format!(
            "Apache starts as root and serves as `{}`, group `{}`",
            identity.user, identity.group
        ),
        None => format!("Apache serves as `{}`", privileges::current_user()),
    }
}

/// Apache's program, MPM and modules.
fn apache(settings: &Settings, findings: &mut Findings) -> Option<(Apache, String)> {
    let tree = &settings.tree;
    let found = Apache::find(tree.httpd.as_deref(), tree.modules_directory.as_deref());
    let apache = findings.take("apache", found)?;
    findings.ok("apache", format!("`{}`", apache.program.display()));
    let mpm = findings.take("mpm", apache.choose_mpm(&settings.processes.mpms))?;
    findings.ok("mpm", format!("`{mpm}`"));
    let modules = findings.take("modules", apache.modules(&mpm, settings))?;
    findings.ok(
        "modules",
        format!(
            "{} of Apache's in `{}`",
            modules.len(),
            apache.modules_directory.display()
        ),
    );
    Some((apache, mpm))
}

/// The module, its Python layer and its program of daemon processes; whether they are there.
fn module(identity: Option<&Identity>, findings: &mut Findings) -> bool {
    let Some(files) = findings.take("module", ModuleFiles::find()) else {
        return false;
    };
    findings.ok("module", format!("`{}`", files.module.display()));
    for (topic, file) in [("layer", &files.layer), ("rsgi-daemon", &files.program)] {
        let Some(file) = file else { continue };
        match reach::first_obstacle(identity, &[file]) {
            Ok(None) => findings.ok(topic, format!("`{}`", file.display())),
            Ok(Some(obstacle)) => {
                let user = identity.map_or_else(privileges::current_user, |who| who.user.clone());
                let text = obstacle.sentence(&user);
                findings.warning(topic, text, "a start copies it into the server root");
            }
            Err(error) => findings.failure(topic, &error),
        }
    }
    if let Some(program) = &files.program {
        executable(program, findings);
    }
    true
}

fn executable(program: &Path, findings: &mut Findings) {
    let flags = nix::unistd::AccessFlags::X_OK;
    if let Err(errno) = nix::unistd::access(program, flags) {
        findings.error(
            "rsgi-daemon",
            format!("`{}` cannot be executed: {errno}", program.display()),
            "`chmod +x` it, or move it from a file system that is mounted with noexec",
        );
    }
}

/// The Python, its shared library and its environment; whether it can be used.
fn python(settings: &Settings, identity: Option<&Identity>, findings: &mut Findings) -> bool {
    let chosen = Python::choose(settings.python.asked.as_deref(), identity);
    let Some(python) = findings.take("python", chosen) else {
        return false;
    };
    findings.ok(
        "python",
        format!("{} (`{}`)", python.version, python.executable.display()),
    );
    if let Ok(found) = rsgi_bridge::locate::locate(Some(&python.executable)) {
        findings.ok("libpython", format!("`{}`", found.library.display()));
        if found.is_venv {
            environment(&python.home, found.minor, findings);
        }
    }
    true
}

/// A virtual environment has packages for one version of Python only.
fn environment(home: &Path, minor: u32, findings: &mut Findings) {
    let packages = home.join(format!("lib/python3.{minor}/site-packages"));
    if packages.is_dir() {
        findings.ok("virtualenv", format!("`{}`", home.display()));
    } else {
        findings.warning(
            "virtualenv",
            format!(
                "`{}` has no packages for its Python 3.{minor}: there is no `{}`",
                home.display(),
                packages.display()
            ),
            "make it again with the Python it is to have",
        );
    }
}

fn ports(settings: &Settings, findings: &mut Findings) {
    let host = settings.listening.host.as_deref();
    let https = settings.tls.as_ref().map(|tls| ("--https-port", tls.port));
    for (option, port) in std::iter::once(("--port", settings.listening.port)).chain(https) {
        match port::check_one(option, host, port) {
            Ok(()) => findings.ok("port", format!("{port} is free")),
            Err(error) => findings.failure("port", &error),
        }
    }
    if let Some(port) = settings.metrics.ui_port() {
        match port::check_one("--telemetry-ui-port", Some("127.0.0.1"), port) {
            Ok(()) => findings.ok("port", format!("{port} is free")),
            Err(error) => findings.failure("port", &error),
        }
    }
}
