//! Words as integers, and back.

/// Masks that keep a word's bytes, by its length.
const KEPT: [u64; 9] = [
    0,
    0xff,
    0xffff,
    0xff_ffff,
    0xffff_ffff,
    0xff_ffff_ffff,
    0xffff_ffff_ffff,
    0xff_ffff_ffff_ffff,
    u64::MAX,
];

/// The word's first eight bytes, zeros behind if it is shorter. Eight bytes can be read from `start`.
#[inline(always)]
pub(super) fn short(text: &[u8], start: usize, length: usize) -> u64 {
    let bytes = text.get(start..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from_le_bytes(*bytes));
    bytes & KEPT[length.min(8)]
}

/// The first 16 bytes of a word of more than eight.
#[inline(always)]
pub(super) fn medium(text: &[u8], start: usize, length: usize) -> u128 {
    let low = short(text, start, 8);
    let high = short(text, start + 8, length - 8);
    u128::from(high) << 64 | u128::from(low)
}

/// A word's bytes, from an integer in which they stand from the highest byte down.
pub(super) fn append(to: &mut Vec<u8>, word: u128) {
    let length = 16 - (word.trailing_zeros() / 8).min(16) as usize;
    to.extend_from_slice(&word.to_be_bytes()[..length]);
}
