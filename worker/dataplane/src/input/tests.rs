//! Splits cover a document once, whatever their sizes; compressed documents are read whole or refused.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use gristmill_model::{InputMode, PathBytes, Split, TaskFailure};
use gristmill_storage::{Local, ReadAt, Storage, StorageError, Version};
use proptest::prelude::*;

use super::stream::Stream;
use super::{Document, InputBuffer, SplitReader};
use crate::progress::ProgressCell;

struct Sizes {
    block: usize,
    record: usize,
}

const ROOMY: Sizes = Sizes { block: 1 << 20, record: 1 << 20 };

fn split(path: &Path, offset: u64, bytes: u64) -> Split {
    let Version { bytes: file_bytes, modified_ns: file_modified_ns } = Local.open(path).unwrap().opened();
    let (document, path) = (PathBytes::from("document"), PathBytes::from(path));
    Split { document, path, offset, bytes, file_bytes, file_modified_ns, compressed: false }
}

/// The blocks of a split, with their offsets.
fn blocks(split: &Split, mode: InputMode, sizes: &Sizes) -> Result<Vec<(u64, Vec<u8>)>, TaskFailure> {
    let buffer = InputBuffer::with_sizes(sizes.block, sizes.record);
    let mut reader = SplitReader::open(split, mode, buffer, &ProgressCell::new())?;
    let mut blocks = Vec::new();
    while let Some(block) = reader.next()? {
        blocks.push((block.offset, block.bytes.to_vec()));
    }
    Ok(blocks)
}

fn file(content: &[u8]) -> tempfile::TempPath {
    let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    fs::write(&path, content).unwrap();
    path
}

/// Cuts at the given places, in order, and reads all splits.
fn in_splits(path: &Path, cuts: &[usize], mode: InputMode, sizes: &Sizes) -> Vec<Vec<(u64, Vec<u8>)>> {
    let length = fs::metadata(path).unwrap().len();
    let mut cuts: Vec<u64> = cuts.iter().map(|&cut| (cut as u64).min(length)).collect();
    cuts.extend([0, length]);
    cuts.sort_unstable();
    cuts.windows(2).map(|cut| blocks(&split(path, cut[0], cut[1] - cut[0]), mode, sizes).unwrap()).collect()
}

/// What blocks of one document must be: back to back from its start to its end.
fn assert_covers(content: &[u8], splits: &[Vec<(u64, Vec<u8>)>]) {
    let mut at = 0;
    for (offset, bytes) in splits.iter().flatten() {
        assert_eq!(*offset as usize, at);
        assert!(!bytes.is_empty());
        assert_eq!(bytes, &content[at..at + bytes.len()]);
        at += bytes.len();
    }
    assert_eq!(at, content.len());
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        3 => proptest::collection::vec(any::<u8>(), 0..20),
        1 => Just(Vec::new()),
        1 => proptest::collection::vec(any::<u8>(), 100..300),
        1 => Just(b"windows\r".to_vec()),
    ];
    (proptest::collection::vec(line, 0..20), any::<bool>()).prop_map(|(lines, ended)| {
        let mut text = lines.join(&b'\n');
        text.extend(ended.then_some(b'\n'));
        text
    })
}

