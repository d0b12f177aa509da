//! Environ entries that many requests share: each block is kept once, so that the layer makes a dict of it once.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rsgi_bridge::facts::{ConstantsBlock, FieldList};
use rsgi_core::wire::{Entries, WireError};

/// The most blocks: one for each server of httpd that uses the group. What comes beyond is put into each request, for
/// neither this nor the layer ever forgets a block.
const MOST: usize = 256;

/// All blocks of a process.
#[derive(Default)]
pub(super) struct Constants {
    blocks: Mutex<HashMap<Box<[u8]>, Arc<ConstantsBlock>>>,
}

/// The block that a thread used last: nearly always the next one's.
#[derive(Default)]
pub(super) struct LastBlock(Option<(Box<[u8]>, Arc<ConstantsBlock>)>);

impl Constants {
    /// The block of these entries; none where there are none, or where too many blocks are there already.
    ///
    /// # Errors
    /// They are no entries.
    pub(super) fn block(
        &self,
        entries: Entries<'_>,
        last: &mut LastBlock,
    ) -> Result<Option<Arc<ConstantsBlock>>, WireError> {
        let bytes = entries.as_bytes();
        if bytes.is_empty() {
            return Ok(None);
        }
        if let Some((known, block)) = &last.0
            && **known == *bytes
        {
            return Ok(Some(Arc::clone(block)));
        }
        let mut blocks = self.blocks.lock();
        let block = match blocks.get(bytes) {
            Some(block) => Arc::clone(block),
            None if blocks.len() >= MOST => return Ok(None),
            None => {
                let block = Arc::new(ConstantsBlock::new(&list(entries)?));
                blocks.insert(bytes.into(), Arc::clone(&block));
                block
            }
        };
        last.0 = Some((bytes.into(), Arc::clone(&block)));
        Ok(Some(block))
    }
}

fn list(entries: Entries<'_>) -> Result<FieldList<'_>, WireError> {
    let mut list = FieldList::with_capacity(16);
    push_all(entries, &mut list)?;
    Ok(list)
}

/// Adds entries to a list.
///
/// # Errors
/// They are no entries.
pub(super) fn push_all<'a>(
    entries: Entries<'a>,
    list: &mut FieldList<'a>,
) -> Result<(), WireError> {
    for entry in entries {
        let (id, name, value) = entry?;
        match id {
            0 => list.push_named(name, value),
            _ => list.push(id, value),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rsgi_core::wire::push_entry;

    fn encoded(value: &str) -> Vec<u8> {
        let mut out = Vec::new();
        push_entry(&mut out, 4, value.as_bytes());
        out
    }

    #[test]
    fn the_same_entries_are_one_block_and_too_many_are_none() {
        let constants = Constants::default();
        let mut last = LastBlock::default();
        let mut block = |value: &str| {
            let bytes = encoded(value);
            let block = constants.block(Entries::new(&bytes), &mut last).unwrap();
            block.map(|block| block.id())
        };
        let first = block("80");
        assert!(first.is_some());
        assert_ne!(block("81"), first);
        assert_eq!(block("80"), first);
        for port in 0..MOST {
            block(&format!("x{port}"));
        }
        assert_eq!(block("another"), None);
        assert_eq!(block("80"), first);
        let none = constants.block(Entries::EMPTY, &mut LastBlock::default());
        assert!(none.unwrap().is_none());
        let cut = Entries::new(&[4, 0, 9, 0, 0, 0, 1]);
        let fresh = Constants::default();
        assert!(fresh.block(cut, &mut LastBlock::default()).is_err());
    }
}
