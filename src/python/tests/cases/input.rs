//! `wsgi.input`.

use std::path::Path;

use rsgi_bridge::abi;
use rsgi_bridge::host::{Outcome, ReadError};

use crate::host::{Bench, Call};

const SCRIPT: &str = r"
def application(environ, start_response):
    start_response('200 OK', [])
    stream = environ['wsgi.input']
    return [repr(eval(environ['PATH_INFO'][1:], {'i': stream, 'environ': environ})).encode()]

def uncaught(environ, start_response):
    data = environ['wsgi.input'].read()
    start_response('200 OK', [])
    return [data]

def caught(environ, start_response):
    stream = environ['wsgi.input']
    errors = []
    for call in (stream.read, stream.readline, stream.readlines, stream.__next__):
        try:
            call()
            errors.append('worked')
        except OSError as error:
            errors.append(str(error))
    start_response('200 OK', [])
    return ['|'.join(errors).encode()]

def unread(environ, start_response):
    start_response('200 OK', [])
    return [b'unread']

def echo(environ, start_response):
    start_response('200 OK', [])
    stream = environ['wsgi.input']
    while True:
        block = stream.read(100000)
        if not block:
            return
        yield block

def refusals(environ, start_response):
    start_response('200 OK', [])
    stream = environ['wsgi.input']
    wrong = []
    for name in ('read', 'readline', 'readlines'):
        for bad in (('x',), (1.5,), (None,), (1, 2)):
            try:
                getattr(stream, name)(*bad)
                wrong.append('%s%r' % (name, bad))
            except TypeError:
                pass
    for name in ('seek', 'tell', 'fileno', 'readable'):
        if hasattr(stream, name): wrong.append(name)
    if type(stream).__name__ != 'Input' or type(stream).__module__ != 'mod_wsgi': wrong.append(repr(type(stream)))
    if stream.close() is not None: wrong.append('close')
    try:
        type(stream)()
        wrong.append('made')
    except TypeError:
        pass
    return ['\n'.join(wrong).encode()]
";

pub(crate) fn run(home: &Path) {
    let bench = Bench::start(home, 0, &[]);
    let script = bench.script("input.wsgi", SCRIPT);
    for group in ["", "other"] {
        reads(&bench, &script, group);
        sources(&bench, &script, group);
        errors(&bench, &script, group);
    }
    bench.layer.stop(std::time::Duration::from_secs(5));
}

fn reads(bench: &Bench, script: &[u8], group: &str) {
    for (expression, expected) in [
        ("i.read()", "b'one\\ntwo\\nthree'"),
        ("i.read(-1)", "b'one\\ntwo\\nthree'"),
        (
            "(i.read(5), i.read(0), i.read(1 << 40), i.read())",
            "(b'one\\nt', b'', b'wo\\nthree', b'')",
        ),
        ("i.read(1 << 70)", "b'one\\ntwo\\nthree'"),
        ("i.read(True)", "b'o'"),
        (
            "(i.readline(), i.readline(2), i.readline(-1), i.readline(1 << 40), i.readline())",
            "(b'one\\n', b'tw', b'o\\n', b'three', b'')",
        ),
        ("i.readline(0)", "b''"),
        ("i.readlines()", "[b'one\\n', b'two\\n', b'three']"),
        ("i.readlines(5)", "[b'one\\n', b'two\\n']"),
        ("i.readlines(4)", "[b'one\\n']"),
        (
            "(list(i), iter(i) is i)",
            "([b'one\\n', b'two\\n', b'three'], True)",
        ),
        (
            "(i.readline(), i.read(2), next(i), i.read())",
            "(b'one\\n', b'tw', b'o\\n', b'three')",
        ),
    ] {
        let whole = Call::new(script, "application")
            .group(group)
            .path(expression.as_bytes());
        let path = format!("/{expression}");
        whole
            .path(path.as_bytes())
            .body(b"one\ntwo\nthree")
            .run(bench)
            .assert_body(expected);
        let pieces: [Result<&[u8], ReadError>; 4] =
            [Ok(b"e\ntw"), Ok(b"o"), Ok(b"\nth"), Ok(b"ree")];
        let call = Call::new(script, "application")
            .group(group)
            .path(path.as_bytes());
        call.body(b"on")
            .then(&pieces)
            .run(bench)
            .assert_body(expected);
    }
}

fn sources(bench: &Bench, script: &[u8], group: &str) {
    let call = |name| Call::new(script, name).group(group);
    let reply = call("unread").body(b"some").then(&[Ok(b"more")]).run(bench);
    reply.assert_body("unread");
    assert_eq!(reply.reads, 0, "what is left is the host's to read");
    let reply = call("application")
        .path(b"/i.read(4)")
        .body(b"some")
        .then(&[Ok(b"more")])
        .run(bench);
    reply.assert_body("b'some'");
    assert_eq!(reply.reads, 0, "nothing is read ahead");
    let reply = call("application")
        .path(b"/i.read(0)")
        .then(&[Ok(b"more")])
        .run(bench);
    reply.assert_body("b''");
    assert_eq!(
        reply.reads, 1,
        "the client may wait for a sign that it is to send"
    );
    let reply = call("application")
        .path(b"/(i.read(0), i.read())")
        .then(&[Ok(b"more")])
        .run(bench);
    reply.assert_body("(b'', b'more')");
    let large = vec![b'z'; 3_000_000];
    let reply = call("echo")
        .body(b"start")
        .then(&[Ok(&large), Ok(b"end")])
        .run(bench);
    assert_eq!(
        (reply.outcome, reply.body.len()),
        (Outcome::Handled, 3_000_008)
    );
    assert!(reply.body.starts_with(b"startzz") && reply.body.ends_with(b"zzend"));
    call("refusals").body(b"x").run(bench).assert_body("");
    call("application")
        .path(b"/environ['CONTENT_LENGTH']")
        .body(b"abc")
        .run(bench)
        .assert_body("'3'");
    call("application")
        .path(b"/(environ['wsgi.input_terminated'], 'CONTENT_LENGTH' in environ)")
        .run(bench)
        .assert_body("(True, False)");
}

fn errors(bench: &Bench, script: &[u8], group: &str) {
    let call = |name| Call::new(script, name).group(group);
    let all = [
        (ReadError::Gone, None),
        (ReadError::Timeout, Some(408)),
        (ReadError::TooLarge, Some(413)),
        (ReadError::Bad, Some(400)),
        (ReadError::Failed, Some(500)),
    ];
    for (error, status) in all {
        let reply = call("caught")
            .body(b"a")
            .then(&[Ok(b"b\nc"), Err(error)])
            .run(bench);
        assert_eq!(reply.outcome, Outcome::Handled, "{error:?}: {reply:?}");
        let told: Vec<String> = reply.text().split('|').map(str::to_owned).collect();
        let prefix = "mod_wsgi request data read error";
        assert!(
            told.iter().all(|text| text.starts_with(prefix)),
            "raised each time: {told:?}"
        );
        let reply = call("uncaught")
            .body(b"a")
            .then(&[Ok(b"b"), Err(error)])
            .run(bench);
        match status {
            Some(status) => reply.assert_status(status),
            None => {
                assert_eq!(reply.outcome, Outcome::Gone, "{reply:?}");
                let loud = reply.log.worse_than(abi::level::INFO);
                assert!(
                    loud.is_empty(),
                    "a client that leaves is no error: {loud:?}"
                );
            }
        }
    }
}
