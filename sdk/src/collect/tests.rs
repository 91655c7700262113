//! What comes out of a collector is what went in, sorted and within its budget.

use super::*;
use crate::{Bytes, Codec, DecodeError, Encode, Reader, hash, wire};
use proptest::prelude::*;
use std::collections::BTreeMap;

mod heap;

/// Partition, key, value.
type Pair = (u32, Vec<u8>, Vec<u8>);

/// Keeps what it is given, and the rules.
struct Runs {
    partitions: u32,
    /// Partitions are ranges of keys, parted by these.
    bounds: Option<Vec<Vec<u8>>>,
    runs: Vec<Vec<Pair>>,
    open: bool,
    biggest_buffer: usize,
    alive: usize,
    /// Refuses the buffer of this number.
    fails_at: Option<usize>,
    buffers: usize,
}

#[derive(Debug, PartialEq, Eq)]
struct Refused;

impl From<KeyTooLong> for Refused {
    fn from(_: KeyTooLong) -> Self {
        Self
    }
}

impl From<DecodeError> for Refused {
    fn from(_: DecodeError) -> Self {
        Self
    }
}

impl Runs {
    fn new(partitions: u32) -> Self {
        Self {
            partitions,
            bounds: None,
            runs: Vec::new(),
            open: false,
            biggest_buffer: 0,
            alive: 0,
            fails_at: None,
            buffers: 0,
        }
    }

    /// All pairs in the order in which a stable merge of the runs gives them.
    fn merged(&self) -> Vec<Pair> {
        let mut merged = self.runs.concat();
        merged.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        merged
    }

    /// For each key the sum of its values, which are numbers.
    fn sums(&self) -> BTreeMap<Vec<u8>, u64> {
        let mut sums = BTreeMap::new();
        for (_, key, value) in self.runs.iter().flatten() {
            *sums.entry(key.clone()).or_default() += u64::decode_last(&mut Reader::new(value)).unwrap();
        }
        sums
    }
}

impl RunSink for Runs {
    type Error = Refused;

    fn partition(&mut self, key: &[u8]) -> Result<u32, Refused> {
        Ok(match &self.bounds {
            Some(bounds) => bounds.iter().filter(|bound| bound.as_slice() <= key).count() as u32,
            None => hash::partition_of(key, self.partitions),
        })
    }

    fn ascends(&self) -> bool {
        self.bounds.is_some()
    }

    fn begin(&mut self) -> Result<(), Refused> {
        assert!(!std::mem::replace(&mut self.open, true));
        self.runs.push(Vec::new());
        Ok(())
    }

    fn pairs(&mut self, partition: u32, pairs: u64, mut bytes: &[u8]) -> Result<(), Refused> {
        assert!(self.open && pairs > 0);
        assert!(bytes.len() <= RUN_BUFFER_BYTES || pairs == 1);
        self.buffers += 1;
        if self.fails_at == Some(self.buffers) {
            self.open = false;
            return Err(Refused);
        }
        self.biggest_buffer = self.biggest_buffer.max(bytes.len());
        let run = self.runs.last_mut().unwrap();
        for _ in 0..pairs {
            let (key, value) = wire::take_pair(&mut bytes).unwrap();
            run.push((partition, key.to_vec(), value.to_vec()));
        }
        assert!(bytes.is_empty());
        Ok(())
    }

    fn end(&mut self) -> Result<(), Refused> {
        assert!(std::mem::replace(&mut self.open, false));
        let run = self.runs.last().unwrap();
        assert!(run.is_sorted_by(|a, b| (a.0, &a.1) <= (b.0, &b.1)));
        Ok(())
    }

    fn alive(&mut self) -> Result<(), Refused> {
        self.alive += 1;
        Ok(())
    }
}

fn add(total: &mut u64, next: u64) {
    *total += next;
}

/// Folds all keys with the value one.
fn count<'a>(keys: impl IntoIterator<Item = &'a [u8]>, memory_bytes: u64, partitions: u32) -> Runs {
    let (mut runs, mut collector) = (Runs::new(partitions), TypedCollector::new(memory_bytes));
    for key in keys {
        collector.fold(key, 1, add, &mut runs).unwrap();
    }
    collector.finish(Some(add), &mut runs).unwrap();
    runs
}

fn counts<'a>(keys: impl IntoIterator<Item = &'a [u8]>) -> BTreeMap<Vec<u8>, u64> {
    let mut counts = BTreeMap::new();
    keys.into_iter().for_each(|key| *counts.entry(key.to_vec()).or_default() += 1);
    counts
}

