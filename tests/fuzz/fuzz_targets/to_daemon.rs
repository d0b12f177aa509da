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
                assert!(encoded(frame) == rest[..used], "a frame has one form only");
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

fn encoded(frame: ToDaemon<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    match frame {
        ToDaemon::Request(request) => push_request(&mut out, &request),
        ToDaemon::Body(body) => {
            out.extend_from_slice(&body_header(body.len()).unwrap());
            out.extend_from_slice(body);
        }
        ToDaemon::BodyEnd(outcome) => push_body_end(&mut out, outcome),
    }
    out
}

fn push_request(out: &mut Vec<u8>, request: &RequestFrame<'_>) {
    let head = RequestHead {
        application_group: request.application_group,
        script: request.script,
        callable: request.callable,
        resource: request.resource,
        mtime: request.mtime,
        target_flags: request.target_flags,
        request_flags: request.request_flags,
        request_start: request.request_start,
        queue_start: request.queue_start,
        log_level: request.log_level,
        constants: request.constants.as_bytes(),
    };
    for (id, name, _) in request.constants {
        assert!((id as usize) < NAMES.len() && (id == 0 || name.is_empty()));
    }
    let start = out.len();
    let mut encoder = RequestEncoder::new(out, &head);
    for (id, name, value) in request.entries {
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
    out.extend_from_slice(inline);
}
