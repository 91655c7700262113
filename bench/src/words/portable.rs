//! Letters found one by one, borders taken bit by bit: for any processor, and for those whose vectors cannot compress.

use super::{BORDERS, Borders};

pub(super) fn letters(bytes: &[u8; 64]) -> u64 {
    (0..64).fold(0, |mask, at| mask | u64::from(bytes[at].is_ascii_alphabetic()) << at)
}

#[inline(always)]
pub(super) fn fill(
    borders: &mut Borders,
    block: &[u8],
    letters: impl Fn(&[u8; 64]) -> u64,
) -> (usize, usize) {
    let (mut starts, mut ends, mut carry) = (0, 0, 0);
    for (number, bytes) in block.as_chunks::<64>().0.iter().enumerate() {
        let mask = letters(bytes);
        let before = mask << 1 | carry;
        carry = mask >> 63;
        starts = positions(&mut borders.starts, starts, mask & !before, number * 64);
        ends = positions(&mut borders.ends, ends, before & !mask, number * 64);
    }
    (starts, ends)
}

#[inline(always)]
fn positions(to: &mut [u16; BORDERS], mut count: usize, mut bits: u64, base: usize) -> usize {
    while bits != 0 {
        to[count] = (base + bits.trailing_zeros() as usize) as u16;
        count += 1;
        bits &= bits - 1;
    }
    count
}
