//! Reading a request body by bytes and by lines over any [`Source`].
//!
//! The logic of `wsgi.input` without Python or a connection. Nothing is read ahead but the rest of the piece that
//! a line was found in. The end and an error are remembered: the source is not asked again.

/// Where a body comes from.
pub trait Source {
    /// Why it can give no more.
    type Error: Copy;

    /// Puts at least one byte into `buffer` (which is not empty) unless the body has ended: then 0.
    ///
    /// # Errors
    /// Why there is no more.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error>;
}

/// Bytes asked of the source at once.
const PIECE: usize = 16 * 1024;

/// What was read and not yet given out, and how the source ended.
#[derive(Debug)]
pub struct BodyReader<E> {
    piece: Vec<u8>,
    start: usize,
    end: usize,
    is_touched: bool,
    is_ended: bool,
    error: Option<E>,
}

impl<E> Default for BodyReader<E> {
    fn default() -> Self {
        Self {
            piece: Vec::new(),
            start: 0,
            end: 0,
            is_touched: false,
            is_ended: false,
            error: None,
        }
    }
}

impl<E: Copy> BodyReader<E> {
    /// Begins a new body; memory is kept.
    pub fn reset(&mut self) {
        self.start = 0;
        self.end = 0;
        self.is_touched = false;
        self.is_ended = false;
        self.error = None;
    }

    /// Asks the source for a first piece, once, if nothing was asked before: the client learns that it is to send.
    ///
    /// # Errors
    /// As [`BodyReader::read`].
    pub fn touch(&mut self, source: &mut impl Source<Error = E>) -> Result<(), E> {
        self.fail_again()?;
        if self.is_touched {
            return Ok(());
        }
        self.fill(source, PIECE)
    }

    /// The error that ended the body, if one did.
    #[must_use]
    pub const fn error(&self) -> Option<E> {
        self.error
    }

    /// Appends exactly `size` bytes to `out`, less only at the end; all there is without a size.
    ///
    /// # Errors
    /// The source's error, now and from then on; what was read before it is lost.
    pub fn read(
        &mut self,
        source: &mut impl Source<Error = E>,
        size: Option<u64>,
        out: &mut Vec<u8>,
    ) -> Result<(), E> {
        self.fail_again()?;
        let mut left = size.unwrap_or(u64::MAX);
        left -= self.take_rest(left, out) as u64;
        while left > 0 && !self.is_ended {
            self.fill(source, usize::try_from(left).unwrap_or(usize::MAX))?;
            left -= self.take_rest(left, out) as u64;
        }
        Ok(())
    }

    /// Appends one line with its end to `out`, at most `limit` bytes of it; nothing at the end of the body.
    ///
    /// # Errors
    /// As [`BodyReader::read`].
    pub fn read_line(
        &mut self,
        source: &mut impl Source<Error = E>,
        limit: Option<u64>,
        out: &mut Vec<u8>,
    ) -> Result<(), E> {
        self.fail_again()?;
        let mut left = limit.unwrap_or(u64::MAX);
        while left > 0 {
            if let Some(at) = memchr::memchr(b'\n', &self.piece[self.start..self.end]) {
                self.take_rest(left.min(at as u64 + 1), out);
                break;
            }
            left -= self.take_rest(left, out) as u64;
            if left == 0 || self.is_ended {
                break;
            }
            self.fill(source, PIECE)?;
        }
        Ok(())
    }

    fn fail_again(&self) -> Result<(), E> {
        self.error.map_or(Ok(()), Err)
    }

    /// Gives out what is left of the last piece.
    fn take_rest(&mut self, most: u64, out: &mut Vec<u8>) -> usize {
        let rest = &self.piece[self.start..self.end];
        let count = usize::try_from(most).unwrap_or(usize::MAX).min(rest.len());
        out.extend_from_slice(&rest[..count]);
        self.start += count;
        count
    }

