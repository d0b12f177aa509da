//! `start_response`, `write`, iterables, lengths, statuses without a body, files.

use std::path::Path;

use rsgi_bridge::host::Outcome;

use crate::host::{Accept, Bench, Call};

const SCRIPT: &str = include_str!("response.py");

pub(crate) fn run(home: &Path) {
    let bench = Bench::start(home, 0, &[]);
    let script = bench.script("response.wsgi", SCRIPT);
    std::fs::write(bench.path("served.txt"), "abcdefghij").unwrap();
    for group in ["", "other"] {
        blocks(&bench, &script, group);
        streams(&bench, &script, group);
        start_response(&bench, &script, group);
        bodiless(&bench, &script, group);
        lengths(&bench, &script, group);
        closing(&bench, &script, group);
        files(&bench, &script, group);
    }
    second_start_is_told_once(&bench, &script);
    bench.layer.stop(std::time::Duration::from_secs(5));
}

fn blocks(bench: &Bench, script: &[u8], group: &str) {
    let call = |name| Call::new(script, name).group(group);
    let reply = call("hello").run(bench);
    reply.assert_body("Hello World!\n");
    assert_eq!(
        reply.head().length,
        Some(13),
        "a single item gives its length"
    );
    assert_eq!(reply.head().line, "200 OK");
    assert_eq!(
        reply.head().headers,
        [("Content-Type".into(), "text/plain".into())]
    );
    assert_eq!(reply.sends, [13], "as one unit");
    let reply = call("blocks").run(bench);
    reply.assert_body("one,two");
    assert_eq!(reply.sends, [7], "a list goes out as one unit");
    let reply = call("in_tuple").run(bench);
    reply.assert_body("one,two");
    assert_eq!(reply.sends, [7], "and a tuple");
    call("empty").run(bench).assert_body("");
    call("subclass").run(bench).assert_body("sub");
    call("hello")
        .accept(Accept::OnlyWaiting)
        .run(bench)
        .assert_body("Hello World!\n");
}

fn streams(bench: &Bench, script: &[u8], group: &str) {
    let call = |name| Call::new(script, name).group(group);
    let reply = call("generator").run(bench);
    reply.assert_body("abbccc");
    let sent: Vec<usize> = reply
        .sends
        .iter()
        .copied()
        .filter(|&sent| sent > 0)
        .collect();
    assert_eq!(
        sent,
        [1, 2, 3],
        "each block goes out before the next is asked for"
    );
    let reply = call("generator").accept(Accept::OnlyWaiting).run(bench);
    reply.assert_body("abbccc");
    assert!(
        reply.refused >= 1,
        "a block is tried before Python is given up: {reply:?}"
    );
    let reply = call("late_start").run(bench);
    assert_eq!(
        (reply.outcome, reply.text()),
        (Outcome::Handled, "late".into())
    );
    let head = reply.head();
    assert_eq!(
        (head.status, head.length, head.line.as_str()),
        (201, Some(4), "201 Created")
    );
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        head.headers,
        [pair("X-A", "1"), pair("X-A", "2"), pair("X-L", "caf\u{e9}")]
    );

    for accept in [Accept::All, Accept::OnlyWaiting] {
        call("writes")
            .accept(accept)
            .run(bench)
            .assert_body("one,two,three");
        call("empty_write_commits")
            .accept(accept)
            .run(bench)
            .assert_body("refused");
        assert_eq!(call("huge").accept(accept).run(bench).body.len(), 9_000_000);
        assert_eq!(call("many").accept(accept).run(bench).body.len(), 20_000);
    }
    let all = "refused,refused,refused,refused,refused";
    call("write_takes_bytes").run(bench).assert_body(all);
}

fn start_response(bench: &Bench, script: &[u8], group: &str) {
    let call = |name| Call::new(script, name).group(group);
    call("refusals").run(bench).assert_body("");
    let reply = call("bad_keeps_first").run(bench);
    reply.assert_body("first");
    assert_eq!(
        reply.head().headers[0].0,
        "X-First",
        "a refused call changes nothing"
    );
    let reply = call("replaced").run(bench);
    assert_eq!(
        (reply.head().status, reply.text()),
        (503, "replaced".into())
    );
    assert_eq!(reply.head().headers, [("X-Error".into(), "yes".into())]);
    let reply = call("raised_again").run(bench);
    assert_eq!(
        (reply.outcome, reply.text()),
        (Outcome::Truncated, "begun".into())
    );
    assert!(reply.log.has("KeyError: 'after the head'"), "{reply:?}");
    for name in ["no_start", "no_start_empty", "not_bytes", "not_iterable"] {
        let reply = call(name).run(bench);
        reply.assert_status(500);
        assert!(reply.log.has("RSGI0174"), "{name}: {reply:?}");
    }
    call("missing").run(bench).assert_status(404);
}

fn bodiless(bench: &Bench, script: &[u8], group: &str) {
    let call = |name| Call::new(script, name).group(group);
    for name in ["hello", "generator", "writes", "with_length"] {
        let reply = call(name).path(b"/10").head().run(bench);
        reply.assert_body("");
        assert_eq!(reply.head().status, 200);
    }
    assert_eq!(call("hello").head().run(bench).head().length, Some(13));
    let reply = call("with_length").path(b"/10").head().run(bench);
    assert_eq!(
        reply.head().length,
        Some(10),
        "HEAD tells the length of GET"
    );
    for (path, length) in [(&b"/204"[..], None), (b"/304", None), (b"/205", Some(0))] {
        let reply = call("status_of_path").path(path).run(bench);
        assert_eq!(
            (reply.outcome, reply.text()),
            (Outcome::Handled, String::new()),
            "{reply:?}"
        );
        assert_eq!(reply.head().length, length, "{reply:?}");
        assert_eq!(reply.head().headers, [("X-Kept".into(), "yes".into())]);
    }
    let reply = call("status_of_path").path(b"/999").run(bench);
    assert_eq!((reply.head().status, reply.text()), (999, "body".into()));
}

