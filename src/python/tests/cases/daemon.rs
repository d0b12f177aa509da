//! What a daemon process does otherwise than Apache's children.

use std::path::Path;
use std::time::Duration;

use rsgi_bridge::abi::{self, level};
use rsgi_bridge::facts::TargetFacts;
use rsgi_bridge::host::{Outcome, ReadError};
use rsgi_bridge::start::StartOptions;

use crate::host::{Bench, Call, Reply};

const LOOKS: &str = r"
import os, sys, signal
def application(environ, start_response):
    start_response('200 OK', [])
    names = ('USER', 'USERNAME', 'LOGNAME', 'HOME', 'PYTHON_EGG_CACHE')
    looks = [sys.path[0], round(sys.getswitchinterval(), 6)] + [os.environ.get(name) for name in names]
    return [repr(looks + [environ['mod_wsgi.thread_id']]).encode()]
";

pub(crate) fn run(home: &Path) {
    // SAFETY: this process has one thread that looks at its environment.
    unsafe { std::env::set_var("USER", "root") };
    // SAFETY: as above.
    unsafe { std::env::remove_var("LOGNAME") };
    // SAFETY: as above.
    unsafe { std::env::remove_var("USERNAME") };
    let options = StartOptions {
        flags: abi::START_DAEMON,
        home: b"/srv/home of it",
        python_eggs: b"/var/eggs",
        switch_interval: Some(2_000_000),
        user_name: b"nobody",
        user_home: b"/nonexistent",
        ..StartOptions::default()
    };
    let bench = Bench::start_as(home, &options);
    bench.layer.worker(7);
    for group in ["", "one"] {
        looks(&bench, group);
        stale(&bench, group);
        asked(&bench, group);
    }
    imports(&bench);
    assert!(bench.layer.probe());
    bench.layer.stopping("maximum_requests");
    bench.layer.stopping("script_reload");
    bench.take_log();
    bench.layer.stop(Duration::from_secs(5));
    assert!(bench.take_log().has("Python ends: maximum_requests."));
    assert!(!bench.layer.probe());
    assert!(!bench.layer.dump(level::INFO));
}

fn looks(bench: &Bench, group: &str) {
    let script = bench.script("looks.wsgi", LOOKS);
    let reply = Call::new(&script, "application").group(group).run(bench);
    reply.assert_body(
        "['/srv/home of it', 0.002, 'nobody', None, None, '/nonexistent', '/var/eggs', 7]",
    );
}

const APPLICATION: &str = "
def application(environ, start_response):
    body = environ['wsgi.input'].read()
    start_response('200 OK', [])
    return [repr((VALUE, body)).encode()]
";

/// Fails unless nothing at all was done with the request.
#[track_caller]
fn assert_stale(reply: &Reply) {
    assert_eq!(reply.outcome, Outcome::Stale, "{reply:?}");
    assert!(reply.head.is_none() && reply.reads == 0, "{reply:?}");
}

fn stale(bench: &Bench, group: &str) {
    let name = format!("stale{group}.wsgi");
    let script = bench.script(&name, &format!("VALUE = 1\n{APPLICATION}"));
    let path = bench.path(&name);
    let first = touch(&path, 1_700_000_000_000_000);
    let call = |mtime| {
        let pieces: &[Result<&[u8], ReadError>] = &[Ok(b"body")];
        let call = Call::new(&script, "application").group(group);
        call.then(pieces).mtime(mtime).run(bench)
    };
    call(Some(first)).assert_body("(1, b'body')");
    // The host saw the file before it was changed, the process loaded it afterwards.
    call(Some(first - 1)).assert_body("(1, b'body')");
    for changed in [first + 1_000_000, first - 1_000_000] {
        touch(&path, changed);
        assert_stale(&call(Some(changed)));
        assert_stale(&call(None));
        // Without reloading nobody looks.
        let reply = Call::new(&script, "application").group(group).run(bench);
        reply.assert_body("(1, b'')");
    }
    touch(&path, first);
    call(None).assert_body("(1, b'body')");
    std::fs::remove_file(&path).unwrap();
    assert_stale(&call(Some(0)));
}

fn asked(bench: &Bench, group: &str) {
    let source = format!(
        "VALUE = []\ndef reload_required(path):\n    VALUE.append(path)\n    return len(VALUE) == 2\n{APPLICATION}"
    );
    let script = bench.script(&format!("ask{group}.wsgi"), &source);
    let call = || {
        let call = Call::new(&script, "application").group(group);
        call.mtime(None).run(bench)
    };
    assert_eq!(call().text(), "([], b'')");
    assert_eq!(call().head().status, 200);
    assert_stale(&call());
    assert_eq!(call().head().status, 200);
}

fn imports(bench: &Bench) {
    let script = bench.script("import.py", "print('loaded once more')");
    let path = bench.path("import.py");
    bench.take_log();
    for seconds in 1..4 {
        let target = TargetFacts {
            script: &script,
            mtime: Some(touch(&path, seconds * 1_000_000)),
            flags: abi::TARGET_RELOADING,
            ..TargetFacts::default()
        };
        assert!(bench.layer.load(&target));
    }
    assert_eq!(bench.take_log().count("loaded once more"), 3);
}

/// Sets a modification time and gives it back.
fn touch(path: &Path, micros: i64) -> i64 {
    let since = Duration::from_micros(u64::try_from(micros).unwrap());
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + since).unwrap();
    micros
}

const SERVICE: &str = r"
import atexit, os, signal, time
print('service begins')
atexit.register(lambda: print('service ends'))
default = signal.getsignal(signal.SIGTERM)
os.kill(os.getpid(), signal.SIGTERM)
while True:
    time.sleep(0.001)
";

pub(crate) fn run_service(home: &Path) {
    let options = StartOptions {
        flags: abi::START_DAEMON | abi::START_SERVICE | abi::START_MAIN_THREAD,
        threads: 0,
        ..StartOptions::default()
    };
    let bench = Bench::start_as(home, &options);
    let run = |source: &str, group: &str| {
        let script = bench.script("service.py", source);
        bench.take_log();
        let is_well = bench.layer.run_service(&TargetFacts {
            application_group: group.as_bytes(),
            script: &script,
            ..TargetFacts::default()
        });
        let log = bench.take_log();
        (is_well, log.worse_than(level::ERROR).join("\n"))
    };
    assert_eq!(run(SERVICE, ""), (true, "service begins".to_owned()));
    assert_eq!(run("print('returns')", "one"), (true, "returns".to_owned()));
    assert_eq!(run("raise SystemExit(3)", ""), (true, String::new()));
    let (is_well, log) = run("raise ValueError('no')", "");
    assert!(!is_well && log.contains("ValueError: no"), "{log}");
    // Signals are the application's.
    let own = "import os, signal, time\nsignal.signal(signal.SIGUSR2, lambda *_: print('own handler'))\nos.kill(os.getpid(), signal.SIGUSR2)\nfor _ in range(50): time.sleep(0.001)\n";
    assert_eq!(run(own, ""), (true, "own handler".to_owned()));
    // In a sub-interpreter Python runs no handlers, but the monitor can end it.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while bench.layer.interrupt(0, 0) != rsgi_bridge::layer::Interrupted::Raised {
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let endless = "import time\nwhile True: time.sleep(0.001)\n";
        assert_eq!(run(endless, "one"), (true, String::new()));
    });
    bench.layer.stop(Duration::from_secs(5));
    assert!(bench.take_log().has("service ends"));
}