    /// Replaces the used-up piece by the next one, of at most `wanted` bytes.
    fn fill(&mut self, source: &mut impl Source<Error = E>, wanted: usize) -> Result<(), E> {
        self.is_touched = true;
        self.piece.resize(PIECE, 0);
        self.start = 0;
        self.end = 0;
        let room = &mut self.piece[..wanted.min(PIECE)];
        match source.read(room) {
            Ok(0) => self.is_ended = true,
            Ok(count) => self.end = count.min(room.len()),
            Err(error) => {
                self.error = Some(error);
                return Err(error);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Pieces {
        pieces: Vec<Vec<u8>>,
        error: Option<u8>,
        calls: usize,
    }

    impl Pieces {
        fn new(pieces: &[&[u8]], error: Option<u8>) -> Self {
            let mut pieces: Vec<_> = pieces.iter().map(|piece| piece.to_vec()).collect();
            pieces.retain(|piece| !piece.is_empty());
            pieces.reverse();
            Self {
                pieces,
                error,
                calls: 0,
            }
        }
    }

    impl Source for Pieces {
        type Error = u8;

        fn read(&mut self, buffer: &mut [u8]) -> Result<usize, u8> {
            assert!(!buffer.is_empty());
            self.calls += 1;
            let Some(mut piece) = self.pieces.pop() else {
                return self.error.map_or(Ok(0), Err);
            };
            let count = piece.len().min(buffer.len());
            buffer[..count].copy_from_slice(&piece[..count]);
            piece.drain(..count);
            if !piece.is_empty() {
                self.pieces.push(piece);
            }
            Ok(count)
        }
    }

    fn read(reader: &mut BodyReader<u8>, source: &mut Pieces, size: Option<u64>) -> Vec<u8> {
        let mut out = Vec::new();
        reader.read(source, size, &mut out).unwrap();
        out
    }

    fn line(reader: &mut BodyReader<u8>, source: &mut Pieces, limit: Option<u64>) -> Vec<u8> {
        let mut out = Vec::new();
        reader.read_line(source, limit, &mut out).unwrap();
        out
    }

    #[test]
    fn exactly_what_was_asked_for_is_given_until_the_end() {
        let mut source = Pieces::new(&[b"he", b"llo w", b"orld"], None);
        let mut reader = BodyReader::default();
        assert_eq!(read(&mut reader, &mut source, Some(5)), b"hello");
        assert_eq!(read(&mut reader, &mut source, Some(0)), b"");
        assert_eq!(read(&mut reader, &mut source, Some(1 << 40)), b" world");
        let calls = source.calls;
        assert_eq!(read(&mut reader, &mut source, None), b"");
        assert_eq!(source.calls, calls, "an ended source is not asked again");
    }

    #[test]
    fn lines_end_at_their_end_or_at_the_limit() {
        let mut source = Pieces::new(&[b"a\nbc", b"d\n", b"\nefgh"], None);
        let mut reader = BodyReader::default();
        assert_eq!(line(&mut reader, &mut source, None), b"a\n");
        assert_eq!(line(&mut reader, &mut source, Some(2)), b"bc");
        assert_eq!(line(&mut reader, &mut source, Some(1 << 40)), b"d\n");
        assert_eq!(line(&mut reader, &mut source, None), b"\n");
        assert_eq!(read(&mut reader, &mut source, Some(1)), b"e");
        assert_eq!(line(&mut reader, &mut source, Some(0)), b"");
        assert_eq!(line(&mut reader, &mut source, None), b"fgh");
        assert_eq!(line(&mut reader, &mut source, None), b"");
    }

    #[test]
    fn a_touch_asks_once_and_loses_nothing() {
        let mut source = Pieces::new(&[b"ab", b"c"], None);
        let mut reader = BodyReader::default();
        reader.touch(&mut source).unwrap();
        reader.touch(&mut source).unwrap();
        assert_eq!(source.calls, 1);
        assert_eq!(read(&mut reader, &mut source, None), b"abc");
    }

    #[test]
    fn an_error_is_raised_again_each_time() {
        let mut source = Pieces::new(&[b"abc"], Some(7));
        let mut reader = BodyReader::default();
        assert_eq!(reader.read(&mut source, None, &mut Vec::new()), Err(7));
        assert_eq!(reader.read(&mut source, Some(0), &mut Vec::new()), Err(7));
        assert_eq!(reader.read_line(&mut source, None, &mut Vec::new()), Err(7));
        assert_eq!(reader.error(), Some(7));
        reader.reset();
        assert_eq!(reader.error(), None);
    }

    proptest! {
        #[test]
        fn any_mix_of_calls_gives_the_body_in_order(
            pieces in proptest::collection::vec(proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..9), 0..9),
            calls in proptest::collection::vec((any::<bool>(), proptest::option::of(0u64..9)), 0..20),
        ) {
            let whole = pieces.concat();
            let borrowed: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let mut source = Pieces::new(&borrowed, None);
            let mut reader = BodyReader::default();
            let mut seen = Vec::new();
            for (is_line, size) in calls {
                let left = &whole[seen.len()..];
                let most = size.map_or(left.len(), |size| left.len().min(size as usize));
                let mut expected = &left[..most];
                if is_line && let Some(at) = expected.iter().position(|&b| b == b'\n') {
                    expected = &expected[..=at];
                }
                let got = if is_line { line(&mut reader, &mut source, size) } else { read(&mut reader, &mut source, size) };
                prop_assert_eq!(&got[..], expected);
                seen.extend_from_slice(&got);
            }
        }
    }
}
