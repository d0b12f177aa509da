//! Threads and application groups, mixed.
//!
//! An interpreter tells its own number (`PyInterpreterState_GetID` through `ctypes` reads the current thread state),
//! so a request that runs in another than its environ names is seen, whatever the cached modules say.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;

use crate::host::{Accept, Bench, Call};

const SCRIPT: &str = r"
import threading, contextvars
try:
    import _interpreters
    number = lambda: str(_interpreters.get_current()[0])
except ImportError:
    import _xxsubinterpreters
    number = lambda: str(int(_xxsubinterpreters.get_current()))

import mod_wsgi
LOADED_IN = number()
local = threading.local()
context = contextvars.ContextVar('context', default=0)

def application(environ, start_response):
    local.count = getattr(local, 'count', 0) + 1
    context.set(context.get() + 1)
    here = [number(), LOADED_IN, environ['mod_wsgi.application_group'], mod_wsgi.application_group, str(local.count),
            str(context.get()), str(threading.get_ident())]
    start_response('200 OK', [])
    environ['wsgi.input'].read()
    yield '|'.join(here).encode()
    yield ('|' + number()).encode()
";

const THREADS: usize = 8;
const REQUESTS: usize = 500;
const GROUPS: [&str; 4] = ["", "one", "two", "three"];

pub(crate) fn run(home: &Path) {
    let bench = Bench::start(home, 0, &[]);
    let script = bench.script("groups.wsgi", SCRIPT);
    let numbers: Mutex<HashMap<&str, String>> = Mutex::default();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (bench, script, numbers) = (&bench, &script, &numbers);
            // Each thread has another group first: the first state of a thread decides much.
            scope.spawn(move || work(bench, script, numbers, thread));
        }
    });
    let numbers = numbers.into_inner().unwrap();
    let mut distinct: Vec<&String> = numbers.values().collect();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), GROUPS.len(), "{numbers:?}");
    assert_eq!(numbers[""], "0", "the global group is the main interpreter");
    // Threads that ended have given back what they had; new ones begin anew.
    for group in GROUPS {
        let reply = Call::new(&script, "application").group(group).run(&bench);
        assert_eq!(reply.text().split('|').nth(4), Some("1"), "{reply:?}");
    }
    bench.layer.stop(std::time::Duration::from_secs(5));
}

fn work(
    bench: &Bench,
    script: &[u8],
    numbers: &Mutex<HashMap<&'static str, String>>,
    thread: usize,
) {
    let mut counts = [0_usize; GROUPS.len()];
    for round in 0..REQUESTS * GROUPS.len() {
        let which = if round < GROUPS.len() {
            thread + round
        } else {
            round * 7 + round / 5 + thread
        } % GROUPS.len();
        let group = GROUPS[which];
        counts[which] += 1;
        let accept = if round % 3 == 0 {
            Accept::OnlyWaiting
        } else {
            Accept::All
        };
        let call = Call::new(script, "application").group(group).accept(accept);
        let reply = call.body(b"a").then(&[Ok(b"b")]).run(bench);
        let text = reply.text();
        let parts: Vec<&str> = text.split('|').collect();
        assert_eq!(parts.len(), 8, "{reply:?}");
        let (here, loaded, after) = (parts[0], parts[1], parts[7]);
        assert_eq!((parts[2], parts[3]), (group, group));
        assert_eq!(
            (here, after),
            (loaded, loaded),
            "ran in another interpreter than its script: {text}"
        );
        let mut numbers = numbers.lock().unwrap();
        let known = numbers
            .entry(group)
            .or_insert_with(|| here.to_owned())
            .clone();
        drop(numbers);
        assert_eq!(here, known, "group '{group}' ran in two interpreters");
        assert_eq!(
            parts[4],
            counts[which].to_string(),
            "a thread's locals persist in each interpreter: {text}"
        );
    }
}
