//! Merges sorted segments into one sorted stream.
//!
//! Equal keys come out in the order of the segments, which is the order in which they were emitted: outputs depend on it. Knows
//! nothing of plugins, or of where segments come from.

use std::cmp::Ordering;

use crate::run::{RunError, SegmentReader};

/// The pairs of some segments in key order, by a tree of losers: one comparison a level for each pair.
pub(crate) struct Merge {
    segments: Vec<SegmentReader>,
    /// `losers[n]` lost the game at node `n`; the children of node `n` are `2n` and `2n + 1`, leaf `i` is node `i + segments`.
    losers: Vec<Head>,
    winner: Head,
    /// How often in a row the winner came from the same segment.
    streak: u32,
    /// In a long streak: the best of all others.
    challenger: Head,
}

/// The current key of a segment as far as most comparisons need it, and which segment it is.
///
/// Heads compare as their keys do, equal keys in the order of their segments, unless both keys are long and have the same prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Head {
    /// The first eight bytes of the key, zeros behind a shorter one.
    prefix: u64,
    /// The key's length if it is a part of the prefix, else `LONG`, or `ENDED`; and below it the segment.
    rank: u64,
}

/// Ranks above those of keys that are a part of their prefix.
const LONG: u64 = 9;
const ENDED: u64 = 10;

/// From this length of a streak on the others are not asked one by one.
const STREAK: u32 = 4;

impl Head {
    #[inline]
    fn of(segment: usize, reader: &SegmentReader) -> Self {
        Self { prefix: reader.prefix(), rank: (reader.key_length() as u64).min(LONG) << 32 | segment as u64 }
    }

    fn ended(segment: usize) -> Self {
        Self { prefix: u64::MAX, rank: ENDED << 32 | segment as u64 }
    }

    #[inline]
    fn segment(self) -> usize {
        self.rank as u32 as usize
    }

    #[inline]
    fn is_ended(self) -> bool {
        self.rank >= ENDED << 32
    }

    /// Whether the key goes on behind its prefix.
    #[inline]
    fn is_long(self) -> bool {
        self.rank >> 32 == LONG
    }
}

impl Merge {
    /// At the end, until a partition is selected.
    pub(crate) fn new(segments: Vec<SegmentReader>) -> Self {
        let ended = Head::ended(0);
        Self { segments, losers: Vec::new(), winner: ended, streak: 0, challenger: ended }
    }

    /// Selects the `index`-th partition of each segment and stands at its first pair.
    pub(crate) fn select(&mut self, index: u32) -> Result<(), RunError> {
        self.segments.iter_mut().for_each(|segment| segment.select(index));
        self.play_all()
    }

    /// The current key, or `None` at the end.
    #[inline]
    pub(crate) fn key(&self) -> Option<&[u8]> {
        if self.winner.is_ended() { None } else { self.current().map(SegmentReader::key) }
    }

    /// The length of the current value.
    #[inline]
    pub(crate) fn value_length(&self) -> usize {
        self.current().map_or(0, SegmentReader::value_length)
    }

    /// Reads the current value, if that was put off. Only one long value is held at a time: that of the current pair.
    #[inline]
    pub(crate) fn load(&mut self) -> Result<(), RunError> {
        self.segments.get_mut(self.winner.segment()).map_or(Ok(()), SegmentReader::load)
    }

    /// The value of the current pair, which must be loaded; empty at the end.
    #[inline]
    pub(crate) fn value(&self) -> &[u8] {
        self.current().map(SegmentReader::value).unwrap_or_default()
    }

    /// What is before the value of the current pair as it is encoded; empty at the end.
    #[inline]
    pub(crate) fn lead(&self) -> &[u8] {
        self.current().map(SegmentReader::lead).unwrap_or_default()
    }

    /// Puts the current value behind its length, in place; the current key is lost.
    pub(crate) fn encode_value(&mut self) {
        if let Some(segment) = self.segments.get_mut(self.winner.segment()) {
            segment.encode_value();
        }
    }

    /// The current value behind its length, once it was put there.
    pub(crate) fn encoded_value(&self) -> &[u8] {
        self.current().map(SegmentReader::encoded_value).unwrap_or_default()
    }

    /// What [`stands_at`](Self::stands_at) compares before it looks at the key itself.
    #[inline]
    pub(crate) fn head(&self) -> Head {
        self.winner
    }

    /// Whether the current key is this one, whose head was this.
    #[inline]
    pub(crate) fn stands_at(&self, head: Head, key: &[u8]) -> bool {
        self.winner.prefix == head.prefix
            && self.winner.rank >> 32 == head.rank >> 32
            && !self.winner.is_ended()
            && (!head.is_long() || self.key() == Some(key))
    }

    /// Moves to the next pair.
    #[inline]
    pub(crate) fn advance(&mut self) -> Result<(), RunError> {
        let segment = self.winner.segment();
        let head = self.step(segment)?;
        if self.streak >= STREAK {
            if self.beats(head, self.challenger) {
                self.winner = head;
                return Ok(());
            }
            self.streak = 0;
        }
        self.replay(head);
        if self.winner.segment() == segment {
            self.streak += 1;
            if self.streak == STREAK {
                self.find_challenger();
            }
        } else {
            self.streak = 0;
        }
        Ok(())
    }

