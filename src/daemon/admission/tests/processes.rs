//! Children that are processes of their own: this program again, told by its environment what to be.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use rustix::process::{Pid, Signal, kill_process};

use super::*;

const ROLE: &str = "RSGI_TEST_ROLE";
const FILE: &str = "RSGI_TEST_BOARD";
/// Before each line of ours: the test harness prints as well.
const MARK: &str = "@ ";

/// A child. It ends when it is dropped.
struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<std::process::ChildStdout>,
}

impl Process {
    fn start(board: &Scoreboard, role: &str) -> Self {
        // Inherited by whatever else is started meanwhile, which does not care.
        rustix::io::fcntl_setfd(board.fd(), rustix::io::FdFlags::empty()).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "--test-threads=1"])
            .arg("admission::tests::processes::a_process_of_its_own")
            .env(ROLE, role)
            .env(FILE, board.fd().as_raw_fd().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            input,
            output,
        }
    }

    /// Its next line.
    fn line(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            // The harness prints the test's name first, without ending the line.
            if let Some(at) = line.find(MARK) {
                return Some(line[at + MARK.len()..].trim_end().to_owned());
            }
        }
    }

    /// Stops it, and waits until it is.
    fn stop(&self) {
        self.signal(Signal::STOP);
        let begun = Instant::now();
        let stat = format!("/proc/{}/stat", self.child.id());
        while !std::fs::read_to_string(&stat).unwrap().contains(") T ") {
            assert!(begun.elapsed().as_secs() < 10);
            thread::yield_now();
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{MARK}{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// Waits until the one who started this process says something, or is gone.
fn until_told() {
    let _ = std::io::stdin().lock().read(&mut [0; 1]);
}

/// What a child is; nothing when the tests run by themselves.
#[test]
fn a_process_of_its_own() {
    let (Ok(role), Ok(file)) = (std::env::var(ROLE), std::env::var(FILE)) else {
        return;
    };
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(format!("/proc/self/fd/{file}"))
        .unwrap();
    let board = Arc::new(Scoreboard::open(file.into()).unwrap());
    match role.as_str() {
        "load" => load(&board),
        "queue" => queue(&board),
        "wait" => wait(&board),
        "daemon" => daemon(&board),
        "take" => take(&board),
        "offer" => offer(&board),
        other => panic!("no role {other}"),
    }
}

/// Sends requests until told to stop.
fn load(board: &Arc<Scoreboard>) {
    let child = join(board);
    let is_over = AtomicBool::new(false);
    tell("joined");
    thread::scope(|scope| {
        for number in 0..8 {
            let (child, is_over) = (&child, &is_over);
            scope.spawn(move || {
                while !is_over.load(SeqCst) {
                    let place = child.assign(PATIENT, None).unwrap();
                    thread::sleep(Duration::from_micros(number * 200));
                    drop(place);
                }
            });
        }
        until_told();
        is_over.store(true, SeqCst);
    });
}

/// 125 requests wait at once; each tells its ticket and when it had the place.
fn queue(board: &Arc<Scoreboard>) {
    let child = join(board);
    let (sent, received) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..125 {
            let (child, sent) = (&child, sent.clone());
            scope.spawn(move || {
                let patience = Patience::new(PATIENT);
                let place = child.queue(patience, Demand::STRICT).unwrap();
                sent.send((patience.since(), clock::nanos())).unwrap();
                drop(place);
            });
        }
    });
    drop(sent);
    for (ticket, moment) in received {
        tell(&format!("{ticket} {moment}"));
    }
}

/// One request, held until told.
fn wait(board: &Arc<Scoreboard>) {
    let child = join(board);
    let place = child.assign(PATIENT, None).unwrap();
    tell("in");
    until_told();
    drop(place);
}

/// A daemon process that becomes ready and drains when told to.
fn daemon(board: &Arc<Scoreboard>) {
    let slot = board.slot(0).unwrap();
    slot.set_threads(1);
    slot.set_state(SlotState::Ready);
    tell("ready");
    until_told();
    slot.set_state(SlotState::Draining);
    while !slot.is_idle() {
        thread::sleep(Duration::from_millis(5));
        board.sweep();
    }
    tell("idle");
}

/// Takes all offers of the first cells of the first row that it sees, and tells at the end which it got.
fn take(board: &Scoreboard) {
    let is_over = AtomicBool::new(false);
    let row = board.row(0).unwrap();
    tell("ready");
    thread::scope(|scope| {
        let taking = scope.spawn(|| {
            let mut taken = Vec::new();
            while !is_over.load(SeqCst) {
                for (cell, word) in (0..2).zip(row.claims) {
                    let sequence = word.load(SeqCst) >> 2;
                    if board.take_claim(0, wire::Claim { cell, sequence }) {
                        taken.push((cell, sequence));
                    }
                }
            }
            taken
        });
        until_told();
        is_over.store(true, SeqCst);
        for (cell, sequence) in taking.join().unwrap() {
            tell(&format!("{cell} {sequence}"));
        }
    });
}

/// Offers a request to a process, and is killed.
fn offer(board: &Arc<Scoreboard>) {
    let child = join(board);
    let mut place = child.assign(PATIENT, None).unwrap();
    let claim = place.offer();
    tell(&format!("{} {}", claim.cell, claim.sequence));
    until_told();
}

/// Beats all hearts while something is done.
fn with_beating_hearts<T>(board: &Scoreboard, what: impl FnOnce() -> T) -> T {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(SeqCst) {
                board.slots().for_each(|slot| slot.beat());
                thread::sleep(Duration::from_millis(100));
            }
        });
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(what));
        is_over.store(true, SeqCst);
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[test]
fn a_thousand_requests_of_eight_processes_are_served_first_come_first_served() {
    let board = board(2, 9, 125);
    start(&board, 0, 1, 1);
    let own = join(&board);
    with_beating_hearts(&board, || {
        let held = own.assign(within(0), None).unwrap();
        let mut children: Vec<_> = (0..8).map(|_| Process::start(&board, "queue")).collect();
        until_waiting(&board, 1_000);
        assert!(board.oldest_wait().unwrap() > Duration::ZERO);
        drop(held);
        let mut served: Vec<(u64, u64)> = Vec::new();
        for child in &mut children {
            while let Some(line) = child.line() {
                let (ticket, moment) = line.split_once(' ').unwrap();
                served.push((ticket.parse().unwrap(), moment.parse().unwrap()));
            }
        }
        assert_eq!(served.len(), 1_000);
        // There is one place, so the moments are in the order in which it was had.
        served.sort_by_key(|&(_, moment)| moment);
        assert!(served.is_sorted_by_key(|&(ticket, _)| ticket));
    });
    assert_eq!((board.waiting(), board.oldest_wait()), (0, None));
}

