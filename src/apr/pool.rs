//! APR pools (apr_pools.h): memory that lives exactly as long as a configuration, a connection or a request.

use std::ffi::{CStr, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use super::fence;
use crate::ffi;

/// A pool that somebody else owns; what is put in it lives for `'p`.
///
/// # Invariants
/// `raw` is a live pool for `'p`, used by one thread at a time.
#[derive(Clone, Copy)]
pub(crate) struct Pool<'p> {
    raw: NonNull<ffi::apr_pool_t>,
    life: PhantomData<&'p ffi::apr_pool_t>,
}

impl<'p> Pool<'p> {
    /// Wraps a pool that httpd handed out.
    ///
    /// # Safety
    /// `raw` is a live pool that outlives `'p` and is not used by another thread meanwhile.
    pub(crate) unsafe fn from_raw(raw: *mut ffi::apr_pool_t) -> Option<Self> {
        // INVARIANT: the caller's promise, and not null.
        NonNull::new(raw).map(|raw| Self {
            raw,
            life: PhantomData,
        })
    }

    /// Makes a pool that belongs to nobody: whoever has it destroys it.
    pub(crate) fn unowned() -> Option<Self> {
        let mut raw = ptr::null_mut();
        // SAFETY: a place for the pool; without a parent it is one of APR's own, and so is its allocator.
        unsafe {
            ffi::apr_pool_create_ex(&raw mut raw, ptr::null_mut(), None, ptr::null_mut());
        }
        // SAFETY: null or just made, and nobody else knows it.
        unsafe { Self::from_raw(raw) }
    }

    /// The pool, for calls of httpd and APR.
    pub(crate) fn as_ptr(self) -> *mut ffi::apr_pool_t {
        self.raw.as_ptr()
    }

    /// Copies bytes into the pool and ends them with a NUL that is not part of the result.
    pub(crate) fn copy(self, bytes: &[u8]) -> &'p [u8] {
        self.copy_c(bytes).to_bytes()
    }

    /// Copies bytes into the pool as a C string, up to their first NUL.
    pub(crate) fn copy_c(self, bytes: &[u8]) -> &'p CStr {
        // SAFETY: the pool is live (type invariant); APR reads at most `len` bytes and adds the NUL itself.
        let copy =
            unsafe { ffi::apr_pstrndup(self.as_ptr(), bytes.as_ptr().cast(), bytes.len() as _) };
        // SAFETY: apr_pstrndup returns a NUL-terminated string in the pool, or does not return (httpd aborts
        // when memory is out).
        unsafe { CStr::from_ptr(copy) }
    }

    /// Moves a value into the pool's care: it is dropped when the pool is cleared or destroyed.
    pub(crate) fn keep<T: 'static>(self, value: T) -> &'p mut T {
        let raw = Box::into_raw(Box::new(value));
        // SAFETY: the pool is live (type invariant); the cleanup gets back exactly this box, once.
        unsafe {
            ffi::apr_pool_cleanup_register(
                self.as_ptr(),
                raw.cast(),
                Some(drop_value::<T>),
                Some(ffi::apr_pool_cleanup_null),
            );
        }
        // SAFETY: the box is alive until the pool's cleanup, and nobody else has its address.
        unsafe { &mut *raw }
    }

    /// Runs `action` when the pool is cleared or destroyed.
    pub(crate) fn on_cleanup(self, action: impl FnOnce() + 'static) {
        self.keep(OnDrop(Some(Box::new(action))));
    }
}

struct OnDrop(Option<Box<dyn FnOnce()>>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(action) = self.0.take() {
            action();
        }
    }
}

extern "C" fn drop_value<T>(value: *mut c_void) -> ffi::apr_status_t {
    fence::guard("cleanup", || {
        // SAFETY: the pointer that `Pool::keep` registered, called back once.
        drop(unsafe { Box::from_raw(value.cast::<T>()) });
    });
    ffi::APR_SUCCESS as ffi::apr_status_t
}
