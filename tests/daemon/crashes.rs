//! Applications that end their process, or come to the end of its stack or memory: what the client is told, and the log.

use std::time::{Duration, Instant};

use super::apps::{evil, process, running};
use crate::harness::{Server, UnderTest, id, only_rsgi, under_test, wait_until};
use crate::kit::is_free_threaded_run;

/// The code ends the process: 502, the cause in the log, another process for the next request.
#[track_caller]
fn ends_the_process(code: &str, options: &str, causes: &[&str]) {
    let server = evil(options);
    let pid = process(&server);
    let begun = Instant::now();
    let reply = server.ask(&running(code));
    assert_eq!(reply.status, 502, "{code}: {}", reply.text());
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    assert_ne!(process(&server), pid, "{code}");
    server.allow_log(&id("0146"));
    server.allow_log(&id("0147"));
    if under_test() == UnderTest::Rsgi {
        server.allow_log("RSGI04");
        let texts = || server.log_text();
        wait_until(&format!("one of {causes:?} in the log"), || {
            causes.iter().any(|cause| texts().contains(cause))
        });
        let text = texts();
        let named = |l: &str| l.contains(&pid.to_string()) && causes.iter().any(|c| l.contains(c));
        assert!(text.lines().any(named), "{pid} and {causes:?}: {text}");
        for cause in causes {
            server.allow_log(cause);
        }
        // Where Python was.
        server.allow_log("Fatal Python error");
        server.allow_stacks();
    } else {
        for text in ["exit signal", "died", "WSGI0127"] {
            server.allow_log(text);
        }
    }
    server.finish();
}

#[test]
fn a_segmentation_fault_is_a_502_and_the_signal_is_in_the_log() {
    ends_the_process("ctypes.string_at(1)", "processes=1 threads=3", &["SIGSEGV"]);
}

#[test]
fn an_abort_is_a_502_and_the_signal_is_in_the_log() {
    ends_the_process("os.abort()", "processes=1 threads=3", &["SIGABRT"]);
}

/// A crash in C code, deep in an application.
const CRASH: &str = "
import ctypes, sys, threading, time
def waits_here():
    time.sleep(60)
threading.Thread(target=waits_here, daemon=True).start()
def crashes_here():
    ctypes.string_at(1)
def application(environ, start_response):
    if environ['PATH_INFO'] == '/crash':
        crashes_here()
    start_response('200 OK', [])
    return [b'%d' % sys.version_info[1]]
";

#[test]
fn a_crash_leaves_in_the_log_where_all_threads_of_python_were() {
    only_rsgi!("it logs the signal only");
    for python in crate::kit::pythons() {
        let home = python.home.to_str().filter(|&home| home != "/usr");
        for group in ["%{GLOBAL}", "named"] {
            let server = Server::builder()
                .python_home(home)
                .daemon("app", "processes=1 threads=3")
                .serve(CRASH)
                .conf(&format!("WSGIApplicationGroup {group}"))
                .start();
            let minor = server.text("/");
            assert_eq!(server.get("/crash").status, 502, "{minor} {group}");
            for text in [
                "RSGI0146",
                "RSGI045",
                "Extension modules",
                "C stack",
                "  Binary file",
                "  <truncated rest of calls>",
            ] {
                server.allow_log(text);
            }
            server.allow_stacks();
            server.expect_log("Fatal Python error: Segmentation fault");
            // CPython 3.10 tells of the main interpreter only.
            if minor != "10" || group != "named" {
                for function in ["crashes_here", "waits_here", "application"] {
                    server.expect_log(&format!(" in {function}"));
                }
            }
            assert_eq!(server.text("/"), minor);
            server.finish();
        }
    }
}

#[test]
fn an_application_that_kills_itself_is_a_502() {
    ends_the_process(
        "os.kill(os.getpid(), signal.SIGKILL)",
        "processes=1 threads=3",
        &["SIGKILL"],
    );
}

#[test]
fn os_exit_is_a_502_and_the_exit_code_is_in_the_log() {
    ends_the_process(
        "os._exit(3)",
        "processes=1 threads=3",
        &["exit code 3", "code 3"],
    );
}

#[test]
fn an_exhausted_stack_is_a_502_and_the_signal_is_in_the_log() {
    // The C library's parser of patterns goes one level deeper with each parenthesis, and no limit of Python's knows.
    ends_the_process(
        "ctypes.CDLL(None).regcomp(ctypes.create_string_buffer(1000), b'(' * 3000000, 1)",
        "processes=1 threads=3",
        &["SIGSEGV", "SIGABRT", "overflow"],
    );
}

#[test]
fn an_exhausted_stack_in_python_is_a_recursion_error_and_the_process_goes_on() {
    let server = evil("processes=1 threads=3");
    let pid = process(&server);
    let reply = server.ask(&running("def deep(): return deep()\ndeep()"));
    assert_eq!(reply.status, 500);
    assert_eq!(process(&server), pid);
    server.expect_error("RecursionError");
    server.finish();
}

#[test]
fn exhausted_memory_is_a_memory_error_within_the_limit_and_the_process_goes_on() {
    for option in ["memory-limit=300000000", "virtual-memory-limit=1500000000"] {
        let server = evil(&format!("processes=1 threads=2 {option}"));
        let pid = process(&server);
        let reply = server.ask(&running("x = b'x' * (1 << 31)"));
        assert_eq!(reply.status, 500, "{option}: {}", reply.text());
        assert_eq!(process(&server), pid, "{option}");
        server.expect_error("MemoryError");
        server.finish();
    }
}

#[test]
fn exhausting_memory_in_small_pieces_costs_only_that_request() {
    // The allocator of a free-threaded Python takes 32 MB at a time, for each thread and kind of object.
    let limit = if is_free_threaded_run() {
        600_000_000
    } else {
        150_000_000
    };
    let server = evil(&format!("processes=1 threads=2 memory-limit={limit}"));
    process(&server);
    let reply = server.ask(&running("x = []\nwhile True: x.append(bytearray(100000))"));
    assert!(
        [500, 502].contains(&reply.status),
        "{} {}",
        reply.status,
        reply.text()
    );
    process(&server);
    server.expect_error(if reply.status == 500 {
        "MemoryError"
    } else {
        "RSGI"
    });
    server.allow_log(&id("0146"));
    server.allow_log("RSGI");
    server.allow_log_of_mod_wsgi("WSGI0070");
    server.finish();
}
