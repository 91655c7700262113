//! Collectors give back what they were given, sorted, in emission order, folded where the app combines, whatever the memory.
#![no_main]

use std::collections::BTreeMap;

use gristmill_sdk::bench::Folding;
use gristmill_sdk::collect::{Collector, KeyTooLong, RunSink};
use gristmill_sdk::{Bytes, Codec, DecodeError, Reader, partition_of, wire};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

const PAIRS_MAX: usize = 2_000;
/// After so many the collector looks whether combining pays: few, so that a case gives up the table and takes it up again.
const WINDOW: usize = 128;

#[derive(Arbitrary, Debug)]
struct Case {
    memory: Memory,
    partitions: u8,
    how: How,
    stretches: Vec<Stretch>,
}

#[derive(Arbitrary, Debug)]
enum Memory {
    Little(u16),
    Some(u32),
    Much,
}

#[derive(Arbitrary, Debug)]
enum How {
    /// Encoded pairs, as from plugins that emit one by one.
    Encoded,
    /// Pairs of an app that does not combine.
    Kept,
    /// Numbers that are added up.
    Added,
    /// Bytes that are put one behind the other, so that their order shows.
    Joined,
}

#[derive(Arbitrary, Debug)]
enum Count {
    Few(u8),
    Some(u8, u8),
    Many(u16),
}

/// Pairs whose keys go round.
#[derive(Arbitrary, Debug)]
struct Stretch {
    count: Count,
    distinct: u16,
    first: u16,
    front: Vec<u8>,
    digits: u8,
    value_bytes: u8,
}

impl Stretch {
    fn count(&self) -> usize {
        match self.count {
            Count::Few(count) => count.into(),
            Count::Some(count, times) => usize::from(count) * usize::from(times % 16),
            Count::Many(count) => count.into(),
        }
    }

    fn key(&self, number: usize) -> Vec<u8> {
        let number = usize::from(self.first) + number % (usize::from(self.distinct) + 1);
        let digits = (number as u64).to_be_bytes();
        [&self.front[..], &digits[digits.len() - usize::from(self.digits % 9)..]].concat()
    }
}

/// Partition, key, value.
type Pair = (u32, Vec<u8>, Vec<u8>);

/// Keeps what it is given, and the rules.
struct Runs {
    partitions: u32,
    pairs: Vec<Pair>,
    /// Pairs of the runs before.
    ended: usize,
    open: bool,
}

#[derive(Debug)]
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

impl RunSink for Runs {
    type Error = Refused;

    fn partition(&mut self, key: &[u8]) -> Result<u32, Refused> {
        Ok(partition_of(key, self.partitions))
    }

    fn begin(&mut self) -> Result<(), Refused> {
        assert!(!std::mem::replace(&mut self.open, true));
        Ok(())
    }

    fn pairs(&mut self, partition: u32, pairs: u64, mut bytes: &[u8]) -> Result<(), Refused> {
        assert!(self.open && pairs > 0);
        for _ in 0..pairs {
            let (key, value) = wire::take_pair(&mut bytes).unwrap();
            self.pairs.push((partition, key.to_vec(), value.to_vec()));
        }
        assert!(bytes.is_empty());
        Ok(())
    }

    fn end(&mut self) -> Result<(), Refused> {
        assert!(std::mem::replace(&mut self.open, false));
        assert!(self.pairs[self.ended..].is_sorted_by(|a, b| (a.0, &a.1) <= (b.0, &b.1)));
        self.ended = self.pairs.len();
        Ok(())
    }
}

impl Runs {
    /// In the order in which a stable merge of the runs gives them.
    fn merged(mut self) -> Vec<Pair> {
        assert!(!self.open);
        self.pairs.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        self.pairs
    }
}

