//! Frames come back as they were sent; anything else is refused without a panic, and never asks for more than it may.

mod properties;

use super::*;
use crate::name::{NAMES, id};

fn frame<T>(decoded: Decoded<T>) -> (T, usize) {
    match decoded {
        Decoded::Frame { frame, used } => (frame, used),
        Decoded::Need(total) => panic!("a whole frame asks for {total} bytes"),
    }
}

fn head(constants: &[u8]) -> RequestHead<'_> {
    RequestHead {
        application_group: b"host|/app",
        script: b"/srv/app.wsgi",
        callable: b"application",
        resource: b"/srv/app.wsgi/x",
        mtime: Some(-5),
        target_flags: 1,
        request_flags: 6,
        request_start: 1_700_000_000_000_000,
        queue_start: 1_700_000_000_000_001,
        log_level: 7,
        constants: Entries::new(constants),
    }
}

fn request(body: BodyPlan, inline: &[u8]) -> Vec<u8> {
    let mut constants = Vec::new();
    push_entry(&mut constants, id::SERVER_SOFTWARE, b"Apache");
    let mut out = Vec::new();
    let mut encoder = RequestEncoder::new(&mut out, &head(&constants));
    encoder.entry(id::REQUEST_METHOD, b"GET");
    encoder.named(b"my.key", b"caf\xe9");
    encoder.finish(body).unwrap();
    out.extend_from_slice(inline);
    out
}

#[test]
fn a_request_comes_back_as_it_was() {
    let bodies = [
        (BodyPlan::None, &b""[..], BodyForm::None),
        (BodyPlan::Inline(0), b"", BodyForm::Inline(b"")),
        (BodyPlan::Inline(3), b"abc", BodyForm::Inline(b"abc")),
        (
            BodyPlan::File { length: 70_000 },
            b"",
            BodyForm::File { length: 70_000 },
        ),
        (BodyPlan::Stream, b"", BodyForm::Stream),
    ];
    for (plan, inline, form) in bodies {
        let bytes = request(plan, inline);
        let (got, used) = frame(decode_to_daemon(&bytes).unwrap());
        assert_eq!(used, bytes.len());
        let ToDaemon::Request(got) = got else {
            panic!("{got:?}")
        };
        let mut constants = Vec::new();
        push_entry(&mut constants, id::SERVER_SOFTWARE, b"Apache");
        assert_eq!((got.head, got.claim), (head(&constants), Claim::NONE));
        let constants = all(got.head.constants);
        assert_eq!(constants, [(id::SERVER_SOFTWARE, &b""[..], &b"Apache"[..])]);
        let entries = all(got.entries);
        let expected = [
            (id::REQUEST_METHOD, &b""[..], &b"GET"[..]),
            (0, b"my.key", b"caf\xe9"),
        ];
        assert_eq!(entries, expected);
        assert_eq!(got.body, form);
    }
}

#[test]
fn a_claim_and_tries_are_written_into_a_request_and_nothing_else_changes() {
    let claim = Claim {
        cell: 7,
        sequence: 1 << 40,
    };
    let mut bytes = request(BodyPlan::Inline(3), b"abc");
    let before = bytes.clone();
    let tries = Tries {
        connects: 3,
        restarts: 2,
    };
    set_claim(&mut bytes, claim);
    set_tries(&mut bytes, tries);
    let (ToDaemon::Request(mut got), _) = frame(decode_to_daemon(&bytes).unwrap()) else {
        panic!("no request")
    };
    assert_eq!(std::mem::replace(&mut got.claim, Claim::NONE), claim);
    let first = Tries {
        connects: 1,
        restarts: 0,
    };
    assert_eq!(std::mem::replace(&mut got.tries, first), tries);
    let whole = decode_to_daemon(&before).unwrap();
    assert_eq!(frame(whole).0, ToDaemon::Request(got));
    set_claim(&mut bytes[..20], Claim::NONE);
    set_claim(&mut [], Claim::NONE);
    set_tries(&mut bytes[..20], tries);
    set_tries(&mut [], tries);
}

#[test]
fn a_request_that_is_cut_anywhere_is_incomplete_and_says_how_much_it_needs() {
    let bytes = request(BodyPlan::Inline(3), b"abc");
    for length in 0..bytes.len() {
        let needs = if length < HEADER { HEADER } else { bytes.len() };
        assert_eq!(decode_to_daemon(&bytes[..length]), Ok(Decoded::Need(needs)));
    }
}

#[test]
fn every_wrong_byte_in_the_fixed_part_is_refused_or_read_as_another_value() {
    let bytes = request(BodyPlan::Inline(3), b"abc");
    for at in 0..bytes.len() {
        for change in [1, 0x80, 0xff] {
            let mut wrong = bytes.clone();
            wrong[at] ^= change;
            let _ = decode_to_daemon(&wrong);
        }
    }
}

