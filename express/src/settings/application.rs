//! The application: what it is, where it is mounted, what it is told, when it is loaded again.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Debugging;
use super::text::{each, printable, usable};
use crate::cli::{ApplicationArgs, ApplicationType, OnOffAuto, ReloadArgs};
use crate::error::Error;

/// The application and where it is mounted.
#[derive(Debug, Serialize)]
pub(crate) struct Application {
    /// What `entry` is.
    #[serde(skip)]
    pub(crate) kind: ApplicationType,
    /// The same for templates: `script`, `module`, `paste` or `static`.
    pub(crate) type_name: &'static str,
    /// An absolute path of a script, configuration or directory, or the name of a module.
    pub(crate) entry: String,
    /// Whether nobody named one, so that a page of welcome is served.
    pub(crate) is_welcome: bool,
    /// The name of the application in it.
    pub(crate) callable: String,
    /// Its application group.
    pub(crate) group: String,
    /// Whether that group is known before there is a request, so that it can be loaded at the start.
    pub(crate) is_preloaded: bool,
    /// Empty for `/`, else the URL without a slash at its end.
    pub(crate) mount: String,
    pub(crate) variables: Vec<Variable>,
    pub(crate) passed: Vec<String>,
    /// `Off`, `On` or `Auto`.
    pub(crate) map_head_to_get: String,
    pub(crate) chunked_request: bool,
}

/// A variable of the environ.
#[derive(Debug, Serialize)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// What happens when code changes.
#[derive(Debug, Serialize)]
pub(crate) struct Reloading {
    /// Whether a changed script is loaded again: in a process group unless refused.
    pub(crate) script: bool,
    /// Whether a change of any of its files restarts the server.
    pub(crate) on_changes: bool,
    /// Further files and folders that count.
    #[serde(skip)]
    pub(crate) watched: Vec<PathBuf>,
    /// Folders that do not.
    #[serde(skip)]
    pub(crate) ignored: Vec<PathBuf>,
}

impl Application {
    /// Resolves the options.
    ///
    /// # Errors
    /// A name or path cannot be used.
    pub(super) fn resolve(args: &ApplicationArgs, here: &Path, root: &str) -> Result<Self, Error> {
        let kind = args.application_type;
        let given = args.entry_point.as_ref().or(args.script.as_ref());
        let entry = match (kind, given) {
            (ApplicationType::Module, Some(name)) => dotted_name("MODULE", name)?,
            (_, Some(path)) => usable("SCRIPT", &here.join(path))?,
            (ApplicationType::Static, None) => usable("SCRIPT", here)?,
            (ApplicationType::Script, None) => format!("{root}/default.wsgi"),
            (ApplicationType::Module, None) => {
                return Err(Error::Usage(
                    "`--application-type module` needs the name of a module\nsuch as `mysite.wsgi`, behind the options"
                        .into(),
                ));
            }
            (ApplicationType::Paste, None) => {
                return Err(Error::Usage(
                    "`--application-type paste` needs a configuration file\nsuch as `development.ini`, behind the options"
                        .into(),
                ));
            }
        };
        let group = application_group(&args.application_group)?;
        Ok(Self {
            kind,
            type_name: match kind {
                ApplicationType::Script => "script",
                ApplicationType::Module => "module",
                ApplicationType::Paste => "paste",
                ApplicationType::Static => "static",
            },
            entry,
            is_welcome: given.is_none() && kind == ApplicationType::Script,
            callable: identifier("--callable-object", &args.callable_object)?,
            is_preloaded: !group.replace("%{GLOBAL}", "").contains("%{"),
            group,
            mount: mount(&args.mount_point)?,
            variables: each(args.setenv.as_chunks::<2>().0, |[name, value]| {
                Ok(Variable {
                    name: variable("--setenv", name)?,
                    value: printable("--setenv", value.clone())?,
                })
            })?,
            passed: each(&args.passenv, |name| variable("--passenv", name))?,
            map_head_to_get: match args.map_head_to_get {
                OnOffAuto::Off => "Off",
                OnOffAuto::On => "On",
                OnOffAuto::Auto => "Auto",
            }
            .to_owned(),
            chunked_request: args.chunked_request,
        })
    }
}

impl Reloading {
    /// Resolves the options.
    ///
    /// # Errors
    /// Two contradict each other.
    pub(super) fn resolve(
        args: &ReloadArgs,
        is_embedded: bool,
        debug: &Debugging,
        here: &Path,
    ) -> Result<Self, Error> {
        let extra = !args.reload_watch.is_empty() || !args.reload_ignore.is_empty();
        if extra && !args.reload_on_changes {
            return Err(Error::Usage(
                "`--reload-watch` and `--reload-ignore` need `--reload-on-changes`".into(),
            ));
        }
        let absolute = |path: &PathBuf| here.join(path);
        let by_name = |path: &PathBuf| path.components().count() == 1;
        Ok(Self {
            script: !args.disable_reloading
                && !debug.is_on
                && (args.reload_on_changes || !is_embedded),
            on_changes: args.reload_on_changes && !debug.is_on,
            watched: args.reload_watch.iter().map(absolute).collect(),
            ignored: args
                .reload_ignore
                .iter()
                .map(|path| {
                    if by_name(path) {
                        path.clone()
                    } else {
                        absolute(path)
                    }
                })
                .collect(),
        })
    }
}

fn application_group(name: &str) -> Result<String, Error> {
    if name.is_empty() {
        return Err(Error::Usage(
            "`--application-group` has no name\nleave it out for the main interpreter".into(),
        ));
    }
    printable("--application-group", name.to_owned())
}

/// The name of a variable that Apache can set.
fn variable(option: &str, name: &str) -> Result<String, Error> {
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || "=!\"\\".contains(c)) {
        return Err(Error::Usage(format!(
            "`{option}`: `{name}` is not the name of a variable\na word without `=`, `!`, quotes and backslashes"
        )));
    }
    printable(option, name.to_owned())
}

/// A name of Python's, so that it can be written anywhere without quoting.
fn identifier(option: &str, name: &str) -> Result<String, Error> {
    if is_identifier(name) {
        return Ok(name.to_owned());
    }
    Err(Error::Usage(format!(
        "`{option}`: `{name}` is not a Python name\nletters, digits and `_`, no digit in front"
    )))
}

/// The name of a module, perhaps in packages.
fn dotted_name(option: &str, name: &str) -> Result<String, Error> {
    if name.split('.').all(is_identifier) && !name.ends_with(".py") {
        return Ok(name.to_owned());
    }
    Err(Error::Usage(format!(
        "`{option}`: `{name}` is not the dotted name of a Python module, such as `mysite.wsgi`\n\
         a file is served without `--application-type module`"
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
            "`--mount-point`: `{url}` is not the path of a URL, decoded\nsuch as `/shop`, without a query"
        )));
    }
    let url = parts.iter().map(|part| format!("/{part}")).collect();
    printable("--mount-point", url)
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
    fn names_are_python_names() {
        assert!(dotted_name("--x", "a.b_c.d1").is_ok());
        assert!(identifier("--x", "app").is_ok());
        for refused in ["", "a..b", "1a", "a b", "wsgi/app.py", "a\nb", "app.py"] {
            assert!(dotted_name("--x", refused).is_err(), "{refused}");
            assert!(identifier("--x", refused).is_err(), "{refused}");
        }
    }
}
