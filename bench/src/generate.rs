//! Deterministic test data: text with a Zipf head and a long tail, and lines of random bytes.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::random::Random;

/// Letters in the order in which short words use them up.
const LETTERS: &[u8; 9] = b"etaoinshr";

/// The `rank`-th word: frequent ranks are short, no two are equal (a bijective numeral in nine letters).
fn word(rank: u32) -> Vec<u8> {
    let mut left = u64::from(rank) + 1;
    let mut letters = Vec::with_capacity(8);
    while left > 0 {
        left -= 1;
        letters.push(LETTERS[(left % 9) as usize]);
        left /= 9;
    }
    letters
}

/// Draws ranks with probability proportional to 1/(rank+1): Walker's alias method.
struct Zipf {
    keep: Vec<u32>,
    alias: Vec<u32>,
}

impl Zipf {
    fn new(count: u32) -> Self {
        let total: f64 = (1..=count).map(|rank| 1.0 / f64::from(rank)).sum();
        let mut share: Vec<f64> =
            (1..=count).map(|rank| f64::from(count) / (f64::from(rank) * total)).collect();
        let (mut small, mut large): (Vec<u32>, Vec<u32>) = (0..count).partition(|&i| share[i as usize] < 1.0);
        let mut keep = vec![u32::MAX; count as usize];
        let mut alias: Vec<u32> = (0..count).collect();
        while let (Some(low), Some(&high)) = (small.pop(), large.last()) {
            keep[low as usize] = (share[low as usize] * f64::from(u32::MAX)) as u32;
            alias[low as usize] = high;
            share[high as usize] -= 1.0 - share[low as usize];
            if share[high as usize] < 1.0 {
                large.pop();
                small.push(high);
            }
        }
        Self { keep, alias }
    }

    fn draw(&self, random: &mut Random) -> u32 {
        let column = random.below(self.keep.len() as u32);
        let coin = (random.next() >> 32) as u32;
        if coin <= self.keep[column as usize] { column } else { self.alias[column as usize] }
    }
}

/// Words in lines of about a dozen, a comma now and then.
pub(crate) fn text(file: &Path, bytes: u64, distinct: u32, seed: u64) -> io::Result<()> {
    let mut random = Random::new(seed);
    let zipf = Zipf::new(distinct.max(1));
    let words: Vec<Vec<u8>> = (0..distinct.max(1)).map(word).collect();
    let mut out = BufWriter::with_capacity(1 << 20, File::create(file)?);
    let mut written = 0;
    while written < bytes {
        let drawn = &words[zipf.draw(&mut random) as usize];
        let end: &[u8] = match random.below(24) {
            0 | 1 => b"\n",
            2 => b", ",
            _ => b" ",
        };
        out.write_all(drawn)?;
        out.write_all(end)?;
        written += (drawn.len() + end.len()) as u64;
    }
    out.write_all(b"\n")?;
    out.into_inner()?.sync_all()
}

/// Lines of 99 printable bytes.
pub(crate) fn lines(file: &Path, bytes: u64, seed: u64) -> io::Result<()> {
    let mut random = Random::new(seed);
    let mut out = BufWriter::with_capacity(1 << 20, File::create(file)?);
    for _ in 0..bytes / 100 {
        let mut line = [b'\n'; 100];
        for chunk in line[..99].chunks_mut(8) {
            let drawn = random.next().to_le_bytes();
            for (byte, drawn) in chunk.iter_mut().zip(drawn) {
                *byte = b' ' + drawn % 95;
            }
        }
        out.write_all(&line)?;
    }
    out.into_inner()?.sync_all()
}
