//! Runs come back as they were written, and whatever else a file holds is refused by name.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::codec::Codec;
use super::{Choice, FinishedRun, Meter, ReadLimits, Run, RunError, RunWriter, SegmentReader};
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

const CODECS: [Codec; 3] = [Codec::None, Codec::Lz4, Codec::Zstd];

fn codecs() -> impl Strategy<Value = Codec> {
    proptest::sample::select(&CODECS[..])
}

fn write(directory: &Path, partitions: &Partitions, block_bytes: usize) -> FinishedRun {
    write_packed(directory, partitions, block_bytes, Codec::None)
}

fn write_packed(directory: &Path, partitions: &Partitions, block_bytes: usize, codec: Codec) -> FinishedRun {
    let choice = Choice::fixed(codec);
    let mut writer = RunWriter::create(directory, partitions.len() as u32, block_bytes, choice).unwrap();
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
    let limits = ReadLimits { window_bytes: 64, block_bytes_max: 1 << 20 };
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

/// A run of one partition whose blocks and index entry are these, with right checksums around them.
fn around(blocks: &[u8], index: [u64; 7]) -> Vec<u8> {
    let mut file = b"GRISTRUN\x03\0\0\0".to_vec();
    file.extend_from_slice(&1_u32.to_le_bytes());
    let header = file.clone();
    file.extend_from_slice(blocks);
    let mut tail = Vec::new();
    index.iter().for_each(|number| tail.extend_from_slice(&number.to_le_bytes()));
    tail.extend_from_slice(&super::entry_crc(0, &tail).to_le_bytes());
    let footer = tail.len();
    [file.len() as u64, 1, 2].iter().for_each(|number| tail.extend_from_slice(&number.to_le_bytes()));
    [3_u32, 1].iter().for_each(|number| tail.extend_from_slice(&number.to_le_bytes()));
    let crc = crc32c::crc32c_append(crc32c::crc32c(&header), &tail[footer..]);
    file.extend_from_slice(&tail);
    file.extend_from_slice(&crc.to_le_bytes());
    file.extend_from_slice(b"GEND");
    file
}

proptest! {
    #[test]
    fn runs_come_back(partitions in partitions(), block_bytes in 1_usize..500, codec in codecs()) {
        let directory = tempfile::tempdir().unwrap();
        let run = write_packed(directory.path(), &partitions, block_bytes, codec);
        prop_assert_eq!(read(&run.file).unwrap(), partitions.clone());
        prop_assert_eq!(run.pairs, partitions.iter().map(|pairs| pairs.len() as u64).sum::<u64>());
        prop_assert_eq!(run.bytes, fs::metadata(&run.file).unwrap().len());
        let other = write(directory.path(), &partitions, 1 << 20);
        prop_assert_eq!(run.digest, other.digest, "neither blocks nor codecs matter");
    }

    #[test]
    fn encoded_pairs_and_single_pairs_make_the_same_run(partitions in partitions(), block_bytes in 1_usize..200) {
        let directory = tempfile::tempdir().unwrap();
        let mut writer =
            RunWriter::create(directory.path(), partitions.len() as u32, block_bytes, Choice::measured()).unwrap();
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
    fn a_flipped_bit_anywhere_is_noticed(
        partitions in partitions(),
        at: prop::sample::Index,
        bit in 0_u8..8,
        codec in codecs(),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let run = write_packed(directory.path(), &partitions, 300, codec);
        let mut bytes = fs::read(&run.file).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        fs::write(&run.file, bytes).unwrap();
        prop_assert!(read(&run.file).is_err(), "bit {bit} of byte {at}");
    }

    #[test]
    fn a_run_that_was_cut_off_is_refused(
        partitions in partitions(),
        at: prop::sample::Index,
        codec in codecs(),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let run = write_packed(directory.path(), &partitions, 300, codec);
        let bytes = fs::read(&run.file).unwrap();
        fs::write(&run.file, &bytes[..at.index(bytes.len())]).unwrap();
        let error = read(&run.file).unwrap_err().to_string();
        prop_assert!(error.starts_with("run file \"/"), "{error}");
    }

    #[test]
    fn any_bytes_between_honest_ends_are_refused(
        noise in proptest::collection::vec(any::<u8>(), 0..300),
        index in proptest::array::uniform7(prop_oneof![0_u64..400, any::<u64>()]),
    ) {
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        fs::write(&path, around(&noise, index)).unwrap();
        // Reading must end and must not panic; nothing at all may even be right.
        let _ = read(&path);
    }

    #[test]
    fn any_bytes_with_a_right_checksum_are_pairs_or_refused(
        payload in proptest::collection::vec(any::<u8>(), 0..200),
        honest: bool,
        codec in prop_oneof![4 => 1_u32..3, 1 => any::<u32>()],
        raw in prop_oneof![0_u32..400, any::<u32>()],
        pairs in 0_u32..5,
        largest in prop_oneof![0_u64..400, any::<u64>()],
        is_long: bool,
    ) {
        let mut payload = payload;
        if honest && let Some(codec) = Codec::of_number(codec.into()) {
            let mut packed = Vec::new();
            codec.pack(&payload, &mut packed).unwrap();
            payload = packed;
        }
        let mut block = Vec::new();
        for number in [payload.len() as u32, raw, pairs, codec] {
            block.extend_from_slice(&number.to_le_bytes());
        }
        let crc = crc32c::crc32c_append(crc32c::crc32c(&block), &payload);
        block.extend_from_slice(&crc.to_le_bytes());
        block.extend_from_slice(&payload);
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        let length = block.len() as u64;
        let (block_max, pair_max) = if is_long { (0, length) } else { (length, 0) };
        fs::write(&path, around(&block, [16, length, pairs.into(), block_max, largest, largest, pair_max])).unwrap();
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
    assert!(read(&run.file).unwrap_err().to_string().contains("format version 9, this gristmill reads 3"));
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
        "475249535452554e0300000003000000",                 // header
        "0700000007000000020000000000000079113eb0",         // block
        "01016131010062",                                   // pairs
        "03000000030000000100000000000000f2a833ac",         // block
        "000178",                                           // pairs
        "10000000000000001b000000000000000200000000000000", // index
        "1b00000000000000000000000000000000000000000000000000000000000000",
        "a5386352",
        "2b0000000000000000000000000000000000000000000000", // index
        "0000000000000000000000000000000000000000000000000000000000000000",
        "94ceccf4",
        "2b0000000000000017000000000000000100000000000000", // index
        "1700000000000000000000000000000000000000000000000000000000000000",
        "2d674b40",
        "42000000000000000300000000000000b54e71c19e7f58c5", // footer
        "03000000030000003d5f022347454e44",                 // footer
    );
    assert_eq!(hex, expected);
}

#[test]
fn a_long_pair_stands_in_a_block_of_its_own_and_is_read_when_it_is_wanted() {
    let directory = tempfile::tempdir().unwrap();
    let long = (b"b".repeat(200), vec![7; 100_000]);
    let pairs = vec![(b"a".to_vec(), vec![1; 50]), long.clone(), (b"c".to_vec(), vec![2; 50])];
    let run = write(directory.path(), &vec![pairs.clone()], 100);
    assert_eq!(read(&run.file).unwrap(), [pairs]);
    let opened = Run::open(&run.file).unwrap();
    assert_eq!(
        (opened.sizes().buffer_bytes(64), opened.sizes().longest_pair),
        (56 + 205, 100_225),
        "the value counts by itself"
    );
    let mut bytes = fs::read(&run.file).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(&run.file, bytes).unwrap();
    let limits = ReadLimits { window_bytes: 64, block_bytes_max: 1 << 20 };
    let open = || {
        let mut reader =
            SegmentReader::open(opened.clone(), limits, Meter::Intermediate(ProgressCell::new())).unwrap();
        reader.select(0);
        assert!(reader.advance().unwrap() && reader.advance().unwrap());
        assert_eq!((reader.key(), reader.value_length()), (&long.0[..], 100_000));
        reader
    };
    assert!(open().load().unwrap_err().to_string().contains("checksum"));
    assert!(open().advance().is_err(), "damage is noticed though nobody wants the value");
}

#[test]
fn a_key_longer_than_a_block_is_compared_with_the_next_one_to_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let encoded = |end: u8| {
        let mut encoded = Vec::new();
        super::pair::put_pair(&mut encoded, &[&b"k".repeat(200)[..], &[end]].concat(), b"");
        encoded
    };
    for (next, is_sorted) in [(b'a', false), (b'b', true), (b'c', true)] {
        let mut writer = RunWriter::create(directory.path(), 1, 100, Choice::measured()).unwrap();
        writer.pairs(0, 1, &encoded(b'b')).unwrap();
        match writer.pairs(0, 1, &encoded(next)) {
            Ok(()) => assert!(is_sorted),
            Err(failure) => {
                assert!(
                    !is_sorted && failure.message.contains("a key came after a greater one"),
                    "{failure:?}"
                );
            }
        }
    }
}

#[test]
fn a_block_beyond_memory_is_named_and_its_run_is_not_lost() {
    let directory = tempfile::tempdir().unwrap();
    let run = write(directory.path(), &vec![vec![(b"k".to_vec(), vec![0; (1 << 20) + 1])]], 100);
    let error = read(&run.file).unwrap_err();
    assert!(error.is_shortage());
    let message = "the pair at byte 16 takes 1048582 bytes, and the slot has 1048576 bytes of memory";
    assert!(error.to_string().contains(message), "{error}");
}

#[test]
fn sizes_that_no_block_can_have_are_refused() {
    let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    fs::write(&path, around(&[], [16, 0, 0, 0, u64::MAX, 0, 0])).unwrap();
    let error = Run::open(&path).err().unwrap().to_string();
    assert!(error.contains("its index does not fit its blocks"), "{error}");
}

#[test]
fn partitions_that_are_not_there_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let run = write(directory.path(), &vec![Vec::new(); 3], 100);
    assert!(Run::open_partition(&run.file, 2).is_ok());
    let error = Run::open_partition(&run.file, 3).unwrap_err().to_string();
    assert!(error.contains("partition 3 was asked for, but it has 3"), "{error}");
}

#[test]
fn a_partition_is_opened_by_its_own_entry_alone() {
    let directory = tempfile::tempdir().unwrap();
    let pair = |key: &str| vec![(key.as_bytes().to_vec(), Vec::new())];
    let run = write(directory.path(), &vec![pair("a"), pair("b"), pair("c")], 100);
    let whole = fs::read(&run.file).unwrap();
    let entry =
        |partition: usize| whole.len() - 40 - (3 - partition) * 60..whole.len() - 40 - (2 - partition) * 60;
    let opens = |bytes: &[u8]| {
        fs::write(&run.file, bytes).unwrap();
        [0, 1, 2].map(|partition| Run::open_partition(&run.file, partition).is_ok())
    };
    assert_eq!(opens(&whole), [true; 3]);
    for at in entry(1) {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        assert_eq!(opens(&damaged), [true, false, true], "byte {at}");
        assert!(Run::open(&run.file).is_err(), "byte {at}");
    }
    let mut swapped = whole.clone();
    swapped.copy_within(entry(2), entry(0).start);
    assert_eq!(opens(&swapped), [false, true, true], "an entry is that of one partition");
}
