//! The hash table that folds values of equal keys as they come.
//!
//! Open addressing; what is needed to tell a short key and to fold its value stands in the slot itself, so that a known
//! key costs one access to memory that is not in the cache. A slot's home is given by the upper bits of its hash, so
//! the table grows without looking at keys. Values are kept as they are, unencoded.

use super::arena::{Arena, Place};
use super::order::Head;
use crate::Codec;
use crate::hash::{hash_with_prefix, prefix};

struct Entry<V> {
    prefix: u64,
    key_bytes: u32,
    /// The key's hash; from [`Table::sort`] on, its partition.
    hash: u32,
    place: Place,
    value: V,
}

impl<V> Entry<V> {
    #[inline]
    fn head(&self) -> Head {
        Head { prefix: self.prefix, key_bytes: self.key_bytes }
    }
}

pub(super) struct Table<V> {
    /// A power of two of them; sorted and without gaps from [`sort`](Self::sort) to [`clear`](Self::clear).
    slots: Vec<Option<Entry<V>>>,
    /// 32 minus the binary logarithm of the number of slots.
    shift: u32,
    len: usize,
    keys: Arena,
    /// What the values hold outside of their slots.
    values_heap_bytes: usize,
}

/// What became of a value given to [`Table::fold`].
pub(super) enum Folded<V> {
    /// It is in the table.
    Taken,
    /// There is no room for another key.
    Full(V),
}

const SLOTS_MIN: usize = 64;
/// Slots are found by 32 bits.
const SLOTS_MAX: usize = 1 << 32;

impl<V: Codec> Table<V> {
    pub(super) fn new(memory_bytes: usize) -> Self {
        let (slots, shift) = free_slots(SLOTS_MIN);
        Self { slots, shift, len: 0, keys: Arena::new(memory_bytes), values_heap_bytes: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number of keys.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn held_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Option<Entry<V>>>()
            + self.keys.held_bytes()
            + self.values_heap_bytes
    }

    /// Whether values have grown in their places beyond the memory.
    #[inline]
    pub(super) fn overflows(&self, memory_bytes: usize) -> bool {
        // What has nothing to drop holds no heap.
        std::mem::needs_drop::<V>() && self.held_bytes() > memory_bytes
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
        let head = Head { prefix: prefix(key), key_bytes: key.len() as u32 };
        let hash = hash_with_prefix(key, head.prefix);
        let at = self.find(hash, head, key);
        match &mut self.slots[at] {
            Some(Entry { value: total, .. }) => {
                let heap_before = total.heap_bytes();
                combine(total, value);
                self.values_heap_bytes =
                    (self.values_heap_bytes + total.heap_bytes()).saturating_sub(heap_before);
                Folded::Taken
            }
            None => self.insert(at, hash, head, key, value, memory_bytes),
        }
    }

    /// The slot of the key, or the free one where it belongs.
    #[inline]
    fn find(&self, hash: u32, head: Head, key: &[u8]) -> usize {
        let mut at = (hash >> self.shift) as usize;
        loop {
            match &self.slots[at] {
                None => return at,
                Some(entry) if entry.head() == head && (key.len() <= 8 || self.is(entry, hash, key)) => {
                    return at;
                }
                Some(_) => at = (at + 1) & (self.slots.len() - 1),
            }
        }
    }

    #[inline]
    fn is(&self, entry: &Entry<V>, hash: u32, key: &[u8]) -> bool {
        entry.hash == hash && key_of(&self.keys, entry)[8..] == key[8..]
    }

    fn insert(
        &mut self,
        mut at: usize,
        hash: u32,
        head: Head,
        key: &[u8],
        value: V,
        memory_bytes: usize,
    ) -> Folded<V> {
        let grows = self.len == keys_max(self.slots.len());
        if !self.is_empty() && self.held_bytes().saturating_add(self.growth(grows, key.len())) > memory_bytes
        {
            return Folded::Full(value);
        }
        if grows {
            self.grow();
            at = free_slot(&self.slots, self.shift, hash);
        }
        let (place, chunk) = self.keys.begin(key.len());
        chunk.extend_from_slice(key);
        self.values_heap_bytes += value.heap_bytes();
        self.slots[at] = Some(Entry { prefix: head.prefix, key_bytes: head.key_bytes, hash, place, value });
        self.len += 1;
        Folded::Taken
    }

    /// How many more bytes it takes while one more key is put in.
    fn growth(&self, grows: bool, key_bytes: usize) -> usize {
        let table = match grows {
            false => 0,
            true if self.slots.len() >= SLOTS_MAX => usize::MAX,
            // Until all keys have moved, the smaller table is there too.
            true => 2 * self.slots.len() * size_of::<Option<Entry<V>>>(),
        };
        table.saturating_add(self.keys.growth(key_bytes))
    }

    #[cold]
    fn grow(&mut self) {
        let (mut slots, shift) = free_slots(2 * self.slots.len());
        for entry in self.slots.drain(..).flatten() {
            let at = free_slot(&slots, shift, entry.hash);
            slots[at] = Some(entry);
        }
        (self.slots, self.shift) = (slots, shift);
    }

    /// Sorts by partition and key. No value can be folded in from now on until all is cleared.
    pub(super) fn sort<E>(&mut self, mut partition: impl FnMut(&[u8]) -> Result<u32, E>) -> Result<(), E> {
        self.slots.retain(Option::is_some);
        let keys = &self.keys;
        for entry in self.slots.iter_mut().flatten() {
            entry.hash = partition(key_of(keys, entry))?;
        }
        self.slots.sort_unstable_by(|a, b| {
            let (Some(a), Some(b)) = (a, b) else { return a.is_none().cmp(&b.is_none()) };
            let rests = || (&key_of(keys, a)[8..], &key_of(keys, b)[8..]);
            a.hash.cmp(&b.hash).then_with(|| a.head().order(&b.head(), rests))
        });
        Ok(())
    }

    /// Partition, key and value of each key in the order of the last [`sort`](Self::sort); without one, in no order, and the
    /// partition means nothing.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u32, &[u8], &V)> {
        self.slots.iter().flatten().map(|entry| (entry.hash, key_of(&self.keys, entry), &entry.value))
    }

