//! One process, several rows: what a child gets, and when.

mod contention;
mod hostile;
mod measure;
mod order;
mod processes;

use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use super::*;
use crate::scoreboard::{Key, Layout, SlotState};

/// Without end, but for a test that fails.
const PATIENT: Wait<'static> = Wait {
    ready: Some(Duration::from_secs(20)),
    loading: None,
    queue: Some(Duration::from_secs(20)),
    refused: None,
    since: None,
    client: None,
};

fn board(slots: u32, rows: u32, waiters: u32) -> Arc<Scoreboard> {
    let layout = Layout {
        slots,
        rows,
        waiters,
    };
    Arc::new(Scoreboard::create(layout, "test").unwrap())
}

fn start(board: &Scoreboard, slot: u32, incarnation: u32, threads: u32) {
    let slot = board.slot(slot).unwrap();
    slot.begin(incarnation);
    slot.set_pid(std::process::id());
    slot.set_threads(threads);
    slot.set_state(SlotState::Ready);
}

fn join(board: &Arc<Scoreboard>) -> Admission {
    Admission::join(Arc::clone(board)).unwrap()
}

fn within(millis: u64) -> Wait<'static> {
    let limit = Some(Duration::from_millis(millis));
    Wait {
        ready: limit,
        queue: limit,
        ..Wait::default()
    }
}

/// Waits until so many requests wait.
fn until_waiting(board: &Scoreboard, count: u32) {
    let start = Instant::now();
    // Counted first, seen a moment later.
    let end = Key {
        ticket: u64::MAX,
        row: 0,
        cell: 0,
    };
    while board.waiting() != count || board.in_front_of(end) != u64::from(count) {
        assert!(start.elapsed().as_secs() < 10, "{}", board.waiting());
        thread::yield_now();
    }
}

#[test]
fn requests_go_where_the_fewest_are() {
    let board = board(4, 2, 4);
    start(&board, 0, 1, 3);
    start(&board, 2, 1, 3);
    let (first, second) = (join(&board), join(&board));
    let held: Vec<_> = (0..3)
        .flat_map(|_| [&first, &second])
        .map(|child| child.assign(within(0), None).unwrap())
        .collect();
    for slot in [0, 2] {
        assert_eq!(board.slot(slot).unwrap().assigned(), 3);
    }
    let refused = first.assign(within(20), None).unwrap_err();
    assert!(matches!(refused, Refused::QueueTimeout { waiting: 0, .. }));
    drop(held);
    assert_eq!(board.slots().map(|slot| slot.assigned()).sum::<u32>(), 0);
    assert_eq!((board.waiting(), board.totals().queue_timeouts), (0, 1));
}

#[test]
fn without_a_ready_process_the_connect_timeout_counts() {
    let board = board(2, 1, 4);
    let child = join(&board);
    let wait = Wait {
        ready: Some(Duration::from_millis(30)),
        ..Wait::default()
    };
    let refused = child.assign(wait, None).unwrap_err();
    assert!(matches!(refused, Refused::NoProcess { waited } if waited.as_millis() >= 30));
    assert_eq!(board.totals().no_process, 1);
}

#[test]
fn a_process_that_becomes_ready_lets_in_as_many_as_it_has_threads() {
    let board = board(2, 1, 8);
    let child = join(&board);
    let (sent, received) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..5 {
            let (child, sent) = (&child, sent.clone());
            scope.spawn(move || {
                let assignment = child.assign(PATIENT, None).unwrap();
                sent.send(assignment).unwrap();
            });
        }
        until_waiting(&board, 5);
        start(&board, 1, 1, 3);
        let mut held: Vec<_> = received.iter().take(3).collect();
        until_waiting(&board, 2);
        assert_eq!(board.slot(1).unwrap().assigned(), 3);
        held.pop();
        held.push(received.recv().unwrap());
        until_waiting(&board, 1);
        drop(held);
        let _ = received.recv().unwrap();
    });
    assert_eq!((board.waiting(), board.totals().queued), (0, 5));
}

