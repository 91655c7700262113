//! Pairs on their way into the table: while some are gathered, the slots where they belong come into the cache.

use super::front::Front;
use super::table::{Slot, Tag, Wide};

/// How many pairs are gathered: enough that the first slot has come when the last pair is there, few enough that all
/// stay in the nearest cache.
pub(super) const BATCH_PAIRS: usize = 128;

/// Bytes outside of the slots (long keys, what values hold) from which on a batch is full.
pub(super) const OUTSIDE_BYTES_MAX: usize = 64 << 10;

/// How many pairs are gathered that take so many bytes each: fewer where values are large by themselves.
pub(super) const fn pairs_max(pair_bytes: usize) -> usize {
    match OUTSIDE_BYTES_MAX / pair_bytes {
        0 => 1,
        fit if fit < BATCH_PAIRS => fit,
        _ => BATCH_PAIRS,
    }
}

/// Pairs in emission order. They are taken out in the same order.
pub(super) struct Batch<V> {
    slots: Box<[Wide<V>]>,
    begin: usize,
    end: usize,
    /// Keys that do not stand in their slots, each at the place that its front tells.
    keys: Vec<u8>,
    values_heap_bytes: usize,
}

impl<V> Batch<V> {
    const PAIRS_MAX: usize = pairs_max(size_of::<Wide<V>>());

    pub(super) fn new() -> Self {
        let free = || <Wide<V> as Slot>::free();
        let slots = std::iter::repeat_with(free).take(Self::PAIRS_MAX).collect();
        Self { slots, begin: 0, end: 0, keys: Vec::new(), values_heap_bytes: 0 }
    }

    /// Adds a pair; says whether the batch is now full and must be emptied.
    #[inline(always)]
    pub(super) fn push(&mut self, front: Front, tag: Tag, key: &[u8], value: V, heap_bytes: usize) -> bool {
        let front = if tag.is_short() { front } else { self.keep_key(front, key) };
        self.values_heap_bytes += heap_bytes;
        // Emptied whenever it is full, so there is a place.
        if let Some(slot) = self.slots.get_mut(self.end) {
            *slot = Wide::new(front, tag, value);
            self.end += 1;
        }
        self.end >= Self::PAIRS_MAX || self.keys.len() + self.values_heap_bytes >= OUTSIDE_BYTES_MAX
    }

    #[cold]
    fn keep_key(&mut self, front: Front, key: &[u8]) -> Front {
        let place = self.keys.len() as u64;
        self.keys.extend_from_slice(key);
        front.with_place(place)
    }

    /// The next pair's front and tag, and its key if that does not stand in the front.
    #[inline(always)]
    pub(super) fn peek(&self) -> Option<(Front, Tag, &[u8])> {
        let slot = self.slots[..self.end].get(self.begin)?;
        let key = match slot.tag.is_short() {
            true => &[][..],
            false => self.keys.get(slot.front.place() as usize..)?.get(..slot.tag.key_bytes())?,
        };
        Some((slot.front, slot.tag, key))
    }

    /// Takes the next pair's value out.
    #[inline(always)]
    pub(super) fn take(&mut self) -> Option<V> {
        let taken = self.slots[..self.end].get_mut(self.begin)?.take();
        self.begin += 1;
        taken
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.begin == self.end
    }

    /// How many pairs it has taken since it was empty.
    #[inline]
    pub(super) fn pushed(&self) -> usize {
        self.end
    }

    /// Forgets the pairs, and the memory that a long key has taken.
    pub(super) fn clear(&mut self) {
        while self.take().is_some() {}
        (self.begin, self.end, self.values_heap_bytes) = (0, 0, 0);
        self.keys.clear();
        self.keys.shrink_to(2 * OUTSIDE_BYTES_MAX);
    }

    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        size_of_val(&*self.slots) + self.keys.capacity() + self.values_heap_bytes
    }
}

impl<V> Drop for Batch<V> {
    fn drop(&mut self) {
        self.clear();
    }
}
