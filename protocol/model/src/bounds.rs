//! Where the partitions of a total order begin: chosen from samples of the keys.
//!
//! The coordinator and the sequential oracle must cut in the same places, so the rule stands here: a pure function of the samples.

use serde::{Deserialize, Serialize};

use crate::Blob;

/// Encoded keys, or beginnings of some, strictly ascending: partition `p` of a total order begins with the `p`-th of them, counted from 1,
/// and the first partition with the least key. Fewer than the partitions: what is left over stays empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds(pub Vec<Blob>);

/// A key of a sample, and how many bytes of pairs it stands for: its own, and those of keys before it that were left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampledKey {
    /// The encoded key; of a long one only the beginning.
    pub key: Blob,
    /// The bytes.
    pub weight: u64,
}

impl Bounds {
    /// The bounds that keep the heaviest partition as light as the samples allow, keys that are heavier by themselves left aside: those get
    /// a partition of their own, and the others are balanced around them.
    pub fn choose<'s>(samples: impl IntoIterator<Item = &'s SampledKey>, partitions: u32) -> Self {
        let mut keys: Vec<(&[u8], u64)> =
            samples.into_iter().map(|sampled| (sampled.key.0.as_slice(), sampled.weight)).collect();
        keys.sort_unstable();
        keys.dedup_by(|next, first| {
            let same = next.0 == first.0;
            if same {
                first.1 = first.1.saturating_add(next.1);
            }
            same
        });
        let sums = Sums::of(&keys);
        let cuts_max = usize::try_from(partitions.saturating_sub(1)).unwrap_or(usize::MAX);
        let (mut least, mut enough) = (0, sums.total());
        while least < enough {
            let capacity = least + (enough - least) / 2;
            match sums.cuts(capacity, cuts_max) {
                Some(_) => enough = capacity,
                None => least = capacity + 1,
            }
        }
        let cuts = sums.cuts(enough, cuts_max).unwrap_or_default();
        let bound = |at: usize| Some(shortest_between(keys.get(at - 1)?.0, keys.get(at)?.0));
        Self(cuts.into_iter().filter_map(bound).collect())
    }
}

/// Weights added up from the least key on.
struct Sums(Vec<u128>);

impl Sums {
    fn of(keys: &[(&[u8], u64)]) -> Self {
        let mut sum = 0;
        let add = |(_, weight): &(&[u8], u64)| {
            sum += u128::from(*weight);
            sum
        };
        Self(keys.iter().map(add).collect())
    }

    fn total(&self) -> u128 {
        self.0.last().copied().unwrap_or(0)
    }

    /// Where partitions after the first begin when each takes keys as long as they weigh no more than `capacity`, and one key in any case;
    /// `None` if that makes more than `cuts_max` cuts. No other way of cutting makes fewer.
    fn cuts(&self, capacity: u128, cuts_max: usize) -> Option<Vec<usize>> {
        let mut cuts = Vec::new();
        let (mut begin, mut before) = (0, 0);
        loop {
            let rest = self.0.get(begin..).unwrap_or_default();
            let taken = rest.partition_point(|sum| sum - before <= capacity).max(1);
            if taken >= rest.len() {
                return Some(cuts);
            }
            if cuts.len() == cuts_max {
                return None;
            }
            before = rest.get(taken - 1).copied().unwrap_or(before);
            begin += taken;
            cuts.push(begin);
        }
    }
}

