//! Safe builders for what goes to the layer with a request: environ entries, constants, the target.
//!
//! Everything here borrows or owns the bytes behind the ABI's pointers, so whoever fills them needs no unsafe
//! code. Used by the Apache module (from httpd's tables) and the daemon (from decoded frames).

use core::ffi::c_void;
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

use rsgi_core::name::NameId;
pub use rsgi_core::wire::Tries;

use crate::abi::{self, Bytes, Field};

/// Environ entries that borrow their names and values.
#[derive(Debug)]
pub struct FieldList<'a> {
    fields: Vec<Field>,
    borrowed: PhantomData<&'a [u8]>,
}

impl<'a> FieldList<'a> {
    /// A list with room for `capacity` entries.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            fields: Vec::with_capacity(capacity),
            borrowed: PhantomData,
        }
    }

    /// Adds entries: the id of a well-known key with an empty name, or 0 with the name, and the value.
    #[inline]
    pub fn extend(&mut self, entries: impl ExactSizeIterator<Item = (NameId, &'a [u8], &'a [u8])>) {
        let fields = entries.map(|(id, name, value)| Field {
            id,
            name: Bytes::new(name),
            value: Bytes::new(value),
        });
        self.fields.extend(fields);
    }

    /// Adds an entry with a well-known key.
    #[inline]
    pub fn push(&mut self, id: NameId, value: &'a [u8]) {
        self.fields.push(Field {
            id,
            name: Bytes::EMPTY,
            value: Bytes::new(value),
        });
    }

    /// Adds an entry whose key is spelled.
    #[inline]
    pub fn push_named(&mut self, name: &'a [u8], value: &'a [u8]) {
        self.fields.push(Field {
            id: 0,
            name: Bytes::new(name),
            value: Bytes::new(value),
        });
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The entries in order: id, name (empty where the id names it), value.
    pub fn iter(&self) -> impl Iterator<Item = (NameId, &'a [u8], &'a [u8])> {
        self.fields.iter().map(|field| {
            // SAFETY: the name was borrowed for 'a by `push_named`, or is empty.
            let name = unsafe { field.name.as_slice() };
            // SAFETY: the value was borrowed for 'a when it was pushed.
            let value = unsafe { field.value.as_slice() };
            (field.id, name, value)
        })
    }

    /// The list with a longer borrow.
    ///
    /// # Safety
    /// What it borrows is alive and unchanged for as long as the result is looked at.
    pub(crate) unsafe fn extend_borrows<'b>(self) -> FieldList<'b> {
        FieldList {
            fields: self.fields,
            borrowed: PhantomData,
        }
    }

    /// Empties the list and keeps its memory for entries that borrow from elsewhere.
    #[must_use]
    pub fn recycle<'b>(mut self) -> FieldList<'b> {
        self.fields.clear();
        FieldList {
            fields: self.fields,
            borrowed: PhantomData,
        }
    }
}

impl Default for FieldList<'_> {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

/// The next [`ConstantsBlock`]'s id.
static NEXT_CONSTANTS: AtomicU64 = AtomicU64::new(1);

/// Entries that many requests share; owns its bytes and has an id that no other block of the process ever has.
///
/// # Invariants
/// `raw` has `fields`, which point into `bytes` and nowhere else; none of them changes after `new`.
#[derive(Debug)]
pub struct ConstantsBlock {
    raw: abi::Constants,
    #[expect(dead_code, reason = "the memory that `raw` points to")]
    fields: Vec<Field>,
    #[expect(dead_code, reason = "the memory that `fields` points to")]
    bytes: Box<[u8]>,
}

// SAFETY: by the invariant its pointers go to memory that it owns and that nobody writes.
unsafe impl Send for ConstantsBlock {}
// SAFETY: as above.
unsafe impl Sync for ConstantsBlock {}

impl ConstantsBlock {
    /// Copies the entries of `list`.
    #[must_use]
    pub fn new(list: &FieldList<'_>) -> Self {
        let total = list
            .iter()
            .map(|(_, name, value)| name.len() + value.len())
            .sum();
        let mut bytes = Vec::with_capacity(total);
        for (_, name, value) in list.iter() {
            bytes.extend_from_slice(name);
            bytes.extend_from_slice(value);
        }
        let bytes = bytes.into_boxed_slice();
        let mut rest = &*bytes;
        let mut take = |length: usize| {
            let (taken, left) = rest.split_at(length);
            rest = left;
            Bytes::new(taken)
        };
        let fields: Vec<Field> = list
            .iter()
            .map(|(id, name, value)| Field {
                id,
                name: take(name.len()),
                value: take(value.len()),
            })
            .collect();
        // INVARIANT: `take` only hands out parts of `bytes`, whose heap memory stays where it is, as that of `fields` does.
        Self {
            raw: abi::Constants {
                id: NEXT_CONSTANTS.fetch_add(1, Ordering::Relaxed),
                fields: fields.as_ptr(),
                count: fields.len(),
            },
            fields,
            bytes,
        }
    }

    /// The block's id in this process.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.raw.id
    }

    /// The ABI's form, for as long as the block is there.
    pub(crate) fn as_abi(&self) -> &abi::Constants {
        &self.raw
    }
}

