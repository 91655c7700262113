//! Fills batches of groups as they are lent to a plugin: many whole keys back to back, or the beginning of one that is long.

use gristmill_sdk::wire;

use crate::group::Groups;
use crate::merge::Merge;
use crate::plugin::{Batch, GroupBatch};
use crate::run::RunError;
use crate::run::pair::put_value;

/// The groups of a merge in batches.
pub(crate) struct GroupBatches {
    /// Has the rest of a group that does not fit.
    groups: Groups,
    /// The batch, unless its last group has more values: then it is with `groups`, which need the key.
    bytes: Vec<u8>,
    bytes_max: usize,
    count: u64,
    more: bool,
    keys: u64,
}

impl GroupBatches {
    /// Batches of about `bytes_max` bytes; a key that is longer takes as much as it needs.
    pub(crate) fn new(merge: Merge, bytes_max: usize) -> Self {
        let groups = Groups::new(merge, bytes_max);
        Self { groups, bytes: Vec::new(), bytes_max, count: 0, more: false, keys: 0 }
    }

    /// Selects the `index`-th partition of each segment.
    pub(crate) fn select(&mut self, index: u32) -> Result<(), RunError> {
        self.groups.select(index)
    }

    /// Fills the next batch, past what is left of the last one; says whether there is one.
    pub(crate) fn next_batch(&mut self) -> Result<bool, RunError> {
        if self.more {
            self.bytes = self.groups.leave()?;
        }
        self.bytes.clear();
        self.bytes.shrink_to(self.bytes_max);
        (self.count, self.more) = (0, false);
        while !self.more && self.has_room() {
            self.put_group()?;
        }
        self.keys += self.count;
        Ok(self.count > 0)
    }

    /// Fills the batch of values with the next ones of the last group. An empty one means that there are no more.
    pub(crate) fn next_values(&mut self) -> Result<Batch<'_>, RunError> {
        self.groups.next_values()?;
        Ok(self.groups.batch())
    }

    /// The batch, as it was filled.
    pub(crate) fn batch(&self) -> GroupBatch<'_> {
        let bytes = if self.more { self.groups.entered() } else { &self.bytes };
        GroupBatch { bytes, count: self.count, more: self.more }
    }

    /// Keys handed out so far.
    pub(crate) fn keys(&self) -> u64 {
        self.keys
    }

    /// Whether the batch may take the key at which the merge stands, with its first value. An empty one takes any key.
    #[inline]
    fn has_room(&mut self) -> bool {
        let merge = self.groups.merge();
        let Some(key) = merge.key() else { return false };
        self.count == 0 || self.bytes.len() + key.len() + merge.value_length() < self.bytes_max
    }

    /// Adds a group, with as many of its values as there is room for.
    #[inline]
    fn put_group(&mut self) -> Result<(), RunError> {
        let (bytes, merge) = (&mut self.bytes, self.groups.merge());
        let head = merge.head();
        let key = merge.key().unwrap_or_default();
        wire::put_length(bytes, key.len());
        bytes.extend_from_slice(key);
        let key_at = bytes.len() - key.len();
        let (lengths_at, mut count) = (bytes.len(), 0);
        // The lengths are known at the end only. Most often there is but one value, and room for its lengths is right.
        let only = merge.value_length() + wire::length_bytes(merge.value_length());
        let room = 1 + wire::length_bytes(only);
        bytes.resize(lengths_at + room, 0);
        let values_at = bytes.len();
        loop {
            if bytes.len() + merge.value_length() > self.bytes_max {
                // A long pair is checked when it is loaded, and the app must not see a key that is not as it was written.
                if count == 0 {
                    merge.load()?;
                }
                self.more = true;
                break;
            }
            merge.load()?;
            put_value(bytes, merge.value());
            count += 1;
            merge.advance()?;
            if !merge.stands_at(head, bytes.get(key_at..lengths_at).unwrap_or_default()) {
                break;
            }
        }
        put_lengths(bytes, lengths_at, values_at, count);
        self.count += 1;
        if self.more {
            self.groups.enter(std::mem::take(&mut self.bytes), key_at..lengths_at, head);
        }
        Ok(())
    }
}

/// Writes the number of values and the number of their bytes before the values, which move if they are too near or too far.
#[inline]
fn put_lengths(bytes: &mut Vec<u8>, lengths_at: usize, values_at: usize, count: u64) {
    let values_bytes = bytes.len() - values_at;
    if let (Some([number, length]), 0..0x80, 0..0x80) =
        (bytes.get_mut(lengths_at..values_at), count, values_bytes)
    {
        (*number, *length) = (count as u8, values_bytes as u8);
        return;
    }
    let mut lengths = Vec::with_capacity(2 * wire::LENGTH_BYTES_MAX);
    wire::put_length(&mut lengths, count as usize);
    wire::put_length(&mut lengths, values_bytes);
    bytes.splice(lengths_at..values_at, lengths);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_fit_however_much_room_was_kept_for_them() {
        for (room, count, length) in
            [(2, 1, 5), (2, 127, 127), (2, 128, 127), (3, 1, 4), (2, 300, 70_000), (4, 1, 0)]
        {
            let values = vec![b'v'; length];
            let mut bytes = [b"\x01k", &vec![0; room][..], &values].concat();
            put_lengths(&mut bytes, 2, 2 + room, count);
            let mut rest = bytes.as_slice();
            let group = wire::Group { key: b"k", count, values: &values };
            assert_eq!(wire::take_group(&mut rest), Some(group));
            assert!(rest.is_empty());
        }
    }
}
