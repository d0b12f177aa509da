//! Application groups: which interpreter a request runs in, and what interpreters do not share.

use std::collections::BTreeSet;

use crate::harness::{Mode, Request, Server, mode, needs_threads, only_rsgi};

/// Says its application group by environ, by the module, and a mark of the interpreter's own.
const GROUP_APP: &str = r#"
import sys, mod_wsgi
if not hasattr(sys, "own_mark"):
    sys.own_mark = object()
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    text = "%s\t%s\t%s" % (environ["mod_wsgi.application_group"], mod_wsgi.application_group, id(sys.own_mark))
    return [text.encode()]
"#;

fn group(server: &Server, path: &str) -> String {
    let text = server.text(path);
    let fields: Vec<&str> = text.split('\t').collect();
    assert_eq!(fields[0], fields[1], "environ and module disagree: {text}");
    fields[0].to_owned()
}

#[test]
fn the_default_group_is_server_name_and_mount_point() {
    let server = Server::builder()
        .app("g.wsgi", GROUP_APP)
        .conf("WSGIScriptAlias /one @APPS@/g.wsgi\nWSGIScriptAlias /two @APPS@/g.wsgi")
        .start();
    assert_eq!(group(&server, "/one/x"), "localhost|/one");
    assert_eq!(group(&server, "/two"), "localhost|/two");
    server.finish();
}

#[test]
fn each_form_of_application_group_names_its_interpreter() {
    let server = Server::builder()
        .app("g.wsgi", GROUP_APP)
        .modules(&["setenvif"])
        .conf(
            "WSGIScriptAlias /default @APPS@/g.wsgi\n\
             WSGIScriptAlias /global @APPS@/g.wsgi\nWSGIScriptAlias /server @APPS@/g.wsgi\n\
             WSGIScriptAlias /host @APPS@/g.wsgi\nWSGIScriptAlias /resource @APPS@/g.wsgi\n\
             WSGIScriptAlias /env @APPS@/g.wsgi\nWSGIScriptAlias /literal @APPS@/g.wsgi\n\
             WSGIScriptAlias /unknown @APPS@/g.wsgi\nWSGIScriptAlias /missing @APPS@/g.wsgi\n\
             <Location /global>\nWSGIApplicationGroup %{GLOBAL}\n</Location>\n\
             <Location /server>\nWSGIApplicationGroup %{SERVER}\n</Location>\n\
             <Location /host>\nWSGIApplicationGroup %{HOST}\n</Location>\n\
             <Location /resource>\nWSGIApplicationGroup %{RESOURCE}\n</Location>\n\
             <Location /env>\nWSGIApplicationGroup %{ENV:GROUP}\n</Location>\n\
             <Location /missing>\nWSGIApplicationGroup %{ENV:NONE_SUCH}\n</Location>\n\
             <Location /literal>\nWSGIApplicationGroup some.name\n</Location>\n\
             <Location /unknown>\nWSGIApplicationGroup %{NONSENSE}\n</Location>\n\
             SetEnvIf X-Group (.+) GROUP=$1",
        )
        .start();
    let ask = |path: &str, group: &str| {
        let request = Request::get(path)
            .header("Host", "Some.Host")
            .header("X-Group", group);
        let text = server.ask(&request).ok().text();
        let fields: Vec<String> = text.split('\t').map(str::to_owned).collect();
        assert_eq!(fields[0], fields[1]);
        fields[0].clone()
    };
    assert_eq!(ask("/default/x", "-"), "localhost|/default");
    assert_eq!(ask("/global", "-"), "");
    assert_eq!(ask("/server", "-"), "localhost");
    assert_eq!(ask("/host", "-"), "some.host");
    assert_eq!(ask("/resource/x", "-"), "localhost|/resource");
    assert_eq!(ask("/env", "mine"), "mine");
    assert_eq!(ask("/env", "%{GLOBAL}"), "");
    assert_eq!(ask("/env", "%{SERVER}"), "localhost");
    assert_eq!(ask("/missing", "-"), "%{ENV:NONE_SUCH}");
    assert_eq!(ask("/literal", "-"), "some.name");
    assert_eq!(ask("/unknown", "-"), "%{NONSENSE}");
    server.finish();
}

