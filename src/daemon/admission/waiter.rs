//! A request in the queue: its cell in the row, from entering to leaving.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use rustix::io::Errno;
use rustix::thread::futex;

use super::Admission;
use crate::scoreboard::{AWAKE, Key, Row, SLEEPING, WaiterCell, clock};

/// A place in the queue; dropped, the request has left it.
pub(super) struct Waiter<'a> {
    admission: &'a Admission,
    key: Key,
}

impl<'a> Waiter<'a> {
    /// Enters with a cell that no other thread uses, and gives it back at the end.
    pub(super) fn enter(admission: &'a Admission, cell: u32, ticket: u64) -> Self {
        let row = admission.row;
        let key = Key { ticket, row, cell };
        let waiter = Self { admission, key };
        if let Some((row, _)) = waiter.cells() {
            row.head.waiters_used.fetch_max(cell + 1, SeqCst);
            row.head.waiting.fetch_add(1, SeqCst);
        }
        waiter
    }

    pub(super) fn key(&self) -> Key {
        self.key
    }

    /// Says that it is going to sleep. What is looked at after this and does not let it in is going to wake it when it
    /// changes.
    #[expect(clippy::cast_possible_truncation, reason = "differences count")]
    pub(super) fn look(&self) {
        let Some((_, cell)) = self.cells() else {
            return;
        };
        cell.looked.store(clock::millis() as u32, SeqCst);
        // Each time: whoever overwrote it costs us no more than a tick.
        cell.ticket.store(self.key.ticket, SeqCst);
        cell.sleep.store(SLEEPING, SeqCst);
        self.admission.board.set_queued();
    }

    /// Sleeps until it is woken; false when nobody did in time.
    pub(super) fn sleep(&self, limit: Duration) -> bool {
        let Some((_, cell)) = self.cells() else {
            return false;
        };
        let limit = clock::timespec(limit);
        let woken = futex::wait(&cell.sleep, futex::Flags::empty(), SLEEPING, Some(&limit));
        // Interrupted, or woken before it slept: it looks again, as when it was woken.
        woken != Err(Errno::TIMEDOUT)
    }

    fn cells(&self) -> Option<(Row<'a>, &'a WaiterCell)> {
        let row = self.admission.board.row(self.key.row)?;
        let cell = row.waiters.get(self.key.cell as usize)?;
        Some((row, cell))
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if let Some((row, cell)) = self.cells() {
            cell.ticket.store(0, SeqCst);
            cell.sleep.store(AWAKE, SeqCst);
            let one_less = |waiting: u32| waiting.checked_sub(1);
            // 0 is garbage here, and stays 0.
            let _ = row.head.waiting.fetch_update(SeqCst, SeqCst, one_less);
        }
        self.admission.cells.lock().push(self.key.cell);
        self.admission.freed.notify_one();
        // A place that became free while this one went through was not offered to those behind it.
        self.admission.board.wake_next();
    }
}