    /// Forgets all keys. Keeps the memory if they have made good use of it.
    pub(super) fn clear(&mut self) {
        let slots = 1 << (32 - self.shift);
        if self.len < slots / 16 {
            (self.slots, self.shift) = free_slots(SLOTS_MIN);
        } else {
            self.slots.clear();
            self.slots.resize_with(slots, || None);
        }
        self.keys.clear();
        self.values_heap_bytes = 0;
        self.len = 0;
    }

    /// Forgets all keys and gives the memory back.
    pub(super) fn release(&mut self, memory_bytes: usize) {
        *self = Self::new(memory_bytes);
    }
}

fn key_of<'a, V>(keys: &'a Arena, entry: &Entry<V>) -> &'a [u8] {
    &keys.from(entry.place)[..entry.key_bytes as usize]
}

/// How many keys so many slots may have: five of eight, so that searches stay short.
fn keys_max(slots: usize) -> usize {
    slots / 8 * 5
}

/// So many free slots, and the shift that goes with them.
fn free_slots<V>(count: usize) -> (Vec<Option<Entry<V>>>, u32) {
    let mut slots = Vec::new();
    slots.resize_with(count, || None);
    (slots, 32 - count.ilog2())
}

/// Where a key that is not in the table belongs.
fn free_slot<V>(slots: &[Option<Entry<V>>], shift: u32, hash: u32) -> usize {
    let mut at = (hash >> shift) as usize;
    while slots[at].is_some() {
        at = (at + 1) & (slots.len() - 1);
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_slots_of_counts_fit_a_cache_line() {
        assert_eq!(size_of::<Option<Entry<u64>>>(), 32);
    }
}
