//! The rules by which a request's facts become entries.

use memchr::memchr3;

use super::{Decimal, Facts, KnownSet, Source, path};
use crate::name::{FIRST_HEADER, NAMES, NameId, header_id, id, push_header_key};
use crate::proxy::{self, Trust};

/// `WSGIMapHEADToGET`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeadMapping {
    /// Always: applications never see HEAD.
    On,
    /// Never.
    Off,
    /// Where a filter wants to see the body, for instance to compress it.
    #[default]
    Auto,
}

/// How a request's facts are to be collected, and what was decided about it before.
#[derive(Clone, Copy, Debug, Default)]
pub struct CollectOptions<'a> {
    /// `WSGIPassAuthorization`
    pub pass_authorization: bool,
    /// Core's `CGIPassAuth On`: passes Authorization and Proxy-Authorization.
    pub cgi_pass_auth: bool,
    /// `WSGIMapHEADToGET`
    pub head_mapping: HeadMapping,
    /// Core's `CGIVar REQUEST_URI current-uri`.
    pub current_uri: bool,
    /// `WSGITrustedProxyHeaders` and `WSGITrustedProxies`
    pub trust: Trust<'a>,
    /// Keys that [`collect_constants`] gave for the same server.
    pub constants: KnownSet,
    /// Where the request runs; left out where the constants have it.
    pub process_group: &'a [u8],
    /// The Apache child's process id, in decimal; left out where the constants have it.
    pub server_pid: &'a [u8],
    /// The interpreter's name.
    pub application_group: &'a [u8],
    /// The callable's name.
    pub callable_object: &'a [u8],
    /// The Apache handler's name.
    pub request_handler: &'a [u8],
    /// The handler script, or empty.
    pub handler_script: &'a [u8],
}

/// Facts of a server and process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServerFacts<'a> {
    /// The server's banner.
    pub software: &'a [u8],
    /// `ServerAdmin`, if set.
    pub admin: Option<&'a [u8]>,
    /// The process group, where all requests that use these constants have the same.
    pub process_group: Option<&'a [u8]>,
    /// The Apache child's process id, in decimal; left out where the requests of several children share what is
    /// made of these constants.
    pub pid: Option<&'a [u8]>,
}

/// Adds the entries that are the same for all requests of a server in a process.
pub fn collect_constants<'a>(server: &ServerFacts<'a>, facts: &mut Facts<'a>) {
    facts.push(id::SERVER_SOFTWARE, server.software);
    facts.push_some(id::SERVER_ADMIN, server.admin);
    facts.push_some(id::MOD_WSGI_PROCESS_GROUP, server.process_group);
    facts.push_some(id::MOD_WSGI_SERVER_PID, server.pid);
}

/// Adds a request's entries.
pub fn collect<'a, S: Source<'a>>(source: &S, options: &CollectOptions<'a>, facts: &mut Facts<'a>) {
    facts.https = source.is_https();
    facts.head = source.is_head();
    add_variables(source, options.constants, facts);
    add_headers(source, options, facts);
    let server_port = add_connection(source, facts);
    add_mapping(source, facts);
    add_user(source, facts);
    let (script_name, path_info) = add_request(source, options, facts);
    facts.push(id::MOD_WSGI_SCRIPT_NAME, script_name);
    facts.push(id::MOD_WSGI_PATH_INFO, path_info);
    add_module(source, options, server_port, facts);
    if !options.trust.headers.is_empty() {
        proxy::apply(source, options.trust, facts);
    }
}

/// What the environ of access control says besides the request.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccessFacts<'a> {
    /// Banner, administrator, process group and id.
    pub server: ServerFacts<'a>,
    /// The footer of the server's own pages.
    pub signature: &'a [u8],
    /// The client's name, where it was looked up.
    pub remote_host: Option<&'a [u8]>,
    /// The interpreter's name.
    pub application_group: &'a [u8],
    /// Core's `CGIVar REQUEST_URI current-uri`.
    pub current_uri: bool,
}

