//! Lines that Apache takes, and in another way than they were meant: a quote that is not closed, a name that looks like
//! one of the forms, a script without its path, an option twice, an empty list.

use std::rc::Rc;

use super::super::finding::{Finding, Level};
use super::super::line::{Line, lies_below};
use super::super::model::{Application, Config, Group, kind};
use super::about;

/// What stands for something in the name of a group.
const FORMS: [&str; 4] = ["GLOBAL", "RESOURCE", "SERVER", "HOST"];

pub(super) fn look(config: &Config, findings: &mut Vec<Finding>) {
    for line in config
        .lines
        .iter()
        .filter(|line| kind(&line.name).is_some())
    {
        quotes(line, findings);
        names(line, findings);
    }
    for application in &config.applications {
        let target = &application.target;
        if !application.url.is_empty() && !target.starts_with('/') && !target.starts_with("${") {
            findings.push(
                about(Level::Error, "relative-path", &application.line, format!("`{target}` is not the whole path of a script"))
                    .why("Apache looks for it below the folder that it was started in, and answers 403 or 404")
                    .cure(format!("begin it with `/`: /path/to/{target}")),
            );
        }
    }
    for group in &config.groups {
        repeated(group, findings);
    }
    overridden(config, findings);
    shadowed(config, findings);
    for line in config.all("WSGIRestrictProcess") {
        if line.words().is_empty() {
            findings.push(
                about(
                    Level::Warning,
                    "nothing-allowed",
                    line,
                    "WSGIRestrictProcess names no process group",
                )
                .why("every request that it holds for gets 500 (RSGI0149)")
                .cure("name the groups that may be used; %{GLOBAL} is Apache's own processes"),
            );
        }
    }
}

/// A quote that goes on to the end of the line.
fn quotes(line: &Line, findings: &mut Vec<Finding>) {
    let mut open = None;
    let mut before = ' ';
    let mut letters = line.arguments.chars();
    while let Some(letter) = letters.next() {
        match open {
            Some(_) if letter == '\\' => {
                letters.next();
            }
            Some(quote) if letter == quote => open = None,
            None if matches!(letter, '"' | '\'') && (before == '=' || before.is_whitespace()) => {
                open = Some(letter);
            }
            _ => {}
        }
        before = letter;
    }
    if let Some(quote) = open {
        findings.push(
            about(
                Level::Error,
                "quote",
                line,
                format!("a quote ({quote}) is not closed in this line"),
            )
            .why("Apache takes everything behind it for one value, further options included")
            .cure(format!("write {quote} where the value ends")),
        );
    }
}

/// `{GLOBAL}`, `%{GLOBL}`, `$(GLOBAL)` and their kin, which are names like any other.
fn names(line: &Line, findings: &mut Vec<Finding>) {
    let words = line.words();
    let values: Vec<&str> = if line.is("WSGIProcessGroup") || line.is("WSGIApplicationGroup") {
        words.iter().map(String::as_str).collect()
    } else {
        let options = words.iter().filter_map(|word| word.split_once('='));
        options
            .filter(|(key, _)| matches!(*key, "process-group" | "application-group"))
            .map(|(_, value)| value)
            .collect()
    };
    for value in values {
        let is_form = FORMS.iter().any(|form| value == format!("%{{{form}}}"));
        let is_variable = value.starts_with("%{ENV:") && value.ends_with('}');
        let looks_like = value.starts_with(['%', '{', '$'])
            || FORMS.contains(&value) && line.name.to_ascii_lowercase().ends_with("group");
        if is_form || is_variable || !looks_like {
            continue;
        }
        let bare: String = value
            .chars()
            .filter(|letter| letter.is_ascii_alphabetic())
            .collect::<String>()
            .to_uppercase();
        let near = FORMS
            .iter()
            .min_by_key(|form| strsim::damerau_levenshtein(form, &bare))
            .filter(|form| strsim::damerau_levenshtein(form, &bare) <= 2);
        let finding = about(Level::Warning, "name-form", line, format!("`{value}` is a name like any other"))
            .why("only %{GLOBAL}, %{RESOURCE}, %{SERVER}, %{HOST} and %{ENV:variable} stand for something");
        findings.push(match near {
            Some(form) => finding.cure(format!("is %{{{form}}} meant?")),
            None => finding.cure("leave out what makes it look like one of them"),
        });
    }
}

/// A setting that a later line of the same section takes back, as of two applications that were copied together.
fn overridden(config: &Config, findings: &mut Vec<Finding>) {
    for name in ["WSGIProcessGroup", "WSGIApplicationGroup"] {
        let lines: Vec<&Line> = config.all(name).collect();
        for (at, line) in lines.iter().enumerate() {
            let is_same = |later: &&&Line| match (&later.section, &line.section) {
                (Some(one), Some(other)) => Rc::ptr_eq(one, other),
                (one, other) => one.is_none() && other.is_none(),
            };
            let later = lines[at + 1..].iter().find(is_same);
            if let Some(later) = later
                && later.word() != line.word()
            {
                findings.push(
                    about(
                        Level::Warning,
                        "overridden",
                        line,
                        format!(
                            "{name} stands twice in the same place, and this line has no effect"
                        ),
                    )
                    .also("the later one counts", later.place.clone())
                    .why("it holds for the whole section or server, not for the alias behind it")
                    .cure("process-group= and application-group= behind each WSGIScriptAlias"),
                );
            }
        }
    }
}

/// An alias that an earlier one takes all requests from: the first that fits counts, not the longest.
fn shadowed(config: &Config, findings: &mut Vec<Finding>) {
    let is_alias = |application: &&Application| application.line.is("WSGIScriptAlias");
    let aliases: Vec<&Application> = config.applications.iter().filter(is_alias).collect();
    for (at, application) in aliases.iter().enumerate() {
        let takes_all = |earlier: &&&Application| {
            let is_same_server = match (earlier.line.host(), application.line.host()) {
                (Some(one), Some(other)) => Rc::ptr_eq(one, other),
                (one, other) => one.is_none() && other.is_none(),
            };
            is_same_server && (earlier.url == "/" || lies_below(&application.url, &earlier.url))
        };
        if let Some(earlier) = aliases[..at].iter().find(takes_all) {
            let what = format!(
                "no request reaches this alias: `{}` takes them",
                earlier.url
            );
            findings.push(
                about(Level::Warning, "shadowed", &application.line, what)
                    .also("this one is asked first", earlier.line.place.clone())
                    .why("of several aliases the first that fits counts, not the longest")
                    .cure("put this line above that one"),
            );
        }
    }
}

fn repeated(group: &Group, findings: &mut Vec<Finding>) {
    for (at, option) in group.given.iter().enumerate() {
        if group.given[..at].contains(option) {
            let what = format!("the process group `{}` has {option}= twice", group.name());
            findings.push(
                about(Level::Warning, "option-twice", &group.line, what)
                    .why("the later one counts, and nothing says so")
                    .cure("leave one of the two out"),
            );
        }
    }
}
