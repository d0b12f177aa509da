//! A hostile daemon: whatever it sends is refused, or is frames that mean what their bytes say and nothing else.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rsgi_core::wire::*;

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    loop {
        match decode_to_child(rest) {
            Ok(Decoded::Frame { frame, used }) => {
                assert!((HEADER..=rest.len()).contains(&used));
                assert!(encoded(frame) == rest[..used], "a frame has one form only");
                rest = &rest[used..];
            }
            Ok(Decoded::Need(total)) => {
                assert!(total > rest.len() && total <= HEADER + MAX_HEAD);
                return;
            }
            Err(_) => return,
        }
    }
});

fn encoded(frame: ToChild<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    match frame {
        ToChild::NeedBody => push_need_body(&mut out),
        ToChild::Head(head) => {
            for (name, value) in head.headers() {
                assert!(!name.is_empty());
                assert!(
                    ![name, value]
                        .concat()
                        .iter()
                        .any(|byte| b"\r\n\0".contains(byte))
                );
            }
            push_head(
                &mut out,
                head.status,
                head.line,
                head.content_length,
                head.headers(),
            )
            .unwrap();
        }
        ToChild::Data(data) => push_data(&mut out, data),
        ToChild::File { offset, length } => {
            assert!(i64::try_from(offset + length).is_ok());
            push_file(&mut out, offset, length);
        }
        ToChild::Whole => push_whole(&mut out),
        ToChild::End => push_end(&mut out),
        ToChild::Abort(reason) => push_abort(&mut out, reason),
        ToChild::Log { level, text } => push_log(&mut out, level, text),
        ToChild::LogAt {
            level,
            source,
            line,
            text,
        } => push_log_at(&mut out, level, (source, line), text),
        ToChild::AskServer => push_ask_server(&mut out),
        ToChild::Status(status) => push_status(&mut out, status),
        ToChild::Stale => push_stale(&mut out),
    }
    out
}
