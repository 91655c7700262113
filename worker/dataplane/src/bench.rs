//! What benches and fuzz targets see of inputs, runs and merges; no part of the crate's face.
#![expect(clippy::unwrap_used, reason = "for benches and fuzz targets, which can do nothing about an error")]

use std::path::Path;

use gristmill_model::{InputMode, Split};
use gristmill_sdk::wire;

use crate::batch::GroupBatches;
use crate::input::{InputBuffer, SplitReader};
use crate::merge::Merge;
use crate::progress::ProgressCell;
use crate::run::{Choice, Codec, FinishedRun, Meter, ReadLimits, Run, RunError, RunWriter, SegmentReader};

const BLOCK_BYTES: usize = 256 << 10;
const LIMITS: ReadLimits = ReadLimits { window_bytes: BLOCK_BYTES, block_bytes_max: u64::MAX };

/// How blocks are packed.
#[derive(Clone, Copy, Debug)]
pub enum Packing {
    None,
    Lz4,
    Zstd,
}

impl Packing {
    fn choice(self) -> Choice {
        Choice::fixed(match self {
            Self::None => Codec::None,
            Self::Lz4 => Codec::Lz4,
            Self::Zstd => Codec::Zstd,
        })
    }
}

/// Pairs by partition, in the order of their keys.
pub type Partitions = Vec<Vec<(Vec<u8>, Vec<u8>)>>;

/// A run, removed when this is dropped.
pub struct WrittenRun(FinishedRun);

impl WrittenRun {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0.file
    }
}

/// Encodes pairs as plugins do.
pub fn encode(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut encoded = Vec::new();
    pairs.iter().for_each(|(key, value)| crate::run::pair::put_pair(&mut encoded, key, value));
    encoded
}

/// Writes sorted pairs, given in buffers with how many each holds.
pub fn write_run(directory: &Path, packing: Packing, buffers: &[(u64, Vec<u8>)]) -> WrittenRun {
    let mut writer = RunWriter::create(directory, 1, BLOCK_BYTES, packing.choice()).unwrap();
    buffers.iter().for_each(|(count, encoded)| writer.pairs(0, *count, encoded).unwrap());
    WrittenRun(writer.finish().unwrap())
}

/// Writes a run pair by pair, in blocks of about so many bytes.
pub fn write_partitions(
    directory: &Path,
    packing: Packing,
    block_bytes: usize,
    partitions: &Partitions,
) -> WrittenRun {
    let count = u32::try_from(partitions.len()).unwrap();
    let mut writer = RunWriter::create(directory, count, block_bytes, packing.choice()).unwrap();
    for (partition, pairs) in (0..).zip(partitions) {
        pairs.iter().for_each(|(key, value)| writer.pair(partition, key, value).unwrap());
    }
    WrittenRun(writer.finish().unwrap())
}

/// All pairs of a run, read a little at a time, or why it cannot be read.
pub fn read_run(path: &Path, block_bytes_max: u64) -> Result<Partitions, String> {
    read_pairs(path, ReadLimits { window_bytes: 64, block_bytes_max }).map_err(|error| error.to_string())
}

fn read_pairs(path: &Path, limits: ReadLimits) -> Result<Partitions, RunError> {
    let run = Run::open(path)?;
    let count = run.partitions();
    let mut reader = SegmentReader::open(run, limits, Meter::Intermediate(ProgressCell::new()))?;
    let mut partitions = Vec::new();
    for partition in 0..count {
        reader.select(partition);
        let mut pairs = Vec::new();
        while reader.advance()? {
            let key = reader.key().to_vec();
            reader.load()?;
            pairs.push((key, reader.value().to_vec()));
        }
        partitions.push(pairs);
    }
    Ok(partitions)
}

/// Merges a run with itself and counts the values of each key, in batches for a plugin of about so many bytes; or why it cannot be read.
pub fn group_run(path: &Path, block_bytes_max: u64, batch_bytes: usize) -> Result<Vec<u64>, String> {
    let limits = ReadLimits { window_bytes: 64, block_bytes_max };
    group_values(path, limits, batch_bytes).map_err(|error| error.to_string())
}

fn group_values(path: &Path, limits: ReadLimits, batch_bytes: usize) -> Result<Vec<u64>, RunError> {
    let run = Run::open(path)?;
    run.sizes().buffer_bytes(limits.window_bytes).checked_mul(2).unwrap();
    let open = || SegmentReader::open(run.clone(), limits, Meter::Intermediate(ProgressCell::new()));
    let mut batches = GroupBatches::new(Merge::new(vec![open()?, open()?]), batch_bytes);
    let mut counts = Vec::new();
    for partition in 0..run.partitions() {
        batches.select(partition)?;
        while batches.next_batch()? {
            let (batch, mut rest) = (batches.batch(), batches.batch().bytes);
            let groups: Vec<u64> = std::iter::from_fn(|| Some(wire::take_group(&mut rest)?.count)).collect();
            assert!(rest.is_empty() && groups.len() as u64 == batch.count);
            let mut more = batch.more;
            counts.extend(groups);
            while more {
                let (_, values) = batches.next_values()?;
                *counts.last_mut().unwrap() += values;
                more = values > 0;
            }
        }
    }
    Ok(counts)
}

/// The blocks of a split and where they begin, read through a buffer of `block_bytes` that grows up to `record_bytes_max`; or why
/// they cannot be read.
pub fn read_split(
    split: &Split,
    mode: InputMode,
    block_bytes: usize,
    record_bytes_max: usize,
) -> Result<Vec<(u64, Vec<u8>)>, String> {
    let buffer = InputBuffer::with_sizes(block_bytes, record_bytes_max);
    let mut blocks = Vec::new();
    let read_all = || {
        let mut reader = SplitReader::open(split, mode, buffer, &ProgressCell::new())?;
        while let Some(block) = reader.next()? {
            blocks.push((block.offset, block.bytes.to_vec()));
        }
        Ok(())
    };
    read_all().map_err(|failure: gristmill_model::TaskFailure| failure.message)?;
    Ok(blocks)
}

/// Bytes of the file.
pub fn run_bytes(run: &WrittenRun) -> u64 {
    run.0.bytes
}

fn open_merge(runs: &[WrittenRun]) -> Merge {
    let open = |run: &WrittenRun| {
        let opened = Run::open(&run.0.file).unwrap();
        SegmentReader::open(opened, LIMITS, Meter::Intermediate(ProgressCell::new())).unwrap()
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
