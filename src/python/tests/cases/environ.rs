//! Environs are what their own request says, however much they are like those before them.

use std::collections::BTreeMap;
use std::path::Path;

use rsgi_bridge::facts::{ConstantsBlock, FieldList};
use rsgi_core::name::{NAMES, NameId, id};

use crate::host::{Bench, Call};

/// What it was given, as text; then it takes, leaves behind and spoils whatever it can.
const SCRIPT: &str = r"
def application(environ, start_response):
    start_response('200 OK', [])
    text = '\n'.join(
        f'{key}={value}' for key, value in sorted(environ.items()) if type(value) is str and key[0] != 'w'
    )
    times = [environ['mod_wsgi.' + name] for name in ('queue_start', 'daemon_start')]
    assert times == [0.0, 0.0], times
    assert environ['mod_wsgi.request_start'] == 1.7e9, environ
    assert environ['mod_wsgi.application_start'] > 1.7e9, environ
    assert environ['wsgi.input'].read() == b'', environ
    for key in list(environ)[::2]:
        del environ[key]
    for key in environ:
        environ[key] = 'spoiled'
    environ.update(HTTP_LEFT_BEHIND='spoiled', REMOTE_USER='spoiled')
    return [text.encode('latin-1')]
";

/// What it was given, as text; then it does with the environ what the request says.
const MANNERS: &str = r"
import sys, threading

here = threading.local()
taken = []
references = set()

class Loud:
    def __init__(self):
        here.alive = getattr(here, 'alive', 0) + 1
    def __del__(self):
        here.alive -= 1

def application(environ, start_response):
    start_response('200 OK', [])
    references.add(sys.getrefcount(environ))
    text = '\n'.join(
        f'{key}={value}' for key, value in sorted(environ.items()) if type(value) is str and key[0] != 'w'
    )
    assert environ['mod_wsgi.queue_start'] == environ['mod_wsgi.daemon_start'] == 0.0, environ
    assert environ['mod_wsgi.request_start'] == 1.7e9, environ
    assert environ['mod_wsgi.application_start'] > 1.7e9, environ
    assert type(environ['mod_wsgi.thread_id']) is int, environ
    assert environ['wsgi.input'].read() == b'', environ
    assert environ['wsgi.url_scheme'] == 'http' and environ['wsgi.version'] == (1, 0), environ
    environ['wsgi.errors'].write('')
    assert getattr(here, 'alive', 0) == 0, here.alive
    for one, what in taken[-3:]:
        assert one == what
    manners = environ['HTTP_X_MANNERS']
    if manners == 'count':
        return [str(max(references) - min(references)).encode()]
    if manners == 'adds':
        environ['added'] = Loud()
        environ['werkzeug.request'] = None
    if manners == 'replaces':
        environ.update(PATH_INFO='spoiled', REMOTE_PORT='spoiled', HTTP_X_OTHER='spoiled')
        environ['wsgi.input'] = Loud()
        environ['wsgi.url_scheme'] = 'spoiled'
        environ['mod_wsgi.thread_id'] = environ['mod_wsgi.queue_start'] = 'spoiled'
    if manners == 'pops':
        environ.pop('REMOTE_ADDR')
    if manners == 'reorders':
        environ['SERVER_NAME'] = environ.pop('SERVER_NAME')
    if manners == 'constant':
        environ['wsgi.version'] = 'spoiled'
    if manners == 'takes':
        taken.append((environ, dict(environ)))
    if manners == 'clears':
        environ.clear()
    return [text.encode('latin-1')]
";

/// What leaves an environ usable, and what does not.
const GOOD: [&[u8]; 3] = [b"none", b"adds", b"replaces"];
const BAD: [&[u8]; 5] = [b"pops", b"reorders", b"constant", b"takes", b"clears"];

/// A known sequence that looks like chance (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

