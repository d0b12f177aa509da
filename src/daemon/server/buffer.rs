//! Memory for what comes in: bytes behind those that are there already, growing with what really comes.

/// What a buffer begins with, and keeps between requests.
const USUAL: usize = 32 * 1024;
/// A buffer that has grown beyond this is given back after its request.
const KEPT: usize = 1024 * 1024;

/// Bytes that came and room for more.
///
/// # Invariants
/// `filled` is at most the length of `data`, all of which is initialised.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    data: Vec<u8>,
    filled: usize,
}

impl Buffer {
    /// An empty buffer; memory that has grown too much is given back.
    pub(super) fn from_memory(data: Vec<u8>) -> Self {
        let mut buffer = Self { data, filled: 0 };
        buffer.clear();
        buffer
    }

    /// The memory, and how much of it came.
    pub(super) fn into_memory(self) -> (Vec<u8>, usize) {
        (self.data, self.filled)
    }

    /// What came.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.data[..self.filled]
    }

    /// How much came.
    pub(super) fn len(&self) -> usize {
        self.filled
    }

    /// Whether nothing came.
    pub(super) fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Room for what comes of a whole of `total` bytes. Who announces much gets little until it has come.
    pub(super) fn room(&mut self, total: usize) -> &mut [u8] {
        let wanted = total.min(self.filled.saturating_mul(2)).max(USUAL);
        // At least one byte, or reading would look like the end.
        let wanted = wanted.max(self.filled + 1);
        if self.data.len() < wanted {
            self.data.resize(wanted, 0);
        }
        &mut self.data[self.filled..]
    }

    /// `count` bytes were written to the room.
    pub(super) fn add(&mut self, count: usize) {
        self.filled = (self.filled + count).min(self.data.len());
    }

    /// Forgets the first `count` bytes.
    pub(super) fn remove(&mut self, count: usize) {
        let count = count.min(self.filled);
        self.data.copy_within(count..self.filled, 0);
        self.filled -= count;
    }

    /// Forgets everything, and keeps the memory unless it is much.
    pub(super) fn clear(&mut self) {
        self.filled = 0;
        if self.data.len() > KEPT {
            self.data = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_grows_with_what_came_not_with_what_was_announced() {
        let mut buffer = Buffer::default();
        assert_eq!(buffer.room(16 << 20).len(), USUAL);
        buffer.add(USUAL);
        assert_eq!(buffer.room(16 << 20).len(), USUAL);
        buffer.add(USUAL);
        assert_eq!(buffer.room(USUAL * 2 + 10).len(), 10);
        assert_eq!(buffer.room(0).len(), 10);
    }

    #[test]
    fn what_is_removed_makes_the_rest_the_beginning() {
        let mut buffer = Buffer::default();
        buffer.room(0)[..5].copy_from_slice(b"abcde");
        buffer.add(5);
        buffer.remove(2);
        assert_eq!(buffer.bytes(), b"cde");
        buffer.remove(9);
        assert!(buffer.is_empty());
        buffer.room(4 << 20);
        buffer.add(USUAL);
        while buffer.len() <= KEPT {
            let more = buffer.room(4 << 20).len();
            buffer.add(more);
        }
        buffer.clear();
        assert!(buffer.data.is_empty());
    }
}
