//! The hash table that folds values of equal keys as they come.
//!
//! Open addressing; a key of up to sixteen bytes and its value stand in the slot itself, so that a known key costs one access to memory
//! that is not in the cache, and that was asked for when the key was emitted. Keys of up to eight bytes have smaller slots of their own.
//! Values are kept as they are, unencoded.

mod heap;
mod slots;
mod tiny;
mod tiny_batch;
mod wide;

pub(super) use slots::Slot;
pub(super) use tiny::Word;
pub(super) use tiny_batch::TinyBatch;
pub(super) use wide::{Tag, Wide};

use super::arena::Arena;
use super::batch::Batch;
use super::front::{Front, Seed};
use super::{RunSink, sort};
use crate::Codec;
use heap::Heap;
use slots::Slots;
use std::cell::RefCell;
use std::iter;
use tiny::Tiny;

pub(super) struct Table<V> {
    tiny: Slots<Tiny<V>>,
    wide: Slots<Wide<V>>,
    seed: Seed,
    /// Keys that do not stand in their slots.
    keys: Arena,
    /// What the values hold outside of their slots.
    heap: Heap,
    memory_bytes: usize,
    /// Of the tiny keys once they are sorted: each partition, and how many are in it.
    partitions: Vec<(u32, usize)>,
}

/// What became of a batch given to [`Table::fold`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Folded {
    /// All of it is in the table.
    Taken,
    /// There is no room for the key of the next pair.
    Full,
}

impl<V: Codec> Table<V> {
    /// A table for so many bytes. It always has room for one key.
    pub(super) fn new(memory_bytes: usize) -> Self {
        Self {
            tiny: Slots::new(0),
            wide: Slots::new(0),
            seed: Seed::random(),
            keys: Arena::new(0),
            heap: Heap::new(memory_bytes),
            memory_bytes,
            partitions: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of keys.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.tiny.used() + self.wide.used()
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.tiny.bytes() + self.wide.bytes() + self.keys.held_bytes() + self.heap.bytes()
    }

    /// Whether values have grown in their places beyond the memory.
    #[inline]
    pub(super) fn overflows(&mut self) -> bool {
        if self.heap.wants_count::<V>(self.held_bytes()) {
            self.count_heap();
        }
        // What has nothing to drop holds no heap.
        std::mem::needs_drop::<V>() && self.held_bytes() > self.memory_bytes
    }

    #[cold]
    fn count_heap(&mut self) {
        let bytes = self.unsorted().map(|(_, value)| value.heap_bytes()).sum();
        let other_bytes = self.held_bytes() - self.heap.bytes();
        self.heap.counted(bytes, other_bytes, self.memory_bytes);
    }

    /// The hash of a tiny key that is to be folded in; its slot is asked for ahead of time.
    #[inline(always)]
    pub(super) fn announce_tiny(&self, word: Word) -> u32 {
        let hash = word.hash(self.seed);
        super::prefetch(self.tiny.start().wrapping_add(self.tiny.home(hash)));
        hash
    }

    /// The front and tag of any other key that is to be folded in; its slot is asked for ahead of time.
    #[inline(always)]
    pub(super) fn announce(&self, key: &[u8]) -> (Front, Tag) {
        let front = Front::of(key);
        let hash = self.seed.hash(&front, key);
        super::prefetch(self.wide.start().wrapping_add(self.wide.home(hash)));
        (front, Tag::new(hash, key.len()))
    }

    /// Folds pairs into what is there for their keys, or keeps them as the first of their keys, until the batch is empty or the
    /// table full.
    pub(super) fn fold_tiny(&mut self, batch: &mut TinyBatch<V>, combine: impl Fn(&mut V, V)) -> Folded {
        while let Some((word, hash)) = batch.peek() {
            let found = self.tiny.find(hash, |slot| slot.is(word)).and_then(Tiny::value_mut);
            if let Some(total) = found {
                let Some(value) = batch.take() else { break };
                self.heap.fold(total, value, &combine);
            } else if !self.insert_tiny(batch) {
                return Folded::Full;
            }
        }
        batch.clear();
        Folded::Taken
    }

    /// As [`fold_tiny`](Self::fold_tiny), for all other keys.
    pub(super) fn fold(&mut self, batch: &mut Batch<V>, combine: impl Fn(&mut V, V)) -> Folded {
        while let Some((front, tag, key)) = batch.peek() {
            let keys = &self.keys;
            let is_it = |slot: &Wide<V>| slot.tag == tag && is_key(slot, keys, front, key);
            let found = self.wide.find(tag.upper(), is_it).and_then(Wide::value_mut);
            if let Some(total) = found {
                let Some(value) = batch.take() else { break };
                self.heap.fold(total, value, &combine);
            } else if !self.insert(batch) {
                return Folded::Full;
            }
        }
        batch.clear();
        Folded::Taken
    }

    /// Puts the next pair of the batch, whose key is new, into the table; says whether there was room.
    #[inline(never)]
    fn insert_tiny(&mut self, batch: &mut TinyBatch<V>) -> bool {
        if !self.make_room(true, 0) {
            return false;
        }
        if let (Some((word, hash)), Some(value)) = (batch.peek(), batch.take()) {
            self.heap.add(&value);
            self.tiny.insert(hash, Tiny::new(word, value));
        }
        true
    }

    #[inline(never)]
    fn insert(&mut self, batch: &mut Batch<V>) -> bool {
        let Some((mut front, tag, key)) = batch.peek() else { return true };
        if !self.make_room(false, key.len()) {
            return false;
        }
        if !tag.is_short() {
            self.keys.make_fit(key.len());
            front = front.with_place(self.keys.len() as u64);
            self.keys.push(key.len(), |piece| {
                piece.copy_from_slice(key);
                key.len()
            });
        }
        if let Some(value) = batch.take() {
            self.heap.add(&value);
            self.wide.insert(tag.upper(), Wide::new(front, tag, value));
        }
        true
    }

    /// Whether there is room for one more key of which so many bytes go into the arena; the slots grow for it if they may.
    fn make_room(&mut self, is_tiny: bool, outside_bytes: usize) -> bool {
        if outside_bytes > 0 && self.keys.held_bytes() == 0 {
            self.keys = Arena::new(self.memory_bytes);
        }
        let outside = self.keys.held_bytes() + outside_bytes + self.heap.bytes();
        let is_first = self.is_empty();
        if !is_first {
            let slots = self.tiny.bytes() + self.wide.bytes();
            if !self.keys.fits(outside_bytes) || slots + outside > self.memory_bytes {
                return false;
            }
        }
        let bytes_max = self.memory_bytes.saturating_sub(outside);
        let has_room = if is_tiny {
            self.tiny.make_room(bytes_max.saturating_sub(self.wide.bytes()), self.seed)
        } else {
            self.wide.make_room(bytes_max.saturating_sub(self.tiny.bytes()), self.seed)
        };
        has_room || is_first
    }

    /// Sorts by partition and key. No value can be folded in from now on until all is cleared.
    pub(super) fn sort<S: RunSink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        let wide = self.wide.gather();
        for slot in wide.iter_mut() {
            slot.tag = Tag::new(sink.partition(slot.key(&self.keys))?, slot.tag.key_bytes());
        }
        let sink = RefCell::new(sink);
        let mut alive = Ok(());
        let mut say = || {
            if alive.is_ok() {
                alive = sink.borrow_mut().alive();
            }
        };
        say();
        sort::sort(wide, &self.keys, &mut say);
        let tiny = self.tiny.gather();
        for slot in tiny.iter() {
            sink.borrow_mut().partition(slot.key())?;
        }
        say();
        // The same call has gone well above.
        let of_slot = |slot: &Tiny<V>| sink.borrow_mut().partition(slot.key()).unwrap_or(0);
        self.partitions = sort::sort_within(tiny, &self.keys, of_slot, &mut say);
        alive
    }

