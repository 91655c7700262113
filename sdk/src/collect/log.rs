//! A log of encoded pairs that is sorted in place: what collects where nothing is combined.

use super::RunSink;
use super::arena::Arena;
use super::region::{PAGE_BYTES, Region};
use super::sort::{self, Item};
use crate::hash;
use crate::wire;
use std::cmp::Ordering;

#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Entry {
    /// Eight bytes of the key: the first ones, until sorting looks at others.
    word: u64,
    /// The pair as it goes over the boundary. Grows with every pair, so it also tells emission order.
    place: u64,
    key_bytes: u32,
    partition: u32,
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
    entries: Entries,
    arena: Arena,
    memory_bytes: usize,
}

/// How far ahead of the one that is handed over pairs are asked for.
const LOOK_AHEAD: usize = 16;
/// How many pairs are asked for their partition between two signs of life.
const ALIVE_PAIRS: usize = 1 << 16;

impl PairLog {
    /// A log for so many bytes. It always has room for one pair.
    pub(super) fn new(memory_bytes: usize) -> Self {
        Self { entries: Entries::new(0), arena: Arena::new(0), memory_bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.len == 0
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len
    }

    #[inline]
    pub(super) fn held_bytes(&self) -> usize {
        self.arena.held_bytes() + self.entries.touched * size_of::<Entry>()
    }

    /// Keeps a pair; says whether there was room. The first always has it.
    #[must_use]
    #[inline(always)]
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) -> bool {
        let bytes_max = 2 * wire::LENGTH_BYTES_MAX + key.len() + value.len();
        let takes = self.arena.held_bytes().max(self.arena.len() + bytes_max)
            + self.entries.touched.max(self.entries.len + 1) * size_of::<Entry>();
        if (takes > self.memory_bytes || self.entries.len == self.entries.capacity())
            && !self.make_room(bytes_max)
        {
            return false;
        }
        let place = self.arena.len() as u64;
        self.arena.push(bytes_max, |piece| {
            let lengths = wire::write_lengths(piece, key.len(), value.len());
            let (keys, values) = piece[lengths..].split_at_mut(key.len());
            keys.copy_from_slice(key);
            values[..value.len()].copy_from_slice(value);
            lengths + key.len() + value.len()
        });
        let (word, key_bytes) = (hash::prefix(key), key.len() as u32);
        self.entries.push(Entry { word, place, key_bytes, partition: 0 });
        true
    }

    #[cold]
    fn make_room(&mut self, bytes_max: usize) -> bool {
        // Pairs of another shape than those before leave much untouched that is still held.
        self.arena.trim();
        self.entries.trim();
        if !self.is_empty() {
            let used = self.arena.len() + bytes_max + (self.entries.len + 1) * size_of::<Entry>();
            return used <= self.memory_bytes && self.entries.len < self.entries.capacity();
        }
        if self.entries.capacity() == 0 {
            self.entries = Entries::new((self.memory_bytes / size_of::<Entry>()).max(1));
            self.arena = Arena::new(self.memory_bytes);
        }
        self.arena.make_fit(bytes_max);
        true
    }

