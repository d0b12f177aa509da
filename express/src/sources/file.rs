//! Options in TOML: all of a file that `--config` names, and the table `tool.rsgi` of a pyproject.toml.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use nix::unistd::Uid;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::option::{Kind, Opt, Options, refused};
use super::{Origin, Saying};
use crate::error::Error;
use crate::message;

/// A file as it was read.
struct Document<'f> {
    path: &'f Path,
    text: &'f str,
}

/// What the file of `--config` says.
///
/// # Errors
/// It cannot be read, is no TOML, or has something in it that is no option or value.
pub(super) fn configuration(options: &Options<'_>, path: &Path) -> Result<Vec<Saying>, Error> {
    let text = fs::read_to_string(path).map_err(Error::file("read", path))?;
    let document = Document { path, text: &text };
    let table = document.parse()?;
    document.sayings(options, table.get_ref())
}

/// What the current directory's pyproject.toml says; nothing where there is none.
///
/// # Errors
/// As [`configuration`].
pub(super) fn project(options: &Options<'_>, path: &Path) -> Result<Vec<Saying>, Error> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(Error::file("read", path)(error)),
    };
    if !text.contains("rsgi") {
        return Ok(vec![]);
    }
    let document = Document { path, text: &text };
    let table = document.parse()?;
    let tool = table.get_ref().get("tool").map(Spanned::get_ref);
    let Some(ours) = tool.and_then(|tool| tool.get("rsgi")) else {
        return Ok(vec![]);
    };
    if !is_trusted(path) {
        message::warning(
            "`pyproject.toml` is not read: started as root, what somebody else can write would be done as root\nname \
             it with `--config` if you mean it, or give it to root",
        );
        return Ok(vec![]);
    }
    match ours.get_ref() {
        DeValue::Table(ours) => document.sayings(options, ours),
        other => Err(Error::Usage(format!(
            "{}: `tool.rsgi` is {}\nit is a table of options, such as `threads = 8`",
            document.origin(ours),
            called(other)
        ))),
    }
}

/// Whether root may do what the file says: nobody found it there by being in the wrong directory.
fn is_trusted(path: &Path) -> bool {
    !Uid::effective().is_root()
        || fs::metadata(path)
            .is_ok_and(|metadata| metadata.uid() == 0 && metadata.mode() & 0o022 == 0)
}

impl Document<'_> {
    fn parse(&self) -> Result<Spanned<DeTable<'_>>, Error> {
        DeTable::parse(self.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let line = self.text.get(at..).map_or("", first_line);
            Error::Usage(format!(
                "{}: not TOML: {} at `{line}`",
                self.line(at),
                error.message().replace('\n', ", ")
            ))
        })
    }

    fn line(&self, at: usize) -> Origin {
        let before = self.text.get(..at).unwrap_or(self.text);
        Origin::Line(self.path.to_path_buf(), before.matches('\n').count() + 1)
    }

    fn origin<T>(&self, part: &Spanned<T>) -> Origin {
        self.line(part.span().start)
    }

    fn sayings(&self, options: &Options<'_>, table: &DeTable<'_>) -> Result<Vec<Saying>, Error> {
        let mut sayings: Vec<Saying> = vec![];
        for (key, value) in table {
            let origin = self.origin(key);
            let name: &str = key.get_ref();
            let Some(option) = options.find(name, false) else {
                let hint = options
                    .nearest(name)
                    .map_or_else(String::new, |near| format!("\ndid you mean `{near}`?"));
                return Err(Error::Usage(format!(
                    "{origin}: there is no option `{name}`{hint}"
                )));
            };
            if let Some(other) = sayings.iter().find(|saying| saying.long == option.long) {
                return Err(Error::Usage(format!(
                    "{origin}: `{name}` is what {} says already\nleave one of the two out",
                    other.origin
                )));
            }
            let shown = format!(
                "`{name} = {}`",
                self.text.get(value.span()).map_or("", first_line)
            );
            let values = values(option, value.get_ref())
                .map_err(|reason| refused(option, &origin, &shown, &reason))?;
            sayings.push(options.accept(option, origin, &shown, values)?);
        }
        Ok(sayings)
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or("")
}

/// The value as arguments; how it is of another type where it is.
fn values(option: Opt<'_>, value: &DeValue<'_>) -> Result<Option<Vec<Vec<String>>>, String> {
    let wrong = || format!("is {}", called(value));
    if option.kind() == Kind::Flag {
        return match value {
            DeValue::Boolean(true) => Ok(Some(vec![vec![]])),
            DeValue::Boolean(false) => Ok(None),
            _ => Err(wrong()),
        };
    }
    let one = |value: &Spanned<DeValue<'_>>| scalar(option.kind(), value.get_ref());
    if option.width() == 1 {
        return match value {
            DeValue::Array(items) if option.is_repeatable() => {
                let items: Option<Vec<_>> = items.iter().map(one).collect();
                let items = items.ok_or("has something of another type in it")?;
                Ok(Some(items.into_iter().map(|item| vec![item]).collect()))
            }
            value => match scalar(option.kind(), value) {
                Some(text) => Ok(Some(vec![vec![text]])),
                None => Err(wrong()),
            },
        };
    }
    several(option, value).ok_or_else(wrong).map(Some)
}

