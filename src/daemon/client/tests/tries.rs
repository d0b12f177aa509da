//! What a process is told of how its request came to it.

use std::sync::mpsc;

use rsgi_core::wire::*;

use super::claims::{is_answered, with_beating_hearts};
use super::fake::{FakeFront, FakeProcess, group};
use super::options;
use crate::client::*;
use crate::scoreboard::{Demand, SlotState};

/// What the second process is told of a request that the first one gives up as `life` says.
fn told_the_second(life: impl FnOnce(&mut FakeProcess) + Send + 'static) -> (u8, u8) {
    let mut group = group(options());
    let first = group.start(0, life);
    let second = group.start(1, |process| {
        process.request();
        process.answer(b"here");
        process.tries
    });
    group.handle.board.slot(1).unwrap().enter();
    with_beating_hearts(&group, &[1], || is_answered(&group, BodyPlan::None, b""));
    let tries = second.join().unwrap();
    first.join().unwrap();
    (tries.connects, tries.restarts)
}

#[test]
fn a_process_that_takes_its_request_at_once_is_the_only_one() {
    let mut group = group(options());
    let process = group.start(0, |process| {
        process.request();
        process.answer(b"here");
        process.tries
    });
    let mut front = FakeFront::new();
    let ending = group.ask(&mut front, BodyPlan::None, b"").unwrap();
    assert_eq!(ending, Ending::Complete);
    let tries = process.join().unwrap();
    assert_eq!((tries.connects, tries.restarts), (1, 0));
}

#[test]
fn a_process_whose_script_is_another_one_by_now_is_about_to_be_replaced() {
    let told = told_the_second(|process| {
        process.request();
        let slot = process.board.slot(0).unwrap();
        slot.set_state(SlotState::Draining);
        let mut stale = Vec::new();
        push_stale(&mut stale);
        process.say(&stale);
    });
    assert_eq!(told, (2, 1));
}

#[test]
fn so_is_one_that_ends_before_it_takes_the_request() {
    let told = told_the_second(|process| {
        process.accept();
        process.look();
        let slot = process.board.slot(0).unwrap();
        slot.set_state(SlotState::Draining);
        process.connection = None;
    });
    assert_eq!(told, (2, 1));
}

#[test]
fn so_is_not_one_that_was_brisk_and_has_no_thread_for_it() {
    let (goes_on, told) = mpsc::channel::<()>();
    let mut group = group(options());
    let first = group.start(0, move |process| {
        process.accept();
        let _ = told.recv();
        process.look();
        process.take()
    });
    let board = std::sync::Arc::clone(&group.handle.board);
    let hanging = board.slot(0).unwrap();
    hanging.set_threads(1);
    board.take(0, Demand::default()).unwrap();
    hanging.enter();
    hanging.set_brisk(true);
    let second = group.start(1, |process| {
        process.request();
        process.answer(b"here");
        process.tries
    });
    let full = board.slot(1).unwrap();
    full.set_threads(1);
    full.enter();
    let began = std::time::Instant::now();
    with_beating_hearts(&group, &[0, 1], || {
        std::thread::scope(|scope| {
            // A thread has time for it only when it stands in the queue.
            scope.spawn(|| {
                while board.waiting() == 0 && began.elapsed().as_secs() < 5 {
                    std::thread::yield_now();
                }
                full.leave();
            });
            let mut front = FakeFront::new();
            let ending = group.ask(&mut front, BodyPlan::None, b"").unwrap();
            assert_eq!((ending, &front.got[..]), (Ending::Complete, &b"here"[..]));
        });
    });
    assert!(began.elapsed().as_secs() < 2, "{:?}", began.elapsed());
    let tries = second.join().unwrap();
    assert_eq!((tries.connects, tries.restarts), (2, 0));
    goes_on.send(()).unwrap();
    assert!(!first.join().unwrap(), "it would be run twice");
}

#[test]
fn one_that_is_stopped_is_not() {
    let (goes_on, told) = mpsc::channel::<()>();
    let tries = told_the_second(move |process| {
        process.accept();
        // Its heart has stopped. The end of the test ends it.
        let _ = told.recv_timeout(std::time::Duration::from_secs(2));
    });
    drop(goes_on);
    assert_eq!(tries, (2, 0));
}
