//! Blocks of a response that are passed on with one call.

/// Blocks that are passed at once.
pub(super) const BLOCKS: usize = 16;

/// Blocks that are passed together.
pub(super) struct Batch<'i> {
    pub(super) blocks: [&'i [u8]; BLOCKS],
    pub(super) count: usize,
}

impl<'i> Batch<'i> {
    pub(super) const fn new() -> Self {
        Self {
            blocks: [&[]; BLOCKS],
            count: 0,
        }
    }

    pub(super) fn blocks(&self) -> &[&'i [u8]] {
        &self.blocks[..self.count]
    }
}