fn keys() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let key = prop_oneof![
        proptest::collection::vec(0_u8..3, 0..4),
        proptest::collection::vec(0_u8..2, 7..20),
        proptest::collection::vec(any::<u8>(), 0..40),
    ];
    proptest::collection::vec(key, 0..400)
}

fn memory() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0_u64..20_000, Just(1 << 20), Just(u64::MAX)]
}

proptest! {
    #[test]
    fn plain_pairs_come_back_in_order(keys in keys(), memory in memory(), partitions in 1_u32..5) {
        let mut expected: Vec<_> = (0_u64..).zip(&keys).map(|(i, key)| {
            (hash::partition_of(key, partitions), key.clone(), i.to_be_bytes().to_vec())
        }).collect();
        let (mut runs, mut collector) = (Runs::new(partitions), Collector::new(memory));
        for (_, key, value) in &expected {
            collector.emit(key, value, &mut runs).unwrap();
        }
        collector.finish(&mut runs).unwrap();
        expected.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        prop_assert_eq!(runs.merged(), expected);
    }

    #[test]
    fn ranges_of_keys_are_the_partitions_where_these_ascend(keys in keys(), bounds in keys(), memory in memory()) {
        let mut runs = Runs::new(1);
        let of = |key: &[u8]| bounds.iter().filter(|bound| bound.as_slice() <= key).count() as u32;
        let mut expected: Vec<_> = (0_u64..).zip(&keys).map(|(i, key)| {
            (of(key), key.clone(), i.to_be_bytes().to_vec())
        }).collect();
        runs.bounds = Some(bounds.clone());
        let mut collector = Collector::new(memory);
        for (_, key, value) in &expected {
            collector.emit(key, value, &mut runs).unwrap();
        }
        collector.finish(&mut runs).unwrap();
        expected.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        prop_assert_eq!(runs.merged(), expected);
    }

    #[test]
    fn combined_pairs_add_up(keys in keys(), memory in memory(), partitions in 1_u32..5) {
        let runs = count(keys.iter().map(Vec::as_slice), memory, partitions);
        prop_assert_eq!(runs.sums(), counts(keys.iter().map(Vec::as_slice)));
    }

    #[test]
    fn values_are_folded_in_emission_order(keys in proptest::collection::vec(0_u16..9, 0..300), memory in memory()) {
        let (mut runs, mut collector) = (Runs::new(2), TypedCollector::new(memory));
        let mut expected = BTreeMap::<Vec<u8>, Vec<u8>>::new();
        for (i, key) in keys.iter().enumerate() {
            let (key, value) = (key.to_be_bytes(), Bytes(vec![i as u8, 7]));
            expected.entry(key.to_vec()).or_default().extend(&value.0);
            let join = |total: &mut Bytes, next: Bytes| total.0.extend(next.0);
            collector.fold(&key, value, join, &mut runs).unwrap();
        }
        collector.finish(Some(|total: &mut Bytes, next: Bytes| total.0.extend(next.0)), &mut runs).unwrap();
        let mut got = BTreeMap::<Vec<u8>, Vec<u8>>::new();
        runs.merged().into_iter().for_each(|(_, key, value)| got.entry(key).or_default().extend(value));
        prop_assert_eq!(got, expected);
    }
}

#[test]
fn repeated_keys_become_one_pair_each() {
    let keys: Vec<_> = (0..100_000_u64).map(|n| (n % 5000).to_string().into_bytes()).collect();
    let runs = count(keys.iter().map(Vec::as_slice), 16 << 20, 3);
    assert_eq!((runs.runs.len(), runs.runs[0].len()), (1, 5000));
    assert!(runs.sums() == counts(keys.iter().map(Vec::as_slice)));
    assert!(runs.alive >= 100_000 / 16_384);
}

#[test]
fn keys_that_hardly_repeat_are_not_hashed_but_still_add_up() {
    let keys: Vec<_> = (0..100_000_u64).map(|n| (n % 90_000).to_be_bytes()).collect();
    let (mut runs, mut collector) = (Runs::new(3), TypedCollector::new(64 << 20));
    for key in &keys {
        collector.fold(key, 1, add, &mut runs).unwrap();
    }
    assert!(!collector.is_hashing());
    collector.finish(Some(add), &mut runs).unwrap();
    assert!(!collector.is_hashing());
    // Equal keys are still folded when the run is handed over.
    assert_eq!(runs.runs.iter().map(Vec::len).sum::<usize>(), 90_000);
    assert!(runs.sums() == counts(keys.iter().map(<[u8; 8]>::as_slice)));
}

