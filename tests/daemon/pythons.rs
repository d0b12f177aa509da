//! Each group has the Python of its python-home.

use crate::harness::{Server, needs, only_rsgi, resident, wait_until};

const VERSION_APP: &str = r#"
import ctypes, json, os, sys, zlib
def application(environ, start_response):
    start_response("200 OK", [])
    facts = [sys.version.split()[0] + sys.abiflags, sys.prefix, sys.base_prefix, environ["mod_wsgi.process_group"]]
    assert json.loads(zlib.decompress(zlib.compress(json.dumps(facts).encode()))) == facts
    return [" ".join(facts).encode()]
"#;

/// The Pythons of the run.
fn pythons() -> Vec<String> {
    let all = std::env::var("RSGI_TEST_PYTHONS").unwrap_or_default();
    all.split(':')
        .filter(|p| !p.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn two_groups_of_one_apache_run_on_two_python_versions() {
    only_rsgi!("it is built for one version");
    let pythons = pythons();
    needs!(pythons.len() >= 2, "one Python only");
    let mut builder = Server::builder()
        .python_home(None)
        .app("app.wsgi", VERSION_APP);
    for (number, python) in pythons.iter().enumerate() {
        builder = builder
            .daemon(&format!("g{number}"), &format!("processes=1 threads=2 python-home={python}"))
            .conf(&format!(
                "WSGIScriptAlias /g{number} @APPS@/app.wsgi process-group=g{number} application-group=%{{GLOBAL}}\n\
                 WSGIScriptAlias /n{number} @APPS@/app.wsgi process-group=g{number} application-group=named"
            ));
    }
    let server = builder.start();
    let mut versions = Vec::new();
    for round in 0..2 {
        for (number, python) in pythons.iter().enumerate() {
            for path in [format!("/g{number}"), format!("/n{number}")] {
                let text = server.text(&path);
                let facts: Vec<&str> = text.split(' ').collect();
                assert_eq!(facts[1], python, "{text}");
                assert_eq!(facts[3], format!("g{number}"));
                if round == 0 && path.starts_with("/g") {
                    versions.push(facts[0].to_owned());
                }
            }
        }
        // No Python is unmapped or mapped anew in a parent that has none.
        server.graceful();
        wait_until("the old ones are gone", || {
            server.daemons().len() == pythons.len()
        });
    }
    versions.sort();
    versions.dedup();
    assert_eq!(versions.len(), pythons.len(), "{versions:?}");
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", server.pid())).unwrap();
    assert!(!maps.contains("libpython"));
    server.finish();
}

#[test]
fn a_group_may_have_another_python_than_apaches_children() {
    only_rsgi!("it is built for one version");
    let pythons = pythons();
    needs!(pythons.len() >= 2, "one Python only");
    let server = Server::builder()
        .python_home(None)
        .daemon("app", &format!("processes=1 threads=2 python-home={}", pythons[1]))
        .app("app.wsgi", VERSION_APP)
        .conf(&format!(
            "WSGIPythonHome {}\nWSGIScriptAlias /daemon @APPS@/app.wsgi\n\
             WSGIScriptAlias /child @APPS@/app.wsgi process-group=%{{GLOBAL}} application-group=%{{GLOBAL}}",
            pythons[0]
        ))
        .start();
    let child = server.text("/child");
    let daemon = server.text("/daemon");
    assert!(child.contains(&format!(" {} ", pythons[0])), "{child}");
    assert!(daemon.contains(&format!(" {} ", pythons[1])), "{daemon}");
    server.finish();
}

#[test]
fn a_group_runs_in_a_virtual_environment() {
    let python = std::env::var("RSGI_TEST_PYTHON").unwrap_or_default();
    let python = if python.is_empty() {
        "/usr".to_owned()
    } else {
        python
    };
    let builder = Server::builder();
    let venv = builder.root().join("venv");
    let made = std::process::Command::new(format!("{python}/bin/python3"))
        .args(["-m", "venv", "--without-pip"])
        .arg(&venv)
        .output();
    needs!(made.is_ok_and(|o| o.status.success()), "no venv");
    let server = builder
        .daemon("app", "processes=1 threads=2 python-home=@ROOT@/venv")
        .serve(VERSION_APP)
        .start();
    let text = server.text("/");
    assert!(text.contains(&format!(" {} ", venv.display())), "{text}");
    server.finish();
}

#[test]
fn python_path_of_a_group_comes_first_and_that_of_apaches_children_is_not_inherited() {
    let server = Server::builder()
        .daemon("app", "processes=1 threads=2 python-path=@APPS@/lib:@APPS@/lib2")
        .app("lib/first_lib.py", "value = 'first'\n")
        .app("lib2/second_lib.py", "value = 'second'\n")
        .app("other/other_lib.py", "")
        .serve(
            "import sys\ntry:\n    import other_lib\n    other = 'there'\nexcept ImportError:\n    other = 'missing'\n\
             import first_lib, second_lib\n\
             def application(e, s):\n    s('200 OK', [])\n    \
             return [' '.join([first_lib.value, second_lib.value, other, str(sys.path[0] == '@APPS@/lib')]).encode()]\n",
        )
        .conf("WSGIPythonPath @APPS@/other")
        .start();
    assert_eq!(server.text("/"), "first second missing True");
    server.finish();
}

#[test]
fn apaches_children_stay_as_small_as_plain_ones_when_all_applications_are_in_daemons() {
    only_rsgi!("its children are linked with libpython");
    let plain = Server::builder().file("htdocs/a.txt", b"text").start();
    plain.text("/a.txt");
    let without = resident(plain.children()[0], "RssAnon");
    plain.finish();
    let server = super::group("processes=1 threads=2").threads(8).start();
    for _ in 0..20 {
        server.text("/?a");
    }
    let child = server.children()[0];
    let with = resident(child, "RssAnon");
    let maps = std::fs::read_to_string(format!("/proc/{child}/maps")).unwrap();
    assert!(!maps.contains("libpython"));
    crate::harness::say(&format!(
        "KiB of a child: {without} plain, {with} with a group"
    ));
    assert!(with <= without + 1500, "{without} {with}");
    server.finish();
}

#[test]
fn import_scripts_run_in_every_process_of_their_group_before_it_serves() {
    let server = Server::builder()
        .daemon("app", "processes=3 threads=2")
        .app(
            "start.py",
            "import mod_wsgi, os\nwith open('@WORK@/events', 'a') as f:\n    \
             f.write('%s %s %d\\n' % (mod_wsgi.process_group, mod_wsgi.application_group, os.getpid()))\n",
        )
        .serve("def application(e, s):\n    s('200 OK', [])\n    return [b'x']\n")
        .conf("WSGIImportScript @APPS@/start.py process-group=app application-group=warm")
        .start();
    server.text("/");
    wait_until("three processes have imported", || {
        server.events().len() >= 3
    });
    let pids: std::collections::BTreeSet<String> = server
        .events()
        .iter()
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(&words[..2], ["app", "warm"], "{line}");
            words[2].to_owned()
        })
        .collect();
    assert_eq!(pids.len(), 3);
    server.finish();
}

