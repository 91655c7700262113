//! Reads the pairs of runs without trusting them: any bytes give pairs or a named error, and take no more memory than the index and the
//! budget allow.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use gristmill_sdk::wire;

use super::codec::Codec;
use super::index::{Run, number};
use super::pair::{PairAt, lead_at, pair_at};
use super::{BLOCK_HEADER_BYTES, IndexEntry, RunError, RunFault};
use crate::progress::ProgressCell;

/// What reading a block does to the progress of the attempt.
#[derive(Clone, Debug)]
pub(crate) enum Meter {
    /// It is input of the attempt: its bytes count.
    Input(ProgressCell),
    /// The attempt has written it itself: it only shows life.
    Intermediate(ProgressCell),
}

/// How much memory a reader may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadLimits {
    /// What is read at a time, unless a block is longer.
    pub(crate) window_bytes: usize,
    /// The longest block, stored or unpacked.
    pub(crate) block_bytes_max: u64,
}

/// Reads the pairs of one run, partition by partition and block by block.
pub(crate) struct SegmentReader {
    path: PathBuf,
    file: File,
    partitions: Vec<IndexEntry>,
    limits: ReadLimits,
    meter: Meter,
    /// Bytes of the file from `window_offset` on; those before `window_start` were consumed.
    window: Vec<u8>,
    window_start: usize,
    window_end: usize,
    window_offset: u64,
    /// The partition, and how many of its pairs are still to come from blocks.
    entry: IndexEntry,
    pairs_left: u64,
    /// Bytes of the block in which the current pair lies, if it is one long pair and not loaded.
    unloaded: Option<usize>,
    /// The block that is being read, and where it is.
    unpacked: Vec<u8>,
    is_packed: bool,
    block_offset: u64,
    block_at: usize,
    block_end: usize,
    block_pairs_left: u32,
    pair: PairAt,
}

impl SegmentReader {
    /// Opens the file again. Select a partition before reading.
    pub(crate) fn open(run: Run, limits: ReadLimits, meter: Meter) -> Result<Self, RunError> {
        let file = File::open(&run.path)
            .map_err(|error| RunError::new(&run.path, RunFault::Io("open it", error)))?;
        read_ahead(&file, &run.index);
        Ok(Self {
            path: run.path,
            file,
            partitions: run.index,
            limits,
            meter,
            window: Vec::new(),
            window_start: 0,
            window_end: 0,
            window_offset: 0,
            entry: IndexEntry::default(),
            pairs_left: 0,
            unloaded: None,
            unpacked: Vec::new(),
            is_packed: false,
            block_offset: 0,
            block_at: 0,
            block_end: 0,
            block_pairs_left: 0,
            pair: PairAt::default(),
        })
    }

    /// Stands before the first pair of one of its partitions. What was read ahead of it is used.
    pub(crate) fn select(&mut self, partition: u32) {
        let entry = self.partitions.get(partition as usize).copied().unwrap_or_default();
        let ahead =
            entry.offset.checked_sub(self.window_offset).and_then(|ahead| usize::try_from(ahead).ok());
        match ahead.filter(|&ahead| ahead <= self.window_end) {
            Some(ahead) => self.window_start = ahead,
            None => {
                (self.window_start, self.window_end) = (0, 0);
                self.window_offset = entry.offset;
            }
        }
        self.entry = entry;
        self.pairs_left = entry.pairs;
        self.unloaded = None;
        (self.block_at, self.block_end, self.block_pairs_left) = (0, 0, 0);
        self.pair = PairAt::default();
    }

    /// Moves to the next pair; says whether there is one.
    #[inline]
    pub(crate) fn advance(&mut self) -> Result<bool, RunError> {
        if self.block_pairs_left == 0 {
            match self.next_block()? {
                Next::Block => {}
                Next::LongPair => return Ok(true),
                Next::End => {
                    self.pair = PairAt::default();
                    return Ok(false);
                }
            }
        }
        let Some(pair) = pair_at(self.block(), self.block_at) else {
            return Err(self.damaged("a pair is not whole"));
        };
        self.block_at = pair.end;
        self.block_pairs_left -= 1;
        self.pair = pair;
        Ok(true)
    }

