//! Lines with which Apache would not start: names that are no more or never were, places where a directive may not
//! stand, values that mean nothing. The module's own parser says so.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rsgi_core::directive::{
    Arguments, Context, DIRECTIVES, Directive, DirectiveError, Kind, check_content,
};

use super::super::finding::{Finding, Level};
use super::super::line::Line;
use super::super::model::{Config, Group, kind, meaning};
use super::{about, htaccess};

pub(super) fn look(config: &Config, findings: &mut Vec<Finding>) {
    for line in &config.lines {
        let name = line.name.trim_start_matches('<');
        let is_ours = name.get(..4).is_some_and(|start| {
            ["WSGI", "RSGI"]
                .iter()
                .any(|own| start.eq_ignore_ascii_case(own))
        });
        if !is_ours {
            continue;
        }
        let found = match kind(&line.name) {
            Some(kind) => refused(line, kind).or_else(|| in_interpreters(line)),
            None => Some(unknown(line)),
        };
        findings.extend(found);
    }
    defined_twice(config, findings);
    defined_later(config, findings);
}

/// A script that is loaded when processes start, in a group that stands below it or nowhere.
fn defined_later(config: &Config, findings: &mut Vec<Finding>) {
    for (at, line) in config.lines.iter().enumerate() {
        let import = match meaning(line) {
            Some(Ok(Directive::Import(import))) => import,
            Some(Ok(Directive::Alias(alias))) => match alias.preload() {
                // A folder of scripts names none to load.
                Some(import) if !is_folder(&import.script) => import,
                _ => continue,
            },
            _ => continue,
        };
        let is_it = |group: &&Group| *group.definition.name == *import.process_group;
        let stands_above = |group: &Group| {
            let above = &config.lines[..at];
            above.iter().any(|line| line.place == group.line.place)
        };
        let name = String::from_utf8_lossy(&import.process_group);
        let group = config.groups.iter().find(is_it);
        if name.is_empty() || group.is_some_and(stands_above) {
            continue;
        }
        let finding = match group {
            Some(group) => about(
                Level::Error,
                "defined-later",
                line,
                format!("the process group `{name}` is defined below this line"),
            )
            .also("it is defined here", group.line.place.clone())
            .cure("put that line above this one"),
            // Of an alias `no-group` says it.
            None if !line.is("WSGIImportScript") => continue,
            None => about(
                Level::Error,
                "no-group",
                line,
                format!("there is no process group `{name}`"),
            )
            .cure(format!(
                "define it above: WSGIDaemonProcess {name} processes=2 threads=5"
            )),
        };
        findings.push(finding.why(
            "the script is loaded when processes start, and Apache does not start (RSGI0481)",
        ));
    }
}

/// The same name for two groups.
fn defined_twice(config: &Config, findings: &mut Vec<Finding>) {
    for (at, group) in config.groups.iter().enumerate() {
        let earlier = config.groups[..at]
            .iter()
            .find(|earlier| earlier.definition.name == group.definition.name);
        if let Some(earlier) = earlier {
            findings.push(
                about(
                    Level::Error,
                    "defined-twice",
                    &group.line,
                    format!("the process group `{}` is defined already", group.name()),
                )
                .also("the first definition", earlier.line.place.clone())
                .cure("names are unique in the whole of Apache, virtual hosts included: give one of them another"),
            );
        }
    }
}

fn is_folder(path: &[u8]) -> bool {
    Path::new(OsStr::from_bytes(path)).is_dir()
}

fn unknown(line: &Line) -> Finding {
    let name = line.name.trim_start_matches('<');
    let nearest = DIRECTIVES
        .iter()
        .filter(|spec| spec.context != Context::Anywhere)
        .map(|spec| spec.kind.name())
        .map(|known| {
            (
                strsim::damerau_levenshtein(&known.to_lowercase(), &name.to_lowercase()),
                known,
            )
        })
        .min()
        .filter(|(distance, _)| *distance <= 3);
    let finding = about(
        Level::Error,
        "unknown",
        line,
        format!("mod_rsgi has no directive {name}"),
    );
    match nearest {
        Some((_, known)) => finding.cure(format!("is {known} meant?")),
        None => finding.cure("leave the line out"),
    }
}

/// What may not stand in a `<WSGIInterpreterOptions>`.
fn in_interpreters(line: &Line) -> Option<Finding> {
    let section = line.section.as_ref()?;
    if !section.is("WSGIInterpreterOptions") {
        return None;
    }
    let why = check_content(line.name.as_bytes()).err()?.to_string();
    let (what, cure) = why.split_once("; ").unwrap_or((&why, ""));
    let finding = about(Level::Error, "refused", line, what);
    Some(
        finding
            .cure(cure)
            .also("the section", section.place.clone()),
    )
}

fn refused(line: &Line, kind: Kind) -> Option<Finding> {
    match meaning(line)? {
        Err(DirectiveError::Removed { directive, instead }) => {
            let text = format!("{directive} is no more");
            let finding = about(Level::Error, "removed", line, text);
            // The cure is the last part; what is before it says how it is now.
            return Some(match instead.rsplit_once("; ") {
                Some((why, cure)) => finding.why(why).cure(cure),
                None => finding.cure(instead),
            });
        }
        Err(error) => {
            let text = error.to_string();
            let finding = |what: &str| about(Level::Error, "refused", line, what);
            return Some(match text.split_once("; ") {
                Some((what, cure)) => finding(what).cure(cure),
                None => finding(&text),
            });
        }
        Ok(_) => {}
    }
    let spec = kind.spec();
    let words = line.words();
    if !matches!(spec.arguments, Arguments::Raw) && words.len() > 1 {
        let what = format!(
            "{} takes one argument; `{}` is one too many",
            line.name, words[1]
        );
        return Some(
            about(Level::Error, "refused", line, what).cure("put quotes round a value with blanks"),
        );
    }
    match line.htaccess() {
        Some((section, overrides)) => htaccess::misplaced(line, spec.context, section, overrides),
        None => misplaced(line, spec.context),
    }
}

fn misplaced(line: &Line, context: Context) -> Option<Finding> {
    let in_section = line.directory();
    let place = match context {
        Context::Global => in_section.or(line.host()),
        Context::Server => in_section,
        Context::AuthConfig if in_section.is_none() => {
            return Some(
                about(
                    Level::Error,
                    "misplaced",
                    line,
                    format!("{} stands in no <Directory> or <Location>", line.name),
                )
                .cure("put it into the section of the files or URLs that it protects"),
            );
        }
        _ => None,
    }?;
    if place.name.starts_with("WSGI") {
        return None;
    }
    let where_to = match context {
        Context::Global => "put it outside of every section: it holds for the whole of Apache",
        _ => "put it outside of this section: it belongs to a server or virtual host",
    };
    let what = format!("{} cannot occur within <{}>", line.name, place.name);
    Some(
        about(Level::Error, "misplaced", line, what)
            .also("the section", place.place.clone())
            .cure(where_to),
    )
}
