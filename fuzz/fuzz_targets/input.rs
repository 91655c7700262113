//! The splits of a file, whatever their sizes and its bytes, yield each line or record exactly once, where it begins; compressed bytes are
//! read or refused.
#![no_main]

use std::fs;

use gristmill_dataplane::bench::read_split;
use gristmill_model::{InputMode, PathBytes, Split};
use gristmill_storage::{Compression, Local, Storage};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Case {
    bytes: Vec<u8>,
    cuts: Vec<u16>,
    mode: Mode,
    block_bytes: u16,
    record_bytes_max: u16,
}

#[derive(Arbitrary, Debug)]
enum Mode {
    Text,
    Records(u8),
    File,
}

fuzz_target!(|case: Case| {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), &case.bytes).unwrap();
    let length = case.bytes.len() as u64;
    let whole = Split {
        document: PathBytes::from("document"),
        path: PathBytes::from(file.path()),
        offset: 0,
        bytes: length,
        file_bytes: length,
        file_modified_ns: Local.open(file.path()).unwrap().opened().modified_ns,
        compressed: false,
    };
    let mode = match case.mode {
        Mode::Text => InputMode::Text,
        Mode::Records(bytes) => InputMode::Records(bytes.into()),
        Mode::File => InputMode::File,
    };
    // No buffer is empty.
    let (block_bytes, record_max) =
        (usize::from(case.block_bytes) + 1, usize::from(case.record_bytes_max) + 1);
    let is_compressed = Compression::detect(&case.bytes).is_some();
    let in_one = read_split(&whole, mode, block_bytes, record_max);
    if let Ok(blocks) = &in_one
        && !is_compressed
    {
        covers(&case.bytes, blocks);
    }
    if mode == InputMode::File || is_compressed {
        return;
    }
    let mut cuts: Vec<u64> = case.cuts.iter().map(|&cut| u64::from(cut).min(length)).collect();
    cuts.extend([0, length]);
    cuts.sort_unstable();
    let split = |cut: &[u64]| Split { offset: cut[0], bytes: cut[1] - cut[0], ..whole.clone() };
    let splits: Vec<Split> = cuts.windows(2).map(split).collect();
    let read = splits.iter().map(|split| read_split(split, mode, block_bytes, record_max));
    match read.collect::<Result<Vec<_>, _>>() {
        Ok(read) => {
            for (split, blocks) in splits.iter().zip(&read) {
                blocks.iter().for_each(|block| belongs(&case.bytes, block, mode, split));
            }
            covers(&case.bytes, &read.concat());
        }
        Err(refusal) => assert!(in_one.is_err(), "{refusal} only in splits"),
    }
});

/// Blocks lie back to back.
fn covers(bytes: &[u8], blocks: &[(u64, Vec<u8>)]) {
    let mut at = 0;
    for (offset, block) in blocks {
        assert_eq!(*offset as usize, at);
        assert_eq!(block, &bytes[at..at + block.len()]);
        at += block.len();
    }
    assert_eq!(at, bytes.len());
}

/// All records of a block begin in its split.
fn belongs(bytes: &[u8], (offset, block): &(u64, Vec<u8>), mode: InputMode, split: &Split) {
    let (begin, end) = (*offset as usize, *offset as usize + block.len());
    assert!(!block.is_empty());
    let last = match mode {
        InputMode::Records(record) => {
            let record = record as usize;
            assert!(begin.is_multiple_of(record) && block.len().is_multiple_of(record));
            end - record
        }
        _ => {
            assert!(begin == 0 || bytes[begin - 1] == b'\n');
            assert!(end == bytes.len() || bytes[end - 1] == b'\n');
            block[..block.len() - 1]
                .iter()
                .rposition(|&byte| byte == b'\n')
                .map_or(begin, |at| begin + at + 1)
        }
    };
    assert!(split.offset <= *offset && (last as u64) < split.offset + split.bytes);
}
