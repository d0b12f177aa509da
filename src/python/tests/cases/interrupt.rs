//! Interruptions, and where threads are.

use std::collections::HashSet;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use rsgi_bridge::abi::{self, level};
use rsgi_bridge::host::Outcome;
use rsgi_bridge::layer::Interrupted;
use rsgi_bridge::start::StartOptions;

use crate::host::{Bench, Call, Reply};

const SCRIPT: &str = r"
import threading, time, mod_wsgi
go_on = threading.Event()

def spin_here(seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end and not go_on.is_set():
        time.sleep(0.0005)

def before(environ, start_response):
    spin_here()
    start_response('200 OK', [])
    return [b'not interrupted']

def after(environ, start_response):
    start_response('200 OK', [])
    yield b'begun'
    spin_here()
    yield b'not interrupted'

def caught(environ, start_response):
    start_response('200 OK', [])
    try:
        spin_here()
    except mod_wsgi.RequestTimeout as error:
        return [type(error).__module__.encode(), b'.', type(error).__name__.encode()]
    return [b'not interrupted']

def short(environ, start_response):
    try:
        start_response('200 OK', [])
        spin_here(0.0004)
        return [b'whole']
    except mod_wsgi.RequestTimeout:
        return [b'hit']

def hello(environ, start_response):
    start_response('200 OK', [])
    return [b'hello']

def start_thread(environ, start_response):
    threading.Thread(target=spin_here, name='its own', daemon=True).start()
    start_response('200 OK', [])
    return [b'started']
";

const LOADING: &str = r"
import time
while True:
    time.sleep(0.001)
";

pub(crate) fn run(home: &Path) {
    let options = StartOptions {
        flags: abi::START_DAEMON,
        ..StartOptions::default()
    };
    let bench = Bench::start_as(home, &options);
    let script = bench.script("interrupt.wsgi", SCRIPT);
    assert_eq!(bench.layer.interrupt(1, 0), Interrupted::Over);
    for group in ["", "one"] {
        one_request(&bench, &script, group);
        no_other(&bench, &script, group);
    }
    stacks(&bench, &script);
    while_threads_come(&bench, &script);
    bench.layer.stop(Duration::from_millis(300));
    assert_eq!(bench.layer.interrupt(1, 0), Interrupted::Failed);
}

/// Runs a request in a worker, and `meanwhile` until it says that it is done.
fn with_request(
    bench: &Bench,
    call: Call<'_>,
    number: u32,
    mut meanwhile: impl FnMut() -> bool,
) -> Reply {
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            bench.layer.worker(number);
            call.run(bench)
        });
        let deadline = Instant::now() + Duration::from_secs(15);
        while !meanwhile() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        thread.join().unwrap()
    })
}

/// Whether somebody is at a line with this text.
fn is_at(bench: &Bench, text: &str) -> bool {
    bench.take_log();
    assert!(bench.layer.dump(level::NOTICE));
    bench.take_log().has(text)
}

fn one_request(bench: &Bench, script: &[u8], group: &str) {
    let interrupted = |callable: &str, daemon_start: i64| {
        let call = Call::new(script, callable)
            .group(group)
            .daemon_start(daemon_start);
        let reply = with_request(bench, call, 3, || {
            if !is_at(bench, "in spin_here") {
                return false;
            }
            assert_ne!(bench.layer.interrupt(3, 1), Interrupted::Raised);
            assert_ne!(bench.layer.interrupt(4, daemon_start), Interrupted::Raised);
            bench.layer.interrupt(3, daemon_start) == Interrupted::Raised
        });
        let log = bench.take_log();
        assert_eq!(log.count("Worker 3, with a request of "), 1, "{log:?}");
        assert!(log.has("in spin_here"), "{log:?}");
        assert!(log.worse_than(level::NOTICE).is_empty(), "{log:?}");
        reply
    };
    let reply = interrupted("before", 77);
    reply.assert_status(504);
    told_as_late(&reply);
    let reply = interrupted("after", 78);
    assert_eq!(reply.outcome, Outcome::Truncated, "{reply:?}");
    assert_eq!(reply.text(), "begun");
    told_as_late(&reply);
    interrupted("caught", 79).assert_body("mod_wsgi.RequestTimeout");

    let loading = bench.script("loading.wsgi", LOADING);
    let call = Call::new(&loading, "application").group(group);
    let reply = with_request(bench, call, 3, || {
        is_at(bench, "time.sleep(0.001)") && bench.layer.interrupt(3, 0) == Interrupted::Raised
    });
    reply.assert_status(504);
}

/// One line names the process, its group, the option and the cure.
fn told_as_late(reply: &Reply) {
    let told = reply.log.worse_than(level::NOTICE);
    let pid = format!("process {} of process group", std::process::id());
    let words = ["RSGI0216: ", pid.as_str(), "raise request-timeout="];
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(words.iter().all(|word| told[0].contains(word)), "{told:?}");
}

