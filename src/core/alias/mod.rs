//! Maps URIs to script files: what `WSGIScriptAlias` and `WSGIScriptAliasMatch` say, and how a URI matches.
//!
//! Matching a prefix follows mod_alias, so that a WSGIScriptAlias and an Alias agree about every URI. Regular
//! expressions are compiled and run elsewhere, by httpd's own engine; only their captures come here. Parsed by
//! `directive`, kept in `options`, used while httpd translates a request's name.

use std::ops::Range;
use std::sync::Arc;

use crate::group::GroupName;

/// The number of captures a target may name: `$0` to `$9`.
pub const CAPTURES: usize = 10;

/// What an alias compares the URI with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// A URL path (`WSGIScriptAlias`).
    Prefix(Arc<[u8]>),
    /// The source of a regular expression (`WSGIScriptAliasMatch`).
    Regex(Arc<[u8]>),
}

/// Options that a script alias or a handler script gives to its requests, before any directive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScriptOptions {
    /// `process-group=`
    pub process_group: Option<GroupName>,
    /// `application-group=`
    pub application_group: Option<GroupName>,
    /// `callable-object=`, used as it stands.
    pub callable_object: Option<Arc<[u8]>>,
    /// `pass-authorization=`
    pub pass_authorization: Option<bool>,
}

/// One `WSGIScriptAlias` or `WSGIScriptAliasMatch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// Which URIs it takes.
    pub pattern: Pattern,
    /// The script, or the folder of scripts; of a regular expression, with `$0` to `$9`.
    pub target: Arc<[u8]>,
    /// What its requests get.
    pub options: ScriptOptions,
}

/// A script that is loaded when a process starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The script.
    pub script: Arc<[u8]>,
    /// The process group; empty is every Apache child.
    pub process_group: Arc<[u8]>,
    /// The application group; empty is the main interpreter.
    pub application_group: Arc<[u8]>,
}

impl Alias {
    /// The import that goes with an alias whose groups are both known before any request.
    ///
    /// An alias for a folder (the target ends in `/`) or with `$` in the target of its regular expression names
    /// no single script.
    #[must_use]
    pub fn preload(&self) -> Option<Import> {
        let names_one_script = match self.pattern {
            Pattern::Prefix(_) => !self.target.ends_with(b"/"),
            Pattern::Regex(_) => !self.target.contains(&b'$'),
        };
        if !names_one_script {
            return None;
        }
        Some(Import {
            script: self.target.clone(),
            process_group: self.options.process_group.as_ref()?.fixed()?.into(),
            application_group: self.options.application_group.as_ref()?.fixed()?.into(),
        })
    }
}

/// How much of the decoded `uri` the URL path `alias` takes: `None` when it does not match.
///
/// As in mod_alias a run of slashes in the alias takes any run of them in the URI, and an alias that does not
/// end in a slash must be followed by one, or by the end of the URI.
#[must_use]
pub fn match_prefix(alias: &[u8], uri: &[u8]) -> Option<usize> {
    let (mut a, mut u) = (0, 0);
    while a < alias.len() {
        if uri.get(u) != Some(&alias[a]) {
            return None;
        }
        if alias[a] == b'/' {
            a = skip_slashes(alias, a);
            u = skip_slashes(uri, u);
        } else {
            a += 1;
            u += 1;
        }
    }
    let ends_in_slash = *alias.last()? == b'/';
    let at_border = matches!(uri.get(u), None | Some(b'/'));
    (ends_in_slash || at_border).then_some(u)
}

/// Appends to `path` the file for a URI of which `alias` took `matched` bytes.
pub fn push_prefix_target(
    target: &[u8],
    alias: &[u8],
    uri: &[u8],
    matched: usize,
    path: &mut Vec<u8>,
) {
    // A mount at the root keeps the URI's first slash: it begins PATH_INFO.
    let is_root = alias.iter().all(|&byte| byte == b'/');
    let rest = if is_root { 0 } else { matched };
    path.extend_from_slice(target);
    path.extend_from_slice(uri.get(rest..).unwrap_or_default());
}

/// Parts `path`, made of `target` by [`push_prefix_target`], into the script and what follows it in the URI.
///
/// `None` where only httpd's walk through the folders tells: when the target is a folder, when nothing follows, or
/// when the walk would put what follows into another form (empty, `.` and `..` segments).
#[must_use]
pub fn split_prefix_target<'p>(target: &[u8], path: &'p [u8]) -> Option<(&'p [u8], &'p [u8])> {
    let (script, rest) = path.split_at_checked(target.len())?;
    if script.ends_with(b"/") {
        return None;
    }
    let segments = rest.strip_prefix(b"/")?;
    // The last segment may be empty: a slash at the end stays.
    let inner = segments.strip_suffix(b"/").unwrap_or(segments);
    let is_plain = |segment: &[u8]| !matches!(segment, b"" | b"." | b"..");
    let holds = segments.is_empty() || inner.split(|&byte| byte == b'/').all(is_plain);
    holds.then_some((script, rest))
}

/// Appends to `path` the file for a URI that a regular expression matched, and says how much of it that took.
///
/// `$0` to `$9` in `target` stand for the captures, `\` protects the character after it; a capture that took no
/// part stands for nothing. What follows capture 0 in the URI is appended. `None` when there is no capture 0.
pub fn push_regex_target(
    target: &[u8],
    uri: &[u8],
    captures: &[Option<Range<usize>>],
    path: &mut Vec<u8>,
) -> Option<usize> {
    let end = captures.first()?.as_ref()?.end;
    let rest = uri.get(end..)?;
    let mut bytes = target.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let digit = match byte {
            b'$' => bytes.next_if(u8::is_ascii_digit),
            _ => None,
        };
        match (byte, digit) {
            (_, Some(digit)) => path.extend_from_slice(captured(uri, captures, digit - b'0')),
            (b'\\', None) => path.push(bytes.next().unwrap_or(b'\\')),
            _ => path.push(byte),
        }
    }
    path.extend_from_slice(rest);
    Some(end)
}

fn captured<'u>(uri: &'u [u8], captures: &[Option<Range<usize>>], number: u8) -> &'u [u8] {
    captures
        .get(usize::from(number))
        .cloned()
        .flatten()
        .and_then(|range| uri.get(range))
        .unwrap_or_default()
}

/// The first position from `at` on that holds no slash.
fn skip_slashes(bytes: &[u8], at: usize) -> usize {
    let run = bytes[at..].iter().take_while(|&&byte| byte == b'/').count();
    at + run
}

#[cfg(test)]
mod tests;
