//! The map side: finding words, lines and fields; folding into the table; collecting and sorting.
//!
//! `cargo bench -p gristmill-sdk`
#![expect(clippy::unwrap_used, reason = "a bench stops where it fails")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use gristmill_sdk::bench::{Folding, with_split};
use gristmill_sdk::collect::{KeyTooLong, RunSink};
use gristmill_sdk::{Bytes, DecodeError, fields, partition_of, words};

const PAIRS: usize = 1 << 20;
const MEMORY_BYTES: u64 = 256 << 20;
const TEXT_BYTES: usize = 8 << 20;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }

    /// Words of which few are frequent and many are rare.
    fn word(&mut self) -> Vec<u8> {
        let bits = self.below(20);
        spelt((1 << bits) + self.below(1 << bits))
    }
}

/// A number in letters: the smaller, the shorter.
fn spelt(mut number: u64) -> Vec<u8> {
    let mut letters = Vec::new();
    while number > 0 || letters.is_empty() {
        letters.push(b'a' + (number % 26) as u8);
        number /= 26;
    }
    letters
}

/// Lines of words, every so often one with `accent`.
fn text(accent: Option<&str>) -> Vec<u8> {
    let mut random = Random(1);
    let mut text = Vec::new();
    while text.len() < TEXT_BYTES {
        text.extend(random.word());
        if let Some(accent) = accent.filter(|_| random.below(8) == 0) {
            text.extend_from_slice(accent.as_bytes());
        }
        text.push(if random.below(12) == 0 { b'\n' } else { b' ' });
    }
    text
}

/// Takes runs and throws them away.
struct Nowhere;

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

impl RunSink for Nowhere {
    type Error = Refused;

    fn partition(&mut self, key: &[u8]) -> Result<u32, Refused> {
        Ok(partition_of(key, 8))
    }

    fn begin(&mut self) -> Result<(), Refused> {
        Ok(())
    }

    fn pairs(&mut self, _: u32, _: u64, bytes: &[u8]) -> Result<(), Refused> {
        black_box(bytes);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Refused> {
        Ok(())
    }
}

fn tokenizer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tokenizer");
    group.throughput(Throughput::Bytes(TEXT_BYTES as u64));
    for (name, text) in
        [("ASCII", text(None)), ("accents", text(Some("é"))), ("Cyrillic", text(Some("слово")))]
    {
        group.bench_function(format!("words, {name}"), |bencher| {
            bencher.iter(|| words(&text).map(str::len).sum::<usize>());
        });
    }
    let text = text(None);
    group.bench_function("lines", |bencher| {
        bencher.iter(|| with_split(&text, |split| split.lines().map(<[u8]>::len).sum::<usize>()));
    });
    group.bench_function("fields", |bencher| {
        bencher.iter(|| fields(&text, b' ').map(<[u8]>::len).sum::<usize>());
    });
    group.finish();
}

fn add(total: &mut u64, next: u64) {
    *total += next;
}

fn table(criterion: &mut Criterion) {
    let mut random = Random(2);
    let shapes = [
        ("few keys", (0..PAIRS).map(|_| spelt(random.below(1000))).collect::<Vec<_>>()),
        ("words of a text", (0..PAIRS).map(|_| random.word()).collect()),
        ("long keys", (0..PAIRS).map(|_| spelt(random.below(50_000)).repeat(10)).collect()),
        ("all different", (0..PAIRS).map(|_| random.number().to_be_bytes().to_vec()).collect()),
    ];
    let mut group = criterion.benchmark_group("count");
    group.throughput(Throughput::Elements(PAIRS as u64)).sample_size(20);
    for (name, keys) in &shapes {
        group.bench_function(*name, |bencher| {
            bencher.iter(|| {
                let mut collector = Folding::new(MEMORY_BYTES);
                for key in keys {
                    collector.fold(key, 1, add, &mut Nowhere).ok().unwrap();
                }
                collector.finish(Some(add), &mut Nowhere).ok().unwrap();
            });
        });
    }
    group.finish();
}

fn collected(pairs: &[(Vec<u8>, Vec<u8>)]) -> Folding<Bytes> {
    let mut collector = Folding::new(MEMORY_BYTES);
    for (key, value) in pairs {
        collector.keep(key, value.as_slice(), &mut Nowhere).ok().unwrap();
    }
    collector
}

fn sort(criterion: &mut Criterion) {
    let mut random = Random(3);
    let mut pairs = |key: &dyn Fn(&mut Random) -> Vec<u8>, value_bytes: usize| {
        (0..PAIRS / 2).map(|_| (key(&mut random), vec![b'v'; value_bytes])).collect::<Vec<_>>()
    };
    let prefixed = |random: &mut Random| [b"the same beginning of ".as_slice(), &random.word()].concat();
    let shapes = [
        ("records", pairs(&|random| random.number().to_le_bytes().to_vec(), 90)),
        ("words", pairs(&Random::word, 8)),
        ("keys that begin alike", pairs(&prefixed, 8)),
    ];
    let mut group = criterion.benchmark_group("sort");
    group.throughput(Throughput::Elements(PAIRS as u64 / 2)).sample_size(20);
    for (name, pairs) in &shapes {
        group.bench_function(format!("collect {name}"), |bencher| {
            bencher.iter_with_large_drop(|| collected(pairs));
        });
        group.bench_function(format!("hand over {name}"), |bencher| {
            let hand_over = |mut collector: Folding<Bytes>| {
                collector.finish(None::<fn(&mut Bytes, Bytes)>, &mut Nowhere).ok().unwrap();
                collector
            };
            bencher.iter_batched(|| collected(pairs), hand_over, BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(benches, tokenizer, table, sort);
criterion_main!(benches);
