//! Groups a merged stream by key, and hands out the values of a key in batches of bounded size.

use gristmill_sdk::wire;

use crate::merge::{Head, Merge};
use crate::plugin::Batch;
use crate::run::RunError;
use crate::run::pair::put_value;

/// The groups of a merge, one after the other.
pub(crate) struct Groups {
    merge: Merge,
    key: Vec<u8>,
    head: Head,
    /// Values of the current key, each behind its length.
    batch: Vec<u8>,
    batch_values: u64,
    batch_bytes_max: usize,
    /// The merge stands at a pair of the current key that is not in the batch.
    more: bool,
    /// The batch is the value at which the merge stands, too long to be copied.
    lent: bool,
}

impl Groups {
    pub(crate) fn new(merge: Merge, batch_bytes_max: usize) -> Self {
        Self {
            head: merge.head(),
            merge,
            key: Vec::new(),
            batch: Vec::new(),
            batch_values: 0,
            batch_bytes_max,
            more: false,
            lent: false,
        }
    }

    /// Selects the `index`-th partition of each segment.
    pub(crate) fn select(&mut self, index: u32) -> Result<(), RunError> {
        (self.more, self.lent) = (false, false);
        self.merge.select(index)
    }

    /// Moves to the next key, past what is left of the current one, and fills its first batch; says whether there is one.
    pub(crate) fn next_key(&mut self) -> Result<bool, RunError> {
        self.skip_values()?;
        let Some(key) = self.merge.key() else { return Ok(false) };
        self.key.clear();
        self.key.shrink_to(self.batch_bytes_max);
        self.key.extend_from_slice(key);
        (self.head, self.more) = (self.merge.head(), true);
        self.next_values()?;
        Ok(true)
    }

    /// Fills the batch with the next values of the current key. An empty batch means that there are no more.
    pub(crate) fn next_values(&mut self) -> Result<(), RunError> {
        self.batch.clear();
        self.batch_values = 0;
        if std::mem::take(&mut self.lent) {
            self.step()?;
        }
        while self.more {
            if self.batch.len() + self.merge.value_length() > self.batch_bytes_max {
                if self.batch_values == 0 {
                    (self.lent, self.batch_values) = (true, 1);
                    self.merge.load()?;
                    self.merge.encode_value();
                }
                break;
            }
            self.merge.load()?;
            put_value(&mut self.batch, self.merge.value());
            self.batch_values += 1;
            self.step()?;
        }
        Ok(())
    }

    /// Goes past the values of the current key that were not taken.
    pub(crate) fn skip_values(&mut self) -> Result<(), RunError> {
        self.lent = false;
        while self.more {
            self.step()?;
        }
        Ok(())
    }

    /// Takes it that the merge stands at a pair of this key, whose head was this.
    pub(crate) fn enter(&mut self, key: &[u8], head: Head) {
        self.key.clear();
        self.key.shrink_to(self.batch_bytes_max);
        self.key.extend_from_slice(key);
        (self.head, self.more) = (head, true);
    }

    /// The merge, for who takes pairs from it between two keys.
    pub(crate) fn merge(&mut self) -> &mut Merge {
        &mut self.merge
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// The encoded values of the batch, and how many they are.
    pub(crate) fn batch(&self) -> Batch<'_> {
        let values = if self.lent { self.merge.encoded_value() } else { &self.batch };
        (values, self.batch_values)
    }

    /// The current key has but one value.
    pub(crate) fn has_only_value(&self) -> bool {
        !self.more && self.batch_values == 1
    }

    /// Each value of the batch.
    pub(crate) fn values(&self) -> impl Iterator<Item = &[u8]> {
        let (mut rest, _) = self.batch();
        std::iter::from_fn(move || {
            let length = wire::take_length(&mut rest)?;
            wire::take_bytes(&mut rest, length)
        })
    }

    fn step(&mut self) -> Result<(), RunError> {
        self.merge.advance()?;
        self.more = self.merge.stands_at(self.head, &self.key);
        Ok(())
    }
}
