//! What is in the shared memory, cell by cell, and the way from a mapping to them: the only unsafe code of the board.
//!
//! All cells are atomics, for which every pattern of bits is a value: what another process writes there can be wrong,
//! but it cannot be undefined. Each says who writes it.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64};

use rsgi_core::metrics::{BUCKETS, End, FailureCause};

use super::layout::{Geometry, STRIPES};
use crate::sys::memory::Mapping;

/// The beginning of the memory.
#[repr(C, align(64))]
pub(crate) struct Header {
    /// Written once, before anyone else has the file.
    pub(crate) magic: AtomicU64,
    pub(crate) version: AtomicU32,
    pub(crate) slots: AtomicU32,
    pub(crate) rows: AtomicU32,
    pub(crate) waiters: AtomicU32,
    pub(crate) shared: Shared,
    pub(crate) counters: Counters,
}

/// What all read at each request and seldom write.
#[repr(C, align(64))]
pub(crate) struct Shared {
    /// Not 0: a request may be waiting. Set by each that waits, cleared by whoever found none.
    pub(crate) queued: AtomicU32,
    /// Rows beyond this were never used. Grows when a child joins.
    pub(crate) rows_used: AtomicU32,
    /// When rows of dead owners were last looked for, in milliseconds. Whoever looks.
    pub(crate) swept: AtomicU64,
}

/// For people: nothing depends on them. Any child adds.
#[repr(C, align(64))]
pub(crate) struct Counters {
    pub(crate) queued: AtomicU64,
    pub(crate) queued_micros: AtomicU64,
    pub(crate) queue_timeouts: AtomicU64,
    pub(crate) no_process: AtomicU64,
    pub(crate) rows_swept: AtomicU64,
    /// Processes that ended, by how. The supervisor adds.
    pub(crate) ends: [AtomicU64; End::COUNT],
}

/// How often times of each size were seen. Those who have this set add; see `tally`.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct HistogramCells {
    pub(crate) counts: [AtomicU64; BUCKETS],
    /// Of all of them, in microseconds.
    pub(crate) sum: AtomicU64,
}

/// What one set of writers counts.
#[repr(C, align(64))]
pub(crate) struct TallyCells {
    /// Processes add, or children that run the application themselves.
    pub(crate) run: HistogramCells,
    /// Children add.
    pub(crate) wait: HistogramCells,
    /// By the class of the status. Children add.
    pub(crate) answers: [AtomicU64; 5],
    /// Children add.
    pub(crate) failures: [AtomicU64; FailureCause::ALL.len()],
}

/// One daemon process.
#[repr(C, align(64))]
pub(crate) struct SlotCells {
    /// The supervisor, and the process while it lives.
    pub(crate) state: AtomicU32,
    /// The supervisor.
    pub(crate) incarnation: AtomicU32,
    /// The supervisor.
    pub(crate) pid: AtomicU32,
    /// The supervisor; when that process started, as [`super::Owner`] has it.
    pub(crate) born: AtomicU32,
    /// The process.
    pub(crate) threads: AtomicU32,
    /// The process, in milliseconds of the monotonic clock.
    pub(crate) heartbeat: AtomicU64,
    /// The supervisor, in milliseconds of the monotonic clock.
    pub(crate) started: AtomicU64,
    /// The supervisor; see [`super::Death`].
    pub(crate) death: AtomicU64,
    /// The supervisor; counts, and is waited on.
    pub(crate) deaths: AtomicU32,
    /// The process or the supervisor.
    pub(crate) reason: AtomicU32,
    pub(crate) work: Work,
}

/// What a process writes at each request.
#[repr(C, align(64))]
pub(crate) struct Work {
    pub(crate) busy: AtomicU32,
    /// The processor that its last request began on.
    pub(crate) processor: AtomicU32,
    /// Not 0: it is brisk.
    pub(crate) is_brisk: AtomicU32,
    pub(crate) requests: AtomicU64,
}

/// The beginning of the row of one Apache child; its assigned cells, its waiter cells and its claims follow.
#[repr(C)]
pub(crate) struct RowHead {
    /// Pid and start of the child, 0 for none. Whoever claims or clears the row.
    pub(crate) owner: AtomicU64,
    /// How many of its requests wait. The child.
    pub(crate) waiting: AtomicU32,
    /// Waiter cells beyond this were never used. The child.
    pub(crate) waiters_used: AtomicU32,
}

/// One waiting request. The child writes it, others only wake.
#[repr(C)]
pub(crate) struct WaiterCell {
    /// When the request came, in nanoseconds of the monotonic clock; 0 for none. It is its place in the queue.
    pub(crate) ticket: AtomicU64,
    /// When its thread last looked, in milliseconds.
    pub(crate) looked: AtomicU32,
    /// Whether its thread sleeps; it sleeps on this.
    pub(crate) sleep: AtomicU32,
}

/// Words of the beginning of a request's first line.
pub(crate) const LINE_WORDS: usize = 12;

/// One request that runs, by the number of the child's thread. The child writes it.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct RunningCell {
    /// When it was given to a process, in nanoseconds of the monotonic clock; 0 for none.
    pub(crate) started: AtomicU64,
    pub(crate) slot: AtomicU32,
    pub(crate) line: [AtomicU64; LINE_WORDS],
}

/// All cells of one row.
#[derive(Clone, Copy)]
pub(crate) struct Row<'b> {
    pub(crate) head: &'b RowHead,
    pub(crate) assigned: &'b [AtomicU64],
    pub(crate) waiters: &'b [WaiterCell],
    /// Who has which request. The child and the process that it was sent to; see `claims`.
    pub(crate) claims: &'b [AtomicU64],
    pub(crate) running: &'b [RunningCell],
}

