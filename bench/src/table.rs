//! The programs' hash table: short words as integers in its slots, open addressing by the hash's high bits, doubled when five eighths full.
//!
//! A word is up to eight (or sixteen) bytes, little-endian, zeros behind; a word of letters is never zero, which marks an empty slot.

use std::io;

use crate::zeroed::{Plain, Zeroed};

/// A word in an integer.
pub(crate) trait Key: Plain + Eq + Ord + Default {
    fn hash(self) -> u64;
}

fn folded(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    (wide as u64) ^ (wide >> 64) as u64
}

impl Key for u64 {
    #[inline(always)]
    fn hash(self) -> u64 {
        folded(self, 0x9e37_79b9_7f4a_7c15)
    }
}

impl Key for u128 {
    #[inline(always)]
    fn hash(self) -> u64 {
        folded(self as u64 ^ 0x9e37_79b9_7f4a_7c15, (self >> 64) as u64 ^ 0xd1b5_4a32_d192_ed03)
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Slot<K, V> {
    pub(crate) key: K,
    pub(crate) value: V,
}

// SAFETY: integers.
unsafe impl Plain for u128 {}
// SAFETY: both parts may be zero, and padding may be anything.
unsafe impl<K: Plain, V: Plain> Plain for Slot<K, V> {}

pub(crate) struct Table<K, V> {
    slots: Zeroed<Slot<K, V>>,
    shift: u32,
    used: usize,
}

impl<K: Key, V: Plain> Table<K, V> {
    pub(crate) fn new() -> io::Result<Self> {
        Self::of_bits(16)
    }

    fn of_bits(bits: u32) -> io::Result<Self> {
        Ok(Self { slots: Zeroed::new(1 << bits)?, shift: 64 - bits, used: 0 })
    }

    /// Where the search for a hash begins.
    #[inline(always)]
    pub(crate) fn place(&self, hash: u64) -> usize {
        (hash >> self.shift) as usize
    }

    #[inline(always)]
    pub(crate) fn prefetch(&self, place: usize) {
        let slot = self.slots.as_ptr().wrapping_add(place);
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a prefetch reads nothing, so that any address will do.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(slot.cast());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = slot;
    }

    /// The value of a key, zero if it is new. `place` is its hash's.
    #[inline(always)]
    pub(crate) fn value(&mut self, key: K, place: usize) -> &mut V {
        let mask = self.slots.len() - 1;
        let mut at = place & mask;
        loop {
            let found = self.slots[at].key;
            if found == key {
                break;
            }
            if found == K::default() {
                self.slots[at].key = key;
                self.used += 1;
                break;
            }
            at = (at + 1) & mask;
        }
        &mut self.slots[at].value
    }

    /// Makes room for `more` new keys, so that places stay what they are while these are added.
    #[inline(always)]
    pub(crate) fn reserve(&mut self, more: usize) -> io::Result<()> {
        if (self.used + more) * 8 > self.slots.len() * 5 { self.grow() } else { Ok(()) }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) -> io::Result<()> {
        let bits = 64 - self.shift;
        let mut bigger = Self::of_bits(if bits < 20 { bits + 2 } else { bits + 1 })?;
        for slot in self.entries() {
            *bigger.value(slot.key, bigger.place(slot.key.hash())) = slot.value;
        }
        *self = bigger;
        Ok(())
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Slot<K, V>> {
        self.slots.iter().filter(|slot| slot.key != K::default())
    }

    /// The entries whose hashes lie in the `number`-th of `parts` equal ranges.
    pub(crate) fn part(&self, number: usize, parts: usize) -> impl Iterator<Item = &Slot<K, V>> {
        let begin = self.slots.len() * number / parts;
        // A slot stands behind its place, beyond the range's end (and the table's) if that was crowded.
        let end = self.slots.len() * (number + 1) / parts;
        let inside = self.slots[begin..end].iter();
        let more = if parts == 1 { 0 } else { self.slots.len() };
        let behind = (0..more).map(move |ahead| &self.slots[(end + ahead) & (self.slots.len() - 1)]);
        inside
            .chain(behind.take_while(|slot| slot.key != K::default()))
            .filter(|slot| slot.key != K::default())
            .filter(move |slot| (slot.key.hash() as u128 * parts as u128) >> 64 == number as u128)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn parts_hold_every_entry_once_whatever_grew() {
        let mut table = Table::<u64, u64>::new().unwrap();
        let keys = (1..200_000_u64).map(|n| n.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1);
        let mut expected = BTreeMap::new();
        for key in keys.clone().chain(keys.step_by(3)) {
            table.reserve(1).unwrap();
            *table.value(key, table.place(key.hash())) += 1;
            *expected.entry(key).or_insert(0) += 1;
        }
        for parts in [1, 2, 3] {
            let all: Vec<_> = (0..parts).flat_map(|number| table.part(number, parts)).collect();
            assert_eq!(all.len(), expected.len());
            assert_eq!(
                all.into_iter().map(|slot| (slot.key, slot.value)).collect::<BTreeMap<_, _>>(),
                expected
            );
        }
    }
}
