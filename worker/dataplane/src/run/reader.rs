//! Reads runs without trusting them: any bytes give pairs or a named error, and take no more memory than the file has bytes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::pair::{PairAt, pair_at};
use super::{
    BLOCK_HEADER_BYTES, FOOTER_BYTES, FOOTER_MAGIC, HEADER_BYTES, HEADER_MAGIC, INDEX_ENTRY_BYTES,
    IndexEntry, RunError, RunFault, VERSION,
};
use crate::progress::ProgressCell;

/// A run whose index has been read and found good. Holds no open file.
#[derive(Debug)]
pub(crate) struct Run {
    path: PathBuf,
    index: Vec<IndexEntry>,
}

/// The little-endian number of four or eight bytes at `at`; zero beyond the end, which no caller asks for.
fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    let bytes = bytes.get(at..at + length).unwrap_or_default();
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

fn format_fault(what: impl Into<String>) -> RunFault {
    RunFault::Format(what.into())
}

impl Run {
    /// Opens a run file and checks its header, index and footer.
    pub(crate) fn open(path: &Path) -> Result<Self, RunError> {
        let index = read_index(path).map_err(|fault| RunError::new(path, fault))?;
        Ok(Self { path: path.to_owned(), index })
    }

    /// Only one of its partitions, as if it had no other. A reduce opens as many runs as there were maps, and all their indexes
    /// would not fit.
    pub(crate) fn into_partition(self, partition: u32) -> Result<Self, RunError> {
        match self.index.get(partition as usize) {
            Some(&entry) => Ok(Self { path: self.path, index: vec![entry] }),
            None => {
                let fault = RunFault::NoPartition { wanted: partition, partitions: self.partitions() };
                Err(RunError::new(&self.path, fault))
            }
        }
    }

    /// Number of partitions.
    pub(crate) fn partitions(&self) -> u32 {
        self.index.len() as u32
    }

    /// Bytes that the blocks of its partitions take.
    pub(crate) fn bytes(&self) -> u64 {
        self.index.iter().map(|entry| entry.bytes).sum()
    }

    /// Bytes of memory that reading it takes.
    pub(crate) fn buffer_bytes(&self, window_bytes: usize) -> u64 {
        let largest = self.index.iter().map(|entry| entry.largest_block).max().unwrap_or(0);
        largest.max(window_bytes as u64).min(self.bytes())
    }
}

fn read_index(path: &Path) -> Result<Vec<IndexEntry>, RunFault> {
    let failed = |doing| move |error| RunFault::Io(doing, error);
    let file = File::open(path).map_err(failed("open it"))?;
    let length = file.metadata().map_err(failed("look it up"))?.len();
    if length < (HEADER_BYTES + FOOTER_BYTES) as u64 {
        return Err(format_fault(format!("it has {length} bytes, too few for a run")));
    }
    let mut header = [0; HEADER_BYTES];
    file.read_exact_at(&mut header, 0).map_err(failed("read its header"))?;
    let mut footer = [0; FOOTER_BYTES];
    let footer_offset = length - FOOTER_BYTES as u64;
    file.read_exact_at(&mut footer, footer_offset).map_err(failed("read its footer"))?;
    if !header.starts_with(&HEADER_MAGIC) {
        return Err(format_fault("it does not begin as a run does"));
    }
    let version = number(&header, 8, 4);
    if version != u64::from(VERSION) {
        return Err(format_fault(format!("it has format version {version}, this gristmill reads {VERSION}")));
    }
    if !footer.ends_with(&FOOTER_MAGIC) {
        return Err(format_fault("it does not end as a run does: it was cut off"));
    }
    let partitions = number(&footer, 28, 4);
    let index_offset = number(&footer, 0, 8);
    let index_bytes = partitions * INDEX_ENTRY_BYTES as u64;
    if index_offset.checked_add(index_bytes) != Some(footer_offset) {
        return Err(format_fault("its footer does not fit its size"));
    }
    // Now the index is known to lie in the file, so memory for it may be taken.
    let mut index = vec![0; usize::try_from(index_bytes).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut index, index_offset).map_err(failed("read its index"))?;
    let (checked, _) = footer.split_at(32);
    let crc = [&header[..], &index, checked].iter().fold(0, |crc, bytes| crc32c::crc32c_append(crc, bytes));
    if u64::from(crc) != number(&footer, 32, 4) {
        return Err(format_fault("its index does not match its checksum"));
    }
    let entries = index.chunks_exact(INDEX_ENTRY_BYTES).map(|entry| IndexEntry {
        offset: number(entry, 0, 8),
        bytes: number(entry, 8, 8),
        pairs: number(entry, 16, 8),
        largest_block: number(entry, 24, 8),
    });
    let entries: Vec<IndexEntry> = entries.collect();
    let end = entries.iter().try_fold(HEADER_BYTES as u64, |end, entry| {
        let fits = entry.offset == end && entry.largest_block <= entry.bytes;
        if fits { end.checked_add(entry.bytes) } else { None }
    });
    if end != Some(index_offset) || partitions != number(&header, 12, 4) {
        return Err(format_fault("its index does not fit its blocks"));
    }
    Ok(entries)
}

