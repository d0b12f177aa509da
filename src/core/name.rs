//! Well-known environ keys and their ids.
//!
//! A request's environ names the same few dozen keys again and again; both sides of the bridge (and later both
//! ends of the wire) know them by number, so that nobody spells, hashes or interns them per request. Unknown
//! keys travel spelled. The order is part of the ABI: append only.

/// Index into [`NAMES`]; 0 means "spelled".
pub type NameId = u32;

/// Ids of the keys that the code names.
pub mod id {
    use super::NameId;

    /// `SERVER_SOFTWARE`
    pub const SERVER_SOFTWARE: NameId = 1;
    /// `SERVER_NAME`
    pub const SERVER_NAME: NameId = 2;
    /// `SERVER_ADDR`
    pub const SERVER_ADDR: NameId = 3;
    /// `SERVER_PORT`
    pub const SERVER_PORT: NameId = 4;
    /// `SERVER_ADMIN`
    pub const SERVER_ADMIN: NameId = 5;
    /// `SERVER_PROTOCOL`
    pub const SERVER_PROTOCOL: NameId = 6;
    /// `REMOTE_ADDR`
    pub const REMOTE_ADDR: NameId = 7;
    /// `REMOTE_PORT`
    pub const REMOTE_PORT: NameId = 8;
    /// `REMOTE_USER`
    pub const REMOTE_USER: NameId = 9;
    /// `AUTH_TYPE`
    pub const AUTH_TYPE: NameId = 10;
    /// `DOCUMENT_ROOT`
    pub const DOCUMENT_ROOT: NameId = 11;
    /// `CONTEXT_PREFIX`
    pub const CONTEXT_PREFIX: NameId = 12;
    /// `CONTEXT_DOCUMENT_ROOT`
    pub const CONTEXT_DOCUMENT_ROOT: NameId = 13;
    /// `REQUEST_SCHEME`
    pub const REQUEST_SCHEME: NameId = 14;
    /// `SCRIPT_FILENAME`
    pub const SCRIPT_FILENAME: NameId = 15;
    /// `REDIRECT_URL`
    pub const REDIRECT_URL: NameId = 16;
    /// `REDIRECT_QUERY_STRING`
    pub const REDIRECT_QUERY_STRING: NameId = 17;
    /// `REDIRECT_STATUS`
    pub const REDIRECT_STATUS: NameId = 18;
    /// `REQUEST_METHOD`
    pub const REQUEST_METHOD: NameId = 19;
    /// `QUERY_STRING`
    pub const QUERY_STRING: NameId = 20;
    /// `REQUEST_URI`
    pub const REQUEST_URI: NameId = 21;
    /// `SCRIPT_NAME`
    pub const SCRIPT_NAME: NameId = 22;
    /// `PATH_INFO`
    pub const PATH_INFO: NameId = 23;
    /// `CONTENT_TYPE`
    pub const CONTENT_TYPE: NameId = 24;
    /// `CONTENT_LENGTH`
    pub const CONTENT_LENGTH: NameId = 25;
    /// `UNIQUE_ID`
    pub const UNIQUE_ID: NameId = 26;
    /// `mod_wsgi.process_group`
    pub const MOD_WSGI_PROCESS_GROUP: NameId = 27;
    /// `mod_wsgi.application_group`
    pub const MOD_WSGI_APPLICATION_GROUP: NameId = 28;
    /// `mod_wsgi.callable_object`
    pub const MOD_WSGI_CALLABLE_OBJECT: NameId = 29;
    /// `mod_wsgi.request_handler`
    pub const MOD_WSGI_REQUEST_HANDLER: NameId = 30;
    /// `mod_wsgi.handler_script`
    pub const MOD_WSGI_HANDLER_SCRIPT: NameId = 31;
    /// `mod_wsgi.script_name`
    pub const MOD_WSGI_SCRIPT_NAME: NameId = 32;
    /// `mod_wsgi.path_info`
    pub const MOD_WSGI_PATH_INFO: NameId = 33;
    /// `mod_wsgi.mount_point`
    pub const MOD_WSGI_MOUNT_POINT: NameId = 34;
    /// `mod_wsgi.listener_host`
    pub const MOD_WSGI_LISTENER_HOST: NameId = 35;
    /// `mod_wsgi.listener_port`
    pub const MOD_WSGI_LISTENER_PORT: NameId = 36;
    /// `mod_wsgi.server_pid`
    pub const MOD_WSGI_SERVER_PID: NameId = 37;
    /// `mod_wsgi.request_id`
    pub const MOD_WSGI_REQUEST_ID: NameId = 38;
    /// `mod_wsgi.connection_id`
    pub const MOD_WSGI_CONNECTION_ID: NameId = 39;
}

