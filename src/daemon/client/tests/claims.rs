//! Processes that end or are stopped before and after they have taken a request.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use rsgi_core::wire::*;

use super::fake::{FakeFront, FakeGroup, FakeProcess, Got, group};
use super::options;
use crate::client::*;
use crate::scoreboard::{Death, SlotState};

/// Asks for a page, which the second process gives.
pub(super) fn is_answered(group: &FakeGroup, plan: BodyPlan, inline: &[u8]) {
    let mut front = FakeFront::new();
    let ending = group.ask(&mut front, plan, inline).unwrap();
    assert_eq!((ending, &front.got[..]), (Ending::Complete, &b"here"[..]));
    assert_eq!((group.assigned(0), group.assigned(1)), (0, 0));
}

/// A second process, which is asked only when the first one is out.
fn other(group: &mut FakeGroup) -> std::thread::JoinHandle<Got> {
    let process = group.start(1, |process| {
        let got = process.request();
        process.answer(b"here");
        got
    });
    group.handle.board.slot(1).unwrap().enter();
    process
}

/// Beats the hearts of these slots for as long as something lasts.
pub(super) fn with_beating_hearts<T>(
    group: &FakeGroup,
    slots: &[u32],
    what: impl FnOnce() -> T,
) -> T {
    let slots = slots.to_vec();
    let board = std::sync::Arc::clone(&group.handle.board);
    let (end, ended) = mpsc::channel::<()>();
    let heart = std::thread::spawn(move || {
        while ended.recv_timeout(Duration::from_millis(100)) == Err(mpsc::RecvTimeoutError::Timeout)
        {
            for &slot in &slots {
                board.slot(slot).unwrap().beat();
            }
        }
    });
    let done = what();
    drop(end);
    heart.join().unwrap();
    done
}

/// How the end of a process looks at its socket.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// All was read.
    OfFile,
    /// Something was not.
    Reset,
    /// Somebody else has it open.
    Unseen,
}

#[test]
fn a_request_that_was_read_and_not_taken_goes_elsewhere_however_the_process_ends() {
    for end in [End::OfFile, End::Reset, End::Unseen] {
        let mut group = group(options());
        let first = group.start(0, move |process| {
            process.accept();
            if end != End::Reset {
                process.look();
            }
            let slot = process.board.slot(0).unwrap();
            slot.set_state(SlotState::Draining);
            match end {
                End::Unseen => slot.set_death(1, Death::Signal(9)),
                End::OfFile | End::Reset => process.connection = None,
            }
            std::thread::sleep(Duration::from_millis(600));
            end != End::Reset && process.take()
        });
        let second = other(&mut group);
        is_answered(&group, BodyPlan::Inline(2), b"xy");
        assert_eq!(second.join().unwrap(), Got::Request(b"xy".to_vec()));
        assert!(!first.join().unwrap(), "it could still be run");
    }
}

#[test]
fn a_streamed_request_goes_elsewhere_as_well_until_it_is_taken() {
    let mut group = group(options());
    let first = group.start(0, |process| {
        process.accept();
        process.look();
        process.connection = None;
    });
    let second = other(&mut group);
    is_answered(&group, BodyPlan::Stream, b"");
    assert_eq!(second.join().unwrap(), Got::Request(Vec::new()));
    first.join().unwrap();
}

#[test]
fn a_request_that_was_taken_is_a_502_even_where_something_was_not_read() {
    let mut group = group(options());
    let first = group.start(0, |process| {
        process.request();
        let mut ask = Vec::new();
        push_need_body(&mut ask);
        process.say(&ask);
        // The body is there, unread: a reset.
        std::thread::sleep(Duration::from_millis(50));
        process.connection = None;
    });
    let second = group.start(1, |_| ());
    group.handle.board.slot(1).unwrap().enter();
    let mut front = FakeFront::new();
    front.body = vec![b"body".to_vec()];
    front.body_end = Some(BodyOutcome::Complete);
    let failure = group.ask(&mut front, BodyPlan::Stream, b"").unwrap_err();
    assert_eq!(failure.status(), 502, "{failure:?}");
    first.join().unwrap();
    second.join().unwrap();
}

