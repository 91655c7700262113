//! Text with a Zipf head and a long tail, in lines of about a dozen words, a comma now and then.

use std::io;
use std::path::Path;

use super::zipf::{LONGEST, Word, Zipf};
use crate::random::Random;

const BATCH: usize = 64;

/// What a text is like.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    /// Number of different words.
    pub distinct: u32,
    /// Seed of all choices.
    pub seed: u64,
    /// Share of all words that are the one most frequent, beyond its own.
    pub skew: f64,
}

/// Writes about so many bytes of text.
pub fn text(file: &Path, bytes: u64, shape: Text) -> io::Result<()> {
    let mut source = Writer::new(shape);
    super::write(file, bytes, |buffer, wanted| source.fill(buffer, wanted))
}

pub(super) struct Writer {
    zipf: Zipf,
    random: Random,
    skew: u32,
}

impl Writer {
    pub(super) fn new(shape: Text) -> Self {
        let skew = (shape.skew.clamp(0.0, 1.0) * f64::from(u32::MAX)) as u32;
        Self { zipf: Zipf::new(shape.distinct.max(1)), random: Random::new(shape.seed), skew }
    }

    /// Appends lines until there are at least `wanted` bytes more.
    pub(super) fn fill(&mut self, buffer: &mut Vec<u8>, wanted: usize) {
        let end = buffer.len() + wanted;
        while buffer.len() < end {
            let words: [Word; BATCH] = self.zipf.draw(&mut self.random);
            for word in words {
                if buffer.len() >= end {
                    break;
                }
                self.put(word, buffer);
            }
        }
        buffer.pop();
        buffer.push(b'\n');
    }

    #[inline(always)]
    fn put(&mut self, word: Word, buffer: &mut Vec<u8>) {
        let drawn = self.random.next();
        let word = if (drawn as u32) < self.skew { self.zipf.most_frequent() } else { word };
        // A copy of constant length is two instructions, so the surplus is cut off again.
        let length = buffer.len() + usize::from(word.length);
        buffer.extend_from_slice(&word.letters);
        buffer.truncate(length);
        match ((drawn >> 32) * 24) >> 32 {
            0 | 1 => buffer.push(b'\n'),
            2 => buffer.extend_from_slice(b", "),
            _ => buffer.push(b' '),
        }
    }
}

const _: () = assert!(LONGEST < 16, "a word and its length are 16 bytes");
