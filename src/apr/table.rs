//! APR tables (apr_tables.h): ordered string pairs with case-insensitive keys.

use std::ffi::CStr;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::slice;

use crate::ffi;

/// A table of somebody's request; entries live for `'r`.
///
/// # Invariants
/// `raw` is a live table for `'r`, used by one thread.
#[derive(Clone, Copy)]
pub(crate) struct Table<'r> {
    raw: NonNull<ffi::apr_table_t>,
    life: PhantomData<&'r ffi::apr_table_t>,
}

impl<'r> Table<'r> {
    /// Wraps a table of httpd's.
    ///
    /// # Safety
    /// `raw` is a live table whose pool outlives `'r`.
    pub(crate) unsafe fn from_raw(raw: *mut ffi::apr_table_t) -> Option<Self> {
        // INVARIANT: the caller's promise, and not null.
        NonNull::new(raw).map(|raw| Self {
            raw,
            life: PhantomData,
        })
    }

    /// The first value of a key.
    pub(crate) fn first(self, key: &CStr) -> Option<&'r CStr> {
        // SAFETY: a live table (type invariant) and a C string.
        let value = unsafe { ffi::apr_table_get(self.raw.as_ptr(), key.as_ptr()) };
        // SAFETY: values of a table are C strings that live as long as its pool.
        (!value.is_null()).then(|| unsafe { CStr::from_ptr(value) })
    }

    /// Replaces all values of a key; key and value have to live as long as the table (pool or static).
    pub(crate) fn set(self, key: &'r CStr, value: &'r CStr) {
        // SAFETY: a live table (type invariant); both strings live for `'r`, which the pool outlives.
        unsafe { ffi::apr_table_setn(self.raw.as_ptr(), key.as_ptr(), value.as_ptr()) };
    }

    /// Adds a value beside others of the same key.
    pub(crate) fn add(self, key: &'r CStr, value: &'r CStr) {
        // SAFETY: as in `set`.
        unsafe { ffi::apr_table_addn(self.raw.as_ptr(), key.as_ptr(), value.as_ptr()) };
    }

    /// All entries in order, as bytes without their NULs.
    pub(crate) fn iter(self) -> impl Iterator<Item = (&'r [u8], &'r [u8])> {
        // SAFETY: a live table (type invariant).
        let array = unsafe { ffi::apr_table_elts(self.raw.as_ptr()) };
        // SAFETY: apr_table_elts returns the table's own array header, never null.
        let array = unsafe { &*array };
        let entries: &'r [ffi::apr_table_entry_t] = if array.nelts <= 0 || array.elts.is_null() {
            &[]
        } else {
            // SAFETY: the array holds `nelts` entries (apr_tables.h) and the table is not changed while `'r` is
            // borrowed by one thread.
            unsafe { slice::from_raw_parts(array.elts.cast(), array.nelts as usize) }
        };
        entries
            .iter()
            .filter(|entry| !entry.key.is_null() && !entry.val.is_null())
            .map(|entry| {
                // SAFETY: keys of a table are C strings (apr_tables.h).
                let key = unsafe { CStr::from_ptr(entry.key) };
                // SAFETY: values of a table are C strings (apr_tables.h).
                let value = unsafe { CStr::from_ptr(entry.val) };
                (key.to_bytes(), value.to_bytes())
            })
    }
}
