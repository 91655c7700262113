//! Sorts by partition and key, in place.
//!
//! A radix sort from the most significant end: items are dealt out to 256 buckets by the highest bits in which the first eight bytes of their
//! keys differ, and so on within each bucket; where these eight agree, by the next eight. Few items are compared instead. The dealing
//! is the "American flag" of McIlroy, Bostic and McIlroy, "Engineering Radix Sort", 1993. It does not keep the order of
//! equal keys, so items tell that themselves.

use super::arena::Arena;
use std::cmp::Ordering;

/// What is sorted: something small that knows its key.
pub(super) trait Item {
    /// The partition, which comes before the key in the order.
    fn group(&self) -> u32;
    fn key<'a>(&'a self, keys: &'a Arena) -> &'a [u8];
    fn key_bytes(&self) -> usize;
    /// Eight bytes of the key as [`word`] gives them. Called only for the depth of the last [`cache`](Self::cache), or zero.
    fn word(&self, keys: &Arena, depth: usize) -> u64;
    /// From now on the words of this depth are asked for.
    fn cache(&mut self, keys: &Arena, depth: usize);
    /// The order of two items of equal keys.
    fn tie(&self, other: &Self) -> Ordering;
}

/// Eight bytes of a key from `8 * depth` on, zeros behind its end, as a number that compares as they do.
#[inline]
pub(super) fn word(key: &[u8], depth: usize) -> u64 {
    let rest = key.get(8 * depth..).unwrap_or_default();
    match rest.first_chunk() {
        Some(eight) => u64::from_be_bytes(*eight),
        None => {
            let mut padded = [0; 8];
            padded[..rest.len()].copy_from_slice(rest);
            u64::from_be_bytes(padded)
        }
    }
}

/// So few are compared.
const COMPARED_MAX: usize = 96;
/// Keys that agree in so many words are compared as a whole.
const DEPTH_MAX: usize = 16;
const BUCKETS: usize = 256;
/// So many are sorted in a time that is worth a sign of life.
const ALIVE_ITEMS: usize = 1 << 16;

/// Sorts by group, key and tie. Says now and then that it is at work: gigabytes take longer than an attempt may be silent.
pub(super) fn sort<T: Item>(items: &mut [T], keys: &Arena, alive: &mut dyn FnMut()) {
    by_group(items, &mut T::group, &mut |_, group| by_word(group, keys, 0, alive));
}

/// Sorts by the group that is given for each, then by key and tie; gives each group and how many are in it, in order.
pub(super) fn sort_within<T: Item>(
    items: &mut [T],
    keys: &Arena,
    mut group_of: impl FnMut(&T) -> u32,
    alive: &mut dyn FnMut(),
) -> Vec<(u32, usize)> {
    let mut groups = Vec::new();
    by_group(items, &mut group_of, &mut |group, items| {
        groups.push((group, items.len()));
        by_word(items, keys, 0, alive);
    });
    groups
}

fn by_group<T>(items: &mut [T], group_of: &mut impl FnMut(&T) -> u32, each: &mut impl FnMut(u32, &mut [T])) {
    match differing(items.iter().map(|item| u64::from(group_of(item)))) {
        None => {
            if let Some(first) = items.first() {
                each(group_of(first), items);
            }
        }
        Some(shift) => {
            let ends = deal(items, |item| (group_of(item) >> shift) as usize % BUCKETS);
            each_bucket(items, &ends, |bucket| by_group(bucket, group_of, each));
        }
    }
}

fn by_word<T: Item>(items: &mut [T], keys: &Arena, depth: usize, alive: &mut dyn FnMut()) {
    if items.len() >= ALIVE_ITEMS {
        alive();
    }
    if items.len() <= COMPARED_MAX {
        items.sort_unstable_by(|a, b| compare(a, b, keys, depth));
        return;
    }
    if depth >= DEPTH_MAX {
        items.sort_unstable_by(counted(alive, |a, b| compare(a, b, keys, depth)));
        return;
    }
    match differing(items.iter().map(|item| item.word(keys, depth))) {
        None => by_next_word(items, keys, depth, alive),
        Some(shift) => {
            let ends = deal(items, |item| (item.word(keys, depth) >> shift) as usize % BUCKETS);
            each_bucket(items, &ends, |bucket| by_word(bucket, keys, depth, alive));
        }
    }
}

/// All agree in the word of this depth: keys that end in it come first, by their length, for the word is padded with zeros.
fn by_next_word<T: Item>(items: &mut [T], keys: &Arena, depth: usize, alive: &mut dyn FnMut()) {
    let ends_here = |item: &T| item.key_bytes() <= 8 * (depth + 1);
    let mut ended = 0;
    for at in 0..items.len() {
        if ends_here(&items[at]) {
            items.swap(ended, at);
            ended += 1;
        }
    }
    let (ended, longer) = items.split_at_mut(ended);
    ended.sort_unstable_by(counted(alive, |a: &T, b: &T| {
        a.key_bytes().cmp(&b.key_bytes()).then_with(|| a.tie(b))
    }));
    if !longer.is_empty() {
        longer.iter_mut().for_each(|item| item.cache(keys, depth + 1));
        by_word(longer, keys, depth + 1, alive);
    }
}

