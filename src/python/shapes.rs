//! Environs of requests that look alike: most of a request's entries are those of an earlier one.
//!
//! Clients that keep asking send the same headers, so requests come in few shapes: the same keys in the same order. A
//! [`Shape`] keeps one such environ with the values that it had. The next request of that shape gets a copy of it, in which
//! only what differs is set. Every key of a shape is either found equal or set anew, so nothing of one request gets into
//! another.

#![deny(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::entry::{FieldView, Fields};

/// Shapes kept in an interpreter.
const MOST: usize = 8;
/// A request with more entries has no shape.
const MOST_ENTRIES: usize = 128;
/// Requests in a row that had no shape for each that is made one of: where all differ it does not pay.
const PATIENCE: u32 = 16;
/// Requests that differ much from their shape until it is given up.
const MOST_STRANGERS: u32 = 32;
/// Of how many entries one may differ.
const USUAL: usize = 4;

/// An environ and what it was made of. Never changes.
pub(crate) struct Shape {
    /// Number of the constants that it has.
    constants: u64,
    /// Ids of the keys, 0 for those that are spelled.
    ids: Vec<u32>,
    /// The names of the keys without an id.
    names: Vec<Vec<u8>>,
    /// The values; none where each request sets its own.
    values: Vec<Option<Box<[u8]>>>,
    environ: Py<PyDict>,
    strangers: AtomicU32,
}

/// The shapes of an interpreter; the last used one comes first.
#[derive(Default)]
pub(crate) struct Shapes {
    known: Mutex<Vec<Arc<Shape>>>,
    in_vain: AtomicU32,
}

impl Shapes {
    /// The shape of a request with these constants and entries.
    pub(crate) fn find(&self, constants: u64, fields: Fields<'_>) -> Option<Arc<Shape>> {
        let mut known = self.known.try_lock()?;
        let index = known
            .iter()
            .position(|shape| shape.is_of(constants, fields))?;
        known.swap(0, index);
        let found = Arc::clone(known.first()?);
        drop(known);
        if self.in_vain.load(Ordering::Relaxed) != 0 {
            self.in_vain.store(0, Ordering::Relaxed);
        }
        Some(found)
    }

    /// Whether a request that had no shape is to be made one of.
    pub(crate) fn is_wanted(&self, fields: Fields<'_>) -> bool {
        let before = self.in_vain.fetch_add(1, Ordering::Relaxed);
        before.is_multiple_of(PATIENCE) && fields.len() <= MOST_ENTRIES
    }

    /// Keeps a shape; gives back the one that has to go.
    pub(crate) fn keep(&self, shape: Shape) -> Option<Arc<Shape>> {
        let mut known = self.known.try_lock()?;
        let last = if known.len() >= MOST {
            known.pop()
        } else {
            None
        };
        known.insert(0, Arc::new(shape));
        last
    }

    /// Gives a shape up from which most requests differ by now.
    pub(crate) fn forget(&self, shape: &Arc<Shape>) {
        if let Some(mut known) = self.known.try_lock() {
            known.retain(|other| !Arc::ptr_eq(other, shape));
        }
    }
}

impl Shape {
    /// Makes one of an environ that nobody else has, with just these constants and entries, each under a key of its own.
    /// `is_repeated` tells of entries whose value others may have, too.
    pub(crate) fn new(
        constants: u64,
        fields: Fields<'_>,
        environ: Py<PyDict>,
        is_repeated: impl Fn(&FieldView<'_>) -> bool,
    ) -> Self {
        let spelled = fields.iter().filter(|field| field.id == 0);
        let value = |field: FieldView<'_>| is_repeated(&field).then(|| field.value.into());
        Self {
            constants,
            ids: fields.iter().map(|field| field.id).collect(),
            names: spelled.map(|field| field.name.to_vec()).collect(),
            values: fields.iter().map(value).collect(),
            environ,
            strangers: AtomicU32::new(0),
        }
    }

    /// Whether a request with these constants and entries is of it.
    pub(crate) fn is_of(&self, constants: u64, fields: Fields<'_>) -> bool {
        if self.constants != constants || self.ids.len() != fields.len() {
            return false;
        }
        let mut ids = self.ids.iter().zip(fields.iter());
        if !ids.all(|(id, field)| *id == field.id) {
            return false;
        }
        let spelled = fields.iter().filter(|field| field.id == 0);
        self.names.is_empty()
            || spelled
                .zip(&self.names)
                .all(|(field, name)| field.name == name)
    }

    /// A copy of the environ, and `put` called for what of `fields`, which are of this shape, is not in it.
    ///
    /// # Errors
    /// Python's, and those of `put`.
    pub(crate) fn environ<'py>(
        &self,
        py: Python<'py>,
        fields: Fields<'_>,
        mut put: impl FnMut(&Bound<'py, PyDict>, FieldView<'_>) -> PyResult<()>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let environ = self.environ.bind(py).copy()?;
        let mut different = 0;
        for (value, field) in self.values.iter().zip(fields.iter()) {
            match value {
                Some(value) if **value == *field.value => continue,
                Some(_) => different += 1,
                None => {}
            }
            put(&environ, field)?;
        }
        if different * USUAL > self.values.len() {
            self.strangers.fetch_add(1, Ordering::Relaxed);
        }
        Ok(environ)
    }

    /// Whether it is not what requests look like any more.
    pub(crate) fn is_outdated(&self) -> bool {
        self.strangers.load(Ordering::Relaxed) > MOST_STRANGERS
    }
}
