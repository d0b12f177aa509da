//! Threads of the host that end while Python goes on: what they had is given back, their thread-locals with it.

use std::path::Path;
use std::time::Duration;

use crate::host::{Bench, Call};

const SCRIPT: &str = r"
import threading, mod_wsgi
local = threading.local()

class Last:
    def __init__(self, errors):
        self.errors = errors
    def __del__(self):
        print('last of <%s>' % mod_wsgi.application_group)
        try:
            self.errors.write('too late\n')
        except RuntimeError:
            print('refused in <%s>' % mod_wsgi.application_group)

def application(environ, start_response):
    local.last = Last(environ['wsgi.errors'])
    print('unfinished', end='')
    start_response('200 OK', [])
    return [str(threading.active_count()).encode()]
";

const GROUPS: [&str; 3] = ["", "one", "two"];
const GENERATIONS: usize = 20;

pub(crate) fn run(home: &Path) {
    let bench = Bench::start(home, 0, &[]);
    let script = bench.script("threads.wsgi", SCRIPT);
    for _ in 0..GENERATIONS {
        bench.take_log();
        // The thread that makes an interpreter ends as well, and is the only one that was in it.
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                for group in GROUPS {
                    let reply = Call::new(&script, "application").group(group).run(&bench);
                    assert!(!reply.text().is_empty(), "{reply:?}");
                }
            });
            thread.join().unwrap();
        });
        let log = bench.take_log();
        for group in GROUPS {
            assert_eq!(log.count(&format!("last of <{group}>")), 1, "{log:?}");
            assert_eq!(log.count(&format!("refused in <{group}>")), 1, "{log:?}");
        }
    }
    bench.layer.stop(Duration::from_secs(5));
}
