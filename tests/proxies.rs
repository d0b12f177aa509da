//! What proxies say about their clients, and that nobody else is believed.

use crate::harness::{Builder, ENVIRON_APP, Environ, Request, Server, only_rsgi};

/// The headers by which proxies speak, and something that a forger could say in each.
const SPOOFS: [(&str, &str); 15] = [
    ("X-Forwarded-For", "6.6.6.6"),
    ("X-Client-IP", "6.6.6.6"),
    ("X-Real-IP", "6.6.6.6"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Host", "evil.example"),
    ("X-Forwarded-Server", "evil"),
    ("X-Forwarded-Port", "666"),
    ("X-Script-Name", "/evil"),
    ("X-Forwarded-Script-Name", "/evil"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Scheme", "https"),
    ("X-Scheme", "https"),
    ("X-Forwarded-HTTPS", "on"),
    ("X-Forwarded-SSL", "on"),
    ("X-HTTPS", "on"),
];

/// What each request is at rest.
const UNCHANGED: [(&str, &str); 6] = [
    ("REMOTE_ADDR", "127.0.0.1"),
    ("HTTP_HOST", "localhost"),
    ("SERVER_NAME", "localhost"),
    ("SCRIPT_NAME", ""),
    ("PATH_INFO", "/x"),
    ("wsgi.url_scheme", "http"),
];

fn server(conf: &str) -> Builder {
    Server::builder().serve(ENVIRON_APP).conf(conf)
}

fn ask(server: &Server, headers: &[(&str, &str)]) -> Environ {
    let request = Request::get("/x").header("Host", "localhost");
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(name, value)
    });
    Environ::parse(&server.ask(&request).ok().text())
}

fn key(header: &str) -> String {
    format!("HTTP_{}", header.replace('-', "_").to_uppercase())
}

#[track_caller]
fn has(environ: &Environ, pairs: &[(&str, &str)]) {
    for (key, value) in pairs {
        environ.is(key, &format!("'{value}'"));
    }
}

#[test]
fn headers_of_proxies_are_ordinary_ones_where_none_is_trusted() {
    let server = server("WSGITrustedProxies 127.0.0.1").start();
    let e = ask(&server, &SPOOFS);
    has(&e, &UNCHANGED);
    for (header, value) in SPOOFS {
        e.is(&key(header), &format!("'{value}'"));
    }
    server.finish();
}

#[test]
fn a_peer_that_is_not_trusted_cannot_forge_any_of_the_headers() {
    let names: Vec<_> = SPOOFS.iter().map(|(name, _)| *name).collect();
    let all = names.join(" ");
    let server = server(&format!(
        "WSGITrustedProxyHeaders {all}\nWSGITrustedProxies 10.0.0.0/8 ::1"
    ))
    .start();
    for spoof in SPOOFS {
        let e = ask(&server, &[spoof]);
        has(&e, &UNCHANGED);
        e.lacks(&key(spoof.0));
        e.lacks("mod_wsgi.mount_point");
    }
    server.finish();
}

#[test]
fn a_trusted_proxy_is_believed() {
    let names: Vec<_> = SPOOFS.iter().map(|(name, _)| *name).collect();
    let all = names.join(" ");
    let server = server(&format!(
        "WSGITrustedProxyHeaders {all}\nWSGITrustedProxies 127.0.0.0/8"
    ))
    .start();
    for (header, value, key, expected) in [
        ("X-Forwarded-For", "1.1.1.1", "REMOTE_ADDR", "1.1.1.1"),
        ("X-Client-IP", "1.1.1.1", "REMOTE_ADDR", "1.1.1.1"),
        ("X-Real-IP", "::2", "REMOTE_ADDR", "::2"),
        ("X-Forwarded-Host", "a:8", "HTTP_HOST", "a:8"),
        ("X-Host", "b", "HTTP_HOST", "b"),
        ("X-Forwarded-Server", "front", "SERVER_NAME", "front"),
        ("X-Forwarded-Port", "8443", "SERVER_PORT", "8443"),
        ("X-Script-Name", "/m", "SCRIPT_NAME", "/m"),
        ("X-Script-Name", "/m", "mod_wsgi.mount_point", "/m"),
        ("X-Script-Name", "/m", "mod_wsgi.script_name", ""),
        ("X-Script-Name", "/m", "mod_wsgi.path_info", "/x"),
        ("X-Forwarded-Proto", "https", "wsgi.url_scheme", "https"),
        ("X-HTTPS", "on", "wsgi.url_scheme", "https"),
    ] {
        let e = ask(&server, &[(header, value)]);
        has(&e, &[(key, expected)]);
    }
    // Of several that speak of the same only one is left.
    let e = ask(
        &server,
        &[("X-Forwarded-For", "1.1.1.1"), ("X-Real-IP", "2.2.2.2")],
    );
    has(
        &e,
        &[("REMOTE_ADDR", "2.2.2.2"), ("HTTP_X_REAL_IP", "2.2.2.2")],
    );
    e.lacks("HTTP_X_FORWARDED_FOR");
    server.finish();
}

#[test]
fn addresses_of_trusted_proxies_are_passed_by() {
    let server = server(
        "WSGITrustedProxyHeaders X-Forwarded-For\nWSGITrustedProxies 127.0.0.1 10.0.0.0/8 2001:db8::/32",
    )
    .start();
    for (value, client, kept) in [
        ("1.1.1.1", "1.1.1.1", "1.1.1.1"),
        ("6.6.6.6, 1.1.1.1", "1.1.1.1", "1.1.1.1"),
        ("6.6.6.6, 1.1.1.1, 10.0.0.1", "1.1.1.1", "1.1.1.1, 10.0.0.1"),
        (
            "6.6.6.6,1.1.1.1,2001:db8::9,10.0.0.1",
            "1.1.1.1",
            "1.1.1.1, 2001:db8::9, 10.0.0.1",
        ),
        ("10.0.0.2, 10.0.0.1", "10.0.0.2", "10.0.0.2, 10.0.0.1"),
    ] {
        let e = ask(&server, &[("X-Forwarded-For", value)]);
        has(
            &e,
            &[("REMOTE_ADDR", client), ("HTTP_X_FORWARDED_FOR", kept)],
        );
    }
    server.finish();
}

