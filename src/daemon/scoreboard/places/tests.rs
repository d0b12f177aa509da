//! Places are taken and given back by many at once.

use std::sync::atomic::{AtomicBool, AtomicU32};
use std::thread;
use std::time::{Duration, Instant};

use super::super::{Layout, Owner};
use super::*;

fn board(rows: u32) -> Scoreboard {
    let layout = Layout {
        slots: 1,
        rows,
        waiters: 1,
    };
    let board = Scoreboard::create(layout, "test").unwrap();
    for _ in 0..rows {
        board.claim_row(Owner::own()).unwrap();
    }
    board
}

fn live(slot: Slot<'_>, threads: u32) {
    slot.begin_next();
    slot.set_threads(threads);
    slot.set_state(SlotState::Ready);
}

#[test]
fn who_read_of_an_earlier_process_counts_nothing() {
    let board = board(1);
    let slot = board.slot(0).unwrap();
    slot.begin(2);
    let cell = AtomicU64::new(2 << 32 | 5);
    assert!(!increment(&cell, slot, 1));
    assert_eq!(cell.load(SeqCst), 2 << 32 | 5);
    assert!(increment(&cell, slot, 2));
    decrement(&cell, 1);
    assert_eq!(cell.load(SeqCst), 2 << 32 | 6);
    slot.begin(3);
    assert!(increment(&cell, slot, 3));
    assert_eq!(cell.load(SeqCst), 3 << 32 | 1);
    decrement(&cell, 3);
    decrement(&cell, 3);
    assert_eq!(cell.load(SeqCst), 3 << 32);
}

/// Takes and vacates from every row at once for half a second, while `meanwhile` runs.
fn hammer(board: &Scoreboard, held: impl Fn() + Sync, meanwhile: impl Fn()) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for row in 0..board.layout().rows {
            let (is_over, held) = (&is_over, &held);
            scope.spawn(move || {
                while !is_over.load(SeqCst) {
                    if let Some(process) = board.take(row, Demand::default()) {
                        held();
                        board.vacate(row, process);
                    }
                }
            });
        }
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(500) {
            meanwhile();
        }
        is_over.store(true, SeqCst);
    });
}

#[test]
fn the_last_place_is_taken_once() {
    let board = board(4);
    let slot = board.slot(0).unwrap();
    live(slot, 1);
    let running = AtomicU32::new(0);
    let held = || {
        assert_eq!(running.fetch_add(1, SeqCst), 0);
        running.fetch_sub(1, SeqCst);
    };
    hammer(&board, held, || {
        slot.beat();
        thread::sleep(Duration::from_millis(20));
    });
    assert_eq!(slot.assigned(), 0);
}

#[test]
fn a_brisk_process_is_given_more_than_it_has_threads_for() {
    let board = board(1);
    let slot = board.slot(0).unwrap();
    live(slot, 2);
    let take = |demand| board.take(0, demand);
    let held = [(); 2].map(|()| take(Demand::STRICT).unwrap());
    assert!(take(Demand::default()).is_none());
    slot.set_brisk(true);
    assert!(take(Demand::STRICT).is_none());
    let more = std::iter::from_fn(|| take(Demand::default())).count();
    assert_eq!(more, 4);
    assert_eq!(board.free_places(Demand::default()), (0, true));
    slot.set_brisk(false);
    board.vacate(0, held[0]);
    assert!(
        take(Demand::default()).is_none(),
        "more than it has threads for"
    );
    slot.begin_next();
    assert!(!slot.is_brisk());
}

#[test]
fn a_brisk_process_that_runs_on_the_same_processor_is_preferred() {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
    let layout = Layout {
        slots: 2,
        rows: 1,
        waiters: 1,
    };
    let board = Scoreboard::create(layout, "test").unwrap();
    board.claim_row(Owner::own()).unwrap();
    let slots = [board.slot(0).unwrap(), board.slot(1).unwrap()];
    let before = sched_getaffinity(None).unwrap();
    let mut here = CpuSet::new();
    here.set(sched_getcpu());
    sched_setaffinity(None, &here).unwrap();
    for slot in slots {
        live(slot, 20);
    }
    slots[1].enter();
    slots[1].leave();
    let other = &board.cells.slot(0).unwrap().work.processor;
    other.store(u32::MAX, SeqCst);
    let take = || board.take(0, Demand::default()).unwrap().slot;
    assert_eq!(take(), 0, "as long as they are not brisk");
    board.vacate(0, slots[0].reference());
    for slot in slots {
        slot.set_brisk(true);
    }
    assert_eq!([take(), take()], [1, 0], "the other has nothing to do");
    let taken: Vec<u32> = (0..12).map(|_| take()).collect();
    assert_eq!(taken[..8], [1; 8]);
    assert!(taken[8..].contains(&0), "{taken:?}");
    // One that hangs is not brisk, and no nearer than a brisk one that is far.
    slots[1].set_brisk(false);
    slots[1].enter();
    let loads = slots.map(|slot| slot.assigned());
    assert!(loads[0] < loads[1]);
    assert_eq!(take(), 0);
    sched_setaffinity(None, &before).unwrap();
}

#[test]
fn a_process_that_drains_and_sees_no_request_gets_none() {
    let board = board(4);
    let slot = board.slot(0).unwrap();
    live(slot, 8);
    let is_ended = AtomicBool::new(false);
    let held = || assert!(!is_ended.load(SeqCst), "a request for an ended process");
    hammer(&board, held, || {
        slot.set_state(SlotState::Draining);
        while !slot.is_idle() {
            std::hint::spin_loop();
        }
        is_ended.store(true, SeqCst);
        thread::yield_now();
        is_ended.store(false, SeqCst);
        live(slot, 8);
        thread::yield_now();
    });
    assert_eq!(slot.assigned(), 0);
}
