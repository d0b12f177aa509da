//! Borrowed views of what the layer sends: the head and the blocks.

use crate::abi::{self, Bytes};

/// Status and headers of a response.
///
/// # Invariants
/// What the structure points to is alive for `'a`.
#[derive(Clone, Copy, Debug)]
pub struct HeadView<'a>(&'a abi::Head);

impl<'a> HeadView<'a> {
    /// # Safety
    /// `head` is null, or it and all that it points to are alive and unchanged for `'a`.
    #[must_use]
    pub unsafe fn from_raw(head: *const abi::Head) -> Option<Self> {
        // SAFETY: the caller vouches for pointer and lifetime.
        let head = unsafe { head.as_ref() };
        // INVARIANT: the caller vouches for what it points to.
        head.map(Self)
    }

    /// The status code.
    #[must_use]
    pub fn status(self) -> u16 {
        u16::try_from(self.0.status).unwrap_or(500)
    }

    /// The application's whole status string.
    #[must_use]
    pub fn line(self) -> &'a [u8] {
        // SAFETY: alive for 'a by the invariant.
        unsafe { self.0.line.as_slice() }
    }

    /// Names and values in the application's order, without Content-Length.
    pub fn headers(self) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> {
        // SAFETY: `headers` has `count` items, alive for 'a by the invariant.
        let headers = unsafe { slice(self.0.headers, self.0.count) };
        headers.iter().map(|header| {
            // SAFETY: alive for 'a by the invariant.
            let name = unsafe { header.name.as_slice() };
            // SAFETY: as above.
            let value = unsafe { header.value.as_slice() };
            (name, value)
        })
    }

    /// Declared or known length of the body.
    #[must_use]
    pub fn content_length(self) -> Option<u64> {
        u64::try_from(self.0.content_length).ok()
    }
}

/// The blocks of one send.
///
/// # Invariants
/// Each item's memory is alive for `'a`.
#[derive(Clone, Copy, Debug)]
pub struct Blocks<'a>(&'a [Bytes]);

impl<'a> Blocks<'a> {
    /// # Safety
    /// `blocks` points to `count` items, or anything when `count` is 0; they and their memory are alive and
    /// unchanged for `'a`.
    #[must_use]
    pub unsafe fn from_raw(blocks: *const Bytes, count: usize) -> Self {
        // SAFETY: the caller vouches for pointer, count and lifetime.
        let blocks = unsafe { slice(blocks, count) };
        // INVARIANT: the caller vouches for the items' memory.
        Self(blocks)
    }

    /// How many blocks there are.
    #[must_use]
    pub fn count(self) -> usize {
        self.0.len()
    }

    /// Length of all blocks together.
    #[must_use]
    pub fn total(self) -> usize {
        self.0
            .iter()
            .fold(0, |sum, block| sum.saturating_add(block.len))
    }

    /// The blocks in order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone {
        self.0.iter().map(|block| {
            // SAFETY: alive for 'a by the invariant.
            unsafe { block.as_slice() }
        })
    }
}

impl<'a> IntoIterator for Blocks<'a> {
    type Item = &'a [u8];
    type IntoIter = core::iter::Map<core::slice::Iter<'a, Bytes>, fn(&'a Bytes) -> &'a [u8]>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|block| {
            // SAFETY: alive for 'a by the invariant.
            unsafe { block.as_slice() }
        })
    }
}

/// A slice from a pointer that may be anything when `count` is 0.
///
/// # Safety
/// `first` points to `count` items that are alive and unchanged for `'a`.
unsafe fn slice<'a, T>(first: *const T, count: usize) -> &'a [T] {
    if count == 0 || first.is_null() {
        return &[];
    }
    // SAFETY: the caller vouches for it.
    unsafe { core::slice::from_raw_parts(first, count) }
}
