//! Groups a merged stream by key, and hands out the values of a key in batches of bounded size.

use std::ops::Range;

use gristmill_sdk::wire;

use crate::merge::{Head, Merge};
use crate::plugin::Batch;
use crate::run::RunError;
use crate::run::pair::put_value;

/// The groups of a merge, one after the other.
pub(crate) struct Groups {
    merge: Merge,
    /// Holds the key, alone or in a batch of groups that it is the last of.
    key_bytes: Vec<u8>,
    key: Range<usize>,
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
            key_bytes: Vec::new(),
            key: 0..0,
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
        self.key_bytes.clear();
        self.key_bytes.shrink_to(self.batch_bytes_max);
        self.key_bytes.extend_from_slice(key);
        self.key = 0..self.key_bytes.len();
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

    /// Takes it that the merge stands at a pair of this key, whose head was this. The key may be long, so what holds it is taken, and given
    /// back by [`leave`](Self::leave).
    pub(crate) fn enter(&mut self, bytes: Vec<u8>, key: Range<usize>, head: Head) {
        (self.key_bytes, self.key) = (bytes, key);
        (self.head, self.more) = (head, true);
    }

    /// Goes past the rest of the key that was entered, and gives back what held it.
    pub(crate) fn leave(&mut self) -> Result<Vec<u8>, RunError> {
        self.skip_values()?;
        self.key = 0..0;
        Ok(std::mem::take(&mut self.key_bytes))
    }

    /// What holds the key that was entered.
    pub(crate) fn entered(&self) -> &[u8] {
        &self.key_bytes
    }

    /// The merge, for who takes pairs from it between two keys.
    pub(crate) fn merge(&mut self) -> &mut Merge {
        &mut self.merge
    }

    pub(crate) fn key(&self) -> &[u8] {
        self.key_bytes.get(self.key.clone()).unwrap_or_default()
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
        self.more = self.merge.stands_at(self.head, self.key());
        Ok(())
    }
}
