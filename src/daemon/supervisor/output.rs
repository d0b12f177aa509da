//! What a daemon process writes to its standard output and error, cut into lines with their levels.
//!
//! `\x01`, a letter (`a` is level 0 of http_log.h) and the text: a line of our own. Anything else comes from C code
//! or from a child of the application, and counts as an error.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use memchr::memchr;
use rsgi_core::logline::{RECORD, each_line};

/// Level of a line without a mark: APLOG_ERR.
const UNMARKED: u32 = 3;
/// In front of a line's level.
const MARK: u8 = 1;
/// How much is read at a time; more waits until the others had their turn.
const TURN: usize = 64 * 1024;

/// The reading end of a process's log pipe.
#[derive(Debug)]
pub(super) struct Output {
    pipe: OwnedFd,
    lines: Lines,
    is_over: bool,
}

/// Whether there may be more to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum More {
    /// The pipe was emptied for now.
    Later,
    /// More is there.
    Now,
    /// All writers are gone.
    Never,
}

impl Output {
    /// From the reading end of a pipe that does not block.
    pub(super) fn new(pipe: OwnedFd) -> Self {
        Self {
            pipe,
            lines: Lines::default(),
            is_over: false,
        }
    }

    /// Whether all writers are gone.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// The pipe, to wait for.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    /// Reads one turn and gives out the lines that are whole.
    pub(super) fn read(&mut self, line: &mut impl FnMut(u32, &[u8])) -> More {
        let more = self.turn(line);
        self.is_over = more == More::Never;
        more
    }

    fn turn(&mut self, line: &mut impl FnMut(u32, &[u8])) -> More {
        let mut buffer = [0; 8192];
        let mut total = 0;
        while total < TURN {
            match rustix::io::read(&self.pipe, &mut buffer[..]) {
                Ok(0) => {
                    self.lines.flush(line);
                    return More::Never;
                }
                Ok(count) => {
                    total += count;
                    self.lines.push(&buffer[..count], line);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) if io::Error::from(error).kind() == io::ErrorKind::WouldBlock => {
                    return More::Later;
                }
                Err(_) => return More::Never,
            }
        }
        More::Now
    }

    /// Gives out what is left of an unfinished line.
    pub(super) fn flush(&mut self, line: &mut impl FnMut(u32, &[u8])) {
        self.lines.flush(line);
    }
}

/// A stream's unfinished line.
#[derive(Debug, Default)]
struct Lines {
    partial: Vec<u8>,
    /// The level of a line whose beginning was already given out.
    continued: Option<u32>,
}

impl Lines {
    fn push(&mut self, mut bytes: &[u8], line: &mut impl FnMut(u32, &[u8])) {
        while let Some(end) = memchr(b'\n', bytes) {
            self.take(&bytes[..end], line);
            self.give(line);
            self.continued = None;
            bytes = &bytes[end + 1..];
        }
        self.take(bytes, line);
    }

    /// Adds to the line; what is longer than a record goes out in pieces of the same level.
    fn take(&mut self, mut bytes: &[u8], line: &mut impl FnMut(u32, &[u8])) {
        while self.partial.len() + bytes.len() > RECORD {
            let (now, later) = bytes.split_at(RECORD - self.partial.len());
            self.partial.extend_from_slice(now);
            self.continued = Some(self.give(line));
            bytes = later;
        }
        self.partial.extend_from_slice(bytes);
    }

    /// Gives out what there is of the line; the answer is its level.
    fn give(&mut self, line: &mut impl FnMut(u32, &[u8])) -> u32 {
        let (level, text) = match (self.continued, self.partial.as_slice()) {
            (Some(level), text) => (level, text),
            (None, [MARK, letter @ b'a'..=b'p', text @ ..]) => (u32::from(letter - b'a'), text),
            (None, text) => (UNMARKED, text),
        };
        each_line(text, |record| line(level, record));
        self.partial.clear();
        level
    }

    fn flush(&mut self, line: &mut impl FnMut(u32, &[u8])) {
        if !self.partial.is_empty() {
            self.give(line);
        }
        self.continued = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<(u32, Vec<u8>)> {
        let mut found = Vec::new();
        let mut lines = Lines::default();
        let mut line = |level, text: &[u8]| found.push((level, text.to_vec()));
        for piece in pieces {
            lines.push(piece, &mut line);
        }
        lines.flush(&mut line);
        found
    }

    #[test]
    fn marked_lines_have_their_level_and_all_others_are_errors() {
        assert_eq!(
            lines(&[b"\x01gready\nSegmenta", b"tion fault\n\n\x01", b"elast"]),
            [
                (6, b"ready".to_vec()),
                (3, b"Segmentation fault".to_vec()),
                (4, b"last".to_vec())
            ]
        );
    }

    #[test]
    fn a_mark_without_a_level_is_text() {
        assert_eq!(lines(&[b"\x01zz\n"]), [(3, b"\x01zz".to_vec())]);
        assert_eq!(lines(&[b"\x01\n"]), [(3, b"\x01".to_vec())]);
    }

    #[test]
    fn a_long_line_keeps_its_level_in_every_piece() {
        let long = [
            b"\x01h".to_vec(),
            vec![b'x'; 3 * RECORD],
            b"\nnext\n".to_vec(),
        ]
        .concat();
        for size in [1000, RECORD, long.len()] {
            let pieces: Vec<&[u8]> = long.chunks(size).collect();
            let found = lines(&pieces);
            assert_eq!(found.last(), Some(&(3, b"next".to_vec())));
            let (text, _) = found.split_at(found.len() - 1);
            assert!(
                text.iter()
                    .all(|(level, part)| *level == 7 && part.len() <= RECORD)
            );
            let total: usize = text.iter().map(|(_, part)| part.len()).sum();
            assert_eq!(total, 3 * RECORD);
        }
    }
}