/// A mapping seen as cells.
///
/// # Invariants
/// The mapping is as long as the geometry says. A page begins at a cache line, so parts are aligned.
#[derive(Debug)]
pub(super) struct Cells {
    mapping: Mapping,
    geometry: Geometry,
}

impl Cells {
    /// None if the mapping is not as long as the geometry says.
    pub(super) fn new(mapping: Mapping, geometry: Geometry) -> Option<Self> {
        // INVARIANT: checked here; both stay as they are.
        (mapping.length() == geometry.bytes).then_some(Self { mapping, geometry })
    }

    pub(super) fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    pub(super) fn header(&self) -> &Header {
        // SAFETY: the geometry has a header at the beginning.
        unsafe { self.cell(0) }
    }

    /// One set of counts; the numbers begin again behind the last.
    pub(super) fn tally(&self, stripe: u32) -> &TallyCells {
        let stripe = (stripe % STRIPES) as usize;
        let offset = self.geometry.tallies_at + stripe * size_of::<TallyCells>();
        // SAFETY: the geometry has that many sets, of this size, which is a multiple of a line.
        unsafe { self.cell(offset) }
    }

    /// None beyond the last slot.
    pub(super) fn slot(&self, index: u32) -> Option<&SlotCells> {
        if index >= self.geometry.layout.slots {
            return None;
        }
        let offset = self.geometry.slots_at + index as usize * size_of::<SlotCells>();
        // SAFETY: the geometry has that many slots, of this size, which is a multiple of a line.
        Some(unsafe { self.cell(offset) })
    }

    /// None beyond the last row.
    pub(super) fn row(&self, index: u32) -> Option<Row<'_>> {
        let geometry = &self.geometry;
        if index >= geometry.layout.rows {
            return None;
        }
        let start = geometry.rows_at + index as usize * geometry.row_bytes;
        let (slots, waiters) = (
            geometry.layout.slots as usize,
            geometry.layout.waiters as usize,
        );
        Some(Row {
            // SAFETY: the geometry has that many rows, and each begins with a head.
            head: unsafe { self.cell(start) },
            // SAFETY: each row has that many of these cells there.
            assigned: unsafe { self.slice(start + geometry.assigned_at, slots) },
            // SAFETY: as above.
            waiters: unsafe { self.slice(start + geometry.waiters_at, waiters) },
            // SAFETY: as above.
            claims: unsafe { self.slice(start + geometry.claims_at, waiters) },
            // SAFETY: as above.
            running: unsafe { self.slice(start + geometry.running_at, waiters) },
        })
    }

    /// One claim of one row; none beyond the last of either.
    pub(super) fn claim(&self, row: u32, index: u32) -> Option<&AtomicU64> {
        let geometry = &self.geometry;
        if row >= geometry.layout.rows || index >= geometry.layout.waiters {
            return None;
        }
        let first = geometry.rows_at + row as usize * geometry.row_bytes + geometry.claims_at;
        // SAFETY: both are within the layout (above), and each row has that many of these cells there.
        Some(unsafe { self.cell(first + index as usize * size_of::<AtomicU64>()) })
    }

    /// What the first rows say of a slot: those cells alone, as each request looks at all of them.
    pub(super) fn assigned(&self, slot: u32, rows: u32) -> impl Iterator<Item = &AtomicU64> {
        let geometry = &self.geometry;
        let rows = if slot < geometry.layout.slots {
            rows.min(geometry.layout.rows) as usize
        } else {
            0
        };
        let first =
            geometry.rows_at + geometry.assigned_at + slot as usize * size_of::<AtomicU64>();
        // SAFETY: slot and rows are within the layout (above), and each row has a cell for each slot there.
        (0..rows).map(move |row| unsafe { self.cell(first + row * geometry.row_bytes) })
    }

    /// # Safety
    /// As [`Self::slice`] with one.
    unsafe fn cell<T: Shareable>(&self, offset: usize) -> &T {
        // SAFETY: the caller's word.
        let at = unsafe { self.at::<T>(offset, 1) };
        // SAFETY: aligned and within the mapping, alive as long as `self`; atomics bear that others write.
        unsafe { at.as_ref() }
    }

    /// # Safety
    /// The geometry has `count` of these at `offset`.
    unsafe fn slice<T: Shareable>(&self, offset: usize, count: usize) -> &[T] {
        // SAFETY: the caller's word.
        let first = unsafe { self.at::<T>(offset, count) };
        // SAFETY: as in `cell`, for each.
        unsafe { std::slice::from_raw_parts(first.as_ptr(), count) }
    }

    /// # Safety
    /// As [`Self::slice`].
    unsafe fn at<T: Shareable>(&self, offset: usize, count: usize) -> NonNull<T> {
        debug_assert!(offset + count * size_of::<T>() <= self.mapping.length());
        // SAFETY: within the mapping: the geometry ends with it (invariant).
        let at = unsafe { self.mapping.start().add(offset) }.cast::<T>();
        debug_assert!(at.is_aligned());
        at
    }
}

/// Types made of atomics only.
///
/// # Safety
/// Every pattern of bits is a value, and every byte that is ever accessed is accessed atomically.
unsafe trait Shareable {}
// SAFETY: an atomic.
unsafe impl Shareable for AtomicU64 {}
// SAFETY: atomics and padding only, with a fixed layout.
unsafe impl Shareable for Header {}
// SAFETY: as above.
unsafe impl Shareable for TallyCells {}
// SAFETY: as above.
unsafe impl Shareable for SlotCells {}
// SAFETY: as above.
unsafe impl Shareable for RowHead {}
// SAFETY: as above.
unsafe impl Shareable for WaiterCell {}
// SAFETY: as above.
unsafe impl Shareable for RunningCell {}