#[test]
fn a_process_that_is_stopped_loses_what_it_has_not_taken_within_about_a_second() {
    let mut group = group(options());
    let (goes_on, told) = mpsc::channel::<()>();
    let first = group.start(0, move |process| {
        process.accept();
        // Its heart has stopped, and so has it.
        told.recv().unwrap();
        let got = process.look();
        (got, process.take(), process.look())
    });
    let second = other(&mut group);
    let began = Instant::now();
    with_beating_hearts(&group, &[1], || {
        is_answered(&group, BodyPlan::Inline(3), b"abc");
    });
    let waited = began.elapsed().as_secs_f64();
    assert!((0.9..2.0).contains(&waited), "{waited}");
    assert_eq!(second.join().unwrap(), Got::Request(b"abc".to_vec()));
    goes_on.send(()).unwrap();
    let (got, is_taken, then) = first.join().unwrap();
    assert_eq!((got, then), (Got::Request(b"abc".to_vec()), Got::Closed));
    assert!(!is_taken, "it would be run twice");
}

#[test]
fn a_process_that_is_stopped_keeps_what_it_has_taken() {
    let mut group = group(options());
    let first = group.start(0, |process| {
        process.request();
        std::thread::sleep(Duration::from_millis(1_800));
        process.answer(b"late");
    });
    let mut front = FakeFront::new();
    let ending = group.ask(&mut front, BodyPlan::None, b"").unwrap();
    assert_eq!((ending, &front.got[..]), (Ending::Complete, &b"late"[..]));
    first.join().unwrap();
}

#[test]
fn a_process_that_was_replaced_loses_what_it_has_not_taken() {
    let mut group = group(options());
    let first = group.start(0, |process| {
        process.accept();
        // The supervisor has forgotten how it died.
        process.board.slot(0).unwrap().begin(2);
        std::thread::sleep(Duration::from_millis(600));
        process.look();
        process.take()
    });
    let second = other(&mut group);
    is_answered(&group, BodyPlan::None, b"");
    second.join().unwrap();
    assert!(!first.join().unwrap());
}

#[test]
fn a_process_that_beats_and_does_not_look_loses_the_request_after_its_time_and_the_next_one_is_a_504()
 {
    let mut group = group(rsgi_core::daemon::DaemonOptions {
        socket_timeout: 1,
        ..options()
    });
    let deaf = |process: &mut FakeProcess| {
        process.accept();
        std::thread::sleep(Duration::from_secs(3));
        process.look();
        process.take()
    };
    let first = group.start(0, deaf);
    let second = group.start(1, deaf);
    let began = Instant::now();
    let failure = with_beating_hearts(&group, &[0, 1], || {
        group
            .ask(&mut FakeFront::new(), BodyPlan::None, b"")
            .unwrap_err()
    });
    assert_eq!(failure.status(), 504, "{failure:?}");
    let waited = began.elapsed().as_secs_f64();
    assert!((1.4..3.5).contains(&waited), "{waited}");
    assert!(!first.join().unwrap() && !second.join().unwrap());
}

#[test]
fn a_client_that_is_gone_takes_its_request_along() {
    let mut group = group(options());
    let first = group.start(0, |process| {
        process.accept();
        std::thread::sleep(Duration::from_millis(200));
        process.look();
        process.take()
    });
    group.send_and_leave();
    assert_eq!(group.assigned(0), 0);
    assert!(!first.join().unwrap());
}

#[test]
fn an_answer_of_a_process_that_took_nothing_is_an_answer_and_its_end_a_502() {
    let mut group = group(options());
    let first = group.start(0, |process| {
        process.accept();
        process.look();
        process.say(&super::fake::page(b"half"));
        std::thread::sleep(Duration::from_millis(50));
        process.connection = None;
    });
    let mut front = FakeFront::new();
    let failure = group.ask(&mut front, BodyPlan::None, b"").unwrap_err();
    assert_eq!(failure.status(), 502, "{failure:?}");
    first.join().unwrap();
}
