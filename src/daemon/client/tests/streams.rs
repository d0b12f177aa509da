//! Bodies and responses that come in pieces, and clients that take their time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rsgi_core::wire::*;

use super::fake::{FakeFront, Got, group, page};
use super::options;
use crate::client::*;

/// Bytes that are not the same anywhere.
fn bytes(length: usize) -> Vec<u8> {
    (0..length as u32)
        .map(|n| (n ^ n >> 8 ^ n >> 16) as u8)
        .collect()
}

#[test]
fn a_streamed_body_is_read_only_when_it_is_asked_for() {
    let mut group = group(options());
    let process = group.start(0, |process| {
        let request = process.request();
        let mut out = Vec::new();
        push_need_body(&mut out);
        process.say(&out);
        let mut got = vec![request];
        while !matches!(got.last(), Some(Got::BodyEnd(_))) {
            got.push(process.frame());
        }
        process.answer(b"thanks");
        got
    });
    let mut front = FakeFront::new();
    front.body = vec![b"ab".to_vec(), Vec::new(), Vec::new(), b"cd".to_vec()];
    front.body_end = Some(BodyOutcome::Complete);
    assert_eq!(
        group.ask(&mut front, BodyPlan::Stream, b"").unwrap(),
        Ending::Complete
    );
    assert_eq!(front.got, b"thanks");
    let expected = [
        Got::Request(Vec::new()),
        Got::Body(b"ab".to_vec()),
        Got::Body(b"cd".to_vec()),
        Got::BodyEnd(BodyOutcome::Complete),
    ];
    assert_eq!(process.join().unwrap(), expected);
}

#[test]
fn an_answer_before_the_body_leaves_the_body_and_the_connection_alone() {
    let mut group = group(options());
    let process = group.start(0, |process| {
        process.request();
        process.answer(b"no");
        let next = process.frame();
        // This time it is begun and not finished.
        let mut out = Vec::new();
        push_need_body(&mut out);
        process.say(&out);
        process.frame();
        process.answer(b"no");
        let end = process.frame();
        let third = process.frame();
        process.answer(b"yes");
        (next, end, third)
    });
    for (text, plan) in [
        (&b"no"[..], BodyPlan::Stream),
        (b"no", BodyPlan::Stream),
        (b"yes", BodyPlan::None),
    ] {
        let mut front = FakeFront::new();
        front.body = vec![b"unwanted".to_vec()];
        assert_eq!(group.ask(&mut front, plan, b"").unwrap(), Ending::Complete);
        assert_eq!(front.got, text);
    }
    let (next, end, third) = process.join().unwrap();
    assert_eq!(next, Got::Request(Vec::new()));
    assert_eq!(end, Got::BodyEnd(BodyOutcome::Failed));
    assert_eq!(third, Got::Request(Vec::new()));
}

#[test]
fn both_directions_move_at_the_same_time() {
    const PIECES: usize = 200;
    let mut group = group(options());
    let process = group.start(0, |process| {
        process.request();
        // The answer begins before the body is asked for.
        let mut out = page(b"");
        push_need_body(&mut out);
        process.say(&out);
        loop {
            let mut out = Vec::new();
            match process.frame() {
                Got::Body(piece) => push_data(&mut out, &piece),
                Got::BodyEnd(BodyOutcome::Complete) => push_end(&mut out),
                other => panic!("{other:?}"),
            }
            process.say(&out);
            if out.len() == HEADER {
                return;
            }
        }
    });
    let whole = bytes(PIECES * 60_000);
    let mut front = FakeFront::new();
    front.body = whole.chunks(60_000).map(<[u8]>::to_vec).collect();
    front.body_end = Some(BodyOutcome::Complete);
    assert_eq!(
        group.ask(&mut front, BodyPlan::Stream, b"").unwrap(),
        Ending::Complete
    );
    assert!(front.got == whole);
    process.join().unwrap();
}

