//! Keeps the first and the last of what an attempt prints, whatever the amount.

use std::collections::VecDeque;

use gristmill_protocol::limits::LOG_BYTES_MAX;

/// Room for the note that stands for the middle.
const NOTE_BYTES: usize = 64;
const HALF: usize = (LOG_BYTES_MAX - NOTE_BYTES) / 2;

/// What was printed: at most [`LOG_BYTES_MAX`] bytes of it.
#[derive(Debug, Default)]
pub(crate) struct BoundedLog {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: u64,
}

impl BoundedLog {
    /// Some more output.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let (first, rest) = bytes.split_at(bytes.len().min(HALF - self.head.len()));
        self.head.extend_from_slice(first);
        let skipped = rest.len().saturating_sub(HALF);
        let rest = &rest[skipped..];
        let pushed_out = (self.tail.len() + rest.len()).saturating_sub(HALF);
        self.tail.drain(..pushed_out);
        self.tail.extend(rest);
        self.left_out += (skipped + pushed_out) as u64;
    }

    /// All that was kept, and begins anew.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let Self { head: mut text, tail, left_out } = std::mem::take(self);
        if left_out > 0 {
            text.extend_from_slice(format!("\n[... {left_out} bytes left out ...]\n").as_bytes());
        }
        text.extend(tail);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn logged(pieces: &[Vec<u8>]) -> Vec<u8> {
        let mut log = BoundedLog::default();
        pieces.iter().for_each(|piece| log.push(piece));
        log.take()
    }

    proptest! {
        #[test]
        fn a_log_is_whole_or_its_first_and_last_half_with_the_count_of_the_rest(
            lengths in prop::collection::vec(0usize..20_000, 0..8)
        ) {
            let mut next = 0u32;
            let pieces: Vec<Vec<u8>> = lengths.iter().map(|&n| (0..n).map(|_| { next += 1; (next % 251) as u8 }).collect()).collect();
            let all = pieces.concat();
            let kept = logged(&pieces);
            prop_assert!(kept.len() <= LOG_BYTES_MAX);
            if all.len() <= 2 * HALF {
                prop_assert_eq!(kept, all);
            } else {
                let note = format!("\n[... {} bytes left out ...]\n", all.len() - 2 * HALF);
                let expected = [&all[..HALF], note.as_bytes(), &all[all.len() - HALF..]].concat();
                prop_assert_eq!(kept, expected);
            }
        }
    }

    #[test]
    fn the_note_fits_its_room() {
        assert!(format!("\n[... {} bytes left out ...]\n", u64::MAX).len() <= NOTE_BYTES);
    }

    #[test]
    fn a_taken_log_begins_anew() {
        let mut log = BoundedLog::default();
        log.push(b"one");
        assert_eq!(log.take(), b"one");
        log.push(b"two");
        assert_eq!(log.take(), b"two");
    }
}
