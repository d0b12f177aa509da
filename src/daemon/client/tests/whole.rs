//! Responses whose body is complete while their application still runs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};

use super::fake::{FakeGroup, page};
use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

/// A client that says when it was given the end of the response.
fn client() -> (FakeFront, Receiver<()>) {
    let (told, end) = channel();
    let mut front = FakeFront::new();
    front.tells_end = Some(told);
    (front, end)
}

fn whole(text: &[u8]) -> Vec<u8> {
    let mut out = page(text);
    push_whole(&mut out);
    out
}

/// What comes when the application is done.
fn last(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    push_log(&mut out, 3, line);
    push_end(&mut out);
    out
}

fn ask(group: &FakeGroup, front: &mut FakeFront) -> Ending {
    group.ask(front, BodyPlan::None, b"").unwrap()
}

#[test]
fn the_client_has_the_response_before_its_end_and_the_place_is_kept_until_then() {
    for size in [0, 5, 50_000] {
        let mut group = group(options());
        let (mut front, end) = client();
        let text = vec![b'x'; size];
        let to_send = whole(&text);
        let process = group.start(0, move |process| {
            process.request();
            process.say(&to_send);
            end.recv_timeout(PATIENCE).unwrap();
            let assigned = process.board.slot(0).unwrap().assigned();
            process.say(&last(b"closed"));
            process.frame();
            process.answer(b"two");
            assigned
        });
        assert_eq!(ask(&group, &mut front), Ending::Complete);
        assert!(front.got == text && front.ended && front.flushes == 0);
        assert_eq!(front.logs, [(3, b"closed".to_vec())]);
        assert_eq!(group.assigned(0), 0);
        // Over the same connection.
        let mut second = FakeFront::new();
        assert_eq!(ask(&group, &mut second), Ending::Complete);
        assert_eq!(second.got, b"two");
        assert_eq!(process.join().unwrap(), 1);
    }
}

#[test]
fn a_short_response_whose_application_is_done_by_then_goes_out_as_any_other() {
    let mut group = group(options());
    let process = group.start(0, |process| {
        process.request();
        let mut out = whole(b"short");
        out.extend(last(b"closed"));
        process.say(&out);
    });
    let mut front = FakeFront::new();
    front.room = Some(Box::new(|| panic!("a look at the client's room")));
    assert_eq!(ask(&group, &mut front), Ending::Complete);
    assert!(front.got == b"short" && front.ended && front.ends_now);
    process.join().unwrap();
}

#[test]
fn a_slow_client_is_given_a_whole_response_bit_by_bit() {
    let mut group = group(options());
    let (mut front, end) = client();
    let text = vec![b'x'; 60_000];
    let to_send = whole(&text);
    let process = group.start(0, move |process| {
        process.request();
        process.say(&to_send);
        end.recv_timeout(PATIENCE).unwrap();
        process.say(&last(b"closed"));
    });
    let looks = AtomicUsize::new(0);
    front.room = Some(Box::new(move || {
        match looks.fetch_add(1, Ordering::Relaxed) {
            0..3 => 0,
            _ => 20_000,
        }
    }));
    assert_eq!(ask(&group, &mut front), Ending::Complete);
    assert!(front.got == text && front.ended);
    process.join().unwrap();
}

#[test]
fn a_client_that_takes_nothing_does_not_keep_the_process() {
    let mut group = group(options());
    let (mut front, end) = client();
    let process = group.start(0, move |process| {
        process.request();
        process.say(&whole(&[b'x'; 50_000]));
        process.say(&last(b"closed"));
        end.recv_timeout(PATIENCE).unwrap();
        process.board.slot(0).unwrap().assigned()
    });
    front.room = Some(Box::new(|| 0));
    assert_eq!(ask(&group, &mut front), Ending::Complete);
    assert_eq!((front.got.len(), front.ends_now), (50_000, false));
    assert_eq!(process.join().unwrap(), 0, "given back before the client");
}

#[test]
fn what_happens_after_it_does_not_change_a_whole_response() {
    for more in [Vec::new(), page(b"again"), last(b"closed")[..20].to_vec()] {
        let mut group = group(options());
        let (mut front, end) = client();
        let process = group.start(0, move |process| {
            process.request();
            process.say(&whole(b"whole"));
            end.recv_timeout(PATIENCE).unwrap();
            process.say(&more);
            process.connection = None;
        });
        assert_eq!(ask(&group, &mut front), Ending::Complete);
        assert_eq!(front.got, b"whole");
        let (level, line) = front.logs.last().unwrap();
        let line = String::from_utf8_lossy(line);
        assert!(*level == 6 && line.contains("was not done"), "{line}");
        assert_eq!(group.assigned(0), 0);
        process.join().unwrap();
    }
}
