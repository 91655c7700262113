//! What values hold outside of their slots: counted exactly where that is quick, else estimated and counted now and then.
//!
//! A list into which a million values are folded must not be gone through a million times. So such values are taken to grow by what is
//! folded into them, and all are counted again when by that half of what was left of the memory is used up, or when so many have been folded
//! in that counting is little beside it.

use crate::Codec;

/// Between two counts at least so many values are folded in …
const FOLDS_MIN: usize = 4096;
/// … and at least one for so many bytes that were counted.
const BYTES_PER_FOLD: usize = 64;
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

    #[inline(always)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
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
            // A list doubles its room when that is used up.
            self.bytes += value.heap_bytes() + size_of::<V>();
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
        self.folds_left = FOLDS_MIN.max(bytes / BYTES_PER_FOLD);
        let held = bytes + other_bytes;
        let step = memory_bytes.saturating_sub(held) / 2;
        self.recount_from = if step >= memory_bytes / SHARE_MIN { held + step } else { usize::MAX };
    }
}
