//! Arguments to typed values.

use std::borrow::Cow;
use std::sync::Arc;

use super::access;
use super::error::{DirectiveError, Shown};
use super::interpreter;
use super::telemetry;
use super::{Directive, Kind};
use crate::alias::{Alias, Import, Pattern, ScriptOptions};
use crate::daemon::GroupDefinition;
use crate::environ::HeadMapping;
use crate::group::{Callable, GroupName};
use crate::options::{AcceptMutex, GlobalSetting, HandlerScript, HashSeed, Setting};
use crate::words::Words;

pub(super) type Result<T> = std::result::Result<T, DirectiveError>;

const ALIAS_OPTIONS: &str =
    "process-group=, application-group=, callable-object=, pass-authorization=";
const HANDLER_OPTIONS: &str = "process-group=, application-group=, pass-authorization=";
const IMPORT_OPTIONS: &str = "process-group=, application-group=";

/// Most of a body that is taken in ahead; it lies in a memory file.
const LARGEST_BUFFER: u64 = 1 << 30;

/// Parses the arguments of a directive: the one word of `Flag` and `Take1`, the whole line of `Raw`.
///
/// # Errors
/// The directive cannot mean anything with these arguments; the error's text is for the administrator.
pub fn parse(kind: Kind, arguments: &[u8]) -> Result<Directive> {
    if let Some(instead) = access::removed(kind) {
        return Err(DirectiveError::Removed {
            directive: kind.name(),
            instead,
        });
    }
    match kind {
        Kind::ScriptAlias | Kind::ScriptAliasMatch => alias(kind, arguments).map(Directive::Alias),
        Kind::ImportScript => import(kind, arguments).map(Directive::Import),
        Kind::HandlerScript => {
            let script = handler_script(kind, arguments)?;
            Ok(Directive::Setting(Setting::HandlerScript(script)))
        }
        Kind::InterpreterOptions => interpreter::section(arguments).map(Directive::Interpreters),
        Kind::DaemonProcess => Ok(Directive::Group(Box::new(GroupDefinition::parse(
            arguments,
        )?))),
        Kind::CallableObject
        | Kind::ApplicationGroup
        | Kind::ProcessGroup
        | Kind::RestrictProcess
        | Kind::IgnoreActivity
        | Kind::ErrorOverride
        | Kind::RequestBuffer
        | Kind::ScriptReloading
        | Kind::PassAuthorization
        | Kind::PassApacheRequest
        | Kind::ChunkedRequest
        | Kind::MapHeadToGet
        | Kind::TrustedProxies
        | Kind::TrustedProxyHeaders
        | Kind::AuthUserScript
        | Kind::AuthGroupScript
        | Kind::AccessScript
        | Kind::GroupAuthoritative
        | Kind::DispatchScript
        | Kind::EnableSendfile => setting(kind, arguments).map(Directive::Setting),
        _ => global(kind, arguments).map(Directive::Global),
    }
}

fn setting(kind: Kind, word: &[u8]) -> Result<Setting> {
    Ok(match kind {
        Kind::CallableObject => Setting::CallableObject(Callable::parse(filled(
            kind,
            word,
            "the name of a callable",
        )?)),
        Kind::ApplicationGroup => Setting::ApplicationGroup(GroupName::parse(filled(
            kind,
            word,
            "a name; %{GLOBAL} is the main interpreter",
        )?)),
        Kind::ProcessGroup => Setting::ProcessGroup(GroupName::parse(filled(
            kind,
            word,
            "the name of a process group; %{GLOBAL} is Apache's own processes",
        )?)),
        Kind::RestrictProcess => Setting::RestrictProcess(process_groups(word)),
        Kind::RequestBuffer => Setting::RequestBuffer(request_buffer(kind, word)?),
        Kind::IgnoreActivity => Setting::IgnoreActivity(flag(kind, word)?),
        Kind::ErrorOverride => Setting::ErrorOverride(flag(kind, word)?),
        Kind::MapHeadToGet => Setting::MapHeadToGet(head_mapping(kind, word)?),
        Kind::PassAuthorization => Setting::PassAuthorization(flag(kind, word)?),
        Kind::PassApacheRequest => Setting::PassApacheRequest(flag(kind, word)?),
        Kind::ChunkedRequest => Setting::ChunkedRequest(flag(kind, word)?),
        Kind::EnableSendfile => Setting::EnableSendfile(flag(kind, word)?),
        Kind::TrustedProxies => Setting::TrustedProxies(access::trusted_proxies(kind, word)?),
        Kind::TrustedProxyHeaders => Setting::TrustedHeaders(access::trusted_headers(kind, word)?),
        Kind::AuthUserScript => Setting::AuthUserScript(access::asked_script(kind, word)?),
        Kind::AuthGroupScript => Setting::AuthGroupScript(access::asked_script(kind, word)?),
        Kind::AccessScript => Setting::AccessScript(access::asked_script(kind, word)?),
        Kind::DispatchScript => Setting::DispatchScript(access::asked_script(kind, word)?),
        Kind::GroupAuthoritative => Setting::GroupAuthoritative(flag(kind, word)?),
        _ => Setting::ScriptReloading(flag(kind, word)?),
    })
}

