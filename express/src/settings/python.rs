//! The Python: which, with what on its path, in which locale.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::text::{each, importable, printable, usable};
use crate::cli::PythonArgs;
use crate::error::Error;

/// What the interpreter is told.
#[derive(Debug, Serialize)]
pub(crate) struct PythonSettings {
    /// The one asked for.
    #[serde(skip)]
    pub(crate) asked: Option<PathBuf>,
    pub(crate) working_directory: String,
    /// The directories of `--python-path`, without the working directory.
    pub(crate) path: Vec<String>,
    pub(crate) eggs: String,
    /// Whether the eggs have the place that is made for them.
    pub(crate) has_own_eggs: bool,
    pub(crate) warnings: Vec<String>,
    pub(crate) locale: String,
    pub(crate) switch_interval: Option<f64>,
    pub(crate) orphan_interpreter: bool,
    pub(crate) free_threading: bool,
}

impl PythonSettings {
    /// Resolves the options.
    ///
    /// # Errors
    /// A path or value cannot be used.
    pub(super) fn resolve(
        args: &PythonArgs,
        working_directory: Option<&Path>,
        here: &Path,
        root: &str,
    ) -> Result<Self, Error> {
        let interval = args.switch_interval;
        let is_none = |seconds: &f64| !seconds.is_finite() || *seconds <= 0.0;
        if let Some(seconds) = interval.filter(is_none) {
            return Err(Error::Usage(format!(
                "`--switch-interval`: `{seconds}` is no interval\nit is more than 0 seconds, such as `0.005`"
            )));
        }
        let locale = match args.locale.as_ref().or(args.lang.as_ref()) {
            Some(name) => checked_locale(name)?,
            None => crate::locale::of_environment(),
        };
        Ok(Self {
            asked: args.python.as_deref().map(|path| here.join(path)),
            working_directory: importable(
                "--working-directory",
                &here.join(working_directory.unwrap_or(here)),
            )?,
            path: each(&args.python_path, |path| {
                importable("--python-path", &here.join(path))
            })?,
            eggs: match &args.python_eggs {
                Some(path) => usable("--python-eggs", &here.join(path))?,
                None => format!("{root}/python-eggs"),
            },
            has_own_eggs: args.python_eggs.is_none(),
            warnings: each(&args.python_warnings, |spec| warning(spec))?,
            locale,
            switch_interval: interval,
            orphan_interpreter: args.orphan_interpreter,
            free_threading: args.free_threading,
        })
    }
}

/// A filter as after Python's `-W`: `action:message:category:module:line`, each part but the first may be missing.
///
/// # Errors
/// Python would ignore it, with a line in the log that nobody looks for.
fn warning(spec: &str) -> Result<String, Error> {
    const ACTIONS: [&str; 7] = [
        "default", "error", "ignore", "always", "all", "module", "once",
    ];
    let parts: Vec<_> = spec.split(':').map(str::trim).collect();
    // Python takes the beginning of a word for the word, and nothing for `default`.
    let is_action = ACTIONS.iter().any(|action| action.starts_with(parts[0]));
    let is_line = |text: &&str| text.is_empty() || text.parse::<u32>().is_ok();
    if !is_action || parts.len() > 5 || !parts.get(4).is_none_or(is_line) {
        return Err(Error::Usage(format!(
            "`--python-warnings`: `{spec}` is no filter of warnings, such as `error::DeprecationWarning`\n\
             it begins with one of {}",
            ACTIONS.join(", ")
        )));
    }
    printable("--python-warnings", spec.to_owned())
}

fn checked_locale(name: &str) -> Result<String, Error> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    if name.is_empty() || !name.chars().all(allowed) {
        return Err(Error::Usage(format!(
            "`--locale`: `{name}` is not the name of a locale, such as `en_US.UTF-8`"
        )));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_of_warnings_are_those_that_python_takes() {
        for spec in [
            "error",
            "e",
            "",
            "default::UserWarning",
            "ignore:some text::shop.web:12",
            "all",
        ] {
            assert_eq!(warning(spec).unwrap(), spec);
        }
        for spec in ["nonsense", "error::::x", "error:::::", "errors", "a\nb"] {
            assert!(warning(spec).is_err(), "{spec}");
        }
    }
}
