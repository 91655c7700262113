//! Masks by the vector instructions of 64-bit ARM, all of which have NEON.

use std::arch::aarch64::{
    uint8x16_t, vandq_u8, vceqq_u8, vcltq_u8, vdupq_n_u8, vgetq_lane_u64, vld1q_u8, vmaxvq_u8, vorrq_u8,
    vpaddq_u8, vreinterpretq_u64_u8, vsubq_u8,
};

use super::{Level, Window};

pub(super) const LEVEL: Level = Level { name: "neon", letters, equal };

#[target_feature(enable = "neon")]
fn letters(windows: &[Window], out: &mut [u64]) -> bool {
    let mut greatest = 0;
    for (window, out) in windows.iter().zip(out) {
        *out = mask(window, |bytes| {
            greatest = vmaxvq_u8(bytes).max(greatest);
            let lower = vorrq_u8(bytes, vdupq_n_u8(0x20));
            vcltq_u8(vsubq_u8(lower, vdupq_n_u8(b'a')), vdupq_n_u8(26))
        });
    }
    greatest >= 0x80
}

#[target_feature(enable = "neon")]
fn equal(byte: u8, windows: &[Window], out: &mut [u64]) {
    for (window, out) in windows.iter().zip(out) {
        *out = mask(window, |bytes| vceqq_u8(bytes, vdupq_n_u8(byte)));
    }
}

/// Each byte keeps the bit of its place among eight; three rounds of adding neighbours bring them together.
#[inline]
#[target_feature(enable = "neon")]
fn mask(window: &Window, mut test: impl FnMut(uint8x16_t) -> uint8x16_t) -> u64 {
    const PLACES: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];
    // SAFETY: sixteen bytes each.
    let load = |bytes: &[u8; 16]| unsafe { vld1q_u8(bytes.as_ptr()) };
    let (quarters, _) = window.as_chunks::<16>();
    let mut bits = |quarter: usize| vandq_u8(test(load(&quarters[quarter])), load(&PLACES));
    let (first, second, third, fourth) = (bits(0), bits(1), bits(2), bits(3));
    let paired = vpaddq_u8(vpaddq_u8(first, second), vpaddq_u8(third, fourth));
    vgetq_lane_u64::<0>(vreinterpretq_u64_u8(vpaddq_u8(paired, paired)))
}
