//! Names of process groups, application groups and callables: parsed once, expanded per request.
//!
//! A value that begins with `%` may be one of a few whole-value forms (`%{GLOBAL}`, `%{RESOURCE}`, `%{SERVER}`,
//! `%{HOST}`, `%{ENV:name}`); there is no substitution inside a value. `directive` parses, the handler expands.

use std::ffi::{CStr, CString};
use std::sync::Arc;

/// The callable that is looked for where nothing else is said.
pub const DEFAULT_CALLABLE: &[u8] = b"application";
/// The callable of handler scripts, always.
pub const HANDLER_CALLABLE: &[u8] = b"handle_request";

const ENV_PREFIX: &[u8] = b"%{ENV:";

/// A process group or application group as the configuration names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupName {
    /// `%{GLOBAL}`: embedded mode, or the main interpreter. Expands to nothing.
    Global,
    /// `%{RESOURCE}`: one group for each server and script name.
    Resource,
    /// `%{SERVER}`: one group for each server.
    Server,
    /// `%{HOST}`: one group for each name in the Host header.
    Host,
    /// `%{ENV:name}`: what that variable of the request or process says.
    Env(Arc<CStr>),
    /// Any other text, as it stands.
    Literal(Arc<[u8]>),
}

/// A callable's name as `WSGICallableObject` gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Callable {
    /// The name itself.
    Literal(Arc<[u8]>),
    /// `%{ENV:name}`.
    Env(Arc<CStr>),
}

/// Whether `WSGICaseSensitivity` tells upper from lower case in paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// It does.
    Sensitive,
    /// It does not: paths are lower-cased.
    Insensitive,
}

/// What expansion asks of a request.
pub trait Lookup {
    /// The server's configured name.
    fn server_name(&self) -> &[u8];
    /// The server's port.
    fn server_port(&self) -> u16;
    /// The name in the Host header, without port, if there is one.
    fn host(&self) -> Option<&[u8]>;
    /// The decoded URI without the PATH_INFO tail (`environ::split_path`).
    fn script_name(&self) -> &[u8];
    /// A variable: the request's notes, then its subprocess_env, then the process's environment.
    fn variable(&self, name: &CStr) -> Option<&[u8]>;
}

/// A value taken apart, borrowed.
enum Form<'a> {
    Global,
    Resource,
    Server,
    Host,
    Env(&'a [u8]),
    Literal(&'a [u8]),
}

impl<'a> Form<'a> {
    fn of(value: &'a [u8]) -> Self {
        match value {
            b"%{GLOBAL}" => Self::Global,
            b"%{RESOURCE}" => Self::Resource,
            b"%{SERVER}" => Self::Server,
            b"%{HOST}" => Self::Host,
            _ => match variable_name(value) {
                Some(name) => Self::Env(name),
                None => Self::Literal(value),
            },
        }
    }

    fn expand<L: Lookup + ?Sized>(
        self,
        lookup: &'a L,
        case: Case,
        buffer: &'a mut Vec<u8>,
    ) -> &'a [u8] {
        buffer.clear();
        match self {
            Self::Global => return &[],
            Self::Literal(text) => return text,
            Self::Server => push_server(lookup, lookup.server_name(), buffer),
            Self::Host => {
                let host = lookup.host().filter(|host| !host.is_empty());
                push_server(lookup, host.unwrap_or(lookup.server_name()), buffer);
            }
            Self::Resource => {
                push_server(lookup, lookup.server_name(), buffer);
                buffer.push(b'|');
                push_path(lookup.script_name(), case, buffer);
            }
            Self::Env(name) => push_env(name, buffer),
        }
        buffer
    }
}

impl GroupName {
    /// Parses a directive's or an option's value.
    #[must_use]
    pub fn parse(value: &[u8]) -> Self {
        match Form::of(value) {
            Form::Global => Self::Global,
            Form::Resource => Self::Resource,
            Form::Server => Self::Server,
            Form::Host => Self::Host,
            Form::Env(name) => match CString::new(name) {
                Ok(name) => Self::Env(name.into()),
                Err(_) => Self::Literal(value.into()),
            },
            Form::Literal(text) => Self::Literal(text.into()),
        }
    }

    /// Parses the group of a script that is asked outside of a response: there `%{RESOURCE}` and `%{ENV:name}` are names
    /// like any other.
    #[must_use]
    pub fn parse_plain(value: &[u8]) -> Self {
        match Self::parse(value) {
            Self::Resource | Self::Env(_) => Self::Literal(value.into()),
            other => other,
        }
    }

