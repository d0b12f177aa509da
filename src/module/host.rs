//! An Apache request as the Python layer's host: its response goes through httpd's filters, its body comes from them.

use std::os::fd::BorrowedFd;

use rsgi_bridge::abi::level;
use rsgi_bridge::host::{Blocks, HeadView, ReadError, RequestHost, SendFlags, Sent};
use rsgi_daemon::client::FILTERS;

use super::handler::log;
use super::head;
use crate::apr::{Block, FilePart, fault};
use crate::httpd::{Body, BodyError, Delivery, Request, Response};

/// Bytes of headers that httpd adds, at most, beside those that the application gave: what a send that must not
/// wait leaves room for.
const HEAD_ROOM: usize = 4096;

/// One request while an application runs for it.
pub(super) struct ApacheHost<'r> {
    request: Request<'r>,
    response: Response<'r>,
    body: Body<'r>,
    is_committed: bool,
    may_sendfile: bool,
    /// Whether nothing but the network can make a piece wait; found out when that is first asked.
    is_prompt: Option<bool>,
}

impl<'r> ApacheHost<'r> {
    /// A host for a request of which nothing was read and for which nothing was sent; `may_sendfile` is
    /// `WSGIEnableSendfile`.
    pub(super) fn new(request: Request<'r>, may_sendfile: bool) -> Option<Self> {
        let response = Response::new(request)?;
        Some(Self {
            request,
            response,
            body: Body::new(request),
            is_committed: false,
            may_sendfile,
            is_prompt: None,
        })
    }

    /// Whether status and headers went out.
    pub(super) fn is_committed(&self) -> bool {
        self.is_committed
    }

    /// Reads what is there of a body of `length` bytes without waiting, for the application to find it in memory.
    pub(super) fn read_ahead(&mut self, length: usize) -> Vec<u8> {
        let mut buffer = vec![0; length];
        let mut filled = 0;
        while filled < length {
            match self.body.read(&mut buffer[filled..], Block::Try) {
                Ok(0) | Err(_) => break,
                Ok(count) => filled += count,
            }
        }
        buffer.truncate(filled);
        buffer
    }

    /// Whether all of the body was read.
    pub(super) fn body_is_complete(&self) -> bool {
        self.body.is_complete()
    }

    /// Ends a response that cannot be completed, so that the client notices.
    pub(super) fn cut(&mut self) {
        self.response.cut();
    }

    /// Gives status and headers to httpd.
    fn commit(&mut self, head: HeadView<'_>) {
        self.is_committed = true;
        head::commit(
            &mut self.response,
            head.status(),
            head.line(),
            head.headers(),
            head.content_length(),
        );
    }

    /// What the layer is told of it. It sends nothing more where that failed.
    fn sent(&self, delivery: Delivery) -> Sent {
        match delivery {
            Delivery::Taken => Sent::Ok,
            Delivery::Gone | Delivery::Silent => Sent::Gone,
            Delivery::Failed => {
                let line =
                    format!("RSGI0308: a filter of httpd's did not take the response: {FILTERS}");
                log(self.request, level::ERROR, &line);
                Sent::Failed
            }
        }
    }

    /// Whether a piece that is sent now may have to wait: for the client, or for a filter, which may also run another
    /// request on this thread.
    fn would_wait(&mut self, head: Option<HeadView<'_>>, length: usize) -> bool {
        let response = &self.response;
        if !*self.is_prompt.get_or_insert_with(|| response.is_prompt()) {
            return true;
        }
        let head: usize = head.map_or(0, |head| {
            head.headers()
                .map(|(name, value)| name.len() + value.len() + 4)
                .sum::<usize>()
                + HEAD_ROOM
        });
        self.response.room() < head.saturating_add(length)
    }
}

impl RequestHost for ApacheHost<'_> {
    fn send(&mut self, head: Option<HeadView<'_>>, blocks: Blocks<'_>, flags: SendFlags) -> Sent {
        fault("send");
        if flags.is_try() && self.would_wait(head, blocks.total()) {
            return Sent::WouldBlock;
        }
        if let Some(head) = head {
            self.commit(head);
        }
        let delivery = self
            .response
            .send(blocks.iter(), flags.is_end(), flags.is_flush());
        self.sent(delivery)
    }

    fn send_file(
        &mut self,
        head: Option<HeadView<'_>>,
        file: BorrowedFd<'_>,
        offset: u64,
        length: u64,
        flags: SendFlags,
    ) -> Sent {
        fault("send_file");
        if let Some(head) = head {
            self.commit(head);
        }
        let part = FilePart {
            file,
            offset,
            length,
            sendfile: self.may_sendfile,
            may_map: true,
        };
        let delivery = self.response.send_file(&part, flags.is_end(), true);
        self.sent(delivery)
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        fault("read");
        self.body
            .read(buffer, Block::Wait)
            .map_err(|error| match error {
                BodyError::Gone => ReadError::Gone,
                BodyError::Timeout => ReadError::Timeout,
                BodyError::TooLarge => ReadError::TooLarge,
                BodyError::Bad => ReadError::Bad,
            })
    }

    fn log(&mut self, level: u32, text: &[u8]) {
        self.request.log(level, text);
    }

    fn log_enabled(&mut self, level: u32) -> bool {
        self.request.is_logged(level)
    }

    fn log_at(&mut self, level: u32, text: &[u8], source: &[u8], line: u32) {
        self.request.log_at(level, text, source, line);
    }

    fn is_https(&mut self) -> bool {
        self.request.is_https()
    }

    fn variable(&mut self, name: &[u8]) -> Option<&[u8]> {
        self.request.ssl_variable(name)
    }
}
