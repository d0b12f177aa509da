//! The environ's rules, over a request made of plain values.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::name::NAMES;

mod access;
pub(crate) mod fake;
mod variables;

use fake::{Fake, fake};

fn options() -> CollectOptions<'static> {
    CollectOptions {
        application_group: b"example.org|/app",
        callable_object: b"application",
        request_handler: b"wsgi-script",
        server_pid: b"7",
        ..CollectOptions::default()
    }
}

fn collected(source: &Fake, options: &CollectOptions<'static>) -> Facts<'static> {
    let mut facts = Facts::new();
    collect(source, options, &mut facts);
    facts
}

/// The environ that the Python layer makes of it.
fn dict<'f>(parts: impl IntoIterator<Item = &'f Facts<'static>>) -> BTreeMap<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let facts = parts.into_iter().flat_map(|facts| &facts.entries);
    facts
        .map(|fact| match fact.key {
            Key::Known(id) => (NAMES[id as usize].to_owned(), text(fact.value)),
            Key::Spelled(key) => (text(key), text(fact.value)),
        })
        .collect()
}

fn environ(source: &Fake) -> BTreeMap<String, String> {
    dict([&collected(source, &options())])
}

#[track_caller]
fn assert_value(environ: &BTreeMap<String, String>, key: &str, expected: Option<&str>) {
    assert_eq!(environ.get(key).map(String::as_str), expected, "{key}");
}