fuzz_target!(|case: Case| {
    let memory_bytes = match case.memory {
        Memory::Little(bytes) => bytes.into(),
        Memory::Some(bytes) => u64::from(bytes) % (1 << 20),
        Memory::Much => 1 << 30,
    };
    let runs = Runs { partitions: u32::from(case.partitions) + 1, pairs: Vec::new(), ended: 0, open: false };
    let pairs = case
        .stretches
        .iter()
        .flat_map(|stretch| (0..stretch.count()).map(move |n| (stretch.key(n), stretch.value_bytes)))
        .take(PAIRS_MAX);
    match case.how {
        How::Encoded => encoded(pairs, memory_bytes, runs),
        How::Kept => kept(pairs, memory_bytes, runs),
        How::Added => added(pairs, memory_bytes, runs),
        How::Joined => joined(pairs, memory_bytes, runs),
    }
});

/// A value that tells which it is.
fn value(number: usize, bytes: u8) -> Vec<u8> {
    let mut value = number.to_be_bytes().to_vec();
    value.resize(value.len() + usize::from(bytes), bytes);
    value
}

fn encoded(pairs: impl Iterator<Item = (Vec<u8>, u8)>, memory_bytes: u64, mut runs: Runs) {
    let (mut collector, mut expected) = (Collector::new(memory_bytes), Vec::new());
    for (number, (key, bytes)) in pairs.enumerate() {
        let value = value(number, bytes);
        collector.emit(&key, &value, &mut runs).unwrap();
        expected.push((partition_of(&key, runs.partitions), key, value));
    }
    collector.finish(&mut runs).unwrap();
    expected.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    assert!(runs.merged() == expected);
}

fn kept(pairs: impl Iterator<Item = (Vec<u8>, u8)>, memory_bytes: u64, mut runs: Runs) {
    let (mut collector, mut expected) = (Folding::<Bytes>::with_window(memory_bytes, WINDOW), Vec::new());
    for (number, (key, bytes)) in pairs.enumerate() {
        let value = value(number, bytes);
        collector.keep(&key, value.as_slice(), &mut runs).unwrap();
        expected.push((partition_of(&key, runs.partitions), key, value));
    }
    collector.finish(None::<fn(&mut Bytes, Bytes)>, &mut runs).unwrap();
    expected.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    assert!(runs.merged() == expected);
}

fn added(pairs: impl Iterator<Item = (Vec<u8>, u8)>, memory_bytes: u64, mut runs: Runs) {
    let add = |total: &mut u64, next: u64| *total += next;
    let (mut collector, mut expected) =
        (Folding::with_window(memory_bytes, WINDOW), BTreeMap::<Vec<u8>, u64>::new());
    for (number, (key, _)) in pairs.enumerate() {
        collector.fold(&key, number as u64, add, &mut runs).unwrap();
        *expected.entry(key).or_default() += number as u64;
    }
    collector.finish(Some(add), &mut runs).unwrap();
    let mut sums = BTreeMap::<Vec<u8>, u64>::new();
    for (_, key, value) in runs.merged() {
        *sums.entry(key).or_default() += u64::decode_last(&mut Reader::new(&value)).unwrap();
    }
    assert!(sums == expected);
}

fn joined(pairs: impl Iterator<Item = (Vec<u8>, u8)>, memory_bytes: u64, mut runs: Runs) {
    let join = |total: &mut Bytes, next: Bytes| total.0.extend(next.0);
    let (mut collector, mut expected) =
        (Folding::with_window(memory_bytes, WINDOW), BTreeMap::<Vec<u8>, Vec<u8>>::new());
    for (number, (key, bytes)) in pairs.enumerate() {
        let value = value(number, bytes);
        expected.entry(key.clone()).or_default().extend(&value);
        collector.fold(&key, Bytes(value), join, &mut runs).unwrap();
    }
    collector.finish(Some(join), &mut runs).unwrap();
    let mut whole = BTreeMap::<Vec<u8>, Vec<u8>>::new();
    runs.merged().into_iter().for_each(|(_, key, value)| whole.entry(key).or_default().extend(value));
    assert!(whole == expected);
}
