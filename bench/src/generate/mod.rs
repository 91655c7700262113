//! Deterministic test data: the same seed gives the same bytes everywhere.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

mod distinct;
mod files;
mod lines;
mod records;
mod text;
mod zipf;

pub use distinct::distinct;
pub use files::files;
pub use lines::lines;
pub use records::records;
pub use text::{Text, text};
pub use zipf::word;

const BUFFER: usize = 1 << 20;

/// Writes what `fill` appends (some bytes beyond the wanted ones, or none to end) until there are `bytes`, and syncs the file.
fn write(file: &Path, bytes: u64, mut fill: impl FnMut(&mut Vec<u8>, usize)) -> io::Result<()> {
    let mut out = File::create(file)?;
    let mut buffer = Vec::with_capacity(BUFFER + 1024);
    let mut left = bytes;
    while left > 0 {
        buffer.clear();
        fill(&mut buffer, left.min(BUFFER as u64) as usize);
        if buffer.is_empty() {
            break;
        }
        out.write_all(&buffer)?;
        left = left.saturating_sub(buffer.len() as u64);
    }
    out.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, HashSet};
    use std::fs;

    fn made(make: impl Fn(&Path) -> io::Result<()>) -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        let (first, second) = (directory.path().join("first"), directory.path().join("second"));
        make(&first).unwrap();
        make(&second).unwrap();
        let bytes = fs::read(&first).unwrap();
        assert!(bytes == fs::read(&second).unwrap(), "the same seed, other bytes");
        bytes
    }

    fn words(text: &[u8]) -> BTreeMap<&[u8], u64> {
        let mut counts = BTreeMap::new();
        for word in text.split(|byte| !byte.is_ascii_alphabetic()).filter(|word| !word.is_empty()) {
            *counts.entry(word).or_insert(0) += 1;
        }
        counts
    }

    #[test]
    fn words_of_text_follow_zipfs_law() {
        let shape = Text { distinct: 1000, seed: 3, skew: 0.0 };
        let bytes = made(|file| text(file, 1 << 20, shape));
        let counts = words(&bytes);
        let all: u64 = counts.values().sum();
        let mut sorted: Vec<_> = counts.values().copied().collect();
        sorted.sort_unstable_by_key(|&count| std::cmp::Reverse(count));
        assert_eq!(counts.len(), 1000);
        let harmonic: f64 = (1..=1000).map(|rank| 1.0 / f64::from(rank)).sum();
        for rank in [1, 2, 10] {
            let share = sorted[rank - 1] as f64 / all as f64;
            let law = 1.0 / (rank as f64 * harmonic);
            assert!((share / law - 1.0).abs() < 0.1, "rank {rank}: {share} instead of {law}");
        }
        assert!(bytes.len() >= 1 << 20 && bytes.len() < (1 << 20) + 64 && bytes.ends_with(b"\n"));
    }

    #[test]
    fn skew_gives_one_word_its_share() {
        let shape = Text { distinct: 1000, seed: 3, skew: 0.5 };
        let bytes = made(|file| text(file, 1 << 18, shape));
        let counts = words(&bytes);
        let share = *counts.values().max().unwrap() as f64 / counts.values().sum::<u64>() as f64;
        assert!((0.5..0.65).contains(&share), "{share}");
    }

    #[test]
    fn distinct_words_are_all_different() {
        let bytes = made(|file| distinct(file, 1 << 20, 5));
        let counts = words(&bytes);
        assert!(counts.len() > 100_000 && counts.values().all(|&count| count == 1));
    }

    #[test]
    fn lines_have_a_hundred_bytes_and_one_of_them_its_share() {
        let bytes = made(|file| lines(file, 100_000, 1, 0.5));
        let (all, rest) = bytes.as_chunks::<100>();
        assert!(rest.is_empty() && all.len() == 1000);
        assert!(
            all.iter()
                .all(|line| line[99] == b'\n' && line[..99].iter().all(|byte| (b' '..=b'~').contains(byte)))
        );
        let different = all.iter().collect::<HashSet<_>>().len();
        assert!((400..600).contains(&different), "{different}");
    }

    #[test]
    fn records_are_numbered_behind_a_random_key() {
        let bytes = made(|file| records(file, 100_000, 1, 0.0));
        let (all, rest) = bytes.as_chunks::<100>();
        assert!(rest.is_empty() && all.len() == 1000);
        assert_eq!(all.iter().map(|record| &record[..10]).collect::<HashSet<_>>().len(), 1000);
        assert_eq!(&all[0x1f][10..26], b"000000000000001F");
    }

    #[test]
    fn files_are_as_many_and_as_large_as_asked() {
        let directory = tempfile::tempdir().unwrap();
        files(directory.path(), 20, 4096, Text { distinct: 1000, seed: 3, skew: 0.0 }).unwrap();
        let all: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap()).collect();
        assert_eq!(all.len(), 20);
        assert!(all.iter().all(|entry| (4096..4160).contains(&entry.metadata().unwrap().len())));
    }
}
