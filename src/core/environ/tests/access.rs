//! What scripts for access control are told.

use super::*;

#[test]
fn access_control_is_told_less_than_an_application() {
    let request = Fake {
        method: "HEAD",
        is_head: true,
        has_content_filter: true,
        headers: vec![
            ("Host", "example.org"),
            ("Authorization", "Basic x"),
            ("Proxy-Authorization", "Basic x"),
            ("Content-Type", "text/plain"),
        ],
        variables: vec![("FROM_SETENV", "1"), ("HTTPS", "on")],
        ..fake()
    };
    let access = AccessFacts {
        server: ServerFacts {
            software: b"Apache",
            admin: Some(b"me@example.org"),
            process_group: Some(b""),
            pid: None,
        },
        signature: b"<address>",
        remote_host: Some(b"client.example"),
        application_group: b"gate",
        current_uri: false,
    };
    let mut facts = Facts::new();
    collect_access(&request, &access, &mut facts);
    let expected = [
        ("CONTENT_TYPE", "text/plain"),
        ("DOCUMENT_ROOT", "/var/www"),
        ("HTTP_HOST", "example.org"),
        ("PATH_INFO", "/a b"),
        ("QUERY_STRING", "x=1"),
        ("REMOTE_ADDR", "192.0.2.9"),
        ("REMOTE_HOST", "client.example"),
        ("REMOTE_PORT", "50123"),
        ("REQUEST_METHOD", "HEAD"),
        ("REQUEST_URI", "/app/a%20b?x=1"),
        ("SCRIPT_NAME", "/app"),
        ("SERVER_ADDR", "192.0.2.1"),
        ("SERVER_ADMIN", "me@example.org"),
        ("SERVER_NAME", "example.org"),
        ("SERVER_PORT", "80"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_SIGNATURE", "<address>"),
        ("SERVER_SOFTWARE", "Apache"),
        ("mod_wsgi.application_group", "gate"),
        ("mod_wsgi.process_group", ""),
    ];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(dict([&facts]), BTreeMap::from(expected));
}
