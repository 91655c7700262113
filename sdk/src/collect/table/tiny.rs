//! A slot for a key of up to seven bytes: such keys are most of those of a text, and twice as many of them fit the caches.

use super::super::arena::Arena;
use super::super::front::{Front, Seed};
use super::super::sort::Item;
use super::slots::Slot;
use std::cmp::Ordering;
use std::mem::MaybeUninit;

/// The longest key that fits, in bytes.
pub(super) const TINY_BYTES: usize = 7;

/// A key of up to [`TINY_BYTES`], zeros behind it, and in the last byte one more than its length. Never zero; ordered as keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word(u64);

impl Word {
    #[inline(always)]
    pub(super) fn new(front: Front, key_bytes: usize) -> Self {
        Self(front.first() | u64::from_ne_bytes([0, 0, 0, 0, 0, 0, 0, key_bytes as u8 + 1]))
    }

    fn key_bytes(self) -> usize {
        (self.0.to_ne_bytes()[TINY_BYTES] as usize).wrapping_sub(1).min(TINY_BYTES)
    }

    fn front(self) -> Front {
        let [key @ .., _] = self.0.to_ne_bytes();
        Front::of_first(u64::from_ne_bytes([key[0], key[1], key[2], key[3], key[4], key[5], key[6], 0]))
    }
}

/// One key and its value, or nothing. All zeros are a free slot.
#[repr(C)]
pub(super) struct Tiny<V> {
    /// As [`Word`], in memory as the key's bytes stand.
    word: u64,
    value: MaybeUninit<V>,
}

impl<V> Tiny<V> {
    #[inline(always)]
    pub(super) fn new(word: Word, value: V) -> Self {
        Self { word: word.0, value: MaybeUninit::new(value) }
    }

    #[inline(always)]
    pub(super) fn is(&self, word: Word) -> bool {
        self.word == word.0
    }

    #[inline(always)]
    pub(super) fn value_mut(&mut self) -> Option<&mut V> {
        // SAFETY: slots that are not free were made by `new`.
        if self.word == 0 { None } else { Some(unsafe { self.value.assume_init_mut() }) }
    }

    #[inline]
    pub(super) fn value(&self) -> Option<&V> {
        // SAFETY: slots that are not free were made by `new`.
        if self.word == 0 { None } else { Some(unsafe { self.value.assume_init_ref() }) }
    }

    #[inline]
    pub(super) fn key(&self) -> &[u8] {
        // SAFETY: the eight bytes of the word.
        let bytes: &[u8; 8] = unsafe { &*(&raw const self.word).cast() };
        &bytes[..Word(self.word).key_bytes()]
    }
}

// SAFETY: a word of zero is free, whatever the value.
unsafe impl<V> Slot for Tiny<V> {
    fn free() -> Self {
        Self { word: 0, value: MaybeUninit::uninit() }
    }

    #[inline(always)]
    fn is_free(&self) -> bool {
        self.word == 0
    }

    fn hash(&self, seed: Seed) -> u32 {
        seed.hash(&Word(self.word).front(), self.key())
    }

    fn clear(&mut self) {
        if self.word != 0 {
            self.word = 0;
            // SAFETY: it was not free, so `new` has made the value; being free now, it is not read again.
            unsafe { self.value.assume_init_drop() };
        }
    }
}

/// Sorted within a partition only.
impl<V> Item for Tiny<V> {
    fn group(&self) -> u32 {
        0
    }

    fn key<'a>(&'a self, _: &'a Arena) -> &'a [u8] {
        self.key()
    }

    fn key_bytes(&self) -> usize {
        // The length is part of the word.
        0
    }

    #[inline(always)]
    fn word(&self, _: &Arena, _: usize) -> u64 {
        u64::from_be(self.word)
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
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn words_order_as_keys_do_and_give_them_back(
            a in proptest::collection::vec(0_u8..3, 0..=TINY_BYTES), b in proptest::collection::vec(0_u8..3, 0..=TINY_BYTES),
        ) {
            let tiny = |key: &[u8]| Tiny::new(Word::new(Front::of(key), key.len()), 1_u64);
            let order = tiny(&a).word(&Arena::new(0), 0).cmp(&tiny(&b).word(&Arena::new(0), 0));
            prop_assert_eq!(order, a.cmp(&b));
            let slot = tiny(&a);
            prop_assert_eq!(slot.key(), &a);
            prop_assert!(!tiny(&a).is_free());
            let seed = Seed::random();
            prop_assert_eq!(tiny(&a).hash(seed), seed.hash(&Front::of(&a), &a));
        }
    }

    #[test]
    fn four_slots_of_counts_fit_a_cache_line() {
        assert_eq!(size_of::<Tiny<u64>>(), 16);
    }
}
