//! `wsgi.input` without Python: `read` and `readline` over whatever gives bytes (PEP 3333, "Input and Error Streams").

use memchr::memchr;

/// Where the body comes from.
pub trait Source {
    /// Why it cannot be read.
    type Error;

    /// Reads at least one byte unless the body has ended; 0 is its end.
    ///
    /// # Errors
    /// The body cannot be read.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error>;
}

/// Largest piece that is asked of the source at once, in bytes.
const PIECE: usize = 64 * 1024;

/// What was read ahead of the application, and whether the end was seen.
#[derive(Debug, Default)]
pub struct Reader {
    residue: Vec<u8>,
    at: usize,
    ended: bool,
}

impl Reader {
    /// A reader that begins with what was read before; `ended` when that is all there is.
    #[must_use]
    pub fn new(ahead: &[u8], ended: bool) -> Self {
        Self {
            residue: ahead.to_vec(),
            at: 0,
            ended,
        }
    }

    fn rest(&self) -> &[u8] {
        &self.residue[self.at..]
    }

    /// Takes up to `size` bytes of what is held.
    fn take(&mut self, size: usize, out: &mut Vec<u8>) {
        let count = size.min(self.residue.len() - self.at);
        out.extend_from_slice(&self.residue[self.at..self.at + count]);
        self.at += count;
        if self.at == self.residue.len() {
            self.residue.clear();
            self.at = 0;
        }
    }

    /// Exactly `size` bytes, fewer only at the end; all of them without `size`.
    ///
    /// # Errors
    /// The source's.
    pub fn read<S: Source>(
        &mut self,
        source: &mut S,
        size: Option<usize>,
    ) -> Result<Vec<u8>, S::Error> {
        let size = size.unwrap_or(usize::MAX);
        // What a caller asks for is no reason to reserve it.
        let mut out = Vec::with_capacity(size.min(self.rest().len().max(PIECE)));
        self.take(size, &mut out);
        while out.len() < size && !self.ended {
            let start = out.len();
            out.resize(start + PIECE.min(size - start), 0);
            match source.read(&mut out[start..]) {
                Ok(count) => {
                    out.truncate(start + count);
                    self.ended = count == 0;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(out)
    }

    /// One line with its newline, at most `size` bytes of it; nothing at the end.
    ///
    /// # Errors
    /// The source's.
    pub fn read_line<S: Source>(
        &mut self,
        source: &mut S,
        size: Option<usize>,
    ) -> Result<Vec<u8>, S::Error> {
        let size = size.unwrap_or(usize::MAX);
        let mut searched = 0;
        loop {
            let rest = self.rest();
            if let Some(at) = memchr(b'\n', &rest[searched..]) {
                return Ok(self.take_line((searched + at + 1).min(size)));
            }
            searched = rest.len();
            if self.ended || searched >= size {
                return Ok(self.take_line(searched.min(size)));
            }
            self.fill(source)?;
        }
    }

    fn take_line(&mut self, length: usize) -> Vec<u8> {
        let mut line = Vec::with_capacity(length);
        self.take(length, &mut line);
        line
    }

    fn fill<S: Source>(&mut self, source: &mut S) -> Result<(), S::Error> {
        self.residue.drain(..self.at);
        self.at = 0;
        let start = self.residue.len();
        self.residue.resize(start + PIECE, 0);
        match source.read(&mut self.residue[start..]) {
            Ok(count) => {
                self.residue.truncate(start + count);
                self.ended = count == 0;
                Ok(())
            }
            Err(error) => {
                self.residue.truncate(start);
                Err(error)
            }
        }
    }
}