#[test]
fn hashing_comes_back_when_a_run_shows_that_it_pays() {
    // Each window has few repeats, a whole run has many.
    let keys: Vec<_> = (0..400_000_u64).map(|n| (n % 20_000).to_be_bytes()).collect();
    let (mut runs, mut collector) = (Runs::new(1), TypedCollector::new(4 << 20));
    let mut hashed = Vec::new();
    for key in &keys {
        collector.fold(key, 1, add, &mut runs).unwrap();
        hashed.push(collector.is_hashing());
    }
    collector.finish(Some(add), &mut runs).unwrap();
    assert!(hashed.contains(&false) && hashed.ends_with(&[true]));
    assert!(runs.sums() == counts(keys.iter().map(<[u8; 8]>::as_slice)));
}

#[test]
fn emission_order_survives_giving_up_the_table_and_taking_it_up_again() {
    let (mut runs, mut collector) = (Runs::new(1), TypedCollector::new(3 << 20));
    let join = |total: &mut Bytes, next: Bytes| total.0.extend(next.0);
    let mut hashed = Vec::new();
    // New keys for a while, repeats for a while, over and over.
    for n in 0..300_000_u32 {
        let key = if n / 40_000 % 2 == 0 { n % 20_000 } else { n % 100 };
        collector.fold(&key.to_be_bytes(), Bytes(n.to_be_bytes().to_vec()), join, &mut runs).unwrap();
        hashed.push(collector.is_hashing());
    }
    collector.finish(Some(join), &mut runs).unwrap();
    assert!(
        hashed.windows(2).any(|pair| pair == [false, true])
            && hashed.windows(2).any(|pair| pair == [true, false])
    );
    let mut of_keys = BTreeMap::<Vec<u8>, Vec<u8>>::new();
    runs.merged().into_iter().for_each(|(_, key, value)| of_keys.entry(key).or_default().extend(value));
    let numbers = |value: &Vec<u8>| value.chunks(4).map(|four| four.to_vec()).collect::<Vec<_>>();
    assert!(of_keys.values().all(|value| numbers(value).is_sorted()));
    assert_eq!(of_keys.values().map(Vec::len).sum::<usize>(), 4 * 300_000);
}

/// Stands in one byte in the table, and in three hundred in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bulky(u8);

impl Encode for Bulky {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend([self.0; 300]);
    }
}

impl Codec for Bulky {
    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.array::<300>().map(|bytes| Self(bytes[0]))
    }
}

#[test]
fn nothing_is_lost_when_a_table_is_given_up_whose_pairs_do_not_fit_the_log() {
    let (mut runs, mut collector) = (Runs::new(2), TypedCollector::new(4 << 20));
    for n in 0..100_000_u64 {
        collector.fold(&n.to_be_bytes(), Bulky(n as u8), |_, _| {}, &mut runs).unwrap();
    }
    assert!(!collector.is_hashing());
    collector.finish(Some(|_: &mut Bulky, _| {}), &mut runs).unwrap();
    assert_eq!(runs.runs.iter().map(Vec::len).sum::<usize>(), 100_000);
}

#[test]
fn what_is_handed_over_does_not_depend_on_earlier_attempts() {
    let attempt = |collector: &mut TypedCollector<u64>, keys: u64| {
        let mut runs = Runs::new(1);
        for n in 0..200_000_u64 {
            collector.fold(&(n % keys).to_be_bytes(), 1, add, &mut runs).unwrap();
        }
        collector.finish(Some(add), &mut runs).unwrap();
        collector.clear();
        runs.runs
    };
    let mut fresh = TypedCollector::new(2 << 20);
    let expected = attempt(&mut fresh, 60_000);
    let mut used = TypedCollector::new(2 << 20);
    attempt(&mut used, 200_000);
    attempt(&mut used, 10);
    assert!(attempt(&mut used, 60_000) == expected);
}

#[test]
fn memory_stays_within_the_budget() {
    const BUDGET: usize = 4 << 20;
    let (mut runs, mut plain) = (Runs::new(4), Collector::new(BUDGET as u64));
    let mut typed = TypedCollector::<u64>::new(BUDGET as u64);
    for n in 0..300_000_u64 {
        let key = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_string();
        plain.emit(key.as_bytes(), b"value", &mut runs).unwrap();
        // Every second key is a repeat, so that the table is not given up.
        typed.fold((n / 4).to_string().as_bytes(), n, add, &mut runs).unwrap();
        assert!(plain.held_bytes() <= BUDGET && typed.held_bytes() <= BUDGET, "at {n}");
    }
    assert!(typed.is_hashing());
    assert!((2..20).contains(&runs.runs.len()), "{} runs", runs.runs.len());
}

