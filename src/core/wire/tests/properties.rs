//! Whatever is sent comes back, and whatever comes is read or refused.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn text() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..40)
}

fn header_text(least: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(
        any::<u8>().prop_filter("a line end", |b| ![0, b'\r', b'\n'].contains(b)),
        least..40,
    )
}

/// All ways in which a body ends.
const OUTCOMES: [BodyOutcome; 6] = [
    BodyOutcome::Complete,
    BodyOutcome::Gone,
    BodyOutcome::Timeout,
    BodyOutcome::TooLarge,
    BodyOutcome::Bad,
    BodyOutcome::Failed,
];

/// The frame that these bytes are.
fn only(bytes: &[u8]) -> Result<ToChild<'_>, TestCaseError> {
    let (got, used) = frame(decode_to_child(bytes).unwrap());
    prop_assert_eq!(used, bytes.len());
    Ok(got)
}

/// Frames to a child that are always the same, beside some that are not.
fn plain_frames() -> [(Vec<u8>, ToChild<'static>); 10] {
    let pushed = |push: &dyn Fn(&mut Vec<u8>), frame| {
        let mut out = Vec::new();
        push(&mut out);
        (out, frame)
    };
    let abort = |reason| pushed(&move |out| push_abort(out, reason), ToChild::Abort(reason));
    let (offset, length) = (3, 5);
    [
        pushed(&push_need_body, ToChild::NeedBody),
        pushed(&push_ask_server, ToChild::AskServer),
        pushed(&push_end, ToChild::End),
        pushed(&push_stale, ToChild::Stale),
        abort(AbortReason::Truncated),
        abort(AbortReason::Panicked),
        abort(AbortReason::Gone),
        pushed(&|out| push_status(out, 404), ToChild::Status(404)),
        pushed(&|out| push_data(out, b"data"), ToChild::Data(b"data")),
        pushed(
            &move |out| push_file(out, offset, length),
            ToChild::File { offset, length },
        ),
    ]
}

proptest! {
    #[test]
    fn any_request_comes_back(
        texts in [text(), text(), text(), text()],
        entries in vec((0u32..NAMES.len() as u32, text(), text()), 0..20),
        numbers in any::<[i64; 2]>(),
        mtime in proptest::option::of(0i64..i64::MAX),
        inline in text(),
    ) {
        let mut out = Vec::new();
        let mut encoder = RequestEncoder::new(&mut out, &RequestHead {
            application_group: &texts[0], script: &texts[1], callable: &texts[2], resource: &texts[3], mtime,
            target_flags: 3, request_flags: 4, request_start: numbers[0], queue_start: numbers[1], log_level: 0,
            constants: Entries::EMPTY,
        });
        for (id, name, value) in &entries {
            match id {
                0 => encoder.named(name, value),
                _ => encoder.entry(*id, value),
            }
        }
        encoder.finish(BodyPlan::Inline(inline.len())).unwrap();
        out.extend_from_slice(&inline);
        let (got, used) = frame(decode_to_daemon(&out).unwrap());
        prop_assert_eq!(used, out.len());
        let ToDaemon::Request(got) = got else { panic!("{got:?}") };
        let head = got.head;
        prop_assert_eq!([head.application_group, head.script, head.callable, head.resource], [&texts[0][..], &texts[1], &texts[2], &texts[3]]);
        prop_assert_eq!((head.mtime, head.request_start, head.queue_start), (mtime, numbers[0], numbers[1]));
        prop_assert_eq!(got.body, BodyForm::Inline(&inline));
        let expected: Vec<_> = entries.iter().map(|(id, name, value)| (*id, if *id == 0 { &name[..] } else { b"" }, &value[..])).collect();
        prop_assert_eq!(all(got.entries), expected);
    }

    #[test]
    fn any_head_comes_back(
        status in 200u16..1000, line in header_text(0), length in proptest::option::of(0u64..1 << 63),
        headers in vec((header_text(1), header_text(0)), 0..20),
    ) {
        let mut out = Vec::new();
        let pairs: Vec<(&[u8], &[u8])> = headers.iter().map(|(n, v)| (&n[..], &v[..])).collect();
        push_head(&mut out, status, &line, length, pairs.iter().copied()).unwrap();
        let (got, _) = frame(decode_to_child(&out).unwrap());
        let ToChild::Head(got) = got else { panic!("{got:?}") };
        prop_assert_eq!((got.status, got.line, got.content_length), (status, &line[..], length));
        prop_assert_eq!(got.headers().collect::<Vec<_>>(), pairs);
    }

    #[test]
    fn any_data_comes_back(pattern in vec(any::<u8>(), 1..50), length in 0usize..300_000) {
        let data: Vec<u8> = pattern.iter().copied().cycle().take(length).collect();
        let mut out = Vec::new();
        push_data(&mut out, &data);
        let (mut rest, mut got) = (&out[..], Vec::new());
        while !rest.is_empty() {
            let (piece, used) = frame(decode_to_child(rest).unwrap());
            let ToChild::Data(piece) = piece else { panic!("{piece:?}") };
            prop_assert!(!piece.is_empty() && piece.len() <= MAX_DATA);
            got.extend_from_slice(piece);
            rest = &rest[used..];
        }
        prop_assert!(got == data);
    }

    #[test]
    fn any_part_of_a_file_comes_back(place in 0u64..1 << 63, share in 0u64..=100) {
        let (offset, length) = (place / 100 * share, place - place / 100 * share);
        let mut out = Vec::new();
        push_file(&mut out, offset, length);
        prop_assert_eq!(only(&out)?, ToChild::File { offset, length });
    }

    #[test]
    fn any_line_for_the_log_comes_back_as_far_as_it_may_go(
        level in any::<u8>(), text in prop_oneof![vec(any::<u8>(), 0..200), vec(any::<u8>(), MAX_LOG - 2..MAX_LOG + 3)],
        source in header_text(0), line in any::<u32>(),
    ) {
        let kept = &text[..text.len().min(MAX_LOG)];
        let mut out = Vec::new();
        push_log(&mut out, level, &text);
        prop_assert_eq!(only(&out)?, ToChild::Log { level: level.min(15), text: kept });
        let mut out = Vec::new();
        push_log_at(&mut out, level, (&source, line), &text);
        prop_assert_eq!(only(&out)?, ToChild::LogAt { level: level.min(15), source: &source, line, text: kept });
        let broken = [&source[..], b"\n"].concat();
        let mut out = Vec::new();
        push_log_at(&mut out, level, (&broken, line), &text);
        prop_assert_eq!(only(&out)?, ToChild::LogAt { level: level.min(15), source: b"", line, text: kept });
    }

    #[test]
    fn any_status_comes_back_as_an_error(status in any::<u16>()) {
        let mut out = Vec::new();
        push_status(&mut out, status);
        let expected = if (400..600).contains(&status) { status } else { 500 };
        prop_assert_eq!(only(&out)?, ToChild::Status(expected));
    }

    #[test]
    fn any_piece_of_a_body_comes_back(body in vec(any::<u8>(), 1..5000)) {
        let mut out = body_header(body.len()).unwrap().to_vec();
        out.extend_from_slice(&body);
        let (got, used) = frame(decode_to_daemon(&out).unwrap());
        prop_assert_eq!((got, used), (ToDaemon::Body(&body), out.len()));
    }

    /// Frames come one behind the other, and none is whole before its last byte.
    #[test]
    fn any_row_of_frames_comes_back_and_any_part_of_it_asks_for_the_rest(kinds in vec(0usize..10, 1..12), cut in any::<prop::sample::Index>()) {
        let plain = plain_frames();
        let expected: Vec<ToChild<'_>> = kinds.iter().map(|kind| plain[*kind].1).collect();
        let bytes: Vec<u8> = kinds.iter().flat_map(|kind| plain[*kind].0.clone()).collect();
        let (mut rest, mut got) = (&bytes[..], Vec::new());
        while !rest.is_empty() {
            let (one, used) = frame(decode_to_child(rest).unwrap());
            got.push(one);
            rest = &rest[used..];
        }
        prop_assert_eq!(got, expected);
        let whole = &plain[kinds[0]].0;
        let part = cut.index(whole.len());
        let asks = matches!(decode_to_child(&whole[..part]), Ok(Decoded::Need(total)) if total > part && total <= whole.len());
        prop_assert!(asks, "{part} of {whole:?}");
    }

    #[test]
    fn any_end_of_a_body_comes_back(outcome in prop::sample::select(&OUTCOMES[..])) {
        let mut out = Vec::new();
        push_body_end(&mut out, outcome);
        let (got, used) = frame(decode_to_daemon(&out).unwrap());
        prop_assert_eq!((got, used), (ToDaemon::BodyEnd(outcome), out.len()));
    }

    #[test]
    fn any_bytes_are_refused_or_read_and_never_ask_for_more_than_the_bound(
        mut bytes in vec(any::<u8>(), 0..200), kind in prop_oneof![0u8..5, 64u8..78], length in prop_oneof![0u32..200, any::<u32>()],
        is_plausible in any::<bool>(),
    ) {
        if is_plausible && bytes.len() >= HEADER {
            bytes[..4].copy_from_slice(&length.to_le_bytes());
            bytes[4..HEADER].copy_from_slice(&[kind, 0, 0, 0]);
        }
        if let Ok(Decoded::Need(total)) = decode_to_daemon(&bytes) {
            prop_assert!(total > bytes.len() && total <= HEADER + MAX_REQUEST);
        }
        match decode_to_child(&bytes) {
            Ok(Decoded::Need(total)) => prop_assert!(total > bytes.len() && total <= HEADER + MAX_HEAD),
            Ok(Decoded::Frame { used, .. }) => prop_assert!(used <= bytes.len()),
            Err(_) => {}
        }
    }
}