#[test]
fn a_client_that_stops_sending_is_told_to_the_process() {
    for (outcome, told) in [
        (Some(BodyOutcome::Gone), BodyOutcome::Gone),
        (Some(BodyOutcome::TooLarge), BodyOutcome::TooLarge),
        (None, BodyOutcome::Timeout),
    ] {
        let mut group = group(options());
        let process = group.start(0, |process| {
            process.request();
            let mut out = Vec::new();
            push_need_body(&mut out);
            process.say(&out);
            let end = process.frame();
            let mut out = Vec::new();
            push_status(&mut out, 408);
            process.say(&out);
            end
        });
        let mut front = FakeFront::new();
        front.body_end = outcome;
        let ending = group.ask(&mut front, BodyPlan::Stream, b"").unwrap();
        assert_eq!(ending, Ending::Status(408));
        assert_eq!(process.join().unwrap(), Got::BodyEnd(told));
    }
}

#[test]
fn a_process_that_answers_a_streamed_body_and_dies_is_still_heard() {
    let mut group = group(options());
    let process = group.start(0, |process| {
        process.request();
        let mut out = Vec::new();
        push_need_body(&mut out);
        out.extend(page(b"early"));
        push_end(&mut out);
        process.say(&out);
    });
    let mut front = FakeFront::new();
    front.body = vec![bytes(60_000); 100];
    front.body_end = Some(BodyOutcome::Complete);
    assert_eq!(
        group.ask(&mut front, BodyPlan::Stream, b"").unwrap(),
        Ending::Complete
    );
    assert_eq!(front.got, b"early");
    process.join().unwrap();
}

#[test]
fn pieces_with_pauses_are_flushed_to_the_client() {
    let mut group = group(options());
    let process = group.start(0, |process| {
        process.request();
        process.say(&page(b"one "));
        std::thread::sleep(Duration::from_millis(60));
        let mut out = Vec::new();
        push_data(&mut out, b"two");
        push_end(&mut out);
        process.say(&out);
    });
    let mut front = FakeFront::new();
    assert_eq!(
        group.ask(&mut front, BodyPlan::None, b"").unwrap(),
        Ending::Complete
    );
    assert_eq!((&front.got[..], front.flushes), (&b"one two"[..], 1));
    process.join().unwrap();
}

#[test]
fn a_slow_client_does_not_hold_the_process() {
    let whole = bytes(3 << 20);
    let mut group = group(options());
    let to_send = whole.clone();
    let process = group.start(0, move |process| {
        process.request();
        let mut out = page(&to_send[..1 << 20]);
        push_data(&mut out, &to_send[1 << 20..]);
        push_end(&mut out);
        process.say(&out);
    });
    let looks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&looks);
    let mut front = FakeFront::new();
    front.room = Some(Box::new(move || {
        // Nothing, then a little at a time.
        match counted.fetch_add(1, Ordering::Relaxed) {
            0..3 => 0,
            _ => 5_000,
        }
    }));
    assert_eq!(
        group.ask(&mut front, BodyPlan::None, b"").unwrap(),
        Ending::Complete
    );
    assert!(front.got == whole && front.ended);
    assert!(looks.load(Ordering::Relaxed) > 3);
    process.join().unwrap();
    assert_eq!(group.assigned(0), 0);
}

#[test]
fn a_client_whose_socket_has_room_and_whose_connection_has_none_is_not_asked_all_the_time() {
    let whole = bytes(50_000);
    let mut group = group(options());
    let to_send = whole.clone();
    let process = group.start(0, move |process| {
        process.request();
        process.say(&page(&to_send));
        std::thread::sleep(Duration::from_millis(400));
        process.say(&[0, 0, 0, 0, 70, 0, 0, 0]);
    });
    let looks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&looks);
    let (ours, _theirs) = crate::sys::socket::stream_pair().unwrap();
    let mut front = FakeFront {
        socket: Some(ours),
        ..FakeFront::new()
    };
    front.room = Some(Box::new(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        0
    }));
    assert_eq!(
        group.ask(&mut front, BodyPlan::None, b"").unwrap(),
        Ending::Complete
    );
    assert!(front.got == whole);
    let looks = looks.load(Ordering::Relaxed);
    assert!((3..80).contains(&looks), "{looks}");
    process.join().unwrap();
}

