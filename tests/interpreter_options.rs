//! `<WSGIInterpreterOptions>`, a GIL for each interpreter, and Pythons without one.

use std::os::unix::fs::FileExt;

use crate::directives::{accepts, refuses, refuses_value};
use crate::harness::{Server, allow, only_rsgi, wait_until};
use crate::kit::{self, Python};

/// As [`refuses`], of a section.
fn refuses_section(text: &str, words: &[&str]) {
    let check = Server::builder().conf(text).check();
    check.refused_with(&["WSGI"]);
    check.refused_with(words);
}

fn section(selectors: &str, content: &str) -> String {
    format!("<WSGIInterpreterOptions{selectors}>\n{content}\n</WSGIInterpreterOptions>")
}

#[test]
fn a_section_for_interpreters_takes_seven_directives() {
    for selectors in [
        "",
        " process-group=a",
        " application-group=%{GLOBAL}",
        " Process-Group=%{GLOBAL} APPLICATION-GROUP=\"a b\"",
    ] {
        accepts(&section(
            selectors,
            "WSGIPerInterpreterGIL On\nWSGISwitchInterval 0.01\nWSGIPythonPath /a:/b\n\
             WSGIRestrictStdin On\nWSGIRestrictStdout Off\nWSGIRestrictSignal Off\nWSGIFreeThreading On",
        ));
    }
    accepts("WSGIPerInterpreterGIL on\nWSGIFreeThreading OFF");
    for name in ["WSGIPerInterpreterGIL", "WSGIFreeThreading"] {
        refuses_value(&format!("{name} perhaps"), "perhaps");
        refuses_section(
            &section("", &format!("{name} perhaps")),
            &[name, "On or Off", "`perhaps`"],
        );
        refuses(
            &format!("<VirtualHost *:@PORT@>\n{name} On\n</VirtualHost>"),
            &["cannot occur"],
        );
    }
    refuses_section(
        &format!(
            "<VirtualHost *:@PORT@>\n{}\n</VirtualHost>",
            section("", "")
        ),
        &["cannot occur"],
    );
}

#[test]
fn sections_for_interpreters_that_mean_nothing_are_refused() {
    for selectors in [" a", " server=a", " process-group=a process-group=b"] {
        refuses_section(&section(selectors, ""), &[]);
    }
    only_rsgi!("its words are others, and what stands in a section has to be for it");
    refuses_section(&section(" server=a", ""), &["`server`", "process-group="]);
    refuses_section(
        &section(" process-group=''", ""),
        &["process-group has no value"],
    );
    refuses_section(
        &section("", "WSGIPythonOptimize 1"),
        &[
            "not `WSGIPythonOptimize`",
            "WSGIRestrictSignal",
            "outside of the section",
        ],
    );
    refuses_section(&section("", "Timeout 5"), &["not `Timeout`"]);
    refuses_section(&section("", &section("", "")), &[]);
}

/// Says what its interpreter was given.
const TELL: &str = r#"
import sys, signal, mod_wsgi
def tried(name):
    try:
        getattr(sys, name).flush
        return "open"
    except OSError:
        return "shut"
def application(environ, start_response):
    start_response("200 OK", [])
    own = [entry[-1] for entry in sys.path if "/layer-" in entry]
    signals = "kept" if type(signal.signal).__name__ == "SignalIntercept" else "free"
    return [("%s %s %s %s" % ("".join(own), tried("stdin"), tried("stdout"), signals)).encode()]
"#;

/// The base is what `conf` says outside of sections, or the process group's own `python-path`.
fn layers(server: crate::harness::Builder) -> Server {
    let folders = ["base", "any", "group", "application", "both"];
    let server = folders.iter().enumerate().fold(server, |server, (at, _)| {
        server.file(&format!("layer-{at}/x"), b"")
    });
    server
        .app("tell.wsgi", TELL)
        .conf(
            "WSGIScriptAlias /a @APPS@/tell.wsgi application-group=a\n\
             WSGIScriptAlias /b @APPS@/tell.wsgi application-group=b\n\
             WSGIScriptAlias /main @APPS@/tell.wsgi application-group=%{GLOBAL}",
        )
        .start()
}

