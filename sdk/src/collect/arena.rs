//! Bytes kept one piece after the other in chunks that never move, addressed by small numbers that grow as pieces come.

use std::num::NonZero;

/// Where a piece begins: in the upper half the number of its chunk, counted from 1, in the lower half the place in it.
/// Later pieces are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(NonZero<u64>);

#[derive(Debug)]
pub(super) struct Arena {
    chunks: Vec<Vec<u8>>,
    /// How many chunks were begun; the rest wait to be used again.
    begun: usize,
    chunk_bytes: usize,
    held_bytes: usize,
}

impl Arena {
    /// An arena that takes memory in steps that suit a budget of `memory_bytes`.
    pub(super) fn new(memory_bytes: usize) -> Self {
        let chunk_bytes = (memory_bytes / 32).clamp(1 << 10, 1 << 20);
        Self { chunks: Vec::new(), begun: 0, chunk_bytes, held_bytes: 0 }
    }

    /// How many bytes it would take from the system to keep a piece of `length` bytes.
    #[inline]
    pub(super) fn growth(&self, length: usize) -> usize {
        let free = |chunk: &Vec<u8>| chunk.capacity() - chunk.len() >= length;
        let fits = self.begun > 0 && self.chunks.get(self.begun - 1).is_some_and(free);
        if fits || self.chunks.get(self.begun).is_some_and(free) { 0 } else { length.max(self.chunk_bytes) }
    }

    /// Where the next piece of `length` bytes is to be appended, in one chunk.
    #[inline]
    pub(super) fn begin(&mut self, length: usize) -> (Place, &mut Vec<u8>) {
        let full = match self.chunks.get(self.begun.wrapping_sub(1)) {
            Some(chunk) => chunk.capacity() - chunk.len() < length || chunk.len() > u32::MAX as usize,
            None => true,
        };
        if full {
            self.begin_chunk(length);
        }
        let chunk = &mut self.chunks[self.begun - 1];
        // Never zero: at least one chunk was begun.
        let place =
            NonZero::new((self.begun as u64) << 32 | chunk.len() as u64).unwrap_or(NonZero::<u64>::MIN);
        (Place(place), chunk)
    }

    #[cold]
    fn begin_chunk(&mut self, length: usize) {
        if self.chunks.get(self.begun).is_none_or(|spare| spare.capacity() < length) {
            let chunk = Vec::with_capacity(length.max(self.chunk_bytes));
            self.held_bytes += chunk.capacity();
            // A spare that is too small for this piece waits on behind it.
            self.chunks.insert(self.begun, chunk);
        }
        self.begun += 1;
    }

    /// All from `place` to the end of its chunk.
    #[inline]
    pub(super) fn from(&self, place: Place) -> &[u8] {
        let place = place.0.get();
        &self.chunks[(place >> 32) as usize - 1][place as u32 as usize..]
    }

    /// Forgets the pieces. Keeps the chunks for the next ones, except those that were made for one big piece.
    pub(super) fn clear(&mut self) {
        self.chunks.retain(|chunk| chunk.capacity() <= self.chunk_bytes);
        self.chunks.iter_mut().for_each(Vec::clear);
        self.held_bytes = self.chunks.iter().map(Vec::capacity).sum();
        self.begun = 0;
    }

    /// Bytes of memory that it holds.
    #[inline]
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }
}