fn lengths(bench: &Bench, script: &[u8], group: &str) {
    for name in ["with_length", "with_length_streamed"] {
        for accept in [Accept::All, Accept::OnlyWaiting] {
            let call = |path| {
                Call::new(script, name)
                    .group(group)
                    .accept(accept)
                    .path(path)
                    .run(bench)
            };
            call(b"/10").assert_body("1234567890");
            let reply = call(b"/7");
            reply.assert_body("1234567");
            assert_eq!(reply.head().length, Some(7), "the excess is dropped");
            call(b"/5").assert_body("12345");
            call(b"/0").assert_body("");
            let reply = call(b"/12");
            assert_eq!(
                (reply.outcome, reply.text()),
                (Outcome::Truncated, "1234567890".into()),
                "{reply:?}"
            );
        }
    }
}

fn closing(bench: &Bench, script: &[u8], group: &str) {
    let call = |path| Call::new(script, "closing").group(group).path(path);
    let closed = |why: &str| {
        let reply = Call::new(script, "closed").group(group).run(bench);
        assert_eq!(reply.text(), "1", "close() is called once: {why}");
    };
    call(b"/").run(bench).assert_body("abc");
    closed("complete");
    call(b"/").head().run(bench).assert_body("");
    closed("HEAD");
    call(b"/error").run(bench).assert_status(500);
    closed("error");
    assert_eq!(call(b"/late").run(bench).outcome, Outcome::Truncated);
    closed("error after a block");
    assert_eq!(call(b"/text").run(bench).outcome, Outcome::Truncated);
    closed("text");
    for path in [&b"/raises"[..], b"/exit"] {
        let reply = call(path).run(bench);
        assert_eq!(reply.text(), "a");
        assert!(
            reply.log.has("in close") || reply.log.has("SystemExit"),
            "{reply:?}"
        );
        closed("close raises");
    }
    let reply = call(b"/").accept(Accept::GoneAfter(1)).run(bench);
    assert_eq!((reply.outcome, reply.text()), (Outcome::Gone, "a".into()));
    let loud = reply.log.worse_than(rsgi_bridge::abi::level::INFO);
    assert!(
        loud.is_empty(),
        "a client that leaves is no error: {loud:?}"
    );
    closed("the client left");
    let reply = call(b"/").accept(Accept::FailedAfter(1)).run(bench);
    assert_eq!(reply.outcome, Outcome::Truncated);
    closed("sending failed");
    let ended = || {
        Call::new(script, "generator_ended")
            .group(group)
            .run(bench)
            .text()
    };
    let before: usize = ended().parse().unwrap();
    let leave = Accept::GoneAfter(1);
    let reply = Call::new(script, "generator_exit")
        .group(group)
        .accept(leave)
        .run(bench);
    assert_eq!(reply.outcome, Outcome::Gone);
    assert_eq!(
        ended(),
        (before + 1).to_string(),
        "a generator gets GeneratorExit"
    );
}

fn files(bench: &Bench, script: &[u8], group: &str) {
    let call = |name| Call::new(script, name).group(group);
    for (path, file, body) in [
        (&b"/"[..], (0, 10), "abcdefghij"),
        (b"/tell", (4, 6), "efghij"),
        (b"/declared", (0, 3), "abc"),
        (b"/subclass", (0, 10), "abcdefghij"),
    ] {
        let reply = call("file").path(path).run(bench);
        reply.assert_body(body);
        assert_eq!(
            (&reply.files[..], reply.head().length),
            (&[file][..], Some(file.1))
        );
    }
    call("file").path(b"/end").run(bench).assert_body("");
    let reply = call("file").path(b"/beyond").run(bench);
    assert_eq!(
        (reply.outcome, reply.text()),
        (Outcome::Truncated, "abcdefghij".into()),
        "{reply:?}"
    );
    let reply = call("file").head().run(bench);
    reply.assert_body("");
    assert_eq!(reply.head().length, Some(10));
    call("file_like").run(bench).assert_body("one,two");
    let reply = call("file_after_write").run(bench);
    reply.assert_body("first,abcdefghij");
    call("wrapper").run(bench).assert_body("");
}

fn second_start_is_told_once(bench: &Bench, script: &[u8]) {
    let source = String::from_utf8(script.to_vec()).unwrap();
    let copy = std::path::Path::new(&source).with_file_name("twice.wsgi");
    std::fs::copy(&source, &copy).unwrap();
    let copy = copy.to_string_lossy().into_owned();
    let mut warnings = 0;
    for _ in 0..3 {
        let reply = Call::new(copy.as_bytes(), "twice").run(bench);
        reply.assert_body("twice");
        assert!(reply.head().headers.is_empty(), "the later call counts");
        let told = reply.log.0.iter().filter(|(level, line)| {
            *level == rsgi_bridge::abi::level::WARN && line.contains("start_response")
        });
        warnings += told.count();
    }
    assert_eq!(warnings, 1, "one warning a script");
}