fn layer(selectors: &str, at: usize, more: &str) -> String {
    section(
        selectors,
        &format!("WSGIPythonPath @ROOT@/layer-{at}\n{more}"),
    )
}

#[test]
fn the_most_precise_section_wins_and_folders_of_all_are_put_in_front() {
    let embedded = [
        "WSGIPythonPath @ROOT@/layer-0".to_owned(),
        layer(" process-group=%{GLOBAL} application-group=a", 4, ""),
        layer(" application-group=a", 3, "WSGIRestrictStdin Off"),
        layer("", 1, "WSGIRestrictStdin On\nWSGIRestrictSignal Off"),
        layer(" process-group=%{GLOBAL}", 2, "WSGIRestrictSignal On"),
        layer(" process-group=g", 9, "WSGIRestrictStdout On"),
    ];
    let server = layers(Server::builder().embedded().conf(&embedded.join("\n")));
    // Of those that name one of the two, the later goes first.
    assert_eq!(server.text("/a"), "42310 open open kept");
    assert_eq!(server.text("/b"), "210 shut open kept");
    assert_eq!(server.text("/main"), "210 shut open kept");
    server.finish();
}

#[test]
fn sections_reach_the_processes_of_the_group_that_they_name() {
    let lines = [
        layer(" process-group=g", 2, "WSGIRestrictStdout On"),
        layer(
            " process-group=g application-group=a",
            4,
            "WSGIRestrictSignal Off",
        ),
        layer(" process-group=%{GLOBAL}", 3, "WSGIRestrictStdin On"),
    ];
    let server = layers(
        Server::builder()
            .daemon("g", "python-path=@ROOT@/layer-0")
            .conf(&lines.join("\n")),
    );
    assert_eq!(server.text("/a"), "420 open shut free");
    assert_eq!(server.text("/b"), "20 open shut kept");
    server.allow_log_of_mod_wsgi("Exception ignored in");
    server.allow_log_of_mod_wsgi("access restricted by mod_wsgi");
    server.finish();
}

/// Keeps the interpreter's GIL, which it would not give up for hours, until another request comes.
const MEET: &str = r#"
import mmap, sys, time
file = open("@WORK@/meet", "r+b")
shared = mmap.mmap(file.fileno(), 2)
def application(environ, start_response):
    start_response("200 OK", [])
    if environ["QUERY_STRING"] == "come":
        shared[1] = 1
        return [b"came"]
    before = sys.getswitchinterval()
    sys.setswitchinterval(10000)
    try:
        now = time.monotonic
        end = now() + 20
        shared[0] = 1
        while not shared[1]:
            if now() > end:
                return [b"alone"]
        return [b"met"]
    finally:
        sys.setswitchinterval(before)
"#;

fn meeting(server: crate::harness::Builder, conf: &str) -> Server {
    let server = server
        .app("meet.wsgi", MEET)
        .conf(
            "WSGIScriptAlias /a @APPS@/meet.wsgi application-group=a\n\
             WSGIScriptAlias /b @APPS@/meet.wsgi application-group=b",
        )
        .conf(conf)
        .start();
    set_apart(&server);
    server
}

/// Nobody waits and nobody came. The file stays the same: it is mapped.
fn set_apart(server: &Server) {
    let path = server.root().join("work/meet");
    let file = std::fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .unwrap();
    file.write_all_at(&[0, 0], 0).unwrap();
    allow(&path, 0o666);
}

/// One request waits, in Python, for another that is sent to `other`.
fn meet(server: &Server, other: &str) {
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| server.text("/a?wait"));
        wait_until("the first runs", || {
            std::fs::read(server.root().join("work/meet")).is_ok_and(|bytes| bytes[0] == 1)
        });
        assert_eq!(server.text(&format!("{other}?come")), "came");
        assert_eq!(waiting.join().unwrap(), "met");
    });
}

