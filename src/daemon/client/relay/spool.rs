//! What a process has sent and a slow client has not yet taken: a little in memory, the rest in memory files, and the
//! files that the process passed.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::client::file::MemoryFile;

/// Bytes that wait in memory, at most: httpd's own filters keep no more of a finished response without waiting.
pub(super) const IN_MEMORY: usize = 32 * 1024;

/// A part of a response, in order.
#[derive(Debug)]
enum Part {
    Memory(Vec<u8>),
    /// The next bytes of the overflow.
    Overflow {
        offset: u64,
        length: u64,
    },
    /// Part of a file of the process.
    File {
        file: OwnedFd,
        offset: u64,
        length: u64,
    },
}

/// The waiting part of a response.
#[derive(Debug, Default)]
pub(super) struct Spool {
    parts: VecDeque<Part>,
    overflow: Option<MemoryFile>,
    in_memory: usize,
    length: u64,
}

/// The first part, as it is given to the client.
#[derive(Debug)]
pub(super) enum Next<'s> {
    Bytes(&'s [u8]),
    File {
        file: BorrowedFd<'s>,
        offset: u64,
        length: u64,
    },
}

impl Spool {
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether one part is left.
    pub(super) fn is_last(&self) -> bool {
        self.parts.len() == 1
    }

    /// Bytes that take memory: those of the process's files do not.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// No descriptors or memory for the overflow.
    pub(super) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.in_memory + bytes.len() <= IN_MEMORY {
            self.in_memory += bytes.len();
            match self.parts.back_mut() {
                Some(Part::Memory(memory)) => memory.extend_from_slice(bytes),
                _ => self.parts.push_back(Part::Memory(bytes.to_vec())),
            }
        } else {
            let overflow = match &mut self.overflow {
                Some(overflow) => overflow,
                none => none.insert(MemoryFile::new()?),
            };
            let offset = overflow.length();
            overflow.append(bytes)?;
            let more = bytes.len() as u64;
            match self.parts.back_mut() {
                Some(Part::Overflow { length, .. }) => *length += more,
                _ => self.parts.push_back(Part::Overflow {
                    offset,
                    length: more,
                }),
            }
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Adds part of a file.
    pub(super) fn push_file(&mut self, file: OwnedFd, offset: u64, length: u64) {
        self.parts.push_back(Part::File {
            file,
            offset,
            length,
        });
    }

    /// The first part.
    pub(super) fn next(&self) -> Option<Next<'_>> {
        Some(match self.parts.front()? {
            Part::Memory(memory) => Next::Bytes(memory),
            Part::Overflow { offset, length } => Next::File {
                file: self.overflow.as_ref()?.as_fd(),
                offset: *offset,
                length: *length,
            },
            Part::File {
                file,
                offset,
                length,
            } => Next::File {
                file: file.as_fd(),
                offset: *offset,
                length: *length,
            },
        })
    }

    /// The first bytes of the first part, copied to `buffer`; none where it is a file of the process.
    pub(super) fn peek<'b>(&'b self, buffer: &'b mut [u8]) -> io::Result<Option<&'b [u8]>> {
        match self.parts.front() {
            Some(Part::Memory(memory)) => Ok(Some(&memory[..memory.len().min(buffer.len())])),
            Some(Part::Overflow { offset, length }) => {
                let most = usize::try_from(*length).map_or(buffer.len(), |l| l.min(buffer.len()));
                let overflow = self.overflow.as_ref().ok_or(io::ErrorKind::NotFound)?;
                match overflow.read_at(&mut buffer[..most], *offset)? {
                    0 => Err(io::ErrorKind::UnexpectedEof.into()),
                    count => Ok(Some(&buffer[..count])),
                }
            }
            _ => Ok(None),
        }
    }

    /// Forgets the first part.
    pub(super) fn pop(&mut self) {
        match self.parts.pop_front() {
            Some(Part::Memory(memory)) => self.forget(memory.len() as u64, memory.len()),
            Some(Part::Overflow { length, .. }) => self.forget(length, 0),
            _ => {}
        }
    }

    /// Forgets the first bytes of the first part, which is no file of the process.
    pub(super) fn consume(&mut self, count: usize) {
        let (forgotten, is_done) = match self.parts.front_mut() {
            Some(Part::Memory(memory)) => {
                let count = count.min(memory.len());
                memory.drain(..count);
                (count, memory.is_empty())
            }
            Some(Part::Overflow { offset, length }) => {
                let count = (count as u64).min(*length);
                *offset += count;
                *length -= count;
                self.length -= count;
                if *length == 0 {
                    self.parts.pop_front();
                    self.reset_overflow();
                }
                return;
            }
            _ => return,
        };
        self.forget(forgotten as u64, forgotten);
        if is_done {
            self.parts.pop_front();
        }
    }

    fn forget(&mut self, length: u64, in_memory: usize) {
        self.length = self.length.saturating_sub(length);
        self.in_memory = self.in_memory.saturating_sub(in_memory);
        self.reset_overflow();
    }

    /// A file of which nothing is wanted any more gives its memory back.
    fn reset_overflow(&mut self) {
        if self.parts.is_empty() {
            self.overflow = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(spool: &mut Spool, most: usize) -> Vec<u8> {
        let mut buffer = vec![0; most];
        let got = spool.peek(&mut buffer).unwrap().unwrap().to_vec();
        spool.consume(got.len());
        got
    }

    #[test]
    fn bytes_come_out_in_order_from_memory_and_overflow() {
        let mut spool = Spool::default();
        let all: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
        for piece in all.chunks(30_000) {
            spool.push(piece).unwrap();
        }
        assert_eq!(spool.length(), 200_000);
        let mut seen = Vec::new();
        seen.extend(take(&mut spool, 1_000));
        spool.push(b"end").unwrap();
        while !spool.is_empty() {
            seen.extend(take(&mut spool, 7_777));
        }
        assert_eq!(spool.length(), 0);
        assert!(seen[..200_000] == all[..] && seen.ends_with(b"end"));
    }

    #[test]
    fn a_file_of_the_process_is_given_whole_and_takes_no_memory() {
        let mut spool = Spool::default();
        spool.push(b"before").unwrap();
        spool.push_file(tempfile::tempfile().unwrap().into(), 5, 1 << 40);
        spool.push(b"behind").unwrap();
        assert_eq!(spool.length(), 12);
        assert_eq!(take(&mut spool, 100), b"before");
        assert!(spool.peek(&mut [0; 8]).unwrap().is_none());
        let Some(Next::File { offset, length, .. }) = spool.next() else {
            panic!("{spool:?}")
        };
        assert_eq!((offset, length), (5, 1 << 40));
        spool.pop();
        assert!(spool.is_last());
        assert_eq!(take(&mut spool, 100), b"behind");
        assert!(spool.is_empty());
    }
}
