//! The collector inside a plugin: knows the type of values, folds them as they come while that pays.
//!
//! Hashing keys that hardly ever repeat costs more than writing them down. So the table is watched in windows, and given
//! up for the log while nearly all keys are new; each sorted run of the log then shows how often keys really repeat, and brings the
//! table back.

use super::batch::{BATCH_PAIRS, Batch};
use super::log::{PairLog, SortedPair};
use super::table::{Folded, Table, TinyBatch, Word};
use super::{KEY_BYTES_MAX, KeyTooLong, RUN_BUFFER_BYTES, RunBuffer, RunSink, memory_of};
use crate::{Codec, DecodeError, Encode, Reader};

/// The usual window: few enough that little is lost before combining is given up.
const WINDOW: usize = 128 * BATCH_PAIRS;

/// Combining pays unless more than seven of eight keys are new: a pair that is folded saves its sorting, writing and
/// merging, and these cost several times what a probe costs.
fn pays(distinct: usize, pairs: usize) -> bool {
    distinct <= pairs / 8 * 7
}

pub(crate) struct TypedCollector<V> {
    /// Pairs on their way into the table: those of tiny keys, and the others. Pairs of one key are all in the same of the two.
    tiny: TinyBatch<V>,
    batch: Batch<V>,
    table: Table<V>,
    log: PairLog,
    buffer: RunBuffer,
    scratch: Vec<u8>,
    /// What the log, or the table, may take.
    memory_bytes: usize,
    /// Pairs go to the table, not to the log.
    hashing: bool,
    /// A whole run has shown that combining pays; single windows no longer count.
    proven: bool,
    /// How many pairs come between two looks at whether combining pays.
    window: usize,
    /// Pairs until the window ends.
    window_left: usize,
    /// Keys in the table when the window began.
    window_keys: usize,
    /// Pairs of the current run that went to the table.
    run_pairs: usize,
    /// Runs handed over so far.
    runs: usize,
}

impl<V: Codec> TypedCollector<V> {
    pub(crate) fn new(memory_bytes: u64) -> Self {
        Self::with_window(memory_bytes, WINDOW)
    }

    /// One that takes so many pairs between two looks at whether combining pays.
    pub(crate) fn with_window(memory_bytes: u64, window: usize) -> Self {
        let memory_bytes = memory_of(memory_bytes);
        Self {
            tiny: TinyBatch::new(),
            batch: Batch::new(),
            table: Table::new(memory_bytes),
            log: PairLog::new(memory_bytes),
            buffer: RunBuffer::default(),
            scratch: Vec::new(),
            memory_bytes,
            hashing: true,
            proven: false,
            window,
            window_left: window,
            window_keys: 0,
            run_pairs: 0,
            runs: 0,
        }
    }

    /// Takes a pair whose value is folded into that of an equal key, now or when the run is handed over.
    #[inline(always)]
    pub(crate) fn fold<S>(
        &mut self,
        key: &[u8],
        value: V,
        combine: impl Fn(&mut V, V) + Copy,
        sink: &mut S,
    ) -> Result<(), S::Error>
    where
        S: RunSink<Error: From<DecodeError>>,
    {
        if !self.hashing && self.log(key, &value, Some(combine), sink)? {
            return Ok(());
        }
        let is_full = match Word::of(key) {
            Some(word) => self.gather_tiny(word, value),
            None if key.len() > KEY_BYTES_MAX => return Err(KeyTooLong { bytes: key.len() }.into()),
            None => self.gather_wide(key, value),
        };
        if is_full { self.fold_batches(combine, sink) } else { Ok(()) }
    }

    /// Puts a pair into a batch; says whether that is now full.
    #[inline(always)]
    fn gather_tiny(&mut self, word: Word, value: V) -> bool {
        let hash = self.table.announce_tiny(word);
        let heap_bytes = if std::mem::needs_drop::<V>() { value.heap_bytes() } else { 0 };
        self.tiny.push(word, hash, value, heap_bytes)
    }

    #[inline(never)]
    fn gather_wide(&mut self, key: &[u8], value: V) -> bool {
        let (front, tag) = self.table.announce(key);
        let heap_bytes = if std::mem::needs_drop::<V>() { value.heap_bytes() } else { 0 };
        self.batch.push(front, tag, key, value, heap_bytes)
    }

