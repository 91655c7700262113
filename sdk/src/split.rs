//! The block of input that map is given, and ways to cut it up.

use crate::scan::Places;
use crate::words::{Words, words};
use crate::{Error, Result};
use std::borrow::Cow;
use std::cell::Cell;

/// A block of one document.
///
/// For [`Input::Text`](crate::Input::Text) it holds whole lines, for [`Input::Records`](crate::Input::Records) whole
/// records, for [`Input::File`](crate::Input::File) the whole document. The iterators remember how far they
/// came, so that an error or a panic is reported with the offset of the line, word or record it came from.
#[derive(Debug)]
pub struct Split<'a> {
    pub(crate) document: &'a [u8],
    pub(crate) bytes: &'a [u8],
    pub(crate) offset: u64,
    pub(crate) record_bytes: usize,
    pub(crate) consumed: &'a Cell<u64>,
}

impl<'a> Split<'a> {
    /// The document's name as the user gave it, which need not be text.
    #[inline]
    pub fn document(&self) -> &'a [u8] {
        self.document
    }

    /// The document's name as text for people: what is not UTF-8 is replaced.
    pub fn document_lossy(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.document)
    }

    /// The bytes.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Where the block begins in the document, in bytes (of the decompressed document, if it was compressed).
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The bytes as text.
    ///
    /// # Errors
    /// When they are not UTF-8; the error tells where.
    pub fn text(&self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes).map_err(|error| {
            let valid = error.valid_up_to();
            let at = self.offset.saturating_add(valid as u64);
            Error::new(format_args!("the document is not UTF-8 at byte {at}")).at(valid)
        })
    }

    /// The lines without their `\n`. Nothing else is taken off: a `\r` before it belongs to the line. The last line of
    /// a document need not end in `\n`.
    pub fn lines(&self) -> Lines<'a> {
        Lines { ends: Places::new(b'\n', self.bytes), begun: 0, next: 0, consumed: self.consumed }
    }

    /// The words: see [`words`].
    #[inline]
    pub fn words(&self) -> Words<'a> {
        words(self.bytes).placing(self.consumed)
    }

    /// The records of [`Input::Records`](crate::Input::Records), all of that size. For any other input, the whole block.
    pub fn records(&self) -> Records<'a> {
        let record_bytes = if self.record_bytes == 0 { self.bytes.len() } else { self.record_bytes };
        Records { bytes: self.bytes, record_bytes, begun: 0, next: 0, consumed: self.consumed }
    }
}

/// An iterator over lines: see [`Split::lines`].
#[derive(Debug)]
pub struct Lines<'a> {
    ends: Places<'a>,
    begun: usize,
    next: usize,
    consumed: &'a Cell<u64>,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.begun = self.next;
        let bytes = self.ends.bytes();
        match self.ends.next() {
            Some(end) => {
                self.next = end + 1;
                bytes.get(self.begun..end)
            }
            None => {
                self.next = bytes.len();
                bytes.get(self.begun..).filter(|last| !last.is_empty())
            }
        }
    }
}

impl Drop for Lines<'_> {
    fn drop(&mut self) {
        self.consumed.set(self.begun as u64);
    }
}

/// An iterator over records: see [`Split::records`].
#[derive(Debug)]
pub struct Records<'a> {
    bytes: &'a [u8],
    record_bytes: usize,
    begun: usize,
    next: usize,
    consumed: &'a Cell<u64>,
}

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.begun = self.next;
        let rest = &self.bytes[self.next..];
        if rest.is_empty() {
            return None;
        }
        let length = self.record_bytes.min(rest.len());
        self.next += length;
        Some(&rest[..length])
    }
}

impl Drop for Records<'_> {
    fn drop(&mut self) {
        self.consumed.set(self.begun as u64);
    }
}

/// The fields of a line, cut at each `delimiter`. There is no quoting; an empty line has one empty field.
///
/// ```
/// let found: Vec<_> = gristmill_sdk::fields(b"7,,Ishmael", b',').collect();
/// assert_eq!(found, [b"7".as_slice(), b"", b"Ishmael"]);
/// ```
#[inline]
pub fn fields(line: &[u8], delimiter: u8) -> Fields<'_> {
    Fields { delimiters: Places::new(delimiter, line), next: Some(0) }
}

/// An iterator over fields: see [`fields`].
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    delimiters: Places<'a>,
    /// Where the next field begins; `None` after the last one.
    next: Option<usize>,
}

impl<'a> Iterator for Fields<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let begin = self.next?;
        let line = self.delimiters.bytes();
        let end = self.delimiters.next();
        self.next = end.map(|end| end + 1);
        line.get(begin..end.unwrap_or(line.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split<'a>(bytes: &'a [u8], consumed: &'a Cell<u64>) -> Split<'a> {
        Split { document: b"doc", bytes, offset: 1000, record_bytes: 4, consumed }
    }

    proptest! {
        #[test]
        fn lines_and_newlines_make_up_the_bytes(text in "([a-z\r]{0,40}\n{0,2}){0,9}") {
            let consumed = Cell::new(u64::MAX);
            let mut joined = split(text.as_bytes(), &consumed).lines().collect::<Vec<_>>().join(&b'\n');
            if text.ends_with('\n') {
                joined.push(b'\n');
            }
            prop_assert_eq!(joined, text.as_bytes());
            prop_assert_eq!(consumed.get(), text.len() as u64);
        }

        #[test]
        fn lines_and_fields_are_as_defined(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b','), any::<u8>()], 0..300),
        ) {
            let consumed = Cell::new(u64::MAX);
            let mut expected: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
            expected.pop_if(|last| last.is_empty());
            prop_assert_eq!(split(&bytes, &consumed).lines().collect::<Vec<_>>(), expected);
            let expected: Vec<&[u8]> = bytes.split(|&byte| byte == b',').collect();
            prop_assert_eq!(fields(&bytes, b',').collect::<Vec<_>>(), expected);
        }

        #[test]
        fn records_make_up_the_bytes(count in 0_usize..20) {
            let (bytes, consumed) = (vec![7; 4 * count], Cell::new(u64::MAX));
            let split = split(&bytes, &consumed);
            prop_assert!(split.records().all(|record| record == [7; 4]));
            prop_assert_eq!(split.records().count(), count);
        }
    }

    #[test]
    fn an_iterator_left_early_tells_where_its_last_item_began() {
        let consumed = Cell::new(u64::MAX);
        let split = split(b"one two\nthree\nfour", &consumed);
        assert_eq!(split.lines().nth(1), Some(b"three".as_slice()));
        assert_eq!(consumed.get(), 8);
        assert_eq!(split.words().nth(1), Some("two"));
        assert_eq!(consumed.get(), 4);
        assert_eq!(split.records().nth(2), Some(b"thre".as_slice()));
        assert_eq!(consumed.get(), 8);
    }

    #[test]
    fn text_that_is_not_utf8_is_an_error_with_its_place() {
        let consumed = Cell::new(u64::MAX);
        let error = split(b"abc\xff", &consumed).text().unwrap_err();
        assert_eq!(error.to_string(), "the document is not UTF-8 at byte 1003");
        assert_eq!(error.consumed(), Some(3));
    }
}
