//! What a hello request costs in the layer alone: `cargo test --release -p rsgi-python --test bench -- --ignored
//! --nocapture`, after `cargo build --release -p rsgi-python`. `RSGI_TEST_LAYER` names another layer, `RSGI_BENCH_HOME`
//! another Python, `RSGI_BENCH_REQUESTS` how many requests.

#![expect(
    clippy::expect_used,
    reason = "a measurement that cannot begin is to stop"
)]

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rsgi_bridge::abi;
use rsgi_bridge::facts::{ConstantsBlock, FieldList, RequestFacts, TargetFacts, Tries};
use rsgi_bridge::host::{Blocks, HeadView, Outcome, ReadError, RequestHost, SendFlags, Sent};
use rsgi_bridge::layer::Layer;
use rsgi_bridge::owned::{Description, OwnedRequest, Room};
use rsgi_bridge::serve::{Job, Next, RequestSource};
use rsgi_bridge::start::{ProcessLog, StartOptions};
use rsgi_core::name::{NAMES, id};

const APP: &str = "
import time
def busy(environ, start_response):
    end = time.thread_time_ns() + 1000000
    while time.thread_time_ns() < end: pass
    return application(environ, start_response)
def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', '12')])
    return [b'Hello World!']
";

struct Silent;

impl ProcessLog for Silent {
    fn log(_: u32, _: &[u8]) {}
    fn enabled(_: u32) -> bool {
        false
    }
}

#[derive(Default)]
struct Sink {
    bytes: usize,
    is_ended: bool,
}

impl RequestHost for Sink {
    fn send(&mut self, _: Option<HeadView<'_>>, blocks: Blocks<'_>, flags: SendFlags) -> Sent {
        self.bytes += blocks.total();
        self.is_ended |= flags.is_end();
        Sent::Ok
    }
    fn send_file(
        &mut self,
        _: Option<HeadView<'_>>,
        _: std::os::fd::BorrowedFd<'_>,
        _: u64,
        _: u64,
        _: SendFlags,
    ) -> Sent {
        Sent::Failed
    }
    fn read(&mut self, _: &mut [u8]) -> Result<usize, ReadError> {
        Ok(0)
    }
    fn log(&mut self, level: u32, text: &[u8]) {
        assert!(
            level > abi::level::WARN,
            "{}",
            String::from_utf8_lossy(text)
        );
    }
}

fn layer() -> Layer {
    let home = std::env::var_os("RSGI_BENCH_HOME").map(PathBuf::from);
    let found = rsgi_bridge::locate::locate(home.as_deref()).expect("a Python");
    let default = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../target/release/librsgi_python.so"
    );
    let path = std::env::var_os("RSGI_TEST_LAYER").map_or_else(|| default.into(), PathBuf::from);
    let layer = Layer::open(&found, &path).expect("the layer opens");
    let executable = found.executable.to_string_lossy().into_owned();
    let options = StartOptions {
        executable: executable.as_bytes(),
        minor: found.minor,
        flags: abi::START_MAIN_THREAD | abi::START_MULTITHREAD,
        ..StartOptions::default()
    };
    layer.start::<Silent>(&options).expect("Python starts");
    layer
}

/// One request again and again, so many times.
struct Again {
    left: u32,
    hand: Option<Hand>,
}

struct Hand {
    request: OwnedRequest,
    sink: Sink,
}

impl Job for Hand {
    type Host = Sink;
    fn parts(&mut self) -> (&OwnedRequest, &mut Sink) {
        (&self.request, &mut self.sink)
    }
}

impl RequestSource for Again {
    type Job = Hand;
    fn next(&mut self, _: bool) -> Next<Hand> {
        let Some(left) = self.left.checked_sub(1) else {
            return Next::End;
        };
        self.left = left;
        self.hand.take().map_or(Next::End, Next::Ready)
    }
    fn done(&mut self, mut hand: Hand, outcome: Outcome, _: bool) -> Result<(), Hand> {
        assert_eq!(outcome, Outcome::Handled);
        assert!(hand.sink.is_ended && hand.sink.bytes == 12);
        hand.sink = Sink::default();
        self.hand = Some(hand);
        Ok(())
    }
    fn panicked(&mut self, message: &str) {
        panic!("{message}");
    }
}

