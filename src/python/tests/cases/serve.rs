//! Workers that take their requests from the host.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use rsgi_bridge::abi;
use rsgi_bridge::facts::{TargetFacts, Tries};
use rsgi_bridge::host::Outcome;
use rsgi_bridge::owned::{Description, OwnedRequest, Room};
use rsgi_bridge::serve::{Job, Next, RequestSource};
use rsgi_core::name::id;

use crate::host::{Accept, Bench, Memory};

const SCRIPT: &str = r"
import threading, mod_wsgi
local = threading.local()

def respond(environ, start_response):
    local.count = getattr(local, 'count', 0) + 1
    start_response('200 OK', [])
    return '%s|%s|%s' % (environ['QUERY_STRING'], mod_wsgi.application_group, local.count)

def hello(environ, start_response):
    return [respond(environ, start_response).encode()]

def streamed(environ, start_response):
    yield respond(environ, start_response).encode()
    yield b''
    yield b'|end'

def large(environ, start_response):
    return [respond(environ, start_response).encode(), b'|', b'x' * int(environ['PATH_INFO'])]

everybody = threading.Barrier(8)

def waits(environ, start_response):
    everybody.wait(60)
    return [respond(environ, start_response).encode()]

def raises(environ, start_response):
    raise ValueError('on purpose')
";

/// What is asked, and of whom.
#[derive(Clone)]
struct Ask {
    number: usize,
    callable: &'static str,
    group: &'static str,
    path: &'static str,
    accept: Accept,
    /// `done` would wait where it must not.
    is_stiff: bool,
}

struct Hand {
    ask: Ask,
    request: OwnedRequest,
    host: Memory,
}

impl Job for Hand {
    type Host = Memory;
    fn parts(&mut self) -> (&OwnedRequest, &mut Memory) {
        (&self.request, &mut self.host)
    }
}

/// What came of one.
struct Answer {
    ask: Ask,
    outcome: Outcome,
    host: Memory,
}

/// What all workers share.
struct Desk {
    script: Vec<u8>,
    asks: Mutex<(VecDeque<Ask>, bool)>,
    has_more: Condvar,
    answers: Mutex<Vec<Answer>>,
    in_line: AtomicU32,
    rows: Mutex<Vec<u32>>,
    waits_refused: AtomicUsize,
}

/// One worker's view of it.
struct Place<'d> {
    desk: &'d Desk,
    row: u32,
}

impl Desk {
    fn new(script: Vec<u8>, asks: impl IntoIterator<Item = Ask>) -> Self {
        Self {
            script,
            asks: Mutex::new((asks.into_iter().collect(), false)),
            has_more: Condvar::new(),
            answers: Mutex::default(),
            in_line: AtomicU32::new(0),
            rows: Mutex::default(),
            waits_refused: AtomicUsize::new(0),
        }
    }

    fn make(&self, ask: Ask) -> Hand {
        let mut room = Room::default();
        let number = ask.number.to_string();
        for part in [number.as_bytes(), ask.path.as_bytes(), &self.script] {
            room.bytes.extend_from_slice(part);
        }
        let (first, second) = (number.len(), number.len() + ask.path.len());
        let request = room.fill(None, |bytes, mut fields| {
            fields.push(id::REQUEST_METHOD, b"GET");
            fields.push(id::QUERY_STRING, &bytes[..first]);
            fields.push(id::PATH_INFO, &bytes[first..second]);
            Ok::<_, ()>(Description {
                target: TargetFacts {
                    application_group: ask.group.as_bytes(),
                    script: &bytes[second..],
                    callable: ask.callable.as_bytes(),
                    ..TargetFacts::default()
                },
                fields,
                body: b"",
                flags: abi::REQUEST_BODY_COMPLETE,
                request_start: 1,
                queue_start: 2,
                daemon_start: 3,
                tries: Tries::NONE,
            })
        });
        let Ok(request) = request else {
            panic!("a request is always described");
        };
        let host = Memory::new(ask.accept, VecDeque::new());
        Hand { ask, request, host }
    }

