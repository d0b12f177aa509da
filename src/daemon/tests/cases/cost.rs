//! What requests cost the process. Only on request: `RSGI_TEST_PROGRAM` names a release build, with its layer beside it.

use std::fs;
use std::time::Instant;

use crate::harness::{Daemon, Request};

const APP: &str = "
def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', '12')])
    return [b'Hello world!']
";

/// Ticks of the processor that the process has used, in user mode and in the kernel.
fn ticks(pid: u32) -> [u64; 2] {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let rest = text.rsplit(')').next().unwrap();
    let fields: Vec<u64> = rest
        .split_whitespace()
        .map(|word| word.parse().unwrap_or(0))
        .collect();
    [fields[11], fields[12]]
}

fn memory(pid: u32) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let wanted = |line: &&str| line.starts_with("Rss") || line.starts_with("Pss:");
    text.lines().filter(wanted).collect::<Vec<_>>().join(", ")
}

#[test]
#[ignore = "a measurement"]
fn what_a_hello_costs() {
    let clients = 8;
    let count = 5_000;
    let daemon = Daemon::start(APP, |config| config.options.threads = 5);
    println!("idle: {}", memory(daemon.pid()));
    let time = fs::metadata(daemon.path("app.wsgi"))
        .unwrap()
        .modified()
        .unwrap();
    let time = time
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_micros();
    let request = Request {
        mtime: i64::try_from(time).ok(),
        ..Request::get("/")
    };
    let run = || {
        std::thread::scope(|scope| {
            for _ in 0..clients {
                let mut child = daemon.connect();
                let request = &request;
                scope.spawn(move || {
                    for _ in 0..count {
                        assert!(child.ask(request).is_ended);
                    }
                });
            }
        });
    };
    run();
    let (before, start) = (ticks(daemon.pid()), Instant::now());
    run();
    let (after, elapsed) = (ticks(daemon.pid()), start.elapsed());
    let requests = f64::from(clients * count);
    let micros = |index: usize| (after[index] - before[index]) as f64 * 10_000.0 / requests;
    println!(
        "{:.0} requests/s, {:.1} us in user mode and {:.1} us in the kernel each; {}",
        requests / elapsed.as_secs_f64(),
        micros(0),
        micros(1),
        memory(daemon.pid())
    );
}