#[test]
fn a_request_that_is_too_long_is_not_made_and_leaves_nothing_behind() {
    let mut out = b"before".to_vec();
    let encoder = RequestEncoder::new(&mut out, &head(b""));
    let error = encoder.finish(BodyPlan::Inline(MAX_REQUEST)).unwrap_err();
    assert!(matches!(
        error,
        WireError::TooLong {
            limit: MAX_REQUEST,
            ..
        }
    ));
    assert_eq!(out, b"before");
}

#[test]
fn body_frames_come_back_as_they_were() {
    let mut out = body_header(3).unwrap().to_vec();
    out.extend_from_slice(b"abc");
    assert_eq!(
        frame(decode_to_daemon(&out).unwrap()),
        (ToDaemon::Body(b"abc"), 11)
    );
    for outcome in [
        BodyOutcome::Complete,
        BodyOutcome::Gone,
        BodyOutcome::Timeout,
        BodyOutcome::TooLarge,
        BodyOutcome::Bad,
        BodyOutcome::Failed,
    ] {
        out.clear();
        push_body_end(&mut out, outcome);
        assert_eq!(
            frame(decode_to_daemon(&out).unwrap()),
            (ToDaemon::BodyEnd(outcome), 9)
        );
    }
}

#[test]
fn an_answer_comes_back_frame_by_frame() {
    let mut out = Vec::new();
    let headers = [
        (&b"Content-Type"[..], &b"text/plain"[..]),
        (b"X-Empty", b""),
    ];
    push_need_body(&mut out);
    push_log(&mut out, 3, b"a line");
    push_head(
        &mut out,
        404,
        b"404 Not Found",
        Some(5),
        headers.into_iter(),
    )
    .unwrap();
    push_data(&mut out, b"");
    push_data(&mut out, b"hello");
    push_file(&mut out, 10, 20);
    push_whole(&mut out);
    push_end(&mut out);
    push_abort(&mut out, AbortReason::Panicked);
    push_status(&mut out, 504);
    push_status(&mut out, 200);
    push_stale(&mut out);
    let mut seen = Vec::new();
    let mut rest = &out[..];
    while !rest.is_empty() {
        let (got, used) = frame(decode_to_child(rest).unwrap());
        rest = &rest[used..];
        seen.push(got);
    }
    let ToChild::Head(head) = seen.remove(2) else {
        panic!("{seen:?}")
    };
    assert_eq!(
        (head.status, head.line, head.content_length),
        (404, &b"404 Not Found"[..], Some(5))
    );
    assert_eq!(head.headers().collect::<Vec<_>>(), headers);
    let expected = [
        ToChild::NeedBody,
        ToChild::Log {
            level: 3,
            text: b"a line",
        },
        ToChild::Data(b"hello"),
        ToChild::File {
            offset: 10,
            length: 20,
        },
        ToChild::Whole,
        ToChild::End,
        ToChild::Abort(AbortReason::Panicked),
        ToChild::Status(504),
        ToChild::Status(500),
        ToChild::Stale,
    ];
    assert_eq!(seen, expected);
}

#[test]
fn a_line_of_the_application_has_its_place() {
    let at = |level, place, text| {
        let mut out = Vec::new();
        push_log_at(&mut out, level, place, text);
        out
    };
    let line = |level, source, line, text| ToChild::LogAt {
        level,
        source,
        line,
        text,
    };
    let out = at(6, (b"/srv/app.py", 17), b"a line");
    let (got, used) = frame(decode_to_child(&out).unwrap());
    assert_eq!(got, line(6, b"/srv/app.py", 17, b"a line"));
    assert_eq!(used, out.len());
    for path in [&b"/srv/a\npp.py"[..], &[b'x'; MAX_SOURCE + 1]] {
        let out = at(99, (path, 18), b"");
        let (got, _) = frame(decode_to_child(&out).unwrap());
        assert_eq!(got, line(15, b"", 18, b""));
    }
    let mut bad = out;
    let place = bad.windows(5).position(|part| part == b"/srv/").unwrap();
    bad[place] = b'\n';
    assert!(decode_to_child(&bad).is_err());
    let mut asked = Vec::new();
    push_ask_server(&mut asked);
    assert_eq!(
        frame(decode_to_child(&asked).unwrap()).0,
        ToChild::AskServer
    );
}

#[test]
fn long_data_goes_out_in_several_frames() {
    let data = vec![7; MAX_DATA + 1];
    let mut out = Vec::new();
    push_data(&mut out, &data);
    let (first, used) = frame(decode_to_child(&out).unwrap());
    let (second, _) = frame(decode_to_child(&out[used..]).unwrap());
    assert_eq!(first, ToChild::Data(&data[1..]));
    assert_eq!(second, ToChild::Data(&[7]));
    assert!(data_header(MAX_DATA + 1).is_err());
    assert!(body_header(MAX_BODY + 1).is_err());
}

