//! What a place costs: printed for people, and never a reason to fail.

use super::*;

const ROUNDS: u32 = 2_000_000;

/// Says it whether the test passes or not.
fn say(what: &str, each: Duration) {
    let line = format!("{what}: {each:?}\n");
    std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).unwrap();
}

/// Requests of one child, each with a look at both processes and all rows; where they are claimed, by this thread.
fn run(board: &Scoreboard, child: &Admission, is_claimed: bool) -> Duration {
    let begun = Instant::now();
    for round in 0..ROUNDS {
        let mut assignment = child.assign(within(0), None).unwrap();
        if is_claimed {
            let claim = assignment.offer();
            assert!(board.take_claim(child.row(), claim));
            assignment.set_taken();
        }
        std::hint::black_box(assignment.slot());
        drop(assignment);
        if round % 100_000 == 0 {
            board.slots().for_each(|slot| slot.beat());
        }
    }
    begun.elapsed() / ROUNDS
}

/// Run it with `cargo test --release -p rsgi-daemon --lib -- --ignored --nocapture costs`.
#[test]
#[ignore = "a measurement, for people"]
fn what_a_place_costs_while_nobody_waits() {
    let board = board(4, 16, 25);
    start(&board, 0, 1, 5);
    start(&board, 1, 1, 5);
    let children: Vec<_> = (0..16).map(|_| join(&board)).collect();
    // None is empty, or the look would end at the first.
    let held: Vec<_> = children[..2]
        .iter()
        .map(|child| child.assign(within(0), None).unwrap())
        .collect();
    say(
        "assign and release, alone",
        run(&board, &children[15], false),
    );
    say(
        "with a claim that is taken",
        run(&board, &children[15], true),
    );
    thread::scope(|scope| {
        let other = scope.spawn(|| run(&board, &children[14], true));
        say(
            "assign and release, two at a time, with a claim",
            run(&board, &children[15], true),
        );
        other.join().unwrap();
    });
    drop(held);
}

/// The same with somebody else always waiting: each place is handed over to a sleeper.
#[test]
#[ignore = "a measurement, for people"]
fn what_a_place_costs_in_the_queue() {
    let board = board(4, 16, 64);
    start(&board, 0, 1, 5);
    start(&board, 1, 1, 5);
    let children: Vec<_> = (0..16).map(|_| join(&board)).collect();
    let done = std::sync::atomic::AtomicU32::new(0);
    let begun = Instant::now();
    thread::scope(|scope| {
        for child in &children {
            for _ in 0..16 {
                scope.spawn(|| {
                    while begun.elapsed() < Duration::from_secs(2) {
                        drop(child.assign(PATIENT, None).unwrap());
                        done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        board.slots().for_each(|slot| slot.beat());
                    }
                });
            }
        }
    });
    let each = begun.elapsed() / done.into_inner();
    say("a hand-over among 256 threads", each);
}
