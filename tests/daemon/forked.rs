//! Processes that an application forks without executing another program: they have the daemon's signal handlers, and
//! what they are sent is theirs alone.

use super::{answering, grouped};
use crate::harness::only_rsgi;

/// Ends processes of its own by signals; `join()` is bounded, so that a process that stays is seen.
const APP: &str = r#"
import multiprocessing, os, time, warnings
warnings.simplefilter("ignore")
fork = multiprocessing.get_context("fork")

def process(end):
    child = fork.Process(target=time.sleep, args=(60,))
    child.start()
    end(child)
    child.join(5)
    code = child.exitcode
    child.kill()
    return str(code)

def pool():
    with fork.Pool(2) as pool:
        return str(pool.map(abs, [-1, 2]))

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/terminate":
        body = process(lambda child: child.terminate())
    elif path == "/signal":
        number = int(environ["QUERY_STRING"])
        body = process(lambda child: os.kill(child.pid, number))
    elif path == "/pool":
        body = pool()
    else:
        body = str(os.getpid())
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body.encode()]
"#;

#[test]
fn a_signal_to_a_forked_process_ends_that_and_not_the_daemon() {
    only_rsgi!("its forked processes end with 255");
    let server = grouped("processes=1 threads=3", APP).start();
    let daemon = answering(&server);
    for _ in 0..5 {
        assert_eq!(server.text("/terminate"), "-15");
    }
    for number in [libc::SIGINT, libc::SIGUSR1, libc::SIGHUP, libc::SIGXCPU] {
        let code = server.text(&format!("/signal?{number}"));
        assert_eq!(code, format!("-{number}"));
    }
    assert_eq!(answering(&server), daemon);
    server.finish();
}

#[test]
fn a_pool_of_forked_processes_ends_and_the_daemon_stays() {
    let server = grouped("processes=1 threads=3", APP).start();
    let daemon = answering(&server);
    for _ in 0..3 {
        assert_eq!(server.text("/pool"), "[1, 2]");
    }
    assert_eq!(answering(&server), daemon);
    server.finish();
}
