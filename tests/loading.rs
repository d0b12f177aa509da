//! How scripts become modules: names, locks, reloading, and scripts that cannot be loaded.

use std::collections::BTreeSet;

use crate::harness::{Server, id, needs_threads, only_embedded, only_rsgi, wait_until};

const COUNTING_APP: &str = r#"
with open("@WORK@/events", "a") as f:
    f.write("load\n")
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"first"]
"#;

/// Gives a file another modification time, older as well as newer.
fn set_mtime(server: &Server, name: &str, seconds: u64) {
    let file = std::fs::File::options()
        .append(true)
        .open(server.root().join(name))
        .unwrap();
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    file.set_modified(time).unwrap();
}

#[test]
fn a_script_is_a_module_named_after_its_path() {
    let server = Server::builder()
        .serve(
            r#"
import sys, hashlib, os
def application(environ, start_response):
    name = "_mod_wsgi_" + hashlib.md5(__file__.encode()).hexdigest()
    stat = os.stat(__file__)
    facts = [__name__ == name, sys.modules.get(__name__).application is application,
             __file__ == "@APPS@/app.wsgi", __mtime__ == stat.st_mtime_ns // 1000,
             application.__code__.co_filename == __file__, __builtins__ is not None]
    start_response("200 OK", [])
    return [repr(facts).encode()]
"#,
        )
        .start();
    assert_eq!(server.text("/"), "[True, True, True, True, True, True]");
    server.finish();
}

#[test]
fn any_extension_works_and_nothing_is_compiled_to_disk() {
    let server = Server::builder()
        .app(
            "app.xyz",
            "def application(e, s):\n    s('200 OK', [])\n    return [b'ok']\n",
        )
        .conf("WSGIScriptAlias / @APPS@/app.xyz")
        .start();
    assert_eq!(server.text("/"), "ok");
    assert!(!server.root().join("apps/__pycache__").exists());
    server.finish();
}

#[test]
fn a_script_with_a_coding_line_and_windows_line_ends_is_compiled_as_python_would() {
    let server = Server::builder()
        .app("app.wsgi", "")
        .file(
            "apps/app.wsgi",
            b"# -*- coding: latin-1 -*-\r\ntext = '\xe9'\r\ndef application(e, s):\r\n    s('200 OK', [])\r\n    return [text.encode('utf-8')]\r\n",
        )
        .conf("WSGIScriptAlias / @APPS@/app.wsgi")
        .start();
    assert_eq!(server.text("/"), "\u{e9}");
    server.finish();
}

#[test]
fn many_first_requests_load_the_script_once() {
    let server = Server::builder()
        .one_process()
        .serve(&COUNTING_APP.replace(
            "def application",
            "import time\ntime.sleep(0.3)\ndef application",
        ))
        .start();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| assert_eq!(server.text("/"), "first"));
        }
    });
    assert_eq!(server.events(), ["load"]);
    server.finish();
}

#[test]
fn a_script_that_is_loading_does_not_stop_the_requests_of_loaded_ones() {
    needs_threads!("one request runs while another loads");
    only_rsgi!("one lock for all scripts of the process");
    let server = Server::builder()
        .one_process()
        .app(
            "slow.wsgi",
            "import os, time\nopen('@WORK@/loading', 'w').close()\n\
             while not os.path.exists('@WORK@/go'):\n    time.sleep(0.005)\n\
             def application(e, s):\n    s('200 OK', [])\n    return [b'slow']\n",
        )
        .app("quick.wsgi", COUNTING_APP)
        .conf("WSGIScriptAlias /slow @APPS@/slow.wsgi\nWSGIScriptAlias /quick @APPS@/quick.wsgi")
        .conf("WSGIApplicationGroup %{GLOBAL}")
        .start();
    assert_eq!(server.text("/quick"), "first");
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| server.text("/slow"));
        wait_until("the slow script loads", || {
            server.root().join("work/loading").exists()
        });
        assert_eq!(server.text("/quick"), "first");
        server.write("work/go", "");
        assert_eq!(slow.join().unwrap(), "slow");
    });
    server.finish();
}

#[test]
fn a_changed_script_is_loaded_again_into_a_fresh_module() {
    let server = Server::builder()
        .one_process()
        .serve(&format!("{COUNTING_APP}\nonly_in_the_first = 1\n"))
        .start();
    assert_eq!(server.text("/"), "first");
    assert_eq!(server.text("/"), "first");
    server.write(
        "apps/app.wsgi",
        "def application(e, s):\n    s('200 OK', [])\n    \
         return [b'second ' + str('only_in_the_first' in globals()).encode()]\n",
    );
    set_mtime(&server, "apps/app.wsgi", 1_600_000_000);
    assert_eq!(server.text("/"), "second False");
    assert_eq!(server.events(), ["load"]);
    server.finish();
}