#[test]
fn a_log_line_is_cut_and_a_head_that_is_too_long_is_not_made() {
    let mut out = Vec::new();
    push_log(&mut out, 200, &vec![b'x'; MAX_LOG + 5]);
    let (got, _) = frame(decode_to_child(&out).unwrap());
    let text = &vec![b'x'; MAX_LOG][..];
    assert_eq!(got, ToChild::Log { level: 15, text });
    out.clear();
    let value = vec![b'x'; MAX_HEAD];
    let headers = [(&b"X"[..], &value[..])];
    assert!(push_head(&mut out, 200, b"200", None, headers.into_iter()).is_err());
    assert!(out.is_empty());
}

#[test]
fn frames_that_break_a_rule_are_refused() {
    let raw = |kind: u8, payload: &[u8]| {
        let mut out = (payload.len() as u32).to_le_bytes().to_vec();
        out.extend_from_slice(&[kind, 0, 0, 0]);
        out.extend_from_slice(payload);
        out
    };
    let mut reserved = raw(70, b"");
    reserved[5] = 1;
    let mut long = raw(68, b"");
    long[..4].copy_from_slice(&(MAX_DATA as u32 + 1).to_le_bytes());
    let mut sum = [0xff; 16];
    sum[15] = 0x7f;
    let cases: [(&str, Vec<u8>); 13] = [
        ("a kind of the other direction", raw(1, b"")),
        ("an unknown kind", raw(0, b"")),
        ("reserved bits", reserved),
        ("too long, seen at the header", long),
        ("an end with a payload", raw(70, b"x")),
        ("data without data", raw(68, b"")),
        ("a file beyond the positions", raw(69, &sum)),
        ("half a file", raw(69, &[0; 15])),
        ("an unknown reason", raw(71, &[9])),
        ("no reason", raw(71, b"")),
        ("an unknown level", raw(72, &[16])),
        ("a status that is none", raw(73, &99u16.to_le_bytes())),
        ("half a head", raw(67, &[200, 0])),
    ];
    for (what, bytes) in cases {
        assert!(decode_to_child(&bytes).is_err(), "{what}");
    }
    for bytes in [
        raw(65, b""),
        raw(2, b""),
        raw(3, b""),
        raw(3, &[6]),
        raw(1, &[0; 79]),
    ] {
        assert!(decode_to_daemon(&bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn a_head_that_would_say_more_than_one_header_is_refused() {
    for (status, line, name, value) in [
        (199, &b"200"[..], &b"X"[..], &b"y"[..]),
        (1000, b"200", b"X", b"y"),
        (200, b"200 a\nb", b"X", b"y"),
        (200, b"200", b"", b"y"),
        (200, b"200", b"X\0", b"y"),
        (200, b"200", b"X", b"a\r\nSet-Cookie: x"),
    ] {
        let mut out = Vec::new();
        push_head(&mut out, status, line, None, [(name, value)].into_iter()).unwrap();
        assert!(
            decode_to_child(&out).is_err(),
            "{line:?} {name:?} {value:?}"
        );
    }
}

#[test]
fn a_hello_comes_back_as_it_was_and_another_one_is_refused() {
    let hello = Hello {
        row: 1,
        incarnation: 2,
        pid: 3,
    };
    let message = hello.encode();
    assert_eq!(Hello::decode(&message), Ok(hello));
    assert!(Hello::decode(&message[..23]).is_err());
    assert!(Hello::decode(&[&message[..], &[0]].concat()).is_err());
    for at in [0, 20] {
        let mut wrong = message;
        wrong[at] ^= 1;
        assert!(matches!(Hello::decode(&wrong), Err(WireError::Value(_))));
    }
    let mut other = message;
    other[4] = 9;
    assert_eq!(Hello::decode(&other), Err(WireError::Version(9)));
}

#[test]
fn entries_that_nobody_could_read_are_not_sent() {
    let mut out = Vec::new();
    push_entry(&mut out, 0, b"x");
    push_entry(&mut out, NAMES.len() as u32, b"x");
    push_entry(&mut out, 70_000, b"x");
    push_named(&mut out, &vec![b'n'; 65_536], b"x");
    assert!(out.is_empty());
}

#[test]
fn nothing_comes_after_an_entry_that_is_none() {
    let mut bytes = Vec::new();
    push_entry(&mut bytes, id::REQUEST_METHOD, b"GET");
    let whole = bytes.len();
    for none in [&[200, 0, 0, 0, 0, 0][..], &[1], &[4, 0, 99, 0, 0, 0, 1]] {
        bytes.truncate(whole);
        bytes.extend_from_slice(none);
        push_entry(&mut bytes, id::REQUEST_METHOD, b"GET");
        let read: Vec<_> = Entries::new(&bytes).iter().collect();
        assert_eq!(read.len(), 2, "{none:?}");
        assert!(read[0].is_ok() && read[1].is_err(), "{read:?}");
    }
}

/// Entries that can be read.
fn all(entries: Entries<'_>) -> Vec<Entry<'_>> {
    entries.iter().collect::<Result<_, _>>().unwrap()
}