/// Adds what a script for access control is told of a request. Credentials and SetEnv's variables are none of it.
pub fn collect_access<'a, S: Source<'a>>(
    source: &S,
    access: &AccessFacts<'a>,
    facts: &mut Facts<'a>,
) {
    let options = CollectOptions {
        head_mapping: HeadMapping::Off,
        current_uri: access.current_uri,
        ..CollectOptions::default()
    };
    add_headers(source, &options, facts);
    collect_constants(&access.server, facts);
    facts.push_spelled(b"SERVER_SIGNATURE", access.signature);
    add_connection(source, facts);
    if let Some(name) = access.remote_host {
        facts.push_spelled(b"REMOTE_HOST", name);
    }
    facts.push_some(id::DOCUMENT_ROOT, source.document_root());
    add_request(source, &options, facts);
    facts.push(id::MOD_WSGI_APPLICATION_GROUP, access.application_group);
}

/// The ids of the headers that carry credentials.
const HTTP_AUTHORIZATION: NameId = 51;
const HTTP_PROXY_AUTHORIZATION: NameId = 52;

/// Variables that never get into an environ, compared without case as httpd's tables are: the search paths of the
/// server's own process say nothing to an application.
const DROPPED: [&[u8]; 5] = [
    b"PATH",
    b"LD_LIBRARY_PATH",
    b"DYLD_LIBRARY_PATH",
    b"LIBPATH",
    b"SHLIB_PATH",
];

/// Keys that the Python layer makes itself, so that SetEnv cannot put text in their place.
const LAYER_KEYS: [&[u8]; 17] = [
    b"wsgi.version",
    b"wsgi.url_scheme",
    b"wsgi.multithread",
    b"wsgi.multiprocess",
    b"wsgi.run_once",
    b"wsgi.input",
    b"wsgi.input_terminated",
    b"wsgi.errors",
    b"wsgi.file_wrapper",
    b"apache.version",
    b"apache.request_rec",
    b"mod_wsgi.version",
    b"mod_wsgi.thread_id",
    b"mod_wsgi.request_start",
    b"mod_wsgi.queue_start",
    b"mod_wsgi.daemon_start",
    b"mod_wsgi.application_start",
];

fn add_variables<'a, S: Source<'a>>(source: &S, constants: KnownSet, facts: &mut Facts<'a>) {
    for (key, value) in source.variables() {
        if key.eq_ignore_ascii_case(b"HTTPS") {
            // mod_wsgi: the variable is consumed; mod_ssl's own word about the connection stands above it.
            facts.https = source.is_https() || value == b"1" || value.eq_ignore_ascii_case(b"on");
            continue;
        }
        match variable_id(key) {
            Some(id) if constants.contains(id) => {}
            Some(id) => facts.push(id, value),
            None if DROPPED.iter().any(|name| name.eq_ignore_ascii_case(key)) => {}
            None if is_layer_key(key) => {}
            None => facts.push_spelled(key, value),
        }
    }
}

fn is_layer_key(key: &[u8]) -> bool {
    // Nearly every variable begins with a capital, so that most need no look at the list.
    key.first().is_some_and(u8::is_ascii_lowercase) && LAYER_KEYS.contains(&key)
}

/// The id of a well-known key that is no request header.
fn variable_id(key: &[u8]) -> Option<NameId> {
    let place = NAMES[1..FIRST_HEADER as usize]
        .iter()
        .position(|name| name.as_bytes() == key)?;
    NameId::try_from(place + 1).ok()
}

fn add_headers<'a, S: Source<'a>>(source: &S, options: &CollectOptions<'a>, facts: &mut Facts<'a>) {
    for (header, value) in source.headers() {
        match header_id(header) {
            Some(id) if may_pass(id, options) => facts.push(id, value),
            Some(_) => {}
            None => add_other_header(source, header, value, facts),
        }
    }
}