    /// Lets workers serve until all was answered and nothing more comes.
    fn serve(&self, bench: &Bench, workers: u32, meanwhile: impl FnOnce()) {
        std::thread::scope(|scope| {
            for number in 1..=workers {
                scope.spawn(move || {
                    bench.layer.worker(number);
                    let mut place = Place { desk: self, row: 0 };
                    assert!(bench.layer.serve(&mut place));
                });
            }
            meanwhile();
            self.asks.lock().unwrap().1 = true;
            self.has_more.notify_all();
        });
    }
}

impl RequestSource for Place<'_> {
    type Job = Hand;

    fn next(&mut self, may_wait: bool) -> Next<Hand> {
        let mut asks = self.desk.asks.lock().unwrap();
        if !may_wait {
            let Some(ask) = asks.0.pop_front() else {
                return Next::None;
            };
            drop(asks);
            self.row += 1;
            return Next::Ready(self.desk.make(ask));
        }
        self.desk.rows.lock().unwrap().push(self.row);
        let others = self.desk.in_line.fetch_add(1, Ordering::SeqCst);
        assert_eq!(others, 0, "only the first of the line waits for a request");
        let deadline = Instant::now() + Duration::from_millis(20);
        let next = loop {
            if let Some(ask) = asks.0.pop_front() {
                break Next::Ready(ask);
            }
            if asks.1 {
                break Next::End;
            }
            if Instant::now() > deadline {
                break Next::None;
            }
            let patience = Duration::from_millis(5);
            asks = self.desk.has_more.wait_timeout(asks, patience).unwrap().0;
        };
        drop(asks);
        self.desk.in_line.fetch_sub(1, Ordering::SeqCst);
        match next {
            Next::Ready(ask) => {
                self.row = 1;
                Next::Ready(self.desk.make(ask))
            }
            Next::None => {
                self.row = 0;
                Next::None
            }
            Next::End => Next::End,
        }
    }

    fn done(&mut self, job: Hand, outcome: Outcome, may_wait: bool) -> Result<(), Hand> {
        if job.ask.is_stiff && !may_wait {
            self.desk.waits_refused.fetch_add(1, Ordering::Relaxed);
            return Err(job);
        }
        let Hand { ask, host, .. } = job;
        let answer = Answer { ask, outcome, host };
        self.desk.answers.lock().unwrap().push(answer);
        Ok(())
    }

    fn panicked(&mut self, message: &str) {
        panic!("{message}");
    }
}

fn ask(number: usize, callable: &'static str, group: &'static str) -> Ask {
    Ask {
        number,
        callable,
        group,
        path: "200000",
        accept: Accept::All,
        is_stiff: false,
    }
}

pub(crate) fn run(home: &Path) {
    let bench = Bench::start(home, 0, &[]);
    let script = bench.script("serve.wsgi", SCRIPT);
    mixed(&bench, &script);
    in_a_row(&bench, &script);
    waiting(&bench, &script);
    quiet(&bench, &script);
    brisk(&bench, &script);
    bench.layer.stop(Duration::from_secs(5));
    let desk = Desk::new(script, [ask(1, "hello", "")]);
    desk.serve(&bench, 1, || ());
    let answers = desk.answers.into_inner().unwrap();
    // Another process is to run it.
    assert_eq!(answers[0].outcome, Outcome::Stale);
}

