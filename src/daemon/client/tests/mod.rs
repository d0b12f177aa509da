//! Requests to processes that behave in every way but the right one, over real sockets.

mod claims;
mod fake;
mod hostile;
mod streams;
mod tries;
mod whole;

use std::time::{Duration, Instant};

use rsgi_core::daemon::DaemonOptions;
use rsgi_core::wire::*;

use self::fake::{FakeFront, Got, group};
use crate::client::*;
use crate::scoreboard::{Death, SlotState};

fn options() -> DaemonOptions {
    DaemonOptions::default()
}

#[test]
fn a_request_is_answered_and_the_next_one_uses_the_same_connection() {
    let mut group = group(options());
    let process = group.start(0, |process| {
        let first = process.request();
        process.answer(b"one");
        let second = process.frame();
        process.answer(b"two");
        (first, second)
    });
    for (text, body) in [(&b"one"[..], &b"abc"[..]), (b"two", b"")] {
        let mut front = FakeFront::new();
        let ending = group
            .ask(&mut front, BodyPlan::Inline(body.len()), body)
            .unwrap();
        assert_eq!(ending, Ending::Complete);
        assert_eq!(front.got, text);
        assert!(front.ended && front.flushes == 0);
        assert_eq!(front.head, Some(200));
        assert_eq!(group.assigned(0), 0);
    }
    let got = process.join().unwrap();
    assert_eq!(
        got,
        (Got::Request(b"abc".to_vec()), Got::Request(Vec::new()))
    );
}

#[test]
fn a_status_is_given_back_and_log_lines_reach_the_log() {
    let mut group = group(options());
    let process = group.start(0, |process| {
        process.request();
        let mut out = Vec::new();
        push_log(&mut out, 3, b"it failed");
        push_status(&mut out, 500);
        process.say(&out);
    });
    let mut front = FakeFront::new();
    let ending = group.ask(&mut front, BodyPlan::None, b"").unwrap();
    assert_eq!(ending, Ending::Status(500));
    assert_eq!(front.logs, [(3, b"it failed".to_vec())]);
    process.join().unwrap();
}

#[test]
fn a_request_that_meets_a_changed_script_goes_to_another_process() {
    let mut group = group(options());
    let first = group.start(0, |process| {
        process.request();
        process
            .board
            .slot(0)
            .unwrap()
            .set_state(SlotState::Draining);
        let mut out = Vec::new();
        push_log(&mut out, 6, b"it changed");
        push_stale(&mut out);
        process.say(&out);
    });
    let second = group.start(1, |process| {
        let got = process.request();
        process.answer(b"fresh");
        got
    });
    // The first is asked first.
    group
        .handle
        .board
        .slot(1)
        .unwrap()
        .set_state(SlotState::Starting);
    let board = std::sync::Arc::clone(&group.handle.board);
    let later = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        board.slot(1).unwrap().beat();
        board.slot(1).unwrap().set_state(SlotState::Ready);
    });
    let mut front = FakeFront::new();
    let ending = group.ask(&mut front, BodyPlan::Inline(2), b"xy").unwrap();
    assert_eq!((ending, &front.got[..]), (Ending::Complete, &b"fresh"[..]));
    assert_eq!(second.join().unwrap(), Got::Request(b"xy".to_vec()));
    first.join().unwrap();
    later.join().unwrap();
    assert_eq!((group.assigned(0), group.assigned(1)), (0, 0));
}

#[test]
fn a_process_that_closes_without_reading_costs_nothing() {
    let mut group = group(options());
    let first = group.start(0, |process| {
        process.accept();
        // The request is there, unread.
        std::thread::sleep(Duration::from_millis(50));
        process.connection = None;
        process
            .board
            .slot(0)
            .unwrap()
            .set_state(SlotState::Draining);
    });
    let second = group.start(1, |process| {
        process.request();
        process.answer(b"here");
    });
    let mut front = FakeFront::new();
    let ending = group.ask(&mut front, BodyPlan::None, b"").unwrap();
    assert_eq!((ending, &front.got[..]), (Ending::Complete, &b"here"[..]));
    first.join().unwrap();
    second.join().unwrap();
}