/// Every well-known key; the index is its [`NameId`]. Index 0 is unused.
pub const NAMES: [&str; 92] = [
    "",
    "SERVER_SOFTWARE",
    "SERVER_NAME",
    "SERVER_ADDR",
    "SERVER_PORT",
    "SERVER_ADMIN",
    "SERVER_PROTOCOL",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "REMOTE_USER",
    "AUTH_TYPE",
    "DOCUMENT_ROOT",
    "CONTEXT_PREFIX",
    "CONTEXT_DOCUMENT_ROOT",
    "REQUEST_SCHEME",
    "SCRIPT_FILENAME",
    "REDIRECT_URL",
    "REDIRECT_QUERY_STRING",
    "REDIRECT_STATUS",
    "REQUEST_METHOD",
    "QUERY_STRING",
    "REQUEST_URI",
    "SCRIPT_NAME",
    "PATH_INFO",
    "CONTENT_TYPE",
    "CONTENT_LENGTH",
    "UNIQUE_ID",
    "mod_wsgi.process_group",
    "mod_wsgi.application_group",
    "mod_wsgi.callable_object",
    "mod_wsgi.request_handler",
    "mod_wsgi.handler_script",
    "mod_wsgi.script_name",
    "mod_wsgi.path_info",
    "mod_wsgi.mount_point",
    "mod_wsgi.listener_host",
    "mod_wsgi.listener_port",
    "mod_wsgi.server_pid",
    "mod_wsgi.request_id",
    "mod_wsgi.connection_id",
    "HTTP_HOST",
    "HTTP_USER_AGENT",
    "HTTP_ACCEPT",
    "HTTP_ACCEPT_ENCODING",
    "HTTP_ACCEPT_LANGUAGE",
    "HTTP_ACCEPT_CHARSET",
    "HTTP_COOKIE",
    "HTTP_REFERER",
    "HTTP_CONNECTION",
    "HTTP_CACHE_CONTROL",
    "HTTP_ORIGIN",
    "HTTP_AUTHORIZATION",
    "HTTP_PROXY_AUTHORIZATION",
    "HTTP_IF_NONE_MATCH",
    "HTTP_IF_MODIFIED_SINCE",
    "HTTP_IF_MATCH",
    "HTTP_IF_UNMODIFIED_SINCE",
    "HTTP_IF_RANGE",
    "HTTP_RANGE",
    "HTTP_UPGRADE",
    "HTTP_VIA",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_FORWARDED_SERVER",
    "HTTP_X_REAL_IP",
    "HTTP_X_REQUESTED_WITH",
    "HTTP_PRAGMA",
    "HTTP_DNT",
    "HTTP_UPGRADE_INSECURE_REQUESTS",
    "HTTP_SEC_FETCH_SITE",
    "HTTP_SEC_FETCH_MODE",
    "HTTP_SEC_FETCH_USER",
    "HTTP_SEC_FETCH_DEST",
    "HTTP_SEC_CH_UA",
    "HTTP_SEC_CH_UA_MOBILE",
    "HTTP_SEC_CH_UA_PLATFORM",
    "HTTP_TE",
    "HTTP_TRAILER",
    "HTTP_TRANSFER_ENCODING",
    "HTTP_EXPECT",
    "HTTP_KEEP_ALIVE",
    "HTTP_PRIORITY",
    "HTTP_FORWARDED",
    "HTTP_X_REQUEST_ID",
    "HTTP_TRACEPARENT",
    "HTTP_TRACESTATE",
    "HTTP_X_CSRFTOKEN",
    "HTTP_ACCEPT_DATETIME",
    "HTTP_FROM",
    "HTTP_MAX_FORWARDS",
];

/// The first id that stands for a request header.
pub const FIRST_HEADER: NameId = 40;

/// The id of the `HTTP_*` key for a request header, compared without case, if it is a well-known one.
#[must_use]
pub fn header_id(header: &[u8]) -> Option<NameId> {
    let candidates = HEADERS_BY_LENGTH.get(header.len())?;
    candidates
        .iter()
        .find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(header))
        .map(|&(_, id)| id)
}

