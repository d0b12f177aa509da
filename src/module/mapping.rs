//! Maps URIs to scripts: the aliases of the server, tried in order (reference: mod_alias's algorithm).

use std::cell::Cell;
use std::sync::Arc;

use rsgi_core::alias::{
    Alias, Pattern, match_prefix, push_prefix_target, push_regex_target, split_prefix_target,
};
use rsgi_core::environ::Decimal;
use rsgi_core::options::Mount;

use super::Rsgi;
use super::directives::ServerConfig;
use crate::httpd::{Regex, Request, Verdict};

/// The note that names the alias of a request: its place among the server's. A note survives httpd's fast
/// redirects (mod_dir, mod_negotiation), which a request's own slot would not.
const ALIAS_NOTE: &std::ffi::CStr = c"mod_rsgi.alias";

thread_local! {
    /// The memory of the last request's path, for the next one on the thread.
    static PATH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Answers httpd's `translate_name` hook.
pub(super) fn translate_name(request: Request<'_>) -> Verdict {
    try_translate(request).unwrap_or(Verdict::Declined)
}

fn try_translate(request: Request<'_>) -> Option<Verdict> {
    let config = request.server()?.config::<Rsgi>()?;
    if config.options.aliases.is_empty() {
        return None;
    }
    // `OPTIONS *` and proxy requests have no path.
    let uri = request.uri().filter(|uri| uri.starts_with(b"/"))?;
    let mut path = PATH.take();
    let verdict = map(request, config, uri, &mut path);
    PATH.set(path);
    verdict
}

/// Finds the alias that takes the URI, and says so to httpd.
fn map<'r>(
    request: Request<'r>,
    config: &ServerConfig,
    uri: &[u8],
    path: &mut Vec<u8>,
) -> Option<Verdict> {
    let place = config
        .options
        .aliases
        .iter()
        .position(|mount| maps(mount, uri, path))?;
    let pool = request.pool()?;
    let notes = request.notes()?;
    // One look at the script instead of one at each folder above it, which httpd takes to find where it ends.
    let is_script = parts(&config.options.aliases[place], path)
        .is_some_and(|(script, rest)| request.set_script(pool.copy_c(script), pool.copy_c(rest)));
    if !is_script {
        request.set_filename(pool.copy_c(path));
    }
    request.set_handler(super::handler::SCRIPT_HANDLER);
    // httpd: mod_alias leaves this note for ScriptAlias, so that others see a script whatever the file's type.
    notes.set(c"alias-forced-type", super::handler::SCRIPT_HANDLER);
    let number = Decimal::new(u32::try_from(place).ok()?);
    notes.set(ALIAS_NOTE, pool.copy_c(number.as_bytes()));
    Some(Verdict::Ok)
}

/// Whether the mount takes the URI; its file is then in `path`.
fn maps(mount: &Mount<Arc<Regex>>, uri: &[u8], path: &mut Vec<u8>) -> bool {
    path.clear();
    let alias = &mount.alias;
    match (&alias.pattern, &mount.regex) {
        (Pattern::Prefix(prefix), _) => match match_prefix(prefix, uri) {
            Some(matched) => {
                push_prefix_target(&alias.target, prefix, uri, matched, path);
                true
            }
            None => false,
        },
        (Pattern::Regex(_), Some(regex)) => regex
            .captures(uri)
            .and_then(|captures| push_regex_target(&alias.target, uri, &captures, path))
            .is_some(),
        (Pattern::Regex(_), None) => false,
    }
}

/// The script and what follows it, where the alias alone tells.
fn parts<'p>(mount: &Mount<Arc<Regex>>, path: &'p [u8]) -> Option<(&'p [u8], &'p [u8])> {
    match mount.alias.pattern {
        Pattern::Prefix(_) => split_prefix_target(&mount.alias.target, path),
        Pattern::Regex(_) => None,
    }
}

/// The alias that brought the request to its file.
pub(super) fn alias_of<'r>(request: Request<'r>, config: &'r ServerConfig) -> Option<&'r Alias> {
    let note = request.notes()?.first(ALIAS_NOTE)?;
    let place: usize = note.to_str().ok()?.parse().ok()?;
    config.options.aliases.get(place).map(|mount| &*mount.alias)
}