#[test]
fn a_newcomer_does_not_overtake_those_who_wait() {
    let board = board(1, 2, 8);
    start(&board, 0, 1, 1);
    let (first, second) = (join(&board), join(&board));
    let mut held = Some(first.assign(within(0), None).unwrap());
    let (sent, received) = mpsc::channel();
    thread::scope(|scope| {
        for number in 0..6 {
            let child = if number % 2 == 0 { &first } else { &second };
            let sent = sent.clone();
            scope.spawn(move || {
                let assignment = child.assign(PATIENT, None).unwrap();
                sent.send((number, assignment)).unwrap();
            });
            until_waiting(&board, number + 1);
        }
        for expected in 0..6 {
            drop(held.take());
            // As fast as it can, and before the woken one has run.
            assert!(first.assign(within(0), None).is_err() || expected > 5);
            let (number, assignment) = received.recv().unwrap();
            assert_eq!(number, expected);
            held = Some(assignment);
        }
    });
}

#[test]
fn a_stopped_process_gets_nothing_new() {
    let board = board(2, 1, 4);
    start(&board, 0, 1, 5);
    start(&board, 1, 1, 5);
    let child = join(&board);
    // Only the second one's heart goes on.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1_100) {
        thread::sleep(Duration::from_millis(50));
        board.slot(1).unwrap().beat();
    }
    let held: Vec<_> = (0..5)
        .map(|_| child.assign(within(0), None).unwrap())
        .collect();
    assert!(held.iter().all(|assignment| assignment.slot() == 1));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| child.assign(PATIENT, None).unwrap().slot());
        until_waiting(&board, 1);
        // It was continued: its first beat lets the waiter in.
        board.slot(0).unwrap().beat();
        assert_eq!(waiting.join().unwrap(), 0);
    });
}

#[test]
fn a_release_for_an_earlier_process_changes_nothing() {
    let board = board(1, 1, 4);
    start(&board, 0, 1, 2);
    let child = join(&board);
    let old = child.assign(within(0), None).unwrap();
    let older = child.assign(within(0), None).unwrap();
    start(&board, 0, 2, 2);
    assert_eq!(board.slot(0).unwrap().assigned(), 0);
    let new = child.assign(within(0), None).unwrap();
    drop(old);
    drop(older);
    assert_eq!(board.slot(0).unwrap().assigned(), 1);
    assert_eq!((new.slot(), new.incarnation()), (0, 2));
    drop(new);
    assert_eq!(board.slot(0).unwrap().assigned(), 0);
}

#[test]
fn requests_that_still_run_for_the_dead_count_as_busy() {
    let board = board(1, 1, 4);
    start(&board, 0, 1, 1);
    let child = join(&board);
    let slot = board.slot(0).unwrap();
    slot.enter();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| child.assign(PATIENT, None).is_ok());
        until_waiting(&board, 1);
        slot.leave();
        assert!(waiting.join().unwrap());
    });
    assert_eq!((slot.requests(), slot.busy()), (1, 0));
}

#[test]
fn a_process_that_turned_a_request_away_is_avoided_until_its_heart_beats() {
    let board = board(2, 1, 4);
    start(&board, 0, 1, 2);
    let child = join(&board);
    let refused_by = child.assign(within(0), None).unwrap().process();
    thread::scope(|scope| {
        let again = scope.spawn(|| child.assign(PATIENT, Some(refused_by)).unwrap());
        until_waiting(&board, 1);
        thread::sleep(Duration::from_millis(20));
        board.slot(0).unwrap().beat();
        assert_eq!(again.join().unwrap().process(), refused_by);
    });
    start(&board, 1, 1, 2);
    let again = child.assign(within(0), Some(refused_by)).unwrap();
    assert_eq!(again.slot(), 1);
}

#[test]
fn more_requests_than_cells_wait_in_the_child() {
    let board = board(1, 1, 2);
    start(&board, 0, 1, 1);
    let child = join(&board);
    let held = child.assign(within(0), None).unwrap();
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| child.assign(PATIENT, None).is_ok()))
            .collect();
        until_waiting(&board, 2);
        drop(held);
        assert!(waiting.into_iter().all(|thread| thread.join().unwrap()));
    });
    assert_eq!(board.waiting(), 0);
}

#[test]
fn there_are_as_many_children_as_rows() {
    let board = board(1, 2, 1);
    let first = join(&board);
    let _second = join(&board);
    assert!(Admission::join(Arc::clone(&board)).is_err());
    drop(first);
    assert_eq!(join(&board).row(), 0);
}
