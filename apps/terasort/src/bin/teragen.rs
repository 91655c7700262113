//! Writes records for terasort: 10 random bytes as key, the record's number in 32 digits, and letters that fill it up to 100 bytes.
//!
//! The same arguments give the same bytes.
#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, reason = "a command-line program")]

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use terasort::{KEY_BYTES, RECORD_BYTES};

const DIGITS: usize = 32;
/// Records that are written at once.
const BLOCK_RECORDS: u64 = 8192;

/// Write records of 100 bytes for terasort.
#[derive(Parser)]
#[command(name = "teragen", version)]
struct Arguments {
    /// How many records.
    records: u64,
    /// Where to; standard output if it is left out.
    file: Option<PathBuf>,
    /// Seed of the keys.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many records in a hundred have one and the same key.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    skew: u8,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let written = match &arguments.file {
        Some(file) => File::create(file).and_then(|mut file| generate(&arguments, &mut file)),
        None => generate(&arguments, &mut io::stdout().lock()),
    };
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let place = arguments.file.map_or("standard output".into(), |file| format!("{}", file.display()));
            eprintln!("teragen: error: cannot write {place}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn generate(arguments: &Arguments, out: &mut dyn Write) -> io::Result<()> {
    let mut keys = Keys { state: arguments.seed, skew: u64::from(arguments.skew) };
    let mut block = Vec::with_capacity(BLOCK_RECORDS as usize * RECORD_BYTES);
    let mut number = Number([b'0'; DIGITS]);
    for index in 0..arguments.records {
        let letter = b'A' + (index % 26) as u8;
        block.extend_from_slice(&keys.next());
        block.extend_from_slice(&number.0);
        block.extend_from_slice(&[letter; RECORD_BYTES - KEY_BYTES - DIGITS]);
        number.add_one();
        if (index + 1) % BLOCK_RECORDS == 0 {
            out.write_all(&block)?;
            block.clear();
        }
    }
    out.write_all(&block)?;
    out.flush()
}

struct Keys {
    state: u64,
    skew: u64,
}

impl Keys {
    fn next(&mut self) -> [u8; KEY_BYTES] {
        let (first, second) = (self.draw(), self.draw());
        let mut key = [b'~'; KEY_BYTES];
        let percent = ((second >> 32) * 100) >> 32;
        if percent >= self.skew {
            key[..8].copy_from_slice(&first.to_be_bytes());
            key[8..].copy_from_slice(&(second as u16).to_be_bytes());
        }
        key
    }

    /// SplitMix64.
    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// A number in decimal digits, which count faster than they are formatted.
struct Number([u8; DIGITS]);

impl Number {
    fn add_one(&mut self) {
        for digit in self.0.iter_mut().rev() {
            if *digit < b'9' {
                *digit += 1;
                return;
            }
            *digit = b'0';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generated(records: u64, seed: u64, skew: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        generate(&Arguments { records, file: None, seed, skew }, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn records_are_numbered_and_the_same_for_the_same_seed() {
        let bytes = generated(20_011, 3, 0);
        assert_eq!(bytes.len(), 20_011 * RECORD_BYTES);
        assert_eq!(bytes, generated(20_011, 3, 0));
        assert_ne!(bytes, generated(20_011, 4, 0));
        for (index, record) in bytes.chunks(RECORD_BYTES).enumerate() {
            assert_eq!(record[KEY_BYTES..KEY_BYTES + DIGITS], *format!("{index:032}").as_bytes());
        }
    }

    #[test]
    fn as_many_records_as_were_asked_for_share_one_key() {
        let shared = |skew| {
            let bytes = generated(10_000, 1, skew);
            bytes.chunks(RECORD_BYTES).filter(|record| record.starts_with(&[b'~'; KEY_BYTES])).count()
        };
        assert_eq!((shared(0), shared(100)), (0, 10_000));
        assert!((4_800..5_200).contains(&shared(50)), "{}", shared(50));
    }
}
