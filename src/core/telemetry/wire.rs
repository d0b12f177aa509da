//! The format of a datagram: a header and fields with an id, a type and a value, all little-endian.

/// The longest datagram.
pub const MOST_BYTES: usize = 8192;

const MAGIC: &[u8; 4] = b"WSGI";
const VERSION: u8 = 1;
const U64: u8 = 1;
const F64: u8 = 2;
const BYTES: u8 = 4;
const I32S: u8 = 5;
const F64S: u8 = 6;

/// What a datagram is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// What happened in an interval.
    Sample = 2,
    /// A slow request.
    SlowRequest = 4,
    /// A process began.
    Started = 5,
    /// A process is about to end.
    Stopping = 6,
    /// A process ends.
    Stopped = 7,
    /// Counters of an interpreter's garbage collector.
    Collector = 8,
    /// One pass of it.
    Collection = 9,
}

/// A datagram in the making. A field that has no room is left out.
#[derive(Debug)]
pub struct Datagram {
    bytes: Vec<u8>,
}

impl Datagram {
    /// One without fields; `seq` counts those of a process, `stamp` is seconds since the epoch.
    #[must_use]
    pub fn new(kind: Kind, pid: u32, seq: u32, stamp: f64) -> Self {
        let mut bytes = Vec::with_capacity(1024);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[VERSION, kind as u8, 0, 0]);
        bytes.extend_from_slice(&pid.to_le_bytes());
        bytes.extend_from_slice(&seq.to_le_bytes());
        bytes.extend_from_slice(&stamp.to_le_bytes());
        Self { bytes }
    }

    fn field(&mut self, id: u16, kind: u8, value: &[u8]) {
        if self.bytes.len() + 3 + value.len() <= MOST_BYTES {
            self.bytes.extend_from_slice(&id.to_le_bytes());
            self.bytes.push(kind);
            self.bytes.extend_from_slice(value);
        }
    }

    fn list(&mut self, id: u16, kind: u8, count: usize, items: impl Iterator<Item = u8>) {
        let count = u16::try_from(count).unwrap_or(u16::MAX);
        let value: Vec<u8> = count.to_le_bytes().into_iter().chain(items).collect();
        self.field(id, kind, &value);
    }

    /// Adds a count.
    pub fn number(&mut self, id: u16, value: u64) {
        self.field(id, U64, &value.to_le_bytes());
    }

    /// Adds a time in seconds, or a share.
    pub fn float(&mut self, id: u16, value: f64) {
        self.field(id, F64, &value.to_le_bytes());
    }

    /// Adds a text of at most `most` bytes, its end included as C counts: a longer one ends in dots.
    pub fn text(&mut self, id: u16, value: &[u8], most: usize) {
        let room = most.saturating_sub(1);
        if value.len() <= room {
            return self.list(id, BYTES, value.len(), value.iter().copied());
        }
        let kept = &value[..room.saturating_sub(3)];
        let dots = &b"..."[..room.min(3)];
        let bytes = kept.iter().chain(dots).copied();
        self.list(id, BYTES, kept.len() + dots.len(), bytes);
    }

    /// Adds a list of counts.
    pub fn numbers(&mut self, id: u16, values: impl ExactSizeIterator<Item = u64>) {
        let count = values.len();
        let values = values.map(|value| i32::try_from(value).unwrap_or(i32::MAX));
        self.list(id, I32S, count, values.flat_map(i32::to_le_bytes));
    }

    /// Adds a list of times in seconds.
    pub fn floats(&mut self, id: u16, values: impl ExactSizeIterator<Item = f64>) {
        self.list(id, F64S, values.len(), values.flat_map(f64::to_le_bytes));
    }

    /// What is sent.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
