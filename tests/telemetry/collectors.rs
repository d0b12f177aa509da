//! What WSGITelemetryService has told of garbage collectors, and what applications notice of it: nothing.

use super::service::{Service, field, finish, number, telling};
use crate::harness::{Builder, Request, Server, comes_true, only_rsgi, wait_until};

const APP: &str = r#"
import gc, os, threading, time

def cycles(count):
    gc.collect()
    # They are to be freed by one pass.
    is_enabled = gc.isenabled()
    gc.disable()
    for _ in range(count):
        loop = []
        loop.append(loop)
    del loop
    collected = gc.collect()
    if is_enabled:
        gc.enable()
    return collected

def passes(count):
    for _ in range(count):
        gc.collect(0)

def forked():
    pid = os.fork()
    if pid == 0:
        cycles(10)
        os._exit(7)
    end = time.monotonic() + 30
    while time.monotonic() < end:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, 9)
    return "stuck"

def application(environ, start_response):
    worth = repr(eval(environ["HTTP_X_ASK"], globals()))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [worth.encode()]
"#;

/// A server with one process and one thread that tells a service.
fn told(builder: Builder) -> (Server, Service) {
    let (builder, service) = telling(builder.daemon("one", "processes=1 threads=1"));
    (builder.serve(APP).start(), service)
}

/// What an expression is worth in the application.
#[track_caller]
fn ask_at(server: &Server, path: &str, expression: &str) -> String {
    let request = Request::get(path).header("X-Ask", expression);
    server.ask(&request).ok().text()
}

#[track_caller]
fn ask(server: &Server, expression: &str) -> String {
    ask_at(server, "/", expression)
}

/// Waits for a snapshot that was made after this call.
#[track_caller]
fn next_snapshot(service: &Service) -> String {
    let known = service.all("gc_snapshot").len();
    wait_until("another snapshot", || {
        service.all("gc_snapshot").len() > known + 1
    });
    service.all("gc_snapshot").pop().unwrap()
}

/// The passes of the oldest generation that freed so many objects.
fn passes(service: &Service, collected: &str) -> Vec<String> {
    let freed = format!("|gc_event_collected={collected}|");
    let mut found = service.all("gc_event");
    found.retain(|line| line.contains("|gc_event_generation=2|") && line.contains(&freed));
    found
}

#[test]
fn each_interval_tells_what_the_garbage_collector_did() {
    only_rsgi!("its thread looks at another interpreter than it says");
    let (server, service) = told(Server::builder());
    let before: f64 = ask(&server, "time.time()").parse().unwrap();
    let collected = ask(&server, "cycles(1234)");
    let after: f64 = ask(&server, "time.time()").parse().unwrap();
    assert!(collected.parse::<u64>().unwrap() >= 1234, "{collected}");
    wait_until("the pass is told", || {
        !passes(&service, &collected).is_empty()
    });
    let pass = passes(&service, &collected).pop().unwrap();
    let start = number(&pass, "gc_event_start_stamp");
    assert!(
        (before - 1.0..after + 1.0).contains(&start),
        "{before} {pass} {after}"
    );
    let duration = number(&pass, "gc_event_duration");
    assert!(duration > 0.0 && duration < after - before + 1.0, "{pass}");
    assert_eq!(number(&pass, "gc_event_uncollectable"), 0.0);
    let snapshot = next_snapshot(&service);
    for (figure, expression) in [
        ("gc_threshold0", "gc.get_threshold()[0]"),
        ("gc_threshold1", "gc.get_threshold()[1]"),
        ("gc_threshold2", "gc.get_threshold()[2]"),
        ("gc_collections2", "gc.get_stats()[2]['collections']"),
        ("gc_collected2", "gc.get_stats()[2]['collected']"),
        ("gc_uncollectable2", "gc.get_stats()[2]['uncollectable']"),
        ("gc_freeze_count", "gc.get_freeze_count()"),
    ] {
        let expected: f64 = ask(&server, expression).parse().unwrap();
        assert_eq!(
            number(&snapshot, figure),
            expected,
            "{figure} in {snapshot}"
        );
    }
    assert_eq!(number(&snapshot, "gc_is_enabled"), 1.0);
    assert_eq!(number(&snapshot, "gc_dropped_events"), 0.0);
    assert_eq!(field(&snapshot, "interpreter_name"), None, "{snapshot}");
    finish(server, service);
}

