//! A thread's tables of words: of up to eight bytes, of up to 16, and of longer ones.
//!
//! Words are looked up in batches: hashed and prefetched, then folded in.

use std::collections::HashMap;
use std::io;

use super::keys;
use crate::table::{Key, Table};
use crate::words::{Borders, OnWords};
use crate::zeroed::Plain;

const BATCH: usize = 256;
const SHORT: usize = 8;
const MEDIUM: usize = 16;

/// What is kept of a word, and how another occurrence changes it.
pub(super) trait Fold {
    /// Zero for a new word.
    type Value: Plain + Default;

    fn fold(&mut self, value: &mut Self::Value);
}

pub(super) struct Tables<F: Fold> {
    pub(super) short: Table<u64, F::Value>,
    pub(super) medium: Table<u128, F::Value>,
    pub(super) long: HashMap<Vec<u8>, F::Value>,
    pub(super) fold: F,
    batch: Box<Batch>,
}

/// What was hashed and prefetched of a batch: words, and where the search for them begins.
struct Batch {
    short: [(u64, usize); BATCH],
    medium: [(u128, usize); BATCH],
    /// Words that are not short.
    others: [(u16, u16); BATCH],
}

impl<F: Fold> Tables<F> {
    pub(super) fn new(fold: F) -> io::Result<Self> {
        let batch = Batch { short: [(0, 0); BATCH], medium: [(0, 0); BATCH], others: [(0, 0); BATCH] };
        let (short, medium) = (Table::new()?, Table::new()?);
        Ok(Self { short, medium, long: HashMap::new(), fold, batch: Box::new(batch) })
    }

    /// Takes all words of a padded text.
    pub(super) fn take(&mut self, text: &[u8], borders: &mut Borders) -> io::Result<()> {
        borders.find(text, self)
    }

    #[inline(always)]
    fn batch(&mut self, text: &[u8], starts: &[u16], ends: &[u16]) -> io::Result<()> {
        self.short.reserve(BATCH)?;
        self.medium.reserve(BATCH)?;
        let (mut short, mut other) = (0, 0);
        for (&start, &end) in starts.iter().zip(ends) {
            let length = usize::from(end - start);
            let key = keys::short(text, start.into(), length);
            let place = self.short.place(key.hash());
            self.short.prefetch(place);
            // Both are written and one is counted: a branch on the length would often be predicted wrongly.
            self.batch.short[short] = (key, place);
            self.batch.others[other] = (start, end);
            short += usize::from(length <= SHORT);
            other += usize::from(length > SHORT);
        }
        let medium = self.others(text, other);
        for &(key, place) in &self.batch.short[..short] {
            self.fold.fold(self.short.value(key, place));
        }
        for &(key, place) in &self.batch.medium[..medium] {
            self.fold.fold(self.medium.value(key, place));
        }
        Ok(())
    }

    /// Hashes and prefetches the medium words, and takes the long ones; how many are medium.
    #[inline(always)]
    fn others(&mut self, text: &[u8], count: usize) -> usize {
        let mut medium = 0;
        for at in 0..count {
            let (start, end) = self.batch.others[at];
            let (start, end) = (usize::from(start), usize::from(end));
            if end - start > MEDIUM {
                self.long(&text[start..end]);
                continue;
            }
            let key = keys::medium(text, start, end - start);
            let place = self.medium.place(key.hash());
            self.medium.prefetch(place);
            self.batch.medium[medium] = (key, place);
            medium += 1;
        }
        medium
    }
}

impl<F: Fold> OnWords for Tables<F> {
    #[inline(always)]
    fn words(&mut self, text: &[u8], starts: &[u16], ends: &[u16]) -> io::Result<()> {
        for (starts, ends) in starts.chunks(BATCH).zip(ends.chunks(BATCH)) {
            self.batch(text, starts, ends)?;
        }
        Ok(())
    }

    fn long(&mut self, word: &[u8]) {
        if let Some(value) = self.long.get_mut(word) {
            self.fold.fold(value);
        } else {
            let value = self.long.entry(word.to_vec()).or_default();
            self.fold.fold(value);
        }
    }
}
