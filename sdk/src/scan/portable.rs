//! Eight bytes at a time in an ordinary register.

use super::{Level, Window};

pub(super) const LEVEL: Level = Level { name: "portable", letters, equal };

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x80 * ONES;

fn letters(windows: &[Window], out: &mut [u64]) -> bool {
    let mut beyond = false;
    for (window, out) in windows.iter().zip(out) {
        *out = mask(window, ascii_letters);
        beyond |= !window.is_ascii();
    }
    beyond
}

fn equal(byte: u8, windows: &[Window], out: &mut [u64]) {
    for (window, out) in windows.iter().zip(out) {
        *out = mask(window, |eight| zeros(eight ^ (u64::from(byte) * ONES)));
    }
}

/// One bit for each byte that is no ASCII.
pub(crate) fn beyond_ascii(window: &Window) -> u64 {
    mask(window, |eight| eight & HIGHS)
}

/// Brings the high bits of the bytes that `highs` gives for eight bytes at a time together.
fn mask(window: &Window, highs: impl Fn(u64) -> u64) -> u64 {
    let (eights, _) = window.as_chunks::<8>();
    let gather = |high: u64| (high >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    (0..).zip(eights).fold(0, |mask, (i, &eight)| mask | gather(highs(u64::from_le_bytes(eight))) << (8 * i))
}

/// High bits of the bytes that are ASCII letters.
fn ascii_letters(eight: u64) -> u64 {
    // Without their high bits no sum carries into the next byte.
    let lower = (eight & !HIGHS) | (0x20 * ONES);
    let from_a = lower + (0x80 - u64::from(b'a')) * ONES;
    let beyond_z = lower + (0x80 - u64::from(b'z') - 1) * ONES;
    from_a & !beyond_z & !eight & HIGHS
}

/// High bits of the bytes that are zero.
fn zeros(eight: u64) -> u64 {
    let low = (eight & !HIGHS) + !HIGHS;
    !(low | eight) & HIGHS
}
