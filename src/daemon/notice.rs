//! What a process asks its Apache child about httpd as a whole: an answer through a socket of its own.
//!
//! The process sends one end along with its question and reads from the other. The answer has its length before it, so
//! that it is whole whoever else has got the end that it goes into. Neither side waits for long for the other.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::sys::socket::{Interest, Waiting, recv_with_fds, send_with_fds, wait_for};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// More than any httpd has to tell.
const MOST: usize = 64 * 1024 * 1024;

/// Gives an answer. The descriptor is whatever a process sent; where it takes nothing the answer is lost.
pub(crate) fn give(place: &OwnedFd, text: &[u8]) {
    // A length beyond u32 is more than is taken.
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut slices = [IoSlice::new(&length), IoSlice::new(text)];
    let mut rest = &mut slices[..];
    let end = Instant::now() + PATIENCE;
    while rest.iter().any(|slice| !slice.is_empty()) {
        match send_with_fds(place.as_fd(), rest, &[], Waiting::Never) {
            Ok(count) => IoSlice::advance_slices(&mut rest, count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let left = end.saturating_duration_since(Instant::now());
                let waited = wait_for(place.as_fd(), Interest::Writable, left);
                if left.is_zero() || !waited.unwrap_or(false) {
                    return;
                }
            }
            // It is closed, or no socket.
            Err(_) => return,
        }
    }
}

/// Takes the answer to a question; none where there is none, or it does not come in time.
pub(crate) fn take(place: &OwnedFd) -> Option<String> {
    let end = Instant::now() + 2 * PATIENCE;
    let length = u32::from_le_bytes(receive(place, 4, end)?.try_into().ok()?) as usize;
    if length == 0 || length > MOST {
        return None;
    }
    String::from_utf8(receive(place, length, end)?).ok()
}

fn receive(place: &OwnedFd, length: usize, end: Instant) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match recv_with_fds(place.as_fd(), &mut bytes[filled..], Waiting::Never) {
            Ok(received) if received.bytes == 0 => return None,
            Ok(received) => filled += received.bytes,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let left = end.saturating_duration_since(Instant::now());
                let is_there = wait_for(place.as_fd(), Interest::Readable, left);
                if left.is_zero() || !is_there.unwrap_or(false) {
                    return None;
                }
            }
            Err(_) => return None,
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::socket::stream_pair;

    #[test]
    fn an_answer_is_taken_whole_while_the_other_end_stays_open() {
        let (own, other) = stream_pair().unwrap();
        let text = "x".repeat(1_000_000);
        let given = text.clone();
        let giver = std::thread::spawn(move || {
            give(&other, given.as_bytes());
            other
        });
        assert_eq!(take(&own).as_deref(), Some(&*text));
        drop(giver.join().unwrap());
        assert_eq!(take(&own), None, "closed");
    }

    #[test]
    fn no_answer_is_an_empty_one_and_nobody_waits_for_long() {
        let (own, other) = stream_pair().unwrap();
        give(&other, b"");
        assert_eq!(take(&own), None);
        let begun = Instant::now();
        give(&other, &vec![b'x'; 8_000_000]);
        assert!(begun.elapsed() < 20 * PATIENCE);
        // A file is no socket.
        let file = std::fs::File::open("/dev/null").unwrap();
        give(&file.into(), b"text");
    }
}
