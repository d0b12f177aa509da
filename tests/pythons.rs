//! One build of the module on every Python of this machine: interpreters, C extensions, and which interpreter a
//! request runs in.

use std::path::Path;

use crate::browser::Browser;
use crate::harness::{ENVIRON_APP, Environ, Request, Server, id, only_rsgi, say};
use crate::kit::{self, Python, venv};

/// Uses C extensions of the standard library and of PyPI.
const EXTENSIONS: &str = r#"
import sys, _ssl, _sqlite3, sqlite3, ssl, ctypes, json, decimal
import markupsafe._speedups
from markupsafe import escape
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    rows = sqlite3.connect(":memory:").execute("select 6 * 7").fetchall()
    ssl.create_default_context()
    size = ctypes.sizeof(ctypes.c_int)
    third = decimal.Decimal(1) / 3
    return [str(escape("<%s %s %s %s>" % (rows, size, str(third)[:6], json.dumps("é")))).encode()]
"#;

/// Proves where it runs: the interpreter that C sees now, the one in which the script was loaded, the token in
/// its `sys.modules`; and in the main interpreter also where a callback lands that C attaches by itself.
const WITNESS: &str = r#"
import sys, ctypes, mod_wsgi
api = ctypes.pythonapi
api.PyInterpreterState_Get.restype = ctypes.c_void_p
api.PyInterpreterState_GetID.restype = ctypes.c_int64
api.PyInterpreterState_GetID.argtypes = [ctypes.c_void_p]

def current():
    return api.PyInterpreterState_GetID(api.PyInterpreterState_Get())

loaded_in = current()
token = sys.modules.setdefault("witness_token", type(sys)("witness_token"))
token.__dict__.setdefault("group", mod_wsgi.application_group)

def attached_by_c():
    seen = []
    ctypes.CFUNCTYPE(None)(lambda: seen.append(current()))()
    return seen[0]

def application(environ, start_response):
    group = environ["mod_wsgi.application_group"]
    facts = [group, mod_wsgi.application_group, sys.modules["witness_token"].group, loaded_in, current(),
             attached_by_c() if group == "" else current()]
    body = "|".join(map(str, facts)).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"#;

#[test]
fn an_application_its_environ_and_c_extensions_work_on_every_version() {
    only_rsgi!("it is built for one version");
    if kit::pythons().len() < 2 {
        say("this machine has one Python only: name others in RSGI_TEST_PYTHONS");
    }
    for python in kit::all_pythons() {
        let home = venv(python, "extensions", &["markupsafe"]);
        let server = Server::builder()
            .python_home(home.to_str())
            .app("env.wsgi", ENVIRON_APP)
            .app("ext.wsgi", EXTENSIONS)
            .conf(
                "WSGIScriptAlias /main @APPS@/ext.wsgi application-group=%{GLOBAL}\n\
                 WSGIScriptAlias /named @APPS@/ext.wsgi application-group=named\n\
                 WSGIScriptAlias /env @APPS@/env.wsgi",
            )
            .start();
        let e = Environ::parse(&server.text("/env/a%20b?q=1"));
        e.is("PATH_INFO", "'/a b'");
        e.is("QUERY_STRING", "'q=1'");
        e.is("wsgi.version", "(1, 0)");
        for target in ["/main", "/named", "/main"] {
            let text = server.text(target);
            assert_eq!(
                text, "&lt;[(42,)] 4 0.3333 &#34;\\u00e9&#34;&gt;",
                "{python:?}"
            );
        }
        server.finish();
    }
}

const GROUPS: [&str; 4] = ["global", "one", "two", "three"];

/// PITFALLS P16: of mod_wsgi's %{GLOBAL} requests about half run elsewhere.
#[test]
fn each_request_of_mixed_groups_runs_in_the_interpreter_that_its_environ_names() {
    only_rsgi!("half of its %{GLOBAL} requests run in a sub-interpreter");
    for python in kit::all_pythons() {
        runs_where_it_says(&python.home, "");
    }
    for python in kit::free_threaded() {
        runs_where_it_says(&python.home, "WSGIFreeThreading On");
    }
    // Before 3.13 `ctypes` cannot be imported there.
    for python in kit::pythons().iter().filter(|python| python.minor >= 13) {
        runs_where_it_says(&python.home, "WSGIPerInterpreterGIL On");
    }
}