#[test]
fn a_group_without_threads_is_a_service_that_is_started_again_when_it_ends() {
    let server = Server::builder()
        .daemon("app", "processes=1 threads=2")
        .conf("WSGIDaemonProcess service threads=0")
        .app(
            "service.py",
            "import os, signal, threading, time\nassert threading.current_thread() is threading.main_thread()\n\
             with open('@WORK@/events', 'a') as f:\n    f.write('start %d\\n' % os.getpid())\n\
             try:\n    while not os.path.exists('@WORK@/end'):\n        time.sleep(0.02)\n    os.unlink('@WORK@/end')\n\
             except SystemExit:\n    with open('@WORK@/events', 'a') as f:\n        f.write('asked\\n')\n    raise\n",
        )
        .conf("WSGIImportScript @APPS@/service.py process-group=service application-group=%{GLOBAL}")
        .serve("def application(e, s):\n    s('200 OK', [])\n    return [b'x']\n")
        .start();
    assert_eq!(server.text("/"), "x");
    server.wait_for_file("work/events", "start");
    server.write("work/end", "");
    crate::harness::allow(&server.root().join("work"), 0o777);
    wait_until("it is started again", || server.events().len() == 2);
    let mut server = server;
    server.stop();
    let events = server.events();
    assert_eq!(
        events.last().map(String::as_str),
        Some("asked"),
        "{events:?}"
    );
    server.allow_log_of_mod_wsgi("died");
    server.finish();
}