/// All sorts, in four groups, by eight workers.
fn mixed(bench: &Bench, script: &[u8]) {
    const COUNT: usize = 1500;
    let asks = (0..COUNT).map(|number| Ask {
        accept: [Accept::All, Accept::OnlyWaiting][usize::from(number % 5 == 0)],
        is_stiff: number % 7 == 0,
        path: ["20000", "300000", "3"][number % 3],
        ..ask(
            number,
            ["hello", "streamed", "large", "hello", "raises"][number / 3 % 5],
            ["", "", "one", "two"][number / 11 % 4],
        )
    });
    let desk = Desk::new(script.to_vec(), asks);
    desk.serve(bench, 8, || ());
    let answers = desk.answers.into_inner().unwrap();
    assert_eq!(answers.len(), COUNT);
    assert!(desk.waits_refused.into_inner() > COUNT / 20);
    for answer in answers {
        let (ask, host) = (&answer.ask, &answer.host);
        assert!(host.breaches.is_empty(), "{:?}", host.breaches);
        if ask.callable == "raises" {
            assert_eq!(answer.outcome, Outcome::Status(500));
            continue;
        }
        assert_eq!(answer.outcome, Outcome::Handled, "{host:?}");
        assert!(host.is_ended);
        let text = String::from_utf8_lossy(&host.body);
        let begin = format!("{}|{}|", ask.number, ask.group);
        assert!(text.starts_with(&begin), "{begin} {text:.60}");
        let is_large = ask.callable == "large";
        let x = text.bytes().filter(|byte| *byte == b'x').count();
        assert_eq!(
            x,
            if is_large {
                ask.path.parse().unwrap()
            } else {
                0
            }
        );
    }
}

/// A worker takes several short requests in a row, but not too many, in the order in which they came.
fn in_a_row(bench: &Bench, script: &[u8]) {
    let asks = (0..800).map(|number| ask(number, "hello", ""));
    let desk = Desk::new(script.to_vec(), asks);
    desk.serve(bench, 1, || ());
    let rows = desk.rows.into_inner().unwrap();
    let most = rows.iter().max().copied();
    assert!(most <= Some(8), "{rows:?}");
    assert!(
        most > Some(1),
        "no request was taken while attached: {rows:?}"
    );
    let answers = desk.answers.into_inner().unwrap();
    let texts: Vec<_> = answers
        .iter()
        .map(|answer| String::from_utf8_lossy(&answer.host.body).into_owned())
        .collect();
    // The thread keeps its locals.
    let expected: Vec<_> = (0..800)
        .map(|number| format!("{number}||{}", number + 1))
        .collect();
    assert_eq!(texts, expected);
}

/// What waits lets others in: eight requests that wait for each other.
fn waiting(bench: &Bench, script: &[u8]) {
    let asks = (0..160).map(|number| ask(number, "waits", "one"));
    let desk = Desk::new(script.to_vec(), asks);
    desk.serve(bench, 8, || ());
    let answers = desk.answers.into_inner().unwrap();
    assert_eq!(answers.len(), 160);
    for answer in answers {
        assert_eq!(answer.outcome, Outcome::Handled, "{:?}", answer.host);
    }
}

/// Where short requests come close behind each other one worker runs them, far beyond what it takes in a row; and where
/// one of them then waits, for requests that are not yet taken, another worker comes.
fn brisk(bench: &Bench, script: &[u8]) {
    const COUNT: usize = 20_000;
    const WAITING: usize = 8;
    let asks = (0..COUNT).map(|number| ask(number, "hello", ""));
    let then = (COUNT..COUNT + WAITING).map(|number| ask(number, "waits", ""));
    let desk = Desk::new(script.to_vec(), asks.chain(then));
    desk.serve(bench, 8, || ());
    let answers = desk.answers.into_inner().unwrap();
    assert_eq!(answers.len(), COUNT + WAITING);
    let (mut run, mut longest, mut last) = (0, 0, 0);
    for answer in &answers {
        assert_eq!(answer.outcome, Outcome::Handled, "{:?}", answer.host);
        let text = String::from_utf8_lossy(&answer.host.body);
        // How many its thread has run.
        let count = text.rsplit('|').next().unwrap().parse::<u32>().unwrap();
        run = if count == last + 1 { run + 1 } else { 1 };
        longest = longest.max(run);
        last = count;
    }
    assert!(longest > 24, "no more than {longest} by one worker");
}

/// Workers that find nothing wait for what comes.
fn quiet(bench: &Bench, script: &[u8]) {
    let desk = Desk::new(script.to_vec(), []);
    desk.serve(bench, 4, || {
        for number in 0..5 {
            std::thread::sleep(Duration::from_millis(25));
            desk.asks
                .lock()
                .unwrap()
                .0
                .push_back(ask(number, "hello", ""));
            desk.has_more.notify_all();
        }
    });
    assert_eq!(desk.answers.lock().unwrap().len(), 5);
}
