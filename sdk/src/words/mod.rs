//! Words: maximal runs of alphabetic characters.
//!
//! Sixty-four bytes at a time become sixty-four bits, one where a byte belongs to an alphabetic character; words are
//! then runs of ones. No branch depends on the text but those at the ends of windows.

mod unicode;

use crate::scan::{Kind, Scan, WINDOW};
use std::cell::Cell;

pub(crate) use unicode::other_letters;

/// The words of `bytes`: maximal runs of characters that [`char::is_alphabetic`] accepts, case kept. Bytes that are not
/// UTF-8 separate words.
///
/// ```
/// let found: Vec<_> = gristmill_sdk::words(b"Don't call me \xff\xc3\x89tienne.").collect();
/// assert_eq!(found, ["Don", "t", "call", "me", "Étienne"]);
/// ```
#[inline]
pub fn words(bytes: &[u8]) -> Words<'_> {
    let scan = Scan::new(bytes, Kind::Letters);
    Words { letters: scan.mask(), scan, begun: 0, consumed: None }
}

/// An iterator over words: see [`words`].
#[derive(Debug)]
pub struct Words<'a> {
    scan: Scan<'a>,
    /// One bit for each byte of the current window that belongs to a letter of a word not yet given.
    letters: u64,
    /// Where the last word began.
    begun: usize,
    /// Told of that place in the end.
    consumed: Option<&'a Cell<u64>>,
}

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
            if !self.scan.advance() {
                self.begun = self.scan.bytes().len();
                return None;
            }
            self.letters = self.scan.mask();
        }
        let lowest = self.letters & self.letters.wrapping_neg();
        let start = self.scan.base() + lowest.trailing_zeros() as usize;
        self.begun = start;
        // Adding at the lowest one carries through the run of ones: what is left over lies above it.
        let (above, to_the_end) = self.letters.overflowing_add(lowest);
        let end = if to_the_end {
            self.end_beyond_window()
        } else {
            self.letters &= above;
            self.scan.base() + above.trailing_zeros() as usize
        };
        // SAFETY: a run of letters lies in the bytes and consists of whole characters, each of them checked.
        Some(unsafe { std::str::from_utf8_unchecked(self.scan.bytes().get_unchecked(start..end)) })
    }
}

impl Words<'_> {
    fn end_beyond_window(&mut self) -> usize {
        loop {
            if !self.scan.advance() {
                self.letters = 0;
                return self.scan.bytes().len();
            }
            self.letters = self.scan.mask();
            let run = self.letters.trailing_ones();
            if run < WINDOW as u32 {
                self.letters = self.letters >> run << run;
                return self.scan.base() + run as usize;
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
}