type Entry = (NameId, &'static [u8], Vec<u8>);

pub(crate) fn run(home: &Path) {
    let bench = Bench::start(home, 0, &[]);
    let script = bench.script("environ.wsgi", SCRIPT);
    in_threads(1500, |constants, chance, number| {
        one(&bench, &script, constants, chance, number);
    });
    bench.layer.stop(std::time::Duration::from_secs(5));
}

/// Environs that serve again, and applications that do not leave them as they were.
pub(crate) fn run_kept(home: &Path) {
    let bench = Bench::start(home, 0, &[]);
    let script = bench.script("manners.wsgi", MANNERS);
    in_threads(2000, |constants, chance, number| {
        let manners: &[u8] = match number % 250 {
            249 => BAD[chance.below(BAD.len())],
            _ => GOOD[chance.below(8).min(2)],
        };
        let mut entries = usual(chance);
        entries.push((0, b"HTTP_X_MANNERS", manners.to_vec()));
        let block = &constants[usize::from(chance.below(400) == 0)];
        check(&bench, &script, block, "", &entries);
    });
    let told = Call::new(&script, "application")
        .entries(&[(0, b"HTTP_X_MANNERS", b"count".to_vec())])
        .run(&bench);
    // The layer has one reference more to an environ that it keeps.
    assert_ne!(told.text(), "0", "none was kept");
    bench.layer.stop(std::time::Duration::from_secs(5));
}

/// Calls `ask` so often in each of four threads, with two blocks of the same constants.
fn in_threads(requests: usize, ask: impl Fn(&[ConstantsBlock; 2], &mut Chance, usize) + Sync) {
    let mut shared = FieldList::with_capacity(2);
    shared.push(id::SERVER_SOFTWARE, b"Apache");
    shared.push(id::SERVER_ADMIN, b"admin@example.org");
    let constants = [ConstantsBlock::new(&shared), ConstantsBlock::new(&shared)];
    std::thread::scope(|scope| {
        for seed in 1..=4 {
            let (ask, constants) = (&ask, &constants);
            scope.spawn(move || {
                let mut chance = Chance(0x9e37_79b9_7f4a_7c15 ^ seed);
                for number in 0..requests {
                    ask(constants, &mut chance, number);
                }
            });
        }
    });
}

fn one(
    bench: &Bench,
    script: &[u8],
    constants: &[ConstantsBlock; 2],
    chance: &mut Chance,
    number: usize,
) {
    // Long runs of requests that are nearly alike, and now and then anything.
    let entries = match number % 100 {
        0..40 => usual(chance),
        40..90 => run_of(number / 100, chance),
        _ => any(chance),
    };
    let block = &constants[usize::from(chance.below(10) == 0)];
    let group = if chance.below(3) == 0 { "other" } else { "" };
    check(bench, script, block, group, &entries);
}

/// Asks with these entries, and fails unless the environ has them and the usual ones.
fn check(bench: &Bench, script: &[u8], block: &ConstantsBlock, group: &str, entries: &[Entry]) {
    let reply = Call::new(script, "application")
        .group(group)
        .constants(block)
        .entries(entries)
        .run(bench);
    let mut expected: BTreeMap<&[u8], &[u8]> = [
        (&b"SERVER_SOFTWARE"[..], &b"Apache"[..]),
        (b"SERVER_ADMIN", b"admin@example.org"),
        (b"REQUEST_METHOD", b"GET"),
        (b"SCRIPT_NAME", b""),
        (b"PATH_INFO", b"/"),
        (b"QUERY_STRING", b""),
        (b"SERVER_NAME", b"localhost"),
        (b"SERVER_PORT", b"80"),
        (b"SERVER_PROTOCOL", b"HTTP/1.1"),
        (b"SCRIPT_FILENAME", script),
        (b"mod_wsgi.application_group", group.as_bytes()),
        (b"HTTP_X_TEST", b"caf\xe9"),
    ]
    .into();
    for (id, name, value) in entries {
        let name = if *id == 0 {
            name
        } else {
            NAMES[*id as usize].as_bytes()
        };
        expected.insert(name, value);
    }
    let expected: Vec<Vec<u8>> = expected
        .iter()
        .map(|(key, value)| [key, &b"="[..], value].concat())
        .collect();
    let expected = expected.join(&b'\n');
    assert!(
        reply.body == expected,
        "{:?} of {entries:?}\nis {}\nand not {}",
        reply.outcome,
        String::from_utf8_lossy(&reply.body),
        String::from_utf8_lossy(&expected)
    );
}

/// The same keys, of which some have another value.
fn usual(chance: &mut Chance) -> Vec<Entry> {
    let long = vec![b'c'; [3, 256, 257, 3000][chance.below(4)]];
    vec![
        (id::REMOTE_ADDR, b"", b"127.0.0.1".to_vec()),
        (
            id::REMOTE_PORT,
            b"",
            chance.below(60_000).to_string().into_bytes(),
        ),
        (
            id::REQUEST_URI,
            b"",
            format!("/{}", chance.below(3)).into_bytes(),
        ),
        (0, b"HTTP_X_SAME", b"same".to_vec()),
        (0, b"HTTP_X_OTHER", chance.below(2).to_string().into_bytes()),
        (0, b"HTTP_X_LONG", long),
    ]
}

/// Keys that come in long runs: some more than once, some that the request or the constants have already.
const RUNS: [&[(NameId, &[u8])]; 5] = [
    &[(0, b"HTTP_X_SAME"), (0, b"HTTP_X_SAME")],
    &[
        (id::REMOTE_USER, b""),
        (0, b"a.variable"),
        (id::REMOTE_USER, b""),
    ],
    &[(id::SERVER_ADMIN, b"")],
    &[
        (id::PATH_INFO, b""),
        (0, b"HTTP_X_TEST"),
        (id::AUTH_TYPE, b""),
    ],
    &[(0, b"HTTP_X_SAME"), (0, b"HTTP_X_OTHER")],
];

fn run_of(which: usize, chance: &mut Chance) -> Vec<Entry> {
    let entry = |&(id, name)| (id, name, value(chance));
    RUNS[which % RUNS.len()].iter().map(entry).collect()
}

/// Few or many of some keys, in any order.
fn any(chance: &mut Chance) -> Vec<Entry> {
    let keys: Vec<_> = RUNS.iter().flat_map(|run| run.iter()).collect();
    (0..chance.below(8))
        .map(|_| {
            let &(id, name) = keys[chance.below(keys.len())];
            (id, name, value(chance))
        })
        .collect()
}

fn value(chance: &mut Chance) -> Vec<u8> {
    vec![b'a' + chance.below(3) as u8; chance.below(4)]
}
