//! Requests that run, for people who ask what takes so long: since when, for which process, and their first line.
//!
//! A thread of an Apache child has a cell in the child's row and writes it before and after each request; nothing
//! depends on what is there.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::time::Duration;

use super::cells::{LINE_WORDS, RunningCell};
use super::owner::Owner;
use super::{Scoreboard, SlotRef, clock};

/// A request that runs, as a child says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// The Apache child.
    pub child: u32,
    /// The slot of the process that has it.
    pub slot: u32,
    /// For how long.
    pub since: Duration,
    /// The beginning of its first line.
    pub line: Vec<u8>,
}

/// A request's entry; dropped, the request is over.
#[derive(Debug)]
pub struct Entry<'b> {
    cell: &'b RunningCell,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.cell.started.store(0, Release);
    }
}

impl Scoreboard {
    /// Says that a request runs. Nothing is said where the row has no cell of that number.
    pub(crate) fn note_running(
        &self,
        row: u32,
        cell: u32,
        process: SlotRef,
        line: &[u8],
    ) -> Option<Entry<'_>> {
        let row = self.cells.row(row)?;
        let cell = row.running.get(cell as usize)?;
        let mut words = line.chunks(8);
        for word in &cell.line {
            let mut bytes = [0; 8];
            match words.next() {
                Some(part) => bytes[..part.len()].copy_from_slice(part),
                None => {
                    word.store(0, Relaxed);
                    break;
                }
            }
            word.store(u64::from_ne_bytes(bytes), Relaxed);
        }
        cell.slot.store(process.slot, Relaxed);
        cell.started.store(clock::nanos(), Release);
        Some(Entry { cell })
    }

    /// The requests that run, in no order.
    pub fn running(&self) -> impl Iterator<Item = Running> {
        let now = clock::nanos();
        self.rows().flat_map(move |row| {
            let child = Owner::unpack(row.head.owner.load(SeqCst)).pid();
            let cells = row.running.iter().filter(move |_| child != 0);
            cells.filter_map(move |cell| cell.read(child, now))
        })
    }
}

impl RunningCell {
    /// What it says; nothing where that changes meanwhile.
    fn read(&self, child: u32, now: u64) -> Option<Running> {
        let started = self.started.load(Acquire);
        if started == 0 {
            return None;
        }
        let mut line = Vec::with_capacity(LINE_WORDS * 8);
        for word in &self.line {
            let bytes = word.load(Acquire).to_ne_bytes();
            let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(8);
            line.extend_from_slice(&bytes[..end]);
            if end < 8 {
                break;
            }
        }
        let slot = self.slot.load(Acquire);
        (self.started.load(Acquire) == started).then(|| Running {
            child,
            slot,
            since: Duration::from_nanos(now.saturating_sub(started)),
            line,
        })
    }

    /// Forgets a request whose child is gone.
    pub(super) fn clear(&self) {
        if self.started.load(Relaxed) != 0 {
            self.started.store(0, Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Layout;
    use super::*;

    fn board() -> Scoreboard {
        let layout = Layout {
            slots: 2,
            rows: 2,
            waiters: 3,
        };
        Scoreboard::create(layout, "running").unwrap()
    }

    const PROCESS: SlotRef = SlotRef {
        slot: 1,
        incarnation: 1,
    };

    #[test]
    fn a_request_is_seen_while_it_runs_and_not_after_it() {
        let board = board();
        let row = board.claim_row(Owner::own()).unwrap();
        let entry = board.note_running(row, 2, PROCESS, b"GET /a HTTP/1.1");
        let other = board.note_running(row, 0, PROCESS, &[b'x'; 500]);
        let mut seen: Vec<_> = board.running().collect();
        seen.sort_by_key(|running| running.line.len());
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0].line, b"GET /a HTTP/1.1");
        assert_eq!((seen[0].slot, seen[0].child), (1, std::process::id()));
        assert!(seen[0].since < Duration::from_secs(60));
        assert_eq!(seen[1].line, [b'x'; LINE_WORDS * 8]);
        drop(entry);
        assert_eq!(board.running().count(), 1);
        drop(other);
        assert_eq!(board.running().count(), 0);
    }

    #[test]
    fn a_shorter_line_leaves_nothing_of_a_longer_one() {
        let board = board();
        let row = board.claim_row(Owner::own()).unwrap();
        drop(board.note_running(row, 0, PROCESS, b"GET /a/long/one HTTP/1.1"));
        for line in [&b"GET /abc"[..], b"GET /b", b""] {
            let entry = board.note_running(row, 0, PROCESS, line);
            assert_eq!(board.running().next().unwrap().line, line);
            drop(entry);
        }
    }

    #[test]
    fn a_cell_that_is_not_there_and_a_row_that_is_given_back_say_nothing() {
        let board = board();
        let owner = Owner::own();
        let row = board.claim_row(owner).unwrap();
        assert!(board.note_running(row, 3, PROCESS, b"x").is_none());
        let entry = board.note_running(row, 1, PROCESS, b"x").unwrap();
        board.release_row(row, owner);
        assert_eq!(board.running().count(), 0);
        drop(entry);
    }
}
