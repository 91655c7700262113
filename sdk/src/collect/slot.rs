//! A place for one key and its value, in the table and in the batch of pairs that are on their way there.

use super::front::{FRONT_BYTES, Front};
use std::mem::MaybeUninit;

/// One key and its value, or nothing. All zeros are a free slot.
#[repr(C)]
pub(super) struct Slot<V> {
    /// Of a key of more than [`FRONT_BYTES`]: its first eight bytes, and where it lies.
    pub(super) front: Front,
    pub(super) tag: Tag,
    value: MaybeUninit<V>,
}

/// In the upper half the hash of the key, and once the table is sorted its partition; in the lower half one more than
/// its length. Zero: no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag(u64);

impl Tag {
    #[inline(always)]
    pub(super) fn new(upper: u32, key_bytes: usize) -> Self {
        Self(u64::from(upper) << 32 | (key_bytes as u64 + 1))
    }

    #[inline(always)]
    pub(super) fn is_free(self) -> bool {
        self.0 == 0
    }

    /// The hash, or the partition.
    #[inline(always)]
    pub(super) fn upper(self) -> u32 {
        (self.0 >> 32) as u32
    }

    #[inline(always)]
    pub(super) fn key_bytes(self) -> usize {
        (self.0 as u32 as usize).wrapping_sub(1)
    }

    /// Whether the whole key stands in its front.
    #[inline(always)]
    pub(super) fn is_short(self) -> bool {
        self.key_bytes() <= FRONT_BYTES
    }
}

impl<V> Slot<V> {
    #[inline(always)]
    pub(super) fn new(front: Front, tag: Tag, value: V) -> Self {
        Self { front, tag, value: MaybeUninit::new(value) }
    }

    pub(super) fn free() -> Self {
        Self { front: Front::default(), tag: Tag(0), value: MaybeUninit::uninit() }
    }

    /// The value of a slot that is not free.
    #[inline(always)]
    pub(super) fn value(&self) -> Option<&V> {
        // SAFETY: slots that are not free were made by `new`.
        if self.tag.is_free() { None } else { Some(unsafe { self.value.assume_init_ref() }) }
    }

    #[inline(always)]
    pub(super) fn value_mut(&mut self) -> Option<&mut V> {
        // SAFETY: slots that are not free were made by `new`.
        if self.tag.is_free() { None } else { Some(unsafe { self.value.assume_init_mut() }) }
    }

    /// Takes the value out and frees the slot.
    #[inline(always)]
    pub(super) fn take(&mut self) -> Option<V> {
        if self.tag.is_free() {
            return None;
        }
        self.tag = Tag(0);
        // SAFETY: the slot was not free, so it was made by `new`; being free now, it is not read again.
        Some(unsafe { self.value.assume_init_read() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_slots_of_counts_fit_a_cache_line() {
        assert_eq!(size_of::<Slot<u64>>(), 32);
    }

    #[test]
    fn a_tag_tells_what_it_was_made_of() {
        let tag = Tag::new(u32::MAX, super::super::KEY_BYTES_MAX);
        assert_eq!((tag.upper(), tag.key_bytes()), (u32::MAX, super::super::KEY_BYTES_MAX));
        assert!(!Tag::new(0, 0).is_free() && Tag::new(0, 16).is_short() && !Tag::new(0, 17).is_short());
    }
}
