//! Runs come back as they were written, and whatever else a file holds is refused by name.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::{FinishedRun, Meter, Run, RunError, RunWriter, SegmentReader};
use crate::progress::ProgressCell;

type Partitions = Vec<Vec<(Vec<u8>, Vec<u8>)>>;

fn partitions() -> impl Strategy<Value = Partitions> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..30);
    let pairs = proptest::collection::vec((bytes(), bytes()), 0..40).prop_map(|mut pairs| {
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs
    });
    proptest::collection::vec(pairs, 1..6)
}

fn write(directory: &Path, partitions: &Partitions, block_bytes: usize) -> FinishedRun {
    let mut writer = RunWriter::create(directory, partitions.len() as u32, block_bytes).unwrap();
    for (partition, pairs) in partitions.iter().enumerate() {
        for (key, value) in pairs {
            writer.pair(partition as u32, key, value).unwrap();
        }
    }
    writer.finish().unwrap()
}

/// All pairs of a run, read with the smallest sensible window.
fn read(path: &Path) -> Result<Partitions, RunError> {
    let run = Run::open(path)?;
    let mut reader = SegmentReader::open(&run, 64, Meter::Intermediate(ProgressCell::new()))?;
    let mut partitions = Vec::new();
    for partition in 0..run.partitions() {
        reader.select(partition);
        let mut pairs = Vec::new();
        while reader.advance()? {
            pairs.push((reader.key().to_vec(), reader.value().to_vec()));
        }
        partitions.push(pairs);
    }
    Ok(partitions)
}

proptest! {
    #[test]
    fn runs_come_back(partitions in partitions(), block_bytes in 1_usize..200) {
        let directory = tempfile::tempdir().unwrap();
        let run = write(directory.path(), &partitions, block_bytes);
        prop_assert_eq!(read(&run.file).unwrap(), partitions.clone());
        prop_assert_eq!(run.pairs, partitions.iter().map(|pairs| pairs.len() as u64).sum::<u64>());
        prop_assert_eq!(run.bytes, fs::metadata(&run.file).unwrap().len());
        prop_assert_eq!(run.digest, write(directory.path(), &partitions, 1 << 20).digest);
    }

    #[test]
    fn encoded_pairs_and_single_pairs_make_the_same_run(partitions in partitions(), block_bytes in 1_usize..200) {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = RunWriter::create(directory.path(), partitions.len() as u32, block_bytes).unwrap();
        for (partition, pairs) in partitions.iter().enumerate() {
            for some in pairs.chunks(7) {
                let mut encoded = Vec::new();
                some.iter().for_each(|(key, value)| super::pair::put_pair(&mut encoded, key, value));
                writer.pairs(partition as u32, some.len() as u64, &encoded).unwrap();
            }
        }
        let run = writer.finish().unwrap();
        prop_assert_eq!(read(&run.file).unwrap(), partitions.clone());
        prop_assert_eq!(run.digest, write(directory.path(), &partitions, 64).digest);
    }

    #[test]
    fn a_flipped_bit_anywhere_is_noticed(partitions in partitions(), at: prop::sample::Index, bit in 0_u8..8) {
        let directory = tempfile::tempdir().unwrap();
        let run = write(directory.path(), &partitions, 100);
        let mut bytes = fs::read(&run.file).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        fs::write(&run.file, bytes).unwrap();
        prop_assert!(read(&run.file).is_err(), "bit {bit} of byte {at}");
    }

    #[test]
    fn a_run_that_was_cut_off_is_refused(partitions in partitions(), at: prop::sample::Index) {
        let directory = tempfile::tempdir().unwrap();
        let run = write(directory.path(), &partitions, 100);
        let bytes = fs::read(&run.file).unwrap();
        fs::write(&run.file, &bytes[..at.index(bytes.len())]).unwrap();
        let error = read(&run.file).unwrap_err().to_string();
        prop_assert!(error.starts_with("run file \"/"), "{error}");
    }

    #[test]
    fn any_bytes_between_honest_ends_are_refused(
        noise in proptest::collection::vec(any::<u8>(), 0..300),
        index in proptest::collection::vec(prop_oneof![0_u64..400, any::<u64>()], 4..9),
    ) {
        let mut file = b"GRISTRUN\x01\0\0\0".to_vec();
        file.extend_from_slice(&1_u32.to_le_bytes());
        file.extend_from_slice(&noise);
        let index_offset = file.len() as u64;
        let mut tail = Vec::new();
        index.iter().take(4).for_each(|number| tail.extend_from_slice(&number.to_le_bytes()));
        [index_offset, 1, 2].iter().for_each(|number| tail.extend_from_slice(&number.to_le_bytes()));
        [1_u32, 1].iter().for_each(|number| tail.extend_from_slice(&number.to_le_bytes()));
        let crc = crc32c::crc32c_append(crc32c::crc32c(&file[..16]), &tail);
        file.extend_from_slice(&tail);
        file.extend_from_slice(&crc.to_le_bytes());
        file.extend_from_slice(b"GEND");
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        fs::write(&path, file).unwrap();
        // Reading must end and must not panic; nothing at all may even be right.
        let _ = read(&path);
    }

    #[test]
    fn any_bytes_are_refused(bytes: Vec<u8>) {
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        fs::write(&path, bytes).unwrap();
        prop_assert!(read(&path).is_err());
    }
}

#[test]
fn a_run_of_another_version_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let run = write(directory.path(), &vec![Vec::new()], 100);
    let mut bytes = fs::read(&run.file).unwrap();
    bytes[8] = 9;
    fs::write(&run.file, bytes).unwrap();
    assert!(read(&run.file).unwrap_err().to_string().contains("format version 9, this gristmill reads 1"));
}

/// Changing these bytes needs a new version.
#[test]
fn the_format_is_what_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let pair = |key: &str, value: &str| (key.as_bytes().to_vec(), value.as_bytes().to_vec());
    let run = write(
        directory.path(),
        &vec![vec![pair("a", "1"), pair("b", "")], Vec::new(), vec![pair("", "x")]],
        100,
    );
    let hex: String = fs::read(&run.file).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = concat!(
        "475249535452554e0100000003000000",                                 // header
        "0700000007000000020000000000000079113eb0",                         // block
        "01016131010062",                                                   // pairs
        "03000000030000000100000000000000f2a833ac",                         // block
        "000178",                                                           // pairs
        "10000000000000001b0000000000000002000000000000001b00000000000000", // index
        "2b00000000000000000000000000000000000000000000000000000000000000", // index
        "2b00000000000000170000000000000001000000000000001700000000000000", // index
        "42000000000000000300000000000000b54e71c19e7f58c50100000003000000a363839747454e44", // footer
    );
    assert_eq!(hex, expected);
}

#[test]
fn partitions_that_are_not_there_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let run = write(directory.path(), &vec![Vec::new(); 3], 100);
    let open = || Run::open(&run.file).unwrap();
    assert!(open().into_partition(2).is_ok());
    let error = open().into_partition(3).unwrap_err().to_string();
    assert!(error.contains("partition 3 was asked for, but it has 3"), "{error}");
}