/// What a browser sends.
const HEADERS: [(&str, &str); 12] = [
    ("HTTP_HOST", "www.example.com"),
    (
        "HTTP_USER_AGENT",
        "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    ),
    (
        "HTTP_ACCEPT",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    ),
    ("HTTP_ACCEPT_LANGUAGE", "en-US,en;q=0.5"),
    ("HTTP_ACCEPT_ENCODING", "gzip, deflate, br, zstd"),
    ("HTTP_CONNECTION", "keep-alive"),
    ("HTTP_COOKIE", "session=0123456789abcdef; theme=dark"),
    ("HTTP_UPGRADE_INSECURE_REQUESTS", "1"),
    ("HTTP_SEC_FETCH_DEST", "document"),
    ("HTTP_SEC_FETCH_MODE", "navigate"),
    ("HTTP_SEC_FETCH_SITE", "none"),
    ("HTTP_PRIORITY", "u=0, i"),
];

fn constants() -> ConstantsBlock {
    let mut list = FieldList::default();
    for (name, value) in [
        (id::SERVER_SOFTWARE, "Apache/2.4"),
        (id::SERVER_NAME, "www.example.com"),
        (id::SERVER_ADDR, "127.0.0.1"),
        (id::SERVER_PORT, "80"),
        (id::DOCUMENT_ROOT, "/var/www"),
        (id::CONTEXT_PREFIX, ""),
        (id::REQUEST_SCHEME, "http"),
        (id::SCRIPT_FILENAME, "/srv/app.wsgi"),
        (id::MOD_WSGI_PROCESS_GROUP, ""),
        (id::MOD_WSGI_APPLICATION_GROUP, ""),
        (id::MOD_WSGI_CALLABLE_OBJECT, "application"),
    ] {
        list.push(name, value.as_bytes());
    }
    ConstantsBlock::new(&list)
}

fn per_request(list: &mut FieldList<'_>) {
    for (name, value) in HEADERS {
        let id = NAMES
            .iter()
            .position(|known| *known == name)
            .expect("a known name");
        list.push(u32::try_from(id).expect("small"), value.as_bytes());
    }
    for (name, value) in [
        (id::REQUEST_METHOD, "GET"),
        (id::QUERY_STRING, ""),
        (id::REQUEST_URI, "/some/page"),
        (id::SCRIPT_NAME, ""),
        (id::PATH_INFO, "/some/page"),
        (id::SERVER_PROTOCOL, "HTTP/1.1"),
        (id::REMOTE_ADDR, "127.0.0.1"),
        (id::REMOTE_PORT, "54321"),
        (id::MOD_WSGI_REQUEST_ID, "aGVsbG8gd29ybGQ"),
        (id::MOD_WSGI_SERVER_PID, "4711"),
    ] {
        list.push(name, value.as_bytes());
    }
}

fn requests() -> u32 {
    let requests = std::env::var("RSGI_BENCH_REQUESTS").ok();
    requests.and_then(|n| n.parse().ok()).unwrap_or(200_000)
}

fn script() -> PathBuf {
    let script = std::env::temp_dir().join(format!("rsgi-bench-{}.wsgi", std::process::id()));
    std::fs::write(&script, APP).expect("a script");
    script
}

#[expect(clippy::print_stdout, reason = "the result is for people")]
fn measure(what: &str, mut run: impl FnMut(u32) -> Duration) {
    let requests = requests();
    run(requests / 20);
    let best = (0..5)
        .map(|_| run(requests / 5))
        .min()
        .unwrap_or(Duration::ZERO);
    println!(
        "{what}: {} ns a request",
        best.as_nanos() * 5 / u128::from(requests)
    );
}

/// A request of a script, in hand.
fn hand(
    script: &Path,
    constants: &Arc<ConstantsBlock>,
    group: &'static str,
    callable: &'static str,
) -> Hand {
    let room = Room::from(script.as_os_str().as_encoded_bytes().to_vec());
    let request = room.fill(Some(Arc::clone(constants)), |script, mut fields| {
        per_request(&mut fields);
        Ok::<_, ()>(Description {
            target: TargetFacts {
                application_group: group.as_bytes(),
                script,
                callable: callable.as_bytes(),
                ..TargetFacts::default()
            },
            fields,
            body: b"",
            flags: abi::REQUEST_BODY_COMPLETE,
            request_start: 1_700_000_000_000_000,
            queue_start: 0,
            daemon_start: 0,
            tries: Tries::NONE,
        })
    });
    let Ok(request) = request else {
        panic!("a request is always described");
    };
    Hand {
        request,
        sink: Sink::default(),
    }
}

/// Requests that go round among many workers: who is done goes to the end of the queue.
struct Round<'d> {
    queue: &'d Mutex<VecDeque<(Hand, Instant)>>,
    taken: Option<Instant>,
    waits: Vec<Duration>,
    end: Instant,
}

