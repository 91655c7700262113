//! Checks records of terasort: that they ascend over all files given, one after the other, and how many there are.
//!
//! Prints a checksum that does not depend on the order, so that of the input must be that of the output. Exits with 1 when records are out
//! of order, with 2 when files cannot be read.
#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "a command-line program")]

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use terasort::{KEY_BYTES, RECORD_BYTES};

const BLOCK_BYTES: usize = 8192 * RECORD_BYTES;

/// Check that records of 100 bytes are in the order of their keys.
#[derive(Parser)]
#[command(name = "teravalidate", version)]
struct Arguments {
    /// The files, in order.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Only count and sum: the records need not be in order.
    #[arg(long)]
    any_order: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut found = Found::default();
    for file in &arguments.files {
        if let Err(error) = found.read(file) {
            eprintln!("teravalidate: error: cannot read {}: {error}", file.display());
            return ExitCode::from(2);
        }
    }
    println!("records {}", found.records);
    println!("checksum {:032x}", found.checksum);
    if !arguments.any_order {
        println!("repeated_keys {}", found.repeated_keys);
    }
    match found.misorder {
        Some(misorder) if !arguments.any_order => {
            eprintln!("teravalidate: error: {misorder}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// What has been seen so far.
#[derive(Default)]
struct Found {
    records: u64,
    /// The CRC32C of all records added up.
    checksum: u128,
    /// Records with the key of the one before.
    repeated_keys: u64,
    last: Option<[u8; KEY_BYTES]>,
    misorder: Option<Misorder>,
}

/// The first record that is out of order.
struct Misorder {
    file: PathBuf,
    offset: u64,
    key: [u8; KEY_BYTES],
    before: [u8; KEY_BYTES],
}

impl fmt::Display for Misorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, offset, key, before } = self;
        write!(f, "the record at byte {offset} of {} has the key ", file.display())?;
        key.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(", below that of the record before it, ")?;
        before.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Found {
    fn read(&mut self, path: &Path) -> io::Result<()> {
        let mut file = File::open(path)?;
        let mut block = vec![0; BLOCK_BYTES];
        let mut offset = 0;
        loop {
            let filled = fill(&mut file, &mut block)?;
            let (records, rest) = block[..filled].as_chunks::<RECORD_BYTES>();
            if !rest.is_empty() {
                let message = format!("{} bytes at its end are no whole record", rest.len());
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            if records.is_empty() {
                return Ok(());
            }
            for record in records {
                self.take(record, path, offset);
                offset += RECORD_BYTES as u64;
            }
        }
    }

    fn take(&mut self, record: &[u8; RECORD_BYTES], path: &Path, offset: u64) {
        self.records += 1;
        self.checksum += u128::from(crc32c::crc32c(record));
        let mut key = [0; KEY_BYTES];
        key.copy_from_slice(&record[..KEY_BYTES]);
        if let Some(before) = self.last.replace(key) {
            self.repeated_keys += u64::from(before == key);
            if before > key && self.misorder.is_none() {
                self.misorder = Some(Misorder { file: path.to_owned(), offset, key, before });
            }
        }
    }
}

/// Reads until the block is full or the file ends.
fn fill(file: &mut File, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match file.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    fn record(key: u8, rest: u8) -> Vec<u8> {
        [vec![key; KEY_BYTES], vec![rest; RECORD_BYTES - KEY_BYTES]].concat()
    }

    fn validated(files: &[&[Vec<u8>]]) -> Found {
        let directory = tempfile::tempdir().unwrap();
        let mut found = Found::default();
        for (index, records) in files.iter().enumerate() {
            let path = directory.path().join(index.to_string());
            std::fs::write(&path, records.concat()).unwrap();
            found.read(&path).unwrap();
        }
        found
    }

    #[test]
    fn order_counts_across_files_and_the_checksum_does_not_depend_on_it() {
        let (a, b, c) = (record(1, 1), record(2, 1), record(2, 2));
        let sorted = validated(&[from_ref(&a), &[], &[b.clone(), c.clone()]]);
        assert_eq!((sorted.records, sorted.repeated_keys), (3, 1));
        assert!(sorted.misorder.is_none());
        let mixed = validated(&[&[b.clone(), c], &[b, a]]);
        let misorder = mixed.misorder.unwrap();
        assert_eq!((misorder.file.file_name().unwrap().to_str(), misorder.offset), (Some("1"), 100));
        assert!(misorder.to_string().contains("below that of the record before it, 0202"), "{misorder}");
        assert_eq!(mixed.records, 4);
        assert_eq!(validated(&[&[record(2, 2), record(2, 1)], &[record(1, 1)]]).checksum, sorted.checksum);
        assert_ne!(mixed.checksum, sorted.checksum);
    }

    #[test]
    fn a_file_that_ends_within_a_record_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cut");
        std::fs::write(&path, [0; 250]).unwrap();
        assert!(Found::default().read(&path).unwrap_err().to_string().contains("50 bytes at its end"));
    }
}
