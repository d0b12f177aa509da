//! Nothing grows with the number of requests.

use std::path::Path;

use crate::host::{Bench, Call};

const SCRIPT: &str = r"
import mod_wsgi
def application(environ, start_response):
    kind = environ['PATH_INFO'][1:]
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
    spawn(100);
    let memory = resident();
    spawn(1000);
    let grown = resident().saturating_sub(memory);
    assert!(
        grown <= ALLOWED,
        "{grown} bytes more after 1000 threads came and went"
    );
}

fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
