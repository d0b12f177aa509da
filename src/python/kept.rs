//! An environ that serves the next request as well.
//!
//! An environ that its application gave back as it was, and that nobody else refers to, is kept with the objects of its
//! request. For the next request that looks alike only what differs is set in it. That spares it a copy, and the threads of
//! two processors the references to a hundred objects which they would take from each other.
//!
//! What an application has added is taken out, and what it has replaced is put back. An environ in which anything else is
//! not as it was is given up. All that is compared is held meanwhile, so that nothing else can be where it was.

#![deny(unsafe_code)]

use std::cell::Cell;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use smallvec::SmallVec;

use crate::capi;
use crate::entry::{FieldView, Fields};
use crate::shapes::Shape;

/// Requests in a row that looked alike, after which an environ is kept.
const USUAL: u32 = 4;
/// By how much more there must be after each one that could not be used again, and the most.
const DOUBT: u32 = 4;
const MOST_DOUBT: u32 = 1 << 16;
/// Requests that one has served when that is forgotten.
const PROVEN: u32 = 64;

/// Entries that the layer sets for each request by itself, as bits.
pub(crate) type OwnSet = u8;

/// Which object it is. Only ever compared.
#[derive(Clone, Copy, Eq, PartialEq)]
struct Identity(usize);

impl Identity {
    fn of(object: &Bound<'_, PyAny>) -> Self {
        Self(object.as_ptr() as usize)
    }
}

struct Entry {
    key: Identity,
    /// What is there, where it is to be there in the next request, too.
    value: Option<Py<PyAny>>,
    /// Whether it is the same in each request.
    is_constant: bool,
}

/// See the module.
pub(crate) struct Kept {
    /// What it was made of; holds the keys and the constants.
    shape: Arc<Shape>,
    environ: Py<PyDict>,
    /// What is in it, in order.
    entries: Vec<Entry>,
    /// The bytes of the request's entries, which are the last; none for what is to be set anew.
    values: Vec<Option<Vec<u8>>>,
    /// Entries of the layer's own that are to be set anew.
    stale: OwnSet,
    /// What it was when the application got it; none where dicts have none.
    version: Option<u64>,
}

