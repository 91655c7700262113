//! Masks by the vector instructions of x86-64.

use std::arch::x86_64::{
    __m128i, __m256i, __m512i, _mm_cmpeq_epi8, _mm_cmplt_epi8, _mm_loadu_si128, _mm_movemask_epi8,
    _mm_or_si128, _mm_set1_epi8, _mm_sub_epi8, _mm256_cmpeq_epi8, _mm256_cmpgt_epi8, _mm256_loadu_si256,
    _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8, _mm256_sub_epi8, _mm512_cmpeq_epi8_mask,
    _mm512_cmplt_epu8_mask, _mm512_loadu_si512, _mm512_movepi8_mask, _mm512_or_si512, _mm512_set1_epi8,
    _mm512_sub_epi8,
};

use super::{Level, Window};

/// What this processor has, the best first.
pub(super) fn levels() -> impl Iterator<Item = Level> {
    let avx512 = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
    let avx2 = is_x86_feature_detected!("avx2");
    let known = [
        (avx512, Level { name: "avx512", letters: letters_512, equal: equal_512 }),
        (avx2, Level { name: "avx2", letters: letters_256, equal: equal_256 }),
        // Every x86-64 has it.
        (true, Level { name: "sse2", letters: letters_128, equal: equal_128 }),
    ];
    known.into_iter().filter_map(|(has, level)| has.then_some(level))
}

/// Moves `a` to the least signed byte, so that a signed comparison tells the letters.
const TO_LEAST: i8 = (b'a' ^ 0x80) as i8;
const BEYOND_LETTERS: i8 = i8::MIN + 26;

#[target_feature(enable = "avx512f,avx512bw")]
fn letters_512(windows: &[Window], out: &mut [u64]) -> bool {
    let mut beyond = 0;
    for (window, out) in windows.iter().zip(out) {
        let bytes = load_512(window);
        let lower = _mm512_or_si512(bytes, _mm512_set1_epi8(0x20));
        let from_a = _mm512_sub_epi8(lower, _mm512_set1_epi8(b'a' as i8));
        *out = _mm512_cmplt_epu8_mask(from_a, _mm512_set1_epi8(26));
        beyond |= _mm512_movepi8_mask(bytes);
    }
    beyond != 0
}

#[target_feature(enable = "avx512f,avx512bw")]
fn equal_512(byte: u8, windows: &[Window], out: &mut [u64]) {
    for (window, out) in windows.iter().zip(out) {
        *out = _mm512_cmpeq_epi8_mask(load_512(window), _mm512_set1_epi8(byte as i8));
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_512(window: &Window) -> __m512i {
    // SAFETY: a window has 64 bytes, and the load wants no alignment.
    unsafe { _mm512_loadu_si512(window.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
fn letters_256(windows: &[Window], out: &mut [u64]) -> bool {
    let mut beyond = 0;
    for (window, out) in windows.iter().zip(out) {
        *out = by_256(window, |bytes| {
            beyond |= _mm256_movemask_epi8(bytes);
            let lower = _mm256_or_si256(bytes, _mm256_set1_epi8(0x20));
            let from_least = _mm256_sub_epi8(lower, _mm256_set1_epi8(TO_LEAST));
            _mm256_cmpgt_epi8(_mm256_set1_epi8(BEYOND_LETTERS), from_least)
        });
    }
    beyond != 0
}

#[target_feature(enable = "avx2")]
fn equal_256(byte: u8, windows: &[Window], out: &mut [u64]) {
    for (window, out) in windows.iter().zip(out) {
        *out = by_256(window, |bytes| _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte as i8)));
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn by_256(window: &Window, mut test: impl FnMut(__m256i) -> __m256i) -> u64 {
    let (halves, _) = window.as_chunks::<32>();
    (0..).zip(halves).fold(0, |mask, (i, half)| {
        // SAFETY: 32 bytes, and the load wants no alignment.
        let bytes = unsafe { _mm256_loadu_si256(half.as_ptr().cast::<__m256i>()) };
        mask | u64::from(_mm256_movemask_epi8(test(bytes)) as u32) << (32 * i)
    })
}

fn letters_128(windows: &[Window], out: &mut [u64]) -> bool {
    let mut beyond = 0;
    for (window, out) in windows.iter().zip(out) {
        *out = by_128(window, |bytes| {
            // SAFETY: every x86-64 has SSE2.
            unsafe {
                beyond |= _mm_movemask_epi8(bytes);
                let lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
                let from_least = _mm_sub_epi8(lower, _mm_set1_epi8(TO_LEAST));
                _mm_cmplt_epi8(from_least, _mm_set1_epi8(BEYOND_LETTERS))
            }
        });
    }
    beyond != 0
}

fn equal_128(byte: u8, windows: &[Window], out: &mut [u64]) {
    for (window, out) in windows.iter().zip(out) {
        // SAFETY: every x86-64 has SSE2.
        *out = by_128(window, |bytes| unsafe { _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte as i8)) });
    }
}

#[inline]
fn by_128(window: &Window, mut test: impl FnMut(__m128i) -> __m128i) -> u64 {
    let (quarters, _) = window.as_chunks::<16>();
    (0..).zip(quarters).fold(0, |mask, (i, quarter)| {
        // SAFETY: 16 bytes, and the load wants no alignment; every x86-64 has SSE2.
        let found = unsafe { _mm_movemask_epi8(test(_mm_loadu_si128(quarter.as_ptr().cast::<__m128i>()))) };
        mask | u64::from(found as u16) << (16 * i)
    })
}
