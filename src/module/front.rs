//! An Apache request as the client of a daemon process: its response goes through httpd's filters, its body comes from
//! them, without waiting.

use std::ffi::CString;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rsgi_bridge::abi::level;
use rsgi_core::wire::{BodyOutcome, HeadFrame};
use rsgi_daemon::client::{self, BodyPiece, Front, HeadAction, MemoryFile, Passing};

use super::{head, server_metrics};
use crate::apr::{Block, FilePart, fault};
use crate::httpd::{Body, BodyError, Delivery, Request, Response};

/// Bytes of headers that httpd adds, at most.
const HEAD_ROOM: usize = 4096;

/// What is answered in place of an application's response.
#[derive(Debug)]
pub(super) enum Replaced {
    /// httpd's page for the status (`WSGIErrorOverride`).
    ErrorPage(u16),
    /// Another URI of this server: the application said 200 and a Location without a scheme.
    Redirect(CString),
}

/// The part of a streamed body that was read before it was asked for.
#[derive(Debug, Default)]
pub(super) enum Prefix {
    /// Nothing.
    #[default]
    None,
    /// A little.
    Memory(Vec<u8>),
    /// Much, and how many bytes of it were given.
    File(MemoryFile, u64),
}

/// One request while a process answers it.
pub(super) struct ApacheFront<'r> {
    request: Request<'r>,
    response: Response<'r>,
    /// The body, as far as it was not taken in before.
    pub(super) body: Body<'r>,
    pub(super) prefix: Prefix,
    may_sendfile: bool,
    overrides_errors: bool,
    /// The longest line of a header that is passed on (`header-buffer-size`).
    longest_header: usize,
    is_committed: bool,
    pub(super) replaced: Option<Replaced>,
    /// Bytes of status and headers that go out with the next piece.
    head_room: usize,
}

impl<'r> ApacheFront<'r> {
    /// For a request of which nothing was read and for which nothing was sent.
    pub(super) fn new(
        request: Request<'r>,
        may_sendfile: bool,
        overrides_errors: bool,
        longest_header: u32,
    ) -> Option<Self> {
        Some(Self {
            request,
            response: Response::new(request)?,
            body: Body::new(request),
            prefix: Prefix::None,
            may_sendfile,
            overrides_errors,
            longest_header: usize::try_from(longest_header).unwrap_or(usize::MAX),
            is_committed: false,
            replaced: None,
            head_room: 0,
        })
    }

    /// Lets no write wait for the client for longer than that.
    pub(super) fn limit_waits(&mut self, patience: Duration) {
        self.response.limit_waits(patience);
    }

    /// Whether status and headers went out.
    pub(super) fn is_committed(&self) -> bool {
        self.is_committed
    }

    /// Ends a response that cannot be completed, so that the client notices.
    pub(super) fn cut(&mut self) {
        self.response.cut();
    }

    /// What is to be answered in place of this response, if anything.
    fn replacement(&self, frame: &HeadFrame<'_>) -> Option<Replaced> {
        // `Name: value`, and the end of the line.
        let is_long =
            |(name, value): &(&[u8], &[u8])| name.len() + value.len() + 4 > self.longest_header;
        if let Some((name, value)) = frame.headers().find(is_long) {
            let text = format!(
                "RSGI0144: the header `{}` of the application has {} bytes, and header-buffer-size={} lets no longer line \
                 through",
                name.escape_ascii(),
                value.len(),
                self.longest_header
            );
            self.request.log(level::ERROR, text.as_bytes());
            return Some(Replaced::ErrorPage(500));
        }
        if self.overrides_errors && (400..600).contains(&frame.status) {
            return Some(Replaced::ErrorPage(frame.status));
        }
        if frame.status != 200 {
            return None;
        }
        let location = frame
            .headers()
            .find(|(name, _)| name.eq_ignore_ascii_case(b"Location"))
            .map(|(_, value)| value)
            .filter(|value| value.starts_with(b"/"))?;
        CString::new(location).ok().map(Replaced::Redirect)
    }