#[test]
fn without_trusted_proxies_the_first_address_is_the_client() {
    let server = server("WSGITrustedProxyHeaders X-Forwarded-For").start();
    let e = ask(&server, &[("X-Forwarded-For", "1.1.1.1, 2.2.2.2")]);
    has(
        &e,
        &[
            ("REMOTE_ADDR", "1.1.1.1"),
            ("HTTP_X_FORWARDED_FOR", "1.1.1.1, 2.2.2.2"),
        ],
    );
    server.finish();
}

#[test]
fn sections_have_trusted_proxies_of_their_own() {
    let server = server(
        "WSGITrustedProxyHeaders X-Forwarded-For\nWSGITrustedProxies 10.0.0.0/8\n\
         <Location /open>\nWSGITrustedProxies 10.0.0.0/8\nWSGITrustedProxies 127.0.0.1\n</Location>\n\
         <Location /other>\nWSGITrustedProxyHeaders X-Real-IP\n</Location>",
    )
    .start();
    let ask = |path: &str| {
        let request = Request::get(path)
            .header("X-Forwarded-For", "1.1.1.1")
            .header("X-Real-IP", "2.2.2.2");
        Environ::parse(&server.ask(&request).ok().text())
    };
    let e = ask("/");
    has(&e, &[("REMOTE_ADDR", "127.0.0.1")]);
    e.lacks("HTTP_X_FORWARDED_FOR");
    has(
        &ask("/open"),
        &[
            ("REMOTE_ADDR", "1.1.1.1"),
            ("HTTP_X_FORWARDED_FOR", "1.1.1.1"),
        ],
    );
    let e = ask("/other");
    has(&e, &[("REMOTE_ADDR", "127.0.0.1")]);
    e.lacks("HTTP_X_REAL_IP");
    server.finish();
}

#[test]
fn an_encrypted_connection_to_a_proxy_is_told_to_applications_only() {
    let server = server("WSGITrustedProxyHeaders X-Forwarded-Proto\nSetEnv HTTPS on")
        .modules(&["env"])
        .start();
    has(&ask(&server, &[]), &[("wsgi.url_scheme", "https")]);
    let e = ask(&server, &[("X-Forwarded-Proto", "http")]);
    has(
        &e,
        &[("wsgi.url_scheme", "http"), ("REQUEST_SCHEME", "http")],
    );
    e.lacks("HTTPS");
    server.finish();
}

const FORWARDED: &str = "WSGITrustedProxyHeaders Forwarded
WSGITrustedProxies 127.0.0.1 10.0.0.0/8 2001:db8::/32
<Location /stranger>
WSGITrustedProxies 10.0.0.0/8
</Location>";

#[test]
fn forwarded_of_rfc_7239_is_believed_as_the_others_are() {
    only_rsgi!("it does not know the header");
    let server = server(FORWARDED).start();
    let inner = "For=\"[2a00::1]:77\";Host=\"b:8\", for=\"[2001:db8::1]\";host=inner";
    let e = ask(
        &server,
        &[(
            "Forwarded",
            "for=1.1.1.1;host=a.example;proto=https;by=\"203.0.113.7:8443\"",
        )],
    );
    has(
        &e,
        &[
            ("REMOTE_ADDR", "1.1.1.1"),
            ("HTTP_HOST", "a.example"),
            ("wsgi.url_scheme", "https"),
            ("SERVER_ADDR", "203.0.113.7"),
            ("SERVER_PORT", "8443"),
        ],
    );
    let chain = format!("for=6.6.6.6;host=evil, {inner}");
    has(
        &ask(&server, &[("Forwarded", &chain)]),
        &[
            ("REMOTE_ADDR", "2a00::1"),
            ("REMOTE_PORT", "77"),
            ("HTTP_HOST", "b:8"),
            ("HTTP_FORWARDED", inner),
        ],
    );
    let hidden = ask(&server, &[("Forwarded", "for=_hidden;proto=http")]);
    has(&hidden, &[("REMOTE_ADDR", "_hidden")]);
    server.finish();
}

#[test]
fn a_forged_or_broken_forwarded_is_taken_out() {
    only_rsgi!("it does not know the header");
    let server = server(FORWARDED).start();
    let broken = "for=\"6.6.6.6, for=1.1.1.1;host=evil";
    let e = ask(
        &server,
        &[("Forwarded", broken), ("X-Forwarded-For", "6.6.6.6")],
    );
    has(
        &e,
        &[("REMOTE_ADDR", "unknown"), ("HTTP_HOST", "localhost")],
    );
    e.lacks("HTTP_FORWARDED");
    e.lacks("HTTP_X_FORWARDED_FOR");
    let request = Request::get("/stranger")
        .header("Host", "localhost")
        .header(
            "Forwarded",
            "for=6.6.6.6;host=evil;proto=https;by=\"6.6.6.6:6\"",
        );
    let e = Environ::parse(&server.ask(&request).ok().text());
    has(
        &e,
        &[
            ("REMOTE_ADDR", "127.0.0.1"),
            ("HTTP_HOST", "localhost"),
            ("wsgi.url_scheme", "http"),
        ],
    );
    e.lacks("HTTP_FORWARDED");
    server.finish();
}
