//! The Apache that is installed: its program, what is compiled into it, its modules, its MPM.
//!
//! Knows the places of the usual distributions; asks nothing of apxs, which belongs to development packages.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::context::Module;
use crate::error::Error;
use crate::settings::Settings;

/// Names of Apache's program.
const PROGRAMS: [&str; 2] = ["apache2", "httpd"];
/// Where it is when PATH does not lead to it.
const PROGRAM_DIRECTORIES: [&str; 5] = [
    "/usr/sbin",
    "/usr/local/sbin",
    "/usr/local/apache2/bin",
    "/opt/homebrew/bin",
    "/usr/local/bin",
];
/// Where distributions keep the modules: Debian, Fedora (64 and 32 bits), SUSE, Alpine, source, macOS, Homebrew.
const MODULE_DIRECTORIES: [&str; 9] = [
    "/usr/lib/apache2/modules",
    "/usr/lib64/httpd/modules",
    "/usr/lib/httpd/modules",
    "/usr/lib64/apache2",
    "/usr/lib/apache2",
    "/usr/local/apache2/modules",
    "/usr/libexec/apache2",
    "/opt/homebrew/lib/httpd/modules",
    "/usr/local/lib/httpd/modules",
];
/// Where distributions keep the list of media types.
const MIME_TYPES: [&str; 6] = [
    "/etc/mime.types",
    "/etc/httpd/conf/mime.types",
    "/etc/apache2/mime.types",
    "/etc/httpd/mime.types",
    "/usr/local/apache2/conf/mime.types",
    "/opt/homebrew/etc/httpd/mime.types",
];
/// The modules that every generated configuration uses, and those that it uses or offers where there are any.
const NEEDED: [&str; 12] = [
    "unixd",
    "log_config",
    "authn_core",
    "authz_core",
    "authz_host",
    "mime",
    "alias",
    "dir",
    "env",
    "filter",
    "reqtimeout",
    "rewrite",
];
const OPTIONAL: [&str; 2] = ["headers", "access_compat"];
/// Where Apache's program for rotating logs is, beside PATH and Apache's own directory.
const TOOL_DIRECTORIES: [&str; 3] = ["/usr/bin", "/usr/sbin", "/usr/local/apache2/bin"];

/// An installed Apache.
#[derive(Debug)]
pub(crate) struct Apache {
    /// Its program.
    pub(crate) program: PathBuf,
    /// Where its modules are.
    pub(crate) modules_directory: PathBuf,
    /// Source names of the modules compiled in, such as `mod_so.c` and `event.c`.
    built_in: Vec<String>,
}

impl Apache {
    /// Finds Apache and its modules.
    ///
    /// # Errors
    /// There is none, or it does not run.
    pub(crate) fn find(program: Option<&Path>, modules: Option<&Path>) -> Result<Self, Error> {
        let program = find_program(program)?;
        let built_in = built_in(&program)?;
        let modules_directory = match modules {
            Some(directory) => directory.to_path_buf(),
            None => find_modules(&program)?,
        };
        Ok(Self {
            program,
            modules_directory,
            built_in,
        })
    }

    /// The first of `wanted` MPMs that this Apache has.
    ///
    /// # Errors
    /// It has none of them.
    pub(crate) fn choose_mpm(&self, wanted: &[String]) -> Result<String, Error> {
        let has =
            |name: &&String| self.has_built_in(name) || self.file(&format!("mpm_{name}")).is_file();
        let fixed = ["event", "worker", "prefork"]
            .into_iter()
            .find(|name| self.has_built_in(name));
        let found = match fixed {
            Some(fixed) => wanted.iter().find(|name| *name == fixed),
            None => wanted.iter().find(has),
        };
        found.cloned().ok_or_else(|| {
            let wanted = wanted.join("`, `");
            Error::Installation(match fixed {
                Some(fixed) => format!(
                    "`{}` has the MPM `{fixed}` built in and cannot use `{wanted}`\nleave `--server-mpm` out, or name another Apache with `--httpd-executable`",
                    self.program.display()
                ),
                None => format!(
                    "the MPM `{wanted}` cannot be loaded: no `mod_mpm_*.so` of that name is in `{}`\ninstall it, name another with `--server-mpm`, or the right directory with `--modules-directory`",
                    self.modules_directory.display()
                ),
            })
        })
    }

