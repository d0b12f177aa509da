//! A hostile child: whatever it sends is refused, or is frames that mean what their bytes say and nothing else.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rsgi_core::name::NAMES;
use rsgi_core::wire::*;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(hello) = Hello::decode(bytes) {
        assert!(hello.encode() == bytes);
    }
    let mut rest = bytes;
    loop {
        match decode_to_daemon(rest) {
            Ok(Decoded::Frame { frame, used }) => {
                assert!((HEADER..=rest.len()).contains(&used));
                match encoded(frame) {
                    Some(bytes) => assert!(bytes == rest[..used], "a frame has one form only"),
                    // Refused when it is taken in hand.
                    None => return,
                }
                rest = &rest[used..];
            }
            Ok(Decoded::Need(total)) => {
                assert!(total > rest.len() && total <= HEADER + MAX_REQUEST);
                return;
            }
            Err(_) => return,
        }
    }
});

/// The frame's bytes; none where an entry of a request cannot be read.
fn encoded(frame: ToDaemon<'_>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match frame {
        ToDaemon::Request(request) => push_request(&mut out, &request)?,
        ToDaemon::Body(body) => {
            out.extend_from_slice(&body_header(body.len()).unwrap());
            out.extend_from_slice(body);
        }
        ToDaemon::BodyEnd(outcome) => push_body_end(&mut out, outcome),
    }
    Some(out)
}

fn push_request(out: &mut Vec<u8>, request: &RequestFrame<'_>) -> Option<()> {
    for entry in request.head.constants {
        let (id, name, _) = entry.ok()?;
        assert!((id as usize) < NAMES.len() && (id == 0 || name.is_empty()));
    }
    let start = out.len();
    let mut encoder = RequestEncoder::new(out, &request.head);
    for entry in request.entries {
        let (id, name, value) = entry.ok()?;
        match id {
            0 => encoder.named(name, value),
            _ => encoder.entry(id, value),
        }
    }
    let (plan, inline) = match request.body {
        BodyForm::None => (BodyPlan::None, &[][..]),
        BodyForm::Inline(body) => (BodyPlan::Inline(body.len()), body),
        BodyForm::File { length } => (BodyPlan::File { length }, &[][..]),
        BodyForm::Stream => (BodyPlan::Stream, &[][..]),
    };
    encoder.finish(plan).unwrap();
    set_claim(&mut out[start..], request.claim);
    set_tries(&mut out[start..], request.tries);
    out.extend_from_slice(inline);
    Some(())
}
