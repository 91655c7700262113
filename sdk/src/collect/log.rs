//! A log of encoded pairs that is sorted in place: what collects where nothing is combined.

use super::arena::{Arena, Place};
use super::order::Head;
use crate::hash;
use crate::wire;

#[derive(Clone, Copy, Debug)]
struct Entry {
    prefix: u64,
    key_bytes: u32,
    partition: u32,
    /// The pair as it goes over the boundary. Grows with every pair, so it also tells emission order.
    place: Place,
}

impl Entry {
    #[inline]
    fn head(&self) -> Head {
        Head { prefix: self.prefix, key_bytes: self.key_bytes }
    }
}

/// A pair of a sorted log.
#[derive(Clone, Copy, Debug)]
pub(super) struct SortedPair<'a> {
    pub(super) partition: u32,
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
    /// Lengths, key and value, as they go over the boundary.
    pub(super) record: &'a [u8],
}

#[derive(Debug)]
pub(super) struct PairLog {
    entries: Vec<Entry>,
    arena: Arena,
}

impl PairLog {
    pub(super) fn new(memory_bytes: usize) -> Self {
        Self { entries: Vec::new(), arena: Arena::new(memory_bytes) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    #[inline]
    pub(super) fn held_bytes(&self) -> usize {
        self.arena.held_bytes() + self.entries.capacity() * size_of::<Entry>()
    }

    /// Whether one more pair can be kept within `memory_bytes`. The first always can.
    #[inline]
    pub(super) fn has_room(&self, key: &[u8], value: &[u8], memory_bytes: usize) -> bool {
        let entries = if self.entries.len() < self.entries.capacity() {
            0
        } else {
            // While a vector moves to a bigger place, both are there.
            2 * self.entries.capacity() * size_of::<Entry>()
        };
        let growth = self.arena.growth(2 * wire::LENGTH_BYTES_MAX + key.len() + value.len());
        self.is_empty() || self.held_bytes() + growth + entries <= memory_bytes
    }

    /// Keeps a pair.
    #[inline]
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) {
        let (place, chunk) = self.arena.begin(2 * wire::LENGTH_BYTES_MAX + key.len() + value.len());
        wire::put_length(chunk, key.len());
        wire::put_length(chunk, value.len());
        chunk.extend_from_slice(key);
        chunk.extend_from_slice(value);
        let (prefix, key_bytes) = (hash::prefix(key), key.len() as u32);
        self.entries.push(Entry { prefix, key_bytes, partition: 0, place });
    }

    /// Sorts by partition, key and emission order.
    pub(super) fn sort<E>(&mut self, mut partition: impl FnMut(&[u8]) -> Result<u32, E>) -> Result<(), E> {
        for entry in &mut self.entries {
            entry.partition = partition(pair_at(&self.arena, entry).key)?;
        }
        let arena = &self.arena;
        self.entries.sort_unstable_by(|a, b| {
            let rests = || (&pair_at(arena, a).key[8..], &pair_at(arena, b).key[8..]);
            let keys = || a.head().order(&b.head(), rests);
            a.partition.cmp(&b.partition).then_with(keys).then_with(|| a.place.cmp(&b.place))
        });
        Ok(())
    }

    /// The pairs in the order of the last [`sort`](Self::sort).
    pub(super) fn sorted(&self) -> impl Iterator<Item = SortedPair<'_>> {
        self.entries.iter().map(|entry| pair_at(&self.arena, entry))
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.arena.clear();
    }
}

#[inline]
fn pair_at<'a>(arena: &'a Arena, entry: &Entry) -> SortedPair<'a> {
    let bytes = arena.from(entry.place);
    let mut rest = bytes;
    // Written by `push`, so it is there.
    let (key, value) = wire::take_pair(&mut rest).unwrap_or_default();
    SortedPair { partition: entry.partition, key, value, record: &bytes[..bytes.len() - rest.len()] }
}
