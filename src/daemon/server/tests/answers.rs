//! Answers on their way to the child: what is sent, and what becomes of what the child does not take.

use super::*;

#[test]
fn a_short_answer_is_head_data_and_end() {
    let running = Running::new(1, |_, host| {
        let sent = send(host, true, &[b"hello", b"", b" world"], abi::SEND_END);
        assert_eq!(sent, Sent::Ok);
        Outcome::Handled
    });
    let socket = running.connect();
    for _ in 0..3 {
        write(&socket, &request("x", BodyPlan::None));
        assert_eq!(answer(&socket), ["head 200", "data 11", "end"]);
    }
    assert_eq!(running.board.slot(0).unwrap().requests(), 3);
    running.stop();
}

#[test]
fn a_line_after_the_end_does_not_come_before_the_next_answer() {
    let barrier = Arc::new(Barrier::new(2));
    let inside = Arc::clone(&barrier);
    let running = Running::new(1, move |_, host| {
        let _ = send(host, true, &[b"x"], abi::SEND_END);
        inside.wait();
        host.log(3, b"too late for the connection");
        Outcome::Handled
    });
    let socket = running.connect();
    for _ in 0..2 {
        write(&socket, &request("x", BodyPlan::None));
        assert_eq!(answer(&socket), ["head 200", "data 1", "end"]);
        barrier.wait();
    }
    running.stop();
}

#[test]
fn a_whole_answer_whose_application_still_runs_ends_with_that() {
    let barrier = Arc::new(Barrier::new(2));
    let inside = Arc::clone(&barrier);
    let running = Running::new(1, move |_, host| {
        let flags = abi::SEND_END | abi::SEND_RUNNING;
        assert_eq!(send(host, true, &[b"x"], flags), Sent::Ok);
        inside.wait();
        host.log(3, b"from close()");
        Outcome::Handled
    });
    let socket = running.connect();
    for _ in 0..2 {
        write(&socket, &request("x", BodyPlan::None));
        assert!(wait_for(socket.as_fd(), Interest::Readable, PATIENCE).unwrap());
        assert_eq!(running.busy(), 1, "it runs");
        barrier.wait();
        let all = ["head 200", "data 1", "whole", "log 3 from close()", "end"];
        assert_eq!(answer(&socket), all);
    }
    assert_eq!(running.busy(), 0);
    running.stop();
}

#[test]
fn every_outcome_without_a_head_is_told() {
    let running = Running::new(1, |script, _| match script {
        "404" => Outcome::Status(404),
        "panic" => Outcome::Panicked,
        "gone" => Outcome::Gone,
        "cut" => Outcome::Truncated,
        _ => Outcome::Stale,
    });
    let socket = running.connect();
    for (script, told) in [
        ("404", "status 404"),
        ("panic", "status 500"),
        ("gone", "gone"),
        ("cut", "status 500"),
        ("stale", "stale"),
    ] {
        write(&socket, &request(script, BodyPlan::None));
        assert_eq!(answer(&socket), [told]);
    }
    assert_eq!(answer(&socket), ["closed"], "after stale");
    let slot = running.board.slot(0).unwrap();
    assert_eq!(slot.state(), SlotState::Draining);
    assert!(running.server.activity().is_stale());
    running.stop();
}

#[test]
fn a_request_counts_until_its_last_bytes_go_out() {
    let running = Running::new(2, |script, host| {
        if script == "wait" {
            std::thread::sleep(Duration::from_millis(200));
        }
        let _ = send(host, true, &[b"x"], abi::SEND_END);
        Outcome::Handled
    });
    let (slow, quick) = (running.connect(), running.connect());
    write(&slow, &request("wait", BodyPlan::None));
    while running.busy() == 0 {
        std::thread::yield_now();
    }
    for _ in 0..20 {
        write(&quick, &request("x", BodyPlan::None));
        answer(&quick);
        assert_eq!(running.busy(), 1, "only the slow one");
    }
    answer(&slow);
    assert_eq!(running.busy(), 0);
    running.stop();
}

#[test]
fn a_send_that_may_not_wait_leaves_no_trace_where_it_would() {
    static BLOCKED: AtomicUsize = AtomicUsize::new(0);
    let running = Running::new(1, |_, host| {
        let block = [7; 20_000];
        assert_eq!(
            send(host, true, &[&[1; 100_000]], abi::SEND_TRY),
            Sent::WouldBlock
        );
        let mut sent = send(host, true, &[&block], abi::SEND_TRY);
        let mut count = 0;
        while sent == Sent::Ok {
            count += 1;
            sent = send(host, false, &[&block], abi::SEND_TRY);
        }
        assert_eq!(sent, Sent::WouldBlock);
        BLOCKED.store(count, Ordering::SeqCst);
        let _ = send(host, false, &[b"rest"], abi::SEND_END);
        Outcome::Handled
    });
    let socket = running.connect();
    write(&socket, &request("x", BodyPlan::None));
    while BLOCKED.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    let count = BLOCKED.load(Ordering::SeqCst);
    let seen = answer(&socket);
    assert_eq!(seen.len(), count + 3, "{seen:?}");
    assert!(seen[1..=count].iter().all(|frame| frame == "data 20000"));
    running.stop();
}

#[test]
fn a_child_that_takes_nothing_loses_its_connection_and_not_a_thread() {
    let running = Running::new(1, |script, host| {
        if script == "long" {
            let sent = send(host, true, &[&vec![0; 4_000_000]], abi::SEND_END);
            assert_eq!(sent, Sent::Failed);
            return Outcome::Truncated;
        }
        let _ = send(host, true, &[], abi::SEND_END);
        Outcome::Handled
    });
    let (deaf, other) = (running.connect(), running.connect());
    write(&deaf, &request("long", BodyPlan::None));
    write(&other, &request("x", BodyPlan::None));
    assert_eq!(answer(&other), ["head 200", "end"]);
    running.stop();
}

#[test]
fn a_child_that_is_gone_ends_the_sending() {
    let (entered, left) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let barriers = (Arc::clone(&entered), Arc::clone(&left));
    let running = Running::new(1, move |_, host| {
        barriers.0.wait();
        barriers.1.wait();
        assert_eq!(send(host, true, &[b"x"], 0), Sent::Gone);
        assert_eq!(send(host, false, &[b"x"], abi::SEND_END), Sent::Gone);
        assert_eq!(host.read(&mut [0; 8]), Err(ReadError::Gone));
        host.log(3, b"nobody hears");
        Outcome::Gone
    });
    let socket = running.connect();
    write(&socket, &request("x", BodyPlan::None));
    entered.wait();
    drop(socket);
    left.wait();
    running.stop();
}
