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
    fn any_bytes_are_refused_or_read_and_never_ask_for_more_than_the_bound(
        mut bytes in vec(any::<u8>(), 0..200), kind in prop_oneof![0u8..5, 64u8..76], length in prop_oneof![0u32..200, any::<u32>()],
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
