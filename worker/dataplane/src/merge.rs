//! Merges sorted segments into one sorted stream.
//!
//! Equal keys come out in the order of the segments, which is the order in which they were emitted: outputs depend on it. Knows
//! nothing of plugins, or of where segments come from.

use std::cmp::Ordering;

use crate::run::{RunError, SegmentReader};

/// The pairs of some segments in key order, by a tree of losers: one comparison a level for each pair.
pub(crate) struct Merge {
    segments: Vec<SegmentReader>,
    heads: Vec<Head>,
    /// `losers[n]` lost the game at node `n`; the children of node `n` are `2n` and `2n + 1`, leaf `i` is node `i + segments`.
    losers: Vec<usize>,
    winner: usize,
}

/// The current key of a segment, as far as most comparisons need it.
#[derive(Clone, Copy)]
struct Head {
    ended: bool,
    /// The first eight bytes of the key, zeros behind a shorter one.
    prefix: u64,
}

fn prefix(key: &[u8]) -> u64 {
    if let Some(first) = key.first_chunk() {
        return u64::from_be_bytes(*first);
    }
    let shorter = key.iter().fold(0, |prefix, &byte| prefix << 8 | u64::from(byte));
    shorter.checked_shl(64 - 8 * key.len() as u32).unwrap_or(0)
}

impl Merge {
    /// At the end, until a partition is selected.
    pub(crate) fn new(segments: Vec<SegmentReader>) -> Self {
        Self { segments, heads: Vec::new(), losers: Vec::new(), winner: 0 }
    }

    /// Selects the `index`-th partition of each segment and stands at its first pair.
    pub(crate) fn select(&mut self, index: u32) -> Result<(), RunError> {
        self.segments.iter_mut().for_each(|segment| segment.select(index));
        self.heads = vec![Head { ended: true, prefix: 0 }; self.segments.len()];
        for segment in 0..self.segments.len() {
            self.step(segment)?;
        }
        self.play_all();
        Ok(())
    }

    /// The current key, or `None` at the end.
    pub(crate) fn key(&self) -> Option<&[u8]> {
        match self.heads.get(self.winner) {
            Some(head) if !head.ended => self.segments.get(self.winner).map(SegmentReader::key),
            _ => None,
        }
    }

    /// The value of the current pair; empty at the end.
    pub(crate) fn value(&self) -> &[u8] {
        self.segments.get(self.winner).map(SegmentReader::value).unwrap_or_default()
    }

    /// Moves to the next pair.
    pub(crate) fn advance(&mut self) -> Result<(), RunError> {
        self.step(self.winner)?;
        self.replay();
        Ok(())
    }

    fn step(&mut self, segment: usize) -> Result<(), RunError> {
        if let (Some(reader), Some(head)) = (self.segments.get_mut(segment), self.heads.get_mut(segment)) {
            let ended = !reader.advance()?;
            *head = Head { ended, prefix: prefix(reader.key()) };
        }
        Ok(())
    }

    fn play_all(&mut self) {
        let leaves = self.segments.len();
        self.losers = vec![0; leaves];
        let mut winners: Vec<usize> = (0..2 * leaves).map(|node| node.saturating_sub(leaves)).collect();
        for node in (1..leaves).rev() {
            let (left, right) = (winners[2 * node], winners[2 * node + 1]);
            let left_wins = self.beats(left, right);
            (winners[node], self.losers[node]) = if left_wins { (left, right) } else { (right, left) };
        }
        self.winner = if leaves > 1 { winners[1] } else { 0 };
    }

    /// The last winner has a new pair: play its games again up to the root.
    fn replay(&mut self) {
        let mut winner = self.winner;
        let mut node = (winner + self.segments.len()) / 2;
        while node >= 1 {
            let rival = self.losers[node];
            if self.beats(rival, winner) {
                self.losers[node] = winner;
                winner = rival;
            }
            node /= 2;
        }
        self.winner = winner;
    }

    fn beats(&self, a: usize, b: usize) -> bool {
        let (head_a, head_b) = (self.heads[a], self.heads[b]);
        let order = head_a.ended.cmp(&head_b.ended).then(head_a.prefix.cmp(&head_b.prefix));
        let order = match order {
            Ordering::Equal => self.segments[a].key().cmp(self.segments[b].key()).then(a.cmp(&b)),
            decided => decided,
        };
        order == Ordering::Less
    }
}
