//! Whether the application can be served: its files, and whether it loads, found out before Apache starts.

use std::fs;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::cli::{ApplicationType, LogLevel};
use crate::error::Error;
use crate::message;
use crate::privileges::{self, Identity};
use crate::python::Python;
use crate::reach::{self, Obstacle};
use crate::settings::{Service, Settings};

/// The program that loads the application the way the handler script does in Apache.
const PROGRAM: &str = concat!(
    include_str!("../templates/answer.py"),
    include_str!("../templates/check.py")
);
/// How long the application may take to load before Apache is started without knowing.
const LOAD_LIMIT: Duration = Duration::from_secs(10);

/// Checks that everything named on the command line is there, and readable by the user who serves.
///
/// # Errors
/// The first thing that is not.
pub(crate) fn files(settings: &Settings, identity: Option<&Identity>) -> Result<(), Error> {
    let application = &settings.application;
    let is_file = matches!(
        application.kind,
        ApplicationType::Script | ApplicationType::Paste
    );
    if is_file && !application.is_welcome {
        script(Path::new(&application.entry), identity)?;
    }
    let user = identity.map_or_else(privileges::current_user, |identity| identity.user.clone());
    let roots = settings.files.document_root.iter();
    let roots = roots.chain(&settings.files.more_roots);
    let working = ("--working-directory", &settings.python.working_directory);
    let directories = roots.map(|root| ("--document-root", root));
    for (option, path) in std::iter::once(working).chain(directories) {
        let path = Path::new(path);
        if let Some(obstacle) = reach::first_obstacle(identity, &[path])? {
            return Err(obstructed(option, &obstacle, &user));
        }
        if !path.is_dir() {
            return Err(Error::Usage(format!(
                "`{option}`: `{}` is no directory\nname the folder that it is in, or another one",
                path.display()
            )));
        }
    }
    for handler in &settings.files.handlers {
        let path = Path::new(&handler.script);
        if let Some(obstacle) = reach::first_obstacle(identity, &[path])? {
            return Err(obstructed("--add-handler", &obstacle, &user));
        }
    }
    for (option, path) in settings.access.scripts() {
        if let Some(obstacle) = reach::first_obstacle(identity, &[Path::new(path)])? {
            return Err(obstructed(option, &obstacle, &user));
        }
    }
    // What is not there yet may be made while the server runs.
    let paths = settings.python.path.iter();
    let aliases = settings.files.aliases.iter();
    let later = paths
        .map(|path| ("--python-path", path))
        .chain(aliases.map(|alias| ("--url-alias", &alias.path)));
    for (option, path) in later {
        if let Some(obstacle) = reach::first_obstacle(identity, &[Path::new(path)])? {
            message::warning(&format!("`{option}`: {}", obstacle.sentence(&user)));
        }
    }
    written(settings)?;
    named(settings)
}

/// What an option names cannot be had by the user who serves.
fn obstructed(option: &str, obstacle: &Obstacle, user: &str) -> Error {
    let sentence = obstacle.sentence(user);
    let cure = if obstacle.is_missing {
        "correct the name, or make it"
    } else {
        "move it to where that user can read it, or serve as another user with `--user`"
    };
    Error::Application(format!("`{option}`: {sentence}\n{cure}"))
}

/// Checks the places that are written to: a file in place of a folder, or the other way round, would be found out late.
fn written(settings: &Settings) -> Result<(), Error> {
    let refuse = |option: &str, path: &Path, problem: &str| {
        let path = path.display();
        Err(Error::Usage(format!(
            "`{option}`: `{path}` {problem}\nname another one"
        )))
    };
    let eggs = (!settings.python.has_own_eggs).then_some(("--python-eggs", &settings.python.eggs));
    for (option, path) in settings.debug.directories().chain(eggs) {
        let path = Path::new(path);
        if path.exists() && !path.is_dir() {
            return refuse(option, path, "is no directory");
        }
    }
    let pid_file = Path::new(&settings.tree.pid_file);
    let maintenance = settings.files.maintenance.as_ref().map(Path::new);
    for (option, path) in [
        ("--maintenance-file", maintenance),
        ("--pid-file", Some(pid_file)),
    ] {
        if let Some(path) = path.filter(|path| path.is_dir()) {
            return refuse(option, path, "is a directory");
        }
    }
    match pid_file.parent() {
        Some(folder) if folder != Path::new(&settings.server_root) && !folder.is_dir() => {
            refuse("--pid-file", folder, "is no directory")
        }
        _ => Ok(()),
    }
}

/// Checks what Apache or the launcher reads, as whoever starts it.
fn named(settings: &Settings) -> Result<(), Error> {
    let files = &settings.files;
    let mut wanted: Vec<(&str, &String)> = vec![];
    wanted.extend(
        files
            .include_files
            .iter()
            .map(|path| ("--include-file", path)),
    );
    wanted.extend(files.mime_types.iter().map(|path| ("--mime-types", path)));
    if !files.has_own_rules {
        wanted.push(("--rewrite-rules", &files.rewrite_rules));
    }
    let envvars = settings.tree.envvars_script.iter();
    wanted.extend(envvars.map(|path| ("--envvars-script", path)));
    if let Some(tls) = &settings.tls {
        wanted.push(("--ssl-certificate-file", &tls.certificate));
        wanted.push(("--ssl-certificate-key-file", &tls.key));
        let chain = tls.chain.iter();
        wanted.extend(chain.map(|path| ("--ssl-certificate-chain-file", path)));
        let authority = tls.client_authority.iter();
        wanted.extend(authority.map(|path| ("--ssl-ca-certificate-file", path)));
    }
    let own = |service: &&Service| !service.is_generated;
    let services = settings.services.iter().filter(own);
    wanted.extend(services.map(|service| ("--service-script", &service.script)));
    let missing = |(_, path): &&(&str, &String)| !Path::new(path).is_file();
    if let Some((option, path)) = wanted.iter().find(missing) {
        return Err(Error::Usage(format!(
            "`{option}`: there is no file `{path}`\ncorrect the name, or make it"
        )));
    }
    let logs = Path::new(&settings.logs.error.place).parent();
    match logs {
        Some(directory)
            if !settings.logs.error.is_terminal
                && directory != Path::new(&settings.server_root)
                && !directory.is_dir() =>
        {
            Err(Error::Usage(format!(
                "`--log-directory`: there is no directory `{}`\ncorrect the name, or make it",
                directory.display()
            )))
        }
        _ => Ok(()),
    }
}

