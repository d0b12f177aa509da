//! From one generation to the next, and what still runs meanwhile.

use std::os::fd::OwnedFd;

use super::*;
use crate::scoreboard::Scoreboard;

impl Playing {
    /// One process that is ready and waits for its end.
    fn serving() -> Self {
        let text = format!("{READY}echo ready\n{WAIT}echo stopped\n");
        let playing = Self::start(processes(1), &text);
        playing.wait_for("ready", 1);
        playing
    }

    /// The board, with threads for requests in its process.
    fn board(&self) -> Arc<Scoreboard> {
        let board = Arc::clone(&self.group().board);
        board.slot(0).unwrap().set_threads(5);
        board
    }

    /// The last child goes, and the next generation says that it has its own processes; its end of the pipe.
    fn hand_over(&mut self) -> OwnedFd {
        self.children = None;
        std::thread::sleep(Duration::from_millis(150));
        let handover = self.handover.take().unwrap();
        rustix::io::write(&handover, b"r").unwrap();
        handover
    }

    /// The supervisor ends, after its process was told to.
    #[track_caller]
    fn stops(self) {
        let lines = self.joined();
        let stopped = lines.iter().filter(|(_, line)| line == "stopped").count();
        assert_eq!(stopped, 1, "{lines:?}");
    }
}

#[test]
fn processes_that_the_next_generation_uses_stop_when_it_says_so_and_nothing_runs() {
    let mut playing = Playing::serving();
    let board = playing.board();
    let slot = board.slot(0).unwrap();
    slot.enter();
    drop(playing.hand_over());
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(playing.count("stopped"), 0);
    slot.leave();
    playing.stops();
}

#[test]
fn a_request_of_a_killed_child_keeps_nothing_from_ending() {
    let mut playing = Playing::serving();
    let board = playing.board();
    let slot = board.slot(0).unwrap();
    slot.beat();
    slot.set_state(SlotState::Ready);
    let mut child = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    let row = board.claim_row(Owner::known(child.id(), 0)).unwrap();
    assert!(board.take(row, Demand::default()).is_some());
    let _handover = playing.hand_over();
    // Its child may still read the answer.
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(playing.count("stopped"), 0);
    child.kill().unwrap();
    child.wait().unwrap();
    playing.stops();
}

#[test]
fn a_supervisor_that_only_waits_for_a_request_sleeps() {
    let mut playing = Playing::serving();
    let board = playing.board();
    let slot = board.slot(0).unwrap();
    slot.enter();
    // Nobody can send anything to the empty slots any more.
    let _handover = playing.hand_over();
    let before = playing.used();
    std::thread::sleep(Duration::from_millis(600));
    let taken = playing.used() - before;
    assert!(taken < Duration::from_millis(100), "{taken:?}");
    slot.leave();
    playing.stops();
}

#[test]
fn a_handover_ends_by_a_word_where_others_hold_the_pipe() {
    let mut playing = Playing::serving();
    playing.children = None;
    let handover = playing.handover.take().unwrap();
    Retired::of_nothing(handover.try_clone().unwrap()).let_go();
    playing.stops();
    drop(handover);
}

fn generation(options: DaemonOptions, previous: Option<Retired>) -> Generation {
    let spec = GroupSpec {
        config: config(options),
        overlaps: true,
        rows: 4,
        waiters: 4,
        timeout: Duration::from_secs(60),
    };
    let program = c"/bin/false".to_owned();
    Generation::new(program, Vec::new(), vec![spec], previous).unwrap()
}

#[test]
fn a_child_uses_the_generation_before_until_its_own_has_a_process() {
    let first = generation(processes(1), None);
    let old = first.board(0);
    let second = generation(processes(1), Some(first.retire()));
    let new = second.board(0);
    let membership = second.into_membership();
    let is_previous = || matches!(membership.group(b"test"), Some(Chosen::Previous(..)));
    assert!(!is_previous());
    old.slot(1).unwrap().set_state(SlotState::Ready);
    assert!(is_previous());
    new.slot(0).unwrap().set_state(SlotState::Ready);
    assert!(!is_previous());
    new.slot(0).unwrap().set_state(SlotState::Dead);
    assert!(!is_previous());
    assert!(membership.group(b"other").is_none());
}

#[test]
fn a_group_that_is_defined_otherwise_has_no_generation_before() {
    let first = generation(processes(1), None);
    let old = first.board(0);
    old.slot(0).unwrap().set_state(SlotState::Ready);
    let membership = generation(processes(2), Some(first.retire())).into_membership();
    assert!(matches!(membership.group(b"test"), Some(Chosen::Own(_))));
}
