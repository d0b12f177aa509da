//! What a thread keeps in one interpreter from request to request.

#![deny(unsafe_code)]

use std::cell::Cell;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// See the module. Values are taken out while they are used, so nothing is ever borrowed twice.
#[derive(Default)]
pub(crate) struct Scratch {
    /// Blocks that were sent after detaching; released at the next attach.
    pub(crate) held: Cell<Vec<Py<PyBytes>>>,
}

impl Scratch {
    /// Releases the blocks of the last response.
    pub(crate) fn release(&self, _py: Python<'_>) {
        let mut held = self.held.take();
        if !held.is_empty() {
            held.clear();
            if held.capacity() <= 1024 {
                self.held.set(held);
            }
        }
    }

    /// Releases everything.
    pub(crate) fn clear(&self, _py: Python<'_>) {
        drop(self.held.take());
    }
}