    /// The modules to load for the configuration, the MPM first.
    ///
    /// # Errors
    /// Some that are needed are not installed.
    pub(crate) fn modules(&self, mpm: &str, settings: &Settings) -> Result<Vec<Module>, Error> {
        let mut modules = vec![];
        let mut missing = vec![];
        if !self.has_built_in(mpm) {
            modules.push(self.module(&format!("mpm_{mpm}")));
        }
        let asked = asked_for(mpm, settings);
        let usual = NEEDED.iter().map(|name| (*name, ""));
        for (name, option) in usual.chain(asked.iter().copied()) {
            if self.has_built_in(&format!("mod_{name}")) {
                continue;
            }
            if self.file(name).is_file() {
                modules.push(self.module(name));
            } else if option.is_empty() {
                missing.push(format!("`mod_{name}.so`"));
            } else {
                missing.push(format!("`mod_{name}.so` (`{option}`)"));
            }
        }
        for name in OPTIONAL {
            let is_there = asked.iter().any(|(asked, _)| *asked == name)
                || self.has_built_in(&format!("mod_{name}"));
            if !is_there && self.file(name).is_file() {
                modules.push(self.module(name));
            }
        }
        if missing.is_empty() {
            return Ok(modules);
        }
        Err(Error::Installation(format!(
            "Apache's modules {} are not in `{}`\ninstall them or name the right directory with `--modules-directory`",
            missing.join(", "),
            self.modules_directory.display()
        )))
    }

    /// The program that rotates logs.
    ///
    /// # Errors
    /// It is nowhere.
    pub(crate) fn rotatelogs(&self, asked: Option<&Path>) -> Result<PathBuf, Error> {
        if let Some(path) = asked {
            return existing("--rotatelogs-executable", path);
        }
        let beside = self.program.with_file_name("rotatelogs");
        if beside.is_file() {
            return Ok(beside);
        }
        find_in_path(&["rotatelogs"], &TOOL_DIRECTORIES).ok_or_else(|| {
            Error::Installation(
                "`--rotate-logs`: `rotatelogs` is not installed with Apache\nname it with `--rotatelogs-executable`"
                    .into(),
            )
        })
    }

    /// Whether a module with such a name is compiled in.
    pub(crate) fn is_built_in(&self, is_it: impl Fn(&str) -> bool) -> bool {
        self.built_in.iter().any(|file| is_it(file))
    }

    fn has_built_in(&self, name: &str) -> bool {
        self.built_in
            .iter()
            .any(|file| file.strip_suffix(".c").is_some_and(|stem| stem == name))
    }

    fn module(&self, name: &str) -> Module {
        Module {
            name: format!("{name}_module"),
            path: self.file(name).to_string_lossy().into_owned(),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.modules_directory.join(format!("mod_{name}.so"))
    }
}

/// What the settings need beyond the usual modules, each with the option that does.
fn asked_for(mpm: &str, settings: &Settings) -> Vec<(&'static str, &'static str)> {
    let files = &settings.files;
    let proxies = &settings.proxies;
    let cgi = if mpm == "prefork" { "cgi" } else { "cgid" };
    let has_proxy = !proxies.is_empty();
    let has_tls = settings.tls.is_some() || proxies.has_tls;
    let has_users = settings.access.user_script.is_some();
    let by = if settings.access.auth_type == "Digest" {
        "auth_digest"
    } else {
        "auth_basic"
    };
    let has_hsts = settings.tls.as_ref().is_some_and(|tls| tls.hsts.is_some());
    let table = [
        (has_tls, "socache_shmcb", "--https-port"),
        (has_tls, "ssl", "--https-port"),
        (settings.listening.http2, "http2", "--http2"),
        (has_proxy, "proxy", "--proxy-mount-point"),
        (has_proxy, "proxy_http", "--proxy-mount-point"),
        (has_proxy || has_hsts, "headers", "--proxy-mount-point"),
        (
            settings.clients.compresses,
            "deflate",
            "--compress-responses",
        ),
        (files.directory_listing, "autoindex", "--directory-listing"),
        (files.has_cgi, cgi, "--with-cgi"),
        (has_users, "authz_user", "--auth-user-script"),
        (has_users, by, "--auth-type"),
        (
            settings.tree.has_status || settings.metrics.of_server,
            "status",
            "--server-status",
        ),
    ];
    let needed = table.into_iter().filter(|(is_needed, ..)| *is_needed);
    needed.map(|(_, name, option)| (name, option)).collect()
}

/// The list of media types, or an empty file.
pub(crate) fn mime_types() -> &'static str {
    let exists = |path: &&&str| Path::new(path).is_file();
    MIME_TYPES
        .iter()
        .find(exists)
        .copied()
        .unwrap_or("/dev/null")
}