    /// Partition, key and value of each key in the order of the last [`sort`](Self::sort).
    pub(super) fn sorted(&self) -> impl Iterator<Item = (u32, &[u8], &V)> {
        let partitions =
            self.partitions.iter().flat_map(|&(partition, keys)| iter::repeat_n(partition, keys));
        let tiny = self.tiny.gathered().iter().zip(partitions);
        let mut tiny =
            tiny.filter_map(|(slot, partition)| Some((partition, slot.key(), slot.value()?))).peekable();
        let wide = self.wide.gathered().iter();
        let mut wide =
            wide.filter_map(|slot| Some((slot.tag.upper(), slot.key(&self.keys), slot.value()?))).peekable();
        iter::from_fn(move || match (tiny.peek(), wide.peek()) {
            (Some(a), Some(b)) if (a.0, a.1) < (b.0, b.1) => tiny.next(),
            (Some(_), None) => tiny.next(),
            _ => wide.next(),
        })
    }

    /// Key and value of each key, in no order.
    pub(super) fn unsorted(&self) -> impl Iterator<Item = (&[u8], &V)> {
        let tiny = self.tiny.as_ref().iter().filter_map(|slot| Some((slot.key(), slot.value()?)));
        let wide = self.wide.as_ref().iter().filter_map(|slot| Some((slot.value()?, slot)));
        tiny.chain(wide.map(|(value, slot)| (slot.key(&self.keys), value)))
    }

    /// Forgets all keys. Keeps the memory if they have made good use of it.
    pub(super) fn clear(&mut self) {
        self.tiny.clear::<V>();
        self.wide.clear::<V>();
        self.keys.clear(self.memory_bytes);
        self.partitions = Vec::new();
        self.heap = Heap::new(self.memory_bytes);
    }

    /// Forgets all keys and gives the memory back.
    pub(super) fn release(&mut self) {
        *self = Self::new(self.memory_bytes);
    }
}

impl<V> Drop for Table<V> {
    fn drop(&mut self) {
        self.tiny.drop_values::<V>();
        self.wide.drop_values::<V>();
    }
}

/// Whether the slot, whose tag is that of the key, holds it.
#[inline(always)]
fn is_key<V>(slot: &Wide<V>, keys: &Arena, front: Front, key: &[u8]) -> bool {
    if key.is_empty() {
        return slot.front == front;
    }
    slot.front.first() == front.first() && keys.from(slot.front.place() as usize).starts_with(key)
}
