//! Ending Python: exit functions run in every interpreter, later requests are refused.

use std::path::Path;
use std::time::Duration;

use rsgi_bridge::facts::TargetFacts;

use crate::host::{Bench, Call};

const SCRIPT: &str = r"
import atexit, threading, mod_wsgi
# An extension whose objects all interpreters share: they outlive the one that imported it first.
import ctypes
ctypes.pythonapi.PyInterpreterState_Get.restype = ctypes.c_void_p
ctypes.pythonapi.PyInterpreterState_GetID.restype = ctypes.c_int64
ctypes.pythonapi.PyInterpreterState_GetID.argtypes = [ctypes.c_void_p]
ctypes.CFUNCTYPE(None)(lambda: None)()
GROUP = mod_wsgi.application_group
atexit.register(lambda: print('exit function of <%s>' % GROUP))

stop = threading.Event()
def worker():
    stop.wait()
    print('thread of <%s> was joined' % GROUP, flush=True)
# Threads of the host count as daemons, and what they start inherits that.
thread = threading.Thread(target=worker, daemon=False)
thread.start()
threading._register_atexit(stop.set)

def application(environ, start_response):
    start_response('200 OK', [])
    return [b'hello']
";

pub(crate) fn run(home: &Path, flags: u32) {
    let bench = Bench::start(home, flags, &[]);
    let script = bench.script("stop.wsgi", SCRIPT);
    let groups = ["one", "", "two", "three"];
    // Requests come on other threads than the one that started Python, and stay parked when it stops.
    let (park, parked) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let (tell, told) = std::sync::mpsc::channel();
        let (bench, script) = (&bench, &script);
        scope.spawn(move || {
            for group in groups {
                Call::new(script, "application")
                    .group(group)
                    .run(bench)
                    .assert_body("hello");
            }
            tell.send(()).unwrap();
            let _ = parked.recv();
        });
        told.recv().unwrap();
        bench.take_log();
        bench.layer.stop(Duration::from_secs(5));
        let log = bench.take_log();
        for group in groups {
            assert_eq!(
                log.count(&format!("exit function of <{group}>")),
                1,
                "{log:?}"
            );
            assert_eq!(
                log.count(&format!("thread of <{group}> was joined")),
                1,
                "{log:?}"
            );
        }
        Call::new(script, "application")
            .run(bench)
            .assert_status(503);
        let target = TargetFacts {
            script,
            ..TargetFacts::default()
        };
        assert!(!bench.layer.load(&target));
        bench.layer.stop(Duration::ZERO);
        drop(park);
    });
    assert!(bench.minor >= 10);
}

const STUCK: &str = "
import atexit, threading, time, mod_wsgi
GROUP = mod_wsgi.application_group
atexit.register(lambda: print('exit function of <%s>' % GROUP))
threading.Thread(target=lambda: threading.Event().wait(), daemon=False).start()
import concurrent.futures
concurrent.futures.ThreadPoolExecutor(1).submit(threading.Event().wait)
def application(environ, start_response):
    start_response('200 OK', [])
    return [b'hello']
";

/// A thread that never ends holds the process only as long as it was told to wait.
pub(crate) fn run_stuck(home: &Path) {
    let bench = Bench::start(home, 0, &[]);
    let script = bench.script("stuck.wsgi", STUCK);
    for group in ["", "one"] {
        let reply = Call::new(&script, "application").group(group).run(&bench);
        reply.assert_body("hello");
    }
    let begun = std::time::Instant::now();
    bench.layer.stop(Duration::from_millis(300));
    let taken = begun.elapsed();
    assert!(taken < Duration::from_secs(10), "{taken:?}");
    let log = bench.take_log();
    for group in ["", "one"] {
        let told = log.count(&format!("exit function of <{group}>"));
        assert_eq!(told, 1, "{log:?}");
    }
}