/// What reading a block does to the progress of the attempt.
#[derive(Clone, Debug)]
pub(crate) enum Meter {
    /// It is input of the attempt: its bytes count.
    Input(ProgressCell),
    /// The attempt has written it itself: it only shows life.
    Intermediate(ProgressCell),
}

/// Reads the pairs of one run, partition by partition and block by block.
pub(crate) struct SegmentReader {
    path: PathBuf,
    file: File,
    partitions: Vec<IndexEntry>,
    window_bytes: usize,
    meter: Meter,
    /// Bytes of the file from `window_offset` on; those before `window_start` were consumed.
    window: Vec<u8>,
    window_start: usize,
    window_end: usize,
    window_offset: u64,
    /// Where the blocks of the partition end in the file, and how many pairs are still to come from blocks.
    end: u64,
    pairs_left: u64,
    /// The rest of the current block in the window, and how many pairs it should hold.
    block_end: usize,
    block_pairs_left: u32,
    pair: Option<PairAt>,
}

impl SegmentReader {
    /// Opens the file again. Select a partition before reading.
    pub(crate) fn open(run: &Run, window_bytes: usize, meter: Meter) -> Result<Self, RunError> {
        let file = File::open(&run.path)
            .map_err(|error| RunError::new(&run.path, RunFault::Io("open it", error)))?;
        Ok(Self {
            path: run.path.clone(),
            file,
            partitions: run.index.clone(),
            window_bytes,
            meter,
            window: Vec::new(),
            window_start: 0,
            window_end: 0,
            window_offset: 0,
            end: 0,
            pairs_left: 0,
            block_end: 0,
            block_pairs_left: 0,
            pair: None,
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
        self.block_end = self.window_start;
        self.block_pairs_left = 0;
        self.pair = None;
    }

    /// Moves to the next pair; says whether there is one.
    pub(crate) fn advance(&mut self) -> Result<bool, RunError> {
        if self.block_pairs_left == 0 && !self.next_block()? {
            self.pair = None;
            return Ok(false);
        }
        let block = self.window.get(..self.block_end).unwrap_or_default();
        let Some(pair) = pair_at(block, self.window_start) else {
            return Err(self.damaged("a pair is not whole"));
        };
        self.window_start = pair.value.end;
        self.block_pairs_left -= 1;
        self.pair = Some(pair);
        Ok(true)
    }

    /// The current key; empty before the first and after the last pair.
    pub(crate) fn key(&self) -> &[u8] {
        self.pair.as_ref().and_then(|pair| self.window.get(pair.key.clone())).unwrap_or_default()
    }

    /// The current value; empty before the first and after the last pair.
    pub(crate) fn value(&self) -> &[u8] {
        self.pair.as_ref().and_then(|pair| self.window.get(pair.value.clone())).unwrap_or_default()
    }

    /// Bytes of the file up to the current place.
    fn position(&self) -> u64 {
        self.window_offset + self.window_start as u64
    }

    fn damaged(&self, what: &'static str) -> RunError {
        RunError::new(&self.path, RunFault::Block { offset: self.position(), what })
    }

    fn next_block(&mut self) -> Result<bool, RunError> {
        if self.window_start != self.block_end {
            return Err(self.damaged("bytes are left behind its last pair"));
        }
        let left = self.end - self.position();
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
        if stored > left - BLOCK_HEADER_BYTES as u64 {
            return Err(self.damaged("it is longer than its partition"));
        }
        if codec != 0 || raw != stored {
            return Err(self.damaged("its codec is not known"));
        }
        if pairs == 0 || pairs > self.pairs_left {
            return Err(self.damaged("its number of pairs is wrong"));
        }
        let length = BLOCK_HEADER_BYTES + usize::try_from(stored).unwrap_or(usize::MAX);
        self.hold(length)?;
        let block = self.window.get(self.window_start..self.window_start + length).unwrap_or_default();
        let (header, payload) = block.split_at(BLOCK_HEADER_BYTES);
        let (checked, _) = header.split_at(16);
        if u64::from(crc32c::crc32c_append(crc32c::crc32c(checked), payload)) != crc {
            return Err(self.damaged("it does not match its checksum"));
        }
        self.block_end = self.window_start + length;
        self.window_start += BLOCK_HEADER_BYTES;
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
        self.window.copy_within(self.window_start..self.window_end, 0);
        self.window_offset += self.window_start as u64;
        self.window_end -= self.window_start;
        self.window_start = 0;
        // The partitions of one reader are wanted one after the other, so reading ahead goes beyond the current one.
        let readable_to = self.partitions.last().map_or(self.end, |entry| entry.offset + entry.bytes);
        let readable = usize::try_from(readable_to - self.window_offset).unwrap_or(usize::MAX);
        let wanted = self.window_bytes.min(readable).max(length);
        if self.window.len() < wanted {
            self.window.reserve_exact(wanted - self.window.len());
            self.window.resize(wanted, 0);
        }
        while self.window_end < length {
            let into = self.window.get_mut(self.window_end..wanted.max(length)).unwrap_or_default();
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
