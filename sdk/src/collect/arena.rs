//! Bytes kept one piece after the other in one stretch of memory, addressed by where they begin.

use super::region::{PAGE_BYTES, Region};

/// Pieces of bytes. Later ones lie behind earlier ones and never move.
#[derive(Debug)]
pub(super) struct Arena {
    region: Region,
    /// Bytes in use.
    len: usize,
    /// Bytes that were in use since the region is there: so much of it takes room.
    touched: usize,
}

impl Arena {
    /// An arena that can hold so many bytes. They take no room before they are used.
    pub(super) fn new(capacity: usize) -> Self {
        Self { region: Region::new(capacity), len: 0, touched: 0 }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether it has room for so many more bytes.
    #[inline]
    pub(super) fn fits(&self, bytes: usize) -> bool {
        bytes <= self.region.bytes() - self.len
    }

    /// Makes room for a piece that is longer than all that was foreseen, if nothing is kept yet.
    pub(super) fn make_fit(&mut self, bytes: usize) {
        if self.len == 0 && !self.fits(bytes) {
            *self = Self::new(bytes);
        }
    }

    /// Keeps a piece of at most `bytes_max` bytes, for which there is room; `write` says how long it became.
    #[inline(always)]
    pub(super) fn push(&mut self, bytes_max: usize, write: impl FnOnce(&mut [u8]) -> usize) {
        assert!(self.fits(bytes_max), "the arena is full");
        // SAFETY: the range lies in the region, which is initialized and borrowed mutably.
        let piece =
            unsafe { std::slice::from_raw_parts_mut(self.region.start().add(self.len).as_ptr(), bytes_max) };
        self.len += write(piece).min(bytes_max);
        self.touched = self.touched.max(self.len);
    }

    /// All from `place` on, which a piece begins at.
    #[inline]
    pub(super) fn from(&self, place: usize) -> &[u8] {
        assert!(place <= self.len, "no such place in the arena");
        // SAFETY: the range lies in the region.
        unsafe { std::slice::from_raw_parts(self.region.start().add(place).as_ptr(), self.len - place) }
    }

    /// Asks for what lies at `place` ahead of time.
    #[inline]
    pub(super) fn prefetch(&self, place: usize) {
        super::prefetch(self.region.start().as_ptr().wrapping_add(place));
        super::prefetch(self.region.start().as_ptr().wrapping_add(place + 64));
    }

    /// Forgets the pieces, but keeps up to `keep_bytes` of the memory for the next ones.
    pub(super) fn clear(&mut self, keep_bytes: usize) {
        self.len = 0;
        if self.region.bytes() > keep_bytes.next_multiple_of(PAGE_BYTES) {
            *self = Self::new(keep_bytes);
        }
    }

    /// Bytes of memory that it takes.
    #[inline]
    pub(super) fn held_bytes(&self) -> usize {
        self.touched
    }

    /// Gives the memory back that is not in use now.
    pub(super) fn trim(&mut self) {
        self.region.discard(self.len, self.touched.next_multiple_of(PAGE_BYTES));
        self.touched = self.len;
    }
}
