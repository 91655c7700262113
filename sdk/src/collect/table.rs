//! The hash table that folds values of equal keys as they come.
//!
//! Open addressing; a key of up to sixteen bytes and its value stand in the slot itself, so that a known key costs one access to memory
//! that is not in the cache, and that was asked for when the key was emitted. A slot's home is its hash scaled to the number of
//! slots: the table grows without looking at keys, from front to back, giving the old memory back on the way. Values are kept as they
//! are, unencoded.

use super::arena::Arena;
use super::batch::Batch;
use super::front::{Front, Seed};
use super::region::Region;
use super::slot::{Slot, Tag};
use super::sort::{self, Item};
use crate::Codec;
use std::cmp::Ordering;
use std::marker::PhantomData;

pub(super) struct Table<V> {
    slots: Slots<V>,
    seed: Seed,
    len: usize,
    /// Keys that do not stand in their slots.
    keys: Arena,
    /// What the values hold outside of their slots.
    values_heap_bytes: usize,
    memory_bytes: usize,
}

/// What became of a batch given to [`Table::fold`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Folded {
    /// All of it is in the table.
    Taken,
    /// There is no room for the key of the next pair.
    Full,
}

const SLOTS_MIN: usize = 1 << 9;
/// Up to this size the table grows by four, beyond by two.
const SMALL_BYTES: usize = 16 << 20;

