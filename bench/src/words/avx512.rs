//! Letters found 64 bytes at a time, their borders written by compression.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi16, _mm512_castsi512_si256, _mm512_cmplt_epu8_mask, _mm512_cvtepu8_epi16,
    _mm512_loadu_si512, _mm512_maskz_compress_epi8, _mm512_or_si512, _mm512_set1_epi8, _mm512_set1_epi16,
    _mm512_storeu_si512, _mm512_sub_epi8,
};
use std::io;

use super::{BORDERS, Borders, OnWords, SLACK};

const NUMBERS: [u8; 64] = {
    let mut numbers = [0; 64];
    let mut at = 0;
    while at < 64 {
        numbers[at] = at as u8;
        at += 1;
    }
    numbers
};

pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vbmi2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("popcnt")
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi1,bmi2,popcnt")]
pub(super) fn find(borders: &mut Borders, padded: &[u8], on: &mut impl OnWords) -> io::Result<()> {
    borders.find_by(padded, on, |borders, block| fill(borders, block))
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi1,bmi2,popcnt")]
fn fill(borders: &mut Borders, block: &[u8]) -> (usize, usize) {
    let (mut starts, mut ends, mut carry) = (0, 0, 0);
    for (number, bytes) in block.as_chunks::<64>().0.iter().enumerate() {
        // SAFETY: 64 bytes are there to be read.
        let loaded = unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) };
        let lower = _mm512_or_si512(loaded, _mm512_set1_epi8(0x20));
        let letter = _mm512_sub_epi8(lower, _mm512_set1_epi8(b'a' as i8));
        let mask = _mm512_cmplt_epu8_mask(letter, _mm512_set1_epi8(26));
        let before = mask << 1 | carry;
        carry = mask >> 63;
        let base = _mm512_set1_epi16((number * 64) as i16);
        starts = positions(&mut borders.starts, starts, mask & !before, base);
        ends = positions(&mut borders.ends, ends, before & !mask, base);
    }
    (starts, ends)
}

/// Writes the positions of the bits, of which no two are neighbours, as 16 bits each behind the first `count`.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,popcnt")]
#[inline]
fn positions(to: &mut [u16; BORDERS], count: usize, bits: u64, base: __m512i) -> usize {
    // SAFETY: 64 bytes are there to be read.
    let numbers = unsafe { _mm512_loadu_si512(NUMBERS.as_ptr().cast()) };
    let compressed = _mm512_castsi512_si256(_mm512_maskz_compress_epi8(bits, numbers));
    let wide = _mm512_add_epi16(_mm512_cvtepu8_epi16(compressed), base);
    if let Some(room) = to.get_mut(count..count + SLACK) {
        // SAFETY: 32 positions of 16 bits are there to be written.
        unsafe { _mm512_storeu_si512(room.as_mut_ptr().cast(), wide) };
    }
    count + bits.count_ones() as usize
}
