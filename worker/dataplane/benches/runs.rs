//! Writing, reading and merging runs: counted words, and records of 100 bytes.
//!
//! `cargo bench -p gristmill-dataplane`
#![expect(clippy::unwrap_used, reason = "a bench stops where it fails")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gristmill_dataplane::bench::{Packing, WrittenRun, encode, group, merge, run_bytes, write_run};

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

const PACKINGS: [Packing; 3] = [Packing::None, Packing::Lz4, Packing::Zstd];

/// SplitMix64.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Words of 4 to 11 letters out of as many as there are in a large text, with how often they stood in it.
fn words(seed: u64, count: usize) -> Pairs {
    let mut state = seed;
    let word = |number: u64| {
        let mut letters = number.wrapping_mul(0x2545_f491_4f6c_dd1d);
        let length = 4 + letters % 8;
        let letter = |_| {
            let letter = b'a' + (letters % 26) as u8;
            letters /= 26;
            letter
        };
        (0..length).map(letter).collect::<Vec<u8>>()
    };
    let mut pairs: Pairs = (0..count)
        .map(|_| (word(random(&mut state) % 1_250_000), (random(&mut state) % 1000).to_be_bytes().to_vec()))
        .collect();
    pairs.sort();
    pairs.dedup_by(|a, b| a.0 == b.0);
    pairs
}

/// Records with a key of 10 bytes and a value of 90.
fn records(seed: u64, count: usize) -> Pairs {
    let mut state = seed;
    let mut bytes =
        |length: usize| -> Vec<u8> { (0..length).map(|_| random(&mut state) as u8 & 0x3f | 0x20).collect() };
    let mut pairs: Pairs = (0..count).map(|_| (bytes(10), bytes(90))).collect();
    pairs.sort();
    pairs
}

/// As they come from a plugin.
fn buffers(pairs: &Pairs) -> Vec<(u64, Vec<u8>)> {
    let per_buffer = (64 << 10) * pairs.len() / encode(pairs).len().max(1);
    pairs.chunks(per_buffer.max(1)).map(|some| (some.len() as u64, encode(some))).collect()
}

fn shapes() -> [(&'static str, Vec<Pairs>); 2] {
    [
        ("words", (0..4).map(|seed| words(seed, 200_000)).collect()),
        ("records", (0..8).map(|seed| records(seed, 50_000)).collect()),
    ]
}

fn runs(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().unwrap();
    for (name, shape) in shapes() {
        let total = shape.iter().map(|pairs| pairs.len() as u64).sum::<u64>();
        let encoded: Vec<_> = shape.iter().map(buffers).collect();
        let mut writing = criterion.benchmark_group(format!("write {name}"));
        writing.throughput(Throughput::Elements(total));
        for packing in PACKINGS {
            writing.bench_function(BenchmarkId::from_parameter(format!("{packing:?}")), |bencher| {
                bencher.iter(|| {
                    encoded
                        .iter()
                        .map(|run| run_bytes(&write_run(directory.path(), packing, run)))
                        .sum::<u64>()
                });
            });
        }
        writing.finish();
        let mut merging = criterion.benchmark_group(format!("merge {name}"));
        merging.throughput(Throughput::Elements(total));
        for packing in PACKINGS {
            let runs: Vec<WrittenRun> =
                encoded.iter().map(|run| write_run(directory.path(), packing, run)).collect();
            merging.bench_function(BenchmarkId::new("pairs", format!("{packing:?}")), |bencher| {
                bencher.iter(|| merge(&runs));
            });
            merging.bench_function(BenchmarkId::new("groups", format!("{packing:?}")), |bencher| {
                bencher.iter(|| group(&runs));
            });
            merging.bench_function(BenchmarkId::new("one run", format!("{packing:?}")), |bencher| {
                bencher.iter(|| merge(&runs[..1]));
            });
        }
        merging.finish();
    }
}

criterion_group!(benches, runs);
criterion_main!(benches);
