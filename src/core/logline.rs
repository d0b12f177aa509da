//! Cuts a stream of bytes into log records.
//!
//! A record is one line, at most [`RECORD`] bytes of it; a longer line becomes several. The last, unfinished line
//! waits in the splitter until it is finished or flushed. NUL, which would end a record in httpd, is spelled.

/// The most bytes in a record.
pub const RECORD: usize = 8192 - 512;

/// The unfinished line of a stream.
#[derive(Debug, Default)]
pub struct LineSplitter {
    partial: Vec<u8>,
    /// The unfinished line was given out: its end, if it comes next, is no line of its own.
    is_given: bool,
}

impl LineSplitter {
    /// A splitter without a line.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            partial: Vec::new(),
            is_given: false,
        }
    }

    /// Takes bytes and gives out each finished record.
    pub fn push(&mut self, bytes: &[u8], mut record: impl FnMut(&[u8])) {
        let Some(first) = bytes.first() else { return };
        let bytes = if self.is_given && *first == b'\n' {
            &bytes[1..]
        } else {
            bytes
        };
        self.is_given = false;
        let mut from = 0;
        for at in memchr::memchr_iter(b'\n', bytes) {
            let line = &bytes[from..at];
            from = at + 1;
            if self.partial.is_empty() {
                records(line, &mut record);
            } else {
                self.partial.extend_from_slice(line);
                records(&self.partial, &mut record);
                self.partial.clear();
            }
        }
        self.partial.extend_from_slice(&bytes[from..]);
        self.give_full(&mut record);
    }

    /// Gives out the unfinished line, if there is one. Its end, if that is written next, makes no record: a text
    /// stream flushes after each write with a line end in it, so `print("a\nb")` comes as `a\nb`, flush, `\n`.
    pub fn flush(&mut self, mut record: impl FnMut(&[u8])) {
        if !self.partial.is_empty() {
            records(&self.partial, &mut record);
            self.partial.clear();
            self.is_given = true;
        }
    }

    /// Forgets the stream: what comes next belongs to something else.
    pub fn restart(&mut self) {
        self.partial.clear();
        self.is_given = false;
    }

    /// Whether no line is unfinished.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.partial.is_empty()
    }

    /// A line without an end must not grow without an end.
    fn give_full(&mut self, record: &mut impl FnMut(&[u8])) {
        while self.partial.len() > RECORD {
            let cut = boundary(&self.partial, RECORD);
            records(&self.partial[..cut], record);
            self.partial.drain(..cut);
        }
    }
}

/// Gives a line out in pieces that fit into a record.
fn records(mut line: &[u8], record: &mut impl FnMut(&[u8])) {
    if line.last() == Some(&b'\r') {
        line = &line[..line.len() - 1];
    }
    while line.len() > RECORD {
        let (piece, rest) = line.split_at(boundary(line, RECORD));
        without_nul(piece, record);
        line = rest;
    }
    without_nul(line, record);
}

/// The largest cut at or before `most` that parts no UTF-8 character.
fn boundary(line: &[u8], most: usize) -> usize {
    (most - 3..=most)
        .rev()
        .find(|&at| line[at] & 0b1100_0000 != 0b1000_0000)
        .unwrap_or(most)
}

fn without_nul(piece: &[u8], record: &mut impl FnMut(&[u8])) {
    if memchr::memchr(0, piece).is_none() {
        return record(piece);
    }
    let mut spelled = Vec::with_capacity(piece.len() + 16);
    for part in piece.split_inclusive(|&b| b == 0) {
        match part.split_last() {
            Some((0, text)) => {
                spelled.extend_from_slice(text);
                spelled.extend_from_slice(b"\\x00");
            }
            _ => spelled.extend_from_slice(part),
        }
    }
    record(&spelled);
}

/// The non-empty lines of a finished text, each as records.
pub fn each_line(text: &[u8], mut record: impl FnMut(&[u8])) {
    for line in text.split(|&b| b == b'\n') {
        if !line.trim_ascii().is_empty() {
            records(line, &mut record);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(splitter: &mut LineSplitter, pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        for piece in pieces {
            splitter.push(piece, |record| out.push(record.to_vec()));
        }
        out
    }

    #[test]
    fn each_line_is_a_record_and_a_partial_one_waits() {
        let mut splitter = LineSplitter::new();
        let got = all(&mut splitter, &[b"one\ntw", b"o\r\n", b"\nth"]);
        assert_eq!(got, [b"one".to_vec(), b"two".to_vec(), b"".to_vec()]);
        let mut rest = Vec::new();
        splitter.flush(|record| rest.extend_from_slice(record));
        assert_eq!(rest, b"th");
        splitter.flush(|_| panic!("it was flushed"));
    }

    #[test]
    fn the_end_of_a_line_that_was_flushed_is_no_line() {
        let mut splitter = LineSplitter::new();
        let mut got = all(&mut splitter, &[b"a\nb"]);
        splitter.flush(|record| got.push(record.to_vec()));
        got.extend(all(&mut splitter, &[b"", b"\n", b"\nc"]));
        splitter.flush(|record| got.push(record.to_vec()));
        splitter.restart();
        got.extend(all(&mut splitter, &[b"\n"]));
        assert_eq!(got, [&b"a"[..], b"b", b"", b"c", b""]);
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let mut splitter = LineSplitter::new();
        let line = "é".repeat(RECORD);
        let got = all(&mut splitter, &[line.as_bytes(), b"\n"]);
        assert!(got.len() >= 2);
        assert!(got.iter().all(|record| record.len() <= RECORD));
        assert!(
            got.iter()
                .all(|record| core::str::from_utf8(record).is_ok())
        );
        assert_eq!(got.concat(), line.as_bytes());
    }

    #[test]
    fn nul_is_spelled() {
        let got = all(&mut LineSplitter::new(), &[b"a\0b\0\n"]);
        assert_eq!(got, [b"a\\x00b\\x00".to_vec()]);
    }

    #[test]
    fn blank_lines_of_a_text_are_left_out() {
        let mut got = Vec::new();
        each_line(b"a\n\n  \n  b\n", |line| got.push(line.to_vec()));
        assert_eq!(got, [b"a".to_vec(), b"  b".to_vec()]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_wherever_the_stream_is_cut(
            text in proptest::collection::vec(prop_oneof![Just(b'\n'), 1u8..=255], 0..200),
            cut in 0usize..200,
        ) {
            let text: Vec<u8> = text.into_iter().filter(|&b| b != b'\r').collect();
            let (a, b) = text.split_at(cut.min(text.len()));
            let mut splitter = LineSplitter::new();
            let mut got = all(&mut splitter, &[a, b]);
            splitter.flush(|record| got.push(record.to_vec()));
            let mut expected: Vec<Vec<u8>> = text.split(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
            if expected.last().is_some_and(Vec::is_empty) { expected.pop(); }
            prop_assert_eq!(got, expected);
        }

        #[test]
        fn records_are_never_too_long(text: Vec<u8>, times in 1usize..200) {
            let mut splitter = LineSplitter::new();
            let long = text.repeat(times);
            splitter.push(&long, |record| assert!(record.len() <= RECORD * 4));
            prop_assert!(splitter.partial.len() <= RECORD);
        }
    }
}
