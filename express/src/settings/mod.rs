//! Turns the command line into settings: everything absolute, defaults filled in, contradictions refused.
//!
//! Looks at the environment (current directory, TMPDIR, user) but at no file: whether something exists and may
//! be read is for [`crate::check`]. Paths are kept as text because they go into Apache's configuration,
//! a shell script and a Python file, each of which quotes them in its own way ([`crate::render`]).

mod processes;
#[cfg(test)]
pub(crate) mod test_support;
mod text;

use std::env;
use std::path::{Path, PathBuf};

use nix::unistd::Uid;

pub(crate) use processes::{Processes, Workers};
pub(crate) use text::printable;
use text::{each, importable, usable};

use crate::cli::{ApplicationType, LogLevel, ServerArgs};
use crate::error::Error;

/// The application and where it is mounted.
#[derive(Debug)]
pub(crate) struct Application {
    /// What `entry` is.
    pub(crate) kind: ApplicationType,
    /// An absolute path of a script, or the name of a module.
    pub(crate) entry: String,
    /// The name of the application in it.
    pub(crate) callable: String,
    /// Its application group.
    pub(crate) group: String,
    /// Empty for `/`, else the URL without a slash at its end.
    pub(crate) mount: String,
}

/// A URL served from the file system.
#[derive(Debug)]
pub(crate) struct UrlAlias {
    /// The URL, with a slash in front.
    pub(crate) url: String,
    /// An absolute path; a slash at its end is kept.
    pub(crate) path: String,
}

/// Everything `start-server` was told, made definite.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) application: Application,
    pub(crate) working_directory: String,
    /// The directories of `--python-path`, without the working directory.
    pub(crate) python_path: Vec<String>,
    pub(crate) python: Option<PathBuf>,
    /// Whether a changed script is loaded again: in a process group unless refused.
    pub(crate) reloads_script: bool,
    pub(crate) reload_on_changes: bool,
    pub(crate) host: Option<String>,
    pub(crate) port: u16,
    pub(crate) server_root: String,
    pub(crate) processes: Processes,
    pub(crate) user: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) httpd_executable: Option<PathBuf>,
    pub(crate) modules_directory: Option<PathBuf>,
    pub(crate) setup_only: bool,
    pub(crate) document_root: Option<String>,
    pub(crate) aliases: Vec<UrlAlias>,
    pub(crate) include_files: Vec<String>,
    pub(crate) log_to_terminal: bool,
    pub(crate) log_level: LogLevel,
    pub(crate) access_log: bool,
}

impl Settings {
    /// Resolves the arguments.
    ///
    /// # Errors
    /// An option has a value that cannot be used, or there is no application.
    pub(crate) fn resolve(args: ServerArgs) -> Result<Self, Error> {
        let here = env::current_dir().map_err(Error::system("find the current directory"))?;
        let absolute = |option, path: &Path| usable(option, &here.join(path));
        let host = args.host.as_deref().map(checked_host).transpose()?;
        let server_root = match &args.server_root {
            Some(path) => here.join(path),
            None => default_server_root(host.as_deref(), args.port),
        };
        let working_directory = args.working_directory.as_deref().unwrap_or(&here);
        let aliases = args.url_alias.as_chunks::<2>().0;
        let name = host.as_deref().unwrap_or("localhost");
        let processes = Processes::resolve(&args.processes, name, args.port, &here)?;
        Ok(Self {
            application: application(&args, &here)?,
            working_directory: importable("--working-directory", &here.join(working_directory))?,
            python_path: each(&args.python_path, |path| {
                importable("--python-path", &here.join(path))
            })?,
            python: args.python.as_deref().map(|path| here.join(path)),
            reloads_script: !args.disable_reloading
                && (args.reload_on_changes || !args.processes.embedded_mode),
            reload_on_changes: args.reload_on_changes,
            server_root: usable("--server-root", &server_root)?,
            host,
            port: args.port,
            processes,
            user: args.user,
            group: args.group,
            httpd_executable: args.httpd_executable.map(|path| here.join(path)),
            modules_directory: args.modules_directory.map(|path| here.join(path)),
            setup_only: args.setup_only,
            document_root: args
                .document_root
                .as_deref()
                .map(|path| absolute("--document-root", path))
                .transpose()?,
            aliases: sorted_aliases(aliases, &here)?,
            include_files: each(&args.include_file, |path| absolute("--include-file", path))?,
            log_to_terminal: args.log_to_terminal,
            log_level: args.log_level,
            access_log: args.access_log,
        })
    }

    /// The name for ServerName, URLs and the default server root.
    pub(crate) fn server_name(&self) -> &str {
        self.host.as_deref().unwrap_or("localhost")
    }

    /// The process group that the application runs in, as directives name it.
    pub(crate) fn process_group(&self) -> &str {
        if self.processes.is_embedded {
            "%{GLOBAL}"
        } else {
            &self.processes.group
        }
    }

    /// Where a browser finds the application.
    pub(crate) fn url(&self) -> String {
        let port = match self.port {
            80 => String::new(),
            port => format!(":{port}"),
        };
        let host = match self.server_name() {
            "0.0.0.0" | "::" => "localhost",
            host => host,
        };
        let path = if self.application.mount.is_empty() {
            "/"
        } else {
            &self.application.mount
        };
        format!("http://{}{port}{path}", bracketed(host))
    }