proptest! {
    #[test]
    fn splits_yield_each_line_once_where_it_begins(
        text in text(),
        cuts in proptest::collection::vec(0_usize..1000, 0..12),
        block in 1_usize..200,
    ) {
        let path = file(&text);
        let splits = in_splits(&path, &cuts, InputMode::Text, &Sizes { block, record: 1 << 20 });
        assert_covers(&text, &splits);
        let mut bounds: Vec<usize> = cuts.iter().map(|&cut| cut.min(text.len())).collect();
        bounds.extend([0, text.len()]);
        bounds.sort_unstable();
        for (index, blocks) in splits.iter().enumerate() {
            for (offset, bytes) in blocks {
                let (begin, end) = (*offset as usize, *offset as usize + bytes.len());
                prop_assert!(begin == 0 || text[begin - 1] == b'\n', "a block begins with a line");
                prop_assert!(end == text.len() || text[end - 1] == b'\n', "a block ends with a line");
                let last_line = bytes[..bytes.len() - 1].iter().rposition(|&byte| byte == b'\n').map_or(begin, |at| begin + at + 1);
                prop_assert!(bounds[index] <= begin && last_line < bounds[index + 1], "in the split where they begin");
            }
        }
    }

    #[test]
    fn splits_yield_each_record_once_where_it_begins(
        records in proptest::collection::vec(any::<[u8; 7]>(), 0..60),
        cuts in proptest::collection::vec(0_usize..420, 0..12),
        block in 1_usize..100,
    ) {
        let content = records.concat();
        let path = file(&content);
        let splits = in_splits(&path, &cuts, InputMode::Records(7), &Sizes { block, record: 1 << 20 });
        assert_covers(&content, &splits);
        prop_assert!(splits.iter().flatten().all(|(offset, bytes)| offset % 7 == 0 && bytes.len() % 7 == 0));
    }

    #[test]
    fn compressed_documents_are_read_as_their_content(text in text(), block in 1_usize..200, pieces in 1_usize..4) {
        for compress in [gzip, zstd, bzip2] {
            let piece = text.len() / pieces + 1;
            let packed: Vec<u8> = text.chunks(piece).flat_map(compress).collect();
            if packed.is_empty() {
                continue;
            }
            let path = file(&packed);
            let whole = split(&path, 0, packed.len() as u64);
            for mode in [InputMode::Text, InputMode::File, InputMode::Records(1)] {
                let found = blocks(&whole, mode, &Sizes { block, record: 1 << 20 }).unwrap();
                prop_assert_eq!(found.into_iter().flat_map(|(_, bytes)| bytes).collect::<Vec<u8>>(), text.clone());
            }
        }
    }
}

