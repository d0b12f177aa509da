//! The complete environ.

use crate::harness::{ENVIRON_APP, Environ, Mode, Request, Server, UnderTest, mode, under_test};

pub(super) fn server() -> Server {
    Server::builder().serve(ENVIRON_APP).start()
}

pub(super) fn environ(server: &Server, request: &Request) -> Environ {
    Environ::parse(&server.ask(request).ok().text())
}

#[test]
fn an_application_answers() {
    let server = Server::builder()
        .serve(
            "def application(environ, start_response):\n    \
             start_response('200 OK', [('Content-Type', 'text/plain')])\n    \
             return [b'Hello World!']\n",
        )
        .start();
    let reply = server.get("/").ok();
    assert_eq!(reply.text(), "Hello World!");
    assert_eq!(reply.header("Content-Type"), Some("text/plain"));
    assert_eq!(reply.version, "HTTP/1.1");
    assert_eq!(reply.reason, "OK");
    server.finish();
}

#[test]
fn request_variables_say_what_was_asked() {
    let server = server();
    let host = format!("localhost:{}", server.port());
    let e = environ(
        &server,
        &Request::get("/a/b%20c?x=1&y=%2f").header("Host", &host),
    );
    e.is("REQUEST_METHOD", "'GET'");
    e.is("QUERY_STRING", "'x=1&y=%2f'");
    e.is("REQUEST_URI", "'/a/b%20c?x=1&y=%2f'");
    e.is("SCRIPT_NAME", "''");
    e.is("PATH_INFO", "'/a/b c'");
    e.is("SERVER_PROTOCOL", "'HTTP/1.1'");
    e.is("REQUEST_SCHEME", "'http'");
    e.is("SERVER_NAME", "'localhost'");
    e.is("SERVER_PORT", &format!("'{}'", server.port()));
    e.is("SERVER_ADDR", "'127.0.0.1'");
    e.is("REMOTE_ADDR", "'127.0.0.1'");
    e.is("HTTP_HOST", &format!("'{host}'"));
    let port: u16 = e.text("REMOTE_PORT").parse().unwrap();
    assert!(port > 0);
    server.finish();
}

#[test]
fn server_variables_name_the_files() {
    let server = Server::builder()
        .serve(ENVIRON_APP)
        .conf("ServerAdmin me@example.org")
        .start();
    let e = environ(&server, &Request::get("/x"));
    let root = server.root().display();
    e.is("SCRIPT_FILENAME", &format!("'{root}/apps/app.wsgi'"));
    e.is("DOCUMENT_ROOT", &format!("'{root}/htdocs'"));
    e.is("CONTEXT_PREFIX", "''");
    e.is("CONTEXT_DOCUMENT_ROOT", &format!("'{root}/htdocs'"));
    e.is("SERVER_ADMIN", "'me@example.org'");
    assert!(
        e.text("SERVER_SOFTWARE").starts_with("Apache"),
        "{}",
        e.text("SERVER_SOFTWARE")
    );
    server.finish();
}

#[test]
fn variables_that_a_cgi_would_see_but_wsgi_does_not() {
    let server = Server::builder()
        .serve(ENVIRON_APP)
        .modules(&["env"])
        .conf("SetEnv PATH /bin\nSetEnv LD_LIBRARY_PATH /lib")
        .start();
    let e = environ(&server, &Request::get("/x"));
    for key in [
        "PATH_TRANSLATED",
        "GATEWAY_INTERFACE",
        "SERVER_SIGNATURE",
        "REMOTE_HOST",
        "REMOTE_IDENT",
        "PATH",
        "HTTPS",
        "REMOTE_USER",
        "AUTH_TYPE",
        "CONTENT_TYPE",
        "CONTENT_LENGTH",
        "REDIRECT_URL",
        "REDIRECT_QUERY_STRING",
        "HTTP_CONTENT_TYPE",
        "HTTP_CONTENT_LENGTH",
        "apache.request_rec",
        "mod_wsgi.mount_point",
    ] {
        e.lacks(key);
    }
    assert_eq!(e.keys().find(|k| k.starts_with("mod_wsgi.x-")), None);
    server.finish();
}