    /// Sorts by partition, key and emission order. If partitions ascend with the keys, few keys need be asked for theirs.
    pub(super) fn sort<S: RunSink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        let ascends = sink.ascends();
        if !ascends {
            for entries in self.entries.as_mut().chunks_mut(ALIVE_PAIRS) {
                for entry in entries {
                    entry.partition = sink.partition(pair_at(&self.arena, entry).key)?;
                }
                sink.alive()?;
            }
        }
        let mut alive = Ok(());
        sort::sort(self.entries.as_mut(), &self.arena, &mut || {
            if alive.is_ok() {
                alive = sink.alive();
            }
        });
        alive?;
        if ascends { self.part(sink) } else { Ok(()) }
    }

    /// Finds where each partition ends among pairs that are sorted by key.
    fn part<S: RunSink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        let mut rest = self.entries.as_mut();
        while let Some(first) = rest.first() {
            let number = sink.partition(pair_at(&self.arena, first).key)?;
            let mut failed = None;
            let end = rest.partition_point(|entry| {
                let found = sink.partition(pair_at(&self.arena, entry).key);
                found.map_err(|error| failed = Some(error)).is_ok_and(|found| found == number)
            });
            if let Some(error) = failed {
                return Err(error);
            }
            let (same, others) = rest.split_at_mut(end.max(1));
            same.iter_mut().for_each(|entry| entry.partition = number);
            rest = others;
        }
        Ok(())
    }

    /// The pairs in the order of the last [`sort`](Self::sort).
    pub(super) fn sorted(&self) -> impl Iterator<Item = SortedPair<'_>> {
        let entries = self.entries.as_ref();
        entries.iter().enumerate().map(move |(at, entry)| {
            if let Some(later) = entries.get(at + LOOK_AHEAD) {
                self.arena.prefetch(later.place as usize);
                self.arena.prefetch(later.place as usize + later.key_bytes as usize);
            }
            pair_at(&self.arena, entry)
        })
    }

    /// Forgets all pairs. Keeps the memory for the next ones.
    pub(super) fn clear(&mut self) {
        self.entries.len = 0;
        self.arena.clear(self.memory_bytes);
    }

    /// Forgets all pairs and gives the memory back.
    pub(super) fn release(&mut self) {
        *self = Self::new(self.memory_bytes);
    }
}

impl Item for Entry {
    #[inline(always)]
    fn group(&self) -> u32 {
        self.partition
    }

    fn key<'a>(&'a self, arena: &'a Arena) -> &'a [u8] {
        pair_at(arena, self).key
    }

    #[inline(always)]
    fn key_bytes(&self) -> usize {
        self.key_bytes as usize
    }

    #[inline(always)]
    fn word(&self, _: &Arena, _: usize) -> u64 {
        self.word
    }

    fn cache(&mut self, arena: &Arena, depth: usize) {
        self.word = sort::word(pair_at(arena, self).key, depth);
    }

    fn tie(&self, other: &Self) -> Ordering {
        self.place.cmp(&other.place)
    }
}

#[inline]
fn pair_at<'a>(arena: &'a Arena, entry: &Entry) -> SortedPair<'a> {
    let bytes = arena.from(entry.place as usize);
    let mut rest = bytes;
    // Written by `push`, so it is there.
    let (key, value) = wire::take_pair(&mut rest).unwrap_or_default();
    SortedPair { partition: entry.partition, key, value, record: &bytes[..bytes.len() - rest.len()] }
}

/// The entries in one stretch of memory that takes no room before it is used.
#[derive(Debug)]
struct Entries {
    region: Region,
    len: usize,
    /// Entries that were in use since the region is there.
    touched: usize,
}

impl Entries {
    fn new(capacity: usize) -> Self {
        Self { region: Region::new(capacity * size_of::<Entry>()), len: 0, touched: 0 }
    }

    #[inline]
    fn capacity(&self) -> usize {
        self.region.bytes() / size_of::<Entry>()
    }

    #[inline]
    fn push(&mut self, entry: Entry) {
        assert!(self.len < self.capacity(), "the log is full");
        // SAFETY: the place lies in the region.
        unsafe { self.region.start().cast::<Entry>().add(self.len).write(entry) };
        self.len += 1;
        self.touched = self.touched.max(self.len);
    }

    /// Gives the memory back that is not in use now.
    fn trim(&mut self) {
        let bytes = |entries: usize| entries * size_of::<Entry>();
        self.region.discard(bytes(self.len), bytes(self.touched).next_multiple_of(PAGE_BYTES));
        self.touched = self.len;
    }

    fn as_ref(&self) -> &[Entry] {
        // SAFETY: so many were written.
        unsafe { std::slice::from_raw_parts(self.region.start().cast().as_ptr(), self.len) }
    }

    fn as_mut(&mut self) -> &mut [Entry] {
        // SAFETY: so many were written; borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.region.start().cast().as_ptr(), self.len) }
    }
}