    /// The name, where no request is needed to know it: of `%{GLOBAL}` and of text without `%{`.
    #[must_use]
    pub fn fixed(&self) -> Option<&[u8]> {
        match self {
            Self::Global => Some(&[]),
            Self::Literal(text) if !text.windows(2).any(|pair| pair == b"%{") => Some(text),
            _ => None,
        }
    }

    /// Whether it may expand to nothing: embedded mode, or the main interpreter.
    #[must_use]
    pub const fn may_be_global(&self) -> bool {
        matches!(self, Self::Global | Self::Env(_))
    }

    /// The value as the configuration spells it.
    #[must_use]
    pub fn spelling(&self) -> Vec<u8> {
        match self {
            Self::Global => b"%{GLOBAL}".to_vec(),
            Self::Resource => b"%{RESOURCE}".to_vec(),
            Self::Server => b"%{SERVER}".to_vec(),
            Self::Host => b"%{HOST}".to_vec(),
            Self::Literal(text) => text.to_vec(),
            Self::Env(name) => {
                let mut text = Vec::new();
                push_env(name.to_bytes(), &mut text);
                text
            }
        }
    }

    /// The name for one request: empty is embedded mode or the main interpreter.
    ///
    /// Only what is put together goes through `buffer`; `%{GLOBAL}` and plain names cost nothing.
    pub fn expand<'a, L: Lookup + ?Sized>(
        &'a self,
        lookup: &'a L,
        case: Case,
        buffer: &'a mut Vec<u8>,
    ) -> &'a [u8] {
        let form = match self {
            Self::Global => Form::Global,
            Self::Resource => Form::Resource,
            Self::Server => Form::Server,
            Self::Host => Form::Host,
            Self::Literal(text) => Form::Literal(text),
            Self::Env(name) => match lookup.variable(name) {
                None => Form::Env(name.to_bytes()),
                // mod_wsgi: a value is expanded once more, but a variable never leads to another.
                Some(value) if value.starts_with(ENV_PREFIX) => Form::Literal(value),
                Some(value) => Form::of(value),
            },
        };
        form.expand(lookup, case, buffer)
    }
}

impl Callable {
    /// Parses the directive's value; an unknown `%` form means the default.
    #[must_use]
    pub fn parse(value: &[u8]) -> Self {
        if let Some(name) = variable_name(value)
            && let Ok(name) = CString::new(name)
        {
            return Self::Env(name.into());
        }
        let name = if value.starts_with(b"%") {
            DEFAULT_CALLABLE
        } else {
            value
        };
        Self::Literal(name.into())
    }

    /// The callable's name for one request.
    pub fn expand<'a, L: Lookup + ?Sized>(&'a self, lookup: &'a L) -> &'a [u8] {
        match self {
            Self::Literal(name) => name,
            Self::Env(name) => lookup
                .variable(name)
                .filter(|value| !value.is_empty())
                .unwrap_or(DEFAULT_CALLABLE),
        }
    }
}

/// The name in `%{ENV:name}`.
fn variable_name(value: &[u8]) -> Option<&[u8]> {
    let name = value.strip_prefix(ENV_PREFIX)?.strip_suffix(b"}")?;
    (!name.is_empty() && !name.contains(&b'}')).then_some(name)
}

fn push_env(name: &[u8], buffer: &mut Vec<u8>) {
    buffer.extend_from_slice(ENV_PREFIX);
    buffer.extend_from_slice(name);
    buffer.push(b'}');
}

/// `name`, and the port unless it is 80 or 443, whatever the scheme.
fn push_server<L: Lookup + ?Sized>(lookup: &L, name: &[u8], buffer: &mut Vec<u8>) {
    buffer.extend_from_slice(name);
    let port = lookup.server_port();
    if port != 80 && port != 443 {
        buffer.push(b':');
        push_number(u32::from(port), buffer);
    }
}

/// `path` with each run of slashes as one.
fn push_path(path: &[u8], case: Case, buffer: &mut Vec<u8>) {
    let start = buffer.len();
    crate::environ::push_collapsed(path, buffer);
    if case == Case::Insensitive {
        buffer[start..].make_ascii_lowercase();
    }
}

fn push_number(number: u32, buffer: &mut Vec<u8>) {
    buffer.extend_from_slice(crate::environ::Decimal::new(number).as_bytes());
}

#[cfg(test)]
mod tests;
