//! Arguments of the directives of trusted proxies and of access control, and those that are no more.

use std::borrow::Cow;

use super::Kind;
use super::error::{DirectiveError, Shown};
use super::parse::{Result, missing, next, value};
use crate::group::GroupName;
use crate::options::AskedScript;
use crate::proxy::{HeaderName, Network, TrustedHeader};
use crate::words::Words;

/// What to do in place of a directive that mod_wsgi has dropped.
pub(super) const fn removed(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::LazyInitialization => {
            "Python is started in Apache's children where something needs it, and never in the parent; leave the line out"
        }
        Kind::UserAuthoritative => {
            "list the providers in their order: AuthBasicProvider wsgi file; leave the line out"
        }
        Kind::ReloadMechanism => {
            "applications in a process group are reloaded with its processes, others by the script: WSGIScriptReloading; leave the line out"
        }
        Kind::OutputBuffering => {
            "what an application sends in one block goes out in one piece; leave the line out"
        }
        Kind::PythonExecutable => "name the environment with WSGIPythonHome instead",
        Kind::Py3kWarningFlag => "it was for Python 2; leave the line out",
        Kind::NewRelicConfigFile => {
            "wrap the application with the agent in the WSGI script: newrelic.agent.initialize(file)"
        }
        Kind::NewRelicEnvironment => {
            "wrap the application with the agent in the WSGI script: newrelic.agent.initialize(file, environment)"
        }
        _ => return None,
    })
}

/// A script that is asked outside of a response.
pub(super) fn asked_script(kind: Kind, line: &[u8]) -> Result<AskedScript> {
    const OPTION: &str = "application-group";
    const ALLOWED: &str = "application-group=";
    let directive = kind.name();
    let mut words = Words::new(line);
    let script = next(kind, &mut words, "a script")?.as_ref().into();
    let mut application_group = GroupName::Global;
    while let Some(pair) = words.next_pair() {
        let pair = pair.map_err(|error| DirectiveError::no_option(directive, error, ALLOWED))?;
        if pair.key != OPTION.as_bytes() {
            return Err(DirectiveError::UnknownOption {
                directive,
                option: Shown::new(pair.key),
                allowed: ALLOWED,
            });
        }
        if pair.value.is_empty() {
            return Err(DirectiveError::EmptyOption {
                directive,
                option: OPTION,
            });
        }
        application_group = GroupName::parse_plain(&pair.value);
    }
    Ok(AskedScript {
        script,
        application_group,
    })
}

/// The words of a line that has to have at least one.
fn all<'a>(kind: Kind, line: &'a [u8], what: &'static str) -> Result<Vec<Cow<'a, [u8]>>> {
    let words: Vec<_> = Words::new(line).collect();
    if words.is_empty() {
        return Err(missing(kind, what));
    }
    Ok(words)
}

pub(super) fn trusted_proxies(kind: Kind, line: &[u8]) -> Result<Vec<Network>> {
    let network = |word: &Cow<'_, [u8]>| {
        Network::parse(word).ok_or_else(|| {
            value(
                kind,
                "IP addresses and networks such as 10.0.0.0/8 or 2001:db8::/32, no host names",
                word,
            )
        })
    };
    let words = all(kind, line, "an IP address or a network")?;
    words.iter().map(network).collect()
}

/// mod_wsgi: takes a name that no request can have, and then believes nobody where somebody was meant.
pub(super) fn trusted_headers(kind: Kind, line: &[u8]) -> Result<Vec<TrustedHeader>> {
    let mut headers = Vec::new();
    for word in all(kind, line, "the name of a header")? {
        let name = HeaderName::parse(&word).ok_or_else(|| {
            value(
                kind,
                "names of headers, made of letters, digits and `-`",
                &word,
            )
        })?;
        if let HeaderName::Known(header) = name {
            headers.push(header);
        }
    }
    Ok(headers)
}
