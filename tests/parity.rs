//! What the tables in tests/parity name and no other file is about: how settings of requests and of the whole of httpd
//! are merged. Of options of process groups: parity_groups.

use crate::harness::{Builder, Curl, Environ, Request, Server, is_without_gil};

/// A request to a virtual host.
fn to(host: &str, path: &str) -> Request {
    Request::get(path).header("Host", host)
}

/// Each path of each host must be answered with this text.
#[track_caller]
fn answers(server: &Server, expected: &[(&str, &str, &str)]) {
    for (host, path, text) in expected {
        let answer = server.ask(&to(host, path)).ok().text();
        assert_eq!(answer, *text, "{host}{path}");
    }
}

/// Two virtual hosts of the main server: one that says nothing, one with these lines.
fn hosts(lines: &str) -> String {
    format!(
        "<VirtualHost *:@PORT@>\nServerName plain.example\n</VirtualHost>\n\
         <VirtualHost *:@PORT@>\nServerName own.example\n{lines}\n</VirtualHost>"
    )
}

/// Says how Python was set up.
const SETUP: &str = r#"
import os, signal, sys
def attempt(function):
    try:
        function()
    except OSError:
        return "refused"
    return "taken"
def application(environ, start_response):
    start_response("200 OK", [])
    told = {
        "eggs": os.environ.get("PYTHON_EGG_CACHE"),
        "interval": "%.3f" % sys.getswitchinterval(),
        "optimize": sys.flags.optimize,
        "warnings": sys.warnoptions,
        "bytecode": sys.dont_write_bytecode,
        "first": "/first/folder" in sys.path,
        "second": "/second/folder" in sys.path,
        "stdin": attempt(lambda: sys.stdin.read()),
        "stdout": attempt(lambda: sys.stdout.write("")),
        "group": environ["mod_wsgi.application_group"],
        "seed": hash("text") % 1000003,
    }
    return ["".join("%s=%r\n" % pair for pair in sorted(told.items())).encode()]
"#;

#[test]
fn a_later_line_of_a_global_setting_counts_and_holds_in_every_host() {
    let server = Server::builder()
        .embedded()
        .python_path("/first/folder")
        .app("App.wsgi", SETUP)
        .conf(
            "WSGIScriptAlias /App @APPS@/App.wsgi\n\
             WSGIPythonPath /second/folder\n\
             WSGIPythonEggs /first/eggs\nWSGIPythonEggs /second/eggs\n\
             WSGISwitchInterval 0.5\nWSGISwitchInterval 0.25\n\
             WSGIPythonOptimize 1\nWSGIPythonOptimize 2\n\
             WSGIPythonWarnings ignore::ResourceWarning\nWSGIPythonWarnings error::BytesWarning\n\
             WSGIDontWriteBytecode Off\nWSGIDontWriteBytecode On\n\
             WSGIRestrictStdin Off\nWSGIRestrictStdin On\n\
             WSGIRestrictStdout On\nWSGIRestrictStdout Off\n\
             WSGIRestrictSignal Off\nWSGIRestrictSignal On\n\
             WSGICaseSensitivity On\nWSGICaseSensitivity Off\n\
             WSGIDestroyInterpreter Off\nWSGIDestroyInterpreter On\n\
             WSGIPythonHashSeed 1\nWSGIPythonHashSeed 2\n\
             WSGIServerMetrics Off\nWSGIServerMetrics On\n\
             WSGIRestrictEmbedded On\nWSGIRestrictEmbedded Off",
        )
        .conf(&hosts(""))
        .start();
    let mut seeds = std::collections::BTreeSet::new();
    for host in ["plain.example", "own.example"] {
        let told = Environ::parse(&server.ask(&to(host, "/App")).ok().text());
        told.is("eggs", "'/second/eggs'");
        // Without the GIL it has none that it could set.
        let interval = if is_without_gil() {
            "'0.005'"
        } else {
            "'0.250'"
        };
        told.is("interval", interval);
        told.is("optimize", "2");
        told.is(
            "warnings",
            "['ignore::ResourceWarning', 'error::BytesWarning']",
        );
        told.is("bytecode", "True");
        told.is("first", "False");
        told.is("second", "True");
        told.is("stdin", "'refused'");
        told.is("stdout", "'taken'");
        assert!(told.text("group").ends_with("|/app"), "{told:?}");
        seeds.insert(told.text("seed").to_owned());
    }
    assert_eq!(seeds.len(), 1, "one seed in all interpreters");
    if is_without_gil() {
        server.expect_log("RSGI0203: ");
    }
    server.allow_log_of_mod_wsgi("Exception ignored in");
    server.allow_log_of_mod_wsgi("access restricted by mod_wsgi");
    server.finish();
}

