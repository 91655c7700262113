//! A slot for a key of any length, in the table and in the batch of pairs that are on their way there.

use super::super::arena::Arena;
use super::super::front::{FRONT_BYTES, Front, Seed};
use super::super::sort::{self, Item};
use super::slots::Slot;
use std::cmp::Ordering;
use std::mem::MaybeUninit;

/// One key and its value, or nothing. All zeros are a free slot.
#[repr(C)]
pub(in crate::collect) struct Wide<V> {
    /// Of a key of more than [`FRONT_BYTES`]: its first eight bytes, and where it lies.
    pub(in crate::collect) front: Front,
    pub(in crate::collect) tag: Tag,
    value: MaybeUninit<V>,
}

/// In the upper half the hash of the key, and once the table is sorted its partition; in the lower half one more than
/// its length. Zero: no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::collect) struct Tag(u64);

impl Tag {
    #[inline(always)]
    pub(in crate::collect) fn new(upper: u32, key_bytes: usize) -> Self {
        Self(u64::from(upper) << 32 | (key_bytes as u64 + 1))
    }

    #[inline(always)]
    pub(in crate::collect) fn is_free(self) -> bool {
        self.0 == 0
    }

    /// The hash, or the partition.
    #[inline(always)]
    pub(in crate::collect) fn upper(self) -> u32 {
        (self.0 >> 32) as u32
    }

    #[inline(always)]
    pub(in crate::collect) fn key_bytes(self) -> usize {
        (self.0 as u32 as usize).wrapping_sub(1)
    }

    /// Whether the whole key stands in its front.
    #[inline(always)]
    pub(in crate::collect) fn is_short(self) -> bool {
        self.key_bytes() <= FRONT_BYTES
    }
}

impl<V> Wide<V> {
    #[inline(always)]
    pub(in crate::collect) fn new(front: Front, tag: Tag, value: V) -> Self {
        Self { front, tag, value: MaybeUninit::new(value) }
    }

    /// The value of a slot that is not free.
    #[inline(always)]
    pub(in crate::collect) fn value(&self) -> Option<&V> {
        // SAFETY: slots that are not free were made by `new`.
        if self.tag.is_free() { None } else { Some(unsafe { self.value.assume_init_ref() }) }
    }

    #[inline(always)]
    pub(in crate::collect) fn value_mut(&mut self) -> Option<&mut V> {
        // SAFETY: slots that are not free were made by `new`.
        if self.tag.is_free() { None } else { Some(unsafe { self.value.assume_init_mut() }) }
    }

    /// Takes the value out and frees the slot.
    #[inline(always)]
    pub(in crate::collect) fn take(&mut self) -> Option<V> {
        if self.tag.is_free() {
            return None;
        }
        self.tag = Tag(0);
        // SAFETY: the slot was not free, so it was made by `new`; being free now, it is not read again.
        Some(unsafe { self.value.assume_init_read() })
    }
}

impl<V> Wide<V> {
    /// The key, which may lie in the arena.
    pub(super) fn key<'a>(&'a self, keys: &'a Arena) -> &'a [u8] {
        let length = self.tag.key_bytes();
        if self.tag.is_short() {
            &self.front.bytes()[..length]
        } else {
            &keys.from(self.front.place() as usize)[..length]
        }
    }
}

// SAFETY: a tag of zero is free, whatever the rest.
unsafe impl<V> Slot for Wide<V> {
    fn free() -> Self {
        Self { front: Front::default(), tag: Tag(0), value: MaybeUninit::uninit() }
    }

    #[inline(always)]
    fn is_free(&self) -> bool {
        self.tag.is_free()
    }

    fn hash(&self, _: Seed) -> u32 {
        self.tag.upper()
    }

    fn clear(&mut self) {
        drop(self.take());
    }
}

impl<V> Item for Wide<V> {
    fn group(&self) -> u32 {
        self.tag.upper()
    }

    fn key<'a>(&'a self, keys: &'a Arena) -> &'a [u8] {
        self.key(keys)
    }

    fn key_bytes(&self) -> usize {
        self.tag.key_bytes()
    }

    #[inline(always)]
    fn word(&self, keys: &Arena, depth: usize) -> u64 {
        match depth {
            0 => self.front.first_ordered(),
            1 if self.tag.is_short() => self.front.second_ordered(),
            _ => sort::word(self.key(keys), depth),
        }
    }

    fn cache(&mut self, _: &Arena, _: usize) {}

    fn tie(&self, _: &Self) -> Ordering {
        // No key is there twice.
        Ordering::Equal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_slots_of_counts_fit_a_cache_line() {
        assert_eq!(size_of::<Wide<u64>>(), 32);
    }

    #[test]
    fn a_tag_tells_what_it_was_made_of() {
        let tag = Tag::new(u32::MAX, crate::collect::KEY_BYTES_MAX);
        assert_eq!((tag.upper(), tag.key_bytes()), (u32::MAX, crate::collect::KEY_BYTES_MAX));
        assert!(!Tag::new(0, 0).is_free() && Tag::new(0, 16).is_short() && !Tag::new(0, 17).is_short());
    }
}