#[test]
fn a_script_that_became_older_is_loaded_again_too() {
    let server = Server::builder().one_process().serve(COUNTING_APP).start();
    server.text("/");
    set_mtime(&server, "apps/app.wsgi", 1_000_000_000);
    server.text("/");
    server.text("/");
    assert_eq!(server.events(), ["load", "load"]);
    server.finish();
}

#[test]
fn other_modules_stay_when_a_script_is_loaded_again() {
    only_embedded!("a changed script gets a new process");
    let server = Server::builder()
        .app("helper_module.py", "count = 0\n")
        .serve(
            "import sys\nsys.path.insert(0, '@APPS@')\nimport helper_module\nhelper_module.count += 1\n\
             def application(e, s):\n    s('200 OK', [])\n    return [str(helper_module.count).encode()]\n",
        )
        .start();
    assert_eq!(server.text("/"), "1");
    set_mtime(&server, "apps/app.wsgi", 1_000_000_000);
    assert_eq!(server.text("/"), "2");
    server.finish();
}

#[test]
fn script_reloading_off_keeps_the_first_version() {
    let server = Server::builder()
        .one_process()
        .serve(COUNTING_APP)
        .conf("WSGIScriptReloading Off")
        .start();
    server.text("/");
    set_mtime(&server, "apps/app.wsgi", 1_000_000_000);
    server.text("/");
    assert_eq!(server.events(), ["load"]);
    server.finish();
}

#[test]
fn reload_required_decides_about_reloading() {
    let server = Server::builder()
        .one_process()
        .serve(&format!(
            "{COUNTING_APP}\nimport os\ndef reload_required(path):\n    \
             assert path == '@APPS@/app.wsgi', path\n    return os.path.exists('@WORK@/reload')\n"
        ))
        .start();
    server.text("/");
    server.text("/");
    assert_eq!(server.events().len(), 1);
    server.write("work/reload", "");
    server.text("/");
    assert_eq!(server.events().len(), 2);
    server.finish();
}

#[test]
fn reload_required_that_raises_is_logged_and_does_not_reload() {
    let server = Server::builder()
        .one_process()
        .serve(&format!(
            "{COUNTING_APP}\ndef reload_required(path):\n    raise ValueError('no idea')\n"
        ))
        .start();
    server.text("/");
    server.text("/");
    assert_eq!(server.events().len(), 1);
    server.expect_traceback("ValueError: no idea");
    server.allow_log("WSGI0");
    server.allow_log("RSGI0");
    server.finish();
}

#[test]
fn a_syntax_error_is_a_500_with_its_place_in_the_log_and_the_next_request_tries_again() {
    let server = Server::builder()
        .serve("def application(environ, start_response:\n")
        .start();
    assert_eq!(server.get("/").status, 500);
    server.expect_log("SyntaxError");
    server.expect_log("app.wsgi");
    server.allow_log("Traceback");
    server.allow_log("def application(");
    server.allow_log("^");
    server.allow_log(&id("0106"));
    server.write("apps/app.wsgi", COUNTING_APP);
    assert_eq!(server.text("/"), "first");
    server.finish();
}

#[test]
fn an_exception_at_the_top_of_a_script_is_a_500_with_its_traceback_each_time() {
    let server = Server::builder()
        .serve("open('@WORK@/events', 'a').write('load\\n')\nraise KeyError('broken script')\n")
        .start();
    assert_eq!(server.get("/").status, 500);
    assert_eq!(server.get("/").status, 500);
    assert_eq!(server.events().len(), 2);
    server.expect_traceback("KeyError: 'broken script'");
    server.expect_log(&id("0109"));
    server.finish();
}

#[test]
fn system_exit_at_the_top_of_a_script_does_not_end_the_process() {
    let server = Server::builder()
        .one_process()
        .app("exit.wsgi", "import sys\nsys.exit(3)\n")
        .app("app.wsgi", COUNTING_APP)
        .conf("WSGIScriptAlias /exit @APPS@/exit.wsgi\nWSGIScriptAlias /app @APPS@/app.wsgi")
        .conf("WSGIApplicationGroup %{GLOBAL}")
        .start();
    // All of them are there by now.
    assert_eq!(server.text("/app"), "first");
    let before = server.workers();
    assert_eq!(server.get("/exit").status, 500);
    server.expect_log(&id("0107"));
    server.allow_log(&id("0108"));
    server.expect_error("SystemExit");
    server.allow_log("sys.exit");
    assert_eq!(server.text("/app"), "first");
    assert_eq!(server.workers(), before);
    server.finish();
}

#[test]
fn a_missing_callable_is_not_found_and_named_in_the_log() {
    let server = Server::builder().serve("something = 1\n").start();
    assert_eq!(server.get("/").status, 404);
    let line = server.expect_log(&id("0089"));
    assert!(line.text.contains("'application'"), "{}", line.text);
    assert!(line.text.contains("app.wsgi"), "{}", line.text);
    server.finish();
}

