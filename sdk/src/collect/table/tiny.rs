//! A slot for a key of up to eight bytes: such keys are most of those of a text, and twice as many of them fit the caches.

use super::super::arena::Arena;
use super::super::front::{self, Seed};
use super::super::sort::Item;
use super::slots::Slot;
use std::cmp::Ordering;
use std::mem::MaybeUninit;

/// The longest key that always fits, in bytes.
const ALWAYS_BYTES: usize = 7;

/// A key in eight bytes: up to seven, zeros behind them, and in the last byte one more than their number; or eight, if the last is greater than
/// any such number, as in all text. Never zero, and ordered as keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::collect) struct Word(u64);

impl Word {
    /// That of a key, if it fits.
    #[inline(always)]
    pub(in crate::collect) fn of(key: &[u8]) -> Option<Self> {
        if key.len() > 8 {
            return None;
        }
        let is_shorter = key.len() <= ALWAYS_BYTES;
        let length = if is_shorter { key.len() as u8 + 1 } else { 0 };
        let word = front::eight(key) | u64::from_ne_bytes([0, 0, 0, 0, 0, 0, 0, length]);
        if is_shorter || last_byte(word) > ALWAYS_BYTES as u8 + 1 { Some(Self(word)) } else { None }
    }

    #[inline(always)]
    pub(in crate::collect) fn hash(self, seed: Seed) -> u32 {
        seed.hash_eight(self.0)
    }

    fn key_bytes(self) -> usize {
        match usize::from(last_byte(self.0)) {
            length @ 1..=8 => length - 1,
            _ => 8,
        }
    }
}

/// The last in memory.
#[inline(always)]
fn last_byte(word: u64) -> u8 {
    word.to_ne_bytes()[7]
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
        Word(self.word).hash(seed)
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
        fn words_order_as_keys_do_and_give_them_back(a in keys(), b in keys()) {
            let tiny = |key: &[u8]| Word::of(key).map(|word| Tiny::new(word, 1_u64));
            prop_assert_eq!(tiny(&a).is_some(), a.len() < 8 || a[7] > 8);
            if let (Some(slot), Some(other)) = (tiny(&a), tiny(&b)) {
                let order = slot.word(&Arena::new(0), 0).cmp(&other.word(&Arena::new(0), 0));
                prop_assert_eq!(order, a.cmp(&b));
                prop_assert_eq!(slot.key(), &a);
                prop_assert!(!slot.is_free());
                let seed = Seed::random();
                prop_assert_eq!(Word::of(&a).map(|word| word.hash(seed)), Some(slot.hash(seed)));
            }
        }
    }

    fn keys() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            proptest::collection::vec(0_u8..3, 0..=8),
            (proptest::collection::vec(0_u8..3, 7..=7), 0_u8..20).prop_map(|(mut key, last)| {
                key.push(last);
                key
            }),
        ]
    }

    #[test]
    fn four_slots_of_counts_fit_a_cache_line() {
        assert_eq!(size_of::<Tiny<u64>>(), 16);
    }
}
