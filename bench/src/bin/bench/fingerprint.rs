//! Whether two results are equal: a sum over the hashes of all records says so whatever their order and however many files hold them.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use xxhash_rust::xxh3::xxh3_128;

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A record a line.
    Lines,
    /// Lines with spaces and a count in front of a word, as `uniq -c` writes them.
    CountsFirst,
    /// Binary records of 100 bytes, in the order of their first ten.
    Records,
}

const RECORD_BYTES: usize = 100;
const KEY_BYTES: usize = 10;

/// Of all records of some files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    pub(crate) records: u64,
    sum: u128,
}

/// A fingerprint, and what order the records were in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) print: Fingerprint,
    pub(crate) each_in_order: bool,
    pub(crate) all_in_order: bool,
}

/// The files that hold results: those in a directory whose names do not begin with `_` or `.`, in the order of their names.
pub(crate) fn result_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("no results in {}", directory.display()))? {
        let entry = entry?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b"_")
            || entry.file_name().as_encoded_bytes().starts_with(b".");
        if !hidden && entry.file_type()?.is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

pub(crate) fn of(files: &[PathBuf], form: Form) -> Result<Found> {
    let mut seen = Seen::default();
    for file in files {
        let open = File::open(file).with_context(|| format!("open {}", file.display()))?;
        let mut input = BufReader::with_capacity(1 << 20, open);
        seen.begins_file = true;
        let mut record = Vec::new();
        while read(&mut input, form, &mut record)? {
            match form {
                Form::Lines => seen.take(&record, record.len()),
                Form::Records => seen.take(&record, KEY_BYTES),
                Form::CountsFirst => {
                    let turned = turned(&record);
                    if !turned.is_empty() {
                        seen.take(&turned, turned.len());
                    }
                }
            }
        }
    }
    Ok(Found { print: seen.print, each_in_order: !seen.disorder_in_file, all_in_order: !seen.disorder })
}

fn read(input: &mut impl BufRead, form: Form, record: &mut Vec<u8>) -> Result<bool> {
    record.clear();
    if form == Form::Records {
        input.take(RECORD_BYTES as u64).read_to_end(record)?;
        ensure!(record.is_empty() || record.len() == RECORD_BYTES, "the last record is cut");
    } else {
        input.read_until(b'\n', record)?;
        let end = record.len() - usize::from(record.ends_with(b"\n"));
        if end < record.len() {
            record.truncate(end);
            return Ok(true);
        }
    }
    Ok(!record.is_empty())
}

/// `  17 word` as `word 17`; nothing if there is no word.
fn turned(line: &[u8]) -> Vec<u8> {
    let mut parts = line.trim_ascii().splitn(2, |&byte| byte == b' ');
    match (parts.next(), parts.next()) {
        (Some(count), Some(word)) => [word, b" ", count].concat(),
        _ => Vec::new(),
    }
}

#[derive(Default)]
struct Seen {
    print: Fingerprint,
    last: Vec<u8>,
    begins_file: bool,
    disorder_in_file: bool,
    disorder: bool,
}

impl Seen {
    fn take(&mut self, record: &[u8], key_bytes: usize) {
        self.print.records += 1;
        self.print.sum = self.print.sum.wrapping_add(xxh3_128(record));
        let key = &record[..key_bytes.min(record.len())];
        if self.print.records > 1 && key < self.last.as_slice() {
            self.disorder = true;
            self.disorder_in_file |= !self.begins_file;
        }
        self.begins_file = false;
        self.last.clear();
        self.last.extend_from_slice(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[&[u8]], form: Form) -> Found {
        let directory = tempfile::tempdir().unwrap();
        for (number, bytes) in files.iter().enumerate() {
            fs::write(directory.path().join(format!("part-{number}")), bytes).unwrap();
        }
        fs::write(directory.path().join("_SUCCESS"), "{}").unwrap();
        of(&result_files(directory.path()).unwrap(), form).unwrap()
    }

    #[test]
    fn equal_records_have_one_fingerprint_wherever_they_stand() {
        let one = found(&[b"a 1\nb 2\nc 3\n"], Form::Lines);
        let two = found(&[b"b 2\n", b"", b"a 1\nc 3"], Form::Lines);
        assert_eq!(one.print, two.print);
        assert!(one.all_in_order && two.each_in_order && !two.all_in_order);
        for other in [&b"a 1\nb 2\n"[..], b"a 1\nb 2\nc 4\n", b"a 1\nb 2\nc 3\nc 3\n"] {
            assert_ne!(found(&[other], Form::Lines).print, one.print);
        }
        assert!(!found(&[b"b\na\n"], Form::Lines).each_in_order);
    }

    #[test]
    fn counts_may_stand_in_front() {
        let turned = found(&[b"      1 \n     12 a\n      3 b\n"], Form::CountsFirst);
        assert_eq!(turned.print, found(&[b"a 12\nb 3\n"], Form::Lines).print);
    }

    #[test]
    fn records_are_in_order_by_their_first_ten_bytes() {
        let record = |key: u8, rest: u8| [[key; 10].as_slice(), &[rest; 90]].concat();
        let sorted = found(&[&[record(1, 9), record(1, 3), record(2, 1)].concat()], Form::Records);
        assert_eq!((sorted.print.records, sorted.all_in_order), (3, true));
        assert!(!found(&[&[record(2, 1), record(1, 1)].concat()], Form::Records).each_in_order);
    }
}