/// The shortest bytes that are above `lower` and not above `upper`, which is above `lower`.
fn shortest_between(lower: &[u8], upper: &[u8]) -> Blob {
    let shared = lower.iter().zip(upper).take_while(|(a, b)| a == b).count();
    Blob(upper.get(..=shared).unwrap_or(upper).to_vec())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sampled(keys: &[(Vec<u8>, u64)]) -> Vec<SampledKey> {
        keys.iter().map(|(key, weight)| SampledKey { key: Blob(key.clone()), weight: *weight }).collect()
    }

    /// What each partition gets of the keys.
    fn spread(bounds: &Bounds, keys: &[(Vec<u8>, u64)], partitions: usize) -> Vec<Vec<(Vec<u8>, u64)>> {
        let mut spread = vec![Vec::new(); partitions];
        for (key, weight) in keys {
            let partition = bounds.0.iter().filter(|bound| bound.0 <= *key).count();
            spread[partition].push((key.clone(), *weight));
        }
        spread
    }

    /// The weight of the heaviest partition that has more than one key.
    fn heaviest_shared(spread: &[Vec<(Vec<u8>, u64)>]) -> u64 {
        let shared = spread.iter().filter(|keys| keys.iter().any(|(key, _)| *key != keys[0].0));
        shared.map(|keys| keys.iter().map(|(_, weight)| weight).sum()).max().unwrap_or(0)
    }

    /// The least that any way of cutting between distinct keys makes of [`heaviest_shared`].
    fn least_heaviest(keys: &[(Vec<u8>, u64)], partitions: usize) -> u64 {
        let mut distinct: Vec<_> = keys.iter().map(|(key, _)| key.clone()).collect();
        distinct.sort();
        distinct.dedup();
        let ways =
            (0_u32..1 << distinct.len().saturating_sub(1)).filter(|way| way.count_ones() < partitions as u32);
        let cost = |way: u32| {
            let cuts = (1..distinct.len()).filter(|cut| way >> (cut - 1) & 1 == 1);
            let bounds = Bounds(cuts.map(|cut| Blob(distinct[cut].clone())).collect());
            heaviest_shared(&spread(&bounds, keys, partitions))
        };
        ways.map(cost).min().unwrap_or(0)
    }

    proptest! {
        #[test]
        fn no_other_cuts_are_better_balanced(
            keys in proptest::collection::vec((proptest::collection::vec(0_u8..3, 0..4), 1_u64..40), 0..12),
            partitions in 1_usize..6,
        ) {
            let bounds = Bounds::choose(&sampled(&keys), partitions as u32);
            prop_assert!(bounds.0.len() < partitions);
            prop_assert!(bounds.0.is_sorted_by(|a, b| a.0 < b.0));
            let got = heaviest_shared(&spread(&bounds, &keys, partitions));
            prop_assert_eq!(got, least_heaviest(&keys, partitions));
        }

        #[test]
        fn any_weights_and_order_of_samples_will_do(
            keys in proptest::collection::vec((any::<Vec<u8>>(), any::<u64>()), 0..40),
            partitions: u32,
        ) {
            let bounds = Bounds::choose(&sampled(&keys), partitions);
            prop_assert!(bounds.0.len() < partitions.max(1) as usize);
            let mut turned = keys;
            turned.reverse();
            prop_assert_eq!(Bounds::choose(&sampled(&turned), partitions), bounds);
        }
    }

    #[test]
    fn a_heavy_key_stands_alone_and_the_rest_is_balanced_around_it() {
        let mut keys: Vec<_> = (0_u8..80).map(|n| (vec![n, 7], 10)).collect();
        keys.push((vec![40, 5], 800));
        let spread = spread(&Bounds::choose(&sampled(&keys), 9), &keys, 9);
        let weights: Vec<u64> =
            spread.iter().map(|keys| keys.iter().map(|(_, weight)| weight).sum()).collect();
        assert_eq!(weights, [100, 100, 100, 100, 800, 100, 100, 100, 100]);
    }

    #[test]
    fn with_as_many_partitions_as_keys_each_key_has_its_own() {
        let keys = [(b"a".to_vec(), 1), (b"ab".to_vec(), 1000), (b"b".to_vec(), 5)];
        let bounds = Bounds::choose(&sampled(&keys), 7);
        assert_eq!(bounds, Bounds(vec![Blob(b"ab".to_vec()), Blob(b"b".to_vec())]));
    }

    #[test]
    fn a_bound_is_no_longer_than_it_must_be() {
        let keys = [(b"a long key and more".to_vec(), 1), (b"a long key or not".to_vec(), 1)];
        assert_eq!(Bounds::choose(&sampled(&keys), 2), Bounds(vec![Blob(b"a long key o".to_vec())]));
    }
}