impl Kept {
    /// Keeps an environ that was just made for a request of a shape. `own` tells the bit of a key that the layer sets itself;
    /// `changing` are those that each request sets; `is_repeated` tells of entries whose value others may have, too. None where
    /// it has other entries than those.
    pub(crate) fn new(
        shape: Arc<Shape>,
        environ: &Bound<'_, PyDict>,
        fields: Fields<'_>,
        (own, changing): (impl Fn(&Bound<'_, PyAny>) -> Option<OwnSet>, OwnSet),
        is_repeated: impl Fn(&FieldView<'_>) -> bool,
    ) -> Option<Self> {
        let before = environ.len().checked_sub(fields.len())?;
        let mut entries = Vec::with_capacity(environ.len());
        let mut values = Vec::with_capacity(fields.len());
        let mut fields = fields.iter();
        for (place, (key, value)) in environ.iter().enumerate() {
            let (is_constant, is_held) = if place >= before {
                let field = fields.next()?;
                let known = is_repeated(&field).then(|| field.value.to_vec());
                let is_held = known.is_some();
                values.push(known);
                (false, is_held)
            } else {
                let bit = own(&key);
                (bit.is_none(), bit.is_none_or(|bit| bit & changing == 0))
            };
            entries.push(Entry {
                key: Identity::of(&key),
                value: is_held.then(|| value.unbind()),
                is_constant,
            });
        }
        Some(Self {
            shape,
            environ: environ.clone().unbind(),
            entries,
            values,
            stale: changing,
            version: None,
        })
    }

    /// The environ, once `put` was called for what of `fields`, which are of its shape, is not in it; and which of the layer's
    /// own entries are not what they were when it was kept.
    ///
    /// # Errors
    /// Python's, and those of `put`.
    pub(crate) fn renew<'py>(
        &mut self,
        py: Python<'py>,
        fields: Fields<'_>,
        mut put: impl FnMut(&Bound<'py, PyDict>, FieldView<'_>) -> PyResult<Bound<'py, PyString>>,
        is_repeated: impl Fn(&FieldView<'_>) -> bool,
    ) -> PyResult<(Bound<'py, PyDict>, OwnSet)> {
        let environ = self.environ.bind(py).clone();
        let first = self.entries.len() - self.values.len();
        for (index, (known, field)) in self.values.iter_mut().zip(fields.iter()).enumerate() {
            if known.as_deref() == Some(field.value) {
                continue;
            }
            let value = put(&environ, field)?;
            let is_held = is_repeated(&field);
            if let Some(entry) = self.entries.get_mut(first + index) {
                entry.value = is_held.then(|| value.into_any().unbind());
            }
            if is_held {
                let bytes = known.get_or_insert_default();
                bytes.clear();
                bytes.extend_from_slice(field.value);
            } else {
                *known = None;
            }
        }
        Ok((environ, self.stale))
    }

    /// The application gets it now. `own` are the layer's entries that the next request cannot have as they are.
    pub(crate) fn seal(&mut self, py: Python<'_>, own: OwnSet, has_version: bool) {
        self.stale |= own;
        self.version = has_version.then(|| capi::dict_version(self.environ.bind(py)));
    }

    /// Looks what the application has done to it, and makes that good; false where it cannot be used again.
    fn restore(&mut self, py: Python<'_>) -> bool {
        if capi::references(self.environ.as_any(), py) != 1 {
            return false;
        }
        let environ = self.environ.bind(py);
        if self
            .version
            .is_some_and(|version| capi::dict_version(environ) == version)
        {
            return true;
        }
        let mut added: SmallVec<[Bound<'_, PyAny>; 8]> = SmallVec::new();
        let mut replaced: SmallVec<[_; 8]> = SmallVec::new();
        let mut entries = self.entries.iter();
        let mut is_known = true;
        capi::walk(environ, |key, value| {
            let Some(entry) = entries.next() else {
                added.push(key.to_owned());
                return true;
            };
            is_known = entry.key == Identity::of(&key);
            if let Some(held) = &entry.value
                && !held.is(&*value)
            {
                is_known &= !entry.is_constant;
                replaced.push((key.to_owned(), held));
            }
            is_known
        });
        // What is the application's goes now, not with the next request.
        is_known
            && entries.next().is_none()
            && added.iter().all(|key| environ.del_item(key).is_ok())
            && replaced
                .iter()
                .all(|(key, held)| environ.set_item(key, held).is_ok())
    }
}

/// Keeps an environ from request to request, where that pays.
pub(crate) struct Keeper {
    kept: Cell<Option<Kept>>,
    /// The shape of the last request, and how many in a row had it.
    last: Cell<usize>,
    row: Cell<u32>,
    needed: Cell<u32>,
    /// Requests that the kept environ has served.
    served: Cell<u32>,
}

impl Default for Keeper {
    fn default() -> Self {
        Self {
            kept: Cell::new(None),
            last: Cell::new(0),
            row: Cell::new(0),
            needed: Cell::new(USUAL),
            served: Cell::new(0),
        }
    }
}

impl Keeper {
    /// The kept environ, if it is for a request with these constants and entries; else it is given up.
    pub(crate) fn take(&self, constants: u64, fields: Fields<'_>) -> Option<Kept> {
        let kept = self.kept.take()?;
        if kept.shape.is_of(constants, fields) {
            return Some(kept);
        }
        self.served.set(0);
        self.row.set(0);
        None
    }

    /// Whether the environ of a request of a shape is to be kept.
    pub(crate) fn is_wanted(&self, shape: &Arc<Shape>) -> bool {
        let shape = Arc::as_ptr(shape) as usize;
        let row = match self.last.replace(shape) == shape {
            true => self.row.get() + 1,
            false => 1,
        };
        self.row.set(row);
        row >= self.needed.get()
    }

    /// Keeps an environ until the request is over.
    pub(crate) fn set(&self, kept: Kept) {
        self.kept.set(Some(kept));
    }

    /// The request is over: says whether an environ is kept for the next one.
    pub(crate) fn restore(&self, py: Python<'_>) -> bool {
        let Some(mut kept) = self.kept.take() else {
            return false;
        };
        if kept.restore(py) {
            self.kept.set(Some(kept));
            self.served.set(self.served.get().saturating_add(1));
            if self.served.get() == PROVEN {
                self.needed.set(USUAL);
            }
            return true;
        }
        self.served.set(0);
        self.row.set(0);
        self.needed
            .set(self.needed.get().saturating_mul(DOUBT).min(MOST_DOUBT));
        false
    }
}
