//! Requests of many threads that run one after the other, each woken on the processor of the one before.

use std::path::Path;
use std::thread;
use std::time::Duration;

use rsgi_bridge::host::Outcome;

use crate::host::{Bench, Call};

const SCRIPT: &str = r"
import os, threading, time
together = threading.Barrier(8)

def processors():
    return sorted(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else []

def busy(environ, start_response):
    mine = processors()
    end = time.perf_counter() + 0.0004
    while time.perf_counter() < end:
        pass
    start_response('200 OK', [])
    return [repr(mine).encode()]

def waits(environ, start_response):
    together.wait(timeout=30)
    start_response('200 OK', [])
    return [b'all are there']

def narrows(environ, start_response):
    before = processors()
    if before:
        os.sched_setaffinity(0, before[:1])
    start_response('200 OK', [])
    return [repr(before).encode()]
";

const THREADS: usize = 8;

pub(crate) fn run(home: &Path) {
    let bench = Bench::start(home, 0, &[]);
    let script = bench.script("turns.wsgi", SCRIPT);
    let own = ask(&bench, &script, "busy");
    // Each round again those that wait for each other come as the line is used to such that do not.
    for _ in 0..3 {
        all(|| {
            for _ in 0..150 {
                assert_eq!(
                    ask(&bench, &script, "busy"),
                    own,
                    "not the thread's own processors"
                );
            }
        });
        all(|| assert_eq!(ask(&bench, &script, "waits"), "all are there"));
    }
    // What an application does to its thread lasts.
    all(|| {
        assert_eq!(ask(&bench, &script, "narrows"), own);
        let narrow = own
            .split(", ")
            .next()
            .unwrap()
            .trim_end_matches(']')
            .to_owned()
            + "]";
        for _ in 0..50 {
            assert_eq!(ask(&bench, &script, "busy"), narrow);
        }
    });
    bench.layer.stop(Duration::from_secs(5));
}

fn ask(bench: &Bench, script: &[u8], callable: &'static str) -> String {
    let reply = Call::new(script, callable).run(bench);
    assert_eq!(reply.outcome, Outcome::Handled, "{reply:?}");
    reply.text()
}

fn all(body: impl Fn() + Sync) {
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(&body);
        }
    });
}