#[test]
fn children_killed_at_any_moment_leave_no_place_taken() {
    let board = board(4, 16, 8);
    start(&board, 0, 1, 5);
    start(&board, 1, 1, 5);
    with_beating_hearts(&board, || {
        let mut children: Vec<_> = (0..5).map(|_| Process::start(&board, "load")).collect();
        for child in &mut children {
            child.line().unwrap();
        }
        for round in 0..60_usize {
            thread::sleep(Duration::from_millis(17));
            // Killed when it is dropped, in the middle of whatever it does.
            let mut new = Process::start(&board, "load");
            new.line().unwrap();
            children[round % 5] = new;
            // What is not there yet may be drained at any time.
            let slot = board.slot(u32::try_from(round % 2).unwrap()).unwrap();
            slot.set_state(SlotState::Draining);
            let begun = Instant::now();
            while !slot.is_idle() {
                assert!(begun.elapsed().as_secs() < 10, "{} stay", slot.assigned());
                thread::sleep(Duration::from_millis(1));
                board.sweep();
            }
            slot.begin_next();
            slot.set_threads(5);
            slot.set_state(SlotState::Ready);
        }
        drop(children);
        board.sweep();
        assert_eq!(board.slots().map(|slot| slot.assigned()).sum::<u32>(), 0);
        assert_eq!(board.waiting(), 0);
        let own = join(&board);
        let all = [(); 10].map(|()| own.assign(within(100), None).unwrap());
        assert!(own.assign(within(0), None).is_err());
        drop(all);
    });
}

#[test]
fn a_killed_child_in_front_holds_nobody_up() {
    let board = board(2, 3, 4);
    start(&board, 0, 1, 1);
    let own = join(&board);
    with_beating_hearts(&board, || {
        let held = own.assign(within(0), None).unwrap();
        let child = Process::start(&board, "wait");
        until_waiting(&board, 1);
        child.signal(Signal::KILL);
        // Nobody buries it yet: it stays a zombie.
        drop(held);
        let place = own.assign(within(5_000), None).unwrap();
        assert!(place.waited() < Duration::from_secs(1), "{place:?}");
        assert_eq!(board.totals().rows_swept, 1);
        drop(child);
    });
}