#[test]
fn an_application_s_switches_of_its_collector_are_told() {
    only_rsgi!("its thread looks at another interpreter than it says");
    let (server, service) = told(Server::builder());
    ask(
        &server,
        "(gc.disable(), gc.freeze(), gc.set_threshold(701, 12, 13))",
    );
    let frozen: f64 = ask(&server, "gc.get_freeze_count()").parse().unwrap();
    assert!(frozen > 100.0);
    let snapshot = next_snapshot(&service);
    for (figure, expected) in [
        ("gc_is_enabled", 0.0),
        ("gc_freeze_count", frozen),
        ("gc_threshold0", 701.0),
        ("gc_threshold1", 12.0),
    ] {
        assert_eq!(
            number(&snapshot, figure),
            expected,
            "{figure} in {snapshot}"
        );
    }
    // Looking at it has not switched it on.
    assert_eq!(ask(&server, "gc.isenabled()"), "False");
    finish(server, service);
}

#[test]
fn interpreters_are_told_apart() {
    only_rsgi!("its thread looks at another interpreter than it says");
    let builder = Server::builder()
        .app("other.wsgi", APP)
        .conf("WSGIScriptAlias /other @APPS@/other.wsgi application-group=other process-group=one");
    let (server, service) = told(builder);
    let own = ask(&server, "cycles(1111)");
    let others = ask_at(&server, "/other/", "cycles(2222)");
    for (collected, name) in [(&own, None), (&others, Some("other"))] {
        wait_until("the pass is told", || {
            !passes(&service, collected).is_empty()
        });
        for pass in passes(&service, collected) {
            assert_eq!(field(&pass, "interpreter_name"), name, "{pass}");
        }
    }
    let all = |expression: &str| {
        let counts = ["/", "/other/"].map(|path| ask_at(&server, path, expression));
        counts.map(|count| count.parse::<f64>().unwrap())
    };
    next_snapshot(&service);
    let counts = all("gc.get_stats()[2]['collections']");
    let snapshots = service.all("gc_snapshot");
    for (name, expected) in [None, Some("other")].into_iter().zip(counts) {
        let is_its = |line: &&String| field(line, "interpreter_name") == name;
        let last = snapshots.iter().rev().find(is_its).unwrap();
        assert_eq!(number(last, "gc_collections2"), expected, "{last}");
    }
    finish(server, service);
}

#[test]
fn an_application_that_empties_its_callbacks_has_them_empty() {
    only_rsgi!("its thread looks at another interpreter than it says");
    let (server, service) = told(Server::builder());
    assert_eq!(
        ask(&server, "(len(gc.callbacks), gc.callbacks.clear())"),
        "(1, None)"
    );
    let collected = ask(&server, "cycles(4321)");
    let count = number(&next_snapshot(&service), "gc_collections2");
    ask(&server, "gc.collect()");
    let snapshot = next_snapshot(&service);
    assert_eq!(number(&snapshot, "gc_collections2"), count + 1.0);
    assert!(passes(&service, &collected).is_empty(), "{collected}");
    assert_eq!(ask(&server, "gc.callbacks"), "[]");
    finish(server, service);
}

#[test]
fn an_application_that_puts_another_list_in_place_of_the_callbacks_changes_nothing() {
    only_rsgi!("its thread looks at another interpreter than it says");
    let (server, service) = told(Server::builder());
    ask(
        &server,
        "(setattr(gc, 'callbacks', []), setattr(gc, 'get_stats', None))",
    );
    let collected = ask(&server, "cycles(3210)");
    wait_until("the pass is told", || {
        !passes(&service, &collected).is_empty()
    });
    assert!(number(&next_snapshot(&service), "gc_collections2") > 0.0);
    assert_eq!(ask(&server, "gc.callbacks"), "[]");
    finish(server, service);
}

#[test]
fn callbacks_of_applications_are_called_beside_it_and_it_can_be_called_by_anybody() {
    only_rsgi!("its thread looks at another interpreter than it says");
    let (server, service) = told(Server::builder());
    ask(
        &server,
        "(globals().update(seen=[]), gc.callbacks.append(lambda phase, info: seen.append(phase)))",
    );
    ask(&server, "gc.collect()");
    assert_eq!(ask(&server, "seen[-2:]"), "['start', 'stop']");
    // What makes no sense is no pass.
    for arguments in ["'stop', {}", "'stop', 5", "'begin', None", "", "1, 2, 3"] {
        let call = format!("gc.callbacks[0]({arguments})");
        assert_eq!(ask(&server, &call), "None", "{call}");
    }
    let collected = ask(&server, "cycles(2345)");
    wait_until("the pass is told", || {
        !passes(&service, &collected).is_empty()
    });
    finish(server, service);
}