    /// Folds the pairs that wait for it: what goes wrong then is still told as of the input that emitted them.
    pub(crate) fn settle<S>(
        &mut self,
        combine: impl Fn(&mut V, V) + Copy,
        sink: &mut S,
    ) -> Result<(), S::Error>
    where
        S: RunSink<Error: From<DecodeError>>,
    {
        if self.tiny.is_empty() && self.batch.is_empty() { Ok(()) } else { self.fold_batches(combine, sink) }
    }

    /// Folds the pairs of both batches into the table, and looks whether that pays.
    #[inline(never)]
    fn fold_batches<S>(&mut self, combine: impl Fn(&mut V, V) + Copy, sink: &mut S) -> Result<(), S::Error>
    where
        S: RunSink<Error: From<DecodeError>>,
    {
        let pairs = self.tiny.pushed() + self.batch.pushed();
        while self.table.fold_tiny(&mut self.tiny, combine) == Folded::Full {
            self.hand_over_table(sink)?;
        }
        while self.table.fold(&mut self.batch, combine) == Folded::Full {
            self.hand_over_table(sink)?;
        }
        if self.table.overflows() {
            self.hand_over_table(sink)?;
        }
        sink.alive()?;
        self.tick(pairs, sink)
    }

    /// Takes a pair as it is.
    #[inline]
    pub(crate) fn keep<E, S>(&mut self, key: &[u8], value: &E, sink: &mut S) -> Result<(), S::Error>
    where
        E: ?Sized + Encode<V>,
        S: RunSink<Error: From<DecodeError>>,
    {
        self.log(key, value, None::<fn(&mut V, V)>, sink).map(drop)
    }

    /// Puts a pair into the log; says whether it is there. It is not if the log was handed over for it and has shown that combining pays: only
    /// one of log and table may hold pairs, or their order would be lost.
    #[inline]
    fn log<E, S>(
        &mut self,
        key: &[u8],
        value: &E,
        combine: Option<impl Fn(&mut V, V)>,
        sink: &mut S,
    ) -> Result<bool, S::Error>
    where
        E: ?Sized + Encode<V>,
        S: RunSink<Error: From<DecodeError>>,
    {
        let mut scratch = std::mem::take(&mut self.scratch);
        let encoded = match value.lend() {
            Some(bytes) => bytes,
            None => {
                scratch.clear();
                value.encode_last(&mut scratch);
                &scratch
            }
        };
        if key.len() > KEY_BYTES_MAX {
            return Err(KeyTooLong { bytes: key.len() }.into());
        }
        if !self.log.push(key, encoded) {
            let combines = combine.is_some();
            self.hand_over_log(combine, sink)?;
            if combines && self.hashing {
                return Ok(false);
            }
            // The log is empty now.
            let _ = self.log.push(key, encoded);
        }
        self.scratch = scratch;
        if self.log.len().is_multiple_of(BATCH_PAIRS) {
            sink.alive()?;
        }
        self.tick(1, sink)?;
        Ok(true)
    }

    #[inline(always)]
    fn tick<S: RunSink>(&mut self, pairs: usize, sink: &mut S) -> Result<(), S::Error> {
        self.window_left = self.window_left.saturating_sub(pairs);
        if self.window_left == 0 { self.end_window(sink) } else { Ok(()) }
    }