#[test]
fn a_client_that_hangs_up_is_noticed_while_it_is_left_alone() {
    let mut group = group(options());
    let process = group.start(0, |process| {
        process.request();
        process.say(&page(&[b'x'; 50_000]));
        process.frame()
    });
    let (ours, theirs) = crate::sys::socket::stream_pair().unwrap();
    let mut front = FakeFront {
        socket: Some(ours),
        ..FakeFront::new()
    };
    // Its socket says that there is room, and we do not: then it is not asked for a while, and hangs up meanwhile.
    let (mut looks, mut theirs) = (0, Some(theirs));
    front.room = Some(Box::new(move || {
        looks += 1;
        if looks == 4 {
            drop(theirs.take());
        }
        0
    }));
    let begun = std::time::Instant::now();
    assert_eq!(
        group.ask(&mut front, BodyPlan::None, b"").unwrap(),
        Ending::ClientGone
    );
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert_eq!(process.join().unwrap(), Got::Closed);
}

#[test]
fn a_client_whose_room_is_not_known_gets_everything_in_order() {
    let whole = bytes(2 << 20);
    let mut group = group(options());
    let to_send = whole.clone();
    let process = group.start(0, move |process| {
        process.request();
        process.say(&page(&to_send));
        std::thread::sleep(Duration::from_millis(30));
        let mut out = Vec::new();
        push_data(&mut out, b"end");
        push_end(&mut out);
        process.say(&out);
    });
    let mut front = FakeFront {
        room: None,
        ..FakeFront::new()
    };
    assert_eq!(
        group.ask(&mut front, BodyPlan::None, b"").unwrap(),
        Ending::Complete
    );
    assert!(front.got == [&whole[..], b"end"].concat() && front.ended);
    process.join().unwrap();
}

#[test]
fn a_client_that_takes_nothing_for_too_long_is_given_up() {
    let mut group = group(options());
    let process = group.start(0, |process| {
        process.request();
        process.say(&page(&bytes(100_000)));
        process.frame()
    });
    let mut front = FakeFront {
        room: Some(Box::new(|| 0)),
        ..FakeFront::new()
    };
    let failure = group.ask(&mut front, BodyPlan::None, b"").unwrap_err();
    let patience = Some(Duration::from_secs(2));
    assert!(
        matches!(failure, Failure::ClientSilent { patience: told, .. } if told == patience),
        "{failure:?}"
    );
    assert_eq!(process.join().unwrap(), Got::Closed);
}

/// A write that waits for the client in vain, and one that a filter of httpd's refuses.
#[test]
fn what_is_not_taken_ends_the_request_with_its_cause() {
    for (refuses, id) in [
        (Delivery::Silent, "RSGI0307"),
        (Delivery::Failed, "RSGI0308"),
    ] {
        let mut group = group(options());
        let process = group.start(0, |process| {
            process.request();
            process.say(&page(b"x"));
            process.frame()
        });
        let mut front = FakeFront {
            refuses: Some(refuses),
            ..FakeFront::new()
        };
        let failure = group.ask(&mut front, BodyPlan::None, b"").unwrap_err();
        assert!(failure.text(b"g").starts_with(id), "{failure:?}");
        assert_eq!(process.join().unwrap(), Got::Closed);
    }
}

#[test]
fn a_client_that_went_away_ends_the_request_in_the_process() {
    let mut group = group(options());
    let process = group.start(0, |process| {
        process.request();
        process.say(&page(b"x"));
        process.frame()
    });
    let mut front = FakeFront {
        refuses: Some(Delivery::Gone),
        ..FakeFront::new()
    };
    assert_eq!(
        group.ask(&mut front, BodyPlan::None, b"").unwrap(),
        Ending::ClientGone
    );
    assert_eq!(process.join().unwrap(), Got::Closed);
}

#[test]
fn a_response_that_is_replaced_is_dropped_and_the_connection_kept() {
    let mut group = group(options());
    let process = group.start(0, |process| {
        process.request();
        process.answer(b"not wanted");
        process.frame();
        process.answer(b"wanted");
    });
    for drops in [true, false] {
        let mut front = FakeFront {
            drops,
            ..FakeFront::new()
        };
        assert_eq!(
            group.ask(&mut front, BodyPlan::None, b"").unwrap(),
            Ending::Complete
        );
        assert_eq!(front.got.is_empty(), drops);
    }
    process.join().unwrap();
}
