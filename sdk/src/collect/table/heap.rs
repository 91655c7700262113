//! What values hold outside of their slots: counted exactly where that is quick, else estimated and counted now and then.
//!
//! A list into which a million values are folded must not be gone through a million times. So such values are taken to grow by what is
//! folded into them, and all are counted again when by that half of what was left of the memory is used up, or when so many have been folded
//! in that counting is little beside it.

use crate::Codec;

/// Between two counts at least so many values are folded in …
const FOLDS_MIN: usize = 4096;
/// … and at least one for so many bytes of the table.
const BYTES_PER_FOLD: usize = 64;
/// A list that takes in one element more may get room for another one, which mostly is as large as a list itself.
const LIST_ROOM: usize = size_of::<Vec<u8>>();
/// A share of the memory that is not worth another count.
const SHARE_MIN: usize = 16;

#[derive(Debug)]
pub(super) struct Heap {
    bytes: usize,
    /// From so many on, other memory included, they are counted again.
    recount_from: usize,
    folds_left: usize,
}

impl Heap {
    /// Of no values, in a table of so many bytes.
    pub(super) fn new(memory_bytes: usize) -> Self {
        Self { bytes: 0, recount_from: memory_bytes / 2, folds_left: FOLDS_MIN }
    }

    /// What they take: half as much again as they hold, for what grows bit by bit leaves holes behind which nothing else fits.
    #[inline(always)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.bytes / 2
    }

    /// A value has come.
    #[inline]
    pub(super) fn add<V: Codec>(&mut self, value: &V) {
        if std::mem::needs_drop::<V>() {
            self.bytes += value.heap_bytes();
        }
    }

    /// Folds a value into another one.
    #[inline(always)]
    pub(super) fn fold<V: Codec>(&mut self, total: &mut V, value: V, combine: impl Fn(&mut V, V)) {
        if !std::mem::needs_drop::<V>() {
            return combine(total, value);
        }
        if V::HEAP_IS_SOON_COUNTED {
            let before = total.heap_bytes();
            combine(total, value);
            self.bytes = (self.bytes + total.heap_bytes()).saturating_sub(before);
        } else {
            self.bytes += value.heap_bytes() + LIST_ROOM;
            self.folds_left = self.folds_left.saturating_sub(1);
            combine(total, value);
        }
    }

    /// Whether the values are to be counted, in a table that holds so much with them.
    #[inline]
    pub(super) fn wants_count<V: Codec>(&self, held_bytes: usize) -> bool {
        std::mem::needs_drop::<V>()
            && !V::HEAP_IS_SOON_COUNTED
            && (held_bytes > self.recount_from || self.folds_left == 0)
    }

    /// All values were counted: they hold so much, beside so much other memory.
    pub(super) fn counted(&mut self, bytes: usize, other_bytes: usize, memory_bytes: usize) {
        self.bytes = bytes;
        let held = self.bytes() + other_bytes;
        // All slots were looked at, free ones too.
        self.folds_left = FOLDS_MIN.max(held / BYTES_PER_FOLD);
        let step = memory_bytes.saturating_sub(held) / 2;
        self.recount_from = if step >= memory_bytes / SHARE_MIN { held + step } else { usize::MAX };
    }
}
