//! Processes that send wrong, huge, early and late frames.

use std::os::fd::AsFd;
use std::time::Duration;

use rsgi_core::wire::*;

use super::fake::{FakeFront, Got, file, group, page};
use super::options;
use crate::client::*;

/// Sends these bytes as the answer and gives what the client made of it.
fn answered_with(bytes: Vec<u8>) -> (Result<Ending, Failure>, FakeFront) {
    let mut group = group(options());
    let process = group.start(0, move |process| {
        process.request();
        process.say(&bytes);
        // Until the other end is closed.
        process.frame()
    });
    let mut front = FakeFront::new();
    let result = group.ask(&mut front, BodyPlan::None, b"");
    assert_eq!(group.assigned(0), 0);
    drop(group);
    assert_eq!(process.join().unwrap(), Got::Closed);
    (result, front)
}

fn frames(make: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    make(&mut out);
    out
}

#[test]
fn what_a_process_cannot_say_is_a_502_that_names_it() {
    let mut huge = page(b"");
    huge.extend_from_slice(&[0xff, 0xff, 0xff, 0x7f, 68, 0, 0, 0]);
    let cases = [
        ("garbage", vec![0x41; 4096]),
        ("a huge frame", huge),
        ("data before the head", frames(|out| push_data(out, b"x"))),
        ("the end before the head", frames(push_end)),
        (
            "an abort before the head",
            frames(|out| push_abort(out, AbortReason::Truncated)),
        ),
        ("two heads", [page(b""), page(b"")].concat()),
        (
            "a status behind the head",
            [page(b"x"), frames(|out| push_status(out, 500))].concat(),
        ),
        (
            "stale behind the head",
            [page(b"x"), frames(push_stale)].concat(),
        ),
        (
            "a wish for a body that is not streamed",
            frames(push_need_body),
        ),
        (
            "a file without a descriptor",
            [page(b""), frames(|out| push_file(out, 0, 1))].concat(),
        ),
        (
            "a frame of the other direction",
            frames(|out| push_body_end(out, BodyOutcome::Complete)),
        ),
    ];
    for (what, bytes) in cases {
        let (result, front) = answered_with(bytes);
        let failure = result.expect_err(what);
        assert_eq!(failure.status(), 502, "{what}");
        assert!(
            matches!(failure, Failure::Garbage { pid: 4711, .. }),
            "{what}: {failure:?}"
        );
        assert!(!front.ended, "{what}");
    }
}

#[test]
fn an_answer_that_breaks_off_is_told_from_one_that_ends() {
    let whole = [page(b"hello"), frames(push_end)].concat();
    for length in 0..whole.len() {
        let mut group = group(options());
        let part = whole[..length].to_vec();
        let process = group.start(0, move |process| {
            process.request();
            process.say(&part);
        });
        let mut front = FakeFront::new();
        let failure = group.ask(&mut front, BodyPlan::None, b"").unwrap_err();
        assert!(
            matches!(failure, Failure::Died { death: None, .. }),
            "{length}"
        );
        assert!(!front.ended, "{length}");
        process.join().unwrap();
    }
}

#[test]
fn an_abort_gives_what_came_before_it() {
    let bytes = [
        page(b"half"),
        frames(|out| push_abort(out, AbortReason::Truncated)),
    ]
    .concat();
    let (result, front) = answered_with(bytes);
    assert_eq!(result.unwrap(), Ending::Aborted(AbortReason::Truncated));
    assert!(front.got == b"half" && !front.ended);
}

#[test]
fn a_connection_on_which_more_comes_behind_the_end_is_not_used_again() {
    let mut group = group(options());
    let process = group.start(0, |process| {
        process.request();
        let mut out = page(b"one");
        push_end(&mut out);
        push_data(&mut out, b"late");
        process.say(&out);
        let closed = process.frame();
        process.request();
        process.answer(b"two");
        closed
    });
    for text in [b"one", b"two"] {
        let mut front = FakeFront::new();
        assert_eq!(
            group.ask(&mut front, BodyPlan::None, b"").unwrap(),
            Ending::Complete
        );
        assert_eq!(front.got, text);
    }
    assert_eq!(process.join().unwrap(), Got::Closed);
}

#[test]
fn a_file_is_passed_with_its_descriptor() {
    let mut group = group(options());
    let process = group.start(0, |process| {
        process.request();
        let file = file(b"0123456789");
        let mut out = page(b"<");
        push_file(&mut out, 2, 3);
        process.say_with(&out, &[file.as_fd()]);
        std::thread::sleep(Duration::from_millis(30));
        let mut out = Vec::new();
        push_file(&mut out, 7, 0);
        process.say_with(&out, &[file.as_fd()]);
        push_data(&mut out, b">");
        push_end(&mut out);
        process.say(&out[24..]);
    });
    let mut front = FakeFront::new();
    assert_eq!(
        group.ask(&mut front, BodyPlan::None, b"").unwrap(),
        Ending::Complete
    );
    assert_eq!(front.got, b"<234>");
    assert_eq!(front.files, 1);
    process.join().unwrap();
}

#[test]
fn a_descriptor_that_is_no_such_file_is_refused() {
    for length in [5, 6] {
        let mut group = group(options());
        let process = group.start(0, move |process| {
            process.request();
            let mut out = page(b"");
            push_file(&mut out, 0, length);
            if length == 5 {
                // A socket.
                let socket = process.intake.try_clone().unwrap();
                process.say_with(&out, &[socket.as_fd()]);
            } else {
                process.say_with(&out, &[file(b"short").as_fd()]);
            }
            process.frame();
        });
        let failure = group
            .ask(&mut FakeFront::new(), BodyPlan::None, b"")
            .unwrap_err();
        let is_file = matches!(
            failure,
            Failure::Garbage {
                error: Garbage::File,
                ..
            }
        );
        assert!(is_file, "{failure:?}");
        drop(group);
        process.join().unwrap();
    }
}

#[test]
fn descriptors_without_end_are_refused() {
    let mut group = group(options());
    let process = group.start(0, |process| {
        process.request();
        let file = file(b"x");
        for byte in page(b"some page") {
            process.say_with(&[byte], &[file.as_fd()]);
        }
        process.frame();
    });
    let failure = group
        .ask(&mut FakeFront::new(), BodyPlan::None, b"")
        .unwrap_err();
    assert_eq!(failure.status(), 502, "{failure:?}");
    drop(group);
    process.join().unwrap();
}
