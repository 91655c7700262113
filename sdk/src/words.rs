//! Words: maximal runs of alphabetic characters.
//!
//! Sixty-four bytes at a time become sixty-four bits, one where a byte belongs to an alphabetic character; words are
//! then runs of ones. For plain ASCII that takes a few instructions for eight bytes and no branch that depends on the text.

use std::cell::Cell;

/// The words of `bytes`: maximal runs of characters that [`char::is_alphabetic`] accepts, case kept. Bytes that are not
/// UTF-8 separate words.
///
/// ```
/// let found: Vec<_> = gristmill_sdk::words(b"Don't call me \xff\xc3\x89tienne.").collect();
/// assert_eq!(found, ["Don", "t", "call", "me", "Étienne"]);
/// ```
pub fn words(bytes: &[u8]) -> Words<'_> {
    Words { bytes, base: 0, letters: letters(bytes, 0), begun: 0, consumed: None }
}

/// An iterator over words: see [`words`].
#[derive(Debug)]
pub struct Words<'a> {
    bytes: &'a [u8],
    /// Where the current window of 64 bytes begins.
    base: usize,
    /// One bit for each byte of the window that belongs to a letter of a word not yet given.
    letters: u64,
    /// Where the last word began.
    begun: usize,
    /// Told of that place in the end.
    consumed: Option<&'a Cell<u64>>,
}

const WINDOW: usize = 64;

impl<'a> Words<'a> {
    /// Tells `consumed` where the last word began when the iterator is dropped.
    pub(crate) fn placing(mut self, consumed: &'a Cell<u64>) -> Self {
        self.consumed = Some(consumed);
        self
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    #[inline]
    fn next(&mut self) -> Option<&'a str> {
        while self.letters == 0 {
            if self.base + WINDOW >= self.bytes.len() {
                self.begun = self.bytes.len();
                return None;
            }
            self.base += WINDOW;
            self.letters = letters(self.bytes, self.base);
        }
        let first = self.letters.trailing_zeros() as usize;
        let start = self.base + first;
        self.begun = start;
        // Adding at the lowest one carries through the run of ones: what is left over lies above it.
        let (above, to_the_end) = self.letters.overflowing_add(1 << first);
        let end = if to_the_end {
            self.end_beyond_window()
        } else {
            let end = self.base + above.trailing_zeros() as usize;
            self.letters &= above;
            end
        };
        // SAFETY: a run of letters consists of whole characters, each of them checked.
        Some(unsafe { std::str::from_utf8_unchecked(&self.bytes[start..end]) })
    }
}

impl Words<'_> {
    #[inline]
    fn end_beyond_window(&mut self) -> usize {
        loop {
            self.base += WINDOW;
            if self.base >= self.bytes.len() {
                self.letters = 0;
                return self.bytes.len();
            }
            self.letters = letters(self.bytes, self.base);
            let run = self.letters.trailing_ones();
            if run < u64::BITS {
                self.letters = self.letters >> run << run;
                return self.base + run as usize;
            }
        }
    }
}

impl Drop for Words<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(consumed) = self.consumed {
            consumed.set(self.begun as u64);
        }
    }
}

/// One bit for each of the 64 bytes from `base` on that belongs to an alphabetic character.
#[inline]
fn letters(bytes: &[u8], base: usize) -> u64 {
    match bytes.get(base..).and_then(<[u8]>::first_chunk::<WINDOW>) {
        Some(window) if window.is_ascii() => ascii_letters(window),
        _ => mixed_letters(bytes, base),
    }
}

#[inline]
fn ascii_letters(window: &[u8; WINDOW]) -> u64 {
    let (words, _) = window.as_chunks::<8>();
    let mut bits = 0;
    for (i, &word) in words.iter().enumerate() {
        bits |= eight_ascii_letters(u64::from_le_bytes(word)) << (8 * i);
    }
    bits
}

/// One bit for each of eight ASCII bytes that is a letter.
#[inline]
fn eight_ascii_letters(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x80 * ONES;
    // No byte is above 0x7f, so no sum carries into the next one.
    let lower = word | (0x20 * ONES);
    let from_a = lower + (0x80 - b'a' as u64) * ONES;
    let beyond_z = lower + (0x80 - b'z' as u64 - 1) * ONES;
    let high = from_a & !beyond_z & HIGHS;
    // Brings the eight high bits together in the top byte.
    (high >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

#[cold]
fn mixed_letters(bytes: &[u8], base: usize) -> u64 {
    let end = bytes.len().min(base + WINDOW);
    let mut bits = 0;
    let mut at = first_character(bytes, base);
    while at < end {
        let (alphabetic, length) = character(&bytes[at..]);
        if alphabetic {
            for place in at.max(base)..(at + length).min(end) {
                bits |= 1 << (place - base);
            }
        }
        at += length;
    }
    bits
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by_definition(bytes: &[u8]) -> Vec<&str> {
        let texts = bytes.utf8_chunks().map(|chunk| chunk.valid());
        texts
            .flat_map(|text| text.split(|c: char| !c.is_alphabetic()))
            .filter(|word| !word.is_empty())
            .collect()
    }

    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => "[a-zA-Z]{1,9}".prop_map(String::into_bytes),
            2 => "[ \n.,'@\\[`{\u{0}\u{7f}]{1,3}".prop_map(String::into_bytes),
            1 => "[éßЖ中\u{301}٣𝒳—]{1,4}".prop_map(String::into_bytes),
            1 => proptest::collection::vec(any::<u8>(), 1..5),
            1 => "[a-z]{60,70}".prop_map(String::into_bytes),
        ];
        proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn words_are_as_defined_in_any_text(bytes in pieces()) {
            prop_assert_eq!(words(&bytes).collect::<Vec<_>>(), by_definition(&bytes));
        }

        #[test]
        fn words_are_as_defined_in_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(words(&bytes).collect::<Vec<_>>(), by_definition(&bytes));
        }

        #[test]
        fn words_are_as_defined_at_the_edges_of_windows(
            letters in 50_usize..80, tail in "[é𝒳a—]{0,30}", cut in 0_usize..4,
        ) {
            let mut bytes = [vec![b'a'; letters], tail.into_bytes()].concat();
            bytes.truncate(bytes.len() - cut);
            prop_assert_eq!(words(&bytes).collect::<Vec<_>>(), by_definition(&bytes));
        }
    }

    #[test]
    fn every_ascii_byte_is_told_right() {
        for byte in 0..0x80_u8 {
            let window = [byte; WINDOW];
            let expected = if byte.is_ascii_alphabetic() { u64::MAX } else { 0 };
            assert_eq!(ascii_letters(&window), expected, "{byte:#04x}");
        }
    }
}
