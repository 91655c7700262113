//! Groups a merged stream by key, and hands out the values of a key in batches of bounded size.

use gristmill_sdk::wire;

use crate::merge::Merge;
use crate::run::RunError;
use crate::run::pair::put_value;

/// The groups of a merge, one after the other.
pub(crate) struct Groups {
    merge: Merge,
    key: Vec<u8>,
    /// Values of the current key, each behind its length.
    batch: Vec<u8>,
    batch_values: u64,
    batch_bytes_max: usize,
    /// The merge stands at a pair of the current key that is not in the batch.
    more: bool,
    pairs: u64,
}

impl Groups {
    pub(crate) fn new(merge: Merge, batch_bytes_max: usize) -> Self {
        Self {
            merge,
            key: Vec::new(),
            batch: Vec::new(),
            batch_values: 0,
            batch_bytes_max,
            more: false,
            pairs: 0,
        }
    }

    /// Selects the `index`-th partition of each segment.
    pub(crate) fn select(&mut self, index: u32) -> Result<(), RunError> {
        self.more = false;
        self.merge.select(index)
    }

    /// Moves to the next key, past what is left of the current one, and fills its first batch; says whether there is one.
    pub(crate) fn next_key(&mut self) -> Result<bool, RunError> {
        while self.more {
            self.next_batch()?;
        }
        let Some(key) = self.merge.key() else { return Ok(false) };
        self.key.clear();
        self.key.extend_from_slice(key);
        self.more = true;
        self.next_batch()?;
        Ok(true)
    }

    /// Fills the batch with the next values of the current key. An empty batch means that there are no more.
    pub(crate) fn next_batch(&mut self) -> Result<(), RunError> {
        self.batch.clear();
        self.batch.shrink_to(self.batch_bytes_max);
        self.batch_values = 0;
        while self.more && self.batch.len() < self.batch_bytes_max {
            put_value(&mut self.batch, self.merge.value());
            self.batch_values += 1;
            self.merge.advance()?;
            self.more = self.merge.key() == Some(&self.key);
        }
        self.pairs += self.batch_values;
        Ok(())
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// The encoded values of the batch, and how many they are.
    pub(crate) fn batch(&self) -> (&[u8], u64) {
        (&self.batch, self.batch_values)
    }

    /// The value of the current key, if it has but one.
    pub(crate) fn only_value(&self) -> Option<&[u8]> {
        if self.more || self.batch_values != 1 {
            return None;
        }
        self.values().next()
    }

    /// Each value of the batch.
    pub(crate) fn values(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.batch.as_slice();
        std::iter::from_fn(move || {
            let length = wire::take_length(&mut rest)?;
            wire::take_bytes(&mut rest, length)
        })
    }

    /// Pairs consumed so far.
    pub(crate) fn pairs(&self) -> u64 {
        self.pairs
    }
}
