//! Pairs of tiny keys on their way into the table, as few bytes each as possible: most pairs of a text pass here.

use super::super::batch::{BATCH_PAIRS, OUTSIDE_BYTES_MAX, pairs_max};
use super::tiny::Word;
use std::mem::MaybeUninit;

struct Pending<V> {
    word: Word,
    hash: u32,
    value: V,
}

/// Pairs in emission order. They are taken out in the same order.
pub(in crate::collect) struct TinyBatch<V> {
    /// Those from `begin` to before `end` are there. Places beyond the most that it takes are never touched.
    pairs: Box<[MaybeUninit<Pending<V>>; BATCH_PAIRS]>,
    begin: usize,
    end: usize,
    values_heap_bytes: usize,
}

impl<V> TinyBatch<V> {
    const PAIRS_MAX: usize = pairs_max(size_of::<Pending<V>>());

    pub(in crate::collect) fn new() -> Self {
        Self {
            // SAFETY: places that may be uninitialized are there as soon as their memory is.
            pairs: unsafe { Box::new_uninit().assume_init() },
            begin: 0,
            end: 0,
            values_heap_bytes: 0,
        }
    }

    /// Adds a pair; says whether the batch is now full and must be emptied.
    #[inline(always)]
    pub(in crate::collect) fn push(&mut self, word: Word, hash: u32, value: V, heap_bytes: usize) -> bool {
        // Emptied whenever it is full, so there is a place.
        if let Some(place) = self.pairs.get_mut(self.end) {
            place.write(Pending { word, hash, value });
            self.end += 1;
        }
        if std::mem::needs_drop::<V>() {
            self.values_heap_bytes += heap_bytes;
            if self.values_heap_bytes >= OUTSIDE_BYTES_MAX {
                return true;
            }
        }
        self.end >= Self::PAIRS_MAX
    }

    /// The next pair's key and hash.
    #[inline(always)]
    pub(super) fn peek(&self) -> Option<(Word, u32)> {
        if self.begin >= self.end {
            return None;
        }
        // SAFETY: pairs from `begin` to before `end` were written and not taken.
        let pair = unsafe { self.pairs.get(self.begin)?.assume_init_ref() };
        Some((pair.word, pair.hash))
    }

    /// Takes the next pair's value out.
    #[inline(always)]
    pub(super) fn take(&mut self) -> Option<V> {
        if self.begin >= self.end {
            return None;
        }
        let pair = self.pairs.get(self.begin)?;
        // Before it is read: whatever happens to the value then, it is not taken twice.
        self.begin += 1;
        // SAFETY: as in `peek`.
        Some(unsafe { pair.assume_init_read() }.value)
    }

    #[inline]
    pub(in crate::collect) fn is_empty(&self) -> bool {
        self.begin == self.end
    }

    /// How many pairs it has taken since it was empty.
    #[inline]
    pub(in crate::collect) fn pushed(&self) -> usize {
        self.end
    }

    /// Forgets the pairs.
    pub(in crate::collect) fn clear(&mut self) {
        if std::mem::needs_drop::<V>() {
            while self.take().is_some() {}
        }
        (self.begin, self.end, self.values_heap_bytes) = (0, 0, 0);
    }

    #[cfg(test)]
    pub(in crate::collect) fn held_bytes(&self) -> usize {
        Self::PAIRS_MAX * size_of::<Pending<V>>() + self.values_heap_bytes
    }
}

impl<V> Drop for TinyBatch<V> {
    fn drop(&mut self) {
        self.clear();
    }
}