#[test]
fn wsgi_variables_have_their_types() {
    let server = server();
    let e = environ(&server, &Request::get("/"));
    e.is("wsgi.version", "(1, 0)");
    e.is("wsgi.url_scheme", "'http'");
    let several = if mode() == Mode::Single {
        "False"
    } else {
        "True"
    };
    e.is("wsgi.multithread", several);
    e.is("wsgi.run_once", "False");
    e.is("wsgi.input_terminated", "True");
    assert!(
        e.text("wsgi.input").contains("mod_wsgi.Input"),
        "{}",
        e.text("wsgi.input")
    );
    assert!(
        e.text("wsgi.errors").contains("<wsgi.errors>"),
        "{}",
        e.text("wsgi.errors")
    );
    assert!(e.text("wsgi.file_wrapper").contains("mod_wsgi.FileWrapper"));
    server.finish();
}

#[test]
fn extensions_tell_about_versions_groups_and_times() {
    let server = server();
    let e = environ(&server, &Request::get("/a"));
    assert!(e.text("apache.version").starts_with("(2, 4, "));
    let version = e.text("mod_wsgi.version");
    assert_eq!(version.matches(',').count(), 2, "{version}");
    let group = format!("'{}'", mode().process_group());
    e.is("mod_wsgi.process_group", &group);
    e.is("mod_wsgi.application_group", "''");
    e.is("mod_wsgi.callable_object", "'application'");
    e.is("mod_wsgi.request_handler", "'wsgi-script'");
    e.is("mod_wsgi.handler_script", "''");
    e.is("mod_wsgi.script_name", "''");
    e.is("mod_wsgi.path_info", "'/a'");
    e.is("mod_wsgi.listener_host", "'127.0.0.1'");
    e.is("mod_wsgi.listener_port", &format!("'{}'", server.port()));
    let pid: i32 = e.text("mod_wsgi.server_pid").parse().unwrap();
    // The child that accepted the request, wherever the application runs.
    assert!(
        server.children().contains(&pid),
        "{pid} {:?}",
        server.children()
    );
    let thread: u32 = e.text("mod_wsgi.thread_id").parse().unwrap();
    assert!((1..=8).contains(&thread), "{thread}");
    assert!(!e.text("mod_wsgi.request_id").is_empty());
    for key in ["mod_wsgi.queue_start", "mod_wsgi.daemon_start"] {
        let is_zero = e.text(key) == "0.0";
        assert_eq!(is_zero, mode() == Mode::Embedded, "{key}: {}", e.text(key));
    }
    let seconds = |key| e.text(key).parse::<f64>().unwrap();
    assert!(seconds("mod_wsgi.request_start") > 1.7e9);
    assert!(seconds("mod_wsgi.application_start") >= seconds("mod_wsgi.request_start"));
    server.finish();
}

#[test]
fn the_version_in_environ_is_the_modules_own_compatible_one() {
    let server = server();
    let e = environ(&server, &Request::get("/"));
    if under_test() == UnderTest::ModWsgi {
        e.is("mod_wsgi.version", "(6, 1, 1)");
    }
    server.finish();
}

#[test]
fn any_method_reaches_the_application() {
    let server = server();
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "BREW"] {
        let e = environ(&server, &Request::new(method, "/"));
        e.is("REQUEST_METHOD", &format!("'{method}'"));
    }
    server.finish();
}

#[test]
fn path_info_is_decoded_to_latin_1() {
    let server = server();
    let e = environ(&server, &Request::get("/caf%C3%A9"));
    e.is("PATH_INFO", "'/caf\u{c3}\u{a9}'");
    e.is("REQUEST_URI", "'/caf%C3%A9'");
    server.finish();
}

#[test]
fn slashes_are_collapsed_in_the_paths_but_not_in_the_uri() {
    let server = Server::builder()
        .serve(ENVIRON_APP)
        .conf("MergeSlashes Off")
        .start();
    let e = environ(&server, &Request::get("//a///b"));
    e.is("PATH_INFO", "'/a/b'");
    e.is("REQUEST_URI", "'//a///b'");
    server.finish();
}

#[test]
fn an_empty_query_string_is_there() {
    let server = server();
    environ(&server, &Request::get("/")).is("QUERY_STRING", "''");
    server.finish();
}

