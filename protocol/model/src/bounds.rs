//! Where the partitions of a total order begin: chosen from samples of the keys.
//!
//! The coordinator and the sequential oracle must cut in the same places, so the rule stands here: a pure function of the samples.

use std::ops::Range;

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
        let cuts_max = usize::try_from(partitions.saturating_sub(1)).unwrap_or(usize::MAX);
        let cuts = Sums::of(&keys).balanced_cuts(cuts_max);
        let bound = |at: usize| Some(shortest_between(keys.get(at - 1)?.0, keys.get(at)?.0));
        Self(cuts.into_iter().filter_map(bound).collect())
    }
}

/// Weights added up from the least key on.
struct Sums(Vec<u128>);

/// Some neighbouring keys, and how many cuts there may be among them.
struct Stretch {
    keys: Range<usize>,
    cuts_max: usize,
}

impl Sums {
    fn of(keys: &[(&[u8], u64)]) -> Self {
        let mut sum = 0;
        let add = |(_, weight): &(&[u8], u64)| {
            sum += u128::from(*weight);
            sum
        };
        Self(keys.iter().map(add).collect())
    }

    /// What the keys before `end` weigh.
    fn before(&self, end: usize) -> u128 {
        end.checked_sub(1).and_then(|last| self.0.get(last)).copied().unwrap_or(0)
    }

    fn weight(&self, keys: &Range<usize>) -> u128 {
        self.before(keys.end) - self.before(keys.start)
    }

    /// Where partitions after the first begin: first all of them as well as can be, then again those between keys that are too heavy for
    /// any share, for these decide how heavy the heaviest is, and the rest can do better.
    fn balanced_cuts(&self, cuts_max: usize) -> Vec<usize> {
        let mut cuts = Vec::new();
        let mut left = vec![Stretch { keys: 0..self.0.len(), cuts_max }];
        while let Some(stretch) = left.pop() {
            let (capacity, found) = self.best_cuts(&stretch);
            let ends = found.iter().copied().chain([stretch.keys.end]);
            let (mut begin, mut fellows) = (stretch.keys.start, stretch.keys.start..stretch.keys.start);
            let mut fellow_cuts = 0;
            let mut stretches = Vec::new();
            for end in ends {
                let part = begin..end;
                begin = end;
                if part.len() == 1 && self.weight(&part) > capacity {
                    stretches.push(Stretch { keys: fellows, cuts_max: fellow_cuts });
                    cuts.extend([part.start, part.end]);
                    (fellows, fellow_cuts) = (part.end..part.end, 0);
                } else {
                    fellow_cuts += usize::from(!fellows.is_empty());
                    fellows.end = part.end;
                }
            }
            if stretches.is_empty() {
                cuts.extend(found);
            } else {
                stretches.push(Stretch { keys: fellows, cuts_max: fellow_cuts });
                left.extend(stretches.into_iter().filter(|stretch| !stretch.keys.is_empty()));
            }
        }
        cuts.retain(|cut| (1..self.0.len()).contains(cut));
        cuts.sort_unstable();
        cuts.dedup();
        cuts
    }

    /// The least capacity with which [`cuts`](Self::cuts) does with so many, and these.
    fn best_cuts(&self, stretch: &Stretch) -> (u128, Vec<usize>) {
        let (mut least, mut enough) = (0, self.weight(&stretch.keys));
        while least < enough {
            let capacity = least + (enough - least) / 2;
            match self.cuts(stretch, capacity) {
                Some(_) => enough = capacity,
                None => least = capacity + 1,
            }
        }
        (enough, self.cuts(stretch, enough).unwrap_or_default())
    }

    /// Where partitions after the first begin when each takes keys as long as they weigh no more than `capacity`, and one key in any case;
    /// `None` if there may not be so many cuts. No other way of cutting makes fewer.
    fn cuts(&self, stretch: &Stretch, capacity: u128) -> Option<Vec<usize>> {
        let mut cuts = Vec::new();
        let mut begin = stretch.keys.start;
        loop {
            let rest = self.0.get(begin..stretch.keys.end).unwrap_or_default();
            let before = self.before(begin);
            let taken = rest.partition_point(|sum| sum - before <= capacity).max(1);
            if taken >= rest.len() {
                return Some(cuts);
            }
            if cuts.len() == stretch.cuts_max {
                return None;
            }
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
    fn what_is_left_over_beside_a_heavy_key_is_balanced_too() {
        let mut keys: Vec<_> = (0_u8..100).map(|n| (vec![n, 7], 10)).collect();
        keys.push((vec![49, 5], 1000));
        let spread = spread(&Bounds::choose(&sampled(&keys), 6), &keys, 6);
        let weights: Vec<u64> =
            spread.iter().map(|keys| keys.iter().map(|(_, weight)| weight).sum()).collect();
        assert_eq!(weights, [250, 240, 1000, 170, 170, 170]);
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