/// Whether a well-known header may reach the application: credentials only where the configuration says so.
fn may_pass(id: NameId, options: &CollectOptions<'_>) -> bool {
    match id {
        HTTP_AUTHORIZATION => options.pass_authorization || options.cgi_pass_auth,
        HTTP_PROXY_AUTHORIZATION => options.cgi_pass_auth,
        _ => true,
    }
}

fn add_other_header<'a, S: Source<'a>>(
    source: &S,
    header: &'a [u8],
    value: &'a [u8],
    facts: &mut Facts<'a>,
) {
    match header.len() {
        12 if header.eq_ignore_ascii_case(b"Content-Type") => facts.push(id::CONTENT_TYPE, value),
        14 if header.eq_ignore_ascii_case(b"Content-Length") => {
            facts.push(id::CONTENT_LENGTH, value);
        }
        // Programs take a variable HTTP_PROXY for their own proxy setting (httpoxy).
        5 if header.eq_ignore_ascii_case(b"Proxy") => {}
        _ => {
            facts.key.clear();
            if push_header_key(header, &mut facts.key) {
                let key = source.copy(&facts.key);
                facts.push_spelled(key, value);
            }
        }
    }
}

/// Gives the server's port back.
fn add_connection<'a, S: Source<'a>>(source: &S, facts: &mut Facts<'a>) -> &'a [u8] {
    let server_port = port(source, source.server_port());
    facts.push(id::SERVER_NAME, escape_html(source, source.server_name()));
    facts.push(id::SERVER_ADDR, source.server_addr());
    facts.push(id::SERVER_PORT, server_port);
    facts.push(id::SERVER_PROTOCOL, source.protocol());
    facts.push(id::REMOTE_ADDR, source.remote_addr());
    facts.push(id::REMOTE_PORT, port(source, source.remote_port()));
    server_port
}

fn add_mapping<'a, S: Source<'a>>(source: &S, facts: &mut Facts<'a>) {
    facts.push(id::REQUEST_SCHEME, source.scheme());
    facts.push(id::SCRIPT_FILENAME, source.filename());
    facts.push_some(id::DOCUMENT_ROOT, source.document_root());
    facts.push_some(id::CONTEXT_PREFIX, source.context_prefix());
    facts.push_some(id::CONTEXT_DOCUMENT_ROOT, source.context_document_root());
}

fn add_user<'a, S: Source<'a>>(source: &S, facts: &mut Facts<'a>) {
    let user = source.user();
    facts.push_some(id::REMOTE_USER, user);
    facts.push_some(id::AUTH_TYPE, source.auth_type());
    let Some(previous) = source.previous() else {
        return;
    };
    if let (None, Some(earlier)) = (user, previous.user) {
        facts.push_spelled(b"REDIRECT_REMOTE_USER", earlier);
    }
    facts.push_some(id::REDIRECT_URL, previous.url);
    facts.push_some(id::REDIRECT_QUERY_STRING, previous.query);
}

/// Gives SCRIPT_NAME and PATH_INFO back.
fn add_request<'a, S: Source<'a>>(
    source: &S,
    options: &CollectOptions<'a>,
    facts: &mut Facts<'a>,
) -> (&'a [u8], &'a [u8]) {
    let maps_head = source.is_head()
        && match options.head_mapping {
            HeadMapping::On => true,
            HeadMapping::Off => false,
            HeadMapping::Auto => source.has_content_filter(),
        };
    let method = if maps_head { b"GET" } else { source.method() };
    facts.push(id::REQUEST_METHOD, method);
    facts.push(id::QUERY_STRING, source.query().unwrap_or_default());
    let uri = if options.current_uri {
        source.uri()
    } else {
        requested_uri(source.request_line())
    };
    facts.push(id::REQUEST_URI, uri);
    let (script_name, path_info) = (source.uri(), source.path_info());
    // A page that mod_include puts together lends its own path to what it includes.
    let script_name = if source.protocol() == b"INCLUDED" {
        script_name
    } else {
        path::split_path(script_name, path_info)
    };
    let script_name = collapse(source, script_name);
    let path_info = collapse(source, path_info);
    facts.push(id::SCRIPT_NAME, script_name);
    facts.push(id::PATH_INFO, path_info);
    (script_name, path_info)
}

fn add_module<'a, S: Source<'a>>(
    source: &S,
    options: &CollectOptions<'a>,
    server_port: &'a [u8],
    facts: &mut Facts<'a>,
) {
    if !options.constants.contains(id::MOD_WSGI_PROCESS_GROUP) {
        facts.push(id::MOD_WSGI_PROCESS_GROUP, options.process_group);
    }
    if !options.constants.contains(id::MOD_WSGI_SERVER_PID) {
        facts.push(id::MOD_WSGI_SERVER_PID, options.server_pid);
    }
    facts.push(id::MOD_WSGI_APPLICATION_GROUP, options.application_group);
    facts.push(id::MOD_WSGI_CALLABLE_OBJECT, options.callable_object);
    facts.push(id::MOD_WSGI_REQUEST_HANDLER, options.request_handler);
    facts.push(id::MOD_WSGI_HANDLER_SCRIPT, options.handler_script);
    let host = source.listener_host().unwrap_or_default();
    facts.push(id::MOD_WSGI_LISTENER_HOST, host);
    // Mostly the port that the client thinks of.
    let listener_port = match source.listener_port() {
        number if number == source.server_port() => server_port,
        number => port(source, number),
    };
    facts.push(id::MOD_WSGI_LISTENER_PORT, listener_port);
    facts.push_some(id::MOD_WSGI_REQUEST_ID, source.request_id());
    facts.push_some(id::MOD_WSGI_CONNECTION_ID, source.connection_id());
}

/// The second word of the request line.
fn requested_uri(line: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let blank = line.iter().position(is_blank).unwrap_or(line.len());
    let rest = line[blank..].trim_ascii_start();
    let end = rest.iter().position(is_blank).unwrap_or(rest.len());
    &rest[..end]
}

fn port<'a, S: Source<'a>>(source: &S, number: u16) -> &'a [u8] {
    match number {
        80 => b"80",
        443 => b"443",
        _ => source.copy(Decimal::new(u32::from(number)).as_bytes()),
    }
}