fn runs_where_it_says(home: &Path, conf: &str) {
    const CLIENTS: usize = 8;
    let mut builder = Server::builder()
        .python_home(home.to_str().filter(|&home| home != "/usr"))
        .threads(8)
        // As many clients as threads, which httpd notes.
        .allow_log("AH00484")
        .conf(conf)
        .app("g.wsgi", WITNESS);
    for name in GROUPS {
        let group = if name == "global" { "%{GLOBAL}" } else { name };
        builder = builder.conf(&format!(
            "WSGIScriptAlias /{name} @APPS@/g.wsgi application-group={group}"
        ));
    }
    let server = builder.start();
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let server = &server;
            scope.spawn(move || {
                let mut browser = Browser::new(server.port());
                for turn in 0..500 {
                    // event gives each request of a connection to any thread.
                    let name = GROUPS[(client + turn * 3) % GROUPS.len()];
                    let reply = browser.ask(&Request::get(&format!("/{name}"))).ok();
                    is_at_home(name, &reply.text(), home);
                }
            });
        }
    });
    server.finish();
}

fn is_at_home(name: &str, text: &str, home: &Path) {
    let fields: Vec<&str> = text.split('|').collect();
    let group = if name == "global" { "" } else { name };
    let home = home.display();
    assert_eq!(fields[..3], [group; 3], "{home}: {text}");
    assert_eq!(
        fields[3], fields[4],
        "{home}: it ran in another interpreter: {text}"
    );
    assert_eq!(fields[4], fields[5], "{home}: C attached elsewhere: {text}");
    assert_eq!(fields[4] == "0", name == "global", "{home}: {text}");
}

/// An application that needs a package which works in one interpreter of a process only.
fn needs_the_main_interpreter(python: &Python, package: &str, expression: &str) {
    let home = venv(python, package, &[package]);
    let server = Server::builder()
        .one_process()
        .python_home(home.to_str())
        .app(
            "x.wsgi",
            &format!(
                "def application(environ, start_response):\n    import {module}\n    \
                 start_response('200 OK', [])\n    return [str({expression}).encode()]\n",
                module = package.replace('-', "_"),
            ),
        )
        .conf(
            "WSGIScriptAlias /main @APPS@/x.wsgi application-group=%{GLOBAL}\n\
             WSGIScriptAlias /named @APPS@/x.wsgi application-group=named",
        )
        .start();
    let text = server.text("/main");
    assert_eq!(text, "3");
    assert_eq!(server.get("/named").status, 500);
    server.expect_traceback("ImportError");
    let line = server.expect_log("WSGIApplicationGroup %{GLOBAL}");
    let module = package.replace('-', "_");
    assert!(line.text.contains(&module), "{}", line.text);
    assert!(line.text.contains("RSGI0"), "{}", line.text);
    assert_eq!(server.text("/main"), "3");
    server.finish();
}

#[test]
fn an_extension_that_refuses_a_second_interpreter_is_named_with_the_cure() {
    only_rsgi!("it logs the traceback only");
    for python in kit::all_pythons() {
        needs_the_main_interpreter(python, "pydantic-core", "int(pydantic_core.from_json('3'))");
    }
}

#[test]
fn numpy_in_a_second_interpreter_is_named_with_the_cure() {
    only_rsgi!("it logs the traceback only");
    // Older ones, as the last for 3.10, take another interpreter.
    let python = kit::system_python();
    needs_the_main_interpreter(&python, "numpy", "int(numpy.array([1, 2]).sum())");
}

#[test]
fn a_script_that_imports_such_an_extension_at_its_top_is_told_the_same() {
    only_rsgi!("it logs the traceback only");
    for python in kit::all_pythons() {
        is_told_at_the_top(python);
    }
}

fn is_told_at_the_top(python: &Python) {
    let home = venv(python, "pydantic-core", &["pydantic-core"]);
    let server = Server::builder()
        .one_process()
        .python_home(home.to_str())
        .app(
            "x.wsgi",
            "import pydantic_core\ndef application(environ, start_response):\n    \
             start_response('200 OK', [])\n    return [b'served']\n",
        )
        .conf(
            "WSGIScriptAlias /main @APPS@/x.wsgi application-group=%{GLOBAL}\n\
             WSGIScriptAlias /named @APPS@/x.wsgi application-group=named",
        )
        .start();
    assert_eq!(server.text("/main"), "served");
    assert_eq!(server.get("/named").status, 500);
    let line = server.expect_log("WSGIApplicationGroup %{GLOBAL}");
    assert!(line.text.contains("pydantic_core"), "{}", line.text);
    server.expect_traceback("ImportError");
    server.expect_log(&id("0109"));
    server.finish();
}