impl<V: Codec> Table<V> {
    /// A table for so many bytes. It always has room for one key.
    pub(super) fn new(memory_bytes: usize) -> Self {
        let (slots, keys) = (Slots::new(0), Arena::new(0));
        Self { slots, seed: Seed::random(), len: 0, keys, values_heap_bytes: 0, memory_bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number of keys.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.slots.bytes() + self.keys.held_bytes() + self.values_heap_bytes
    }

    /// Whether values have grown in their places beyond the memory.
    #[inline]
    pub(super) fn overflows(&self) -> bool {
        // What has nothing to drop holds no heap.
        std::mem::needs_drop::<V>() && self.held_bytes() > self.memory_bytes
    }

    /// The front and tag of a key that is to be folded in; its slot is asked for ahead of time.
    #[inline(always)]
    pub(super) fn announce(&self, key: &[u8]) -> (Front, Tag) {
        let front = Front::of(key);
        let hash = self.seed.hash(&front, key);
        super::prefetch(self.slots.start().wrapping_add(self.slots.home(hash)));
        (front, Tag::new(hash, key.len()))
    }

    /// Folds pairs into what is there for their keys, or keeps them as the first of their keys, until the batch is empty or the
    /// table full.
    pub(super) fn fold(&mut self, batch: &mut Batch<V>, combine: impl Fn(&mut V, V)) -> Folded {
        while let Some((front, tag, key)) = batch.peek() {
            let at = self.find(front, tag, key);
            let slot = self.slots.as_mut().get_mut(at);
            if let Some(total) = slot.and_then(Slot::value_mut) {
                let Some(value) = batch.take() else { break };
                if std::mem::needs_drop::<V>() {
                    let heap_before = total.heap_bytes();
                    combine(total, value);
                    let heap = self.values_heap_bytes + total.heap_bytes();
                    self.values_heap_bytes = heap.saturating_sub(heap_before);
                } else {
                    combine(total, value);
                }
            } else if !self.insert(batch) {
                return Folded::Full;
            }
        }
        batch.clear();
        Folded::Taken
    }

    /// The slot of the key, or the free one where it belongs. There is always a free one, unless there are none at all.
    #[inline(always)]
    fn find(&self, front: Front, tag: Tag, key: &[u8]) -> usize {
        let slots = self.slots.as_ref();
        let mut at = self.slots.home(tag.upper());
        while let Some(slot) = slots.get(at) {
            let is_it = if tag.is_short() { slot.front == front } else { self.is_long(slot, front, key) };
            if slot.tag.is_free() || (slot.tag == tag && is_it) {
                return at;
            }
            at += 1;
            if at == slots.len() {
                at = 0;
            }
        }
        at
    }

    fn is_long(&self, slot: &Slot<V>, front: Front, key: &[u8]) -> bool {
        slot.tag.key_bytes() == key.len()
            && slot.front.first_ordered() == front.first_ordered()
            && self.keys.from(slot.front.place() as usize).starts_with(key)
    }

    /// Puts the next pair of the batch, whose key is new, into the table; says whether there was room.
    #[inline(never)]
    fn insert(&mut self, batch: &mut Batch<V>) -> bool {
        let Some((mut front, tag, key)) = batch.peek() else { return true };
        if !self.make_room(key.len()) {
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
        let at = self.slots.free_from(tag.upper());
        if let Some(value) = batch.take() {
            if std::mem::needs_drop::<V>() {
                self.values_heap_bytes += value.heap_bytes();
            }
            if let Some(slot) = self.slots.as_mut().get_mut(at) {
                *slot = Slot::new(front, tag, value);
                self.len += 1;
            }
        }
        true
    }

    /// Whether there is room for one more key of which so many bytes go into the arena; the table grows for it if it may.
    fn make_room(&mut self, outside_bytes: usize) -> bool {
        if outside_bytes > 0 && self.keys.held_bytes() == 0 {
            self.keys = Arena::new(self.memory_bytes);
        }
        let count = self.slots.count();
        if !self.is_empty() {
            let outside = self.keys.held_bytes() + outside_bytes + self.values_heap_bytes;
            if !self.keys.fits(outside_bytes) || self.slots.bytes() + outside > self.memory_bytes {
                return false;
            }
            if self.len < count / 8 * 5 {
                return true;
            }
        }
        let outside = self.keys.held_bytes() + self.values_heap_bytes;
        let largest = (self.memory_bytes.saturating_sub(outside) / size_of::<Slot<V>>()).max(SLOTS_MIN);
        let factor = if self.slots.bytes() < SMALL_BYTES { 4 } else { 2 };
        let grown = (count * factor).clamp(SLOTS_MIN, largest.max(count));
        // Less would be spent on moving than won.
        if grown > count + count / 4 || count == 0 {
            self.slots.grow(grown);
        }
        // Where the memory ends it may become a little crowded.
        self.len < self.slots.count() / 8 * 7
    }

    /// Sorts by partition and key. No value can be folded in from now on until all is cleared.
    pub(super) fn sort<E>(&mut self, mut partition: impl FnMut(&[u8]) -> Result<u32, E>) -> Result<(), E> {
        let keys = &self.keys;
        let slots = self.slots.gather(self.len);
        for slot in slots.iter_mut() {
            slot.tag = Tag::new(partition(key_of(keys, slot))?, slot.tag.key_bytes());
        }
        sort::sort(slots, keys);
        Ok(())
    }

    /// Partition, key and value of each key in the order of the last [`sort`](Self::sort); without one, in no order, and the
    /// partition means nothing.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u32, &[u8], &V)> {
        let entry = |slot| -> Option<(u32, &[u8], &V)> {
            let slot: &Slot<V> = slot;
            Some((slot.tag.upper(), key_of(&self.keys, slot), slot.value()?))
        };
        self.slots.as_ref().iter().filter(|slot| !slot.tag.is_free()).filter_map(entry)
    }

    /// Forgets all keys. Keeps the memory if they have made good use of it.
    pub(super) fn clear(&mut self) {
        self.slots.drop_values();
        if self.len < self.slots.count() / 16 {
            self.slots = Slots::new(0);
        } else {
            self.slots.zero();
        }
        self.keys.clear(self.memory_bytes);
        self.values_heap_bytes = 0;
        self.len = 0;
    }

    /// Forgets all keys and gives the memory back.
    pub(super) fn release(&mut self) {
        *self = Self::new(self.memory_bytes);
    }
}

impl<V> Drop for Table<V> {
    fn drop(&mut self) {
        self.slots.drop_values();
    }
}

fn key_of<'a, V>(keys: &'a Arena, slot: &'a Slot<V>) -> &'a [u8] {
    let length = slot.tag.key_bytes();
    if slot.tag.is_short() {
        &slot.front.bytes()[..length]
    } else {
        &keys.from(slot.front.place() as usize)[..length]
    }
}

impl<V> Item for Slot<V> {
    fn group(&self) -> u32 {
        self.tag.upper()
    }

