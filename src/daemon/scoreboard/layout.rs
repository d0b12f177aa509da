//! How large a scoreboard is and where its parts are: arithmetic only.

use super::BoardError;
use super::cells::{Header, RowHead, RunningCell, SlotCells, TallyCells, WaiterCell};

/// More slots than any group has.
const MOST_SLOTS: u32 = 4096;
/// More children than any MPM has.
const MOST_ROWS: u32 = 200_000;
/// More threads than any child has.
const MOST_WAITERS: u32 = 65_536;
/// Memory is taken page by page, as it is used, so this only keeps nonsense out.
const MOST_BYTES: usize = 1 << 30;
/// Nothing that different processes write shares a line of the processor's cache.
const LINE: usize = 64;
/// Sets of counts that writers share among them.
pub(super) const STRIPES: u32 = 16;

/// How many of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Places for daemon processes: twice as many as the group has and two more, so that a successor always has one.
    pub slots: u32,
    /// Places for Apache children: as many as can live at the same time.
    pub rows: u32,
    /// Places for waiting requests a child, and as many claims: its threads, with those of mod_http2. When more requests
    /// wait, the rest waits in the child for one of them; when more run, the rest runs without a claim.
    pub waiters: u32,
}

/// Where everything is, in bytes from the beginning.
///
/// # Invariants
/// Parts are at multiples of a cache line, do not overlap, and all end before `bytes`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    pub(super) layout: Layout,
    pub(super) tallies_at: usize,
    pub(super) slots_at: usize,
    pub(super) rows_at: usize,
    pub(super) row_bytes: usize,
    /// From the beginning of a row.
    pub(super) assigned_at: usize,
    /// From the beginning of a row.
    pub(super) waiters_at: usize,
    /// From the beginning of a row.
    pub(super) claims_at: usize,
    /// From the beginning of a row; as many as waiters.
    pub(super) running_at: usize,
    pub(super) bytes: usize,
}

impl Layout {
    /// Computes where everything is.
    pub(super) fn geometry(self) -> Result<Geometry, BoardError> {
        let refused = BoardError::Layout(self);
        let is_sane = (1..=MOST_SLOTS).contains(&self.slots)
            && (1..=MOST_ROWS).contains(&self.rows)
            && (1..=MOST_WAITERS).contains(&self.waiters);
        if !is_sane {
            return Err(refused);
        }
        let (slots, rows, waiters) = (
            self.slots as usize,
            self.rows as usize,
            self.waiters as usize,
        );
        // None of these products can overflow 64 bits: the factors are bounded above.
        let tallies_at = to_line(size_of::<Header>());
        let slots_at = tallies_at + STRIPES as usize * to_line(size_of::<TallyCells>());
        let rows_at = slots_at + slots * to_line(size_of::<SlotCells>());
        let assigned_at = size_of::<RowHead>();
        let waiters_at = to_line(assigned_at + slots * size_of::<u64>());
        let claims_at = to_line(waiters_at + waiters * size_of::<WaiterCell>());
        let running_at = to_line(claims_at + waiters * size_of::<u64>());
        let row_bytes = to_line(running_at + waiters * size_of::<RunningCell>());
        let bytes = rows
            .checked_mul(row_bytes)
            .and_then(|bytes| bytes.checked_add(rows_at))
            .filter(|&bytes| bytes <= MOST_BYTES)
            .ok_or(refused)?;
        // INVARIANT: each begins where the one before ends, rounded up.
        Ok(Geometry {
            layout: self,
            tallies_at,
            slots_at,
            rows_at,
            row_bytes,
            assigned_at,
            waiters_at,
            claims_at,
            running_at,
            bytes,
        })
    }
}

/// The next multiple of a cache line.
const fn to_line(bytes: usize) -> usize {
    bytes.next_multiple_of(LINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(slots: u32, rows: u32, waiters: u32) -> Layout {
        Layout {
            slots,
            rows,
            waiters,
        }
    }

    #[test]
    fn the_parts_of_a_row_do_not_overlap() {
        for (slots, waiters) in [(1, 1), (2, 25), (6, 3), (7, 64), (4096, 65_536)] {
            let geometry = layout(slots, 2, waiters).geometry().unwrap();
            assert!(geometry.assigned_at >= size_of::<RowHead>());
            assert!(geometry.waiters_at >= geometry.assigned_at + slots as usize * 8);
            assert!(geometry.claims_at >= geometry.waiters_at + waiters as usize * 16);
            assert!(geometry.running_at >= geometry.claims_at + waiters as usize * 8);
            assert!(geometry.row_bytes >= geometry.running_at + waiters as usize * 128);
            assert_eq!(geometry.running_at % LINE, 0);
            assert_eq!(geometry.bytes, geometry.rows_at + 2 * geometry.row_bytes);
            for offset in [
                geometry.tallies_at,
                geometry.slots_at,
                geometry.rows_at,
                geometry.row_bytes,
            ] {
                assert_eq!(offset % LINE, 0);
            }
        }
    }

    #[test]
    fn up_to_six_slots_share_the_line_of_their_row() {
        assert_eq!(layout(6, 1, 1).geometry().unwrap().waiters_at, LINE);
    }

    #[test]
    fn layouts_beyond_reason_are_refused() {
        for wrong in [
            layout(0, 1, 1),
            layout(1, 0, 1),
            layout(1, 1, 0),
            layout(4097, 1, 1),
            layout(u32::MAX, u32::MAX, u32::MAX),
            layout(4096, 200_000, 65_536),
        ] {
            assert!(wrong.geometry().is_err(), "{wrong:?}");
        }
    }
}
