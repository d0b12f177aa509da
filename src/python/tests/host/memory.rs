//! A request's host that keeps what it is given and notes each breach of the ABI.

use std::collections::VecDeque;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd};
use std::thread::ThreadId;

use rsgi_bridge::host::{Blocks, HeadView, ReadError, RequestHost, SendFlags, Sent};

use super::Log;

/// How sends are answered.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Accept {
    /// All are taken.
    #[default]
    All,
    /// Those that must not wait are refused.
    OnlyWaiting,
    /// The client goes away after so many sends.
    GoneAfter(usize),
    /// Sending fails after so many sends.
    FailedAfter(usize),
}

/// Status, headers and length.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct HeadCopy {
    pub(crate) status: u16,
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) length: Option<u64>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) accept: Accept,
    /// What is left of the body; an error stays.
    pub(crate) input: VecDeque<Result<Vec<u8>, ReadError>>,
    pub(crate) head: Option<HeadCopy>,
    pub(crate) body: Vec<u8>,
    /// Bytes of each send that was taken.
    pub(crate) sends: Vec<usize>,
    /// Offset and length of each file.
    pub(crate) files: Vec<(u64, u64)>,
    pub(crate) refused: usize,
    pub(crate) reads: usize,
    pub(crate) is_ended: bool,
    pub(crate) log: Log,
    /// What the layer did that the ABI forbids.
    pub(crate) breaches: Vec<String>,
    thread: ThreadId,
}

impl Memory {
    pub(crate) fn new(accept: Accept, input: VecDeque<Result<Vec<u8>, ReadError>>) -> Self {
        Self {
            accept,
            input,
            head: None,
            body: Vec::new(),
            sends: Vec::new(),
            files: Vec::new(),
            refused: 0,
            reads: 0,
            is_ended: false,
            log: Log::default(),
            breaches: Vec::new(),
            thread: std::thread::current().id(),
        }
    }

    fn check(&mut self, is_right: bool, breach: &str) {
        if !is_right {
            self.breaches.push(breach.to_owned());
        }
    }

    /// The common part of both sends; none when the send is taken.
    fn judge(&mut self, head: Option<HeadView<'_>>, flags: SendFlags) -> Option<Sent> {
        self.check(
            std::thread::current().id() == self.thread,
            "send on another thread",
        );
        self.check(!self.is_ended, "send after the end");
        self.check(
            head.is_some() != self.head.is_some(),
            "the head must come exactly once, first",
        );
        match self.accept {
            Accept::OnlyWaiting if flags.is_try() => {
                self.refused += 1;
                return Some(Sent::WouldBlock);
            }
            Accept::GoneAfter(count) if self.sends.len() >= count => return Some(Sent::Gone),
            Accept::FailedAfter(count) if self.sends.len() >= count => return Some(Sent::Failed),
            _ => {}
        }
        if let Some(head) = head {
            let text = |bytes: &[u8]| bytes.iter().map(|&b| char::from(b)).collect::<String>();
            self.head = Some(HeadCopy {
                status: head.status(),
                line: text(head.line()),
                headers: head
                    .headers()
                    .map(|(name, value)| (text(name), text(value)))
                    .collect(),
                length: head.content_length(),
            });
        }
        self.is_ended |= flags.is_end();
        None
    }
}

impl RequestHost for Memory {
    fn send(&mut self, head: Option<HeadView<'_>>, blocks: Blocks<'_>, flags: SendFlags) -> Sent {
        if let Some(answer) = self.judge(head, flags) {
            return answer;
        }
        for block in blocks {
            self.body.extend_from_slice(block);
        }
        self.sends.push(blocks.total());
        Sent::Ok
    }

    fn send_file(
        &mut self,
        head: Option<HeadView<'_>>,
        file: BorrowedFd<'_>,
        offset: u64,
        length: u64,
        flags: SendFlags,
    ) -> Sent {
        if let Some(answer) = self.judge(head, flags) {
            return answer;
        }
        // A descriptor of its own would share the position: read through /proc.
        let path = format!(
            "/proc/self/fd/{}",
            std::os::fd::AsRawFd::as_raw_fd(&file.as_fd())
        );
        let mut file = std::fs::File::open(path).unwrap();
        file.seek(SeekFrom::Start(offset)).unwrap();
        let read = file.take(length).read_to_end(&mut self.body).unwrap();
        self.check(read as u64 == length, "the file is shorter than was said");
        self.files.push((offset, length));
        self.sends.push(read);
        Sent::Ok
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        self.check(
            std::thread::current().id() == self.thread,
            "read on another thread",
        );
        self.reads += 1;
        match self.input.front_mut() {
            None => Ok(0),
            Some(Err(error)) => Err(*error),
            Some(Ok(piece)) => {
                let count = piece.len().min(buffer.len());
                buffer[..count].copy_from_slice(&piece[..count]);
                piece.drain(..count);
                if piece.is_empty() {
                    self.input.pop_front();
                }
                Ok(count)
            }
        }
    }

    fn log(&mut self, level: u32, text: &[u8]) {
        self.check(
            !text.contains(&0) && !text.contains(&b'\n'),
            "a record with NUL or a line end",
        );
        self.check(text.len() <= 8192, "a record of more than 8 KiB");
        self.log
            .0
            .push((level, String::from_utf8_lossy(text).into_owned()));
    }
}
