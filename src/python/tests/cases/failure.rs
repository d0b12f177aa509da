//! Applications that raise, break their interpreter or keep what they were lent.

use std::path::Path;

use rsgi_bridge::abi;
use rsgi_bridge::host::Outcome;

use crate::host::{Bench, Call};

const SCRIPT: &str = include_str!("failure.py");

pub(crate) fn run(home: &Path) {
    let bench = Bench::start(home, 0, &[]);
    let script = bench.script("failure.wsgi", SCRIPT);
    for group in ["", "other"] {
        errors(&bench, &script, group);
        timeouts(&bench, &script, group);
        kept(&bench, &script, group);
        odd_objects(&bench, &script, group);
    }
    single_extensions(&bench);
    panics(&bench, &script);
    // What breaks an interpreter comes last, each in one of its own.
    broken_streams(&bench, &script);
    missing_modules(&bench, &script);
    bench.layer.stop(std::time::Duration::from_secs(5));
}

#[track_caller]
fn assert_next_works(bench: &Bench, script: &[u8], group: &str) {
    Call::new(script, "hello")
        .group(group)
        .run(bench)
        .assert_body("fine");
}

fn errors(bench: &Bench, script: &[u8], group: &str) {
    for (path, told) in [
        ("/value", "ValueError: caf\u{e9} \u{20ac}"),
        ("/silent", "Silent"),
        ("/surrogate", "Surrogate: lone \\ud800 surrogate"),
        ("/nul", "ValueError: a\\x00b"),
        ("/long", "ValueError: xxx"),
        ("/recursion", "RecursionError"),
        ("/exit", "SystemExit"),
        ("/exit_call", "SystemExit"),
        ("/interrupt", "KeyboardInterrupt"),
        ("/generator_exit", "GeneratorExit"),
        ("/chained", "KeyError: 'inner'"),
        ("/memory", "Error"),
    ] {
        let reply = Call::new(script, "failing")
            .group(group)
            .path(path.as_bytes())
            .run(bench);
        reply.assert_status(500);
        assert!(reply.log.has(told), "{path}: {reply:?}");
        assert!(
            reply.log.has("Traceback"),
            "{path} has its traceback: {reply:?}"
        );
        let id = if path.starts_with("/exit") {
            "RSGI0175: "
        } else {
            "RSGI0174: "
        };
        assert_eq!(reply.log.count(id), 1, "{path}: {reply:?}");
        let has_warning = reply
            .log
            .0
            .iter()
            .any(|(level, _)| *level == abi::level::WARN);
        assert!(!has_warning, "one level for all of it: {reply:?}");
        assert_next_works(bench, script, group);
    }
    let reply = Call::new(script, "failing")
        .group(group)
        .path(b"/value")
        .run(bench);
    assert!(reply.log.has("failure.wsgi"), "the script is named");
    let reply = Call::new(script, "not_callable").group(group).run(bench);
    reply.assert_status(500);
}

fn timeouts(bench: &Bench, script: &[u8], group: &str) {
    let reply = Call::new(script, "failing")
        .group(group)
        .path(b"/timeout")
        .run(bench);
    reply.assert_status(504);
    assert!(!reply.log.has("Traceback"), "{reply:?}");
    assert_eq!(reply.log.count("RSGI0216: "), 1, "{reply:?}");
    assert_eq!(
        reply.log.worse_than(abi::level::NOTICE).len(),
        1,
        "{reply:?}"
    );
    let reply = Call::new(script, "timeout_late").group(group).run(bench);
    assert_eq!(
        (reply.outcome, reply.text()),
        (Outcome::Truncated, "a".into())
    );
    assert_eq!(reply.log.count("RSGI0216: "), 1, "{reply:?}");
    assert_eq!(
        reply.log.worse_than(abi::level::NOTICE).len(),
        1,
        "{reply:?}"
    );
}

fn kept(bench: &Bench, script: &[u8], group: &str) {
    let call = |name| Call::new(script, name).group(group).run(bench);
    let refused = format!("{}worked", "RuntimeError ".repeat(7));
    for _ in 0..3 {
        call("keep").assert_body("kept");
        call("use_kept").assert_body(&refused);
        call("hello").assert_body("fine");
        call("use_kept_in_thread").assert_body(&refused);
        call("drop_kept").assert_body("dropped");
        call("hello").assert_body("fine");
    }
    Call::new(script, "reader_thread")
        .group(group)
        .body(b"threaded")
        .run(bench)
        .assert_body("threaded");
}

