//! Partitions of a total order: ranges of encoded keys, parted by bounds.
//!
//! A key belongs to the partition whose number is that of the bounds which are not above it. This is asked for every pair, so the first
//! eight bytes decide wherever they can.

use crate::hash::prefix;
use crate::wire;
use std::fmt;
use std::hint::select_unpredictable;

/// Bounds as they come over the boundary ([`MapSetup::bounds`](crate::abi::MapSetup::bounds)), checked and made ready for searching.
#[derive(Clone, Debug, Default)]
pub struct KeyRanges {
    /// The first eight bytes of each bound.
    prefixes: Vec<u64>,
    /// All bounds, one behind the other, and where each ends.
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// Bytes that are no bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadBounds {
    /// A length reaches beyond the end.
    Cut,
    /// A bound is not above the one before it.
    Unsorted,
    /// There is at least one bound for each partition.
    TooMany,
}

impl fmt::Display for BadBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cut => "the bounds of partitions are cut off",
            Self::Unsorted => "the bounds of partitions do not ascend",
            Self::TooMany => "there are more bounds than partitions to part",
        })
    }
}

impl std::error::Error for BadBounds {}

impl KeyRanges {
    /// Bounds of `partitions` partitions, each behind its LEB128 length.
    ///
    /// # Errors
    /// When they are not fewer than the partitions, do not ascend, or are no bounds at all.
    pub fn decode(mut encoded: &[u8], partitions: u32) -> Result<Self, BadBounds> {
        let mut ranges = Self::default();
        while !encoded.is_empty() {
            let length = wire::take_length(&mut encoded).ok_or(BadBounds::Cut)?;
            let bound = wire::take_bytes(&mut encoded, length).ok_or(BadBounds::Cut)?;
            if !ranges.ends.is_empty() && ranges.bound(ranges.ends.len() - 1) >= bound {
                return Err(BadBounds::Unsorted);
            }
            ranges.prefixes.push(prefix(bound));
            ranges.bytes.extend_from_slice(bound);
            ranges.ends.push(ranges.bytes.len());
        }
        if ranges.ends.is_empty() || ranges.ends.len() < partitions as usize {
            Ok(ranges)
        } else {
            Err(BadBounds::TooMany)
        }
    }

    /// The partition of a key.
    #[inline]
    pub fn partition_of(&self, key: &[u8]) -> u32 {
        let prefix = prefix(key);
        let below = count_below(&self.prefixes, prefix);
        match self.prefixes.get(below) {
            Some(&next) if next == prefix => self.among_equals(below, prefix, key),
            _ => below as u32,
        }
    }

    /// Some bounds begin as the key does: all of these must be looked at whole.
    fn among_equals(&self, from: usize, prefix: u64, key: &[u8]) -> u32 {
        let equals = self.prefixes[from..].partition_point(|&other| other == prefix);
        let (mut low, mut high) = (from, from + equals);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.bound(middle) <= key { low = middle + 1 } else { high = middle }
        }
        low as u32
    }

    fn bound(&self, index: usize) -> &[u8] {
        let begin = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[begin..self.ends[index]]
    }
}

/// How many of the sorted `prefixes` are below `prefix`.
#[inline]
fn count_below(prefixes: &[u64], prefix: u64) -> usize {
    // The halving ends in a step that a few comparisons at once do faster. Which half it is nobody can foresee, so there is no branch on it.
    const FEW: usize = 4;
    let (mut below, mut count) = (0, prefixes.len());
    while count > FEW {
        let half = count / 2;
        let upper = below + half;
        below = select_unpredictable(prefixes[upper - 1] < prefix, upper, below);
        count -= half;
    }
    below + prefixes[below..below + count].iter().map(|&bound| usize::from(bound < prefix)).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(bounds: &[Vec<u8>]) -> Vec<u8> {
        let mut encoded = Vec::new();
        for bound in bounds {
            wire::put_length(&mut encoded, bound.len());
            encoded.extend(bound);
        }
        encoded
    }

    /// Keys that often share eight bytes and more.
    fn key() -> impl Strategy<Value = Vec<u8>> {
        let short = proptest::collection::vec(0_u8..3, 0..10);
        let shared = proptest::collection::vec(0_u8..3, 0..4)
            .prop_map(|end| [b"a beginning".as_slice(), &end].concat());
        prop_oneof![short, shared, any::<Vec<u8>>()]
    }

    proptest! {
        #[test]
        fn a_partition_is_the_number_of_bounds_that_are_not_above(
            mut bounds in proptest::collection::vec(key(), 0..40),
            keys in proptest::collection::vec(key(), 0..40),
        ) {
            bounds.sort();
            bounds.dedup();
            let ranges = KeyRanges::decode(&encode(&bounds), bounds.len() as u32 + 1).unwrap();
            for key in keys.iter().chain(&bounds) {
                let not_above = bounds.iter().filter(|bound| *bound <= key).count();
                prop_assert_eq!(ranges.partition_of(key), not_above as u32, "{:?}", key);
            }
        }

        #[test]
        fn any_bytes_are_bounds_or_refused(bytes: Vec<u8>, partitions: u32, key: Vec<u8>) {
            if let Ok(ranges) = KeyRanges::decode(&bytes, partitions) {
                prop_assert!(ranges.partition_of(&key) < partitions.max(1));
            }
        }
    }

    #[test]
    fn what_breaks_the_rules_is_refused() {
        let refusal = |bounds: &[&[u8]], partitions| {
            let bounds: Vec<_> = bounds.iter().map(|bound| bound.to_vec()).collect();
            KeyRanges::decode(&encode(&bounds), partitions).err()
        };
        assert_eq!(refusal(&[b"a", b"b"], 3), None);
        assert_eq!(refusal(&[], 0), None);
        assert_eq!(refusal(&[b"a", b"b"], 2), Some(BadBounds::TooMany));
        assert_eq!(refusal(&[b"a", b"a"], 3), Some(BadBounds::Unsorted));
        assert_eq!(refusal(&[b"b", b"a"], 3), Some(BadBounds::Unsorted));
        assert_eq!(KeyRanges::decode(&[5, b'a'], 3).err(), Some(BadBounds::Cut));
    }
}