#[test]
fn a_plain_request_has_exactly_these_keys() {
    let expected = [
        ("CONTEXT_DOCUMENT_ROOT", "/var/www"),
        ("CONTEXT_PREFIX", ""),
        ("DOCUMENT_ROOT", "/var/www"),
        ("HTTP_HOST", "example.org"),
        ("PATH_INFO", "/a b"),
        ("QUERY_STRING", "x=1"),
        ("REMOTE_ADDR", "192.0.2.9"),
        ("REMOTE_PORT", "50123"),
        ("REQUEST_METHOD", "GET"),
        ("REQUEST_SCHEME", "http"),
        ("REQUEST_URI", "/app/a%20b?x=1"),
        ("SCRIPT_FILENAME", "/srv/app.wsgi"),
        ("SCRIPT_NAME", "/app"),
        ("SERVER_ADDR", "192.0.2.1"),
        ("SERVER_NAME", "example.org"),
        ("SERVER_PORT", "80"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("mod_wsgi.application_group", "example.org|/app"),
        ("mod_wsgi.callable_object", "application"),
        ("mod_wsgi.handler_script", ""),
        ("mod_wsgi.listener_host", ""),
        ("mod_wsgi.listener_port", "8080"),
        ("mod_wsgi.path_info", "/a b"),
        ("mod_wsgi.process_group", ""),
        ("mod_wsgi.request_handler", "wsgi-script"),
        ("mod_wsgi.request_id", "id1"),
        ("mod_wsgi.script_name", "/app"),
        ("mod_wsgi.server_pid", "7"),
    ];
    let request = Fake {
        headers: vec![("Host", "example.org")],
        ..fake()
    };
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(environ(&request), BTreeMap::from(expected));
    // REMOTE_PORT and the listener's port; everything else is borrowed.
    assert_eq!(request.copies.get(), 2);
}

#[test]
fn headers_become_keys_but_for_those_that_may_not() {
    let request = Fake {
        headers: vec![
            ("accept", "a/b, c/d"),
            ("X-Custom-1", "v"),
            ("X_Custom_1", "smuggled"),
            ("X.Dot", "no"),
            ("Proxy", "http://evil/"),
            ("CONTENT-type", "text/plain"),
            ("content-Length", "12"),
            ("Empty", ""),
            ("Content-Type-2", "x"),
        ],
        ..fake()
    };
    let environ = environ(&request);
    assert_value(&environ, "HTTP_ACCEPT", Some("a/b, c/d"));
    assert_value(&environ, "HTTP_X_CUSTOM_1", Some("v"));
    assert_value(&environ, "CONTENT_TYPE", Some("text/plain"));
    assert_value(&environ, "CONTENT_LENGTH", Some("12"));
    assert_value(&environ, "HTTP_EMPTY", Some(""));
    assert_value(&environ, "HTTP_CONTENT_TYPE_2", Some("x"));
    for key in [
        "HTTP_PROXY",
        "HTTP_CONTENT_TYPE",
        "HTTP_CONTENT_LENGTH",
        "HTTP_X.DOT",
    ] {
        assert_value(&environ, key, None);
    }
}

#[test]
fn without_a_body_there_is_no_content_type_and_no_content_length() {
    let environ = environ(&fake());
    assert_value(&environ, "CONTENT_TYPE", None);
    assert_value(&environ, "CONTENT_LENGTH", None);
}

#[test]
fn https_is_consumed_and_decides_the_scheme() {
    for (value, is_ssl, expected) in [
        (None, false, false),
        (None, true, true),
        (Some("on"), false, true),
        (Some("ON"), false, true),
        (Some("1"), false, true),
        (Some("off"), false, false),
        (Some("yes"), false, false),
        (Some("off"), true, true),
    ] {
        let variables = value.map(|value| ("HTTPS", value)).into_iter().collect();
        let request = Fake {
            is_https: is_ssl,
            variables,
            ..fake()
        };
        let facts = collected(&request, &options());
        assert_eq!(facts.https, expected, "{value:?} {is_ssl}");
        assert_value(&dict([&facts]), "HTTPS", None);
    }
}

#[test]
fn slashes_are_collapsed_in_the_paths_but_not_in_the_request_uri() {
    let request = Fake {
        request_line: "GET //app///x//y HTTP/1.1",
        uri: "//app///x//y",
        path_info: "/x//y",
        ..fake()
    };
    let environ = environ(&request);
    for (key, value) in [
        ("SCRIPT_NAME", "/app"),
        ("PATH_INFO", "/x/y"),
        ("mod_wsgi.script_name", "/app"),
        ("mod_wsgi.path_info", "/x/y"),
        ("REQUEST_URI", "//app///x//y"),
    ] {
        assert_value(&environ, key, Some(value));
    }
}

#[test]
fn paths_and_query_are_there_even_when_empty() {
    let request = Fake {
        uri: "/x",
        path_info: "/x",
        query: None,
        ..fake()
    };
    let at_root = environ(&request);
    assert_value(&at_root, "SCRIPT_NAME", Some(""));
    assert_value(&at_root, "PATH_INFO", Some("/x"));
    assert_value(&at_root, "QUERY_STRING", Some(""));
    let request = Fake {
        uri: "/app",
        path_info: "",
        ..fake()
    };
    let no_tail = environ(&request);
    assert_value(&no_tail, "SCRIPT_NAME", Some("/app"));
    assert_value(&no_tail, "PATH_INFO", Some(""));
}

#[test]
fn an_included_page_keeps_its_own_script_name() {
    let request = Fake {
        protocol: "INCLUDED",
        uri: "/page/x",
        path_info: "/x",
        ..fake()
    };
    assert_value(&environ(&request), "SCRIPT_NAME", Some("/page/x"));
}

#[test]
fn the_request_uri_follows_cgivar() {
    let options = CollectOptions {
        current_uri: true,
        ..options()
    };
    let facts = collected(&fake(), &options);
    assert_value(&dict([&facts]), "REQUEST_URI", Some("/app/a b"));
}

#[test]
fn head_is_shown_as_get_where_it_is_mapped() {
    for (mapping, filter, expected) in [
        (HeadMapping::On, false, "GET"),
        (HeadMapping::On, true, "GET"),
        (HeadMapping::Auto, false, "HEAD"),
        (HeadMapping::Auto, true, "GET"),
        (HeadMapping::Off, false, "HEAD"),
        (HeadMapping::Off, true, "HEAD"),
    ] {
        let request = Fake {
            method: "HEAD",
            is_head: true,
            has_content_filter: filter,
            ..fake()
        };
        let options = CollectOptions {
            head_mapping: mapping,
            ..options()
        };
        let facts = collected(&request, &options);
        assert!(facts.head);
        assert_value(&dict([&facts]), "REQUEST_METHOD", Some(expected));
    }
}

#[test]
fn other_methods_are_never_mapped() {
    let request = Fake {
        method: "PURGE",
        has_content_filter: true,
        ..fake()
    };
    let options = CollectOptions {
        head_mapping: HeadMapping::On,
        ..options()
    };
    let facts = collected(&request, &options);
    assert!(!facts.head);
    assert_value(&dict([&facts]), "REQUEST_METHOD", Some("PURGE"));
}

#[test]
fn the_user_is_the_request_s_or_an_earlier_one_s() {
    let previous = Previous {
        url: Some(b"/before"),
        query: Some(b"q=1"),
        user: Some(b"ann"),
    };
    let alone = environ(&fake());
    for key in [
        "REMOTE_USER",
        "AUTH_TYPE",
        "REDIRECT_REMOTE_USER",
        "REDIRECT_URL",
    ] {
        assert_value(&alone, key, None);
    }
    let redirected = environ(&Fake {
        previous: Some(previous),
        ..fake()
    });
    assert_value(&redirected, "REMOTE_USER", None);
    assert_value(&redirected, "REDIRECT_REMOTE_USER", Some("ann"));
    assert_value(&redirected, "REDIRECT_URL", Some("/before"));
    assert_value(&redirected, "REDIRECT_QUERY_STRING", Some("q=1"));
    let both = environ(&Fake {
        user: Some("bob"),
        previous: Some(previous),
        ..fake()
    });
    assert_value(&both, "REMOTE_USER", Some("bob"));
    assert_value(&both, "AUTH_TYPE", Some("Basic"));
    assert_value(&both, "REDIRECT_REMOTE_USER", None);
}

#[test]
fn the_server_name_is_fit_for_a_page() {
    let request = Fake {
        server_name: "<a href=\"&\">",
        server_port: 8081,
        ..fake()
    };
    let environ = environ(&request);
    assert_value(
        &environ,
        "SERVER_NAME",
        Some("&lt;a href=&quot;&amp;&quot;&gt;"),
    );
    assert_value(&environ, "SERVER_PORT", Some("8081"));
}

#[test]
fn recycled_facts_are_empty_and_keep_their_memory() {
    let mut facts = collected(&fake(), &options());
    facts.https = true;
    let room = facts.entries.capacity();
    let facts: Facts<'_> = facts.recycle();
    assert!(facts.entries.is_empty());
    assert!(!facts.https);
    assert_eq!(facts.entries.capacity(), room);
}

proptest! {
    #[test]
    fn no_header_reaches_a_key_outside_of_http_but_the_two_of_the_body(
        name in "[A-Za-z0-9_. -]{0,14}",
    ) {
        let plain = environ(&fake());
        let name: &'static str = name.leak();
        let full = environ(&Fake { headers: vec![(name, "value")], ..fake() });
        let added: Vec<_> = full.keys().filter(|key| !plain.contains_key(*key)).collect();
        prop_assert!(added.len() <= 1);
        for key in added {
            let body = ["CONTENT_TYPE", "CONTENT_LENGTH"].contains(&key.as_str());
            prop_assert!(key.starts_with("HTTP_") || body, "{} gives {}", name, key);
        }
        for (key, value) in &plain {
            prop_assert_eq!(full.get(key), Some(value));
        }
    }

    #[test]
    fn any_variable_leaves_the_computed_keys_alone(name in "[A-Za-z_.]{1,20}") {
        let plain = environ(&fake());
        let name: &'static str = name.leak();
        let full = environ(&Fake { variables: vec![(name, "value")], ..fake() });
        for (key, value) in &plain {
            prop_assert_eq!(full.get(key), Some(value));
        }
    }
}
