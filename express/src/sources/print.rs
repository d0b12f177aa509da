//! `--print-config`: each option's value and where it comes from, in the form of a file that `--config` reads.

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use super::Given;
use super::option::{Kind, Opt, Options};

/// The text for the command that was given.
pub(crate) fn print(mut grammar: Command, given: &Given) -> String {
    grammar.build();
    let Some((name, matches)) = given.matches.subcommand() else {
        return String::new();
    };
    let Some(command) = grammar.find_subcommand(name) else {
        return String::new();
    };
    let mut rows = vec![];
    if let Some(script) = typed_script(matches) {
        rows.push((
            format!("entry-point = {}", quoted(&script)),
            "command line".to_owned(),
        ));
    }
    for option in Options::of(command).all() {
        if matches!(option.long, "print-config" | "help" | "version") {
            continue;
        }
        let id = option.arg.get_id().as_str();
        let origin = match (given.origin(id), matches.value_source(id)) {
            (Some(origin), _) => origin.to_string(),
            (None, Some(ValueSource::CommandLine)) => "command line".to_owned(),
            (None, Some(_)) if option.arg.is_hide_set() => continue,
            (None, Some(_)) => "default".to_owned(),
            (None, None) => continue,
        };
        let Some(value) = value(option, matches) else {
            continue;
        };
        let line = format!("{} = {value}", option.long);
        // A file cannot name another one.
        let line = if option.long == "config" {
            format!("# {line}")
        } else {
            line
        };
        rows.push((line, origin));
    }
    let width = rows.iter().map(|(line, _)| line.chars().count()).max();
    let width = width.unwrap_or(0).min(48);
    let mut text = format!("# rsgi-express {name}");
    for (line, origin) in rows {
        text += &format!("\n{line:<width$}  # {origin}");
    }
    text
}

fn typed_script(matches: &ArgMatches) -> Option<String> {
    let is_named = matches.try_get_raw("entry_point").ok()?.is_some();
    let script = matches.try_get_raw("script").ok()??.next()?;
    (!is_named).then(|| script.to_string_lossy().into_owned())
}

fn value(option: Opt<'_>, matches: &ArgMatches) -> Option<String> {
    let id = option.arg.get_id().as_str();
    if option.kind() == Kind::Flag {
        return Some(matches.get_flag(id).to_string());
    }
    let one = |value: &std::ffi::OsStr| {
        let value = value.to_string_lossy();
        if option.kind() == Kind::Text {
            quoted(&value)
        } else {
            value.into_owned()
        }
    };
    let times = matches.get_raw_occurrences(id)?;
    let times: Vec<Vec<String>> = times.map(|values| values.map(one).collect()).collect();
    let lists = |values: &[String]| format!("[{}]", values.join(", "));
    Some(if option.width() > 1 {
        let times: Vec<_> = times.iter().map(|values| lists(values)).collect();
        lists(&times)
    } else if option.is_repeatable() {
        lists(&times.concat())
    } else {
        times.concat().pop()?
    })
}

/// A TOML string.
fn quoted(text: &str) -> String {
    let mut result = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => result.extend(['\\', c]),
            c if c.is_control() => result += &format!("\\u{:04X}", u32::from(c)),
            c => result.push(c),
        }
    }
    result + "\""
}