#[test]
fn a_port_other_than_80_and_443_is_part_of_the_name() {
    let server = Server::builder()
        .app("g.wsgi", GROUP_APP)
        .conf("WSGIScriptAlias / @APPS@/g.wsgi\nWSGIApplicationGroup %{SERVER}")
        .start();
    let ask = |host: &str| {
        let text = server
            .ask(&Request::get("/").header("Host", host))
            .ok()
            .text();
        text.split('\t').next().unwrap().to_owned()
    };
    assert_eq!(ask("localhost:8123"), "localhost:8123");
    assert_eq!(ask("localhost:443"), "localhost");
    assert_eq!(ask("localhost:80"), "localhost");
    server.finish();
}

#[test]
fn interpreters_have_modules_of_their_own() {
    let server = Server::builder()
        .one_process()
        .app("shared_state.py", "counter = 0\n")
        .app(
            "g.wsgi",
            r#"
import sys
sys.path.insert(0, "@APPS@")
import shared_state
def application(environ, start_response):
    shared_state.counter += 1
    start_response("200 OK", [])
    return [str(shared_state.counter).encode()]
"#,
        )
        .conf(
            "WSGIScriptAlias /a @APPS@/g.wsgi application-group=a\n\
             WSGIScriptAlias /a2 @APPS@/g.wsgi application-group=a\n\
             WSGIScriptAlias /b @APPS@/g.wsgi application-group=b\n\
             WSGIScriptAlias /g @APPS@/g.wsgi application-group=%{GLOBAL}",
        )
        .start();
    assert_eq!(server.text("/a"), "1");
    assert_eq!(server.text("/a"), "2");
    assert_eq!(server.text("/a2"), "3");
    assert_eq!(server.text("/b"), "1");
    assert_eq!(server.text("/g"), "1");
    assert_eq!(server.text("/a"), "4");
    server.finish();
}

#[test]
fn the_same_script_in_two_groups_is_two_modules() {
    let server = Server::builder()
        .one_process()
        .app(
            "g.wsgi",
            &format!(
                "{}{}",
                "count = 0\n",
                r#"
def application(environ, start_response):
    global count
    count += 1
    start_response("200 OK", [])
    return [str(count).encode()]
"#
            ),
        )
        .conf(
            "WSGIScriptAlias /a @APPS@/g.wsgi application-group=a\n\
             WSGIScriptAlias /b @APPS@/g.wsgi application-group=b",
        )
        .start();
    assert_eq!(server.text("/a"), "1");
    assert_eq!(server.text("/a"), "2");
    assert_eq!(server.text("/b"), "1");
    server.finish();
}

/// PITFALLS P16: under mod_wsgi about half of the %{GLOBAL} requests run elsewhere.
#[test]
fn mixed_groups_on_the_same_threads_run_where_their_environ_says() {
    only_rsgi!("half of its %{GLOBAL} requests run in a sub-interpreter");
    let groups = ["global", "one", "two", "three"];
    let mut builder = Server::builder().threads(8).app(
        "g.wsgi",
        r#"
import sys, threading, mod_wsgi, ctypes
state = ctypes.pythonapi
state.PyInterpreterState_Get.restype = ctypes.c_void_p
state.PyInterpreterState_GetID.restype = ctypes.c_int64
state.PyInterpreterState_GetID.argtypes = [ctypes.c_void_p]
def current():
    return state.PyInterpreterState_GetID(state.PyInterpreterState_Get())
home = current()
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield ("%s|%s|%s|%s" % (environ["mod_wsgi.application_group"], mod_wsgi.application_group,
                            home, current())).encode()
"#,
    );
    for name in groups {
        let group = if name == "global" { "%{GLOBAL}" } else { name };
        builder = builder.conf(&format!(
            "WSGIScriptAlias /{name} @APPS@/g.wsgi application-group={group}"
        ));
    }
    let server = builder.start();
    std::thread::scope(|scope| {
        for client in 0..8 {
            let (server, groups) = (&server, &groups);
            scope.spawn(move || {
                for turn in 0..100 {
                    let name = groups[(client + turn * 3) % groups.len()];
                    let text = server.text(&format!("/{name}"));
                    let fields: Vec<&str> = text.split('|').collect();
                    let expected = if name == "global" { "" } else { name };
                    assert_eq!(fields[0], expected, "{text}");
                    assert_eq!(fields[1], expected, "{text}");
                    assert_eq!(fields[2], fields[3], "ran in another interpreter: {text}");
                    assert_eq!(fields[3] == "0", name == "global", "{text}");
                }
            });
        }
    });
    server.finish();
}