fn odd_objects(bench: &Bench, script: &[u8], group: &str) {
    let reply = Call::new(script, "weird_close").group(group).run(bench);
    assert_eq!(reply.text(), "weird");
    assert!(reply.log.has("no close for you"), "{reply:?}");
    Call::new(script, "lying")
        .group(group)
        .run(bench)
        .assert_body("lying");
    assert_next_works(bench, script, group);
}

/// The messages of numpy, PyO3 (pydantic-core, cryptography) and CPython 3.12, as of November 2026.
const SINGLE: &str = "
import sys, types
def application(environ, start_response):
    kind = environ['PATH_INFO'][1:]
    import os
    folder = os.path.dirname(__file__)
    if folder not in sys.path: sys.path.append(folder)
    import extension_package
    extension_package.fail(kind)
";

fn single_extensions(bench: &Bench) {
    let script = bench.script("single.wsgi", SINGLE);
    std::fs::create_dir_all(bench.path("extension_package")).unwrap();
    std::fs::create_dir_all(bench.path("extension_package/inner")).unwrap();
    let fail = "from .inner import fail\n";
    std::fs::write(bench.path("extension_package/__init__.py"), fail).unwrap();
    let inner = "WHAT = {'numpy': 'cannot load module more than once per process',\n  'pyo3': 'PyO3 modules do not yet support \
                 subinterpreters, see https://github.com/PyO3/pyo3/issues/576',\n  'cpython': 'module _single does not support \
                 loading in subinterpreters'}\nclass Finder:\n  def find_spec(self, name, path=None, target=None):\n    if \
                 name.endswith('._native'): raise ImportError(Finder.message)\nimport sys\nsys.meta_path.insert(0, Finder())\n\
                 def fail(kind):\n  Finder.message = WHAT[kind]\n  from . import _native\n";
    std::fs::write(bench.path("extension_package/inner/__init__.py"), inner).unwrap();
    for (path, name) in [
        ("/numpy", "'extension_package'"),
        ("/pyo3", "'extension_package'"),
        ("/cpython", "'_single'"),
    ] {
        let call = |group| {
            Call::new(&script, "application")
                .group(group)
                .path(path.as_bytes())
        };
        let reply = call("single").run(bench);
        reply.assert_status(500);
        let advice: Vec<_> = reply
            .log
            .0
            .iter()
            .filter(|(_, line)| line.contains("%{GLOBAL}"))
            .collect();
        assert_eq!(advice.len(), 1, "{path}: {reply:?}");
        assert!(advice[0].1.contains(name), "{path}: {advice:?}");
        let reply = call("").run(bench);
        assert!(
            !reply.log.has("%{GLOBAL}"),
            "the main interpreter is no sub-interpreter: {reply:?}"
        );
    }
}

fn panics(bench: &Bench, script: &[u8]) {
    bench.take_log();
    for kind in [0, 1] {
        assert_eq!(bench.layer.fault(kind), abi::HANDLED_PANIC);
    }
    assert_eq!(bench.take_log().count("panic was stopped"), 2);
    assert_next_works(bench, script, "");
}

fn broken_streams(bench: &Bench, script: &[u8]) {
    for path in ["/del", "/none", "/text", "/detach", "/close", "/hook"] {
        let call = Call::new(script, "no_stderr")
            .group("streams")
            .path(path.as_bytes());
        let reply = call.run(bench);
        reply.assert_status(500);
        assert!(
            reply.log.has(&format!("ValueError: after {}", &path[1..])),
            "{path}: {reply:?}"
        );
        assert_next_works(bench, script, "streams");
    }
}

fn missing_modules(bench: &Bench, script: &[u8]) {
    let reply = Call::new(script, "no_modules").group("modules").run(bench);
    reply.assert_status(500);
    assert!(reply.log.has("ValueError"), "{reply:?}");
    assert_next_works(bench, script, "modules");
    Call::new(script, "no_modules_dict")
        .group("cleared")
        .run(bench)
        .assert_body("cleared");
    // What such an interpreter can still do is its application's matter; the process's others must not suffer.
    let _ = Call::new(script, "hello").group("cleared").run(bench);
    assert_next_works(bench, script, "other");
}
