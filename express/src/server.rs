//! `start-server` and `setup-server`: finds everything, checks it, writes the server root, runs Apache.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::process::Command;

use crate::apache::{Apache, existing, find_in_path};
use crate::book;
use crate::check;
use crate::cli::{ApplicationType, ServerArgs};
use crate::context::{self, Context, Findings};
use crate::error::Error;
use crate::message;
use crate::module::ModuleFiles;
use crate::php;
use crate::port;
use crate::privileges::{self, Identity};
use crate::process;
use crate::python::Python;
use crate::reach;
use crate::serving::Serving;
use crate::settings::Settings;
use crate::status::Access;
use crate::summary;
use crate::survey::certificates;
use crate::telemetry;
use crate::tree::ServerRoot;
use crate::watch::Watched;

/// Sets up and serves until told to stop; returns what to exit with.
///
/// # Errors
/// Something is in the way, told before Apache starts where it can be known.
pub(crate) fn start(args: &ServerArgs) -> Result<u8, Error> {
    let stop_timeout = args.life.stop_timeout;
    let settings = Settings::resolve(args)?;
    let is_serving = !settings.tree.setup_only;
    let (root, findings) = set_up(&settings, is_serving)?;
    message::facts(&summary::text(&settings, &findings, &root));
    if !is_serving {
        return Ok(0);
    }
    let apachectl = root.file("apachectl");
    if settings.debug.is_on {
        // The terminal is the debugger's, so Apache takes this process's place.
        return Err(process::become_apache(&findings.shell, &apachectl));
    }
    serving(&settings, &findings, &root, stop_timeout).afresh()
}

fn serving(
    settings: &Settings,
    findings: &Findings,
    root: &ServerRoot,
    stop_timeout: u32,
) -> Serving {
    let log = &settings.logs.error;
    Serving {
        speaks_json: message::speaks_json(),
        shell: findings.shell.clone(),
        apachectl: root.file("apachectl"),
        program: findings.apache.program.clone(),
        log: (!log.is_terminal).then(|| PathBuf::from(&log.place)),
        pid_file: root.pid_file.clone(),
        addresses: addresses(settings.listening.host.as_deref(), settings.listening.port),
        url: settings.url(),
        shutdown_timeout: settings.processes.shutdown_timeout,
        stop_timeout,
        watched: settings.reloading.on_changes.then(|| watched(settings)),
    }
}

/// Where a server that listens on a host, or on all, can be reached from here.
fn addresses(host: Option<&str>, port: u16) -> Vec<SocketAddr> {
    let host = match host {
        None | Some("0.0.0.0") => "127.0.0.1",
        Some("::") => "::1",
        Some(host) => host,
    };
    let found = (host, port).to_socket_addrs();
    found.into_iter().flatten().collect()
}

/// Only sets up.
///
/// # Errors
/// As [`start`].
pub(crate) fn setup(args: &ServerArgs) -> Result<u8, Error> {
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
    if let (Some((_, python)), true) = (&findings.python, settings.has_application()) {
        check::loads(settings, &handler, python, identity)?;
    }
    Ok(findings)
}

fn set_up(settings: &Settings, is_serving: bool) -> Result<(ServerRoot, Findings), Error> {
    let tree = &settings.tree;
    let identity = Identity::resolve(tree.user.as_deref(), tree.group.as_deref())?;
    for service in &settings.services {
        service.identity(tree)?;
    }
    check::files(settings, identity.as_ref())?;
    if let Some(tls) = &settings.tls {
        certificates::refuse(tls.certificate.as_ref(), tls.key.as_ref())?;
    }
    let apache = Apache::find(tree.httpd.as_deref(), tree.modules_directory.as_deref())?;
    let mpm = apache.choose_mpm(&settings.processes.mpms)?;
    if settings.listening.http2 && mpm == "prefork" {
        return Err(Error::Usage(
            "`--http2` needs threads, which the MPM prefork does not have\n`--server-mpm event`"
                .into(),
        ));
    }
    let python = python(settings, identity.as_ref())?;
    let tools = Tools::find(settings, &apache)?;
    if is_serving {
        port::check(settings)?;
    }
    if let Some((_, python)) = &python {
        telemetry::check(settings, python, is_serving)?;
    }
    let root = ServerRoot::prepare(&settings.server_root, &tree.pid_file)?;
    let findings = Findings {
        document_root: make_directories(settings, &root, identity.as_ref())?,
        python: match python {
            Some((module, python)) => Some((reachable(module, &root, identity.as_ref())?, python)),
            None => None,
        },
        php: match settings.files.has_php {
            true => php::module(&apache)?,
            false => None,
        },
        apache,
        mpm,
        rotatelogs: tools.rotatelogs,
        shell: tools.shell,
        gdb: tools.gdb,
        identity,
    };
    Access::of(settings)?.write(&root)?;
    root.write(settings, &Context::new(settings, &findings)?)?;
    if settings.files.has_docs {
        book::write(&root.directory("docs")?)?;
    }
    verify(settings, &findings, &root, is_serving)?;
    Ok((root, findings))
}

