//! Arguments to typed values: which directive takes what. `scripts` has the lines that name a script and its options,
//! `values` the single values.

mod scripts;
mod values;

use std::borrow::Cow;

use scripts::{alias, handler_script, import};
use values::{
    accept_mutex, flag, hash_seed, head_mapping, optimize, process_groups, python_home,
    python_path, request_buffer, switch_interval,
};

use super::access;
use super::error::{DirectiveError, Shown};
use super::interpreter;
use super::telemetry;
use super::{Directive, Kind};
use crate::daemon::GroupDefinition;
use crate::group::{Callable, GroupName};
use crate::options::{GlobalSetting, Setting};
use crate::words::Words;

pub(super) type Result<T> = std::result::Result<T, DirectiveError>;

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