/// The first program called one of `names` on PATH, then in `more` directories.
pub(crate) fn find_in_path(names: &[&str], more: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories: Vec<_> = env::split_paths(&path)
        .chain(more.iter().map(PathBuf::from))
        .collect();
    names
        .iter()
        .flat_map(|name| {
            directories
                .iter()
                .map(move |directory| directory.join(name))
        })
        .find(|file| file.is_absolute() && file.is_file())
}

fn find_program(asked: Option<&Path>) -> Result<PathBuf, Error> {
    let from_environment = env::var_os("HTTPD").filter(|value| !value.is_empty());
    match (from_environment, asked) {
        (Some(value), _) => existing("HTTPD", Path::new(&value)),
        (None, Some(path)) => existing("--httpd-executable", path),
        (None, None) => find_in_path(&PROGRAMS, &PROGRAM_DIRECTORIES).ok_or_else(|| {
            Error::Installation(
                "Apache is not installed\n`apt install apache2` (Debian, Ubuntu), `dnf install httpd` \
                 (Fedora, RHEL), `apk add apache2` (Alpine), `brew install httpd` (macOS), \
                 or name it with `--httpd-executable`"
                    .into(),
            )
        }),
    }
}

/// A program by its path, or by its name on PATH.
///
/// # Errors
/// There is none.
pub(crate) fn existing(origin: &str, path: &Path) -> Result<PathBuf, Error> {
    let found = if path.components().count() == 1 {
        path.to_str()
            .and_then(|name| find_in_path(&[name], &PROGRAM_DIRECTORIES))
    } else {
        path.is_file().then(|| path.to_path_buf())
    };
    found.ok_or_else(|| {
        Error::Installation(format!(
            "`{origin}`: there is no program `{}`\nname it by its path, or one that is on PATH by its name",
            path.display()
        ))
    })
}

fn built_in(program: &Path) -> Result<Vec<String>, Error> {
    let output = Command::new(program)
        .arg("-l")
        .output()
        .map_err(Error::file("run", program))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let names: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|line| line.ends_with(".c"))
        .map(str::to_owned)
        .collect();
    if names.iter().any(|name| name == "mod_so.c") {
        return Ok(names);
    }
    Err(Error::Installation(format!(
        "`{}` is no Apache that can load modules: `-l` does not name mod_so.c\nname another program with `--httpd-executable`",
        program.display()
    )))
}

fn find_modules(program: &Path) -> Result<PathBuf, Error> {
    let real = program.canonicalize().unwrap_or_else(|_| program.into());
    let beside = real
        .parent()
        .and_then(Path::parent)
        .map(|prefix| prefix.join("modules"));
    beside
        .into_iter()
        .chain(MODULE_DIRECTORIES.iter().map(PathBuf::from))
        .find(|directory| directory.join("mod_rewrite.so").is_file())
        .ok_or_else(|| {
            Error::Installation(format!(
                "the modules of `{}` are in none of the usual places\nname their directory with \
                 `--modules-directory`",
                program.display()
            ))
        })
}
