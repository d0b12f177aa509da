//! Who owns a row or a slot: a process, told apart from a later one with the same id by when it started.

use std::fs;
use std::sync::atomic::Ordering::SeqCst;

use rustix::io::Errno;
use rustix::process::{Pid, getpid, test_kill_process};

use super::cells::Row;
use super::{Scoreboard, claims, clock};

/// Rows are looked through so often at most, in milliseconds.
const SWEEP_EVERY: u64 = 200;

/// A process: its id, and when it started if that could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pid: u32,
    started: u32,
}

impl Owner {
    /// The calling process.
    pub(crate) fn own() -> Self {
        Self::of(getpid().as_raw_nonzero().get().unsigned_abs())
    }

    /// The process that has this id now.
    pub(crate) fn of(pid: u32) -> Self {
        // Without /proc the id alone has to do.
        let started = look(pid).map_or(0, |seen| seen.started);
        Self { pid, started }
    }

    /// The process that had this id when it started.
    pub(crate) fn known(pid: u32, started: u32) -> Self {
        Self { pid, started }
    }

    /// When it started; 0 if that could not be read.
    pub(crate) fn started(self) -> u32 {
        self.started
    }

    pub(super) fn pid(self) -> u32 {
        self.pid
    }

    fn pack(self) -> u64 {
        u64::from(self.started) << 32 | u64::from(self.pid)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
    pub(super) fn unpack(cell: u64) -> Self {
        Self {
            pid: cell as u32,
            started: (cell >> 32) as u32,
        }
    }

    /// Whether the process is certainly gone. A zombie is: its parent may take a second to notice, and nothing of it
    /// runs any more.
    pub(crate) fn is_dead(self) -> bool {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let Some(pid) = pid else {
            return true;
        };
        if test_kill_process(pid) == Err(Errno::SRCH) {
            return true;
        }
        // What cannot be read (no /proc, or other users' processes are hidden) proves nothing.
        look(self.pid).is_some_and(|seen| {
            seen.is_zombie || (self.started != 0 && seen.started != self.started)
        })
    }

    /// Whether the process certainly lives: what has its id is no other one.
    pub(crate) fn is_alive(self) -> bool {
        self.started != 0
            && look(self.pid).is_some_and(|seen| !seen.is_zombie && seen.started == self.started)
    }
}

/// What /proc says of a process.
struct Seen {
    is_zombie: bool,
    started: u32,
}

fn look(pid: u32) -> Option<Seen> {
    parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// Reads the third and the twenty-second word of a stat file. The second is a name in parentheses, with anything in it.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the low half tells processes apart"
)]
fn parse(stat: &[u8]) -> Option<Seen> {
    let end_of_name = stat.iter().rposition(|&byte| byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end_of_name + 1..)?).ok()?;
    let mut words = rest.split_ascii_whitespace();
    let state = words.next()?;
    let started: u64 = words.nth(18)?.parse().ok()?;
    Some(Seen {
        is_zombie: matches!(state, "Z" | "X" | "x"),
        started: started as u32,
    })
}

/// An Apache child that has sent requests, as it says itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Child {
    /// Its process id.
    pub pid: u32,
    /// Its requests that wait for a place.
    pub waiting: u32,
    /// Its requests that have one.
    pub assigned: u64,
}

impl Scoreboard {
    /// The children that have a row.
    pub fn children(&self) -> impl Iterator<Item = Child> {
        let layout = self.layout();
        self.rows().filter_map(move |row| {
            let owner = row.head.owner.load(SeqCst);
            (owner != 0).then(|| Child {
                pid: Owner::unpack(owner).pid,
                waiting: row.head.waiting.load(SeqCst).min(layout.waiters),
                assigned: self.assigned_by(&row),
            })
        })
    }

    /// Takes a row for the calling process: one that nobody has, else one of a dead owner.
    pub(crate) fn claim_row(&self, owner: Owner) -> Option<u32> {
        let rows = self.layout().rows;
        (0..rows)
            .find(|&index| self.claim(index, owner, |cell| cell == 0))
            .or_else(|| {
                (0..rows)
                    .find(|&index| self.claim(index, owner, |cell| Owner::unpack(cell).is_dead()))
            })
    }

