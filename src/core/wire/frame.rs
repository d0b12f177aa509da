//! The eight bytes before each payload, and the reader of what is in a payload.

use super::error::WireError;

/// Bytes before each payload.
pub const HEADER: usize = 8;

/// What the beginning of a slice holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<T> {
    /// A whole frame.
    Frame {
        /// What it says.
        frame: T,
        /// Bytes that it took.
        used: usize,
    },
    /// The beginning of a frame that has this many bytes in all, as far as is known.
    Need(usize),
}

/// A frame whose length is right and whose payload was not looked at.
pub(super) struct Raw<'a> {
    pub(super) kind: u8,
    pub(super) payload: &'a [u8],
}

/// Splits a frame off; `limit_of` knows the kinds and how long each may be.
pub(super) fn split(
    bytes: &[u8],
    limit_of: impl FnOnce(u8) -> Option<usize>,
) -> Result<Decoded<Raw<'_>>, WireError> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else {
        return Ok(Decoded::Need(HEADER));
    };
    let [a, b, c, d, kind, reserved @ ..] = *header;
    let limit = limit_of(kind).ok_or(WireError::UnknownKind(kind))?;
    if reserved != [0; 3] {
        return Err(WireError::Reserved(kind));
    }
    let length = u32::from_le_bytes([a, b, c, d]);
    // Lossless: a limit is far below what either type can say.
    let wanted = length as usize;
    if wanted > limit {
        return Err(WireError::TooLong {
            kind,
            length: length.into(),
            limit,
        });
    }
    Ok(match rest.get(..wanted) {
        Some(payload) => Decoded::Frame {
            frame: Raw { kind, payload },
            used: HEADER + wanted,
        },
        None => Decoded::Need(HEADER + wanted),
    })
}

/// The header of a frame.
///
/// # Errors
/// The payload is longer than its kind may be.
pub(super) fn header(kind: u8, length: usize, limit: usize) -> Result<[u8; HEADER], WireError> {
    match u32::try_from(length) {
        Ok(checked) if length <= limit => {
            let [a, b, c, d] = checked.to_le_bytes();
            Ok([a, b, c, d, kind, 0, 0, 0])
        }
        _ => Err(WireError::TooLong {
            kind,
            length: length as u64,
            limit,
        }),
    }
}

/// Appends a frame whose payload has a length that is known to be allowed.
pub(super) fn push_fixed<const N: usize>(out: &mut Vec<u8>, kind: u8, payload: [u8; N]) {
    let [a, b, c, d] = (N as u32).to_le_bytes();
    out.extend_from_slice(&[a, b, c, d, kind, 0, 0, 0]);
    out.extend_from_slice(&payload);
}

/// Writes the header of a frame that begins at `start` and ends with the vector plus `more` bytes; where it would be
/// too long, takes the frame back.
pub(super) fn seal(
    out: &mut Vec<u8>,
    start: usize,
    more: usize,
    kind: u8,
    limit: usize,
) -> Result<(), WireError> {
    let length = (out.len() - start - HEADER).saturating_add(more);
    match header(kind, length, limit) {
        Ok(header) => {
            out[start..start + HEADER].copy_from_slice(&header);
            Ok(())
        }
        Err(error) => {
            out.truncate(start);
            Err(error)
        }
    }
}

/// Takes fields off a payload, in order.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    /// The next `length` bytes.
    pub(super) fn bytes(
        &mut self,
        length: usize,
        what: &'static str,
    ) -> Result<&'a [u8], WireError> {
        let (field, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(WireError::Short(what))?;
        self.0 = rest;
        Ok(field)
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<[u8; N], WireError> {
        let (field, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or(WireError::Short(what))?;
        self.0 = rest;
        Ok(*field)
    }

    /// One byte.
    pub(super) fn u8(&mut self, what: &'static str) -> Result<u8, WireError> {
        self.array::<1>(what).map(|[byte]| byte)
    }

    /// Two bytes.
    pub(super) fn u16(&mut self, what: &'static str) -> Result<u16, WireError> {
        self.array(what).map(u16::from_le_bytes)
    }

    /// Four bytes.
    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, WireError> {
        self.array(what).map(u32::from_le_bytes)
    }

    /// Eight bytes.
    pub(super) fn u64(&mut self, what: &'static str) -> Result<u64, WireError> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// Eight bytes with a sign.
    pub(super) fn i64(&mut self, what: &'static str) -> Result<i64, WireError> {
        self.array(what).map(i64::from_le_bytes)
    }

    /// Nothing may be left.
    pub(super) fn end(self, what: &'static str) -> Result<(), WireError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(WireError::Long(what))
        }
    }
}