    fn key<'a>(&'a self, keys: &'a Arena) -> &'a [u8] {
        key_of(keys, self)
    }

    fn key_bytes(&self) -> usize {
        self.tag.key_bytes()
    }

    #[inline(always)]
    fn word(&self, keys: &Arena, depth: usize) -> u64 {
        match depth {
            0 => self.front.first_ordered(),
            1 if self.tag.is_short() => self.front.second_ordered(),
            _ => sort::word(key_of(keys, self), depth),
        }
    }

    fn cache(&mut self, _: &Arena, _: usize) {}

    fn tie(&self, _: &Self) -> Ordering {
        // No key is there twice.
        Ordering::Equal
    }
}

/// The slots of a table: those that were never used take no room.
struct Slots<V> {
    region: Region,
    count: usize,
    values: PhantomData<V>,
}

impl<V> Slots<V> {
    fn new(count: usize) -> Self {
        const { assert!(align_of::<Slot<V>>() <= 4096, "a value's alignment is beyond a page's") };
        Self { region: Region::new(count.saturating_mul(size_of::<Slot<V>>())), count, values: PhantomData }
    }

    #[inline(always)]
    fn count(&self) -> usize {
        self.count
    }

    #[inline(always)]
    fn start(&self) -> *const Slot<V> {
        self.region.start().as_ptr().cast()
    }

    #[inline(always)]
    fn as_ref(&self) -> &[Slot<V>] {
        // SAFETY: the region has room for so many, is aligned to a page, and all zeros are a slot.
        unsafe { std::slice::from_raw_parts(self.region.start().as_ptr().cast(), self.count) }
    }

    #[inline(always)]
    fn as_mut(&mut self) -> &mut [Slot<V>] {
        // SAFETY: as in `as_ref`; borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.region.start().as_ptr().cast(), self.count) }
    }

    fn bytes(&self) -> usize {
        self.count * size_of::<Slot<V>>()
    }

    /// Where the search for a key of this hash begins.
    #[inline(always)]
    fn home(&self, hash: u32) -> usize {
        ((u64::from(hash) * self.count as u64) >> 32) as usize
    }

    /// The free slot where a key of this hash, which is not here, belongs.
    #[inline]
    fn free_from(&self, hash: u32) -> usize {
        let (before, from) = self.as_ref().split_at(self.home(hash));
        let free = |slot: &Slot<V>| slot.tag.is_free();
        let behind = from.iter().position(free).map(|place| before.len() + place);
        behind.or_else(|| before.iter().position(free)).unwrap_or(self.count)
    }

    /// Moves all to so many slots.
    #[cold]
    fn grow(&mut self, count: usize) {
        const STEP_BYTES: usize = 1 << 20;
        let mut bigger = Self::new(count);
        let step = STEP_BYTES / size_of::<Slot<V>>().min(STEP_BYTES);
        for from in (0..self.count).step_by(step) {
            let to = (from + step).min(self.count);
            for slot in self.as_mut()[from..to].iter_mut().filter(|slot| !slot.tag.is_free()) {
                let at = bigger.free_from(slot.tag.upper());
                std::mem::swap(slot, &mut bigger.as_mut()[at]);
            }
            // The two together never take much more than the bigger one alone.
            self.region.discard(from * size_of::<Slot<V>>(), to * size_of::<Slot<V>>());
        }
        *self = bigger;
    }

    /// Brings the `len` slots that are not free to the front.
    fn gather(&mut self, len: usize) -> &mut [Slot<V>] {
        let slots = self.as_mut();
        let mut gathered = 0;
        for at in 0..slots.len() {
            if !slots[at].tag.is_free() {
                slots.swap(gathered, at);
                gathered += 1;
            }
        }
        &mut slots[..len.min(gathered)]
    }

    fn drop_values(&mut self) {
        if std::mem::needs_drop::<V>() {
            self.as_mut().iter_mut().for_each(|slot| drop(slot.take()));
        }
    }

    /// Makes all slots free; values are not dropped.
    fn zero(&mut self) {
        let bytes = self.bytes();
        // SAFETY: so many bytes of the region are slots.
        unsafe { std::ptr::write_bytes(self.region.start().as_ptr(), 0, bytes) };
    }
}
