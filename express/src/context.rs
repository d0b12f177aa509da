//! Brings settings and findings together into what the templates know.

use std::path::Path;

use serde::Serialize;

use crate::apache::{Apache, mime_types};
use crate::capacity::Capacity;
use crate::error::Error;
use crate::module::ModuleFiles;
use crate::privileges::Identity;
use crate::python::Python;
use crate::settings::{Log, Settings, UrlAlias, printable};

/// What was found on this machine.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(crate) apache: Apache,
    pub(crate) mpm: String,
    /// The module of PHP, where it is wanted and to be loaded.
    pub(crate) php: Option<Module>,
    /// The program that rotates logs, where they are.
    pub(crate) rotatelogs: Option<String>,
    pub(crate) shell: String,
    pub(crate) gdb: Option<String>,
    /// The module and its Python, where anything runs Python.
    pub(crate) python: Option<(ModuleFiles, Python)>,
    pub(crate) identity: Option<Identity>,
    /// `--document-root`, or the empty directory that stands in for it.
    pub(crate) document_root: String,
}

/// Everything the templates know: the settings by their own names, and this.
#[derive(Debug, Serialize)]
pub(crate) struct Context<'a> {
    #[serde(flatten)]
    settings: &'a Settings,
    version: &'static str,
    server_name: &'a str,
    run_as: Option<RunAs<'a>>,
    modules: Vec<Module>,
    modules_directory: String,
    mime_types: String,
    capacity: Capacity,
    has_python: bool,
    has_application: bool,
    has_group: bool,
    /// The module, where there is Python.
    module: Option<String>,
    python_home: Option<String>,
    python_executable: Option<String>,
    python_path: String,
    /// The process group that the application runs in: its name, or `%{GLOBAL}`.
    process_group: &'a str,
    document_root: &'a str,
    aliases: Vec<Alias>,
    error_log: String,
    access_log: Option<String>,
    httpd: String,
    shell: &'a str,
    gdb: Option<&'a str>,
}

/// A module to load.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Module {
    /// Its symbol, such as `rewrite_module`.
    pub(crate) name: String,
    /// Its file.
    pub(crate) path: String,
}

/// A URL and the file or directory behind it.
#[derive(Debug, Serialize)]
struct Alias {
    url: String,
    path: String,
    /// The directory to grant access to.
    directory: String,
    /// The file's name where the alias is for a single one.
    file: Option<String>,
}

/// The user and group to serve as.
#[derive(Debug, Serialize)]
struct RunAs<'a> {
    user: &'a str,
    group: &'a str,
}

impl<'a> Context<'a> {
    /// Makes the templates' values.
    ///
    /// # Errors
    /// A path found cannot be written into a configuration, or a module is missing.
    pub(crate) fn new(settings: &'a Settings, findings: &'a Findings) -> Result<Self, Error> {
        let python = findings.python.as_ref();
        let of_python = |path: fn(&Python) -> &Path| {
            let path = python.map(|(_, python)| text("--python", path(python)));
            path.transpose()
        };
        Ok(Self {
            settings,
            version: env!("CARGO_PKG_VERSION"),
            server_name: settings.listening.server_name(),
            run_as: findings.identity.as_ref().map(|identity| RunAs {
                user: &identity.user,
                group: &identity.group,
            }),
            modules: {
                let usual = findings.apache.modules(&findings.mpm, settings)?;
                usual.into_iter().chain(findings.php.clone()).collect()
            },
            modules_directory: text("--modules-directory", &findings.apache.modules_directory)?,
            mime_types: match &settings.files.mime_types {
                Some(path) => path.clone(),
                None => mime_types().to_owned(),
            },
            capacity: Capacity::new(&settings.processes, &findings.mpm),
            has_python: settings.has_python(),
            has_application: settings.has_application(),
            has_group: settings.has_group(),
            module: python
                .map(|(files, _)| text("mod_rsgi.so", &files.module))
                .transpose()?,
            python_home: of_python(|python| &python.home)?,
            python_executable: of_python(|python| &python.executable)?,
            python_path: python_path(settings),
            process_group: settings.process_group(),
            document_root: &findings.document_root,
            aliases: settings.files.aliases.iter().map(alias).collect(),
            error_log: log(settings, findings, &settings.logs.error),
            access_log: settings
                .logs
                .access
                .as_ref()
                .map(|access| log(settings, findings, access)),
            httpd: text("--httpd-executable", &findings.apache.program)?,
            shell: &findings.shell,
            gdb: findings.gdb.as_deref(),
        })
    }
}

/// A path that was found, for a generated file.
///
/// # Errors
/// It cannot be written there.
pub(crate) fn text(option: &str, path: &Path) -> Result<String, Error> {
    match path.to_str() {
        Some(text) => printable(option, text.to_owned()),
        None => Err(Error::Usage(format!(
            "`{option}`: `{}` is not valid UTF-8",
            path.display()
        ))),
    }
}

/// The directories to import from; a process group has its home in front of them by itself.
fn python_path(settings: &Settings) -> String {
    let mut path = vec![];
    if settings.processes.is_embedded {
        path.push(settings.python.working_directory.as_str());
    }
    for directory in &settings.python.path {
        if !path.contains(&directory.as_str()) {
            path.push(directory);
        }
    }
    path.join(":")
}

/// An alias for an existing file grants that file, any other the directory, which may come later.
fn alias(alias: &UrlAlias) -> Alias {
    let path = Path::new(&alias.path);
    let single = path
        .is_file()
        .then(|| path.file_name().zip(path.parent()))
        .flatten();
    let (directory, file) = match single {
        Some((name, parent)) => (parent, Some(name.to_string_lossy().into_owned())),
        None => (path, None),
    };
    Alias {
        url: alias.url.clone(),
        path: alias.path.clone(),
        directory: directory.to_string_lossy().into_owned(),
        file,
    }
}

/// The argument of ErrorLog and CustomLog: a file, a device, or a program that is piped to.
fn log(settings: &Settings, findings: &Findings, log: &Log) -> String {
    let (Some(rotation), Some(program)) = (&settings.logs.rotation, &findings.rotatelogs) else {
        return log.place.clone();
    };
    // Everything that is not the date stands for itself.
    let file = log.place.replace('%', "%%") + ".%Y-%m-%d-%H_%M_%S";
    format!(
        "|{} {} {}M",
        piped_word(program),
        piped_word(&file),
        rotation.megabytes
    )
}

/// A word of the command of a piped log.
///
/// httpd: it is split by APR, which knows backslashes, and not by a shell.
fn piped_word(text: &str) -> String {
    let mut word = String::with_capacity(text.len());
    for c in text.chars() {
        if " \t\"'\\".contains(c) {
            word.push('\\');
        }
        word.push(c);
    }
    word
}
