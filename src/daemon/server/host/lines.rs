//! Lines of a request for the log: by its connection, or past it.

use super::FrameHost;
use crate::log;
use crate::server::outbox::{AT_ONCE, Unsent};
use crate::sys::fork;
use crate::sys::socket::Waiting;

impl FrameHost<'_> {
    /// Logs a line by the frame that `push` makes, or, where that cannot be sent at once, by the supervisor's pipe.
    pub(super) fn log_by(&mut self, level: u32, text: &[u8], push: impl FnOnce(&mut Vec<u8>, u8)) {
        let level = u8::try_from(level).unwrap_or(15);
        if level > self.log_level {
            return;
        }
        let mark = self.out.frames.len();
        // Behind the end it would be found by the connection's next request.
        if self.is_broken || self.is_ended || mark > AT_ONCE || fork::is_forked() {
            return log::line(level, text);
        }
        push(&mut self.out.frames, level);
        match self.send_rest(Waiting::Never) {
            Ok(()) => {}
            Err(Unsent::WouldBlock) => {
                self.out.frames.truncate(mark);
                log::line(level, text);
            }
            Err(error) => {
                let _ = self.fail(&error);
                log::line(level, text);
            }
        }
    }
}
