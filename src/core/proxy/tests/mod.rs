//! Whose headers count, over facts made of plain values.

mod passing;

use proptest::prelude::*;

use super::*;
use crate::environ::test_support::{Fake, fake};
use crate::environ::{CollectOptions, Facts, Key, collect};
use crate::name::NAMES;

/// What the environ has after the headers were applied; keys in `shown` only, `-` where one is missing.
fn environ(
    headers: &[(&'static str, &'static str)],
    trusted: &str,
    proxies: Option<&str>,
    shown: &[&str],
) -> Vec<String> {
    let source = Fake {
        headers: headers.to_vec(),
        ..fake()
    };
    let trusted: Vec<TrustedHeader> = trusted
        .split_whitespace()
        .filter_map(|name| match HeaderName::parse(name.as_bytes()) {
            Some(HeaderName::Known(header)) => Some(header),
            _ => None,
        })
        .collect();
    let proxies: Option<Vec<Network>> = proxies.map(|proxies| {
        let networks = proxies.split_whitespace();
        networks
            .filter_map(|word| Network::parse(word.as_bytes()))
            .collect()
    });
    let options = CollectOptions {
        trust: Trust {
            headers: &trusted.leak()[..],
            proxies: proxies.map(|proxies| &*proxies.leak()),
        },
        ..CollectOptions::default()
    };
    let mut facts = Facts::new();
    collect(&source, &options, &mut facts);
    shown.iter().map(|key| find(&facts, key)).collect()
}

fn find(facts: &Facts<'_>, wanted: &str) -> String {
    if wanted == "scheme" {
        return if facts.https { "https" } else { "http" }.to_owned();
    }
    let value = facts.entries.iter().rfind(|fact| match fact.key {
        Key::Known(id) => NAMES[id as usize] == wanted,
        Key::Spelled(key) => key == wanted.as_bytes(),
    });
    value.map_or("-".to_owned(), |fact| {
        String::from_utf8_lossy(fact.value).into_owned()
    })
}

/// The peer that [`fake`] requests come from.
const PEER: &str = "192.0.2.9";

#[test]
fn keys_stand_in_the_order_of_the_headers() {
    for (place, (header, key)) in KEYS.iter().enumerate() {
        assert_eq!(*header as usize, place);
        assert_eq!(header.key(), *key);
    }
    assert_eq!(NAMES[61], "HTTP_X_FORWARDED_FOR");
    assert_eq!(NAMES[84], "HTTP_FORWARDED");
    assert_eq!(NAMES[40], "HTTP_HOST");
}

#[test]
fn header_names_are_known_in_any_case_and_have_no_other_letters() {
    let known = |name: &str| HeaderName::parse(name.as_bytes());
    assert_eq!(
        known("x-forwarded-FOR"),
        Some(HeaderName::Known(TrustedHeader::XForwardedFor))
    );
    assert_eq!(known("X-Custom"), Some(HeaderName::Other));
    for name in ["", "X_Forwarded_For", "X Forwarded", "X-Forwarded-For:"] {
        assert_eq!(known(name), None, "{name}");
    }
}

#[test]
fn headers_pass_untouched_where_none_is_trusted() {
    let headers = [
        ("X-Forwarded-For", "1.1.1.1"),
        ("X-Forwarded-Proto", "https"),
    ];
    let shown = [
        "REMOTE_ADDR",
        "HTTP_X_FORWARDED_FOR",
        "HTTP_X_FORWARDED_PROTO",
        "scheme",
    ];
    for trusted in ["", "X-Unheard-Of"] {
        let found = environ(&headers, trusted, Some("10.0.0.0/8"), &shown);
        assert_eq!(found, [PEER, "1.1.1.1", "https", "http"]);
    }
}