fn collapse<'a, S: Source<'a>>(source: &S, path: &'a [u8]) -> &'a [u8] {
    if !path::has_runs(path) {
        return path;
    }
    let mut out = Vec::with_capacity(path.len());
    path::push_collapsed(path, &mut out);
    source.copy(&out)
}

/// A Host header may reach SERVER_NAME, and SERVER_NAME the pages of careless applications.
fn escape_html<'a, S: Source<'a>>(source: &S, text: &'a [u8]) -> &'a [u8] {
    let is_clean = memchr3(b'<', b'>', b'&', text).is_none() && !text.contains(&b'"');
    if is_clean {
        return text;
    }
    let mut out = Vec::with_capacity(text.len() + 16);
    for &byte in text {
        match byte {
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            _ => out.push(byte),
        }
    }
    source.copy(&out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_with_credentials_have_these_ids() {
        assert_eq!(NAMES[HTTP_AUTHORIZATION as usize], "HTTP_AUTHORIZATION");
        let name = NAMES[HTTP_PROXY_AUTHORIZATION as usize];
        assert_eq!(name, "HTTP_PROXY_AUTHORIZATION");
    }

    #[test]
    fn the_requested_uri_is_the_second_word_of_the_request_line() {
        for (line, expected) in [
            ("GET /a?b HTTP/1.1", "/a?b"),
            ("GET  /a", "/a"),
            ("GET", ""),
            ("", ""),
            ("GET //a%20b HTTP/1.0", "//a%20b"),
        ] {
            assert_eq!(requested_uri(line.as_bytes()), expected.as_bytes());
        }
    }
}