#[test]
fn variables_of_other_modules_come_along() {
    let server = Server::builder()
        .serve(ENVIRON_APP)
        .modules(&["env", "setenvif", "unique_id"])
        .conf("SetEnv MY_VAR some-value\nPassEnv FROM_OUTSIDE\nSetEnvIf X-Flag yes MY_FLAG=set")
        .env("FROM_OUTSIDE", "outer")
        .start();
    let e = environ(&server, &Request::get("/").header("X-Flag", "yes"));
    e.is("MY_VAR", "'some-value'");
    e.is("FROM_OUTSIDE", "'outer'");
    e.is("MY_FLAG", "'set'");
    assert!(e.text("UNIQUE_ID").len() > 10);
    server.finish();
}

#[test]
fn computed_variables_win_over_those_of_set_env() {
    let server = Server::builder()
        .serve(ENVIRON_APP)
        .modules(&["env"])
        .conf("SetEnv REQUEST_METHOD NONSENSE\nSetEnv QUERY_STRING nonsense\nSetEnv wsgi.version 9")
        .start();
    let e = environ(&server, &Request::get("/?a"));
    e.is("REQUEST_METHOD", "'GET'");
    e.is("QUERY_STRING", "'a'");
    e.is("wsgi.version", "(1, 0)");
    server.finish();
}

#[test]
fn set_env_https_makes_the_scheme_https() {
    let server = Server::builder()
        .serve(ENVIRON_APP)
        .modules(&["setenvif"])
        .conf("SetEnvIf X-Secure (.*) HTTPS=$1")
        .start();
    for (value, scheme) in [
        ("on", "https"),
        ("ON", "https"),
        ("1", "https"),
        ("off", "http"),
    ] {
        let e = environ(&server, &Request::get("/").header("X-Secure", value));
        e.is("wsgi.url_scheme", &format!("'{scheme}'"));
        e.lacks("HTTPS");
    }
    server.finish();
}

#[test]
fn a_client_cannot_set_https() {
    let server = server();
    let e = environ(&server, &Request::get("/").header("HTTPS", "on"));
    e.is("wsgi.url_scheme", "'http'");
    server.finish();
}

#[test]
fn the_authenticated_user_is_named() {
    let server = Server::builder()
        .serve(ENVIRON_APP)
        .modules(&["auth_basic", "authn_core", "authn_file", "authz_user"])
        .file("conf/users", b"alice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n")
        .conf(
            "<Location />\nAuthType Basic\nAuthName here\nAuthBasicProvider file\n\
             AuthUserFile @ROOT@/conf/users\nRequire valid-user\n</Location>",
        )
        .start();
    assert_eq!(server.get("/").status, 401);
    let e = environ(
        &server,
        &Request::get("/").header("Authorization", "Basic YWxpY2U6cGFzc3dvcmQ="),
    );
    e.is("REMOTE_USER", "'alice'");
    e.is("AUTH_TYPE", "'Basic'");
    e.lacks("HTTP_AUTHORIZATION");
    server.finish();
}

#[test]
fn server_name_follows_use_canonical_name() {
    let server = Server::builder().serve(ENVIRON_APP).start();
    let e = environ(
        &server,
        &Request::get("/").header("Host", "other.example:77"),
    );
    e.is("SERVER_NAME", "'other.example'");
    e.is("HTTP_HOST", "'other.example:77'");
    server.finish();
    let server = Server::builder()
        .serve(ENVIRON_APP)
        .conf("UseCanonicalName On")
        .start();
    let e = environ(
        &server,
        &Request::get("/").header("Host", "other.example:77"),
    );
    e.is("SERVER_NAME", "'localhost'");
    server.finish();
}

#[test]
fn the_environ_is_a_plain_dict_that_belongs_to_the_request() {
    let server = Server::builder()
        .serve(
            r#"
def application(environ, start_response):
    was = environ.get("left.over", "nothing")
    environ["left.over"] = "something"
    environ["SERVER_NAME"] = "changed"
    body = ("%s %s" % (type(environ) is dict, was)).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"#,
        )
        .start();
    let mut connection = server.connect();
    for _ in 0..3 {
        assert_eq!(
            connection.ask(&Request::get("/")).ok().text(),
            "True nothing"
        );
    }
    server.finish();
}

#[test]
fn conditional_variables_of_http_1_0_without_host() {
    let server = server();
    let mut connection = server.connect();
    connection.send("GET /x HTTP/1.0\r\n\r\n");
    let e = Environ::parse(&connection.reply("GET").ok().text());
    e.is("SERVER_PROTOCOL", "'HTTP/1.0'");
    e.lacks("HTTP_HOST");
    e.is("SERVER_NAME", "'localhost'");
    server.finish();
}
