//! The collector inside a plugin: knows the type of values, folds them as they come while that pays.
//!
//! Hashing keys that hardly ever repeat costs many times what writing them down costs. So the table is watched in
//! windows, and given up for the log while most keys are new; each sorted run of the log then shows how often keys
//! really repeat, and brings the table back.

use super::log::{PairLog, SortedPair};
use super::table::{Folded, Table};
use super::{KEY_BYTES_MAX, KeyTooLong, RUN_BUFFER_BYTES, RunBuffer, RunSink};
use crate::{Codec, DecodeError, Encode, Reader};

/// How many pairs come between two looks at whether combining pays.
const WINDOW: usize = 8192;

pub(crate) struct TypedCollector<V> {
    memory_bytes: usize,
    table: Table<V>,
    log: PairLog,
    buffer: RunBuffer,
    scratch: Vec<u8>,
    /// Pairs go to the table, not to the log.
    hashing: bool,
    /// A whole run has shown that combining pays; single windows no longer count.
    proven: bool,
    /// Pairs until the window ends.
    window_left: usize,
    /// Keys in the table when the window began.
    window_keys: usize,
    /// Pairs of the current run that went to the table.
    run_pairs: usize,
}

impl<V: Codec> TypedCollector<V> {
    pub(crate) fn new(memory_bytes: u64) -> Self {
        let memory_bytes = usize::try_from(memory_bytes).unwrap_or(usize::MAX);
        Self {
            memory_bytes: memory_bytes - (2 * RUN_BUFFER_BYTES).min(memory_bytes / 8),
            table: Table::new(memory_bytes),
            log: PairLog::new(memory_bytes),
            buffer: RunBuffer::default(),
            scratch: Vec::new(),
            hashing: true,
            proven: false,
            window_left: WINDOW,
            window_keys: 0,
            run_pairs: 0,
        }
    }

    /// Takes a pair whose value is folded into that of an equal key, now or when the run is handed over.
    #[inline]
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
        if !self.hashing {
            return self.keep(key, &value, Some(combine), sink);
        }
        if let Folded::Full(value) = self.table.fold(key, value, self.memory_bytes, combine) {
            self.hand_over_table(sink)?;
            self.table.fold(key, value, self.memory_bytes, combine);
        }
        if self.table.overflows(self.memory_bytes) {
            self.hand_over_table(sink)?;
        }
        self.tick(key, sink)
    }

    /// Takes a pair as it is.
    #[inline]
    pub(crate) fn keep<E, S>(
        &mut self,
        key: &[u8],
        value: &E,
        combine: Option<impl Fn(&mut V, V)>,
        sink: &mut S,
    ) -> Result<(), S::Error>
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
        if self.log.has_room(key, encoded, self.memory_bytes) {
            self.log.push(key, encoded);
        } else {
            self.start_next_log(key, encoded, combine, sink)?;
        }
        self.scratch = scratch;
        self.tick(key, sink)
    }

    /// Hands over the log and takes a pair into what comes after it.
    #[cold]
    fn start_next_log<S>(
        &mut self,
        key: &[u8],
        value: &[u8],
        combine: Option<impl Fn(&mut V, V)>,
        sink: &mut S,
    ) -> Result<(), S::Error>
    where
        S: RunSink<Error: From<DecodeError>>,
    {
        let combines = combine.is_some();
        self.hand_over_log(combine, sink)?;
        if combines && self.hashing {
            // Not into the log: only one of the two may hold pairs, or their order would be lost.
            let value = decode(value)?;
            self.table.fold(key, value, self.memory_bytes, |_, _| {});
        } else {
            self.log.push(key, value);
        }
        Ok(())
    }

    #[inline]
    fn tick<S: RunSink>(&mut self, key: &[u8], sink: &mut S) -> Result<(), S::Error> {
        if key.len() > KEY_BYTES_MAX {
            return Err(KeyTooLong { bytes: key.len() }.into());
        }
        self.window_left -= 1;
        if self.window_left == 0 { self.end_window(sink) } else { Ok(()) }
    }

    #[cold]
    fn end_window<S: RunSink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        self.window_left = WINDOW;
        self.scratch.shrink_to(RUN_BUFFER_BYTES);
        sink.alive()?;
        if self.hashing {
            self.run_pairs += WINDOW;
            let fresh = self.table.len() - self.window_keys;
            if !self.proven && fresh > WINDOW / 2 {
                self.stop_hashing(sink)?;
            }
            self.window_keys = self.table.len();
        }
        Ok(())
    }

    fn stop_hashing<S: RunSink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        self.hashing = false;
        if self.table.held_bytes() > self.memory_bytes / 4 {
            self.hand_over_table(sink)?;
        }
        for (_, key, value) in self.table.entries() {
            self.scratch.clear();
            value.encode_last(&mut self.scratch);
            self.log.push(key, &self.scratch);
        }
        self.table.release(self.memory_bytes);
        Ok(())
    }

    /// Hands over what is left, if anything.
    pub(crate) fn finish<S>(
        &mut self,
        combine: Option<impl Fn(&mut V, V)>,
        sink: &mut S,
    ) -> Result<(), S::Error>
    where
        S: RunSink<Error: From<DecodeError>>,
    {
        self.hand_over_table(sink)?;
        self.hand_over_log(combine, sink)
    }

    /// Forgets all pairs.
    pub(crate) fn clear(&mut self) {
        self.table.clear();
        self.log.clear();
        self.buffer.clear();
        self.scratch = Vec::new();
        self.window_left = WINDOW;
        self.window_keys = 0;
        self.run_pairs = 0;
    }

    #[cold]
    fn hand_over_table<S: RunSink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        if self.table.is_empty() {
            return Ok(());
        }
        let pairs = self.run_pairs + WINDOW - self.window_left;
        self.proven = pairs > WINDOW && self.table.len() <= pairs / 2;
        let handed_over = self.write_table(sink);
        self.clear();
        handed_over
    }

    fn write_table<S: RunSink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        self.table.sort(|key| sink.partition(key))?;
        sink.begin()?;
        for (partition, key, value) in self.table.entries() {
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
        if let Ok(distinct) = handed_over
            && combines
            && self.log.len() > WINDOW
            && distinct <= self.log.len() / 2
        {
            (self.hashing, self.proven) = (true, true);
            self.log = PairLog::new(self.memory_bytes);
        }
        self.clear();
        handed_over.map(drop)
    }

    /// Gives the number of keys.
    fn write_log<S>(&mut self, combine: Option<impl Fn(&mut V, V)>, sink: &mut S) -> Result<usize, S::Error>
    where
        S: RunSink<Error: From<DecodeError>>,
    {
        self.log.sort(|key| sink.partition(key))?;
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
        self.table.held_bytes() + self.log.held_bytes() + self.buffer.held_bytes() + self.scratch.capacity()
    }
}

fn decode<V: Codec>(value: &[u8]) -> Result<V, DecodeError> {
    V::decode_last(&mut Reader::new(value))
}