const EFFECTS: [(&str, &str, &str, &str); 32] = [
    (
        "X-Forwarded-For",
        "1.1.1.1, 2.2.2.2",
        "REMOTE_ADDR",
        "1.1.1.1",
    ),
    ("X-Client-IP", "1.1.1.1", "REMOTE_ADDR", "1.1.1.1"),
    ("X-Real-IP", "2001:db8::1", "REMOTE_ADDR", "2001:db8::1"),
    (
        "X-Forwarded-Host",
        "a.example:81",
        "HTTP_HOST",
        "a.example:81",
    ),
    ("X-Host", "a.example", "HTTP_HOST", "a.example"),
    ("X-Forwarded-Server", "front", "SERVER_NAME", "front"),
    ("X-Forwarded-Port", "8443", "SERVER_PORT", "8443"),
    ("X-Script-Name", "/mount", "SCRIPT_NAME", "/mount"),
    (
        "X-Forwarded-Script-Name",
        "/m",
        "mod_wsgi.mount_point",
        "/m",
    ),
    ("X-Script-Name", "", "SCRIPT_NAME", ""),
    ("X-Forwarded-Proto", "HTTPS", "scheme", "https"),
    ("X-Forwarded-Scheme", "https", "scheme", "https"),
    ("X-Scheme", "https", "scheme", "https"),
    ("X-Scheme", "gopher", "scheme", "http"),
    ("X-Forwarded-HTTPS", "on", "scheme", "https"),
    ("X-Forwarded-SSL", "True", "scheme", "https"),
    ("X-HTTPS", "1", "scheme", "https"),
    ("X-HTTPS", "off", "scheme", "http"),
    ("Forwarded", "for=1.1.1.1", "REMOTE_ADDR", "1.1.1.1"),
    (
        "Forwarded",
        "for=\"[2001:db8::1]:99\"",
        "REMOTE_ADDR",
        "2001:db8::1",
    ),
    ("Forwarded", "for=\"[2001:db8::1]:99\"", "REMOTE_PORT", "99"),
    ("Forwarded", "for=_hidden", "REMOTE_ADDR", "_hidden"),
    ("Forwarded", "for=unknown", "REMOTE_ADDR", "unknown"),
    ("Forwarded", "for=\"no node\"", "REMOTE_ADDR", "unknown"),
    (
        "Forwarded",
        "host=\"a.example:81\"",
        "HTTP_HOST",
        "a.example:81",
    ),
    ("Forwarded", "proto=https", "scheme", "https"),
    ("Forwarded", "proto=https", "REMOTE_ADDR", PEER),
    (
        "Forwarded",
        "by=\"203.0.113.43:8443\"",
        "SERVER_ADDR",
        "203.0.113.43",
    ),
    (
        "Forwarded",
        "by=\"203.0.113.43:8443\"",
        "SERVER_PORT",
        "8443",
    ),
    ("Forwarded", "by=_secret", "SERVER_ADDR", "192.0.2.1"),
    ("Forwarded", "", "REMOTE_ADDR", PEER),
    ("Forwarded", "for=\"", "REMOTE_ADDR", "unknown"),
];

#[test]
fn each_header_has_its_effect() {
    for (header, value, key, expected) in EFFECTS {
        for proxies in [None, Some("192.0.2.0/24")] {
            // Without trusted proxies the first of several addresses is believed.
            if proxies.is_some() && value.contains(',') {
                continue;
            }
            let found = environ(&[(header, value)], header, proxies, &[key]);
            assert_eq!(found, [expected], "{header}: {value}");
        }
    }
}

#[test]
fn original_paths_stay_in_keys_of_their_own() {
    let shown = [
        "SCRIPT_NAME",
        "PATH_INFO",
        "mod_wsgi.script_name",
        "mod_wsgi.path_info",
        "mod_wsgi.mount_point",
    ];
    let found = environ(
        &[("X-Script-Name", "/front")],
        "X-Script-Name",
        None,
        &shown,
    );
    assert_eq!(found, ["/front", "/a b", "/app", "/a b", "/front"]);
    let found = environ(&[], "X-Script-Name", None, &shown);
    assert_eq!(found, ["/app", "/a b", "/app", "/a b", "-"]);
}

