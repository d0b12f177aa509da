//! What a daemon process writes to its standard output and error, cut into lines with their levels.
//!
//! `\x01`, a letter (`a` is level 0 of http_log.h) and the text: a line with a level. A capital letter: the program's own
//! line, which httpd logs with the supervisor's id, so who it is from is added to those that warn. Anything else comes from
//! C code or from a child of the application, and counts as an error.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use memchr::{memchr, memmem};
use rsgi_core::logline::{RECORD, each_line};
use rustix::process::Pid;

use super::level;

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
    /// From the reading end of a pipe that does not block; a process of this group writes to it.
    pub(super) fn new(pipe: OwnedFd, group: &[u8], pid: Pid) -> Self {
        Self {
            pipe,
            lines: Lines::of(group, pid.as_raw_nonzero().get()),
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

/// What is known of a line by its beginning.
#[derive(Clone, Copy, Debug)]
struct Mark {
    level: u32,
    /// The program says it, not an application.
    is_own: bool,
}

/// A stream's unfinished line.
#[derive(Debug)]
struct Lines {
    group: String,
    pid: String,
    partial: Vec<u8>,
    /// The mark of a line whose beginning was already given out.
    continued: Option<Mark>,
}

impl Lines {
    fn of(group: &[u8], pid: i32) -> Self {
        Self {
            group: format!("`{}`", group.escape_ascii()),
            pid: pid.to_string(),
            partial: Vec::new(),
            continued: None,
        }
    }

    fn push(&mut self, mut bytes: &[u8], line: &mut impl FnMut(u32, &[u8])) {
        while let Some(end) = memchr(b'\n', bytes) {
            self.take(&bytes[..end], line);
            self.finish(line);
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

    /// Gives out what there is of the line; the answer is its mark.
    fn give(&mut self, line: &mut impl FnMut(u32, &[u8])) -> Mark {
        let (mark, text) = self.read();
        each_line(text, |record| line(mark.level, record));
        self.partial.clear();
        mark
    }

    /// Gives out the end of a line.
    fn finish(&mut self, line: &mut impl FnMut(u32, &[u8])) {
        let (mark, text) = self.read();
        if mark.is_own && mark.level <= level::WARN && !self.is_named(text) {
            let name = format!(" (process group {}, pid {})", self.group, self.pid);
            self.partial.extend_from_slice(name.as_bytes());
        }
        self.give(line);
        self.continued = None;
    }

    /// The mark and the text of what there is of the line.
    fn read(&self) -> (Mark, &[u8]) {
        let mark = |level, is_own| Mark { level, is_own };
        match (self.continued, self.partial.as_slice()) {
            (Some(mark), text) => (mark, text),
            (None, [MARK, letter @ b'a'..=b'p', text @ ..]) => {
                (mark(u32::from(letter - b'a'), false), text)
            }
            (None, [MARK, letter @ b'A'..=b'P', text @ ..]) => {
                (mark(u32::from(letter - b'A'), true), text)
            }
            (None, text) => (mark(UNMARKED, false), text),
        }
    }

    /// Whether a line says by itself who it is from.
    fn is_named(&self, text: &[u8]) -> bool {
        [&self.group, &self.pid]
            .iter()
            .all(|name| memmem::find(text, name.as_bytes()).is_some())
    }

    fn flush(&mut self, line: &mut impl FnMut(u32, &[u8])) {
        if self.partial.is_empty() {
            self.continued = None;
        } else {
            self.finish(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<(u32, Vec<u8>)> {
        let mut found = Vec::new();
        let mut lines = Lines::of(b"shop", 47);
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
    fn what_the_program_says_itself_of_trouble_gets_its_group_and_process_once() {
        let name = "(process group `shop`, pid 47)";
        for (said, level, heard) in [
            ("\x01ERSGI1: gone", 4, format!("RSGI1: gone {name}")),
            ("\x01CRSGI1: bad", 2, format!("RSGI1: bad {name}")),
            ("\x01GRSGI1: an end", 6, "RSGI1: an end".to_owned()),
            (
                "\x01ERSGI1: process 47 of group `shop` ends",
                4,
                "RSGI1: process 47 of group `shop` ends".to_owned(),
            ),
            (
                "\x01ERSGI1: of `shop`",
                4,
                format!("RSGI1: of `shop` {name}"),
            ),
            (
                "\x01eRSGI1: an application's",
                4,
                "RSGI1: an application's".to_owned(),
            ),
            ("RSGI1: as written", 3, "RSGI1: as written".to_owned()),
        ] {
            for end in ["\n", ""] {
                let said = format!("{said}{end}");
                let (first, second) = said.as_bytes().split_at(4);
                assert_eq!(
                    lines(&[first, second]),
                    [(level, heard.clone().into_bytes())]
                );
            }
        }
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
