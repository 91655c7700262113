//! Reads the pairs of runs without trusting them: any bytes give pairs or a named error, and take no more memory than the index and the
//! budget allow.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use gristmill_sdk::wire;

use super::codec::Codec;
use super::index::{Run, number};
use super::pair::{PairAt, pair_at};
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
    /// The partition: where its blocks end in the file, how many pairs are still to come from blocks.
    end: u64,
    pairs_left: u64,
    largest_packed: u64,
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
    pub(crate) fn open(run: &Run, limits: ReadLimits, meter: Meter) -> Result<Self, RunError> {
        let file = File::open(&run.path)
            .map_err(|error| RunError::new(&run.path, RunFault::Io("open it", error)))?;
        read_ahead(&file, &run.index);
        Ok(Self {
            path: run.path.clone(),
            file,
            partitions: run.index.clone(),
            limits,
            meter,
            window: Vec::new(),
            window_start: 0,
            window_end: 0,
            window_offset: 0,
            end: 0,
            pairs_left: 0,
            largest_packed: 0,
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
        self.end = entry.offset + entry.bytes;
        self.pairs_left = entry.pairs;
        self.largest_packed = entry.largest_packed;
        (self.block_at, self.block_end, self.block_pairs_left) = (0, 0, 0);
        self.pair = PairAt::default();
    }

    /// Moves to the next pair; says whether there is one.
    #[inline]
    pub(crate) fn advance(&mut self) -> Result<bool, RunError> {
        if self.block_pairs_left == 0 && !self.next_block()? {
            self.pair = PairAt::default();
            return Ok(false);
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

    /// The current value; empty before the first and after the last pair.
    #[inline]
    pub(crate) fn value(&self) -> &[u8] {
        self.pair.value_in(self.block())
    }

    /// The current pair as it is encoded; empty before the first and after the last pair.
    #[inline]
    pub(crate) fn encoded(&self) -> &[u8] {
        self.block().get(self.pair.start..self.pair.end).unwrap_or_default()
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
    fn next_block(&mut self) -> Result<bool, RunError> {
        if self.block_at != self.block_end {
            return Err(self.damaged("bytes are left behind its last pair"));
        }
        self.block_offset = self.position();
        let left = self.end - self.block_offset;
        if left == 0 {
            return if self.pairs_left == 0 { Ok(false) } else { Err(self.damaged("pairs are missing")) };
        }
        if left < BLOCK_HEADER_BYTES as u64 {
            return Err(self.damaged("its header is cut off"));
        }
        self.hold(BLOCK_HEADER_BYTES)?;
        let header = self.window.get(self.window_start..).unwrap_or_default();
        let (stored, raw, pairs) = (number(header, 0, 4), number(header, 4, 4), number(header, 8, 4));
        let (codec, crc) = (number(header, 12, 4), number(header, 16, 4));
        let Some(codec) = Codec::of_number(codec) else { return Err(self.damaged("its codec is not known")) };
        if stored > left - BLOCK_HEADER_BYTES as u64 {
            return Err(self.damaged("it is longer than its partition"));
        }
        if (codec == Codec::None && raw != stored) || (codec != Codec::None && raw > self.largest_packed) {
            return Err(self.damaged("its size is wrong"));
        }
        if pairs == 0 || pairs > self.pairs_left {
            return Err(self.damaged("its number of pairs is wrong"));
        }
        if raw.max(stored) > self.limits.block_bytes_max {
            let memory_bytes = self.limits.block_bytes_max;
            let fault = RunFault::TooLong { offset: self.block_offset, bytes: raw.max(stored), memory_bytes };
            return Err(RunError::new(&self.path, fault));
        }
        let length = BLOCK_HEADER_BYTES + usize::try_from(stored).unwrap_or(usize::MAX);
        self.hold(length)?;
        let block = self.window.get(self.window_start..self.window_start + length).unwrap_or_default();
        let (header, payload) = block.split_at(BLOCK_HEADER_BYTES);
        let (checked, _) = header.split_at(16);
        if u64::from(crc32c::crc32c_append(crc32c::crc32c(checked), payload)) != crc {
            return Err(self.damaged("it does not match its checksum"));
        }
        self.is_packed = codec != Codec::None;
        if self.is_packed {
            self.unpacked.resize(raw as usize, 0);
            if !codec.unpack(payload, &mut self.unpacked) {
                return Err(self.damaged("it cannot be unpacked"));
            }
            (self.block_at, self.block_end) = (0, self.unpacked.len());
        } else {
            (self.block_at, self.block_end) =
                (self.window_start + BLOCK_HEADER_BYTES, self.window_start + length);
        }
        self.window_start += length;
        self.pairs_left -= pairs;
        match &self.meter {
            Meter::Input(progress) => progress.consumed(length as u64),
            Meter::Intermediate(progress) => progress.tick(),
        }
        self.block_pairs_left = pairs as u32;
        Ok(true)
    }

    /// Makes the window hold `length` bytes from its start on; the caller knows that the partition has so many.
    fn hold(&mut self, length: usize) -> Result<(), RunError> {
        if self.window_end - self.window_start >= length {
            return Ok(());
        }
        if self.window_start > 0 {
            self.window.copy_within(self.window_start..self.window_end, 0);
            self.window_offset += self.window_start as u64;
            self.window_end -= self.window_start;
            self.window_start = 0;
        }
        // The partitions of one reader are wanted one after the other, so reading ahead goes beyond the current one.
        let readable_to = self.partitions.last().map_or(self.end, |entry| entry.offset + entry.bytes);
        let readable = usize::try_from(readable_to - self.window_offset).unwrap_or(usize::MAX);
        // With room for the header of the next block each block takes one read.
        let wanted = (self.limits.window_bytes.max(length) + BLOCK_HEADER_BYTES).min(readable).max(length);
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
