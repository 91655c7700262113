//! The greatest key so far of the partition that is being written.

use std::cmp::Ordering;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// What of a long key is compared at a time.
const PIECE_BYTES: usize = 64 << 10;

/// A key. Of a long one only the beginning is held, for it is as long as some of the memory that it came from; the rest is in the file.
#[derive(Debug)]
pub(super) struct LastKey {
    front: Vec<u8>,
    front_bytes_max: usize,
    /// Where the file has what is behind the front.
    rest: Range<u64>,
}

impl LastKey {
    /// No key: none comes before it.
    pub(super) fn new(front_bytes_max: usize) -> Self {
        Self { front: Vec::new(), front_bytes_max, rest: 0..0 }
    }

    pub(super) fn clear(&mut self) {
        self.front.clear();
        self.rest = 0..0;
    }

    /// Takes a key. One that is longer than a front lies in the file from `written_at` on.
    pub(super) fn set(&mut self, key: &[u8], written_at: u64) {
        let front = key.get(..self.front_bytes_max).unwrap_or(key);
        self.front.clear();
        self.front.extend_from_slice(front);
        self.rest = written_at + front.len() as u64..written_at + key.len() as u64;
    }

    /// Whether some of it must be read there.
    pub(super) fn is_in_file(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Whether a key would come before it.
    pub(super) fn is_above(&self, key: &[u8], file: &File) -> io::Result<bool> {
        let Some((front, rest)) = key.split_at_checked(self.front.len()) else {
            return Ok(key < self.front.as_slice());
        };
        match front.cmp(&self.front) {
            Ordering::Equal => self.is_rest_above(rest, file),
            order => Ok(order == Ordering::Less),
        }
    }

    fn is_rest_above(&self, mut rest: &[u8], file: &File) -> io::Result<bool> {
        let mut at = self.rest.start;
        let mut piece = Vec::new();
        while at < self.rest.end {
            piece.resize(PIECE_BYTES.min(usize::try_from(self.rest.end - at).unwrap_or(PIECE_BYTES)), 0);
            file.read_exact_at(&mut piece, at)?;
            let Some((beside, behind)) = rest.split_at_checked(piece.len()) else {
                return Ok(rest < piece.as_slice());
            };
            match beside.cmp(&piece) {
                Ordering::Equal => {}
                order => return Ok(order == Ordering::Less),
            }
            (rest, at) = (behind, at + piece.len() as u64);
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_compare_as_if_all_of_it_was_held(
            last in "[ab]{0,9}", key in "[ab]{0,9}", before in "c{0,3}", front_bytes_max in 0_usize..5,
        ) {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(format!("{before}{last}").as_bytes()).unwrap();
            let mut held = LastKey::new(front_bytes_max);
            held.set(last.as_bytes(), before.len() as u64);
            prop_assert_eq!(held.is_above(key.as_bytes(), &file).unwrap(), key < last);
            prop_assert!(held.front.len() <= front_bytes_max);
            held.clear();
            prop_assert!(!held.is_above(key.as_bytes(), &file).unwrap());
        }
    }

    #[test]
    fn a_key_longer_than_a_piece_is_compared_to_its_end() {
        let mut file = tempfile::tempfile().unwrap();
        let last = vec![5; 2 * PIECE_BYTES + 100];
        file.write_all(&last).unwrap();
        let mut held = LastKey::new(10);
        held.set(&last, 0);
        for at in [0, 9, 10, PIECE_BYTES + 10, last.len() - 1] {
            for (byte, comes_before) in [(4, true), (5, false), (6, false)] {
                let mut key = last.clone();
                key[at] = byte;
                assert_eq!(held.is_above(&key, &file).unwrap(), comes_before, "{byte} at {at}");
            }
            assert!(held.is_above(&last[..at], &file).unwrap());
        }
    }
}