#[test]
fn an_untrusted_peer_changes_nothing_and_its_headers_are_taken_out() {
    for (header, key) in [
        ("X-Forwarded-For", "HTTP_X_FORWARDED_FOR"),
        ("X-Client-IP", "HTTP_X_CLIENT_IP"),
        ("X-Real-IP", "HTTP_X_REAL_IP"),
        ("X-Forwarded-Host", "HTTP_X_FORWARDED_HOST"),
        ("X-Host", "HTTP_X_HOST"),
        ("X-Forwarded-Server", "HTTP_X_FORWARDED_SERVER"),
        ("X-Forwarded-Port", "HTTP_X_FORWARDED_PORT"),
        ("X-Script-Name", "HTTP_X_SCRIPT_NAME"),
        ("X-Forwarded-Script-Name", "HTTP_X_FORWARDED_SCRIPT_NAME"),
        ("X-Forwarded-Proto", "HTTP_X_FORWARDED_PROTO"),
        ("X-Forwarded-Scheme", "HTTP_X_FORWARDED_SCHEME"),
        ("X-Scheme", "HTTP_X_SCHEME"),
        ("X-Forwarded-HTTPS", "HTTP_X_FORWARDED_HTTPS"),
        ("X-Forwarded-SSL", "HTTP_X_FORWARDED_SSL"),
        ("X-HTTPS", "HTTP_X_HTTPS"),
        ("Forwarded", "HTTP_FORWARDED"),
    ] {
        for value in [
            "https",
            "on",
            "6.6.6.6",
            "for=6.6.6.6;host=evil;proto=https;by=\"6.6.6.6:6\"",
        ] {
            let shown = [
                key,
                "REMOTE_ADDR",
                "REMOTE_PORT",
                "HTTP_HOST",
                "SERVER_NAME",
                "SERVER_ADDR",
                "SERVER_PORT",
                "SCRIPT_NAME",
                "mod_wsgi.mount_point",
                "scheme",
            ];
            let headers = [(header, value), ("Host", "example.org")];
            let found = environ(&headers, header, Some("10.0.0.0/8 2001:db8::/32"), &shown);
            let expected = [
                "-",
                PEER,
                "50123",
                "example.org",
                "example.org",
                "192.0.2.1",
                "80",
                "/app",
                "-",
                "http",
            ];
            assert_eq!(found, expected, "{header}: {value}");
        }
    }
}

#[test]
fn other_headers_that_speak_of_the_same_are_taken_out() {
    let headers = [
        ("X-Forwarded-For", "1.1.1.1"),
        ("X-Client-IP", "6.6.6.6"),
        ("X-Real-IP", "6.6.6.6"),
        ("Forwarded", "for=6.6.6.6"),
        ("X-Forwarded-Host", "left.alone"),
        ("X-HTTPS", "on"),
    ];
    let shown = [
        "REMOTE_ADDR",
        "HTTP_X_FORWARDED_FOR",
        "HTTP_X_CLIENT_IP",
        "HTTP_X_REAL_IP",
        "HTTP_FORWARDED",
        "HTTP_X_FORWARDED_HOST",
        "HTTP_X_HTTPS",
        "scheme",
    ];
    let found = environ(&headers, "X-Forwarded-For", None, &shown);
    assert_eq!(
        found,
        [
            "1.1.1.1",
            "1.1.1.1",
            "-",
            "-",
            "-",
            "left.alone",
            "on",
            "http"
        ]
    );
    // A trusted proxy that did not send the header vouches for none of its kin.
    let found = environ(&headers[1..], "X-Forwarded-For", None, &shown);
    assert_eq!(
        found,
        [PEER, "-", "-", "-", "-", "left.alone", "on", "http"]
    );
    // The flag is of the same kind as the word.
    let found = environ(
        &headers,
        "X-Forwarded-Proto",
        None,
        &["HTTP_X_HTTPS", "scheme"],
    );
    assert_eq!(found, ["-", "http"]);
}

