//! Tells the group's scoreboard which requests this child has on their way: a cell of the child's row for each thread.

use std::cell::OnceCell;

use parking_lot::Mutex;

use super::group::GroupHandle;
use crate::scoreboard::{Entry, SlotRef};

/// Numbers for threads: those that ended threads gave back, and the first that nobody ever had.
static NUMBERS: Mutex<(Vec<u32>, u32)> = Mutex::new((Vec::new(), 0));

thread_local! {
    static NUMBER: OnceCell<Number> = const { OnceCell::new() };
}

/// A thread's number; mod_http2's threads come and go.
#[derive(Debug)]
struct Number(u32);

impl Number {
    fn take() -> Self {
        let mut numbers = NUMBERS.lock();
        if let Some(number) = numbers.0.pop() {
            return Self(number);
        }
        let number = numbers.1;
        numbers.1 = number.saturating_add(1);
        Self(number)
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        NUMBERS.lock().0.push(self.0);
    }
}

impl GroupHandle {
    /// Says that a request runs in a process, until the answer is dropped; with more threads than the scoreboard knows
    /// of, nothing is said.
    pub fn note_running(&self, process: SlotRef, line: &[u8]) -> Option<Entry<'_>> {
        let row = self.member().ok()?.admission.row();
        let number = NUMBER
            .try_with(|number| number.get_or_init(Number::take).0)
            .ok()?;
        self.board.note_running(row, number, process, line)
    }
}