#[test]
fn pairs_whose_shape_changes_stay_within_the_budget() {
    const BUDGET: usize = 4 << 20;
    let (mut runs, mut plain) = (Runs::new(1), Collector::new(BUDGET as u64));
    let mut pairs = 0;
    for (count, value_bytes) in [(150_000_u32, 0), (100, 100_000), (150_000, 0), (5_000, 2_000)] {
        for n in 0..count {
            plain.emit(&n.to_be_bytes(), &vec![7; value_bytes], &mut runs).unwrap();
            assert!(plain.held_bytes() <= BUDGET, "{} with values of {value_bytes}", plain.held_bytes());
        }
        pairs += count as usize;
    }
    plain.finish(&mut runs).unwrap();
    assert_eq!(runs.runs.iter().map(Vec::len).sum::<usize>(), pairs);
    assert!((5..15).contains(&runs.runs.len()), "{} runs", runs.runs.len());
}

#[test]
fn memory_is_given_back_when_there_are_runs_to_merge() {
    for (pairs, some_is_kept) in [(50_000_u64, true), (500_000, false)] {
        let (mut runs, mut counting) = (Runs::new(1), TypedCollector::new(4 << 20));
        let mut plain = TypedCollector::<u64>::new(4 << 20);
        for n in 0..pairs {
            counting.fold(&(n / 2).to_be_bytes(), 1, add, &mut runs).unwrap();
            plain.keep(&n.to_be_bytes(), &n, &mut runs).unwrap();
        }
        counting.finish(Some(add), &mut runs).unwrap();
        plain.finish(None::<fn(&mut u64, u64)>, &mut runs).unwrap();
        for held in [counting.held_bytes(), plain.held_bytes()] {
            assert_eq!(held > 256 << 10, some_is_kept, "{held} bytes after {pairs} pairs");
        }
    }
}

#[test]
fn heap_of_values_counts() {
    let (mut runs, mut collector) = (Runs::new(1), TypedCollector::new(1 << 20));
    let join = |total: &mut Bytes, next: Bytes| total.0.extend(next.0);
    for n in 0..200_u64 {
        collector.fold(&[n as u8 % 2], Bytes(vec![0; 64 << 10]), join, &mut runs).unwrap();
        assert!(collector.held_bytes() <= 1 << 20, "{} at {n}", collector.held_bytes());
    }
    assert!(runs.runs.len() > 5);
}

#[test]
fn huge_keys_and_values_pass() {
    let (mut runs, mut collector) = (Runs::new(2), Collector::new(1 << 20));
    let (key, value) = (vec![b'k'; 2 << 20], vec![b'v'; 64 << 20]);
    collector.emit(b"a", b"small", &mut runs).unwrap();
    collector.emit(b"b", &value, &mut runs).unwrap();
    collector.emit(&key, b"", &mut runs).unwrap();
    collector.emit(b"c", b"small", &mut runs).unwrap();
    collector.finish(&mut runs).unwrap();
    assert_eq!(runs.runs.iter().map(Vec::len).sum::<usize>(), 4);
    assert!(runs.biggest_buffer > 64 << 20);
    assert!(collector.held_bytes() < 2 << 20);
    let keys = [key.as_slice(), b"x", &key];
    assert_eq!(count(keys, 1 << 10, 2).sums(), counts(keys));
}

#[test]
fn a_refusal_leaves_the_collector_empty() {
    let keys: Vec<_> = (0..30_000_u64).map(u64::to_be_bytes).collect();
    for fails_at in [1, 3] {
        let mut runs = Runs { fails_at: Some(fails_at), ..Runs::new(1) };
        let (mut plain, mut typed) = (Collector::new(16 << 20), TypedCollector::new(16 << 20));
        for key in &keys {
            plain.emit(key, b"value", &mut runs).unwrap();
            typed.fold(&key[6..], 1_u64, add, &mut runs).unwrap();
        }
        assert_eq!(plain.finish(&mut runs), Err(Refused));
        runs.buffers = 0;
        assert_eq!(typed.finish(Some(add), &mut runs), Err(Refused));
        let mut runs = Runs::new(1);
        plain.finish(&mut runs).unwrap();
        typed.finish(Some(add), &mut runs).unwrap();
        assert_eq!(runs.runs.len(), 0);
    }
}