#[test]
fn the_last_line_of_a_split_may_be_as_long_as_any() {
    let sizes = Sizes { block: 4, record: 8 };
    for text in [&b"\n\n\n1234567\n"[..], b"12\n12345678", b"1\n12345678\n", b"12345678\n1234567\n1"] {
        let path = file(text);
        for cut in 0..=text.len() {
            let lines = text.split_inclusive(|&byte| byte == b'\n');
            let fits = lines.clone().all(|line| line.len() <= sizes.record);
            let parts = [(0, cut), (cut, text.len() - cut)].map(|(from, bytes)| {
                blocks(&split(&path, from as u64, bytes as u64), InputMode::Text, &sizes)
            });
            match parts {
                [Ok(first), Ok(second)] => {
                    assert!(fits, "{text:?} cut at {cut}");
                    assert_covers(text, &[first, second]);
                }
                parts => {
                    let at =
                        lines.take_while(|line| line.len() <= sizes.record).map(<[u8]>::len).sum::<usize>();
                    let message = format!("the line that begins at byte {at} is longer than 8 bytes");
                    let failure = parts.into_iter().find_map(Result::err).unwrap();
                    assert!(!fits && failure.message.contains(&message), "{failure:?}");
                }
            }
        }
    }
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zstd(content: &[u8]) -> Vec<u8> {
    let mut encoder = ::zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(content: &[u8]) -> Vec<u8> {
    let mut encoder = ::bzip2::write::BzEncoder::new(Vec::new(), ::bzip2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

const FABLE: &str =
    "a fox saw grapes on a high vine\nand jumped\nand jumped again\nand left, saying they were sour\n";

#[test]
fn a_compressed_document_that_was_cut_off_is_refused_wherever_the_cut_is() {
    for compress in [gzip, zstd, bzip2] {
        let packed = compress(FABLE.as_bytes());
        // With fewer bytes the compression cannot be told yet.
        for kept in 10..packed.len() {
            let path = file(&packed[..kept]);
            let failure = blocks(&split(&path, 0, kept as u64), InputMode::Text, &ROOMY).unwrap_err();
            assert!(
                failure.message.contains("cut off or corrupt")
                    && failure.message.contains(path.to_str().unwrap()),
                "{failure:?}"
            );
        }
    }
}

#[test]
fn a_second_part_that_was_cut_off_is_refused_too() {
    for compress in [gzip, zstd, bzip2] {
        let one = compress(FABLE.as_bytes());
        for kept in 1..one.len() {
            let packed = [&one, &one[..kept]].concat();
            let path = file(&packed);
            let failure = blocks(&split(&path, 0, packed.len() as u64), InputMode::Text, &ROOMY);
            assert!(failure.is_err(), "{} with {kept} of {}", one[0], one.len());
        }
    }
}

#[test]
fn corrupt_compressed_data_is_refused_with_its_place() {
    for compress in [gzip, zstd, bzip2] {
        let mut packed = compress(FABLE.repeat(100).as_bytes());
        let middle = packed.len() / 2;
        packed[middle] ^= 0x55;
        let path = file(&packed);
        let failure = blocks(&split(&path, 0, packed.len() as u64), InputMode::Text, &ROOMY).unwrap_err();
        assert!(failure.message.contains("at or before byte"), "{failure:?}");
        assert!(failure.location.is_some());
    }
}

#[test]
fn what_cannot_be_split_is_not_read_from_the_middle() {
    let path = file(&gzip(FABLE.as_bytes()));
    let failure = blocks(&split(&path, 0, 20), InputMode::Text, &ROOMY).unwrap_err();
    assert!(failure.message.contains("it is gzip, so it cannot be split"), "{failure:?}");
    let path = file(FABLE.as_bytes());
    assert!(blocks(&split(&path, 5, 20), InputMode::File, &ROOMY).is_err());
}

#[test]
fn empty_documents_have_no_lines_and_no_records_but_are_files() {
    let path = file(b"");
    let empty = split(&path, 0, 0);
    assert_eq!(blocks(&empty, InputMode::Text, &ROOMY).unwrap(), []);
    assert_eq!(blocks(&empty, InputMode::Records(4), &ROOMY).unwrap(), []);
    assert_eq!(blocks(&empty, InputMode::File, &ROOMY).unwrap(), [(0, Vec::new())]);
}

#[test]
fn progress_counts_the_stored_bytes_of_the_splits_once() {
    let text = FABLE.repeat(2000);
    let path = file(text.as_bytes());
    let progress = ProgressCell::new();
    for offset in (0..text.len() as u64).step_by(10_000) {
        let part = split(&path, offset, 10_000.min(text.len() as u64 - offset));
        let mut reader =
            SplitReader::open(&part, InputMode::Text, InputBuffer::with_sizes(999, 9999), &progress).unwrap();
        while reader.next().unwrap().is_some() {}
    }
    let (counted, splits) = (progress.bytes_in(), (text.len() as u64).div_ceil(10_000));
    assert!(
        counted >= text.len() as u64 && counted <= text.len() as u64 + splits,
        "{counted} of {}",
        text.len()
    );
}

/// A file of any size, and what was announced of it.
#[derive(Clone, Default)]
struct Announced(Arc<Mutex<Vec<(u64, u64)>>>);

impl ReadAt for Announced {
    fn opened(&self) -> Version {
        Version { bytes: 1 << 40, modified_ns: 0 }
    }

    fn version(&self) -> Result<Version, StorageError> {
        Ok(self.opened())
    }

    fn read_at(&self, into: &mut [u8], _offset: u64) -> Result<usize, StorageError> {
        Ok(into.len())
    }

    fn will_read(&self, offset: u64, bytes: u64) {
        self.0.lock().unwrap().push((offset, bytes));
    }
}

#[test]
fn a_plain_file_is_announced_once_some_megabytes_ahead_and_not_beyond_the_split() {
    const MIB: u64 = 1 << 20;
    let file = Announced::default();
    let (from, end) = (3 * MIB, 30 * MIB + 5);
    let document = Document { name: "document".into(), path: "/document".into() };
    let mut stream = Stream::plain(document, Rc::new(file.clone()), from, end, ProgressCell::new());
    let mut block = vec![0; MIB as usize / 2];
    let (mut position, mut next) = (from, from);
    while position < end + MIB {
        stream.fill(&mut block).unwrap();
        for (offset, bytes) in file.0.lock().unwrap().drain(..) {
            assert_eq!(offset, next, "no gap and nothing twice");
            next = offset + bytes;
        }
        position += block.len() as u64;
        assert!(next >= (position + 3 * MIB).min(end - MIB / 4) && next <= end, "{position} {next}");
    }
    let mut small = Stream::plain(
        Document { name: "small".into(), path: "/small".into() },
        Rc::new(file.clone()),
        0,
        4_000,
        ProgressCell::new(),
    );
    small.fill(&mut block).unwrap();
    assert!(file.0.lock().unwrap().is_empty(), "the system reads a small file ahead by itself");
}

#[test]
fn a_window_beyond_the_memory_is_no_damage() {
    let packed = |window_log| {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(window_log).unwrap();
        encoder.write_all(b"a sound file\n").unwrap();
        encoder.finish().unwrap()
    };
    let sizes = Sizes { block: 1000, record: 10 << 20 };
    let read = |bytes: &[u8]| {
        let path = file(bytes);
        blocks(&split(&path, 0, bytes.len() as u64), InputMode::Text, &sizes)
    };
    let message = |bytes: &[u8]| read(bytes).unwrap_err().message;
    assert!(read(&packed(23)).is_ok());
    let expected = "its zstd window needs 33554432 bytes, and a slot with this memory grants 8388608 bytes; raise --memory";
    assert!(message(&packed(25)).contains(expected), "{}", message(&packed(25)));
    let later = message(&[packed(23), packed(25)].concat());
    assert!(
        later.contains("after 13 bytes of content its zstd window needs more than the 8388608 bytes"),
        "{later}"
    );
    let cut = packed(23);
    assert!(message(&cut[..cut.len() - 2]).contains("cut off or corrupt"));
}

/// Writes the same number of other bytes until the clock of the file system has gone on.
fn overwrite(path: &Path, content: &[u8]) {
    let modified = || Local.open(path).unwrap().opened().modified_ns;
    let before = modified();
    while modified() == before {
        fs::write(path, content).unwrap();
    }
}

#[test]
fn a_file_overwritten_with_as_many_bytes_is_refused_before_and_while_it_is_read() {
    let text = FABLE.repeat(100);
    let other = text.to_ascii_uppercase();
    assert_eq!(text.len(), other.len());
    for mode in [InputMode::Text, InputMode::Records(1), InputMode::File] {
        let path = file(text.as_bytes());
        let part = split(&path, 0, text.len() as u64);
        let open = || {
            SplitReader::open(&part, mode, InputBuffer::with_sizes(1 << 20, 1 << 20), &ProgressCell::new())
        };
        let mut reader = open().unwrap();
        assert!(reader.next().unwrap().is_some());
        overwrite(&path, other.as_bytes());
        let failures = [reader.next().map(|_| ()).unwrap_err(), open().map(|_| ()).unwrap_err()];
        for failure in failures {
            let message = failure.message;
            assert!(message.contains("has changed since the job was submitted"), "{message}");
            assert!(message.contains(path.to_str().unwrap()) && message.contains("ms later"), "{message}");
        }
    }
}

#[test]
fn a_change_that_makes_reading_fail_is_told_rather_than_how_it_failed() {
    // So much that what was read when it was opened is not all of it.
    let content: Vec<u8> =
        (0..100_000_u32).flat_map(|n| n.wrapping_mul(n).wrapping_mul(0x9e37_79b9).to_be_bytes()).collect();
    for compress in [gzip, zstd, bzip2] {
        let packed = compress(&content);
        let path = file(&packed);
        let part = split(&path, 0, packed.len() as u64);
        let buffer = InputBuffer::with_sizes(1 << 20, 1 << 20);
        let mut reader = SplitReader::open(&part, InputMode::Text, buffer, &ProgressCell::new()).unwrap();
        overwrite(&path, &vec![0xff; packed.len()]);
        let message = reader.next().map(|_| ()).unwrap_err().message;
        assert!(message.contains("has changed since the job was submitted"), "{message}");
    }
}