fn since(minor: u32) -> impl Iterator<Item = &'static Python> {
    kit::pythons()
        .iter()
        .filter(move |python| python.minor >= minor)
}

fn home(python: &Python) -> Option<&str> {
    Some(python.home()).filter(|&home| home != "/usr")
}

#[test]
fn interpreters_with_a_gil_of_their_own_run_at_once() {
    only_rsgi!("it is built for one version");
    for python in since(12) {
        let embedded = meeting(
            Server::builder().embedded().python_home(home(python)),
            "WSGIPerInterpreterGIL On",
        );
        meet(&embedded, "/b");
        embedded.expect_log("application group 'b', with a GIL of its own");
        embedded.finish();
        let daemon = meeting(
            Server::builder()
                .python_home(home(python))
                .daemon("g", "threads=3"),
            &section(" process-group=g", "WSGIPerInterpreterGIL On"),
        );
        meet(&daemon, "/b");
        daemon.finish();
    }
}

#[test]
fn a_section_leaves_one_interpreter_the_gil_of_all() {
    only_rsgi!("it is built for one version");
    for python in since(12).take(1) {
        let server = meeting(
            Server::builder().embedded().python_home(home(python)),
            &format!(
                "WSGIPerInterpreterGIL On\n{}",
                section(
                    " application-group=b",
                    "WSGIPerInterpreterGIL Off\nWSGISwitchInterval 0.02"
                )
            ),
        );
        server.text("/b?come");
        server.expect_log("RSGI0199: WSGISwitchInterval of application group 'b'");
        assert_eq!(server.text("/a?wait"), "met");
        let log = server.log_text();
        assert!(log.contains("application group 'a', with a GIL of its own"));
        assert!(log.contains("application group 'b'."), "{log}");
        server.finish();
    }
}

#[test]
fn each_gil_has_the_switch_interval_that_is_said_for_its_interpreter() {
    only_rsgi!("it is built for one version");
    const INTERVAL: &str = "import sys\ndef application(e, s):\n    s('200 OK', [])\n    \
                            return [b'%.3f' % sys.getswitchinterval()]\n";
    for python in since(12).take(1) {
        let server = Server::builder()
            .embedded()
            .python_home(home(python))
            .app("i.wsgi", INTERVAL)
            .conf(
                "WSGIScriptAlias /a @APPS@/i.wsgi application-group=a\n\
                 WSGIScriptAlias /b @APPS@/i.wsgi application-group=b\n\
                 WSGIScriptAlias /main @APPS@/i.wsgi application-group=%{GLOBAL}\n\
                 WSGIPerInterpreterGIL On\nWSGISwitchInterval 0.25",
            )
            .conf(&section(" application-group=a", "WSGISwitchInterval 0.5"))
            .start();
        assert_eq!(server.text("/a"), "0.500");
        assert_eq!(server.text("/b"), "0.250");
        assert_eq!(server.text("/main"), "0.250");
        server.finish();
    }
}

#[test]
fn a_process_with_many_gils_ends_as_any_other() {
    only_rsgi!("it is built for one version");
    const ENDING: &str = "import atexit, threading, time, mod_wsgi\n\
        def note(what):\n    open('@WORK@/events', 'a').write(what + mod_wsgi.application_group + '\\n')\n\
        atexit.register(note, 'exit-')\n\
        def work():\n    time.sleep(0.05)\n    note('thread-')\n\
        def application(e, s):\n    threading.Thread(target=work).start()\n    s('200 OK', [])\n    return [b'x']\n";
    for python in since(12) {
        let mut server = Server::builder()
            .python_home(home(python))
            .daemon("g", "threads=2")
            .app("end.wsgi", ENDING)
            .conf(
                "WSGIScriptAlias /a @APPS@/end.wsgi application-group=a\n\
                 WSGIScriptAlias /b @APPS@/end.wsgi application-group=b\nWSGIPerInterpreterGIL On",
            )
            .start();
        for path in ["/a", "/b", "/a", "/b"] {
            server.text(path);
        }
        server.stop();
        let events = server.events();
        for event in ["exit-a", "exit-b", "thread-a", "thread-b"] {
            assert!(
                events.iter().any(|seen| seen == event),
                "{python:?}: {events:?}"
            );
        }
        server.finish();
    }
}

