//! What comes from variables and credentials, and what may not.

use super::*;

#[test]
fn credentials_pass_only_where_the_configuration_says_so() {
    let request = Fake {
        headers: vec![
            ("AUTHORIZATION", "Basic x"),
            ("Proxy-Authorization", "Basic y"),
        ],
        ..fake()
    };
    for (wsgi, cgi, authorization, proxy) in [
        (false, false, None, None),
        (true, false, Some("Basic x"), None),
        (false, true, Some("Basic x"), Some("Basic y")),
        (true, true, Some("Basic x"), Some("Basic y")),
    ] {
        let options = CollectOptions {
            pass_authorization: wsgi,
            cgi_pass_auth: cgi,
            ..options()
        };
        let environ = dict([&collected(&request, &options)]);
        assert_value(&environ, "HTTP_AUTHORIZATION", authorization);
        assert_value(&environ, "HTTP_PROXY_AUTHORIZATION", proxy);
    }
}

#[test]
fn variables_come_along_but_computed_keys_override_them() {
    let request = Fake {
        headers: vec![("Host", "real"), ("X-A", "header")],
        variables: vec![
            ("COLOUR", "red"),
            ("COLOUR", "blue"),
            ("UNIQUE_ID", "u1"),
            ("REMOTE_USER", "by variable"),
            ("REDIRECT_STATUS", "404"),
            ("HTTP_HOST", "forged"),
            ("HTTP_X_A", "forged"),
            ("HTTP_X_B", "set"),
            ("SCRIPT_NAME", "forged"),
            ("mod_wsgi.application_group", "forged"),
            ("REMOTE_HOST", "client.example.org"),
        ],
        ..fake()
    };
    let environ = environ(&request);
    for (key, value) in [
        ("COLOUR", "blue"),
        ("UNIQUE_ID", "u1"),
        ("REMOTE_USER", "by variable"),
        ("REDIRECT_STATUS", "404"),
        ("HTTP_HOST", "real"),
        ("HTTP_X_A", "header"),
        ("HTTP_X_B", "set"),
        ("SCRIPT_NAME", "/app"),
        ("mod_wsgi.application_group", "example.org|/app"),
        ("REMOTE_HOST", "client.example.org"),
    ] {
        assert_value(&environ, key, Some(value));
    }
}

#[test]
fn search_paths_and_the_keys_that_python_makes_cannot_be_set() {
    let names = [
        "PATH",
        "Path",
        "LD_LIBRARY_PATH",
        "DYLD_LIBRARY_PATH",
        "wsgi.input",
        "wsgi.url_scheme",
        "mod_wsgi.version",
        "apache.version",
    ];
    let request = Fake {
        variables: names.map(|name| (name, "set")).to_vec(),
        ..fake()
    };
    let environ = environ(&request);
    for name in names {
        assert_value(&environ, name, None);
    }
}

#[test]
fn a_variable_never_shadows_a_constant() {
    let mut constants = Facts::new();
    let server = ServerFacts {
        software: b"Apache/2.4",
        admin: None,
        process_group: Some(b""),
        pid: Some(b"42"),
    };
    collect_constants(&server, &mut constants);
    let request = Fake {
        variables: vec![
            ("SERVER_SOFTWARE", "forged"),
            ("SERVER_ADMIN", "me@example.org"),
            ("mod_wsgi.process_group", "forged"),
            ("mod_wsgi.server_pid", "1"),
        ],
        ..fake()
    };
    let options = CollectOptions {
        constants: constants.known(),
        process_group: b"not asked for",
        ..options()
    };
    let facts = collected(&request, &options);
    let environ = dict([&constants, &facts]);
    assert_value(&environ, "SERVER_SOFTWARE", Some("Apache/2.4"));
    assert_value(&environ, "mod_wsgi.process_group", Some(""));
    assert_value(&environ, "mod_wsgi.server_pid", Some("42"));
    // There is no ServerAdmin here, so the variable stands.
    assert_value(&environ, "SERVER_ADMIN", Some("me@example.org"));
}
