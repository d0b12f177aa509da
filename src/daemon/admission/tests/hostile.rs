//! Others write what they like into the memory: nothing panics, nothing waits longer than it was told to.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Beyond what was asked for, on a machine that does other things as well.
const GRACE: Duration = Duration::from_secs(3);

/// A board in use.
fn scene() -> (Arc<Scoreboard>, Admission) {
    let board = board(3, 4, 6);
    start(&board, 0, 1, 2);
    start(&board, 2, 5, 1);
    let child = join(&board);
    (board, child)
}

fn length(board: &Scoreboard) -> u64 {
    rustix::fs::fstat(board.fd())
        .unwrap()
        .st_size
        .unsigned_abs()
}

/// Writes over a part of the memory. It wraps at its end.
fn scribble(board: &Scoreboard, at: u64, bytes: &[u8]) {
    let at = at % length(board);
    let room = usize::try_from(length(board) - at).unwrap();
    rustix::io::pwrite(board.fd(), &bytes[..bytes.len().min(room)], at).unwrap();
}

/// All that anyone may ask.
fn ask_everything(board: &Scoreboard, child: &Admission) {
    let begun = Instant::now();
    let first = child.assign(within(5), None);
    let refused_by = first.as_ref().ok().map(Assignment::process);
    let second = child.assign(within(5), refused_by);
    for slot in board.slots() {
        let numbers = (slot.pid(), slot.incarnation(), slot.assigned(), slot.busy());
        let times = (slot.heartbeat_age(), slot.age(), slot.is_idle());
        let texts = (slot.state(), slot.reason(), slot.death(slot.incarnation()));
        assert!(!format!("{numbers:?} {times:?} {texts:?}").is_empty());
        let _ = slot.wait_death(1, Duration::from_millis(1));
        slot.enter();
        slot.beat();
        slot.leave();
    }
    assert!(board.waiting() <= 24);
    let _ = (board.oldest_wait(), board.totals(), board.sweep());
    drop((first, second));
    assert!(begun.elapsed() < GRACE, "{:?}", begun.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn garbage_anywhere_costs_no_more_than_the_time_given(
        parts in vec((any::<u64>(), vec(any::<u8>(), 1..600)), 1..12),
    ) {
        let (board, child) = scene();
        for (at, bytes) in &parts {
            scribble(&board, *at, bytes);
            ask_everything(&board, &child);
        }
    }

    #[test]
    fn cells_of_extreme_numbers_cost_no_more_either(
        parts in vec((any::<u64>(), prop_oneof![
            Just(0_u64), Just(1), Just(u64::MAX), Just(1 << 32), Just(u64::MAX >> 1), Just(u64::from(u32::MAX)),
        ]), 1..60),
    ) {
        let (board, child) = scene();
        for (at, word) in &parts {
            scribble(&board, at / 8 * 8, &word.to_ne_bytes());
        }
        ask_everything(&board, &child);
    }

    #[test]
    fn a_file_of_garbage_is_no_scoreboard_or_one_of_its_length(bytes in vec(any::<u8>(), 0..5_000)) {
        let file = crate::sys::memory::shared("garbage", 8_192).unwrap();
        rustix::io::pwrite(&file, &bytes, 0).unwrap();
        prop_assert!(Scoreboard::open(file).is_err());
    }
}

#[test]
fn a_header_that_promises_more_than_there_is_is_refused() {
    let (board, _child) = scene();
    for (at, word) in [
        (12, 4_u32),
        (16, 5),
        (20, 70),
        (8, 1),
        (16, u32::MAX),
        (20, 0),
    ] {
        let mut before = [0; 4];
        rustix::io::pread(board.fd(), &mut before, at).unwrap();
        scribble(&board, at, &word.to_ne_bytes());
        let copy = board.fd().as_fd().try_clone_to_owned().unwrap();
        assert!(Scoreboard::open(copy).is_err(), "{at} {word}");
        scribble(&board, at, &before);
    }
    let copy = board.fd().try_clone_to_owned().unwrap();
    assert_eq!(Scoreboard::open(copy).unwrap().layout(), board.layout());
}

#[test]
fn a_writer_that_never_stops_hangs_nobody() {
    let (board, child) = scene();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = 88_172_645_463_325_252_u64;
            while !is_over.load(SeqCst) {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                scribble(&board, random >> 8, &random.to_ne_bytes());
            }
        });
        let asking: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let begun = Instant::now();
                        drop(child.assign(within(50), None));
                        assert!(begun.elapsed() < GRACE, "{:?}", begun.elapsed());
                    }
                })
            })
            .collect();
        let ended: Vec<_> = asking
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect();
        is_over.store(true, SeqCst);
        assert!(ended.iter().all(Result::is_ok));
    });
}

#[test]
fn forged_tickets_in_front_hold_the_queue_up_no_longer_than_a_stopped_child() {
    let board = board(1, 2, 4);
    start(&board, 0, 1, 1);
    let (child, other) = (join(&board), join(&board));
    let held = child.assign(within(0), None).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let begun = Instant::now();
            let place = child.assign(PATIENT, None);
            (place.is_ok(), begun.elapsed())
        });
        until_waiting(&board, 1);
        let row = board.row(other.row()).unwrap();
        row.head.waiting.store(4, SeqCst);
        row.head.waiters_used.store(u32::MAX, SeqCst);
        for cell in row.waiters {
            cell.looked.store(
                u32::try_from(clock::millis() & 0xffff_ffff).unwrap(),
                SeqCst,
            );
            cell.ticket.store(1, SeqCst);
        }
        drop(held);
        let slot = board.slot(0).unwrap();
        while !waiting.is_finished() {
            slot.beat();
            thread::sleep(Duration::from_millis(20));
        }
        let (is_in, waited) = waiting.join().unwrap();
        assert!(is_in && waited < GRACE, "{waited:?}");
    });
}