/// Short requests are shot at by threads that are late as often as not.
fn no_other(bench: &Bench, script: &[u8], group: &str) {
    let running = AtomicI64::new(0);
    let is_over = AtomicBool::new(false);
    let (targets, hits) = (Mutex::new(HashSet::new()), Mutex::new(HashSet::new()));
    std::thread::scope(|scope| {
        let worker = || {
            bench.layer.worker(5);
            let end = Instant::now() + Duration::from_millis(800);
            let mut number = 1000;
            while Instant::now() < end {
                number += 1;
                running.store(number, Ordering::SeqCst);
                let reply = Call::new(script, "short")
                    .group(group)
                    .daemon_start(number)
                    .run(bench);
                if reply.text() != "whole" {
                    hits.lock().unwrap().insert(number);
                }
            }
            is_over.store(true, Ordering::SeqCst);
        };
        let shooter = |pause: u64| {
            let (running, is_over, targets) = (&running, &is_over, &targets);
            move || {
                while !is_over.load(Ordering::SeqCst) {
                    let number = running.load(Ordering::SeqCst);
                    std::thread::sleep(Duration::from_micros(pause));
                    if number != 0 && bench.layer.interrupt(5, number) == Interrupted::Raised {
                        targets.lock().unwrap().insert(number);
                    }
                }
            }
        };
        scope.spawn(worker);
        scope.spawn(shooter(100));
        scope.spawn(shooter(350));
    });
    let (targets, hits) = (targets.into_inner().unwrap(), hits.into_inner().unwrap());
    assert!(!targets.is_empty() && !hits.is_empty(), "nothing was hit");
    let strays: Vec<_> = hits.difference(&targets).collect();
    assert!(strays.is_empty(), "hit without being meant: {strays:?}");
    bench.layer.worker(1);
    for _ in 0..20 {
        let call = Call::new(script, "hello").group(group);
        call.run(bench).assert_body("hello");
    }
}

fn stacks(bench: &Bench, script: &[u8]) {
    for group in ["", "two"] {
        let call = Call::new(script, "start_thread").group(group);
        call.run(bench).assert_body("started");
    }
    let call = Call::new(script, "before").group("one");
    let labels = [
        "Worker 3, with a request of '",
        "interrupt.wsgi' in application group 'one' is at:",
        "Thread 'its own' in application group '' is at:",
        "Thread 'its own' in application group 'two' is at:",
    ];
    let reply = with_request(bench, call, 3, || {
        bench.take_log();
        assert!(bench.layer.dump(level::NOTICE));
        let log = bench.take_log();
        // All three are somewhere within the loop.
        if log.count("in spin_here") < 3 || labels.iter().any(|label| !log.has(label)) {
            return false;
        }
        assert_eq!(log.count("is at:"), 3, "{log:?}");
        let lines = log.worse_than(level::NOTICE);
        assert!(lines.iter().all(|line| !line.contains('\n')), "{log:?}");
        blindly(bench);
        bench.layer.interrupt(3, 0) == Interrupted::Raised
    });
    reply.assert_status(504);
}

/// CPython's list of threads is read while threads that are new to Python put themselves into it.
fn while_threads_come(bench: &Bench, script: &[u8]) {
    const COMERS: usize = 8;
    let end = Instant::now() + Duration::from_millis(1_500);
    let ask_once = || {
        Call::new(script, "hello").run(bench).assert_body("hello");
    };
    let come_and_go = || {
        let mut count = 0;
        while Instant::now() < end {
            std::thread::scope(|scope| drop(scope.spawn(ask_once)));
            count += 1;
        }
        count
    };
    let (came, looks) = std::thread::scope(|scope| {
        let comers: Vec<_> = (0..COMERS).map(|_| scope.spawn(come_and_go)).collect();
        let mut looks = 0;
        while Instant::now() < end {
            assert!(bench.layer.dump(level::DEBUG));
            looks += 1;
            std::thread::sleep(Duration::from_micros(300));
        }
        let came = comers.into_iter().map(|comer| comer.join().unwrap());
        (came.sum::<usize>(), looks)
    });
    assert!(came > COMERS && looks > 1, "{came} threads, {looks} looks");
    bench.take_log();
}

/// Without the GIL, into a file.
fn blindly(bench: &Bench) {
    let path = bench.path("stacks.txt");
    let file = std::fs::File::create(&path).unwrap();
    assert!(bench.layer.dump_unsafe(file.as_fd()));
    let deadline = Instant::now() + Duration::from_secs(5);
    let mut text = String::new();
    while !text.contains("spin_here") && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
        text.clear();
        let mut written = std::fs::File::open(&path).unwrap();
        written.read_to_string(&mut text).unwrap();
    }
    assert!(text.contains("in spin_here"), "{text}");
}