#[test]
fn a_stopped_child_in_front_is_passed_and_keeps_its_turn() {
    let board = board(2, 3, 4);
    start(&board, 0, 1, 1);
    let own = join(&board);
    with_beating_hearts(&board, || {
        let held = own.assign(within(0), None).unwrap();
        let mut child = Process::start(&board, "wait");
        until_waiting(&board, 1);
        child.stop();
        drop(held);
        let place = own.assign(within(10_000), None).unwrap();
        assert!(place.waited() < Duration::from_secs(4), "{place:?}");
        child.signal(Signal::CONT);
        drop(place);
        assert_eq!(child.line().as_deref(), Some("in"));
    });
}

#[test]
fn a_daemon_process_lets_waiting_requests_in_and_ends_when_the_last_is_done() {
    let board = board(2, 3, 4);
    board.slot(0).unwrap().begin(1);
    let own = join(&board);
    with_beating_hearts(&board, || {
        let mut child = Process::start(&board, "wait");
        until_waiting(&board, 1);
        let mut daemon = Process::start(&board, "daemon");
        assert_eq!(daemon.line().as_deref(), Some("ready"));
        assert_eq!(child.line().as_deref(), Some("in"));
        daemon.input.take();
        let slot = board.slot(0).unwrap();
        let begun = Instant::now();
        while slot.state() != SlotState::Draining {
            assert!(begun.elapsed().as_secs() < 10);
            thread::yield_now();
        }
        assert!(matches!(
            own.assign(within(50), None),
            Err(Refused::NoProcess { .. })
        ));
        assert_eq!(slot.assigned(), 1);
        // The child dies with its place; the process sees to it itself.
        drop(child);
        assert_eq!(daemon.line().as_deref(), Some("idle"));
        assert_eq!(slot.assigned(), 0);
    });
}

#[test]
fn what_processes_take_and_a_child_retracts_is_each_offer_once() {
    const OFFERS: u64 = 30_000;
    let board = board(1, 1, 2);
    let mut takers: Vec<_> = (0..2).map(|_| Process::start(&board, "take")).collect();
    for taker in &mut takers {
        assert_eq!(taker.line().as_deref(), Some("ready"));
    }
    let mut seen: Vec<(u32, u64)> = Vec::new();
    for number in 0..OFFERS {
        for cell in 0..2 {
            let claim = wire::Claim {
                cell,
                sequence: board.offer(0, cell),
            };
            if number % 16 == 0 {
                thread::sleep(Duration::from_micros(number % 7));
            }
            if board.retract(0, claim) {
                seen.push((cell, claim.sequence));
            }
        }
    }
    let retracted = seen.len();
    for taker in &mut takers {
        taker.input.take();
        while let Some(line) = taker.line() {
            let (cell, sequence) = line.split_once(' ').unwrap();
            seen.push((cell.parse().unwrap(), sequence.parse().unwrap()));
        }
    }
    assert!(retracted > 0 && seen.len() > retracted, "{retracted}");
    seen.sort_unstable();
    let expected = (0..2).flat_map(|cell| (1..=OFFERS).map(move |sequence| (cell, sequence)));
    assert!(seen.into_iter().eq(expected));
}

#[test]
fn what_a_dead_child_offered_is_not_run_any_more() {
    let board = board(1, 2, 2);
    start(&board, 0, 1, 2);
    let mut child = Process::start(&board, "offer");
    let line = child.line().unwrap();
    let (cell, sequence) = line.split_once(' ').unwrap();
    let claim = wire::Claim {
        cell: cell.parse().unwrap(),
        sequence: sequence.parse().unwrap(),
    };
    child.signal(Signal::KILL);
    let begun = Instant::now();
    while board.sweep() == 0 {
        assert!(begun.elapsed().as_secs() < 10);
        thread::yield_now();
    }
    assert!(!board.take_claim(0, claim));
    // The next owner of the row goes on where it ended.
    let next = join(&board);
    assert_eq!(next.row(), 0);
    assert!(board.offer(0, claim.cell) > claim.sequence);
    assert!(!board.take_claim(0, claim));
}
