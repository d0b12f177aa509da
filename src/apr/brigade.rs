//! Bucket brigades (apr_buckets.h): the pieces of a body on their way through filters.

use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{self, NonNull};
use std::slice;

use super::{Pool, Status};
use crate::ffi;

/// Whether a read may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// Wait for data.
    Wait,
    /// Take what is there.
    Try,
}

impl Block {
    /// APR's name for it.
    pub(crate) fn to_raw(self) -> ffi::apr_read_type_e {
        match self {
            Self::Wait => ffi::APR_BLOCK_READ,
            Self::Try => ffi::APR_NONBLOCK_READ,
        }
    }
}

/// A brigade in a request's pool.
///
/// # Invariants
/// `raw` and `allocator` are live for `'r` and used by one thread.
pub(crate) struct Brigade<'r> {
    raw: NonNull<ffi::apr_bucket_brigade>,
    allocator: *mut ffi::apr_bucket_alloc_t,
    pool: Pool<'r>,
}

/// What is read at once of a file that is not mapped, in bytes: as much as httpd's last filter takes before it writes
/// (`FlushMaxThreshold`). APR's own 8,000 cost two system calls for each.
const READ_AT_ONCE: usize = 64 * 1024;

/// Part of a regular file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FilePart<'f> {
    /// The file; its position is not moved.
    pub(crate) file: BorrowedFd<'f>,
    /// First byte.
    pub(crate) offset: u64,
    /// Bytes.
    pub(crate) length: u64,
    /// Whether the kernel may send it by itself.
    pub(crate) sendfile: bool,
    /// Whether it may be mapped into memory: not where somebody who is not trusted can cut it, which would end the
    /// process with SIGBUS.
    pub(crate) may_map: bool,
}

/// The first bucket of a brigade, borrowed from it.
///
/// # Invariants
/// `raw` is in the brigade that `'b` borrows.
pub(crate) struct Bucket<'b> {
    raw: NonNull<ffi::apr_bucket>,
    life: PhantomData<&'b mut ffi::apr_bucket>,
}

impl<'r> Brigade<'r> {
    /// Makes an empty brigade.
    ///
    /// # Safety
    /// `allocator` is the bucket allocator of the connection that the pool's request belongs to.
    pub(crate) unsafe fn new(
        pool: Pool<'r>,
        allocator: *mut ffi::apr_bucket_alloc_t,
    ) -> Option<Self> {
        // SAFETY: both are live (caller).
        let raw = unsafe { ffi::apr_brigade_create(pool.as_ptr(), allocator) };
        // INVARIANT: made from a live pool and allocator.
        NonNull::new(raw).map(|raw| Self {
            raw,
            allocator,
            pool,
        })
    }

    /// The brigade, for calls of httpd.
    pub(crate) fn as_ptr(&self) -> *mut ffi::apr_bucket_brigade {
        self.raw.as_ptr()
    }

    fn append(&mut self, bucket: *mut ffi::apr_bucket) {
        // SAFETY: a live brigade and a fresh bucket of its allocator.
        unsafe { ffi::rsgi_brigade_insert_tail(self.as_ptr(), bucket) };
    }

    /// Appends borrowed bytes. They are copied by APR only where a filter keeps them for later.
    ///
    /// The caller passes the brigade on, or clears it, before the bytes go away.
    pub(crate) fn append_transient(&mut self, bytes: &[u8]) {
        // SAFETY: the bytes outlive the passing of the brigade (documented duty of the callers in room httpd).
        let bucket = unsafe {
            ffi::apr_bucket_transient_create(
                bytes.as_ptr().cast(),
                bytes.len() as _,
                self.allocator,
            )
        };
        self.append(bucket);
    }

    /// Appends part of a regular file. The descriptor is duplicated: the buckets may outlive the caller's.
    ///
    /// # Errors
    /// The descriptor cannot be duplicated or handed to APR.
    pub(crate) fn append_file(&mut self, part: &FilePart<'_>) -> Result<(), Status> {
        let mine = part
            .file
            .try_clone_to_owned()
            .map_err(|error| Status::from_errno(error.raw_os_error()))?;
        // The pool closes the duplicate; httpd's file buckets only borrow it.
        let mut descriptor = self.pool.keep(mine).as_raw_fd();
        let sendfile = if part.sendfile {
            ffi::APR_FOPEN_SENDFILE_ENABLED
        } else {
            0
        };
        let mut handle: *mut ffi::apr_file_t = ptr::null_mut();
        // SAFETY: the descriptor lives as long as the pool, which is live.
        Status::check(unsafe {
            ffi::apr_os_file_put(
                &raw mut handle,
                &raw mut descriptor,
                ffi::APR_FOPEN_READ | sendfile,
                self.pool.as_ptr(),
            )
        })?;
        // SAFETY: live brigade, file and pool; splits at APR's largest bucket by itself, all of which share one
        // description of the file.
        let last = unsafe {
            ffi::apr_brigade_insert_file(
                self.as_ptr(),
                handle,
                part.offset as _,
                part.length as _,
                self.pool.as_ptr(),
            )
        };
        if !part.may_map {
            // SAFETY: the last of the file buckets that were just made, which share one description of the file.
            unsafe { ffi::rsgi_bucket_file_read_by(last, READ_AT_ONCE) };
        }
        Ok(())
    }