/// Options of several values: a list of lists, one list, or a table where there are two.
fn several(option: Opt<'_>, value: &DeValue<'_>) -> Option<Vec<Vec<String>>> {
    let text = |value: &Spanned<DeValue<'_>>| scalar(option.kind(), value.get_ref());
    match value {
        DeValue::Table(table) if option.width() == 2 => table
            .iter()
            .map(|(key, value)| Some(vec![key.get_ref().to_string(), text(value)?]))
            .collect(),
        DeValue::Array(items) if items.iter().all(|item| item.get_ref().is_array()) => items
            .iter()
            .map(|item| item.get_ref().as_array()?.iter().map(text).collect())
            .collect(),
        DeValue::Array(items) => Some(vec![items.iter().map(text).collect::<Option<_>>()?]),
        _ => None,
    }
}

fn scalar(kind: Kind, value: &DeValue<'_>) -> Option<String> {
    match (kind, value) {
        (Kind::Text, DeValue::String(text)) => Some(text.to_string()),
        (Kind::Whole | Kind::Number, DeValue::Integer(number)) => {
            let number = i64::from_str_radix(&number.as_str().replace('_', ""), number.radix());
            number.ok().map(|number| number.to_string())
        }
        (Kind::Number, DeValue::Float(number)) => Some(number.as_str().replace('_', "")),
        _ => None,
    }
}

/// A type as people call it.
fn called(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Paths in a file are seen from the file: it says the same wherever the launcher is started.
pub(super) fn resolve_paths(options: &Options<'_>, typed: &ArgMatches, sayings: &mut [Saying]) {
    let kind_of_application = sayings
        .iter()
        .find(|saying| saying.id == "application_type")
        .and_then(|saying| saying.first().cloned())
        .or_else(|| {
            let raw = typed.try_get_raw("application_type").ok()??.next()?;
            Some(raw.to_string_lossy().into_owned())
        });
    let is_module = kind_of_application.is_some_and(|kind| kind == "module");
    for saying in sayings {
        let Origin::Line(file, _) = &saying.origin else {
            continue;
        };
        let directory = file.parent().unwrap_or(Path::new(""));
        let Some(option) = options.all().find(|option| option.long == saying.long) else {
            continue;
        };
        if directory == Path::new("") {
            continue;
        }
        for values in saying.values.iter_mut().flatten() {
            for (at, value) in values.iter_mut().enumerate() {
                if is_path(option, at, value, is_module) {
                    *value = join(directory, value);
                }
            }
        }
    }
}

/// The path from the current directory, with the slash at its end, which means something in an alias.
fn join(directory: &Path, value: &str) -> String {
    let joined: PathBuf = directory.join(value);
    joined.to_string_lossy().into_owned()
}

/// Whether an option's value is a path rather than a name: `--help` calls them so. Where it may be either, a word
/// alone is a name, and what is on PATH or anywhere below a folder goes by it.
fn is_path(option: Opt<'_>, at: usize, value: &str, is_module: bool) -> bool {
    let names = option.arg.get_value_names().unwrap_or_default();
    match names.get(at).or(names.last()).map_or("", |name| name) {
        "DIR" | "FILE" | "PATH" => true,
        "NAME|DIR" | "NAME|PATH" => Path::new(value).components().count() > 1,
        "PATH|MODULE" => !is_module,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::CommandLine;

    #[test]
    fn paths_are_seen_from_the_file_and_names_stay_what_they_are() {
        let mut grammar = CommandLine::grammar();
        grammar.build();
        let options = Options::of(grammar.find_subcommand("start-server").unwrap());
        let first: [(&str, &str, bool); 17] = [
            ("entry-point", "wsgi.py", true),
            ("python-path", "lib", true),
            ("document-root", "public", true),
            ("ssl-certificate", "site", true),
            ("pid-file", "pid", true),
            ("directory-index", "index.html", false),
            ("error-log-name", "errors", false),
            ("access-log-name", "accesses", false),
            ("startup-log-name", "starts", false),
            ("process-name", "shop", false),
            ("server-name", "shop.example", false),
            ("reload-ignore", "build", false),
            ("reload-ignore", "./build/x", true),
            ("httpd-executable", "apache2", false),
            ("shell-executable", "bash", false),
            ("gdb-executable", "bin/gdb", true),
            ("rotatelogs-executable", "rotatelogs", false),
        ];
        let second = [
            ("url-alias", "static", true),
            ("service-script", "tasks.py", true),
            ("add-handler", "md.py", true),
            ("service-log-file", "tasks_log", false),
            ("service-user", "somebody", false),
        ];
        let first = first.map(|(name, value, expected)| (name, 0, value, expected));
        let second = second.map(|(name, value, expected)| (name, 1, value, expected));
        for (name, at, value, expected) in first.into_iter().chain(second) {
            let option = options.find(name, false).unwrap();
            assert_eq!(is_path(option, at, value, false), expected, "{name}");
        }
        let entry = options.find("entry-point", false).unwrap();
        assert!(!is_path(entry, 0, "shop.wsgi", true));
    }
}
