//! The dispatch script: in which groups and by which callable a request is answered.

use crate::harness::{
    Builder, Environ, Mode, Request, Server, UnderTest, mode, only_rsgi, under_test,
};

const APP: &str = r#"
import os
def answer(name):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        keys = ["mod_wsgi.process_group", "mod_wsgi.application_group", "mod_wsgi.callable_object"]
        lines = ["%s=%r\n" % (key, environ[key]) for key in keys]
        return ["".join(lines + ["name=%r\npid=%d\n" % (name, os.getpid())]).encode()]
    return app
application = answer("application")
other = answer("other")
"#;

const DISPATCH: &str = r#"
def pick(environ, what):
    value = environ.get("HTTP_X_" + what)
    if value is None:
        return None
    if value == "raise":
        raise RuntimeError("dispatch raises")
    if value == "number":
        return 7
    return value.encode() if environ.get("HTTP_X_BYTES") else value

def process_group(environ):
    return pick(environ, "PROCESS")

def application_group(environ):
    return pick(environ, "APPLICATION")

def callable_object(environ):
    return pick(environ, "CALLABLE")
"#;

fn server(conf: &str) -> Builder {
    Server::builder()
        .app("app.wsgi", APP)
        .app("dispatch.wsgi", DISPATCH)
        .conf("WSGIScriptAlias / @APPS@/app.wsgi\nWSGIApplicationGroup static\nWSGIDispatchScript @APPS@/dispatch.wsgi")
        .conf(conf)
}

fn ask(server: &Server, headers: &[(&str, &str)]) -> Environ {
    let request = headers
        .iter()
        .fold(Request::get("/"), |request, (name, value)| {
            request.header(name, value)
        });
    Environ::parse(&server.ask(&request).ok().text())
}

#[test]
fn what_a_dispatch_script_says_goes_before_the_configuration() {
    let server = server("SetEnv GROUP from-variable")
        .modules(&["env"])
        .start();
    let e = ask(&server, &[]);
    e.is("mod_wsgi.application_group", "'static'");
    e.is("name", "'application'");
    for bytes in ["", "1"] {
        let headers = [
            ("X-Application", "said"),
            ("X-Callable", "other"),
            ("X-Bytes", bytes),
        ];
        let e = ask(&server, &headers);
        e.is("mod_wsgi.application_group", "'said'");
        e.is("mod_wsgi.callable_object", "'other'");
        e.is("name", "'other'");
    }
    // As the directives have it.
    ask(&server, &[("X-Application", "%{GLOBAL}")]).is("mod_wsgi.application_group", "''");
    ask(&server, &[("X-Application", "%{ENV:GROUP}")])
        .is("mod_wsgi.application_group", "'from-variable'");
    server.finish();
}

#[test]
fn a_process_group_that_a_dispatch_script_names_is_asked() {
    let server = server("WSGIRestrictProcess shop %{GLOBAL} missing")
        .daemon("shop", "threads=2")
        .daemon("other", "threads=2")
        .conf("WSGIProcessGroup %{GLOBAL}")
        .start();
    let here = ask(&server, &[]);
    here.is("mod_wsgi.process_group", "''");
    let there = ask(&server, &[("X-Process", "shop"), ("X-Callable", "other")]);
    there.is("mod_wsgi.process_group", "'shop'");
    there.is("name", "'other'");
    assert_ne!(here.text("pid"), there.text("pid"));
    for (name, line) in [("missing", "0150"), ("other", "0149")] {
        let request = Request::get("/").header("X-Process", name);
        assert_eq!(server.ask(&request).status, 500, "{name}");
        if under_test() == UnderTest::Rsgi {
            server.expect_error(line);
        }
    }
    server.allow_log("");
    server.finish();
}

