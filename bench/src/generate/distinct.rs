//! Words of nine letters that are all different, in no order: nothing for a combiner to fold.

use std::io;
use std::path::Path;

use crate::random::Random;

const LETTERS: &[u8; 16] = b"abcdefghijklmnop";
const BITS: u32 = 36;

/// Writes about so many bytes of words, ten a line. At most 2^36 words are all different.
pub fn distinct(file: &Path, bytes: u64, seed: u64) -> io::Result<()> {
    let most = 10 << BITS;
    if bytes > most {
        return Err(io::Error::other(format!("at most {most} bytes of words can be all different")));
    }
    let mut random = Random::new(seed);
    let (factor, added) = (random.next() | 1, random.next());
    let mut number = 0_u64;
    super::write(file, bytes, |buffer, wanted| {
        for _ in 0..wanted.div_ceil(10) {
            number += 1;
            let mut word = spelled(scrambled(number, factor, added));
            word[9] = if number.is_multiple_of(10) { b'\n' } else { b' ' };
            buffer.extend_from_slice(&word);
        }
    })
}

/// A permutation of the numbers of 36 bits: each step can be undone.
fn scrambled(number: u64, factor: u64, added: u64) -> u64 {
    let mask = (1 << BITS) - 1;
    let mixed = number.wrapping_mul(factor).wrapping_add(added) & mask;
    let mixed = (mixed ^ mixed >> 19).wrapping_mul(factor) & mask;
    mixed ^ mixed >> 17
}

fn spelled(mut number: u64) -> [u8; 10] {
    let mut word = [0; 10];
    for letter in &mut word[..9] {
        *letter = LETTERS[(number & 15) as usize];
        number >>= 4;
    }
    word
}
