//! What the Python layer asks of the host of a request.

use std::os::fd::{AsFd, BorrowedFd};

use rsgi_bridge::host::{Blocks, HeadView, ReadError, RequestHost, SendFlags, Sent};
use rsgi_core::wire;

use super::blocks::push_blocks;
use super::{COPIED, FrameHost, push_last};
use crate::log;
use crate::notice;
use crate::server::outbox::AT_ONCE;
use crate::sys::fork;
use crate::sys::socket::{Waiting, stream_pair};

const fn waiting(flags: SendFlags) -> Waiting {
    if flags.is_try() {
        Waiting::Never
    } else {
        Waiting::Allowed
    }
}

impl RequestHost for FrameHost<'_> {
    fn send(&mut self, head: Option<HeadView<'_>>, blocks: Blocks<'_>, flags: SendFlags) -> Sent {
        leave_if_forked();
        if self.is_broken {
            return Sent::Gone;
        }
        let now = self.touch();
        let mark = self.out.frames.len();
        let total = blocks.total();
        if flags.is_try() && mark.saturating_add(total) > AT_ONCE {
            return Sent::WouldBlock;
        }
        let is_first = head.is_some();
        if let Err(failed) = self.begin(head) {
            return failed;
        }
        if flags.is_end() && !flags.is_running() {
            self.uncount(Some(now));
        }
        let sent = if total > COPIED && !flags.is_try() {
            self.send_long(blocks, flags)
        } else {
            push_blocks(&mut self.out.frames, blocks, total);
            push_last(&mut self.out.frames, flags);
            self.transmit(mark, &[], &[], waiting(flags))
        };
        if sent == Sent::Ok {
            self.is_committed |= is_first;
            self.is_whole |= flags.is_end() && flags.is_running();
            self.is_ended |= flags.is_end() && !flags.is_running();
        }
        sent
    }

    fn send_file(
        &mut self,
        head: Option<HeadView<'_>>,
        file: BorrowedFd<'_>,
        offset: u64,
        length: u64,
        flags: SendFlags,
    ) -> Sent {
        leave_if_forked();
        if self.is_broken {
            return Sent::Gone;
        }
        if flags.is_try() {
            return Sent::WouldBlock;
        }
        let now = self.touch();
        let is_first = head.is_some();
        if let Err(failed) = self.begin(head) {
            return failed;
        }
        let mut sent = self.transmit(0, &[], &[], Waiting::Allowed);
        if sent == Sent::Ok && length > 0 {
            self.is_committed |= is_first;
            sent = self.transmit_alone(file, |frames| wire::push_file(frames, offset, length));
        }
        if sent == Sent::Ok && flags.is_end() {
            self.uncount(Some(now));
            wire::push_end(&mut self.out.frames);
            sent = self.transmit(0, &[], &[], Waiting::Allowed);
        }
        if sent == Sent::Ok {
            self.is_committed |= is_first;
            self.is_ended |= flags.is_end();
        }
        sent
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        if fork::is_forked() {
            return Err(ReadError::Failed);
        }
        self.touch();
        if self.is_broken {
            return Err(ReadError::Gone);
        }
        if self.body.is_stream() {
            self.body.ask(&mut self.out.frames);
            if let Err(error) = self.send_rest(Waiting::Allowed) {
                let _ = self.fail(&error);
                return Err(ReadError::Gone);
            }
        }
        let patience = self.seat.server.settings.read_timeout();
        let read = self.body.read(self.connection.socket(), buffer, patience);
        self.is_broken |= self.body.is_broken();
        read
    }

    fn log(&mut self, level: u32, text: &[u8]) {
        self.log_by(level, text, |frames, level| {
            wire::push_log(frames, level, text);
        });
    }

    fn log_enabled(&mut self, level: u32) -> bool {
        level <= self.log_level.into()
    }

    fn log_at(&mut self, level: u32, text: &[u8], source: &[u8], line: u32) {
        self.log_by(level, text, |frames, level| {
            wire::push_log_at(frames, level, (source, line), text);
        });
    }

    fn server_metrics(&mut self) -> Option<String> {
        if self.is_broken || self.is_ended || fork::is_forked() {
            return None;
        }
        let (own, other) = stream_pair().ok()?;
        if self.transmit(0, &[], &[], Waiting::Allowed) != Sent::Ok
            || self.transmit_alone(other.as_fd(), wire::push_ask_server) != Sent::Ok
        {
            return None;
        }
        drop(other);
        notice::take(&own)
    }
}

/// A process that the application forked, and that comes back from it, would answer the same request once more, and count
/// in memory that is shared: it ends here.
pub(super) fn leave_if_forked() {
    if fork::is_forked() {
        log::warn(format_args!(
            "RSGI0446: process {}, which an application forked, came back from it and is ended: end it there, with os._exit()",
            std::process::id()
        ));
        fork::leave();
    }
}