#[test]
fn thread_locals_live_as_long_as_the_worker_thread() {
    let server = Server::builder()
        .threads(2)
        .app(
            "g.wsgi",
            r#"
import os, threading
local = threading.local()
def application(environ, start_response):
    local.count = getattr(local, "count", 0) + 1
    start_response("200 OK", [])
    return [("%d.%d %d" % (os.getpid(), threading.get_ident(), local.count)).encode()]
"#,
        )
        .conf(
            "WSGIScriptAlias /g @APPS@/g.wsgi application-group=%{GLOBAL}\n\
             WSGIScriptAlias /n @APPS@/g.wsgi application-group=named",
        )
        .start();
    for path in ["/g", "/n"] {
        let mut seen = std::collections::BTreeMap::new();
        for _ in 0..20 {
            let text = server.text(path);
            let (thread, count) = text.split_once(' ').unwrap();
            let before: u32 = seen
                .insert(thread.to_owned(), count.parse().unwrap())
                .unwrap_or(0);
            assert_eq!(seen[thread], before + 1, "thread {thread} of {path} forgot");
        }
        let most = if mode() == Mode::Embedded { 2 } else { 10 };
        assert!(seen.len() <= most, "{seen:?}");
    }
    server.finish();
}

#[test]
fn threads_of_one_group_run_at_the_same_time() {
    needs_threads!("requests of three threads meet");
    let server = Server::builder()
        .one_process()
        .serve(
            r#"
import threading
meeting = threading.Barrier(3, timeout=10)
def application(environ, start_response):
    meeting.wait()
    start_response("200 OK", [])
    return [str(threading.get_ident()).encode()]
"#,
        )
        .start();
    let threads: BTreeSet<String> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..3).map(|_| scope.spawn(|| server.text("/"))).collect();
        clients.into_iter().map(|c| c.join().unwrap()).collect()
    });
    assert_eq!(threads.len(), 3);
    server.finish();
}

#[test]
fn callable_object_may_come_from_the_environment() {
    let server = Server::builder()
        .app(
            "g.wsgi",
            r#"
def answer(text):
    def app(environ, start_response):
        start_response("200 OK", [])
        return [text]
    return app
application = answer(b"application")
first = answer(b"first")
second = answer(b"second")
"#,
        )
        .modules(&["setenvif"])
        .conf(
            "WSGIScriptAlias /a @APPS@/g.wsgi\nWSGIScriptAlias /b @APPS@/g.wsgi\n\
             WSGIScriptAlias /c @APPS@/g.wsgi\nWSGIScriptAlias /d @APPS@/g.wsgi\n\
             <Location /b>\nWSGICallableObject first\n</Location>\n\
             <Location /c>\nWSGICallableObject %{ENV:CALL}\n</Location>\n\
             <Location /d>\nWSGICallableObject %{GLOBAL}\n</Location>\n\
             SetEnvIf X-Call (.+) CALL=$1",
        )
        .start();
    assert_eq!(server.text("/a"), "application");
    assert_eq!(server.text("/b"), "first");
    let reply = server
        .ask(&Request::get("/c").header("X-Call", "second"))
        .ok();
    assert_eq!(reply.text(), "second");
    assert_eq!(server.text("/d"), "application");
    server.finish();
}