#[test]
fn the_later_of_two_headers_wins() {
    let headers = [("X-Forwarded-For", "1.1.1.1"), ("X-Real-IP", "2.2.2.2")];
    let shown = ["REMOTE_ADDR", "HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP"];
    let found = environ(&headers, "X-Forwarded-For X-Real-IP", None, &shown);
    assert_eq!(found, ["2.2.2.2", "-", "2.2.2.2"]);
    let found = environ(&headers, "X-Real-IP X-Forwarded-For", None, &shown);
    assert_eq!(found, ["1.1.1.1", "1.1.1.1", "-"]);
    // One that is not there leaves the earlier one its place.
    let found = environ(&headers[..1], "X-Forwarded-For X-Real-IP", None, &shown);
    assert_eq!(found, ["1.1.1.1", "1.1.1.1", "-"]);
    let headers = [("X-Forwarded-Host", "a"), ("Forwarded", "for=1.1.1.1")];
    let shown = [
        "REMOTE_ADDR",
        "HTTP_HOST",
        "HTTP_X_FORWARDED_HOST",
        "HTTP_FORWARDED",
    ];
    let found = environ(&headers, "X-Forwarded-Host Forwarded", None, &shown);
    assert_eq!(found, ["1.1.1.1", "a", "a", "for=1.1.1.1"]);
}

const ADDRESSES: [(&str, &str, &str); 9] = [
    ("1.1.1.1", "1.1.1.1", "1.1.1.1"),
    ("6.6.6.6, 1.1.1.1", "1.1.1.1", "1.1.1.1"),
    ("6.6.6.6, 1.1.1.1, 10.0.0.1", "1.1.1.1", "1.1.1.1, 10.0.0.1"),
    (
        "6.6.6.6,1.1.1.1 ,10.0.0.1,2001:db8::7",
        "1.1.1.1",
        "1.1.1.1, 10.0.0.1, 2001:db8::7",
    ),
    (
        "10.0.0.3, 10.0.0.2, 10.0.0.1",
        "10.0.0.3",
        "10.0.0.3, 10.0.0.2, 10.0.0.1",
    ),
    ("10.0.0.9, 6.6.6.6", "6.6.6.6", "6.6.6.6"),
    ("6.6.6.6, unknown, 10.0.0.1", "unknown", "unknown, 10.0.0.1"),
    (",, 1.1.1.1 ,, 10.0.0.1,", "1.1.1.1", "1.1.1.1, 10.0.0.1"),
    (
        "::ffff:10.0.0.9, ::ffff:1.1.1.1",
        "::ffff:1.1.1.1",
        "::ffff:1.1.1.1",
    ),
];

const ELEMENTS: [(&str, &str, &str, &str); 7] = [
    (
        "for=6.6.6.6;host=evil, for=1.1.1.1;host=a",
        "1.1.1.1",
        "a",
        "for=1.1.1.1;host=a",
    ),
    (
        "for=6.6.6.6;host=evil, for=1.1.1.1;host=a, for=10.0.0.1;host=b",
        "1.1.1.1",
        "a",
        "for=1.1.1.1;host=a, for=10.0.0.1;host=b",
    ),
    (
        "for=1.1.1.1;host=a,for=\"[2001:db8::1]:8\";host=b",
        "1.1.1.1",
        "a",
        "for=1.1.1.1;host=a,for=\"[2001:db8::1]:8\";host=b",
    ),
    ("for=6.6.6.6;host=evil, host=a", PEER, "a", "host=a"),
    (
        "for=6.6.6.6;host=evil, host=a, for=10.0.0.1",
        "unknown",
        "a",
        "host=a, for=10.0.0.1",
    ),
    (
        "for=\"6.6.6.6, for=1.1.1.1;host=a",
        "unknown",
        "example.org",
        "-",
    ),
    (
        "for=6.6.6.6, for=_hidden, for=10.0.0.1",
        "_hidden",
        "example.org",
        "for=_hidden, for=10.0.0.1",
    ),
];
