//! Runs come back as they were written; one that was changed anywhere is refused; any bytes at all, also behind right checksums, are
//! pairs or refused.
#![no_main]

use std::fs;
use std::path::Path;

use gristmill_dataplane::bench::{Packing, Partitions, group_run, read_run, write_partitions};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

const BLOCK_BYTES_MAX: u64 = 1 << 20;

#[derive(Arbitrary, Debug)]
enum Case {
    /// Pairs that are written and read, and then a flip or a cut.
    Written { partitions: Partitions, block_bytes: u16, packing: Packed, at: usize, harm: Harm },
    /// A file.
    Bytes(Vec<u8>),
    /// Blocks whose checksums are right, and an index that may fit them.
    Made { partitions: Vec<Vec<Block>>, lies: Vec<(u8, u8, u64)> },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Packed {
    None,
    Lz4,
    Zstd,
}

#[derive(Arbitrary, Debug)]
enum Harm {
    Flip { bit: u8 },
    Cut,
}

#[derive(Arbitrary, Debug)]
struct Block {
    raw: Option<u32>,
    pairs: u8,
    codec: u8,
    payload: Vec<u8>,
}

fuzz_target!(|case: Case| {
    let directory = tempfile::tempdir().unwrap();
    match case {
        Case::Written { partitions, block_bytes, packing, at, harm } => {
            written(directory.path(), partitions, usize::from(block_bytes) + 1, packing, (at, harm));
        }
        Case::Bytes(bytes) => assert!(read(directory.path(), &bytes).is_err()),
        Case::Made { partitions, lies } => drop(read(directory.path(), &made(&partitions, &lies))),
    }
});

fn read(directory: &Path, bytes: &[u8]) -> Result<Partitions, String> {
    let path = directory.join("run");
    fs::write(&path, bytes).unwrap();
    // What cannot be read cannot be grouped, and the other way round.
    let read = read_run(&path, BLOCK_BYTES_MAX);
    let grouped = group_run(&path, BLOCK_BYTES_MAX, 100);
    assert_eq!(read.as_ref().err().is_some(), grouped.err().is_some());
    read
}

fn written(
    directory: &Path,
    mut partitions: Partitions,
    block_bytes: usize,
    packing: Packed,
    (at, harm): (usize, Harm),
) {
    partitions.iter_mut().for_each(|pairs| pairs.sort_by(|a, b| a.0.cmp(&b.0)));
    let packing = match packing {
        Packed::None => Packing::None,
        Packed::Lz4 => Packing::Lz4,
        Packed::Zstd => Packing::Zstd,
    };
    let run = write_partitions(directory, packing, block_bytes, &partitions);
    assert_eq!(read_run(run.path(), BLOCK_BYTES_MAX).as_ref(), Ok(&partitions));
    let keys = partitions.iter().flat_map(|pairs| pairs.chunk_by(|a, b| a.0 == b.0));
    let counts: Vec<u64> = keys.map(|pairs| 2 * pairs.len() as u64).collect();
    assert_eq!(group_run(run.path(), BLOCK_BYTES_MAX, block_bytes % 300), Ok(counts));
    let mut bytes = fs::read(run.path()).unwrap();
    let at = at % bytes.len();
    match harm {
        Harm::Flip { bit } => bytes[at] ^= 1 << (bit % 8),
        Harm::Cut => bytes.truncate(at),
    }
    assert!(read(directory, &bytes).is_err());
}

/// A file whose checksums are right, whatever the rest of it says.
fn made(partitions: &[Vec<Block>], lies: &[(u8, u8, u64)]) -> Vec<u8> {
    let count = partitions.len() as u32;
    let mut file = [b"GRISTRUN".as_slice(), &3_u32.to_le_bytes(), &count.to_le_bytes()].concat();
    let header = file.clone();
    let mut index: Vec<[u64; 7]> = Vec::new();
    for blocks in partitions {
        let begin = file.len() as u64;
        let mut entry = [begin, 0, 0, 0, 0, 0, 0];
        for block in blocks {
            let length = put_block(&mut file, block);
            entry[2] += u64::from(block.pairs);
            entry[3] = entry[3].max(length);
            entry[4] = entry[4].max(u64::from(block.raw.unwrap_or(0)));
        }
        entry[1] = file.len() as u64 - begin;
        index.push(entry);
    }
    for &(partition, number, value) in lies {
        let place =
            index.get_mut(usize::from(partition)).and_then(|entry| entry.get_mut(usize::from(number)));
        place.into_iter().for_each(|place| *place = value);
    }
    let pairs = index.iter().fold(0_u64, |pairs, entry| pairs.saturating_add(entry[2]));
    let mut tail = Vec::new();
    for (partition, entry) in (0_u32..).zip(&index) {
        let entry: Vec<u8> = entry.iter().flat_map(|number| number.to_le_bytes()).collect();
        let crc = crc32c::crc32c_append(crc32c::crc32c(&partition.to_le_bytes()), &entry);
        tail.extend(entry);
        tail.extend(crc.to_le_bytes());
    }
    let footer = tail.len();
    [file.len() as u64, pairs, 0].iter().for_each(|number| tail.extend(number.to_le_bytes()));
    [3, count].iter().for_each(|number| tail.extend(number.to_le_bytes()));
    let crc = crc32c::crc32c_append(crc32c::crc32c(&header), &tail[footer..]);
    [file, tail, crc.to_le_bytes().to_vec(), b"GEND".to_vec()].concat()
}

fn put_block(file: &mut Vec<u8>, block: &Block) -> u64 {
    let stored = block.payload.len() as u32;
    let mut bytes = Vec::new();
    for number in [stored, block.raw.unwrap_or(stored), block.pairs.into(), (block.codec % 4).into()] {
        bytes.extend(number.to_le_bytes());
    }
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes), &block.payload);
    bytes.extend(crc.to_le_bytes());
    bytes.extend(&block.payload);
    file.extend(&bytes);
    bytes.len() as u64
}
