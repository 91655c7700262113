//! Text with a Zipf head and a long tail, in lines of about a dozen words, a comma now and then.

use std::io;
use std::path::Path;

use super::zipf::{LONGEST, Word, Zipf};
use crate::random::Random;

const BATCH: usize = 64;

/// What may follow a word, by a number that is drawn.
const FOLLOWING: [[u8; 2]; 24] = {
    let mut following = [*b"  "; 24];
    following[0] = *b"\n ";
    following[1] = *b"\n ";
    following[COMMA] = *b", ";
    following
};

const COMMA: usize = 2;

/// Bytes for a word and what follows it, at least.
const ROOM: usize = 24;

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
        let mut at = buffer.len();
        let end = at + wanted;
        buffer.resize(end + ROOM, 0);
        while at < end {
            let words: [Word; BATCH] = self.zipf.draw(&mut self.random);
            for word in words {
                if let Some(room) = buffer[at.min(end)..].first_chunk_mut::<ROOM>()
                    && at < end
                {
                    at += self.put(word, room);
                }
            }
        }
        buffer.truncate(at);
        buffer.pop();
        buffer.push(b'\n');
    }

    /// Puts a word and what follows it; copies of constant length are an instruction or two, whatever is too much is written over.
    #[inline(always)]
    fn put(&mut self, word: Word, room: &mut [u8; ROOM]) -> usize {
        let drawn = self.random.next();
        let word = if (drawn as u32) < self.skew { self.zipf.most_frequent() } else { word };
        let length = usize::from(word.length);
        room[..LONGEST].copy_from_slice(&word.letters);
        let choice = (((drawn >> 32) * 24) >> 32) as usize;
        if let Some(behind) = room[length..].first_chunk_mut() {
            *behind = FOLLOWING[choice];
        }
        length + 1 + usize::from(choice == COMMA)
    }
}

const _: () = assert!(LONGEST < 16, "a word and its length are 16 bytes");