/// The module and its Python, where anything runs Python.
fn python(
    settings: &Settings,
    identity: Option<&Identity>,
) -> Result<Option<(ModuleFiles, Python)>, Error> {
    if !settings.has_python() {
        return Ok(None);
    }
    let module = ModuleFiles::find()?;
    let python = Python::choose(settings.python.asked.as_deref(), identity)?;
    if settings.python.free_threading && !python.is_free_threaded {
        return Err(Error::Usage(format!(
            "`--free-threading`: the Python {} of `{}` is no free-threaded build\n`--python` with one, or leave the option out",
            python.version,
            python.executable.display()
        )));
    }
    Ok(Some((module, python)))
}

/// Programs beside Apache's.
struct Tools {
    rotatelogs: Option<String>,
    shell: String,
    gdb: Option<String>,
}

impl Tools {
    fn find(settings: &Settings, apache: &Apache) -> Result<Self, Error> {
        let rotatelogs = match &settings.logs.rotation {
            Some(rotation) => {
                let program = apache.rotatelogs(rotation.program.as_deref())?;
                Some(context::text("--rotatelogs-executable", &program)?)
            }
            None => None,
        };
        let gdb = match &settings.debug.gdb {
            Some(program) => {
                let program = existing("--gdb-executable", program)?;
                Some(context::text("--gdb-executable", &program)?)
            }
            None => None,
        };
        Ok(Self {
            rotatelogs,
            shell: shell(settings)?,
            gdb,
        })
    }
}

/// The shell for the control script: giving a program another name is not for every shell.
fn shell(settings: &Settings) -> Result<String, Error> {
    let option = "--shell-executable";
    if let Some(asked) = &settings.tree.shell {
        return context::text(option, &existing(option, asked)?);
    }
    if settings.tree.process_name.is_none() {
        return Ok("/bin/sh".to_owned());
    }
    let found = find_in_path(&["bash"], &["/bin", "/usr/bin"]).ok_or_else(|| {
        Error::Installation(
            "`--process-name` needs bash\ninstall it or name a shell that knows `exec -a` with `--shell-executable`"
                .into(),
        )
    })?;
    context::text(option, &found)
}

/// Makes the directories that the settings need; returns the document root.
fn make_directories(
    settings: &Settings,
    root: &ServerRoot,
    identity: Option<&Identity>,
) -> Result<String, Error> {
    if settings.has_python() {
        root.directory_of(&settings.python.eggs, identity)?;
    }
    telemetry::make_folder(settings, root, identity)?;
    for (_, directory) in settings.debug.directories() {
        root.directory_of(directory, identity)?;
    }
    match &settings.files.document_root {
        Some(path) => Ok(path.clone()),
        None => Ok(root.directory("htdocs")?.to_string_lossy().into_owned()),
    }
}

/// Checks that need the generated files: the serving user reaches them, the application loads, Apache agrees.
fn verify(
    settings: &Settings,
    findings: &Findings,
    root: &ServerRoot,
    is_serving: bool,
) -> Result<(), Error> {
    let handler = root.file("handler.wsgi");
    if let (Some((_, python)), true) = (&findings.python, settings.has_application()) {
        let identity = findings.identity.as_ref();
        if let Some(obstacle) = reach::first_obstacle(identity, &[&handler])? {
            let user = identity.map_or_else(privileges::current_user, |who| who.user.clone());
            return Err(Error::ServerRoot {
                path: settings.server_root.clone().into(),
                problem: format!(
                    "cannot be used: {}\nchoose another one with `--server-root`",
                    obstacle.sentence(&user)
                ),
            });
        }
        // A debugger wants to see the application fail by itself.
        if is_serving && !settings.debug.is_on {
            check::loads(settings, &handler, python, findings.identity.as_ref())?;
        }
    }
    let apachectl = root.file("apachectl");
    let output = Command::new(&findings.shell)
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

/// What `--reload-on-changes` watches.
fn watched(settings: &Settings) -> Watched {
    let mut directories = vec![PathBuf::from(&settings.python.working_directory)];
    directories.extend(settings.python.path.iter().map(PathBuf::from));
    let mut files = vec![];
    if settings.has_application() && settings.application.kind != ApplicationType::Module {
        files.push(PathBuf::from(&settings.application.entry));
    }
    let handlers = settings.files.handlers.iter();
    files.extend(handlers.map(|handler| PathBuf::from(&handler.script)));
    files.extend(settings.reloading.watched.iter().cloned());
    Watched {
        directories,
        files,
        ignored: settings.reloading.ignored.clone(),
    }
}