    /// Appends the end of the stream.
    pub(crate) fn append_eos(&mut self) {
        // SAFETY: a live allocator (type invariant).
        let bucket = unsafe { ffi::apr_bucket_eos_create(self.allocator) };
        self.append(bucket);
    }

    /// Appends the wish to have everything before it written out now.
    pub(crate) fn append_flush(&mut self) {
        // SAFETY: a live allocator (type invariant).
        let bucket = unsafe { ffi::apr_bucket_flush_create(self.allocator) };
        self.append(bucket);
    }

    /// Appends an error bucket: filters below know from it that the response broke (`ap_bucket_error_create`).
    pub(crate) fn append_error(&mut self, status: i32) {
        // SAFETY: a live pool and allocator (type invariant); no text.
        let bucket = unsafe {
            ffi::ap_bucket_error_create(status, ptr::null(), self.pool.as_ptr(), self.allocator)
        };
        self.append(bucket);
    }

    /// Removes and frees all buckets.
    pub(crate) fn clear(&mut self) {
        // SAFETY: a live brigade (type invariant).
        unsafe { ffi::apr_brigade_cleanup(self.as_ptr().cast()) };
    }

    /// The first bucket, if there is one.
    pub(crate) fn first(&mut self) -> Option<Bucket<'_>> {
        // SAFETY: a live brigade (type invariant).
        let first = unsafe { ffi::rsgi_brigade_first(self.as_ptr()) };
        // SAFETY: a live brigade (type invariant).
        let sentinel = unsafe { ffi::rsgi_brigade_sentinel(self.as_ptr()) };
        if first == sentinel {
            return None;
        }
        // INVARIANT: in this brigade, which is borrowed.
        NonNull::new(first).map(|raw| Bucket {
            raw,
            life: PhantomData,
        })
    }
}

impl Bucket<'_> {
    /// Whether it ends the stream.
    pub(crate) fn is_eos(&self) -> bool {
        // SAFETY: a live bucket (type invariant).
        unsafe { ffi::rsgi_bucket_is_eos(self.raw.as_ptr()) != 0 }
    }

    /// Whether it carries no data.
    pub(crate) fn is_metadata(&self) -> bool {
        // SAFETY: a live bucket (type invariant).
        unsafe { ffi::rsgi_bucket_is_metadata(self.raw.as_ptr()) != 0 }
    }

    /// Its data; may turn the bucket into another kind.
    ///
    /// # Errors
    /// The read failed, or with [`Block::Try`] would have had to wait.
    pub(crate) fn data(&mut self, block: Block) -> Result<&[u8], Status> {
        let mut data = ptr::null();
        let mut length = 0;
        // SAFETY: a live bucket (type invariant) and two places to write to.
        Status::check(unsafe {
            ffi::rsgi_bucket_read(
                self.raw.as_ptr(),
                &raw mut data,
                &raw mut length,
                block.to_raw(),
            )
        })?;
        if length == 0 || data.is_null() {
            return Ok(&[]);
        }
        // SAFETY: the bucket holds these bytes until it is changed or deleted, which needs `&mut self` again.
        Ok(unsafe { slice::from_raw_parts(data.cast(), length) })
    }

    /// Removes it.
    pub(crate) fn delete(self) {
        // SAFETY: a live bucket (type invariant) that nobody uses afterwards, `self` being consumed.
        unsafe { ffi::rsgi_bucket_delete(self.raw.as_ptr()) };
    }

    /// Removes the first `count` bytes of its data, which were read before; all of them deletes it.
    pub(crate) fn consume(self, count: usize, length: usize) {
        if count < length {
            // SAFETY: a live bucket whose data has been read and is longer than `count`.
            unsafe { ffi::rsgi_bucket_split(self.raw.as_ptr(), count as _) };
        }
        self.delete();
    }
}
