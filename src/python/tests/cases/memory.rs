//! Nothing grows with the number of requests.

use std::path::Path;

use crate::host::{Bench, Call};

const SCRIPT: &str = r"
import mod_wsgi, sys
def application(environ, start_response):
    kind = environ['PATH_INFO'][1:]
    if kind == 'objects':
        start_response('200 OK', [])
        return [str(sys.getallocatedblocks()).encode()]
    environ['wsgi.errors'].write('x\n')
    environ['wsgi.input'].read()
    if kind == 'error': raise ValueError(kind)
    start_response('200 OK', [('Content-Type', 'text/plain'), ('X-Number', kind)])
    if kind == 'file': return mod_wsgi.FileWrapper(open(__file__, 'rb'))
    if kind == 'generator': return (b'x' * 100 for _ in range(3))
    return [b'x' * 1000]
";

/// On the system's Python; on others, whose memory is managed the same way, a fifth: each takes seconds.
const REQUESTS: usize = 50_000;
const REQUESTS_ELSEWHERE: usize = REQUESTS / 5;
/// What an allocator may keep for itself after it is warm.
const ALLOWED: u64 = 3 << 20;
/// Blocks of Python's memory that may wait for the garbage collector after 1,000 threads. Each leaves some for a while;
/// without the GIL none would be collected for threads that leave few (see `ending`), so none may be left to it.
const WAITING: u64 = 3000;

pub(crate) fn run(home: &Path) {
    let bench = Bench::start(home, 0, &[]);
    let script = bench.script("memory.wsgi", SCRIPT);
    let requests = if home.as_os_str().is_empty() {
        REQUESTS
    } else {
        REQUESTS_ELSEWHERE
    };
    round(&bench, &script, REQUESTS_ELSEWHERE / 2);
    let (memory, files) = (resident(), descriptors());
    round(&bench, &script, requests);
    let grown = resident().saturating_sub(memory);
    assert!(
        grown <= ALLOWED,
        "{grown} bytes more after {requests} requests"
    );
    assert_eq!(descriptors(), files, "descriptors stay open");
    ended_threads_leave_nothing(&bench, &script);
    bench.layer.stop(std::time::Duration::from_secs(5));
}

fn round(bench: &Bench, script: &[u8], requests: usize) {
    for number in 0..requests {
        let path: &[u8] = match number % 100 {
            0 => b"/error",
            1 | 2 => b"/file",
            3..8 => b"/generator",
            _ => b"/",
        };
        let group = if number % 2 == 0 { "" } else { "other" };
        let reply = Call::new(script, "application")
            .group(group)
            .path(path)
            .body(b"body")
            .run(bench);
        assert_eq!(reply.head.is_some(), path != b"/error", "{reply:?}");
    }
}

fn ended_threads_leave_nothing(bench: &Bench, script: &[u8]) {
    let spawn = |count: usize| {
        for _ in 0..count {
            std::thread::scope(|scope| {
                scope.spawn(|| round(bench, script, 4));
            });
        }
    };
    // What an allocator keeps for ended threads goes up and down, by 3 MB where there is no GIL: its lowest counts.
    let lowest = || (0..5).map(|_| (spawn(100), resident()).1).min().unwrap();
    spawn(100);
    let (memory, waiting) = (lowest(), objects(bench, script));
    spawn(500);
    let grown = lowest().saturating_sub(memory);
    assert!(
        grown <= ALLOWED,
        "{grown} bytes more after 1000 threads came and went"
    );
    let left = objects(bench, script).saturating_sub(waiting);
    assert!(
        left <= WAITING,
        "{left} blocks more after 1000 threads came and went"
    );
}

/// How many blocks of memory Python has in use.
fn objects(bench: &Bench, script: &[u8]) -> u64 {
    let reply = Call::new(script, "application")
        .path(b"/objects")
        .run(bench);
    reply.text().parse().unwrap()
}

fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
