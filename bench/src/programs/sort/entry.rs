//! Entries: the beginning of a record's key and, in the lowest bits, the record's number.

use std::io;
use std::ops::Range;

use super::RECORD;
use super::buckets::{Buckets, Histogram};
use crate::zeroed::Zeroed;

fn number_bits(records: usize) -> u32 {
    usize::BITS - records.leading_zeros()
}

/// Takes the number out of an entry.
pub(super) fn numbers(records: usize) -> impl Fn(u64) -> usize {
    let mask = (1 << number_bits(records)) - 1;
    move |entry| (entry & mask) as usize
}

/// The entries of one thread's records, bucket by bucket.
pub(super) struct Entries {
    entries: Zeroed<u64>,
    begins: Vec<usize>,
}

impl Entries {
    pub(super) fn spread(
        records: &[[u8; RECORD]],
        part: Range<usize>,
        buckets: &Buckets,
        histogram: &Histogram,
    ) -> io::Result<Self> {
        let begins = buckets.begins(histogram);
        let mut next = begins.clone();
        let mut entries = Zeroed::new(part.len())?;
        let bits = number_bits(records.len());
        for number in part {
            let record = &records[number];
            let prefix = record.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
            let place = &mut next[buckets.of(record)];
            entries[*place] = prefix >> bits << bits | number as u64;
            *place += 1;
        }
        Ok(Self { entries, begins })
    }

    pub(super) fn bucket(&self, bucket: usize) -> &[u64] {
        &self.entries[self.begins[bucket]..self.begins[bucket + 1]]
    }
}

/// Sorts by the records' first `key_bytes` bytes, then by their numbers.
pub(super) fn sort(entries: &mut [u64], records: &[[u8; RECORD]], key_bytes: usize) {
    entries.sort_unstable();
    let bits = number_bits(records.len());
    let number = numbers(records.len());
    for equal in entries.chunk_by_mut(|a, b| a >> bits == b >> bits) {
        if equal.len() > 1 {
            equal.sort_unstable_by_key(|&entry| (&records[number(entry)][..key_bytes], entry));
        }
    }
}