    /// The argument of Listen.
    pub(crate) fn listen(&self) -> String {
        match &self.host {
            Some(host) => format!("{}:{}", bracketed(host), self.port),
            None => self.port.to_string(),
        }
    }
}

/// An IPv6 address in brackets, any other host as it is.
pub(crate) fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

fn application(args: &ServerArgs, here: &Path) -> Result<Application, Error> {
    let Some(entry) = args.entry_point.as_ref().or(args.script.as_ref()) else {
        return Err(Error::Usage(
            "no application given: name its script, or its module with `--application-type module`"
                .into(),
        ));
    };
    let entry = match args.application_type {
        ApplicationType::Script => usable("SCRIPT", &here.join(entry))?,
        ApplicationType::Module => dotted_name("MODULE", entry)?,
    };
    Ok(Application {
        kind: args.application_type,
        entry,
        callable: identifier("--callable-object", &args.callable_object)?,
        group: application_group(&args.application_group)?,
        mount: mount(&args.mount_point)?,
    })
}

fn application_group(name: &str) -> Result<String, Error> {
    if name.is_empty() {
        return Err(Error::Usage(
            "`--application-group` has no name: leave it out for the main interpreter".into(),
        ));
    }
    printable("--application-group", name.to_owned())
}

/// A name of Python's, so that it can be written anywhere without quoting.
fn identifier(option: &str, name: &str) -> Result<String, Error> {
    if is_identifier(name) {
        return Ok(name.to_owned());
    }
    Err(Error::Usage(format!(
        "`{option}`: `{name}` is not a Python name"
    )))
}

/// The name of a module, perhaps in packages.
fn dotted_name(option: &str, name: &str) -> Result<String, Error> {
    if name.split('.').all(is_identifier) && !name.ends_with(".py") {
        return Ok(name.to_owned());
    }
    Err(Error::Usage(format!(
        "`{option}`: `{name}` is not the dotted name of a Python module"
    )))
}

fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_')
}

/// A URL path with one slash in front and none at the end.
fn mount(url: &str) -> Result<String, Error> {
    let parts: Vec<_> = url.split('/').filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| matches!(*part, "." | "..")) || url.contains(['?', '#', '%']) {
        return Err(Error::Usage(format!(
            "`--mount-point`: `{url}` is not the path of a URL, decoded"
        )));
    }
    let url = parts.iter().map(|part| format!("/{part}")).collect();
    printable("--mount-point", url)
}

fn checked_host(host: &str) -> Result<String, Error> {
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
    if bare.is_empty() || !bare.chars().all(allowed) {
        return Err(Error::Usage(format!(
            "`--host`: `{host}` is neither an address nor a host name"
        )));
    }
    Ok(bare.to_owned())
}

fn default_server_root(host: Option<&str>, port: u16) -> PathBuf {
    let temporary = env::var_os("TMPDIR").filter(|dir| !dir.is_empty());
    let temporary = temporary.map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
    let host = host.unwrap_or("localhost");
    temporary.join(format!("rsgi-{host}:{port}:{}", Uid::effective()))
}

/// Aliases, the longest URL of a family first, as Alias takes the first that matches.
fn sorted_aliases(pairs: &[[String; 2]], here: &Path) -> Result<Vec<UrlAlias>, Error> {
    let mut aliases = each(pairs, |[url, path]| {
        let slash = if path.ends_with('/') { "/" } else { "" };
        Ok(UrlAlias {
            url: printable("--url-alias", format!("/{}", url.trim_start_matches('/')))?,
            path: usable("--url-alias", &here.join(path))? + slash,
        })
    })?;
    aliases.sort_by(|a, b| b.url.cmp(&a.url));
    Ok(aliases)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_have_one_slash_in_front_and_none_behind() {
        for (given, expected) in [
            ("/", ""),
            ("", ""),
            ("shop", "/shop"),
            ("/shop/", "/shop"),
            ("//a//b", "/a/b"),
        ] {
            assert_eq!(mount(given).unwrap(), expected, "{given}");
        }
        for refused in ["/../x", "/a?b", "/a\nb", "/${HOME}", "/a%20b"] {
            assert!(mount(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn hosts_lose_their_brackets_and_get_them_back_in_urls() {
        assert_eq!(checked_host("[::1]").unwrap(), "::1");
        assert_eq!(bracketed("::1"), "[::1]");
        assert_eq!(bracketed("127.0.0.1"), "127.0.0.1");
        assert!(checked_host("a b").is_err());
        assert!(checked_host("").is_err());
    }

    #[test]
    fn names_are_python_names() {
        assert!(dotted_name("--x", "a.b_c.d1").is_ok());
        assert!(identifier("--x", "app").is_ok());
        for refused in ["", "a..b", "1a", "a b", "wsgi/app.py", "a\nb", "app.py"] {
            assert!(dotted_name("--x", refused).is_err(), "{refused}");
            assert!(identifier("--x", refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_longer_url_alias_comes_before_a_shorter_one() {
        let pairs = [["/a", "/x"], ["/a/b", "y/"]].map(|pair| pair.map(str::to_owned));
        let aliases = sorted_aliases(&pairs, Path::new("/h")).unwrap();
        assert_eq!(aliases[0].url, "/a/b");
        assert_eq!(aliases[0].path, "/h/y/");
        assert_eq!(aliases[1].path, "/x");
    }
}
