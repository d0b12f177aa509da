//! What of an exchange is behind its lock: the host, the head, and how far the response has got.

#![deny(unsafe_code)]

use std::time::Instant;

use rsgi_bridge::abi::{self, Bytes, Head, Header, level};
use rsgi_core::header::HeadBuffer;
use rsgi_core::input::BodyReader;
use rsgi_core::response::{Body, Ending, head_length};
use smallvec::SmallVec;

use super::Refusal;
use super::body::ReadFailure;
use crate::entry::{HostRef, Prefix, RequestRef, RequestView};
use crate::meter::Meter;
use crate::report;

/// The state behind the lock.
#[derive(Default)]
pub(crate) struct Inner {
    pub(super) host: Option<HostRef>,
    pub(super) is_sealed: bool,
    pub(super) prefix: Prefix,
    pub(super) is_body_complete: bool,
    pub(super) reader: BodyReader<ReadFailure>,
    pub(super) head: HeadBuffer,
    pub(super) spare: HeadBuffer,
    pub(super) body: Option<Body>,
    is_head: bool,
    is_ended: bool,
    pub(super) is_gone: bool,
    pub(super) has_failed: bool,
    pub(super) script: Vec<u8>,
    /// The request, while there is a host.
    request: Option<RequestRef>,
    /// What is counted, where somebody wants to know.
    pub(super) meter: Option<Meter>,
}

/// What is sent when the application is done.
pub(crate) enum Outgoing<'a> {
    /// Blocks, as one unit.
    Blocks(&'a [Bytes], Option<u64>),
    /// Part of a file.
    File {
        /// The descriptor.
        fd: i32,
        /// Where it begins.
        offset: u64,
        /// Bytes from there to the end of the file.
        available: u64,
    },
}

impl Inner {
    pub(super) fn begin(&mut self, request: &RequestView<'_>, host: HostRef) {
        self.host = Some(host);
        self.is_sealed = false;
        self.prefix = request.prefix();
        self.is_body_complete = request.has(abi::REQUEST_BODY_COMPLETE);
        self.reader.reset();
        self.head.clear();
        self.body = None;
        self.is_head = request.has(abi::REQUEST_HEAD);
        self.is_ended = false;
        self.is_gone = false;
        self.has_failed = false;
        self.script.clear();
        self.script.extend_from_slice(request.target.script);
        self.request = Some(request.to_ref());
        self.meter = None;
    }

    /// The request's id by httpd; none where it has none or is over.
    pub(super) fn request_id(&self) -> Option<Vec<u8>> {
        self.usable()?;
        self.request?.id()
    }

    pub(super) fn usable(&self) -> Option<HostRef> {
        self.host.filter(|_| !self.is_sealed)
    }

    fn new_body(&self, declared: Option<u64>) -> Body {
        Body::new(self.head.status(), declared, self.is_head)
    }

    /// Gives `body` to the host with the head when that has not gone out, and takes in the host's answer.
    fn pass(
        &mut self,
        host: HostRef,
        body: Body,
        known: Option<u64>,
        flags: u32,
        send: impl FnOnce(&HostRef, Option<&Head>) -> i32,
    ) -> i32 {
        let begun = self.meter.is_some().then(Instant::now);
        let code = if self.body.is_some() {
            send(&host, None)
        } else {
            let headers: SmallVec<[Header; 8]> = self
                .head
                .headers()
                .map(|(name, value)| Header {
                    name: Bytes::new(name),
                    value: Bytes::new(value),
                })
                .collect();
            let length = head_length(self.head.status(), self.head.content_length(), known);
            let head = Head {
                status: u32::from(self.head.status()),
                line: Bytes::new(self.head.line()),
                headers: headers.as_ptr(),
                count: headers.len(),
                content_length: length.and_then(|n| i64::try_from(n).ok()).unwrap_or(-1),
            };
            send(&host, Some(&head))
        };
        if let (Some(begun), Some(meter)) = (begun, &mut self.meter) {
            meter.output.add(begun, 0, 0);
        }
        match code {
            abi::SEND_WOULD_BLOCK => return code,
            abi::SEND_OK => self.is_ended |= flags & abi::SEND_END != 0,
            abi::SEND_GONE => self.is_gone = true,
            _ => self.has_failed = true,
        }
        self.body = Some(body);
        code
    }

    /// Sends one block at once.
    pub(super) fn emit(&mut self, block: &[u8], extra: u32) -> Result<bool, Refusal> {
        let host = self.usable().ok_or(Refusal::Sealed)?;
        self.check()?;
        if self.head.is_empty() {
            return Err(Refusal::NotStarted);
        }
        let mut body = self
            .body
            .unwrap_or_else(|| self.new_body(self.head.content_length()));
        let taken = body.take(block.len());
        if self.is_ended || (taken.send == 0 && self.body.is_some() && !taken.is_last) {
            return Ok(true);
        }
        let block = [Bytes::new(&block[..taken.send])];
        let blocks = &block[..usize::from(taken.send > 0)];
        let mut flags = extra;
        if taken.send > 0 {
            flags |= abi::SEND_FLUSH;
        }
        if taken.is_last {
            flags |= abi::SEND_FLUSH | abi::SEND_END | abi::SEND_RUNNING;
        }
        let code = self.pass(host, body, None, flags, |host, head| {
            host.send(head, blocks, flags)
        });
        if code == abi::SEND_WOULD_BLOCK {
            return Ok(false);
        }
        self.count_output(blocks.len(), taken.send);
        self.check().map(|()| true)
    }

