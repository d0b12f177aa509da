//! Environ entries that many requests share: each block is kept once, so that the layer makes a dict of it once.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rsgi_bridge::facts::{ConstantsBlock, FieldList};
use rsgi_core::wire::Entries;

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
    pub(super) fn block(
        &self,
        entries: Entries<'_>,
        last: &mut LastBlock,
    ) -> Option<Arc<ConstantsBlock>> {
        let bytes = entries.as_bytes();
        if bytes.is_empty() {
            return None;
        }
        if let Some((known, block)) = &last.0
            && **known == *bytes
        {
            return Some(Arc::clone(block));
        }
        let mut blocks = self.blocks.lock();
        let block = match blocks.get(bytes) {
            Some(block) => Arc::clone(block),
            None if blocks.len() >= MOST => return None,
            None => {
                let block = Arc::new(ConstantsBlock::new(&list(entries)));
                blocks.insert(bytes.into(), Arc::clone(&block));
                block
            }
        };
        last.0 = Some((bytes.into(), Arc::clone(&block)));
        Some(block)
    }
}

fn list<'a>(entries: Entries<'a>) -> FieldList<'a> {
    let mut list = FieldList::with_capacity(16);
    push_all(entries, &mut list);
    list
}

/// Adds entries to a list.
pub(super) fn push_all<'a>(entries: Entries<'a>, list: &mut FieldList<'a>) {
    for (id, name, value) in entries {
        match id {
            0 => list.push_named(name, value),
            _ => list.push(id, value),
        }
    }
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
            let entries = Entries::new(&bytes).unwrap();
            constants.block(entries, &mut last).map(|block| block.id())
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
        assert!(none.is_none());
    }
}