/// The same comparison, with a sign of life for every so many.
fn counted<T>(
    alive: &mut dyn FnMut(),
    compare: impl Fn(&T, &T) -> Ordering,
) -> impl FnMut(&T, &T) -> Ordering {
    let mut compared = 0;
    move |a, b| {
        compared += 1;
        if compared % ALIVE_ITEMS == 0 {
            alive();
        }
        compare(a, b)
    }
}

/// Of items that agree in all words before this one.
#[inline]
fn compare<T: Item>(a: &T, b: &T, keys: &Arena, depth: usize) -> Ordering {
    a.word(keys, depth).cmp(&b.word(keys, depth)).then_with(|| {
        if a.key_bytes().min(b.key_bytes()) <= 8 * (depth + 1) {
            return a.key_bytes().cmp(&b.key_bytes()).then_with(|| a.tie(b));
        }
        a.key(keys)[8 * (depth + 1)..].cmp(&b.key(keys)[8 * (depth + 1)..]).then_with(|| a.tie(b))
    })
}

/// By how much to shift numbers so that the highest bits in which they differ are the upper ones of the lowest eight; none if they are all
/// equal.
fn differing(numbers: impl Iterator<Item = u64>) -> Option<u32> {
    let (all, any) = numbers.fold((u64::MAX, 0), |(all, any), number| (all & number, any | number));
    let differ = any & !all;
    // No number at all: every bit is in `all`.
    if differ == 0 { None } else { Some((u64::BITS - differ.leading_zeros()).saturating_sub(8)) }
}

/// Deals the items out to their buckets and gives where each bucket ends.
fn deal<T>(items: &mut [T], mut bucket_of: impl FnMut(&T) -> usize) -> [usize; BUCKETS] {
    let mut ends = [0; BUCKETS];
    items.iter().for_each(|item| ends[bucket_of(item)] += 1);
    let mut begins = [0; BUCKETS];
    let mut sum = 0;
    for (begin, end) in begins.iter_mut().zip(&mut ends) {
        *begin = sum;
        sum += *end;
        *end = sum;
    }
    let mut next = begins;
    let mut unfinished = true;
    while unfinished {
        unfinished = false;
        for bucket in 0..BUCKETS {
            // Each item goes where it belongs, whatever comes in its place: no step waits for the item that the last one has fetched from afar.
            for at in next[bucket]..ends[bucket] {
                let other = bucket_of(&items[at]);
                items.swap(at, next[other]);
                next[other] += 1;
            }
            unfinished |= next[bucket] < ends[bucket];
        }
    }
    ends
}

fn each_bucket<T>(items: &mut [T], ends: &[usize; BUCKETS], mut sort: impl FnMut(&mut [T])) {
    let mut begin = 0;
    for &end in ends {
        if end > begin {
            sort(&mut items[begin..end]);
        }
        begin = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Named {
        group: u32,
        key: Vec<u8>,
        number: usize,
        cached: (usize, u64),
    }

    impl Item for Named {
        fn group(&self) -> u32 {
            self.group
        }
        fn key<'a>(&'a self, _: &'a Arena) -> &'a [u8] {
            &self.key
        }
        fn key_bytes(&self) -> usize {
            self.key.len()
        }
        fn word(&self, _: &Arena, depth: usize) -> u64 {
            assert_eq!(self.cached.0, depth);
            self.cached.1
        }
        fn cache(&mut self, _: &Arena, depth: usize) {
            self.cached = (depth, word(&self.key, depth));
        }
        fn tie(&self, other: &Self) -> Ordering {
            self.number.cmp(&other.number)
        }
    }

    fn check(groups_and_keys: Vec<(u32, Vec<u8>)>) {
        let item = |(number, (group, key)): (usize, (u32, Vec<u8>))| {
            let cached = (0, word(&key, 0));
            Named { group, key, number, cached }
        };
        let mut items: Vec<Named> = groups_and_keys.into_iter().enumerate().map(item).collect();
        let order = |item: &Named| (item.group, item.key.clone(), item.number);
        let mut expected: Vec<_> = items.iter().map(order).collect();
        expected.sort();
        sort(&mut items, &Arena::new(0), &mut || {});
        assert!(items.iter().map(order).collect::<Vec<_>>() == expected);
    }

    fn keys() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            proptest::collection::vec(0_u8..3, 0..4),
            proptest::collection::vec(any::<u8>(), 0..20),
            (proptest::collection::vec(0_u8..2, 0..3), 0_usize..3).prop_map(|(tail, length)| [
                vec![b'x'; 8 * length],
                tail
            ]
            .concat()),
            (proptest::collection::vec(any::<u8>(), 0..3)).prop_map(|tail| [vec![b'y'; 200], tail].concat()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn sorted_by_group_key_and_number(items in proptest::collection::vec((0_u32..3, keys()), 0..1500)) {
            check(items);
        }

        #[test]
        fn groups_may_be_many(items in proptest::collection::vec((any::<u32>(), keys()), 0..600)) {
            check(items);
        }
    }

    #[test]
    fn what_takes_long_shows_life() {
        let item = |number: usize| {
            let key = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes().to_vec();
            Named { group: 0, cached: (0, word(&key, 0)), key, number }
        };
        let mut items: Vec<Named> = (0..3 * ALIVE_ITEMS).map(item).collect();
        let mut signs = 0;
        sort(&mut items, &Arena::new(0), &mut || signs += 1);
        assert!(signs >= 1);
    }

    #[test]
    fn many_equal_keys_keep_their_order() {
        check((0..5000).map(|n| (0, vec![b'k'; n % 3 * 8])).collect());
    }
}