    fn count_output(&mut self, blocks: usize, bytes: usize) {
        if let Some(meter) = &mut self.meter {
            meter.output.count += blocks as u64;
            meter.output.bytes += bytes as u64;
        }
    }

    fn check(&self) -> Result<(), Refusal> {
        match (self.is_gone, self.has_failed) {
            (true, _) => Err(Refusal::Gone),
            (_, true) => Err(Refusal::Failed),
            _ => Ok(()),
        }
    }

    /// Forgets the host.
    pub(super) fn close(&mut self) {
        self.host = None;
        self.request = None;
        self.is_sealed = true;
        self.prefix = Prefix::EMPTY;
    }

    /// Sends what is left and the end; the result of `handle`, none where nothing was done because it would wait.
    pub(super) fn finish(&mut self, outgoing: &Outgoing<'_>, extra: u32) -> Option<i32> {
        let Some(host) = self.host else {
            return Some(abi::HANDLED_TRUNCATED);
        };
        if !self.is_ended && self.check().is_ok() {
            let code = match outgoing {
                Outgoing::Blocks(blocks, known) => self.finish_blocks(host, blocks, *known, extra),
                Outgoing::File {
                    fd,
                    offset,
                    available,
                } => self.finish_file(host, *fd, (*offset, *available), extra),
            };
            if code == abi::SEND_WOULD_BLOCK {
                return None;
            }
        }
        Some(self.outcome())
    }

    pub(super) fn outcome(&self) -> i32 {
        let is_gone = self.is_gone || self.reader.error() == Some(ReadFailure(abi::READ_GONE));
        match (self.is_ended, is_gone) {
            (true, _) => abi::HANDLED,
            (_, true) => abi::HANDLED_GONE,
            _ => abi::HANDLED_TRUNCATED,
        }
    }

    fn finish_blocks(
        &mut self,
        host: HostRef,
        blocks: &[Bytes],
        known: Option<u64>,
        extra: u32,
    ) -> i32 {
        let mut body = self
            .body
            .unwrap_or_else(|| self.new_body(self.head.content_length()));
        let mut cut = Vec::new();
        let mut blocks = blocks;
        let total: usize = blocks.iter().map(|block| block.len).sum();
        let send = body.take(total).send;
        if send < total {
            let mut left = send;
            cut.extend(blocks.iter().map(|block| {
                let len = block.len.min(left);
                left -= len;
                Bytes { len, ..*block }
            }));
            cut.retain(|block| block.len > 0);
            blocks = &cut;
        }
        let ending = body.end();
        let flags = last_flags(ending) | extra;
        let is_idle = blocks.is_empty() && self.body.is_some() && flags & abi::SEND_END == 0;
        let code = match is_idle {
            true => abi::SEND_OK,
            false => self.pass(host, body, known, flags, |host, head| {
                host.send(head, blocks, flags)
            }),
        };
        if code != abi::SEND_WOULD_BLOCK {
            self.count_output(blocks.len(), send);
        }
        self.tell_short(host, code, ending);
        code
    }

    fn finish_file(
        &mut self,
        host: HostRef,
        fd: i32,
        (offset, available): (u64, u64),
        extra: u32,
    ) -> i32 {
        let declared = self.head.content_length();
        let mut body = self.new_body(Some(declared.unwrap_or(available)));
        let length = usize::try_from(available).unwrap_or(usize::MAX);
        let send = body.take(length).send;
        let ending = body.end();
        let flags = last_flags(ending) | extra;
        let (Ok(start), Ok(count)) = (i64::try_from(offset), i64::try_from(send)) else {
            self.has_failed = true;
            return abi::SEND_FAILED;
        };
        let code = self.pass(host, body, Some(available), flags, |host, head| {
            if send == 0 {
                host.send(head, &[], flags)
            } else {
                host.send_file(head, fd, (start, count), flags)
            }
        });
        if code != abi::SEND_WOULD_BLOCK {
            self.count_output(usize::from(send > 0), send);
        }
        self.tell_short(host, code, ending);
        code
    }

    /// Says that a response is shorter than it said, once the host has taken its last part: where it has not, because the
    /// client is gone or a filter failed, that is why the response is cut.
    fn tell_short(&self, host: HostRef, code: i32, ending: Ending) {
        let (Ending::Short { missing }, abi::SEND_OK) = (ending, code) else {
            return;
        };
        let line = format!(
            "RSGI0215: The response is cut: the application in '{}' gave {missing} bytes less than the Content-Length that \
             it declared ({}): it has to give as many as it declares, or to declare none.",
            String::from_utf8_lossy(&self.script),
            report::place()
        );
        host.log(level::ERROR, line.as_bytes());
    }
}

/// How the last part of a response is sent.
const fn last_flags(ending: Ending) -> u32 {
    match ending {
        Ending::Complete => abi::SEND_FLUSH | abi::SEND_END,
        Ending::Short { .. } => abi::SEND_FLUSH,
    }
}
