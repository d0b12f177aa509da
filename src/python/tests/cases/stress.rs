//! Python without one GIL for all, hard pressed: threads come and go, the collector runs, threads are looked at and
//! interrupted, and the process ends in the middle of it.
//!
//! What a version has is used: no GIL in a free-threaded Python, else a GIL for each interpreter, else the one of all.

use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rsgi_bridge::abi::{self, level};
use rsgi_bridge::host::Outcome;
use rsgi_bridge::locate::locate;
use rsgi_bridge::start::StartOptions;

use crate::host::{Bench, Call, child};

const SCRIPT: &str = r"
import gc, sys, threading, time, mod_wsgi

def come_and_go(is_over):
    # Threads whose thread states are made and deleted all the time.
    while not is_over.is_set():
        threads = [threading.Thread(target=lambda: [{} for _ in range(5)]) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

is_over = threading.Event()
try:
    threading.Thread(target=come_and_go, args=(is_over,), daemon=True).start()
except RuntimeError:
    # An interpreter with a GIL of its own has no daemons.
    threading.Thread(target=come_and_go, args=(is_over,), daemon=False).start()
    threading._register_atexit(is_over.set)

def deeper(number):
    node = {'number': number}
    node['self'] = node
    return deeper(number - 1) if number else sys.getrefcount(node)

def work(environ, start_response):
    deeper(30)
    if environ['PATH_INFO'] == '/collect':
        gc.collect()
    start_response('200 OK', [('X-Number', str(threading.active_count()))])
    environ['wsgi.errors'].write('a line\n')
    yield b'wh'
    yield b'ole'

def spin_here():
    while True:
        deeper(40)

def spin(environ, start_response):
    spin_here()

def crash(environ, start_response):
    import signal
    open(__file__ + '.crashes', 'w').close()
    signal.raise_signal(signal.SIGSEGV)
";

const GROUPS: [&str; 4] = ["", "one", "two", "three"];
const THREADS: u32 = 6;
/// Requests of each thread before the end.
const ENOUGH: usize = 20;
/// For what takes a moment on a machine with time.
const PATIENCE: Duration = Duration::from_secs(60);

fn start(home: &Path) -> Bench {
    let found = locate(Some(home).filter(|home| !home.as_os_str().is_empty())).unwrap();
    let flags = if found.free_threaded {
        abi::START_FREE_THREADING
    } else if found.minor >= 12 {
        abi::START_OWN_GIL
    } else {
        0
    };
    let options = StartOptions {
        flags: flags | abi::START_DAEMON,
        ..StartOptions::default()
    };
    Bench::start_as(home, &options)
}

/// Makes all interpreters, with the threads that come and go in them.
fn warm(bench: &Bench, script: &[u8]) {
    for group in GROUPS {
        let call = Call::new(script, "work").group(group);
        call.run(bench).assert_body("whole");
    }
}

/// Requests until Python stops; what is interrupted is cut, what comes too late is refused.
fn ask_on(bench: &Bench, script: &[u8], number: u32, answered: &AtomicUsize) {
    bench.layer.worker(number);
    for turn in number as usize.. {
        let path: &[u8] = if turn.is_multiple_of(7) {
            b"/collect"
        } else {
            b"/"
        };
        let group = GROUPS[turn % GROUPS.len()];
        let reply = Call::new(script, "work").group(group).path(path).run(bench);
        match reply.outcome {
            Outcome::Handled => assert_eq!(reply.text(), "whole", "{reply:?}"),
            Outcome::Truncated | Outcome::Status(504) => {}
            Outcome::Status(503) => break,
            _ => panic!("{reply:?}"),
        }
        answered.fetch_add(1, Ordering::SeqCst);
    }
}

/// Ends while requests come, threads come and go, and other threads look and interrupt.
pub(crate) fn run(home: &Path) {
    let bench = start(home);
    let script = bench.script("stress.wsgi", SCRIPT);
    warm(&bench, &script);
    let (is_over, has_looked) = (AtomicBool::new(false), AtomicBool::new(false));
    let answered: Vec<AtomicUsize> = (0..THREADS).map(|_| AtomicUsize::new(0)).collect();
    std::thread::scope(|scope| {
        let (bench, script) = (&bench, &script);
        let (is_over, has_looked) = (&is_over, &has_looked);
        for (number, answered) in (1..).zip(&answered) {
            scope.spawn(move || {
                ask_on(bench, script, number, answered);
                // A host's workers do not end before Python has.
                while !has_looked.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(5));
                }
            });
        }
        scope.spawn(move || {
            while !is_over.load(Ordering::SeqCst) {
                bench.layer.dump(level::NOTICE);
                bench.layer.probe();
                for number in 1..=THREADS {
                    bench.layer.interrupt(number, 0);
                }
            }
            has_looked.store(true, Ordering::SeqCst);
        });
        let begun = Instant::now();
        let has_worked = |answered: &AtomicUsize| answered.load(Ordering::SeqCst) >= ENOUGH;
        while !answered.iter().all(has_worked) && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
        let begun = Instant::now();
        bench.layer.stop(PATIENCE);
        is_over.store(true, Ordering::SeqCst);
        assert!(begun.elapsed() < PATIENCE, "it was held up");
    });
    assert!(
        answered
            .iter()
            .all(|answered| answered.load(Ordering::SeqCst) >= ENOUGH),
        "{answered:?}"
    );
    let log = bench.take_log();
    assert!(log.worse_than(level::ERROR).is_empty(), "{log:?}");
}

