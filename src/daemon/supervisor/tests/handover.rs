//! From one generation to the next, and what still runs meanwhile.

use super::*;

#[test]
fn processes_that_the_next_generation_uses_stop_when_it_says_so_and_nothing_runs() {
    let text = format!("{READY}echo ready\n{WAIT}echo stopped\n");
    let mut playing = Playing::start(processes(1), &text);
    playing.wait_for("ready", 1);
    let board = Arc::clone(&playing.group().board);
    let slot = board.slot(0).unwrap();
    slot.set_threads(5);
    slot.enter();
    playing.children = None;
    std::thread::sleep(Duration::from_millis(150));
    let handover = playing.handover.take().unwrap();
    rustix::io::write(&handover, b"r").unwrap();
    drop(handover);
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(playing.count("stopped"), 0);
    slot.leave();
    let lines = playing.joined();
    assert_eq!(
        lines.iter().filter(|(_, line)| line == "stopped").count(),
        1
    );
}

#[test]
fn a_request_of_a_killed_child_keeps_nothing_from_ending() {
    let text = format!("{READY}echo ready\n{WAIT}echo stopped\n");
    let mut playing = Playing::start(processes(1), &text);
    playing.wait_for("ready", 1);
    let board = Arc::clone(&playing.group().board);
    let slot = board.slot(0).unwrap();
    slot.set_threads(5);
    slot.beat();
    slot.set_state(SlotState::Ready);
    let mut child = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    let row = board.claim_row(Owner::known(child.id(), 0)).unwrap();
    assert!(board.take(row, Demand::default()).is_some());
    playing.children = None;
    let handover = playing.handover.take().unwrap();
    rustix::io::write(&handover, b"r").unwrap();
    // Its child may still read the answer.
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(playing.count("stopped"), 0);
    child.kill().unwrap();
    child.wait().unwrap();
    let lines = playing.joined();
    let stopped = lines.iter().filter(|(_, line)| line == "stopped").count();
    assert_eq!(stopped, 1, "{lines:?}");
}

#[test]
fn a_supervisor_that_only_waits_for_a_request_sleeps() {
    let text = format!("{READY}echo ready\n{WAIT}");
    let mut playing = Playing::start(processes(1), &text);
    playing.wait_for("ready", 1);
    let board = Arc::clone(&playing.group().board);
    let slot = board.slot(0).unwrap();
    slot.set_threads(5);
    slot.enter();
    // Nobody can send anything to the empty slots any more.
    playing.children = None;
    let handover = playing.handover.take().unwrap();
    rustix::io::write(&handover, b"r").unwrap();
    let before = playing.used();
    std::thread::sleep(Duration::from_millis(600));
    let taken = playing.used() - before;
    assert!(taken < Duration::from_millis(100), "{taken:?}");
    slot.leave();
    playing.joined();
}

#[test]
fn a_handover_ends_by_a_word_where_others_hold_the_pipe() {
    let text = format!("{READY}echo ready\n{WAIT}echo stopped\n");
    let mut playing = Playing::start(processes(1), &text);
    playing.wait_for("ready", 1);
    playing.children = None;
    let handover = playing.handover.take().unwrap();
    Retired::of_nothing(handover.try_clone().unwrap()).let_go();
    let lines = playing.joined();
    let stopped = lines.iter().filter(|(_, line)| line == "stopped").count();
    assert_eq!(stopped, 1, "{lines:?}");
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
