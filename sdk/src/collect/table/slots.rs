//! An array of slots with open addressing, whatever a slot looks like.
//!
//! A slot's home is its hash scaled to the number of slots, so that the array grows from front to back, giving the old memory back on the
//! way. Slots that were never used take no room.

use super::super::front::Seed;
use super::super::region::Region;
use std::marker::PhantomData;

/// What stands in an array.
///
/// # Safety
/// All zeros are a free one.
pub(in crate::collect) unsafe trait Slot {
    fn free() -> Self;
    fn is_free(&self) -> bool;
    /// The hash of the key of one that is not free.
    fn hash(&self, seed: Seed) -> u32;
    /// Frees it and drops its value.
    fn clear(&mut self);
}

pub(super) struct Slots<S> {
    region: Region,
    count: usize,
    /// How many are not free.
    used: usize,
    slots: PhantomData<S>,
}

const SLOTS_MIN: usize = 1 << 9;
/// The same where slots are so large that these would not fit the memory.
const LARGE_SLOTS_MIN: usize = 1 << 3;
/// Up to this size the array grows by four, beyond by two.
const SMALL_BYTES: usize = 16 << 20;

impl<S: Slot> Slots<S> {
    pub(super) fn new(count: usize) -> Self {
        const { assert!(align_of::<S>() <= 4096, "a value's alignment is beyond a page's") };
        Self { region: Region::new(count.saturating_mul(size_of::<S>())), count, used: 0, slots: PhantomData }
    }

    #[inline]
    pub(super) fn used(&self) -> usize {
        self.used
    }

    #[inline(always)]
    pub(super) fn start(&self) -> *const S {
        self.region.start().as_ptr().cast()
    }

    #[inline(always)]
    pub(super) fn as_ref(&self) -> &[S] {
        // SAFETY: the region has room for so many, is aligned to a page, and all zeros are a slot.
        unsafe { std::slice::from_raw_parts(self.region.start().as_ptr().cast(), self.count) }
    }

    #[inline(always)]
    pub(super) fn as_mut(&mut self) -> &mut [S] {
        // SAFETY: as in `as_ref`; borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.region.start().as_ptr().cast(), self.count) }
    }

    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.count * size_of::<S>()
    }

    /// Where the search for a key of this hash begins.
    #[inline(always)]
    pub(super) fn home(&self, hash: u32) -> usize {
        ((u64::from(hash) * self.count as u64) >> 32) as usize
    }

    /// The slot that is looked for, or the free one where it belongs; none if there are no slots at all.
    #[inline(always)]
    pub(super) fn find(&mut self, hash: u32, is_it: impl Fn(&S) -> bool) -> Option<&mut S> {
        let mut at = self.home(hash);
        let count = self.count;
        let slots = self.as_mut();
        while let Some(slot) = slots.get(at) {
            if is_it(slot) || slot.is_free() {
                return slots.get_mut(at);
            }
            at += 1;
            if at == count {
                at = 0;
            }
        }
        None
    }

    /// Puts in a slot whose key is not here. The caller has made room.
    pub(super) fn insert(&mut self, hash: u32, slot: S) {
        let at = self.free_from(hash);
        if let Some(place) = self.as_mut().get_mut(at) {
            *place = slot;
            self.used += 1;
        }
    }

    fn free_from(&self, hash: u32) -> usize {
        let (before, from) = self.as_ref().split_at(self.home(hash));
        let behind = from.iter().position(S::is_free).map(|place| before.len() + place);
        behind.or_else(|| before.iter().position(S::is_free)).unwrap_or(self.count)
    }

    /// Whether there is room for one more key, if all slots together may take so many bytes; grows for it if it may.
    #[inline]
    pub(super) fn make_room(&mut self, bytes_max: usize, seed: Seed) -> bool {
        self.used < self.count / 8 * 5 || self.grow_within(bytes_max, seed)
    }

    #[cold]
    fn grow_within(&mut self, bytes_max: usize, seed: Seed) -> bool {
        let largest = (bytes_max / size_of::<S>()).max(LARGE_SLOTS_MIN);
        // What is large by itself begins with a part of the memory, too.
        let least = SLOTS_MIN.min((largest / 8).max(LARGE_SLOTS_MIN));
        let factor = if self.bytes() < SMALL_BYTES { 4 } else { 2 };
        let grown = (self.count * factor).clamp(least, largest.max(self.count));
        // Less would be spent on moving than won.
        if grown > self.count + self.count / 4 {
            self.grow(grown, seed);
        }
        // Where the memory ends it may become a little crowded.
        self.used < self.count / 8 * 7
    }

    fn grow(&mut self, count: usize, seed: Seed) {
        const STEP_BYTES: usize = 1 << 20;
        let mut bigger = Self::new(count);
        let step = (STEP_BYTES / size_of::<S>()).max(1);
        for from in (0..self.count).step_by(step) {
            let to = (from + step).min(self.count);
            for slot in self.as_mut()[from..to].iter_mut().filter(|slot| !slot.is_free()) {
                let hash = slot.hash(seed);
                bigger.insert(hash, std::mem::replace(slot, S::free()));
            }
            // The two together never take much more than the bigger one alone.
            self.region.discard(from * size_of::<S>(), to * size_of::<S>());
        }
        *self = bigger;
    }

    /// Brings those that are not free to the front. Nothing can be found from now on until all is cleared.
    pub(super) fn gather(&mut self) -> &mut [S] {
        let slots = self.as_mut();
        let mut gathered = 0;
        for at in 0..slots.len() {
            if !slots[at].is_free() {
                slots.swap(gathered, at);
                gathered += 1;
            }
        }
        &mut slots[..gathered]
    }

    /// Those that [`gather`](Self::gather) has brought to the front.
    pub(super) fn gathered(&self) -> &[S] {
        &self.as_ref()[..self.used]
    }

    /// Frees all. Keeps the memory if they have made good use of it.
    pub(super) fn clear<V>(&mut self) {
        self.drop_values::<V>();
        if self.used < self.count / 16 {
            *self = Self::new(0);
            return;
        }
        self.used = 0;
        let bytes = self.bytes();
        // SAFETY: so many bytes of the region are slots; their values, of type `V`, were dropped.
        unsafe { std::ptr::write_bytes(self.region.start().as_ptr(), 0, bytes) };
    }

    /// Drops the values, which are of type `V`.
    pub(super) fn drop_values<V>(&mut self) {
        if std::mem::needs_drop::<V>() {
            self.as_mut().iter_mut().for_each(S::clear);
        }
    }
}
