//! Letters found 32 bytes at a time.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi8, _mm256_cmpgt_epi8, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_or_si256,
    _mm256_set1_epi8,
};
use std::io;

use super::{Borders, OnWords, portable};

#[target_feature(enable = "avx2,bmi1,bmi2")]
fn letters(bytes: &[u8; 64]) -> u64 {
    let half = |at: usize| {
        // SAFETY: 32 bytes from `at`, 0 or 32, lie in the array.
        let loaded = unsafe { _mm256_loadu_si256(bytes.as_ptr().add(at).cast::<__m256i>()) };
        let lower = _mm256_or_si256(loaded, _mm256_set1_epi8(0x20));
        let moved = _mm256_add_epi8(lower, _mm256_set1_epi8((0x80_u8 - b'a') as i8));
        let below = _mm256_cmpgt_epi8(_mm256_set1_epi8(-128 + 26), moved);
        u64::from(_mm256_movemask_epi8(below) as u32)
    };
    half(0) | half(32) << 32
}

#[target_feature(enable = "avx2,bmi1,bmi2")]
pub(super) fn find(borders: &mut Borders, padded: &[u8], on: &mut impl OnWords) -> io::Result<()> {
    borders.find_by(padded, on, |borders, block| portable::fill(borders, block, |bytes| letters(bytes)))
}