    /// Gives a row back whose owner is done with it.
    pub(crate) fn release_row(&self, index: u32, owner: Owner) {
        let Some(row) = self.cells.row(index) else {
            return;
        };
        // If it is another's, the owner was taken for dead, and all was done.
        if row.head.owner.load(SeqCst) == owner.pack() {
            clear(&row);
            row.head.owner.store(0, SeqCst);
            self.wake_next();
        }
    }

    /// Clears the rows of children that are dead, and lets in who can then be let in. Returns how many it cleared.
    ///
    /// Children that wait do this, and the supervisor where a process is to end once it has no requests.
    pub fn sweep(&self) -> u32 {
        let owner = Owner::own();
        let mut swept = 0;
        for index in 0..self.rows_used() {
            let is_dead = |cell| cell != 0 && Owner::unpack(cell).is_dead();
            if self.has_traces(index) && self.claim(index, owner, is_dead) {
                self.release_row(index, owner);
                swept += 1;
            }
        }
        let counter = &self.cells.header().counters.rows_swept;
        counter.fetch_add(u64::from(swept), SeqCst);
        swept
    }

    /// As [`Self::sweep`], unless somebody just did.
    pub(crate) fn sweep_if_due(&self) {
        let cell = &self.cells.header().shared.swept;
        let (last, now) = (cell.load(SeqCst), clock::millis());
        // A moment in the future is garbage.
        let is_due = last > now || now - last >= SWEEP_EVERY;
        if is_due && cell.compare_exchange(last, now, SeqCst, SeqCst).is_ok() {
            self.sweep();
        }
    }

    /// Whether a row says anything that matters to others: asking the system about each idle child is not worth it.
    fn has_traces(&self, index: u32) -> bool {
        self.cells.row(index).is_some_and(|row| {
            row.head.waiting.load(SeqCst) > 0
                || row.assigned.iter().any(|cell| cell.load(SeqCst) as u32 > 0)
        })
    }

    /// Takes a row if `may` says so of it, and clears it. Whoever dies in the middle of this is the row's dead owner.
    fn claim(&self, index: u32, owner: Owner, may: impl Fn(u64) -> bool) -> bool {
        let Some(row) = self.cells.row(index) else {
            return false;
        };
        let before = row.head.owner.load(SeqCst);
        let is_ours = may(before)
            && row
                .head
                .owner
                .compare_exchange(before, owner.pack(), SeqCst, SeqCst)
                .is_ok();
        if is_ours {
            clear(&row);
            let used = &self.cells.header().shared.rows_used;
            used.fetch_max(index + 1, SeqCst);
        }
        is_ours
    }
}

/// Removes all that a child left.
fn clear(row: &Row<'_>) {
    for waiter in row.waiters {
        waiter.ticket.store(0, SeqCst);
        waiter.looked.store(0, SeqCst);
    }
    for cell in row.assigned {
        cell.store(0, SeqCst);
    }
    for cell in row.claims {
        claims::abandon(cell);
    }
    for cell in row.running {
        cell.clear();
    }
    row.head.waiting.store(0, SeqCst);
    row.head.waiters_used.store(0, SeqCst);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calling_process_lives_and_a_later_one_with_its_id_is_another() {
        let own = Owner::own();
        assert!(!own.is_dead() && own.is_alive());
        assert_ne!(own.started, 0);
        let earlier = Owner {
            started: own.started - 1,
            ..own
        };
        assert!(earlier.is_dead() && !earlier.is_alive());
        let unknown = Owner::known(own.pid, 0);
        assert!(!unknown.is_dead() && !unknown.is_alive());
        assert_eq!(Owner::unpack(own.pack()), own);
    }

    #[test]
    fn a_process_that_nobody_has_buried_is_dead() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let owner = Owner {
            pid: child.id(),
            started: 0,
        };
        let start = std::time::Instant::now();
        while !owner.is_dead() {
            assert!(start.elapsed().as_secs() < 10);
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(owner.is_dead());
    }

    #[test]
    fn ids_that_no_process_has_are_dead() {
        for pid in [0, u32::MAX, 1 << 31] {
            assert!(Owner { pid, started: 0 }.is_dead());
        }
    }

    #[test]
    fn a_name_with_parentheses_does_not_move_the_words() {
        let stat = b"7 (a) Z (b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4294967303 20";
        let seen = parse(stat).unwrap();
        assert_eq!((seen.is_zombie, seen.started), (false, 7));
        assert!(parse(b"7 (httpd) Z 1").is_none());
        assert!(parse(b"\xff\xff").is_none());
    }
}
