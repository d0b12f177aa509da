//! `start-server` and `setup-server`: finds everything, checks it, writes the server root, runs Apache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::apache::Apache;
use crate::check;
use crate::cli::{ApplicationType, ServerArgs};
use crate::context::{self, Findings};
use crate::error::Error;
use crate::message;
use crate::module::ModuleFiles;
use crate::port;
use crate::privileges::Identity;
use crate::process::{self, Server};
use crate::python::Python;
use crate::ready::Ready;
use crate::render::Context;
use crate::settings::Settings;
use crate::summary;
use crate::tree::ServerRoot;
use crate::watch::Watch;

/// Sets up and serves until told to stop; returns what to exit with.
///
/// # Errors
/// Something is in the way, told before Apache starts where it can be known.
pub(crate) fn start(args: ServerArgs) -> Result<u8, Error> {
    let stop_timeout = args.life.stop_timeout;
    let settings = Settings::resolve(args)?;
    let is_serving = !settings.setup_only;
    let (root, findings) = set_up(&settings, is_serving)?;
    message::facts(&summary::text(&settings, &findings, &root));
    if !is_serving {
        return Ok(0);
    }
    let watch = settings.reload_on_changes.then(|| watch(&settings));
    let server = Server::start(&root.file("apachectl"), settings.processes.shutdown_timeout)?
        .finishing_within(stop_timeout);
    Ready {
        host: settings.host.clone(),
        port: settings.port,
        pid_file: root.file("httpd.pid"),
        url: settings.url(),
    }
    .announce();
    if let Some(watch) = watch {
        restart_on_changes(watch);
    }
    let Some(status) = server.supervise(&root.file("httpd.pid"))? else {
        return Ok(0);
    };
    report_end(&settings, &findings, status);
    Ok(process::exit_code(status))
}

/// Only sets up.
///
/// # Errors
/// As [`start`].
pub(crate) fn setup(args: ServerArgs) -> Result<u8, Error> {
    let settings = Settings::resolve(args)?;
    let (root, findings) = set_up(&settings, false)?;
    message::facts(&summary::text(&settings, &findings, &root));
    Ok(0)
}

/// Sets up in a directory of its own and loads the application, as a start would, and starts nothing.
///
/// # Errors
/// As [`start`], but for the port.
pub(crate) fn rehearse(settings: &Settings) -> Result<Findings, Error> {
    let (root, findings) = set_up(settings, false)?;
    let handler = root.file("handler.wsgi");
    let identity = findings.identity.as_ref();
    check::loads(settings, &handler, &findings.python, identity)?;
    Ok(findings)
}

fn set_up(settings: &Settings, is_serving: bool) -> Result<(ServerRoot, Findings), Error> {
    let identity = Identity::resolve(settings.user.as_deref(), settings.group.as_deref())?;
    check::files(settings, identity.as_ref())?;
    let apache = Apache::find(
        settings.httpd_executable.as_deref(),
        settings.modules_directory.as_deref(),
    )?;
    let mpm = apache.choose_mpm(&settings.processes.mpms)?;
    let module = ModuleFiles::find()?;
    let python = Python::choose(settings.python.as_deref(), identity.as_ref())?;
    if is_serving {
        port::check(settings)?;
    }
    let root = ServerRoot::prepare(&settings.server_root)?;
    let empty = root.directory("htdocs")?;
    if !settings.processes.is_embedded {
        root.directory_of("python-eggs", identity.as_ref())?;
    }
    let findings = Findings {
        apache,
        mpm,
        module: reachable(module, &root, identity.as_ref())?,
        python,
        identity,
        document_root: settings
            .document_root
            .clone()
            .unwrap_or_else(|| empty.to_string_lossy().into_owned()),
    };
    root.write(&Context::new(settings, &findings)?)?;
    verify(settings, &findings, &root, is_serving)?;
    Ok((root, findings))
}

/// Checks that need the generated files: the serving user reaches them, the application loads, Apache agrees.
fn verify(
    settings: &Settings,
    findings: &Findings,
    root: &ServerRoot,
    is_serving: bool,
) -> Result<(), Error> {
    let handler = root.file("handler.wsgi");
    if !check::is_reachable(findings.identity.as_ref(), &handler)? {
        return Err(Error::ServerRoot {
            path: settings.server_root.clone().into(),
            problem:
                "cannot be entered by the user who serves: choose another one with `--server-root`"
                    .into(),
        });
    }
    if is_serving {
        check::loads(
            settings,
            &handler,
            &findings.python,
            findings.identity.as_ref(),
        )?;
    }
    let apachectl = root.file("apachectl");
    let output = Command::new("/bin/sh")
        .arg(&apachectl)
        .arg("configtest")
        .output()
        .map_err(Error::file("run", &apachectl))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(Error::Configuration {
        path: root.file("httpd.conf"),
        text: text.trim().to_owned(),
    })
}

/// The layer is opened by the serving user: where that user cannot read it, a copy in the server root is used.
fn reachable(
    module: ModuleFiles,
    root: &ServerRoot,
    identity: Option<&Identity>,
) -> Result<ModuleFiles, Error> {
    match &module.layer {
        Some(layer) if !check::is_reachable(identity, layer)? => {
            module.copy_to(&root.directory("modules")?)
        }
        _ => Ok(module),
    }
}

/// What `--reload-on-changes` watches, as it is now.
fn watch(settings: &Settings) -> Watch {
    let mut directories = vec![PathBuf::from(&settings.working_directory)];
    directories.extend(settings.python_path.iter().map(PathBuf::from));
    let mut files = vec![];
    if settings.application.kind == ApplicationType::Script {
        files.push(PathBuf::from(&settings.application.entry));
    }
    let watch = Watch::new(directories, files);
    if watch.is_truncated() {
        message::warning(&format!(
            "`--reload-on-changes`: too many files below `{}`, not all of them are watched",
            settings.working_directory
        ));
    }
    watch
}

/// Starts the watcher, which asks this process for a graceful restart as anybody could: with SIGUSR1.
fn restart_on_changes(watch: Watch) {
    let own = Pid::this();
    std::thread::spawn(move || {
        watch.run(|path: &Path| {
            message::note(&format!("`{}` has changed: restarting", path.display()));
            kill(own, Signal::SIGUSR1).is_ok()
        });
    });
}

/// Says how Apache ended, and why as far as its log tells.
fn report_end(settings: &Settings, findings: &Findings, status: ExitStatus) {
    let program = findings.apache.program.display();
    let log = context::error_log(settings);
    let text = if settings.log_to_terminal {
        String::new()
    } else {
        fs::read(&log).map_or_else(|_| String::new(), |bytes| last_lines(&bytes))
    };
    let text = if text.is_empty() {
        format!("`{program}` ended with {status}")
    } else {
        format!("`{program}` ended with {status}; the end of `{log}`:\n{text}")
    };
    message::error(&text);
}

fn last_lines(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}