/// Header names and the ids of their keys, indexed by the length of the name.
const HEADERS_BY_LENGTH: [&[(&str, NameId)]; 26] = [
    &[],
    &[],
    &[("te", 78)],
    &[("via", 60), ("dnt", 69)],
    &[("host", 40), ("from", 90)],
    &[("range", 58)],
    &[
        ("accept", 42),
        ("cookie", 46),
        ("origin", 50),
        ("pragma", 68),
        ("expect", 81),
    ],
    &[("referer", 47), ("upgrade", 59), ("trailer", 79)],
    &[("if-match", 55), ("if-range", 57), ("priority", 83)],
    &[("x-real-ip", 66), ("sec-ch-ua", 75), ("forwarded", 84)],
    &[
        ("user-agent", 41),
        ("connection", 48),
        ("keep-alive", 82),
        ("tracestate", 87),
    ],
    &[("traceparent", 86), ("x-csrftoken", 88)],
    &[("x-request-id", 85), ("max-forwards", 91)],
    &[
        ("cache-control", 49),
        ("authorization", 51),
        ("if-none-match", 53),
    ],
    &[
        ("accept-charset", 45),
        ("sec-fetch-site", 71),
        ("sec-fetch-mode", 72),
        ("sec-fetch-user", 73),
        ("sec-fetch-dest", 74),
    ],
    &[
        ("accept-encoding", 43),
        ("accept-language", 44),
        ("x-forwarded-for", 61),
        ("accept-datetime", 89),
    ],
    &[
        ("x-forwarded-host", 62),
        ("x-forwarded-port", 64),
        ("x-requested-with", 67),
        ("sec-ch-ua-mobile", 76),
    ],
    &[
        ("if-modified-since", 54),
        ("x-forwarded-proto", 63),
        ("transfer-encoding", 80),
    ],
    &[("x-forwarded-server", 65), ("sec-ch-ua-platform", 77)],
    &[("proxy-authorization", 52), ("if-unmodified-since", 56)],
    &[],
    &[],
    &[],
    &[],
    &[],
    &[("upgrade-insecure-requests", 70)],
];

/// Appends the environ key of a request header (`X-Foo` is `HTTP_X_FOO`), or returns false and appends nothing
/// when the name has other characters than letters, digits and `-`: such headers never reach the environ, since
/// two of them could not be told apart there (`X-Foo` and `X_Foo`).
pub fn push_header_key(header: &[u8], key: &mut Vec<u8>) -> bool {
    if header.is_empty()
        || !header
            .iter()
            .all(|&b| b.is_ascii_alphanumeric() || b == b'-')
    {
        return false;
    }
    key.extend_from_slice(b"HTTP_");
    key.extend(header.iter().map(|&b| {
        if b == b'-' {
            b'_'
        } else {
            b.to_ascii_uppercase()
        }
    }));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_agree() {
        assert_eq!(NAMES[id::SERVER_SOFTWARE as usize], "SERVER_SOFTWARE");
        assert_eq!(NAMES[id::UNIQUE_ID as usize], "UNIQUE_ID");
        assert_eq!(
            NAMES[id::MOD_WSGI_CONNECTION_ID as usize],
            "mod_wsgi.connection_id"
        );
        assert!(
            NAMES[FIRST_HEADER as usize..]
                .iter()
                .all(|name| name.starts_with("HTTP_"))
        );
        assert!(
            NAMES[..FIRST_HEADER as usize]
                .iter()
                .all(|name| !name.starts_with("HTTP_"))
        );
    }

    #[test]
    fn names_are_unique() {
        let mut names = NAMES.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), NAMES.len());
    }

    #[test]
    fn every_known_header_maps_to_the_key_that_spelling_it_gives() {
        for (header, id) in HEADERS_BY_LENGTH.iter().copied().flatten() {
            let mut key = Vec::new();
            assert!(push_header_key(header.as_bytes(), &mut key));
            assert_eq!(key, NAMES[*id as usize].as_bytes());
            assert_eq!(header_id(header.to_uppercase().as_bytes()), Some(*id));
        }
    }

    #[test]
    fn a_header_with_an_underscore_never_becomes_a_key() {
        let mut key = Vec::new();
        for header in [&b"X_Foo"[..], b"", b"X Foo", b"X\xe9"] {
            assert!(!push_header_key(header, &mut key));
            assert!(key.is_empty());
        }
    }
}