impl RequestSource for Round<'_> {
    type Job = Hand;
    fn next(&mut self, may_wait: bool) -> Next<Hand> {
        if may_wait && Instant::now() > self.end {
            return Next::End;
        }
        let Some((hand, queued)) = self
            .queue
            .lock()
            .ok()
            .and_then(|mut queue| queue.pop_front())
        else {
            std::thread::yield_now();
            return Next::None;
        };
        self.taken = Some(queued);
        Next::Ready(hand)
    }
    fn done(&mut self, mut hand: Hand, outcome: Outcome, _: bool) -> Result<(), Hand> {
        assert_eq!(outcome, Outcome::Handled);
        hand.sink = Sink::default();
        let now = Instant::now();
        self.waits.extend(self.taken.map(|queued| now - queued));
        if let Ok(mut queue) = self.queue.lock() {
            queue.push_back((hand, now));
        }
        Ok(())
    }
    fn panicked(&mut self, message: &str) {
        panic!("{message}");
    }
}

/// Workers and requests that are always there, taken with `handle` and with `serve`.
#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stdout, reason = "the result is for people")]
fn crowd() {
    let (script, layer) = (script(), layer());
    let constants = Arc::new(constants());
    for (callable, workers) in [("application", 1), ("application", 15), ("busy", 15)] {
        for is_served in [false, true, false, true] {
            let hands = (0..64).map(|_| (hand(&script, &constants, "", callable), Instant::now()));
            let queue = Mutex::new(hands.collect::<VecDeque<_>>());
            let end = Instant::now() + Duration::from_secs(2);
            let work = || {
                let mut round = Round {
                    queue: &queue,
                    taken: None,
                    waits: Vec::new(),
                    end,
                };
                if is_served {
                    assert!(layer.serve(&mut round));
                    return round.waits;
                }
                while let Next::Ready(mut hand) = round.next(true) {
                    let outcome = layer.handle(&hand.request.facts(), &mut hand.sink);
                    assert!(round.done(hand, outcome, true).is_ok());
                }
                round.waits
            };
            let mut waits: Vec<Duration> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
                threads
                    .into_iter()
                    .flat_map(|thread| thread.join().unwrap_or_default())
                    .collect()
            });
            waits.sort();
            println!(
                "{callable}, {workers} workers, {}: {} requests/s, p50 {:?}, p99 {:?}, max {:?}",
                if is_served { "serve" } else { "handle" },
                waits.len() / 2,
                waits[waits.len() / 2],
                waits[waits.len() * 99 / 100],
                waits[waits.len() - 1],
            );
        }
    }
    let _ = std::fs::remove_file(script);
}

#[test]
#[ignore = "a measurement"]
fn served() {
    let (script, layer) = (script(), layer());
    let constants = Arc::new(constants());
    for group in ["", "named"] {
        let mut again = Again {
            left: 0,
            hand: Some(hand(&script, &constants, group, "application")),
        };
        measure(&format!("served, group '{group}'"), |count| {
            again.left = count;
            let begin = Instant::now();
            assert!(layer.serve(&mut again));
            begin.elapsed()
        });
    }
    let _ = std::fs::remove_file(script);
}

#[test]
#[ignore = "a measurement"]
fn hello() {
    let script = script();
    let (layer, constants) = (layer(), constants());
    let mut fields = FieldList::with_capacity(40);
    per_request(&mut fields);
    for group in ["", "named"] {
        let facts = RequestFacts {
            target: TargetFacts {
                application_group: group.as_bytes(),
                script: script.as_os_str().as_encoded_bytes(),
                callable: b"application",
                ..TargetFacts::default()
            },
            constants: Some(&constants),
            fields: &fields,
            body: b"",
            flags: abi::REQUEST_BODY_COMPLETE,
            request_start: 1_700_000_000_000_000,
            queue_start: 0,
            daemon_start: 0,
            tries: Tries::NONE,
            apache_request: None,
        };
        measure(&format!("group '{group}'"), |count| {
            let begin = Instant::now();
            for _ in 0..count {
                let mut sink = Sink::default();
                assert_eq!(layer.handle(&facts, &mut sink), Outcome::Handled);
                assert!(sink.is_ended && sink.bytes == 12);
            }
            begin.elapsed()
        });
    }
    let _ = std::fs::remove_file(script);
}
