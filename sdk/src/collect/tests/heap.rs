//! Values that hold memory of their own, or are large by themselves: counted in time, and not too often.

use super::*;

/// A list that tells how often its elements were looked at to count what they hold.
#[derive(Debug)]
struct Looked(Vec<String>);

thread_local! {
    static LOOKS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

impl Encode<Self> for Looked {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl Codec for Looked {
    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Codec::decode(from).map(Self)
    }

    fn heap_bytes(&self) -> usize {
        LOOKS.set(LOOKS.get() + 1 + self.0.len());
        self.0.heap_bytes()
    }
}

#[test]
fn long_lists_are_not_gone_through_for_each_value() {
    let join = |total: &mut Looked, next: Looked| total.0.extend(next.0);
    let values = 300_000;
    // Far more than they take, and less.
    for memory_bytes in [64 << 20, 8 << 20] {
        let (mut runs, mut collector) = (Runs::new(1), TypedCollector::new(memory_bytes));
        for n in 0..values {
            collector.fold(b"k", Looked(vec![n.to_string()]), join, &mut runs).unwrap();
            assert!(collector.held_bytes() as u64 <= memory_bytes);
        }
        collector.finish(Some(join), &mut runs).unwrap();
        assert!(LOOKS.take() < 20 * values);
        let lists =
            runs.merged().into_iter().map(|(_, _, list)| Looked::decode(&mut Reader::new(&list)).unwrap().0);
        assert!(lists.flatten().eq((0..values).map(|n| n.to_string())));
    }
}

#[test]
fn many_values_that_hold_nothing_are_seldom_counted() {
    let (mut runs, mut collector) = (Runs::new(1), TypedCollector::new(256 << 20));
    let join = |total: &mut Looked, next: Looked| total.0.extend(next.0);
    let folds = 1_000_000;
    for n in 0..folds {
        // Twice in a row, so that combining pays from the start.
        let key = (n / 2 % 100_000_u32).to_be_bytes();
        collector.fold(&key, Looked(Vec::new()), join, &mut runs).unwrap();
    }
    assert!(collector.is_hashing());
    collector.finish(Some(join), &mut runs).unwrap();
    assert_eq!(runs.runs.len(), 1);
    assert!(LOOKS.take() < 10 * folds as usize);
}

#[derive(Clone)]
struct Large(Box<()>, [u64; 1_000]);

impl Encode<Self> for Large {
    fn encode(&self, out: &mut Vec<u8>) {
        self.1[0].encode(out);
    }
}

impl Codec for Large {
    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(Box::new(()), [u64::decode(from)?; 1_000]))
    }
}

#[test]
fn values_that_are_large_by_themselves_are_folded_too() {
    let (mut runs, mut collector) = (Runs::new(1), TypedCollector::new(3 << 20));
    let join = |total: &mut Large, next: Large| {
        total.0 = next.0;
        total.1[0] += next.1[0];
    };
    for n in 0..2_000_u32 {
        let key = (n % 10).to_be_bytes();
        collector.fold(&key, Large(Box::new(()), [1; 1_000]), join, &mut runs).unwrap();
    }
    collector.finish(Some(join), &mut runs).unwrap();
    assert_eq!(runs.runs.len(), 1);
    assert_eq!(runs.sums().into_values().collect::<Vec<_>>(), [200; 10]);
}

/// A list that does not say what it holds.
struct Silent(Vec<String>);

impl Encode<Self> for Silent {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl Codec for Silent {
    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Codec::decode(from).map(Self)
    }
}

#[test]
fn what_values_hold_is_counted_also_where_they_do_not_say_it() {
    let (mut runs, mut collector) = (Runs::new(1), TypedCollector::new(1 << 20));
    let join = |total: &mut Silent, next: Silent| total.0.extend(next.0);
    for n in 0..100_000_u32 {
        let value = Silent(vec!["x".repeat(100)]);
        collector.fold(&(n % 10).to_be_bytes(), value, join, &mut runs).unwrap();
    }
    collector.finish(Some(join), &mut runs).unwrap();
    assert!(runs.runs.len() >= 10, "{} runs for ten times the memory", runs.runs.len());
}

/// Larger than all that a batch is to hold.
struct Huge([u64; 8_000]);

impl Encode<Self> for Huge {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0[0].encode(out);
    }
}

impl Codec for Huge {
    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self([u64::decode(from)?; 8_000]))
    }
}

#[test]
fn few_pairs_are_gathered_where_values_are_large_by_themselves() {
    let (mut runs, mut collector) = (Runs::new(1), TypedCollector::new(4 << 20));
    let join = |total: &mut Huge, next: Huge| total.0[0] += next.0[0];
    for n in 0..1_000_u32 {
        collector.fold(&(n % 10).to_be_bytes(), Huge([1; 8_000]), join, &mut runs).unwrap();
        assert!(collector.held_bytes() <= 5 << 20, "{} bytes", collector.held_bytes());
    }
    collector.finish(Some(join), &mut runs).unwrap();
    assert_eq!(runs.sums().into_values().collect::<Vec<_>>(), [100; 10]);
}

#[test]
fn what_a_list_really_holds_shows_in_time() {
    let (mut runs, mut collector) = (Runs::new(1), TypedCollector::new(1 << 20));
    // As much comes in as would fill the memory a hundred times, but only the longest is kept.
    let longest = |total: &mut Looked, next: Looked| {
        if next.0[0].len() > total.0[0].len() {
            *total = next;
        }
    };
    for n in 0..100_000_usize {
        collector.fold(b"k", Looked(vec!["x".repeat(n % 1000)]), longest, &mut runs).unwrap();
    }
    collector.finish(Some(longest), &mut runs).unwrap();
    assert_eq!(runs.runs.len(), 1);
}