#[test]
fn no_object_of_an_application_is_kept_alive() {
    only_rsgi!("its thread looks at another interpreter than it says");
    let (server, service) = told(Server::builder());
    let expression = "[type(found).__name__ for found in gc.get_referents(gc.callbacks[0])]";
    assert_eq!(ask(&server, expression), "['PyCapsule']");
    assert_eq!(
        ask(&server, "(cycles(500) >= 500, len(gc.garbage))"),
        "(True, 0)"
    );
    finish(server, service);
}

#[test]
fn more_passes_than_an_interval_tells_go_into_the_next_ones_and_the_oldest_are_dropped() {
    only_rsgi!("its thread looks at another interpreter than it says");
    let (server, service) = told(Server::builder());
    next_snapshot(&service);
    let count = |service: &Service| service.all("gc_event").len();
    let before = count(&service);
    ask(&server, "passes(400)");
    let dropped = || {
        number(
            &service.all("gc_snapshot").pop().unwrap(),
            "gc_dropped_events",
        )
    };
    wait_until("all are told that were kept", || {
        let told = count(&service) - before;
        told >= 256 && dropped() >= 1.0
    });
    next_snapshot(&service);
    // What an interval told while they were made was not dropped, and passes come by themselves as well.
    let told = (count(&service) - before) as f64 + dropped();
    assert!((400.0..440.0).contains(&told), "{told} {}", dropped());
    let told = service.told.lock().unwrap().clone();
    let mut in_a_row = 0;
    for line in &told {
        in_a_row = if line.starts_with("gc_event|") {
            in_a_row + 1
        } else {
            0
        };
        assert!(in_a_row <= 64, "{line}");
    }
    finish(server, service);
}

#[test]
fn a_fork_of_an_application_collects_its_garbage() {
    only_rsgi!("its thread looks at another interpreter than it says");
    let (server, service) = told(Server::builder());
    for _ in 0..20 {
        assert_eq!(ask(&server, "forked()"), "7");
    }
    finish(server, service);
}

#[test]
fn an_application_sees_no_thread_of_it() {
    only_rsgi!("its thread looks at another interpreter than it says");
    let (server, service) = told(Server::builder());
    let threads =
        "' '.join(thread.name for thread in [threading.current_thread(), *threading.enumerate()])";
    let names = || -> Vec<String> {
        let told = ask(&server, threads);
        let names = told.trim_matches('\'').split(' ');
        names.map(str::to_owned).collect()
    };
    let mut known = names();
    next_snapshot(&service);
    let found = names();
    // Another worker may have taken the second request; it is the first of those that it tells of.
    known.push(found[0].clone());
    let is_known = |name: &String| known.contains(name);
    assert!(found.iter().all(is_known), "{found:?} and not {known:?}");
    finish(server, service);
}

#[test]
fn without_a_service_nothing_listens_to_the_collector() {
    only_rsgi!("processes are looked up by our program's name");
    let server = Server::builder()
        .daemon("one", "processes=1 threads=1")
        .serve(APP)
        .start();
    assert_eq!(ask(&server, "gc.callbacks"), "[]");
    let names = "sorted(open(f'/proc/self/task/{task}/comm').read().strip() for task in os.listdir('/proc/self/task'))";
    let names = ask(&server, names);
    assert!(
        names.contains("rsgi-monitor") && !names.contains("telemetry"),
        "{names}"
    );
    server.finish();
}

#[test]
fn a_thread_that_keeps_the_lock_of_python_does_not_keep_the_samples() {
    only_rsgi!("its thread looks at another interpreter than it says");
    let (server, service) = told(Server::builder());
    next_snapshot(&service);
    // A foreign function that is called with the lock held.
    let request =
        Request::get("/").header("X-Ask", "__import__('ctypes').PyDLL(None).usleep(2500000)");
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| server.ask(&request).ok());
        let busy = |line: &String| number(line, "request_threads_active") > 0.0;
        let snapshots = service.all("gc_snapshot").len();
        let is_told = comes_true(std::time::Duration::from_secs(2), || {
            service
                .all("request_metrics")
                .iter()
                .filter(|line| busy(line))
                .count()
                >= 3
        });
        assert!(is_told, "{:?}", service.all("request_metrics"));
        assert!(service.all("gc_snapshot").len() <= snapshots + 2);
        asked.join().unwrap();
    });
    finish(server, service);
}