#[test]
fn what_is_no_name_and_what_raises_are_errors() {
    let server = server("").start();
    for header in ["X-Process", "X-Application", "X-Callable"] {
        for value in ["raise", "number"] {
            let request = Request::get("/").header(header, value);
            assert_eq!(server.ask(&request).status, 500, "{header} {value}");
        }
    }
    server.expect_log("dispatch raises");
    if under_test() == UnderTest::Rsgi {
        assert_eq!(server.log_text().matches("RSGI0501: ").count(), 3);
        assert_eq!(
            server.log_text().matches("RSGI0500: RuntimeError").count(),
            3
        );
    }
    server.allow_log("");
    server.finish();
}

#[test]
fn a_dispatch_script_that_cannot_be_loaded_says_nothing() {
    let server = server(
        "<Location /none>\nWSGIDispatchScript @APPS@/none.wsgi\n</Location>\n\
         <Location /empty>\nWSGIDispatchScript @APPS@/empty.wsgi\n</Location>",
    )
    .app("empty.wsgi", "")
    .start();
    for path in ["/none", "/empty"] {
        let request = Request::get(path).header("X-Application", "said");
        let e = Environ::parse(&server.ask(&request).ok().text());
        e.is("mod_wsgi.application_group", "'static'");
    }
    server.expect_error("none.wsgi");
    server.allow_log("");
    server.finish();
}

#[test]
fn handler_scripts_are_dispatched_too() {
    let server = server(
        "WSGIHandlerScript teller @APPS@/handler.wsgi\n<Location /told>\nSetHandler teller\n</Location>",
    )
    .app("handler.wsgi", &APP.replace("application =", "handle_request ="))
    .start();
    let ask = |headers: &[(&str, &str)]| {
        let request = headers
            .iter()
            .fold(Request::get("/told"), |r, (n, v)| r.header(n, v));
        Environ::parse(&server.ask(&request).ok().text())
    };
    ask(&[]).is("mod_wsgi.callable_object", "'handle_request'");
    let e = ask(&[("X-Callable", "other"), ("X-Application", "said")]);
    e.is("mod_wsgi.callable_object", "'other'");
    e.is("mod_wsgi.application_group", "'said'");
    server.finish();
}

const TELLER: &str = r#"
def application_group(environ):
    lines = ["%s=%r\n" % (key, environ[key]) for key in sorted(environ)]
    with open("@WORK@/told", "w") as file:
        file.writelines(lines)
"#;

#[test]
fn the_environ_of_a_dispatch_script_is_the_request_s() {
    let server = server("SetEnv FROM_SETENV 1\nWSGITrustedProxyHeaders X-Forwarded-For")
        .modules(&["env"])
        .app("teller.wsgi", TELLER)
        .conf("<Location /told>\nWSGIDispatchScript @APPS@/teller.wsgi application-group=dispatcher\n</Location>")
        .start();
    let request = Request::get("/told?q=1")
        .header("X-Custom", "1")
        .header("X-Forwarded-For", "1.1.1.1");
    server.ask(&request).ok();
    let e = Environ::parse(&server.read("work/told"));
    for (key, value) in [
        ("FROM_SETENV", "1"),
        ("HTTP_X_CUSTOM", "1"),
        ("QUERY_STRING", "q=1"),
        ("PATH_INFO", "/told"),
        ("REMOTE_ADDR", "1.1.1.1"),
        ("mod_wsgi.process_group", ""),
        ("mod_wsgi.application_group", "dispatcher"),
    ] {
        e.is(key, &format!("'{value}'"));
    }
    e.lacks("mod_wsgi.callable_object");
    e.lacks("wsgi.input");
    assert!(e.repr("wsgi.errors").is_some());
    server.finish();
}

#[test]
fn a_dispatch_script_runs_in_apache_s_children_whatever_the_mode() {
    only_rsgi!("one of the two is enough");
    let server = server("WSGIRestrictEmbedded On").start();
    let status = server
        .ask(&Request::get("/").header("X-Callable", "other"))
        .status;
    match mode() {
        Mode::Embedded => {
            assert_eq!(status, 500);
            server.expect_error("RSGI0143");
        }
        _ => assert_eq!(status, 200),
    }
    server.finish();
}