    #[cold]
    fn end_window<S: RunSink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        self.window_left = self.window;
        self.scratch.shrink_to(RUN_BUFFER_BYTES);
        if self.hashing {
            self.run_pairs += self.window;
            let fresh = self.table.len() - self.window_keys;
            if !self.proven && !pays(fresh, self.window) {
                self.stop_hashing(sink)?;
            }
            self.window_keys = self.table.len();
        }
        Ok(())
    }

    /// Only called when the batches are empty.
    fn stop_hashing<S: RunSink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        self.hashing = false;
        if self.table.held_bytes() > self.memory_bytes / 4 {
            self.hand_over_table(sink)?;
        }
        let (log, scratch) = (&mut self.log, &mut self.scratch);
        let moved = self.table.unsorted().all(|(key, value)| {
            scratch.clear();
            value.encode_last(scratch);
            log.push(key, scratch)
        });
        if !moved {
            // Encoded, the values are far longer than in the table: all of it becomes a run instead.
            self.log.clear();
            self.hand_over_table(sink)?;
        }
        self.table.release();
        Ok(())
    }

    /// Hands over what is left, if anything.
    pub(crate) fn finish<S>(
        &mut self,
        combine: Option<impl Fn(&mut V, V) + Copy>,
        sink: &mut S,
    ) -> Result<(), S::Error>
    where
        S: RunSink<Error: From<DecodeError>>,
    {
        if let Some(combine) = combine {
            self.settle(combine, sink)?;
        }
        self.hand_over_table(sink)?;
        self.hand_over_log(combine, sink)?;
        if std::mem::take(&mut self.runs) > 1 {
            // The host merges them next, and has no memory but this to do so.
            self.table.release();
            self.log.release();
        }
        Ok(())
    }

    /// Forgets all pairs.
    pub(crate) fn clear(&mut self) {
        self.tiny.clear();
        self.batch.clear();
        self.clear_collected();
        // What an attempt hands over must not depend on what was collected before it: neither on how far the table has grown, nor on what was
        // found to pay.
        self.table.release();
        (self.hashing, self.proven) = (true, false);
        self.runs = 0;
    }

    fn clear_collected(&mut self) {
        self.table.clear();
        self.log.clear();
        self.buffer.clear();
        self.scratch = Vec::new();
        self.window_left = self.window;
        self.window_keys = 0;
        self.run_pairs = 0;
    }

    #[cold]
    fn hand_over_table<S: RunSink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        if self.table.is_empty() {
            return Ok(());
        }
        let pairs = self.run_pairs + self.window - self.window_left;
        self.proven = pairs > self.window && pays(self.table.len(), pairs);
        let handed_over = self.write_table(sink);
        self.runs += 1;
        // Pairs of the batches that had no room come after it.
        self.clear_collected();
        handed_over
    }

    fn write_table<S: RunSink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        self.table.sort(sink)?;
        sink.begin()?;
        for (partition, key, value) in self.table.sorted() {
            self.scratch.clear();
            value.encode_last(&mut self.scratch);
            self.buffer.push(partition, key, &self.scratch, sink)?;
        }
        self.buffer.flush(sink)?;
        sink.end()
    }

    #[cold]
    fn hand_over_log<S>(&mut self, combine: Option<impl Fn(&mut V, V)>, sink: &mut S) -> Result<(), S::Error>
    where
        S: RunSink<Error: From<DecodeError>>,
    {
        if self.log.is_empty() {
            return Ok(());
        }
        let combines = combine.is_some();
        let handed_over = self.write_log(combine, sink);
        self.runs += 1;
        if let Ok(distinct) = handed_over
            && combines
            && self.log.len() > self.window
            && pays(distinct, self.log.len())
        {
            (self.hashing, self.proven) = (true, true);
            self.log.release();
        }
        self.clear_collected();
        handed_over.map(drop)
    }

    /// Gives the number of keys.
    fn write_log<S>(&mut self, combine: Option<impl Fn(&mut V, V)>, sink: &mut S) -> Result<usize, S::Error>
    where
        S: RunSink<Error: From<DecodeError>>,
    {
        self.log.sort(sink)?;
        sink.begin()?;
        let mut distinct = 0;
        let mut pairs = self.log.sorted().peekable();
        while let Some(first) = pairs.next() {
            distinct += 1;
            let same = |next: &SortedPair<'_>| next.partition == first.partition && next.key == first.key;
            match &combine {
                Some(combine) if pairs.peek().is_some_and(same) => {
                    let mut total = decode::<V>(first.value)?;
                    while let Some(next) = pairs.next_if(same) {
                        combine(&mut total, decode(next.value)?);
                    }
                    self.scratch.clear();
                    total.encode_last(&mut self.scratch);
                    self.buffer.push(first.partition, first.key, &self.scratch, sink)?;
                }
                _ => self.buffer.push_record(first.partition, first.record, sink)?,
            }
        }
        self.buffer.flush(sink)?;
        sink.end()?;
        Ok(distinct)
    }
}

#[cfg(test)]
impl<V: Codec> TypedCollector<V> {
    pub(super) fn is_hashing(&self) -> bool {
        self.hashing
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.tiny.held_bytes()
            + self.batch.held_bytes()
            + self.table.held_bytes()
            + self.log.held_bytes()
            + self.buffer.held_bytes()
            + self.scratch.capacity()
    }
}

fn decode<V: Codec>(value: &[u8]) -> Result<V, DecodeError> {
    V::decode_last(&mut Reader::new(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combining_pays_unless_nearly_all_keys_are_new() {
        assert!(pays(0, 0) && pays(700, 800) && !pays(701, 800) && !pays(800, 800));
    }
}