fn global(kind: Kind, word: &[u8]) -> Result<GlobalSetting> {
    Ok(match kind {
        Kind::PythonHome => GlobalSetting::PythonHome(python_home(kind, word)?),
        Kind::PythonPath => GlobalSetting::PythonPath(python_path(kind, word)?),
        Kind::PythonOptimize => GlobalSetting::PythonOptimize(optimize(kind, word)?),
        Kind::PythonHashSeed => GlobalSetting::PythonHashSeed(hash_seed(kind, word)?),
        Kind::PythonWarnings => {
            GlobalSetting::PythonWarnings(filled(kind, word, "a warning filter")?.into())
        }
        Kind::DontWriteBytecode => GlobalSetting::DontWriteBytecode(flag(kind, word)?),
        Kind::RestrictStdin => GlobalSetting::RestrictStdin(flag(kind, word)?),
        Kind::RestrictStdout => GlobalSetting::RestrictStdout(flag(kind, word)?),
        Kind::RestrictSignal => GlobalSetting::RestrictSignal(flag(kind, word)?),
        Kind::PerInterpreterGil => GlobalSetting::PerInterpreterGil(flag(kind, word)?),
        Kind::FreeThreading => GlobalSetting::FreeThreading(flag(kind, word)?),
        Kind::CaseSensitivity => GlobalSetting::CaseSensitivity(flag(kind, word)?),
        Kind::RestrictEmbedded => GlobalSetting::RestrictEmbedded(flag(kind, word)?),
        Kind::SocketPrefix => {
            GlobalSetting::SocketPrefix(filled(kind, word, "the beginning of a path")?.into())
        }
        Kind::SocketRotation => GlobalSetting::SocketRotation(flag(kind, word)?),
        Kind::AcceptMutex => GlobalSetting::AcceptMutex(accept_mutex(kind, word)?),
        Kind::Overlap => GlobalSetting::Overlap(flag(kind, word)?),
        Kind::PythonEggs => {
            GlobalSetting::PythonEggs(filled(kind, word, "the folder for Python eggs")?.into())
        }
        Kind::SwitchInterval => GlobalSetting::SwitchInterval(switch_interval(kind, word)?),
        Kind::VerboseDebugging => GlobalSetting::VerboseDebugging(flag(kind, word)?),
        Kind::ServerMetrics => GlobalSetting::ServerMetrics(flag(kind, word)?),
        Kind::TelemetryService => telemetry::service(kind, word)?,
        Kind::SlowRequests => telemetry::slow_requests(kind, word)?,
        Kind::TelemetryOptions => telemetry::options(kind, word)?,
        _ => GlobalSetting::DestroyInterpreter(flag(kind, word)?),
    })
}