/// Says by which of its callables it was asked.
const NAMED: &str = r#"
def answer(text):
    def app(environ, start_response):
        start_response("200 OK", [])
        return [text]
    return app
application = answer(b"application")
main = answer(b"main")
host = answer(b"host")
"#;

#[test]
fn expressions_of_a_host_are_tried_before_those_of_the_main_server() {
    let server = Server::builder()
        .app("app.wsgi", NAMED)
        .conf("WSGIScriptAliasMatch ^/(a|b) @APPS@/app.wsgi callable-object=main")
        .conf(&hosts(
            "WSGIScriptAliasMatch ^/a @APPS@/app.wsgi callable-object=host",
        ))
        .start();
    answers(
        &server,
        &[
            ("plain.example", "/a", "main"),
            ("plain.example", "/b", "main"),
            ("own.example", "/a", "host"),
            ("own.example", "/b", "main"),
        ],
    );
    server.finish();
}

#[test]
fn scripts_that_several_servers_import_are_loaded_once_for_each_line() {
    let server = Server::builder()
        .embedded()
        .app("main.py", "open('@WORK@/events', 'a').write('main\\n')\n")
        .app("host.py", "open('@WORK@/events', 'a').write('host\\n')\n")
        .app("app.wsgi", NAMED)
        .conf(
            "WSGIScriptAlias / @APPS@/app.wsgi\n\
             WSGIImportScript @APPS@/main.py process-group=%{GLOBAL} application-group=%{GLOBAL}",
        )
        .conf(&hosts(
            "WSGIImportScript @APPS@/host.py process-group=%{GLOBAL} application-group=%{GLOBAL}",
        ))
        .start();
    server.wait_for_file("work/events", "host");
    assert_eq!(server.text("/"), "application");
    assert_eq!(server.events(), ["main", "host"]);
    server.finish();
}

#[test]
fn the_innermost_dispatch_script_is_asked() {
    let says = |name: &str| format!("def callable_object(environ):\n    return '{name}'\n");
    let server = Server::builder()
        .app("app.wsgi", NAMED)
        .app("main.py", &says("main"))
        .app("host.py", &says("host"))
        .app(
            "none.py",
            "def callable_object(environ):\n    return None\n",
        )
        .conf(
            "WSGIScriptAlias / @APPS@/app.wsgi\nWSGIDispatchScript @APPS@/main.py\n\
             <Location /none>\nWSGIDispatchScript @APPS@/none.py\n</Location>",
        )
        .conf(&hosts("WSGIDispatchScript @APPS@/host.py"))
        .start();
    answers(
        &server,
        &[
            ("plain.example", "/", "main"),
            ("plain.example", "/none", "application"),
            ("own.example", "/", "host"),
            ("own.example", "/none", "application"),
        ],
    );
    server.finish();
}