#[test]
fn a_callable_that_is_none_or_no_callable_is_an_error() {
    let server = Server::builder().serve("application = 5\n").start();
    assert_eq!(server.get("/").status, 500);
    server.expect_log("TypeError");
    server.allow_log("Traceback");
    server.allow_log("0174");
    server.allow_log("occurred processing");
    server.finish();
}

#[test]
fn an_application_may_be_a_class_a_partial_or_an_instance() {
    let server = Server::builder()
        .app(
            "app.wsgi",
            r#"
import functools
class as_class:
    def __init__(self, environ, start_response):
        start_response("200 OK", [])
    def __iter__(self):
        yield b"class"
class Instance:
    def __call__(self, environ, start_response):
        start_response("200 OK", [])
        return [b"instance"]
as_instance = Instance()
def base(text, environ, start_response):
    start_response("200 OK", [])
    return [text]
as_partial = functools.partial(base, b"partial")
"#,
        )
        .conf(
            "WSGIScriptAlias /c @APPS@/app.wsgi callable-object=as_class\n\
             WSGIScriptAlias /i @APPS@/app.wsgi callable-object=as_instance\n\
             WSGIScriptAlias /p @APPS@/app.wsgi callable-object=as_partial",
        )
        .start();
    assert_eq!(server.text("/c"), "class");
    assert_eq!(server.text("/i"), "instance");
    assert_eq!(server.text("/p"), "partial");
    server.finish();
}

#[test]
fn import_script_runs_before_the_first_request() {
    let server = Server::builder().one_process()
        .app("app.wsgi", COUNTING_APP)
        .app(
            "start.py",
            "import mod_wsgi, os\nwith open('@WORK@/imported', 'a') as f:\n    \
             f.write('%s|%s\\n' % (mod_wsgi.application_group, __name__.startswith('_mod_wsgi_')))\n",
        )
        .conf(
            "WSGIScriptAlias / @APPS@/app.wsgi\n\
             WSGIImportScript @APPS@/start.py process-group=%{GLOBAL} application-group=%{GLOBAL}\n\
             WSGIImportScript @APPS@/start.py process-group=%{GLOBAL} application-group=warm",
        )
        .start();
    server.wait_for_file("work/imported", "warm|True\n");
    assert_eq!(server.read("work/imported"), "|True\nwarm|True\n");
    server.finish();
}

#[test]
fn an_import_script_that_fails_is_logged_and_the_server_serves() {
    let server = Server::builder()
        .app("app.wsgi", COUNTING_APP)
        .app("start.py", "raise RuntimeError('bad start')\n")
        .conf(
            "WSGIScriptAlias / @APPS@/app.wsgi\n\
             WSGIImportScript @APPS@/start.py process-group=%{GLOBAL} application-group=%{GLOBAL}",
        )
        .start();
    server.expect_traceback("RuntimeError: bad start");
    server.allow_log("WSGI01");
    server.allow_log("RSGI01");
    assert_eq!(server.text("/"), "first");
    server.finish();
}

#[test]
fn an_alias_with_both_groups_is_loaded_at_start() {
    let server = Server::builder()
        .one_process()
        .app("app.wsgi", COUNTING_APP)
        .conf("WSGIScriptAlias / @APPS@/app.wsgi process-group=%{GLOBAL} application-group=warm")
        .start();
    server.wait_for_file("work/events", "load");
    assert_eq!(server.text("/"), "first");
    assert_eq!(server.events(), ["load"]);
    server.finish();
}

#[test]
fn a_script_without_a_group_is_not_loaded_before_its_first_request() {
    let server = Server::builder().one_process().serve(COUNTING_APP).start();
    assert_eq!(server.get("/").ok().text(), "first");
    assert_eq!(server.events(), ["load"]);
    server.finish();
}

#[test]
fn a_deleted_script_is_not_found() {
    let server = Server::builder().serve(COUNTING_APP).start();
    server.text("/");
    std::fs::remove_file(server.root().join("apps/app.wsgi")).unwrap();
    assert_eq!(server.get("/").status, 404);
    server.expect_log(&id("0135"));
    server.finish();
}

#[test]
fn each_child_process_loads_the_script_for_itself() {
    only_embedded!("a group has its own number of processes");
    let server = Server::builder()
        .mpm(crate::harness::Mpm::Prefork)
        .threads(3)
        .serve(
            "import os, time\ndef application(e, s):\n    time.sleep(0.05)\n    s('200 OK', [])\n    \
             return [str(os.getpid()).encode()]\n",
        )
        .start();
    let pids: BTreeSet<String> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..6).map(|_| scope.spawn(|| server.text("/"))).collect();
        clients.into_iter().map(|c| c.join().unwrap()).collect()
    });
    assert!(pids.len() >= 2, "{pids:?}");
    server.finish();
}