#[test]
fn pythons_that_cannot_do_what_is_asked_of_them_say_so() {
    only_rsgi!("it is built for one version");
    let old = kit::pythons().iter().find(|python| python.minor < 12);
    let server = Server::builder()
        .embedded()
        .python_home(old.or(kit::pythons().first()).and_then(home))
        .serve("def application(e, s):\n    s('200 OK', [])\n    return [b'x']\n")
        .conf("WSGIPerInterpreterGIL On\nWSGIFreeThreading On")
        .start();
    assert_eq!(server.text("/"), "x");
    server.expect_log("RSGI0200: WSGIFreeThreading is On, but");
    if old.is_some() {
        server.expect_log("RSGI0198: WSGIPerInterpreterGIL is On, but");
    }
    server.finish();
}

#[test]
fn free_threading_for_an_application_group_has_no_effect_and_says_so() {
    only_rsgi!("it says so in other words");
    let server = Server::builder()
        .embedded()
        .serve("def application(e, s):\n    s('200 OK', [])\n    return [b'x']\n")
        .conf(&section(" application-group=a", "WSGIFreeThreading On"))
        .start();
    assert_eq!(server.text("/"), "x");
    server.expect_log("RSGI0201: WSGIFreeThreading");
    server.finish();
}

const GIL: &str = "import sys\ndef application(e, s):\n    s('200 OK', [])\n    \
                   return [str(sys._is_gil_enabled()).encode()]\n";

/// There is no such Python on most machines: `ci/pythons --build` makes one.
#[test]
fn a_free_threaded_python_runs_with_the_gil_unless_it_is_told_otherwise() {
    only_rsgi!("it is built for one version");
    for python in kit::free_threaded() {
        for (conf, expected) in [
            ("", "True"),
            ("WSGIFreeThreading Off", "True"),
            ("WSGIFreeThreading On", "False"),
        ] {
            let server = Server::builder()
                .python_home(home(python))
                .serve(GIL)
                .conf(conf)
                .start();
            assert_eq!(server.text("/"), expected, "{conf}");
            server.finish();
        }
        let daemon = Server::builder()
            .python_home(home(python))
            .daemon("g", "switch-interval=0.01")
            .serve(GIL)
            .conf(&section(" process-group=g", "WSGIFreeThreading On"))
            .start();
        assert_eq!(daemon.text("/"), "False");
        daemon.expect_log("RSGI0204: switch-interval=");
        daemon.finish();
    }
}

#[test]
fn without_the_gil_requests_of_one_interpreter_run_at_once() {
    only_rsgi!("it is built for one version");
    for python in kit::free_threaded() {
        for builder in [
            Server::builder().embedded(),
            Server::builder().daemon("g", "threads=3"),
        ] {
            let server = meeting(
                builder.python_home(home(python)),
                "WSGIFreeThreading On\nWSGISwitchInterval 0.01",
            );
            server.allow_log("RSGI0203");
            server.allow_log("RSGI0204");
            server.text("/a?come");
            set_apart(&server);
            meet(&server, "/a");
            meet_again(&server);
            server.finish();
        }
    }
}

/// Many requests at once of all interpreters, some of which end with their thread's objects in use elsewhere.
fn meet_again(server: &Server) {
    std::thread::scope(|scope| {
        for path in ["/a?come", "/b?come", "/a?come", "/b?come"] {
            scope.spawn(move || {
                for _ in 0..50 {
                    assert_eq!(server.text(path), "came");
                }
            });
        }
    });
}