    /// The current key; empty before the first and after the last pair.
    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        self.pair.key_in(self.block())
    }

    /// The first eight bytes of the key.
    #[inline]
    pub(crate) fn prefix(&self) -> u64 {
        self.pair.prefix_in(self.block())
    }

    /// The length of the key.
    #[inline]
    pub(crate) fn key_length(&self) -> usize {
        self.pair.value - self.pair.key
    }

    /// The length of the value.
    #[inline]
    pub(crate) fn value_length(&self) -> usize {
        self.pair.end - self.pair.value
    }

    /// Reads the current value, if that was put off because it is long.
    #[inline]
    pub(crate) fn load(&mut self) -> Result<(), RunError> {
        match self.unloaded.take() {
            Some(length) => self.load_long(length),
            None => Ok(()),
        }
    }

    /// The current value, which must be loaded; empty before the first and after the last pair.
    #[inline]
    pub(crate) fn value(&self) -> &[u8] {
        self.pair.value_in(self.block())
    }

    /// The current pair as it is encoded, up to its value; empty before the first and after the last pair.
    #[inline]
    pub(crate) fn lead(&self) -> &[u8] {
        self.block().get(self.pair.start..self.pair.value).unwrap_or_default()
    }

    /// Puts the current value behind its length, in place: so a long one need not be copied. The key is lost.
    pub(crate) fn encode_value(&mut self) {
        let mut length = Vec::new();
        wire::put_length(&mut length, self.pair.end - self.pair.value);
        // The pair itself holds this length, so there is room for it between its start and its value.
        let room = self.encoded_value_at()..self.pair.value;
        let block = if self.is_packed { &mut self.unpacked } else { &mut self.window };
        if let Some(room) = block.get_mut(room) {
            room.copy_from_slice(&length);
        }
    }

    /// The current value behind its length, once it was put there.
    pub(crate) fn encoded_value(&self) -> &[u8] {
        self.block().get(self.encoded_value_at()..self.pair.end).unwrap_or_default()
    }

    fn encoded_value_at(&self) -> usize {
        self.pair.value - wire::length_bytes(self.pair.end - self.pair.value)
    }

    /// The bytes in which the current block lies, up to its end.
    #[inline]
    fn block(&self) -> &[u8] {
        let bytes = if self.is_packed { &self.unpacked } else { &self.window };
        bytes.get(..self.block_end).unwrap_or_default()
    }

    /// Bytes of the file that were consumed, whole blocks.
    fn position(&self) -> u64 {
        self.window_offset + self.window_start as u64
    }

    fn damaged(&self, what: &'static str) -> RunError {
        RunError::new(&self.path, RunFault::Block { offset: self.block_offset, what })
    }

    #[cold]
    fn next_block(&mut self) -> Result<Next, RunError> {
        // A value that nobody wanted is read all the same: its key has been believed.
        self.load()?;
        if self.block_at != self.block_end {
            return Err(self.damaged("bytes are left behind its last pair"));
        }
        self.release();
        self.block_offset = self.position();
        let left = self.entry.offset + self.entry.bytes - self.block_offset;
        if left == 0 {
            let missing = self.pairs_left > 0;
            return if missing { Err(self.damaged("pairs are missing")) } else { Ok(Next::End) };
        }
        let block = self.next_header(left)?;
        self.pairs_left -= u64::from(block.pairs);
        if block.pairs == 1 && block.codec == Codec::None && block.length as u64 > self.entry.largest_block {
            return self.next_long(block.length);
        }
        self.hold(block.length)?;
        self.check(block.length)?;
        let payload = self.window_start + BLOCK_HEADER_BYTES..self.window_start + block.length;
        self.is_packed = block.codec != Codec::None;
        (self.block_at, self.block_end) = (payload.start, payload.end);
        if self.is_packed {
            self.unpacked.resize(block.raw, 0);
            let packed = self.window.get(payload).unwrap_or_default();
            if !block.codec.unpack(packed, &mut self.unpacked) {
                return Err(self.damaged("it cannot be unpacked"));
            }
            (self.block_at, self.block_end) = (0, block.raw);
        }
        self.block_pairs_left = block.pairs;
        self.consume(block.length);
        Ok(Next::Block)
    }

    /// The header of the next block, of which the partition has so many bytes left: what it says is possible.
    fn next_header(&mut self, left: u64) -> Result<BlockHeader, RunError> {
        if left < BLOCK_HEADER_BYTES as u64 {
            return Err(self.damaged("its header is cut off"));
        }
        self.hold(BLOCK_HEADER_BYTES)?;
        let header = self.window.get(self.window_start..).unwrap_or_default();
        let (stored, raw, pairs) = (number(header, 0, 4), number(header, 4, 4), number(header, 8, 4));
        let Some(codec) = Codec::of_number(number(header, 12, 4)) else {
            return Err(self.damaged("its codec is not known"));
        };
        let length = BLOCK_HEADER_BYTES as u64 + stored;
        if length > left {
            return Err(self.damaged("it is longer than its partition"));
        }
        let packed_max = self.entry.largest_packed;
        if if codec == Codec::None { raw != stored } else { raw > packed_max } {
            return Err(self.damaged("its size is wrong"));
        }
        if pairs == 0 || pairs > self.pairs_left {
            return Err(self.damaged("its number of pairs is wrong"));
        }
        let memory_bytes = self.limits.block_bytes_max;
        if raw.max(stored) > memory_bytes {
            let fault = RunFault::TooLong { offset: self.block_offset, bytes: raw.max(stored), memory_bytes };
            return Err(RunError::new(&self.path, fault));
        }
        // All are of 32 bits.
        Ok(BlockHeader { length: length as usize, raw: raw as usize, pairs: pairs as u32, codec })
    }

    /// The next block is one long pair: reads it up to its value.
    fn next_long(&mut self, length: usize) -> Result<Next, RunError> {
        let lead = usize::try_from(self.entry.longest_lead).unwrap_or(usize::MAX);
        let held = lead.saturating_add(BLOCK_HEADER_BYTES).min(length);
        self.hold(held)?;
        let start = self.window_start;
        let window = self.window.get(..start + held).unwrap_or_default();
        match lead_at(window, start + BLOCK_HEADER_BYTES).filter(|pair| pair.end == start + length) {
            Some(pair) => self.pair = pair,
            None => return Err(self.damaged("a pair is not whole")),
        }
        self.is_packed = false;
        (self.block_at, self.block_end) = (start + held, start + held);
        self.unloaded = Some(length);
        Ok(Next::LongPair)
    }

    #[cold]
    fn load_long(&mut self, length: usize) -> Result<(), RunError> {
        let before = self.window_start;
        self.hold(length)?;
        // Holding more may have moved what was held.
        let moved = before - self.window_start;
        for place in [&mut self.pair.start, &mut self.pair.key, &mut self.pair.value, &mut self.pair.end] {
            *place -= moved;
        }
        self.check(length)?;
        self.consume(length);
        (self.block_at, self.block_end) = (self.window_start, self.window_start);
        Ok(())
    }

    /// Compares a block that is held with its checksum.
    fn check(&self, length: usize) -> Result<(), RunError> {
        let block = self.window.get(self.window_start..self.window_start + length).unwrap_or_default();
        let (header, payload) = block.split_at(BLOCK_HEADER_BYTES);
        let (checked, _) = header.split_at(16);
        let crc = crc32c::crc32c_append(crc32c::crc32c(checked), payload);
        if u64::from(crc) == number(header, 16, 4) {
            return Ok(());
        }
        Err(self.damaged("it does not match its checksum"))
    }

    fn consume(&mut self, length: usize) {
        self.window_start += length;
        match &self.meter {
            Meter::Input(progress) => progress.consumed(length as u64),
            Meter::Intermediate(progress) => progress.tick(),
        }
    }

    /// What the window has for any block but a long pair.
    fn window_bytes(&self) -> usize {
        let longest = self.entry.largest_block.max(self.entry.longest_lead);
        self.limits
            .window_bytes
            .max(usize::try_from(longest).unwrap_or(usize::MAX))
            .saturating_add(BLOCK_HEADER_BYTES)
    }

    /// Gives back the memory of a long pair that was read.
    fn release(&mut self) {
        let left = self.window_end - self.window_start;
        let kept = self.window_bytes().max(left);
        if self.window.len() > kept {
            self.compact();
            self.window.truncate(kept);
            self.window.shrink_to_fit();
        }
    }

    /// Moves what was not consumed to the front.
    fn compact(&mut self) {
        if self.window_start > 0 {
            self.window.copy_within(self.window_start..self.window_end, 0);
            self.window_offset += self.window_start as u64;
            self.window_end -= self.window_start;
            self.window_start = 0;
        }
    }

    /// Makes the window hold `length` bytes from its start on; the caller knows that the partition has so many.
    fn hold(&mut self, length: usize) -> Result<(), RunError> {
        if self.window_end - self.window_start >= length {
            return Ok(());
        }
        self.compact();
        // The partitions of one reader are wanted one after the other, so reading ahead goes beyond the current one.
        let last = self.partitions.last().copied().unwrap_or_default();
        let readable = usize::try_from(last.offset + last.bytes - self.window_offset).unwrap_or(usize::MAX);
        // With room for the header of the next block each block takes one read.
        let wanted = self.window_bytes().min(readable).max(length);
        if self.window.len() < wanted {
            self.window.reserve_exact(wanted - self.window.len());
            self.window.resize(wanted, 0);
        }
        while self.window_end < length {
            let into = self.window.get_mut(self.window_end..).unwrap_or_default();
            let into_length = into.len().min(readable - self.window_end);
            let into = into.get_mut(..into_length).unwrap_or_default();
            match self.file.read_at(into, self.window_offset + self.window_end as u64) {
                Ok(0) => return Err(self.damaged("the file was cut off while it was read")),
                Ok(read) => self.window_end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(RunError::new(&self.path, RunFault::Io("read it", error))),
            }
        }
        Ok(())
    }
}

/// What a reader has come to.
enum Next {
    Block,
    LongPair,
    End,
}

/// What a block says of itself: its length with the header, and the rest.
struct BlockHeader {
    length: usize,
    raw: usize,
    pairs: u32,
    codec: Codec,
}

/// Tells the system what will be read, from the first byte to the last.
fn read_ahead(file: &File, partitions: &[IndexEntry]) {
    #[cfg(target_os = "linux")]
    if let (Some(first), Some(last)) = (partitions.first(), partitions.last()) {
        let bytes = std::num::NonZeroU64::new(last.offset + last.bytes - first.offset);
        // Only a hint: a file system that does not know it reads as well without.
        let _ = rustix::fs::fadvise(file, first.offset, bytes, rustix::fs::Advice::Sequential);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (file, partitions);
}