/// What is to be run, in which interpreter.
#[derive(Clone, Copy, Debug, Default)]
pub struct TargetFacts<'a> {
    /// Application group: empty is the main interpreter.
    pub application_group: &'a [u8],
    /// Path of the script that is loaded.
    pub script: &'a [u8],
    /// Name of the callable in the script's module; empty for import scripts.
    pub callable: &'a [u8],
    /// Path of the requested file.
    pub resource: &'a [u8],
    /// Modification time of `script` in microseconds since the epoch, where it is known.
    pub mtime: Option<i64>,
    /// [`abi::TARGET_RELOADING`] or 0.
    pub flags: u32,
}

impl TargetFacts<'_> {
    /// The ABI's form; valid for as long as `self`'s borrows.
    pub(crate) fn to_abi(self) -> abi::Target {
        abi::Target {
            application_group: Bytes::new(self.application_group),
            script: Bytes::new(self.script),
            callable: Bytes::new(self.callable),
            resource: Bytes::new(self.resource),
            mtime: self.mtime.unwrap_or(abi::MTIME_UNKNOWN),
            flags: self.flags,
        }
    }
}

/// One request, as the layer sees it. Times are microseconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
    /// What to run.
    pub target: TargetFacts<'a>,
    /// Entries shared with other requests.
    pub constants: Option<&'a ConstantsBlock>,
    /// Entries of this request; a later one wins.
    pub fields: &'a FieldList<'a>,
    /// The part of the body that has already come.
    pub body: &'a [u8],
    /// `REQUEST_*` bits of [`abi`].
    pub flags: u32,
    /// When the request line was read.
    pub request_start: i64,
    /// When the request was queued for a daemon; 0 in embedded mode.
    pub queue_start: i64,
    /// When a daemon took it; 0 in embedded mode.
    pub daemon_start: i64,
    /// How it came to its daemon.
    pub tries: Tries,
    /// httpd's `request_rec`, for an application that is to have it.
    pub apache_request: Option<NonNull<c_void>>,
}

impl RequestFacts<'_> {
    /// Calls `body` with the ABI's form, which is valid only meanwhile.
    pub(crate) fn with_abi<R>(&self, body: impl FnOnce(&abi::Request) -> R) -> R {
        body(&self.to_abi())
    }

    /// The ABI's form; valid for as long as `self`'s borrows.
    pub(crate) fn to_abi(self) -> abi::Request {
        abi::Request {
            size: size_of::<abi::Request>(),
            target: self.target.to_abi(),
            constants: self
                .constants
                .map_or(core::ptr::null(), |block| &raw const *block.as_abi()),
            fields: self.fields.fields.as_ptr(),
            count: self.fields.fields.len(),
            body: Bytes::new(self.body),
            flags: self.flags,
            request_start: self.request_start,
            queue_start: self.queue_start,
            daemon_start: self.daemon_start,
            apache_request: self
                .apache_request
                .map_or(core::ptr::null_mut(), NonNull::as_ptr),
            connects: self.tries.connects.into(),
            restarts: self.tries.restarts.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_gives_back_what_was_pushed_in_order() {
        let mut list = FieldList::with_capacity(2);
        list.push(24, b"text/plain");
        list.push_named(b"X", b"");
        let all: Vec<_> = list.iter().collect();
        assert_eq!(all, [(24, &b""[..], &b"text/plain"[..]), (0, b"X", b"")]);
        assert!(list.recycle().is_empty());
    }

    #[test]
    fn a_constants_block_keeps_its_own_copy_of_the_entries() {
        let block = {
            let name = b"SPELLED".to_vec();
            let value = b"value".to_vec();
            let mut list = FieldList::default();
            list.push_named(&name, &value);
            list.push(4, b"80");
            ConstantsBlock::new(&list)
        };
        let abi = block.as_abi();
        assert_eq!(abi.count, 2);
        // SAFETY: `block` is alive and has two fields.
        let fields = unsafe { core::slice::from_raw_parts(abi.fields, abi.count) };
        // SAFETY: `block` is alive.
        assert_eq!(unsafe { fields[0].name.as_slice() }, b"SPELLED");
        // SAFETY: `block` is alive.
        assert_eq!(unsafe { fields[0].value.as_slice() }, b"value");
        // SAFETY: `block` is alive.
        assert_eq!(unsafe { fields[1].value.as_slice() }, b"80");
        assert_eq!(fields[1].id, 4);
    }

    #[test]
    fn two_blocks_never_have_the_same_id() {
        let list = FieldList::default();
        let (a, b) = (ConstantsBlock::new(&list), ConstantsBlock::new(&list));
        assert_ne!(a.id(), b.id());
        assert_ne!(a.id(), 0);
    }

    #[test]
    fn a_request_without_constants_carries_a_null_pointer() {
        let fields = FieldList::default();
        let facts = RequestFacts {
            target: TargetFacts::default(),
            constants: None,
            fields: &fields,
            body: b"abc",
            flags: abi::REQUEST_BODY_COMPLETE,
            request_start: 1,
            queue_start: 0,
            daemon_start: 0,
            tries: Tries::NONE,
            apache_request: None,
        };
        facts.with_abi(|request| {
            assert!(request.constants.is_null());
            assert_eq!(request.size, size_of::<abi::Request>());
            assert_eq!(request.target.mtime, abi::MTIME_UNKNOWN);
            assert_eq!(request.body.len, 3);
        });
    }
}