#[test]
fn an_idle_connection_that_was_closed_costs_nothing() {
    let mut group = group(options());
    let process = group.start(0, |process| {
        process.request();
        process.answer(b"one");
        std::thread::sleep(Duration::from_millis(20));
        process.connection = None;
        process.request();
        process.answer(b"two");
    });
    let mut front = FakeFront::new();
    assert_eq!(
        group.ask(&mut front, BodyPlan::None, b"").unwrap(),
        Ending::Complete
    );
    std::thread::sleep(Duration::from_millis(60));
    let mut front = FakeFront::new();
    assert_eq!(
        group.ask(&mut front, BodyPlan::None, b"").unwrap(),
        Ending::Complete
    );
    assert_eq!(front.got, b"two");
    process.join().unwrap();
}

#[test]
fn a_process_that_dies_with_the_request_is_a_502_that_says_how() {
    let mut group = group(options());
    let process = group.start(0, |process| {
        process.request();
        process.connection = None;
        process
            .board
            .slot(0)
            .unwrap()
            .set_death(1, Death::Signal(11));
    });
    let failure = group
        .ask(&mut FakeFront::new(), BodyPlan::None, b"")
        .unwrap_err();
    assert_eq!(failure.status(), 502);
    let text = failure.text(b"web");
    assert!(text.contains("4711") && text.contains("SIGSEGV"), "{text}");
    process.join().unwrap();
    assert_eq!(group.assigned(0), 0);
}

#[test]
fn a_dead_process_is_noticed_although_its_socket_is_still_open() {
    let mut group = group(options());
    let process = group.start(0, |process| {
        process.request();
        process.board.slot(0).unwrap().set_death(1, Death::Exit(3));
        // As a child that the application forked would have it.
        process.connection.take()
    });
    let began = Instant::now();
    let failure = group
        .ask(&mut FakeFront::new(), BodyPlan::None, b"")
        .unwrap_err();
    assert!(failure.text(b"web").contains("exit code 3"));
    assert!(began.elapsed() < Duration::from_secs(2));
    drop(process.join().unwrap());
}

#[test]
fn a_request_to_a_process_that_died_before_it_looked_goes_to_another() {
    let mut group = group(options());
    let first = group.start(0, |process| {
        std::thread::sleep(Duration::from_millis(100));
        let slot = process.board.slot(0).unwrap();
        slot.set_state(SlotState::Dead);
        slot.set_death(1, Death::Signal(9));
        // The intake stays: the supervisor has it.
        std::thread::sleep(Duration::from_millis(900));
    });
    let second = group.start(1, |process| {
        process.request();
        process.answer(b"here");
    });
    group.handle.board.slot(1).unwrap().enter();
    let mut front = FakeFront::new();
    let ending = group.ask(&mut front, BodyPlan::None, b"").unwrap();
    assert_eq!((ending, &front.got[..]), (Ending::Complete, &b"here"[..]));
    first.join().unwrap();
    second.join().unwrap();
}

#[test]
fn a_silent_process_is_a_504_and_no_process_a_503() {
    let mut group = group(DaemonOptions {
        socket_timeout: 1,
        ..options()
    });
    let process = group.start(0, |process| {
        process.request();
        process.frame()
    });
    let began = Instant::now();
    let failure = group
        .ask(&mut FakeFront::new(), BodyPlan::None, b"")
        .unwrap_err();
    assert_eq!(failure.status(), 504, "{failure:?}");
    assert!((0.7..2.0).contains(&began.elapsed().as_secs_f64()));
    assert_eq!(process.join().unwrap(), Got::Closed);
    group
        .handle
        .board
        .slot(0)
        .unwrap()
        .set_state(SlotState::Dead);
    let failure = group
        .ask(&mut FakeFront::new(), BodyPlan::None, b"")
        .unwrap_err();
    assert_eq!(failure.status(), 503, "{failure:?}");
}