fn script(path: &Path, identity: Option<&Identity>) -> Result<(), Error> {
    if path.is_dir() {
        let inside = ["wsgi.py", "app.py", "application.py", "app.wsgi"];
        let likely = inside
            .iter()
            .map(|name| path.join(name))
            .find(|path| path.is_file());
        let hint = likely.map_or_else(
            || "name the script in it".to_owned(),
            |file| format!("did you mean `{}`?", file.display()),
        );
        let path = path.display();
        return Err(Error::Application(format!(
            "`{path}` is a directory\n{hint}"
        )));
    }
    let user = identity.map_or_else(privileges::current_user, |identity| identity.user.clone());
    match reach::first_obstacle(identity, &[path])? {
        None => Ok(()),
        Some(obstacle) if obstacle.is_missing => Err(Error::Application(format!(
            "script `{}` does not exist\nname it as it is seen from the current folder, or by its whole path",
            path.display()
        ))),
        Some(obstacle) => {
            let cure = if identity.is_some() {
                "\nmove it to where that user can read it, or name another user with `--user`"
            } else {
                "\nmove it to where that user can read it, or start as one who can"
            };
            Err(Error::Application(obstacle.sentence(&user) + cure))
        }
    }
}

/// Loads the application once, as the user who serves and with the Python that serves.
///
/// # Errors
/// It raises, or there is no such callable.
pub(crate) fn loads(
    settings: &Settings,
    handler: &Path,
    python: &Python,
    identity: Option<&Identity>,
) -> Result<(), Error> {
    let mut command = privileges::command_as(identity, &python.executable)?;
    let child = command
        .args(["-c", PROGRAM])
        .arg(handler)
        .arg(&settings.python.working_directory)
        .args(&settings.python.path)
        .env("LC_ALL", &settings.python.locale)
        .current_dir(&settings.python.working_directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(Error::file("run", &python.executable))?;
    let Some(answer) = answer(child) else {
        message::note(
            "the application takes more than 10 seconds to load: starting without waiting for it",
        );
        return Ok(());
    };
    judge(settings, python, &answer)
}

/// What the program says; `None` when it takes too long.
pub(crate) fn answer(mut child: Child) -> Option<String> {
    let mut stdout = child.stdout.take()?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = vec![];
        let result = stdout.read_to_end(&mut bytes);
        // Nobody listens any more once the time is over.
        sender.send(result.map(|_| bytes)).ok();
    });
    let answer = receiver.recv_timeout(LOAD_LIMIT);
    // Whatever the application has started goes as well; that nothing is left to kill is no failure.
    killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL).ok();
    child.wait().ok();
    let bytes = answer.ok()?.unwrap_or_default();
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn judge(settings: &Settings, python: &Python, answer: &str) -> Result<(), Error> {
    let entry = &settings.application.entry;
    let callable = &settings.application.callable;
    let lines: Vec<_> = answer.lines().collect();
    match lines.as_slice() {
        ["loads", "True", ..] | ["unknown", ..] => Ok(()),
        ["loads", ..] => Err(Error::Application(format!(
            "`{callable}` in `{entry}` cannot be called\nname the application with `--callable-object`"
        ))),
        ["missing", likely @ ..] => {
            let hint = match likely.first() {
                Some(name) => format!("try `--callable-object {name}`"),
                None => "name the application with `--callable-object`".to_owned(),
            };
            Err(Error::Application(format!(
                "`{entry}` has no `{callable}`\n{hint}"
            )))
        }
        ["raises", exception, file, line, traceback @ ..] => {
            if settings.logs.level_number >= LogLevel::Info {
                message::note(&traceback.join("\n"));
            }
            let hint = if exception.starts_with("ModuleNotFoundError") {
                format!(" (the Python is `{}`)", python.executable.display())
            } else {
                String::new()
            };
            let place = if file.is_empty() {
                String::new()
            } else {
                format!(" at `{file}` line {line}")
            };
            Err(Error::Application(format!(
                "`{entry}` does not load: `{exception}`{place}{hint}"
            )))
        }
        _ => Err(Error::Application(format!(
            "`{entry}` ends the Python that loads it (`{}`) without an exception\n\
             load it there by hand: a call of `os._exit` does that, or a library that crashes",
            python.executable.display()
        ))),
    }
}

/// Whether a file can be read by everybody who can reach it; used for the module's own layer.
pub(crate) fn is_reachable(identity: Option<&Identity>, path: &Path) -> Result<bool, Error> {
    if fs::metadata(path).is_err() {
        return Ok(false);
    }
    Ok(reach::first_obstacle(identity, &[path])?.is_none())
}
