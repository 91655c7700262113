//! What the benches see of runs and merges; no part of the crate's face.
#![expect(clippy::unwrap_used, reason = "for benches only, which can do nothing about an error")]

use std::path::Path;

use crate::batch::GroupBatches;
use crate::merge::Merge;
use crate::progress::ProgressCell;
use crate::run::{Choice, Codec, FinishedRun, Meter, ReadLimits, Run, RunWriter, SegmentReader};

const BLOCK_BYTES: usize = 256 << 10;
const LIMITS: ReadLimits = ReadLimits { window_bytes: BLOCK_BYTES, block_bytes_max: u64::MAX };

/// How blocks are packed.
#[derive(Clone, Copy, Debug)]
pub enum Packing {
    None,
    Lz4,
    Zstd,
}

/// A run of one partition, removed when this is dropped.
pub struct WrittenRun(FinishedRun);

/// Encodes pairs as plugins do.
pub fn encode(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut encoded = Vec::new();
    pairs.iter().for_each(|(key, value)| crate::run::pair::put_pair(&mut encoded, key, value));
    encoded
}

/// Writes sorted pairs, given in buffers with how many each holds.
pub fn write_run(directory: &Path, packing: Packing, buffers: &[(u64, Vec<u8>)]) -> WrittenRun {
    let choice = Choice::fixed(match packing {
        Packing::None => Codec::None,
        Packing::Lz4 => Codec::Lz4,
        Packing::Zstd => Codec::Zstd,
    });
    let mut writer = RunWriter::create(directory, 1, BLOCK_BYTES, choice).unwrap();
    buffers.iter().for_each(|(count, encoded)| writer.pairs(0, *count, encoded).unwrap());
    WrittenRun(writer.finish().unwrap())
}

/// Bytes of the file.
pub fn run_bytes(run: &WrittenRun) -> u64 {
    run.0.bytes
}

fn open_merge(runs: &[WrittenRun]) -> Merge {
    let open = |run: &WrittenRun| {
        let opened = Run::open(&run.0.file).unwrap();
        SegmentReader::open(&opened, LIMITS, Meter::Intermediate(ProgressCell::new())).unwrap()
    };
    let mut merge = Merge::new(runs.iter().map(open).collect());
    merge.select(0).unwrap();
    merge
}

/// Merges runs and counts pairs and bytes of values.
pub fn merge(runs: &[WrittenRun]) -> (u64, u64) {
    let mut merge = open_merge(runs);
    let (mut pairs, mut bytes) = (0, 0);
    while merge.key().is_some() {
        merge.load().unwrap();
        bytes += merge.value().len() as u64;
        pairs += 1;
        merge.advance().unwrap();
    }
    (pairs, bytes)
}

/// Merges runs into batches of groups and counts keys and bytes of batches.
pub fn group(runs: &[WrittenRun]) -> (u64, u64) {
    let mut batches = GroupBatches::new(open_merge(runs), 64 << 10);
    batches.select(0).unwrap();
    let mut bytes = 0;
    while batches.next_batch().unwrap() {
        bytes += batches.batch().bytes.len() as u64;
    }
    (batches.keys(), bytes)
}
