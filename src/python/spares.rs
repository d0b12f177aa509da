//! Objects of requests that are over, which serve those to come: those that were last used on the same processor first.
//!
//! What one processor has written, another one has to fetch from it. That takes longer than all that is done with it, so
//! objects stay where they are, as far as threads do.

#![deny(unsafe_code)]

use parking_lot::Mutex;
use pyo3::prelude::*;

use crate::capi;
use crate::types::RequestObjects;

/// Processors beyond these share their places.
const MOST_PLACES: usize = 64;

/// A processor's, alone in its lines of cache. Locked for moments, while nothing is waited for.
#[repr(align(128))]
#[derive(Default)]
struct Place(Mutex<Vec<RequestObjects>>);

/// See the module.
pub(crate) struct Spares(Vec<Place>);

impl Spares {
    /// None yet.
    pub(crate) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let places = (0..processors.min(MOST_PLACES)).map(|_| Place::default());
        Self(places.collect())
    }

    fn here(&self) -> usize {
        capi::processor() % self.0.len()
    }

    /// Takes objects out; none where all are in use. So there are never more than requests at a time.
    pub(crate) fn take(&self) -> Option<RequestObjects> {
        let (others, own) = self.0.split_at(self.here());
        let mut places = own.iter().chain(others);
        places.find_map(|place| place.0.lock().pop())
    }

    /// Keeps objects that nobody uses.
    pub(crate) fn keep(&self, objects: RequestObjects) {
        if let Some(place) = self.0.get(self.here()) {
            place.0.lock().push(objects);
        }
    }

    /// Releases all.
    pub(crate) fn clear(&self, _py: Python<'_>) {
        for place in &self.0 {
            let kept = core::mem::take(&mut *place.0.lock());
            drop(kept);
        }
    }
}
