//! Environ entries in a request: a key by number or spelled, and its value.

use super::error::WireError;
use super::frame::Fields;
use crate::name::{NAMES, NameId};

/// Entries as they came: each is checked when it is read, which happens once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entries<'a>(&'a [u8]);

impl<'a> Entries<'a> {
    /// No entries.
    pub const EMPTY: Self = Self(&[]);

    /// Encoded entries, not looked at yet.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes: two blocks with the same bytes have the same entries.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The entries in order, up to the first that is none: the bytes end within it, or it names a key that does not
    /// exist.
    #[must_use]
    pub const fn iter(self) -> EntryIter<'a> {
        EntryIter(Fields(self.0))
    }
}

/// One entry: its key's number, the key spelled (empty unless the number is 0), its value.
pub type Entry<'a> = (NameId, &'a [u8], &'a [u8]);

impl<'a> IntoIterator for Entries<'a> {
    type Item = Result<Entry<'a>, WireError>;
    type IntoIter = EntryIter<'a>;

    fn into_iter(self) -> EntryIter<'a> {
        self.iter()
    }
}

/// Goes through [`Entries`]; nothing comes after an error.
#[derive(Clone)]
pub struct EntryIter<'a>(Fields<'a>);

impl<'a> Iterator for EntryIter<'a> {
    type Item = Result<Entry<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.0.is_empty() {
            return None;
        }
        let entry = next(&mut self.0);
        if entry.is_err() {
            self.0 = Fields(&[]);
        }
        Some(entry)
    }
}

/// Takes one entry.
fn next<'a>(fields: &mut Fields<'a>) -> Result<Entry<'a>, WireError> {
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
