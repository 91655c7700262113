//! Has every write end where a page of the file ends: a page that is written in two parts is looked for twice, and two writes of it to the
//! disk may come of that.

use std::io::{self, ErrorKind, IoSlice, Write};

/// What systems keep files in, or a divisor of it.
const PAGE_BYTES: u64 = 4096;

/// Writes to the end of a file, but for less than a page that waits for more.
#[derive(Debug, Default)]
pub(super) struct Pages {
    /// Bytes that the file has.
    written: u64,
    /// What comes behind them.
    waiting: Vec<u8>,
}

impl Pages {
    /// Writes as many whole pages as there are now.
    pub(super) fn write(&mut self, file: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
        let end = self.written + (self.waiting.len() + bytes.len()) as u64;
        let page_end = end - end % PAGE_BYTES;
        // What waits does not reach to the end of its page.
        let later = ((end - page_end) as usize).min(bytes.len());
        let (now, later) = bytes.split_at(bytes.len() - later);
        if page_end > self.written {
            write_both(file, &self.waiting, now)?;
            self.waiting.clear();
            self.written = page_end;
        }
        self.waiting.extend_from_slice(later);
        Ok(())
    }

    /// Writes what waits.
    pub(super) fn settle(&mut self, file: &mut impl Write) -> io::Result<()> {
        file.write_all(&self.waiting)?;
        self.written += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }
}

/// In one call, if the system takes it all.
fn write_both(file: &mut impl Write, first: &[u8], second: &[u8]) -> io::Result<()> {
    let mut parts = [IoSlice::new(first), IoSlice::new(second)];
    let mut left = &mut parts[..];
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        match file.write_vectored(left) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut left, written),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A file that takes no more than so many bytes at once.
    struct File {
        content: Vec<u8>,
        ends: Vec<usize>,
        bytes_max: usize,
    }

    impl Write for File {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.bytes_max);
            self.content.extend_from_slice(&bytes[..taken]);
            self.ends.push(self.content.len());
            Ok(taken)
        }

        fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
            let before = self.content.len();
            for part in parts {
                let room = self.bytes_max - (self.content.len() - before);
                self.content.extend_from_slice(&part[..part.len().min(room)]);
            }
            self.ends.push(self.content.len());
            Ok(self.content.len() - before)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(pieces: &[(usize, bool)], bytes_max: usize) -> (File, Vec<u8>, Vec<usize>) {
        let mut file = File { content: Vec::new(), ends: Vec::new(), bytes_max };
        let (mut pages, mut expected, mut settled) = (Pages::default(), Vec::new(), Vec::new());
        for (number, &(bytes, settles)) in pieces.iter().enumerate() {
            let piece = vec![number as u8; bytes];
            pages.write(&mut file, &piece).unwrap();
            expected.extend_from_slice(&piece);
            assert!(expected.len() - file.content.len() < PAGE_BYTES as usize, "more than a page waits");
            if settles {
                pages.settle(&mut file).unwrap();
                assert_eq!(file.content.len(), expected.len());
                settled.push(expected.len());
            }
        }
        pages.settle(&mut file).unwrap();
        settled.push(expected.len());
        (file, expected, settled)
    }

    fn pieces() -> impl Strategy<Value = Vec<(usize, bool)>> {
        let bytes = prop_oneof![0_usize..10, 4_000_usize..4_200, 0_usize..20_000, Just(4096)];
        proptest::collection::vec((bytes, proptest::bool::weighted(0.1)), 0..30)
    }

    proptest! {
        #[test]
        fn every_byte_is_written_once_and_every_write_ends_with_a_page(pieces in pieces()) {
            let (file, expected, settled) = written(&pieces, usize::MAX);
            prop_assert!(file.content == expected);
            for end in file.ends {
                prop_assert!(end % PAGE_BYTES as usize == 0 || settled.contains(&end), "{end}");
            }
        }

        #[test]
        fn a_file_that_takes_little_at_once_gets_all_of_it(pieces in pieces(), bytes_max in 1_usize..5_000) {
            let (file, expected, _) = written(&pieces, bytes_max);
            prop_assert!(file.content == expected);
        }
    }

    #[test]
    fn a_file_that_takes_nothing_is_an_error() {
        let mut file = File { content: Vec::new(), ends: Vec::new(), bytes_max: 0 };
        let error = Pages::default().write(&mut file, &[0; 5_000]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WriteZero);
    }
}
