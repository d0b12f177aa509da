//! Environ entries in a request: a key by number or spelled, and its value.

use super::error::WireError;
use super::frame::Fields;
use crate::name::{NAMES, NameId};

/// Entries that were checked: the iterator needs to refuse nothing.
///
/// # Invariants
/// The bytes are whole entries, each with an id that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entries<'a>(&'a [u8]);

impl<'a> Entries<'a> {
    /// No entries.
    pub const EMPTY: Self = Self(&[]);

    /// Checks encoded entries.
    ///
    /// # Errors
    /// They end within an entry, or name a key that does not exist.
    pub fn new(bytes: &'a [u8]) -> Result<Self, WireError> {
        let mut fields = Fields(bytes);
        while !fields.0.is_empty() {
            next(&mut fields)?;
        }
        // INVARIANT: each was just read.
        Ok(Self(bytes))
    }

    /// The bytes: two blocks with the same bytes have the same entries.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The entries in order.
    #[must_use]
    pub const fn iter(self) -> EntryIter<'a> {
        EntryIter(Fields(self.0))
    }
}

impl<'a> IntoIterator for Entries<'a> {
    type Item = (NameId, &'a [u8], &'a [u8]);
    type IntoIter = EntryIter<'a>;

    fn into_iter(self) -> EntryIter<'a> {
        self.iter()
    }
}

/// Goes through [`Entries`]: id, name (empty unless the id is 0), value.
#[derive(Clone)]
pub struct EntryIter<'a>(Fields<'a>);

impl<'a> Iterator for EntryIter<'a> {
    type Item = (NameId, &'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.0.is_empty() {
            return None;
        }
        next(&mut self.0).ok()
    }
}

/// Takes one entry.
fn next<'a>(fields: &mut Fields<'a>) -> Result<(NameId, &'a [u8], &'a [u8]), WireError> {
    let id = NameId::from(fields.u16("an entry's id")?);
    let mut name: &[u8] = &[];
    if id == 0 {
        let length = fields.u16("an entry's name")?;
        name = fields.bytes(length.into(), "an entry's name")?;
    } else if id as usize >= NAMES.len() {
        return Err(WireError::Value("an entry's id"));
    }
    let length = fields.u32("an entry's value")?;
    let value = fields.bytes(length as usize, "an entry's value")?;
    Ok((id, name, value))
}

/// Appends an entry with a well-known key. An id that does not exist is not sent.
pub fn push_entry(out: &mut Vec<u8>, id: NameId, value: &[u8]) {
    let Ok(short) = u16::try_from(id) else { return };
    if short == 0 || id as usize >= NAMES.len() {
        return;
    }
    out.extend_from_slice(&short.to_le_bytes());
    push_value(out, value);
}

/// Appends an entry whose key is spelled. httpd has no names near the 64 KiB that fit: a longer one is not sent.
pub fn push_named(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let Ok(length) = u16::try_from(name.len()) else {
        return;
    };
    let [a, b] = length.to_le_bytes();
    out.extend_from_slice(&[0, 0, a, b]);
    out.extend_from_slice(name);
    push_value(out, value);
}

fn push_value(out: &mut Vec<u8>, value: &[u8]) {
    // A value of 4 GiB makes the frame too long whatever its length field says.
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(value);
}
