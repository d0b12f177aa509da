//! The moments in which a wake-up could be lost, one after the other in one thread: what happens between the look of a
//! request that waits and its sleep, and what those who leave owe to those behind them.

use std::os::fd::AsFd;
use std::sync::atomic::Ordering::SeqCst;

use super::*;
use crate::admission::waiter::Waiter;
use crate::scoreboard::SLEEPING;
use crate::sys::socket::stream_pair;

/// One place, which is taken.
fn full() -> (Arc<Scoreboard>, Admission) {
    let board = board(1, 1, 4);
    start(&board, 0, 1, 1);
    let child = join(&board);
    (board, child)
}

/// A waiter with cell number `cell`, which came as the `cell`th.
fn enter(child: &Admission, cell: u32) -> Waiter<'_> {
    child.cells.lock().retain(|&other| other != cell);
    Waiter::enter(child, cell, u64::from(cell) + 1)
}

fn sleeps(board: &Scoreboard, cell: u32) -> bool {
    board.row(0).unwrap().waiters[cell as usize]
        .sleep
        .load(SeqCst)
        == SLEEPING
}

/// Woken, and not after a while.
fn is_woken(waiter: &Waiter<'_>) -> bool {
    waiter.sleep(Duration::from_secs(20))
}

#[test]
fn a_place_that_becomes_free_before_the_look_is_seen_by_it() {
    let (board, child) = full();
    let held = child.assign(within(0), None).unwrap();
    let waiter = enter(&child, 0);
    drop(held);
    waiter.look();
    assert_eq!(board.free_places(Demand::default()), (1, true));
}

#[test]
fn a_place_that_becomes_free_between_the_look_and_the_sleep_ends_the_sleep() {
    let (board, child) = full();
    let held = child.assign(within(0), None).unwrap();
    let waiter = enter(&child, 0);
    waiter.look();
    assert_eq!(board.free_places(Demand::default()), (0, true));
    drop(held);
    assert!(is_woken(&waiter));
}

#[test]
fn a_process_that_becomes_ready_between_the_look_and_the_sleep_ends_the_sleep() {
    let board = board(1, 1, 4);
    let child = join(&board);
    let waiter = enter(&child, 0);
    waiter.look();
    assert_eq!(board.free_places(Demand::default()), (0, false));
    start(&board, 0, 1, 1);
    assert!(is_woken(&waiter));
}

#[test]
fn who_is_woken_and_leaves_wakes_the_one_behind() {
    let (board, child) = full();
    let held = child.assign(within(0), None).unwrap();
    let (first, second) = (enter(&child, 0), enter(&child, 1));
    first.look();
    second.look();
    drop(held);
    assert!(
        !sleeps(&board, 0) && sleeps(&board, 1),
        "one place, one is woken"
    );
    // It was late, or its client is gone.
    drop(first);
    assert!(is_woken(&second));
}

#[test]
fn who_looks_before_the_one_in_front_has_left_is_woken_by_it() {
    let (board, child) = full();
    let (first, second) = (enter(&child, 0), enter(&child, 1));
    first.look();
    second.look();
    // There is a place, but another one is in front.
    assert_eq!(board.free_places(Demand::default()), (1, true));
    assert_eq!(board.in_front_of(second.key()), 1);
    drop(first);
    assert!(is_woken(&second));
}

#[test]
fn who_has_hung_up_gets_no_place_and_leaves_none_taken() {
    let (board, child) = full();
    let held = child.assign(within(0), None).unwrap();
    let (ours, theirs) = stream_pair().unwrap();
    drop(theirs);
    let wait = Wait {
        client: Some(ours.as_fd()),
        ..PATIENT
    };
    assert_eq!(child.assign(wait, None).unwrap_err(), Refused::ClientGone);
    assert_eq!(board.waiting(), 0);
    // At the moment in which it is its turn, too.
    let (sent, received) = mpsc::channel();
    let (ours, theirs) = stream_pair().unwrap();
    thread::scope(|scope| {
        let (child, client) = (&child, ours.as_fd());
        scope.spawn(move || {
            let wait = Wait {
                client: Some(client),
                ..PATIENT
            };
            sent.send(child.assign(wait, None).map(drop)).unwrap();
        });
        until_waiting(&board, 1);
        drop(theirs);
        drop(held);
        assert_eq!(received.recv().unwrap(), Err(Refused::ClientGone));
    });
    assert_eq!((board.waiting(), board.slot(0).unwrap().assigned()), (0, 0));
}

#[test]
fn who_has_closed_only_its_own_half_gets_its_turn_unless_all_are_busy_for_long() {
    let board = board(1, 1, 4);
    let child = join(&board);
    let (ours, theirs) = stream_pair().unwrap();
    rustix::net::shutdown(&theirs, rustix::net::Shutdown::Write).unwrap();
    let wait = Wait {
        client: Some(ours.as_fd()),
        ..PATIENT
    };
    let held = thread::scope(|scope| {
        let waiting = scope.spawn(|| child.assign(wait, None));
        until_waiting(&board, 1);
        // For as long as none is ready it is not the crowd that it waits for.
        thread::sleep(Duration::from_millis(1_200));
        start(&board, 0, 1, 1);
        waiting.join().unwrap().unwrap()
    });
    let beats = std::sync::atomic::AtomicBool::new(true);
    thread::scope(|scope| {
        scope.spawn(|| {
            while beats.load(SeqCst) {
                board.slot(0).unwrap().beat();
                thread::sleep(Duration::from_millis(50));
            }
        });
        let begun = Instant::now();
        assert_eq!(child.assign(wait, None).unwrap_err(), Refused::ClientGone);
        assert!(begun.elapsed() >= Duration::from_secs(1));
        beats.store(false, SeqCst);
    });
    drop(held);
}