/// Looks, without waiting for anybody, at threads that run while the process is about to end. Does not come back.
pub(crate) fn run_cut(home: &Path) {
    let bench = start(home);
    let script = bench.script("stress.wsgi", SCRIPT);
    warm(&bench, &script);
    std::thread::scope(|scope| {
        let (bench, script) = (&bench, &script);
        for number in 1..=THREADS {
            scope.spawn(move || {
                bench.layer.worker(number);
                let group = GROUPS[number as usize % GROUPS.len()];
                Call::new(script, "spin").group(group).run(bench)
            });
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            bench.take_log();
            bench.layer.dump(level::NOTICE);
            let log = bench.take_log();
            if log.count(", in spin_here") >= THREADS as usize {
                break;
            }
            if Instant::now() > deadline {
                // They are not waited for.
                child::end(&format!("not all requests run: {log:?}"));
            }
        }
        bench.layer.stop(Duration::from_millis(50));
        let text = look(bench);
        // From 3.13 on each tells of itself, before that one of each interpreter, and before 3.11 nobody knows of all.
        let least = match bench.minor {
            13.. => THREADS as usize,
            11.. => 1,
            _ => 0,
        };
        if text.matches("in spin_here").count() < least {
            child::end(&format!("too few of them are in spin_here: {text}"));
        }
        for _ in 0..3 {
            look(bench);
        }
        child::end("");
    });
}

/// A thread that crashes while the process is about to end stands still, however often it is looked at. Does not come
/// back.
pub(crate) fn run_crash(home: &Path) {
    let bench = start(home);
    let script = bench.script("stress.wsgi", SCRIPT);
    let call = Call::new(&script, "work");
    call.run(&bench).assert_body("whole");
    // From here on.
    look(&bench);
    std::thread::scope(|scope| {
        let (bench, script) = (&bench, &script);
        scope.spawn(move || {
            bench.layer.worker(1);
            Call::new(script, "crash").run(bench)
        });
        let deadline = Instant::now() + PATIENCE;
        while !bench.path("stress.wsgi.crashes").exists() {
            assert!(Instant::now() < deadline, "the request does not run");
            std::thread::sleep(Duration::from_millis(5));
        }
        for _ in 0..20 {
            look(bench);
        }
        child::end("");
    });
}

fn look(bench: &Bench) -> String {
    let path = bench.path("stacks.txt");
    let file = std::fs::File::create(&path).unwrap();
    assert!(bench.layer.dump_unsafe(file.as_fd()));
    let mut text = String::new();
    let mut written = std::fs::File::open(&path).unwrap();
    written.read_to_string(&mut text).unwrap();
    text
}
