//! Lines that name a script, with the options behind it: aliases, handlers, imports.

use std::sync::Arc;

use super::values::on_off;
use super::{Result, missing, next, value};
use crate::alias::{Alias, Import, Pattern, ScriptOptions};
use crate::directive::Kind;
use crate::directive::error::{DirectiveError, Shown};
use crate::group::GroupName;
use crate::options::HandlerScript;
use crate::words::Words;

const ALIAS_OPTIONS: &str =
    "process-group=, application-group=, callable-object=, pass-authorization=";
const HANDLER_OPTIONS: &str = "process-group=, application-group=, pass-authorization=";
const IMPORT_OPTIONS: &str = "process-group=, application-group=";

pub(super) fn alias(kind: Kind, line: &[u8]) -> Result<Alias> {
    let mut words = Words::new(line);
    let pattern = if kind == Kind::ScriptAlias {
        let path = next(kind, &mut words, "a URL path")?;
        if !path.starts_with(b"/") {
            return Err(value(kind, "a URL path that starts with `/`", &path));
        }
        Pattern::Prefix(path.as_ref().into())
    } else {
        Pattern::Regex(
            next(kind, &mut words, "a regular expression")?
                .as_ref()
                .into(),
        )
    };
    let target = next(kind, &mut words, "a script or a folder of scripts")?
        .as_ref()
        .into();
    Ok(Alias {
        pattern,
        target,
        options: script_options(kind, words, ALIAS_OPTIONS)?,
    })
}

pub(super) fn handler_script(kind: Kind, line: &[u8]) -> Result<HandlerScript> {
    let mut words = Words::new(line);
    Ok(HandlerScript {
        name: next(kind, &mut words, "a handler name")?.as_ref().into(),
        script: next(kind, &mut words, "a script")?.as_ref().into(),
        options: script_options(kind, words, HANDLER_OPTIONS)?,
    })
}

pub(super) fn import(kind: Kind, line: &[u8]) -> Result<Import> {
    let mut words = Words::new(line);
    let script = next(kind, &mut words, "a script")?.as_ref().into();
    let options = script_options(kind, words, IMPORT_OPTIONS)?;
    Ok(Import {
        script,
        process_group: fixed(
            kind,
            "process-group",
            "process-group=",
            options.process_group,
        )?,
        application_group: fixed(
            kind,
            "application-group",
            "application-group=",
            options.application_group,
        )?,
    })
}

/// The name of a group that has to be known before any request.
fn fixed(
    kind: Kind,
    option: &'static str,
    what: &'static str,
    group: Option<GroupName>,
) -> Result<Arc<[u8]>> {
    let group = group.ok_or_else(|| missing(kind, what))?;
    match group.fixed() {
        Some(name) => Ok(name.into()),
        None => Err(DirectiveError::NotFixed {
            directive: kind.name(),
            option,
            value: Shown::new(&group.spelling()),
        }),
    }
}

fn script_options(
    kind: Kind,
    mut words: Words<'_>,
    allowed: &'static str,
) -> Result<ScriptOptions> {
    let mut options = ScriptOptions::default();
    let directive = kind.name();
    while let Some(pair) = words.next_pair() {
        let pair = pair.map_err(|error| DirectiveError::no_option(directive, error, allowed))?;
        let text = pair.value.as_ref();
        let known = known_option(kind, pair.key).ok_or_else(|| DirectiveError::UnknownOption {
            directive,
            option: Shown::new(pair.key),
            allowed,
        })?;
        if text.is_empty() {
            return Err(DirectiveError::EmptyOption {
                directive,
                option: known,
            });
        }
        match known {
            "process-group" => options.process_group = Some(GroupName::parse(text)),
            "application-group" => options.application_group = Some(GroupName::parse(text)),
            "callable-object" => options.callable_object = Some(text.into()),
            _ => options.pass_authorization = Some(option_flag(kind, known, text)?),
        }
    }
    Ok(options)
}

fn known_option(kind: Kind, key: &[u8]) -> Option<&'static str> {
    let is_import = kind == Kind::ImportScript;
    let is_alias = matches!(kind, Kind::ScriptAlias | Kind::ScriptAliasMatch);
    match key {
        b"process-group" => Some("process-group"),
        b"application-group" => Some("application-group"),
        b"callable-object" if is_alias => Some("callable-object"),
        b"pass-authorization" if !is_import => Some("pass-authorization"),
        _ => None,
    }
}

fn option_flag(kind: Kind, option: &'static str, text: &[u8]) -> Result<bool> {
    on_off(text).ok_or_else(|| DirectiveError::OptionValue {
        directive: kind.name(),
        option,
        allowed: "On or Off",
        value: Shown::new(text),
    })
}
