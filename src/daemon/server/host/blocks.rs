//! Blocks of a response as frames of data.

use rsgi_bridge::host::Blocks;
use rsgi_core::wire::{self, MAX_DATA};

/// Headers of the frames for a total, each with its length.
pub(super) fn headers(total: usize) -> Vec<([u8; wire::HEADER], usize)> {
    let mut left = total;
    let mut headers = Vec::with_capacity(total / MAX_DATA + 1);
    while left > 0 {
        let length = left.min(MAX_DATA);
        if let Ok(header) = wire::data_header(length) {
            headers.push((header, length));
        }
        left -= length;
    }
    headers
}

/// Copies blocks behind the frames.
pub(super) fn push_blocks(frames: &mut Vec<u8>, blocks: Blocks<'_>, total: usize) {
    if let Ok(header) = wire::data_header(total)
        && total > 0
    {
        frames.extend_from_slice(&header);
        for block in blocks {
            frames.extend_from_slice(block);
        }
    }
}
