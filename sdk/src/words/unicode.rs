//! Letters beyond ASCII, told character by character.

use crate::scan::{WINDOW, Window, beyond_ascii};

/// One bit for each of the 64 bytes from `base` on that belongs to an alphabetic character beyond ASCII.
pub(crate) fn other_letters(bytes: &[u8], base: usize) -> u64 {
    let end = bytes.len().min(base + WINDOW);
    let mut window: Window = [0; WINDOW];
    window[..end - base].copy_from_slice(&bytes[base..end]);
    let mut left = beyond_ascii(&window);
    let mut letters = 0;
    let mut at = first_character(bytes, base);
    while left != 0 {
        if at >= base {
            at = base + left.trailing_zeros() as usize;
        }
        let (alphabetic, length) = character(&bytes[at..]);
        let own = places(at.max(base) - base, (at + length).min(end) - base);
        left &= !own;
        if alphabetic {
            letters |= own;
        }
        at += length;
    }
    letters
}

/// The bits from `from` to before `to`, which is above it and at most 64.
fn places(from: usize, to: usize) -> u64 {
    (u64::MAX >> (WINDOW - to)) & (u64::MAX << from)
}

/// Where the character begins that the byte at `base` is part of; `base` if it is part of none.
fn first_character(bytes: &[u8], base: usize) -> usize {
    (base.saturating_sub(3)..base)
        .find(|&start| bytes[start] >= 0xc0 && character(&bytes[start..]).1 > base - start)
        .unwrap_or(base)
}

/// Whether a character, and an alphabetic one, stands at the front, and how many bytes it takes; one if there is none.
fn character(bytes: &[u8]) -> (bool, usize) {
    let length = match bytes[0] {
        byte @ 0..0x80 => return (byte.is_ascii_alphabetic(), 1),
        0xc2..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0..0xf5 => 4,
        _ => return (false, 1),
    };
    let text = bytes.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok());
    match text.and_then(|text| text.chars().next()) {
        Some(character) => (character.is_alphabetic(), length),
        None => (false, 1),
    }
}