fn alias(kind: Kind, line: &[u8]) -> Result<Alias> {
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

fn handler_script(kind: Kind, line: &[u8]) -> Result<HandlerScript> {
    let mut words = Words::new(line);
    Ok(HandlerScript {
        name: next(kind, &mut words, "a handler name")?.as_ref().into(),
        script: next(kind, &mut words, "a script")?.as_ref().into(),
        options: script_options(kind, words, HANDLER_OPTIONS)?,
    })
}

fn import(kind: Kind, line: &[u8]) -> Result<Import> {
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

/// The names of a list; `%{GLOBAL}` is the empty name, as requests have it.
fn process_groups(line: &[u8]) -> Arc<[Arc<[u8]>]> {
    Words::new(line)
        .map(|name| match GroupName::parse(&name) {
            GroupName::Global => Arc::from(&b""[..]),
            _ => Arc::from(name.as_ref()),
        })
        .collect()
}

fn request_buffer(kind: Kind, word: &[u8]) -> Result<u64> {
    if word.eq_ignore_ascii_case(b"off") {
        return Ok(0);
    }
    std::str::from_utf8(word)
        .ok()
        .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .filter(|&bytes| bytes <= LARGEST_BUFFER)
        .ok_or_else(|| value(kind, "Off or a number of bytes from 0 to 1073741824", word))
}

fn accept_mutex(kind: Kind, word: &[u8]) -> Result<AcceptMutex> {
    AcceptMutex::named(word).ok_or_else(|| {
        value(
            kind,
            "Default, flock, fcntl, sysvsem, posixsem or pthread",
            word,
        )
    })
}

fn option_flag(kind: Kind, option: &'static str, text: &[u8]) -> Result<bool> {
    on_off(text).ok_or_else(|| DirectiveError::OptionValue {
        directive: kind.name(),
        option,
        allowed: "On or Off",
        value: Shown::new(text),
    })
}

fn flag(kind: Kind, word: &[u8]) -> Result<bool> {
    on_off(word).ok_or_else(|| value(kind, "On or Off", word))
}

fn on_off(word: &[u8]) -> Option<bool> {
    if word.eq_ignore_ascii_case(b"on") {
        Some(true)
    } else if word.eq_ignore_ascii_case(b"off") {
        Some(false)
    } else {
        None
    }
}

fn head_mapping(kind: Kind, word: &[u8]) -> Result<HeadMapping> {
    if word.eq_ignore_ascii_case(b"auto") {
        return Ok(HeadMapping::Auto);
    }
    match on_off(word) {
        Some(true) => Ok(HeadMapping::On),
        Some(false) => Ok(HeadMapping::Off),
        None => Err(value(kind, "On, Off or Auto", word)),
    }
}

fn python_home(kind: Kind, word: &[u8]) -> Result<Arc<[u8]>> {
    let path = filled(kind, word, "the folder of a Python")?;
    if !path.starts_with(b"/") {
        return Err(value(kind, "a path that starts with `/`", path));
    }
    Ok(path.into())
}

fn python_path(kind: Kind, word: &[u8]) -> Result<Vec<Arc<[u8]>>> {
    let folders: Vec<Arc<[u8]>> = word
        .split(|&byte| byte == b':')
        .filter(|folder| !folder.is_empty())
        .map(Into::into)
        .collect();
    if folders.is_empty() {
        return Err(missing(kind, "at least one folder"));
    }
    Ok(folders)
}

fn switch_interval(kind: Kind, word: &[u8]) -> Result<u64> {
    crate::daemon::nanoseconds(word)
        .ok_or_else(|| value(kind, "a number of seconds above 0, such as 0.005", word))
}

fn optimize(kind: Kind, word: &[u8]) -> Result<u8> {
    match word {
        [level @ b'0'..=b'2'] => Ok(level - b'0'),
        _ => Err(value(kind, "0, 1 or 2", word)),
    }
}

fn hash_seed(kind: Kind, word: &[u8]) -> Result<HashSeed> {
    if word.eq_ignore_ascii_case(b"random") {
        return Ok(HashSeed::Random);
    }
    std::str::from_utf8(word)
        .ok()
        .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .map(HashSeed::Fixed)
        .ok_or_else(|| value(kind, "`random` or a number from 0 to 4294967295", word))
}

/// The next word of a line; it has to be there and to say something.
pub(super) fn next<'a>(
    kind: Kind,
    words: &mut Words<'a>,
    what: &'static str,
) -> Result<Cow<'a, [u8]>> {
    words
        .next()
        .filter(|word| !word.is_empty())
        .ok_or_else(|| missing(kind, what))
}

fn filled<'a>(kind: Kind, word: &'a [u8], what: &'static str) -> Result<&'a [u8]> {
    if word.is_empty() {
        return Err(missing(kind, what));
    }
    Ok(word)
}

pub(super) fn missing(kind: Kind, what: &'static str) -> DirectiveError {
    DirectiveError::Missing {
        directive: kind.name(),
        what,
        usage: kind.spec().usage.to_str().unwrap_or_default(),
    }
}

pub(super) fn value(kind: Kind, allowed: &'static str, word: &[u8]) -> DirectiveError {
    DirectiveError::Value {
        directive: kind.name(),
        allowed,
        value: Shown::new(word),
    }
}