#[test]
fn users_and_groups_are_asked_of_the_innermost_section_s_scripts() {
    let knows = |user: &str, group: &str| {
        format!(
            "def check_password(environ, user, password):\n    return user == '{user}'\n\
             def groups_for_user(environ, user):\n    return ['{group}']\n"
        )
    };
    let server = Server::builder()
        .app("outer.wsgi", &knows("outer", "all"))
        .app("inner.wsgi", &knows("inner", "few"))
        .serve(NAMED)
        .modules(&["auth_basic", "authn_core", "authz_user"])
        .conf(
            "<Location /locked>\nAuthType Basic\nAuthName place\nAuthBasicProvider wsgi\n\
             WSGIAuthUserScript @APPS@/outer.wsgi\nWSGIAuthGroupScript @APPS@/outer.wsgi\n\
             WSGIGroupAuthoritative On\nRequire wsgi-group all\n</Location>\n\
             <Location /locked/user>\nWSGIAuthUserScript @APPS@/inner.wsgi\n</Location>\n\
             <Location /locked/group>\nWSGIAuthGroupScript @APPS@/inner.wsgi\n\
             WSGIGroupAuthoritative Off\nRequire wsgi-group few\n</Location>",
        )
        .start();
    let ask =
        |user: &str, path: &str| Curl::run(&["-u", &format!("{user}:x"), &server.url(path)]).status;
    for (path, outer, inner) in [
        ("/locked", 200, 401),
        ("/locked/user", 401, 200),
        ("/locked/group", 200, 401),
    ] {
        assert_eq!(ask("outer", path), outer, "{path}");
        assert_eq!(ask("inner", path), inner, "{path}");
    }
    server.allow_log("AH016");
    server.finish();
}

#[test]
fn mapping_of_head_and_error_pages_are_merged_from_server_to_host_to_section() {
    let app = r#"
def application(environ, start_response):
    status = "404 Not Found" if environ["QUERY_STRING"] == "404" else "200 OK"
    start_response(status, [("X-Method", environ["REQUEST_METHOD"])])
    return [b"own page"]
"#;
    let server = Server::builder()
        .daemon("app", "processes=1 threads=2")
        .app("app.wsgi", app)
        .conf(
            "WSGIScriptAlias / @APPS@/app.wsgi\nErrorDocument 404 \"page of apache\"\n\
             WSGIMapHEADToGET On\nWSGIErrorOverride On\n\
             <Location /off>\nWSGIMapHEADToGET Off\nWSGIErrorOverride Off\n</Location>",
        )
        .conf(&hosts(
            "WSGIMapHEADToGET Off\nWSGIErrorOverride Off\n\
             <Location /on>\nWSGIMapHEADToGET On\nWSGIErrorOverride On\n</Location>",
        ))
        .start();
    for (host, path, is_on) in [
        ("plain.example", "/", true),
        ("plain.example", "/off", false),
        ("own.example", "/", false),
        ("own.example", "/on", true),
        ("own.example", "/off", false),
    ] {
        let head = Request::new("HEAD", path).header("Host", host);
        let method = if is_on { "GET" } else { "HEAD" };
        let reply = server.ask(&head);
        assert_eq!(reply.header("X-Method"), Some(method), "{host}{path}");
        let page = server.ask(&to(host, &format!("{path}?404")));
        let expected = if is_on { "page of apache" } else { "own page" };
        assert_eq!(
            (page.status, page.text().as_str()),
            (404, expected),
            "{host}{path}"
        );
    }
    server.finish();
}

/// Lines of which a later one, in the same place, replaces an earlier one.
fn replaced(builder: Builder) -> Builder {
    builder.conf(
        "WSGIApplicationGroup first\nWSGIApplicationGroup %{GLOBAL}\n\
         WSGICallableObject main\nWSGICallableObject host",
    )
}

#[test]
fn a_later_line_in_the_same_place_replaces_an_earlier_one() {
    let server = replaced(Server::builder().app("app.wsgi", NAMED))
        .conf("WSGIScriptAlias / @APPS@/app.wsgi")
        .start();
    assert_eq!(server.text("/"), "host");
    server.finish();
}
