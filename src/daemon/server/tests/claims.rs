//! Requests are taken before they are run, and those that were taken back are not.

use rsgi_core::wire::{Claim, set_claim};

use super::*;

/// A request with an offer for it, as a child sends it.
fn offered(running: &Running, script: &str) -> (Vec<u8>, Claim) {
    let mut bytes = request(script, BodyPlan::None);
    let claim = Claim {
        cell: 1,
        sequence: running.board.offer(0, 1),
    };
    set_claim(&mut bytes, claim);
    (bytes, claim)
}

#[test]
fn a_request_is_taken_before_the_application_is_entered() {
    let (entered, left) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let barriers = (Arc::clone(&entered), Arc::clone(&left));
    let running = Running::new(1, move |_, host| {
        barriers.0.wait();
        barriers.1.wait();
        let _ = send(host, true, &[], abi::SEND_END);
        Outcome::Handled
    });
    let socket = running.connect();
    for _ in 0..3 {
        let (bytes, claim) = offered(&running, "x");
        write(&socket, &bytes);
        entered.wait();
        assert!(!running.board.retract(0, claim));
        left.wait();
        assert_eq!(answer(&socket), ["head 200", "end"]);
    }
    running.stop();
}

#[test]
fn a_request_that_was_taken_back_is_never_run_and_its_connection_closed_without_a_word() {
    static RUN: AtomicUsize = AtomicUsize::new(0);
    let running = Running::new(1, |_, host| {
        RUN.fetch_add(1, Ordering::SeqCst);
        let _ = send(host, true, &[], abi::SEND_END);
        Outcome::Handled
    });
    for _ in 0..3 {
        let socket = running.connect();
        let (bytes, claim) = offered(&running, "x");
        assert!(running.board.retract(0, claim));
        write(&socket, &bytes);
        assert_eq!(answer(&socket), ["closed"]);
        // Nor is what was offered after it in the same cell.
        let (again, _) = offered(&running, "x");
        let socket = running.connect();
        write(&socket, &bytes);
        assert_eq!(answer(&socket), ["closed"]);
        let socket = running.connect();
        write(&socket, &again);
        assert_eq!(answer(&socket), ["head 200", "end"]);
    }
    assert_eq!(RUN.load(Ordering::SeqCst), 3);
    let slot = running.board.slot(0).unwrap();
    assert_eq!((slot.busy(), slot.requests()), (0, 3));
    running.stop();
}

#[test]
fn claims_of_cells_that_are_none_are_dropped() {
    let running = Running::new(1, |_, _| Outcome::Status(500));
    for cell in [4, u32::MAX - 1] {
        let mut bytes = request("x", BodyPlan::None);
        set_claim(&mut bytes, Claim { cell, sequence: 1 });
        let socket = running.connect();
        write(&socket, &bytes);
        assert_eq!(answer(&socket), ["closed"]);
    }
    running.stop();
}