    fn read_prefix(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, BodyOutcome> {
        match &mut self.prefix {
            Prefix::None => Ok(None),
            Prefix::Memory(bytes) => {
                let count = bytes.len().min(buffer.len());
                buffer[..count].copy_from_slice(&bytes[..count]);
                bytes.drain(..count);
                Ok((count > 0).then_some(count))
            }
            Prefix::File(file, given) => {
                let read = file.read_at(buffer, *given);
                let count = read.map_err(|_| BodyOutcome::Failed)?;
                *given += count as u64;
                Ok((count > 0).then_some(count))
            }
        }
    }
}

/// The process's name for it.
pub(super) fn outcome(error: BodyError) -> BodyOutcome {
    match error {
        BodyError::Gone => BodyOutcome::Gone,
        BodyError::Timeout => BodyOutcome::Timeout,
        BodyError::TooLarge => BodyOutcome::TooLarge,
        BodyError::Bad => BodyOutcome::Bad,
    }
}

fn delivery(delivery: Delivery) -> client::Delivery {
    match delivery {
        Delivery::Taken => client::Delivery::Taken,
        Delivery::Gone => client::Delivery::Gone,
        Delivery::Silent => client::Delivery::Silent,
        Delivery::Failed => client::Delivery::Failed,
    }
}

impl Front for ApacheFront<'_> {
    fn head(&mut self, frame: &HeadFrame<'_>) -> HeadAction {
        fault("head");
        self.replaced = self.replacement(frame);
        if self.replaced.is_some() {
            // httpd's page keeps what survives errors.
            for (name, value) in frame
                .headers()
                .filter(|(name, _)| head::survives_errors(name))
            {
                self.response.add_header(name, value, true);
            }
            return HeadAction::Drop;
        }
        self.is_committed = true;
        self.head_room = frame
            .headers()
            .map(|(name, value)| name.len() + value.len() + 4)
            .sum::<usize>()
            + HEAD_ROOM;
        head::commit(
            &mut self.response,
            frame.status,
            frame.line,
            frame.headers(),
            frame.content_length,
        );
        HeadAction::Pass
    }

    fn room(&mut self) -> Option<usize> {
        let space = self.response.space()?;
        Some(space.saturating_sub(self.head_room))
    }

    fn send(&mut self, blocks: &[&[u8]], passing: Passing) -> client::Delivery {
        fault("send");
        self.head_room = 0;
        delivery(self.response.send(
            blocks.iter().copied(),
            passing != Passing::More,
            passing == Passing::EndNow,
        ))
    }

    fn send_file(
        &mut self,
        file: BorrowedFd<'_>,
        offset: u64,
        length: u64,
        passing: Passing,
    ) -> client::Delivery {
        fault("send_file");
        self.head_room = 0;
        let part = FilePart {
            file,
            offset,
            length,
            sendfile: self.may_sendfile,
            may_map: false,
        };
        delivery(self.response.send_file(
            &part,
            passing != Passing::More,
            passing == Passing::EndNow,
        ))
    }

    fn flush(&mut self) -> client::Delivery {
        delivery(self.response.flush())
    }

    fn log(&mut self, level: u8, text: &[u8]) {
        self.request.log(level.into(), text);
    }

    fn log_at(&mut self, level: u8, text: &[u8], source: &[u8], line: u32) {
        self.request.log_at(level.into(), text, source, line);
    }

    fn server_metrics(&mut self) -> Option<String> {
        server_metrics::text()
    }

    fn read_body(&mut self, buffer: &mut [u8]) -> Result<BodyPiece, BodyOutcome> {
        fault("read");
        if let Some(count) = self.read_prefix(buffer)? {
            return Ok(BodyPiece::Bytes(count));
        }
        if self.request.expects_continue() {
            self.request.tell_to_continue();
        }
        match self.body.read(buffer, Block::Try).map_err(outcome)? {
            0 if self.body.is_complete() => Ok(BodyPiece::End),
            0 => Ok(BodyPiece::NotYet),
            count => Ok(BodyPiece::Bytes(count)),
        }
    }

    fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.request.client_socket()
    }
}