    #[inline]
    fn current(&self) -> Option<&SegmentReader> {
        self.segments.get(self.winner.segment())
    }

    #[inline]
    fn step(&mut self, segment: usize) -> Result<Head, RunError> {
        if let Some(reader) = self.segments.get_mut(segment)
            && reader.advance()?
        {
            return Ok(Head::of(segment, reader));
        }
        Ok(Head::ended(segment))
    }

    fn play_all(&mut self) -> Result<(), RunError> {
        let leaves = self.segments.len();
        let mut winners = vec![Head::ended(0); 2 * leaves];
        for segment in 0..leaves {
            winners[leaves + segment] = self.step(segment)?;
        }
        self.losers = vec![Head::ended(0); leaves];
        for node in (1..leaves).rev() {
            let (left, right) = (winners[2 * node], winners[2 * node + 1]);
            let left_wins = self.beats(left, right);
            (winners[node], self.losers[node]) = if left_wins { (left, right) } else { (right, left) };
        }
        self.winner = winners.get(1).copied().unwrap_or(Head::ended(0));
        self.streak = 0;
        Ok(())
    }

    /// A segment has a new head: play its games again up to the root.
    #[inline]
    fn replay(&mut self, head: Head) {
        let mut winner = head;
        let mut node = (head.segment() + self.segments.len()) / 2;
        while node >= 1 {
            let rival = self.losers[node];
            let rival_wins = self.beats(rival, winner);
            // Which of two keys is less cannot be guessed, so this is made to be no branch.
            self.losers[node] = if rival_wins { winner } else { rival };
            winner = if rival_wins { rival } else { winner };
            node /= 2;
        }
        self.winner = winner;
    }

    #[cold]
    fn find_challenger(&mut self) {
        let mut challenger = Head::ended(self.segments.len());
        let mut node = (self.winner.segment() + self.segments.len()) / 2;
        while node >= 1 {
            if self.beats(self.losers[node], challenger) {
                challenger = self.losers[node];
            }
            node /= 2;
        }
        self.challenger = challenger;
    }

    #[inline(always)]
    fn beats(&self, a: Head, b: Head) -> bool {
        if a.prefix == b.prefix && a.is_long() && b.is_long() {
            return self.beats_in_full(a, b);
        }
        (u128::from(a.prefix) << 64 | u128::from(a.rank)) < (u128::from(b.prefix) << 64 | u128::from(b.rank))
    }

    #[inline(never)]
    fn beats_in_full(&self, a: Head, b: Head) -> bool {
        let key = |head: Head| self.segments.get(head.segment()).map(SegmentReader::key);
        key(a).cmp(&key(b)).then(a.rank.cmp(&b.rank)) == Ordering::Less
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::progress::ProgressCell;
    use crate::run::{Choice, Meter, ReadLimits, Run, RunWriter};

    fn segment(pairs: &[(Vec<u8>, Vec<u8>)]) -> SegmentReader {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = RunWriter::create(directory.path(), 1, 60, Choice::measured()).unwrap();
        for (key, value) in pairs {
            writer.pair(0, key, value).unwrap();
        }
        let finished = writer.finish().unwrap();
        let run = Run::open(&finished.file).unwrap();
        // The reader has the file open, so that it may be gone.
        let limits = ReadLimits { window_bytes: 64, block_bytes_max: 1 << 20 };
        SegmentReader::open(run, limits, Meter::Intermediate(ProgressCell::new())).unwrap()
    }

    /// Prefixes that many keys share, and the one of segments that have ended.
    const STARTS: &[&[u8]] = &[b"", &[0; 7], b"prefix__", &[0xff; 8]];

    fn keys() -> impl Strategy<Value = Vec<u8>> {
        let tail = proptest::collection::vec(0_u8..3, 0..4);
        let start = proptest::sample::select(STARTS);
        (start, tail).prop_map(|(start, tail)| [start, &tail].concat())
    }

    proptest! {
        #[test]
        fn pairs_come_in_the_order_of_keys_and_then_of_segments(
            segments in proptest::collection::vec(proptest::collection::vec(keys(), 0..30), 0..9)
        ) {
            let numbered = |(segment, mut keys): (usize, Vec<Vec<u8>>)| -> Vec<(Vec<u8>, Vec<u8>)> {
                keys.sort();
                keys.into_iter().enumerate().map(|(at, key)| (key, vec![segment as u8, at as u8])).collect()
            };
            let segments: Vec<_> = segments.into_iter().enumerate().map(numbered).collect();
            let mut expected = segments.concat();
            expected.sort_by(|a, b| a.0.cmp(&b.0));
            let mut merge = Merge::new(segments.iter().map(|pairs| segment(pairs)).collect());
            merge.select(0).unwrap();
            let mut merged: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
            let mut head = merge.head();
            while let Some(key) = merge.key() {
                if let Some((last, _)) = merged.last() {
                    prop_assert_eq!(merge.stands_at(head, last), last == key);
                }
                let key = key.to_vec();
                merge.load().unwrap();
                merged.push((key, merge.value().to_vec()));
                head = merge.head();
                merge.advance().unwrap();
            }
            prop_assert_eq!(merged, expected);
        }
    }
}
