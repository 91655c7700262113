//! The hash table that folds values of equal keys as they come.
//!
//! Open addressing over slots of eight bytes: the upper half is the hash, the lower half the number of the entry plus
//! one; an empty slot is zero. A slot's home is given by the upper bits of its hash, so the table grows without
//! looking at keys. Entries stand in the order in which their keys first came; values are kept as they are, unencoded.

use super::arena::{Arena, Place};
use super::order::Head;
use crate::Codec;

pub(super) struct Entry<V> {
    head: Head,
    /// The key's hash; from [`Table::sort`] on, its partition.
    hash: u32,
    place: Place,
    pub(super) value: V,
}

pub(super) struct Table<V> {
    slots: Vec<u64>,
    /// 32 minus the binary logarithm of the number of slots.
    shift: u32,
    entries: Vec<Entry<V>>,
    keys: Arena,
    /// What the values hold outside of their entries.
    values_heap_bytes: usize,
}

/// What became of a value given to [`Table::fold`].
pub(super) enum Folded<V> {
    /// It was folded into the value that is there.
    Known,
    /// It is the first of its key.
    Fresh,
    /// There is no room for another key.
    Full(V),
}

const SLOTS_MIN: usize = 256;
/// Entries are numbered, and slots found, by 32 bits.
const SLOTS_MAX: usize = 1 << 32;

impl<V: Codec> Table<V> {
    pub(super) fn new(memory_bytes: usize) -> Self {
        Self {
            slots: Vec::new(),
            shift: 32,
            entries: Vec::new(),
            keys: Arena::new(memory_bytes),
            values_heap_bytes: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    #[inline]
    pub(super) fn held_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<u64>()
            + self.entries.capacity() * size_of::<Entry<V>>()
            + self.keys.held_bytes()
            + self.values_heap_bytes
    }

    /// Folds `value` into what is there for `key`, or keeps it as the first of its key.
    #[inline]
    pub(super) fn fold(
        &mut self,
        key: &[u8],
        value: V,
        memory_bytes: usize,
        combine: impl FnOnce(&mut V, V),
    ) -> Folded<V> {
        let prefix = crate::hash::prefix(key);
        let hash = crate::hash::hash_with_prefix(key, prefix);
        let head = Head { prefix, key_bytes: key.len() as u32 };
        if let Some(index) = self.find(hash, head, key) {
            let total = &mut self.entries[index].value;
            let heap_before = total.heap_bytes();
            combine(total, value);
            self.values_heap_bytes =
                (self.values_heap_bytes + total.heap_bytes()).saturating_sub(heap_before);
            return Folded::Known;
        }
        self.insert(hash, head, key, value, memory_bytes)
    }

    #[inline]
    fn find(&self, hash: u32, head: Head, key: &[u8]) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        let mut at = (hash >> self.shift) as usize;
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return None;
            }
            if (slot >> 32) as u32 == hash {
                let index = slot as u32 as usize - 1;
                let entry = &self.entries[index];
                if entry.head == head && (key.len() <= 8 || self.rest(entry) == &key[8..]) {
                    return Some(index);
                }
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    fn insert(&mut self, hash: u32, head: Head, key: &[u8], value: V, memory_bytes: usize) -> Folded<V> {
        let grows = self.entries.len() == entries_max(self.slots.len());
        if !self.is_empty() && self.held_bytes().saturating_add(self.growth(grows, key.len())) > memory_bytes
        {
            return Folded::Full(value);
        }
        if grows {
            self.grow();
        }
        let (place, chunk) = self.keys.begin(key.len());
        chunk.extend_from_slice(key);
        self.values_heap_bytes += value.heap_bytes();
        self.entries.push(Entry { head, hash, place, value });
        let slot = u64::from(hash) << 32 | self.entries.len() as u64;
        place_slot(&mut self.slots, self.shift, slot);
        Folded::Fresh
    }

    /// How many more bytes it takes while one more key is put in.
    fn growth(&self, grows: bool, key_bytes: usize) -> usize {
        let slots = self.slots.len() * 2;
        let table = match grows {
            false => 0,
            true if slots > SLOTS_MAX => usize::MAX,
            // While the entries move to a bigger place, both are there; so are both arrays of slots.
            true => slots * size_of::<u64>() + entries_max(slots) * size_of::<Entry<V>>(),
        };
        table.saturating_add(self.keys.growth(key_bytes))
    }

    #[cold]
    fn grow(&mut self) {
        let count = (self.slots.len() * 2).max(SLOTS_MIN);
        let mut slots = vec![0; count];
        self.shift = 32 - count.ilog2();
        for &slot in self.slots.iter().filter(|&&slot| slot != 0) {
            place_slot(&mut slots, self.shift, slot);
        }
        self.slots = slots;
        self.entries.reserve_exact(entries_max(count) - self.entries.len());
    }

    fn rest(&self, entry: &Entry<V>) -> &[u8] {
        &self.keys.from(entry.place)[8..entry.head.key_bytes as usize]
    }

    /// Sorts the entries by partition and key. No value can be folded in from now on until all is cleared.
    pub(super) fn sort<E>(&mut self, mut partition: impl FnMut(&[u8]) -> Result<u32, E>) -> Result<(), E> {
        let keys = &self.keys;
        for entry in &mut self.entries {
            entry.hash = partition(key_of(keys, entry))?;
        }
        self.entries.sort_unstable_by(|a, b| {
            let rests = || (&key_of(keys, a)[8..], &key_of(keys, b)[8..]);
            a.hash.cmp(&b.hash).then_with(|| a.head.order(&b.head, rests))
        });
        Ok(())
    }

    /// Partition, key and value of each entry in the order of the last [`sort`](Self::sort); without one, in the order
    /// in which the keys came, and the partition means nothing.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u32, &[u8], &V)> {
        self.entries.iter().map(|entry| (entry.hash, key_of(&self.keys, entry), &entry.value))
    }

    /// Forgets all entries but keeps the memory.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.keys.clear();
        self.slots.fill(0);
        self.values_heap_bytes = 0;
    }

    /// Forgets all entries and gives the memory back.
    pub(super) fn release(&mut self, memory_bytes: usize) {
        *self = Self::new(memory_bytes);
    }
}

fn key_of<'a, V>(keys: &'a Arena, entry: &Entry<V>) -> &'a [u8] {
    &keys.from(entry.place)[..entry.head.key_bytes as usize]
}

/// How many entries so many slots may have: five of eight, so that probes stay short.
fn entries_max(slots: usize) -> usize {
    slots / 8 * 5
}

#[inline]
fn place_slot(slots: &mut [u64], shift: u32, slot: u64) {
    let mut at = (slot >> 32 >> shift) as usize;
    while slots[at] != 0 {
        at = (at + 1) & (slots.len() - 1);
    }
    slots[at] = slot;
}
