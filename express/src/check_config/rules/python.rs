//! The Python of applications: whether one is named, whether it can be used, which interpreter they run in.

use std::path::Path;

use rsgi_bridge::locate::{NEWEST_MINOR, OLDEST_MINOR, locate};
use rsgi_core::group::GroupName;

use super::super::finding::{Finding, Level};
use super::super::line::Line;
use super::super::model::{Application, Config};
use super::{Here, about};

/// Packages whose extensions do not work, or only partly, outside of the main interpreter.
const MAIN_ONLY: [&str; 12] = [
    "numpy",
    "pandas",
    "scipy",
    "cryptography",
    "bcrypt",
    "pydantic_core",
    "lxml",
    "psycopg2",
    "orjson",
    "PIL",
    "tensorflow",
    "torch",
];

pub(super) fn look(config: &Config, here: &Here, findings: &mut Vec<Finding>) {
    homes(config, here, findings);
    paths(config, findings);
    interpreters(config, here, findings);
    shared(config, findings);
}

/// The line and value of each Python that is named.
fn named_homes(config: &Config) -> Vec<(&Line, String)> {
    let of_groups = config.groups.iter().filter_map(|group| {
        let home = group.definition.options.python_home.as_ref()?;
        Some((&group.line, String::from_utf8_lossy(home).into_owned()))
    });
    config
        .all("WSGIPythonHome")
        .map(|line| (line, line.word()))
        .chain(of_groups)
        .filter(|(_, home)| home.starts_with('/'))
        .collect()
}

fn homes(config: &Config, here: &Here, findings: &mut Vec<Finding>) {
    for (line, home) in named_homes(config) {
        if home.contains("python2") || home.contains("py2") {
            findings.push(
                about(Level::Error, "python-2", line, format!("`{home}` looks like a Python 2"))
                    .cure(format!("Python 3.{OLDEST_MINOR} to 3.{NEWEST_MINOR} can be used: make a new virtual environment")),
            );
        } else if here.looks_at_files
            && let Err(why) = locate(Some(Path::new(&home)))
        {
            findings.push(
                about(Level::Error, "python-home", line, why.to_string())
                    .why("Apache does not start with it (RSGI0100), unless the file is for another machine"),
            );
        }
    }
    let has_one = config.all("WSGIPythonHome").next().is_some();
    for group in &config.groups {
        if !has_one && !group.gives("python-home") && config.applications_of(group).next().is_some()
        {
            findings.push(
                about(Level::Warning, "no-python-home", &group.line, format!("the process group `{}` names no Python", group.name()))
                    .why("it runs on the system's python3, whose packages and version change with the system")
                    .cure("python-home=/path/of/the/virtual/environment"),
            );
        }
    }
    let embedded = config
        .applications
        .iter()
        .find(|application| application.process_group == GroupName::Global);
    if let (Some(application), true) = (embedded, !has_one) {
        findings.push(
            about(Level::Warning, "no-python-home", &application.line, "nothing names the Python of this application")
                .why("it runs on the system's python3, whose packages and version change with the system")
                .cure("WSGIPythonHome /path/of/the/virtual/environment"),
        );
    }
}

/// A virtual environment that is entered by its packages only.
fn paths(config: &Config, findings: &mut Vec<Finding>) {
    let of_groups = config.groups.iter().map(|group| {
        (
            &group.line,
            "python-home=",
            group.definition.options.python_path.clone(),
        )
    });
    let global = config.all("WSGIPythonPath").map(|line| {
        let folders = line
            .word()
            .split(':')
            .map(|folder| folder.as_bytes().to_vec())
            .collect();
        (line, "WSGIPythonHome ", folders)
    });
    for (line, option, folders) in of_groups.chain(global) {
        let folders = folders
            .iter()
            .map(|folder| String::from_utf8_lossy(folder).into_owned());
        for folder in
            folders.filter(|folder| folder.trim_end_matches('/').ends_with("/site-packages"))
        {
            let home = folder.split("/lib").next().unwrap_or_default();
            findings.push(
                about(Level::Warning, "site-packages", line, format!("`{folder}` enters a virtual environment by its packages only"))
                    .why("the Python that runs stays the system's: packages for another version do not load")
                    .cure(format!("{option}{home}")),
            );
        }
    }
}

/// Extensions that need the main interpreter.
fn interpreters(config: &Config, here: &Here, findings: &mut Vec<Finding>) {
    let mut is_noted = false;
    for application in &config.applications {
        if application.application_group == GroupName::Global || application.url.is_empty() {
            continue;
        }
        let packages = if here.looks_at_files {
            packages(config, application)
        } else {
            vec![]
        };
        if !packages.is_empty() {
            findings.push(
                about(Level::Warning, "sub-interpreter", &application.line, "this application runs in a sub-interpreter, and its environment has packages that need the main one")
                    .why(format!("found: {}", packages.join(", ")))
                    .cure("write application-group=%{GLOBAL} behind it, one application a process group"),
            );
        } else if !is_noted {
            is_noted = true;
            findings.push(
                about(Level::Note, "sub-interpreter", &application.line, "this application runs in a sub-interpreter")
                    .why("extensions written in C or Rust, such as numpy, may refuse to load there")
                    .cure("application-group=%{GLOBAL}, where it is the only application of its process group"),
            );
        }
    }
}

/// The packages of an application's environment that need the main interpreter.
fn packages(config: &Config, application: &Application) -> Vec<&'static str> {
    let of_group = config
        .group_of(application)
        .and_then(|group| group.definition.options.python_home.as_ref())
        .map(|home| String::from_utf8_lossy(home).into_owned());
    let home = of_group.or_else(|| config.all("WSGIPythonHome").last().map(Line::word));
    let Some(home) = home else { return vec![] };
    let pattern = format!(
        "{}/lib/python3.*/site-packages",
        glob::Pattern::escape(&home)
    );
    let folders: Vec<_> = glob::glob(&pattern)
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    MAIN_ONLY
        .into_iter()
        .filter(|package| folders.iter().any(|folder| folder.join(package).is_dir()))
        .collect()
}

/// Applications that share one interpreter.
fn shared(config: &Config, findings: &mut Vec<Finding>) {
    for (at, application) in config.applications.iter().enumerate() {
        let shares = |earlier: &&Application| {
            earlier.target != application.target
                && earlier.process_group == application.process_group
                && earlier.application_group == application.application_group
                && matches!(
                    application.application_group,
                    GroupName::Global | GroupName::Literal(_)
                )
        };
        if application.url.is_empty() {
            continue;
        }
        let Some(earlier) = config.applications[..at].iter().find(shares) else {
            continue;
        };
        findings.push(
            about(Level::Warning, "shared-interpreter", &application.line, "two applications share one interpreter")
                .also("the other one", earlier.line.place.clone())
                .why("modules of the same name are one, and so is os.environ: two Django projects get the settings of one of them")
                .cure("a process group for each; or application groups of different names"),
        );
    }
}
