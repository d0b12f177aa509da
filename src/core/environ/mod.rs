//! The facts of a request that become the WSGI environ.
//!
//! [`collect`] asks a [`Source`] (the httpd room has one over `request_rec`, the tests a plain structure) and fills
//! [`Facts`] in the order in which later keys win. Embedded mode hands the facts to the Python layer, daemon mode
//! puts them on the wire, so both give the same environ. What stays the same for all requests of a server comes
//! from [`collect_constants`]. This is the hot path: values are borrowed, and copied only where they change.

use crate::name::NameId;

mod collect;
mod decimal;
mod path;
mod source;

pub use collect::{
    AccessFacts, CollectOptions, HeadMapping, ServerFacts, collect, collect_access,
    collect_constants,
};
pub use decimal::Decimal;
pub use path::{push_collapsed, split_path};
pub use source::{Previous, Source};

/// The key of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// A well-known one, never 0.
    Known(NameId),
    /// Any other, in full.
    Spelled(&'a [u8]),
}

/// One entry of the environ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact<'a> {
    /// The key.
    pub key: Key<'a>,
    /// The value.
    pub value: &'a [u8],
}

/// The entries of one environ; of two with the same key the later wins.
#[derive(Debug, Default)]
pub struct Facts<'a> {
    /// The entries.
    pub entries: Vec<Fact<'a>>,
    /// Whether the request came by https: `wsgi.url_scheme`.
    pub https: bool,
    /// Whether the client asked with HEAD, whatever REQUEST_METHOD says.
    pub head: bool,
    key: Vec<u8>,
}

/// A set of well-known keys that are no request headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KnownSet(u64);

impl KnownSet {
    /// Whether the key is in the set.
    #[must_use]
    pub const fn contains(self, id: NameId) -> bool {
        id < u64::BITS && self.0 & (1 << id) != 0
    }
}

impl<'a> Facts<'a> {
    /// No facts, with room for an ordinary request's.
    #[must_use]
    pub fn new() -> Self {
        Self {
            entries: Vec::with_capacity(64),
            ..Self::default()
        }
    }

    /// Forgets the facts and keeps the memory, for the next request.
    #[must_use]
    pub fn recycle<'b>(self) -> Facts<'b> {
        let Self {
            mut entries,
            mut key,
            ..
        } = self;
        entries.clear();
        key.clear();
        Facts {
            // Of nothing, in place: std keeps the allocation.
            entries: entries
                .into_iter()
                .map(|_| Fact {
                    key: Key::Known(0),
                    value: &[],
                })
                .collect(),
            key,
            https: false,
            head: false,
        }
    }

    /// The well-known keys among the facts, for [`CollectOptions::constants`].
    #[must_use]
    pub fn known(&self) -> KnownSet {
        let bits = self.entries.iter().filter_map(|fact| match fact.key {
            Key::Known(id) if id < u64::BITS => Some(1 << id),
            _ => None,
        });
        KnownSet(bits.fold(0, |set, bit: u64| set | bit))
    }

    /// Adds an entry with a well-known key.
    pub fn push(&mut self, id: NameId, value: &'a [u8]) {
        self.entries.push(Fact {
            key: Key::Known(id),
            value,
        });
    }

    /// Adds an entry with any other key.
    pub fn push_spelled(&mut self, key: &'a [u8], value: &'a [u8]) {
        self.entries.push(Fact {
            key: Key::Spelled(key),
            value,
        });
    }

    fn push_some(&mut self, id: NameId, value: Option<&'a [u8]>) {
        if let Some(value) = value {
            self.push(id, value);
        }
    }
}

/// A request of plain values, for tests of others.
#[cfg(test)]
pub(crate) mod test_support {
    pub(crate) use super::tests::fake::{Fake, fake};
}

#[cfg(test)]
mod tests;
