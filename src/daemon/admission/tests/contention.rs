//! Many threads of several rows at once: never more requests in a process than it has threads, none in one that has
//! ended, none forgotten.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;

use super::*;
use crate::scoreboard::SLEEPING;

const THREADS: u32 = 3;
const LIVES: u32 = 40;

/// What a fake daemon process sees: how many requests it has, and whether it has ended.
#[derive(Default)]
struct Life {
    running: AtomicU32,
    is_over: AtomicBool,
}

/// All processes that ever were, by slot and incarnation.
struct World {
    board: Arc<Scoreboard>,
    lives: Vec<Vec<Life>>,
    is_over: AtomicBool,
    served: AtomicU32,
}

impl World {
    fn new(slots: u32, rows: u32, waiters: u32) -> Self {
        let lives = |_| (0..=LIVES).map(|_| Life::default()).collect();
        Self {
            board: board(slots, rows, waiters),
            lives: (0..slots).map(lives).collect(),
            is_over: AtomicBool::new(false),
            served: AtomicU32::new(0),
        }
    }

    /// One thread of a child: a request after the other.
    fn send(&self, child: &Admission) {
        while !self.is_over.load(SeqCst) {
            let place = assign_when_woken(child);
            let life = &self.lives[place.slot() as usize][place.incarnation() as usize];
            let running = life.running.fetch_add(1, SeqCst) + 1;
            assert!(running <= THREADS, "{running} requests at once");
            assert!(!life.is_over.load(SeqCst), "a request for an ended process");
            if self.served.fetch_add(1, SeqCst).is_multiple_of(7) {
                thread::yield_now();
            }
            life.running.fetch_sub(1, SeqCst);
        }
    }

    /// A slot's processes, one after the other, each drained.
    fn live(&self, index: u32) {
        let slot = self.board.slot(index).unwrap();
        for incarnation in 1..LIVES {
            start(&self.board, index, incarnation, THREADS);
            thread::sleep(Duration::from_millis(10 + u64::from(index)));
            slot.set_state(SlotState::Draining);
            until(|| slot.is_idle());
            let life = &self.lives[index as usize][incarnation as usize];
            life.is_over.store(true, SeqCst);
            assert_eq!(life.running.load(SeqCst), 0, "ended in a request");
            slot.set_state(SlotState::Dead);
        }
        start(&self.board, index, LIVES, THREADS);
    }
}

/// As `assign`, without the look that finds what a lost wake-up left: one lost here and the test ends badly.
fn assign_when_woken(child: &Admission) -> Assignment<'_> {
    if !child.board.has_queue()
        && let Some(process) = child.board.take(child.row, Demand::default())
    {
        return child.assignment(process, Duration::ZERO);
    }
    let mut patience = Patience::new(Wait {
        queue: Some(Duration::from_secs(20)),
        ..Wait::default()
    });
    patience.tick = Duration::from_secs(60);
    child.queue(patience, Demand::STRICT).unwrap()
}

fn until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed().as_secs() < 20, "it never came");
        thread::yield_now();
    }
}

#[test]
fn drained_processes_lose_no_request_and_none_has_too_many() {
    let world = World::new(3, 4, 4);
    let children: Vec<_> = (0..4).map(|_| join(&world.board)).collect();
    thread::scope(|scope| {
        for child in &children {
            for _ in 0..4 {
                scope.spawn(|| world.send(child));
            }
        }
        let world = &world;
        let lives: Vec<_> = (0..3)
            .map(|index| scope.spawn(move || world.live(index)))
            .collect();
        let ended: Vec<_> = lives
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect();
        // Nobody beats their hearts any more, so this has to be within a second.
        world.is_over.store(true, SeqCst);
        assert!(ended.iter().all(Result::is_ok));
    });
    assert_eq!(world.board.waiting(), 0);
    assert_eq!(
        world.board.slots().map(|slot| slot.assigned()).sum::<u32>(),
        0
    );
    assert!(world.served.load(SeqCst) > LIVES);
}

#[test]
fn no_wake_up_is_lost() {
    // More threads than cells in a row, more rows than places.
    let world = World::new(2, 8, 3);
    let children: Vec<_> = (0..8).map(|_| join(&world.board)).collect();
    start(&world.board, 0, 1, 1);
    start(&world.board, 1, 1, 2);
    thread::scope(|scope| {
        for child in &children {
            for _ in 0..3 {
                scope.spawn(|| world.send(child));
            }
        }
        for _ in 0..30 {
            thread::sleep(Duration::from_millis(100));
            world.board.slots().for_each(|slot| slot.beat());
        }
        world.is_over.store(true, SeqCst);
    });
    let average =
        world.board.totals().queued_time / u32::try_from(world.board.totals().queued).unwrap();
    assert!(average < Duration::from_millis(50), "{average:?}");
}

#[test]
fn queue_timeouts_are_punctual_and_the_group_recovers_at_once() {
    let board = board(2, 2, 64);
    start(&board, 0, 1, 2);
    let (first, second) = (join(&board), join(&board));
    let held = [(); 2].map(|()| first.assign(within(0), None).unwrap());
    let beats = AtomicBool::new(true);
    thread::scope(|scope| {
        scope.spawn(|| {
            while beats.load(SeqCst) {
                board.slot(0).unwrap().beat();
                thread::sleep(Duration::from_millis(50));
            }
        });
        let waiting: Vec<_> = (0..100)
            .map(|number| if number % 2 == 0 { &first } else { &second })
            .map(|child| scope.spawn(|| child.assign(within(1_000), None).err()))
            .collect();
        for thread in waiting {
            let Some(Refused::QueueTimeout { waited, .. }) = thread.join().unwrap() else {
                panic!("refused otherwise, or not at all");
            };
            let millis = waited.as_millis();
            assert!((1_000..1_400).contains(&millis), "{millis} ms");
        }
        beats.store(false, SeqCst);
    });
    drop(held);
    let again = [(); 2].map(|()| second.assign(within(0), None).unwrap());
    assert!(again.iter().all(|place| place.waited().is_zero()));
    assert_eq!((board.totals().queue_timeouts, board.waiting()), (100, 0));
}

#[test]
fn a_queue_that_is_empty_again_and_again_loses_no_wake_up() {
    let world = World::new(1, 2, 1);
    let children: Vec<_> = (0..2).map(|_| join(&world.board)).collect();
    start(&world.board, 0, 1, 1);
    thread::scope(|scope| {
        for child in &children {
            scope.spawn(|| world.send(child));
        }
        for _ in 0..10 {
            thread::sleep(Duration::from_millis(100));
            world.board.slot(0).unwrap().beat();
        }
        world.is_over.store(true, SeqCst);
    });
}

#[test]
fn a_place_that_becomes_free_while_another_is_taken_goes_to_the_next() {
    let board = board(1, 1, 4);
    start(&board, 0, 1, 2);
    let child = join(&board);
    let mut held = vec![
        child.assign(within(0), None).unwrap(),
        child.assign(within(0), None).unwrap(),
    ];
    // The first in the queue does everything by hand.
    let first = Waiter::enter(&child, 3, clock::nanos());
    first.look();
    thread::scope(|scope| {
        let second = scope.spawn(|| assign_when_woken(&child).waited());
        until_waiting(&board, 2);
        until(|| board.row(0).unwrap().waiters[0].sleep.load(SeqCst) == SLEEPING);
        held.pop();
        let process = board.take(0, Demand::default()).unwrap();
        // The second must not go while the first still stands there.
        held.pop();
        drop(first);
        assert!(second.join().unwrap() < Duration::from_secs(10));
        board.vacate(0, process);
    });
}
