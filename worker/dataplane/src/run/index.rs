//! Opens runs and checks what they say of themselves: header, index and footer.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use gristmill_model::PartitionSize;

use super::{
    FOOTER_BYTES, FOOTER_MAGIC, HEADER_BYTES, HEADER_MAGIC, INDEX_ENTRY_BYTES, IndexEntry, RunError,
    RunFault, VERSION, entry_crc,
};

/// A run whose index has been read and found good. Holds no open file.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(super) path: PathBuf,
    pub(super) index: Vec<IndexEntry>,
}

/// What a merge must know of a run before it reads it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunSizes {
    index_bytes: u64,
    bytes: u64,
    /// The longest piece of the file that is held at once, but for long values.
    held: u64,
    packed: u64,
    /// Bytes of its longest pair, of those that are longer than other blocks.
    pub(crate) longest_pair: u64,
}

impl RunSizes {
    /// Bytes of memory that reading the run takes, beside that for a long value.
    pub(crate) fn buffer_bytes(self, window_bytes: usize) -> u64 {
        self.index_bytes + self.held.max(window_bytes as u64).min(self.bytes) + self.packed
    }
}

/// The little-endian number of four or eight bytes at `at`; zero beyond the end, which no caller asks for.
pub(super) fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
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

    /// Opens a run file for one of its partitions, as if it had no other. A reduce opens as many runs as there were maps: to read and to
    /// hold all of their indexes would take time and memory that grow with the square of the partitions.
    pub(crate) fn open_partition(path: &Path, partition: u32) -> Result<Self, RunError> {
        let entry = read_entry(path, partition).map_err(|fault| RunError::new(path, fault))?;
        Ok(Self { path: path.to_owned(), index: vec![entry] })
    }

    /// Number of partitions.
    #[cfg(any(test, feature = "bench"))]
    pub(crate) fn partitions(&self) -> u32 {
        self.index.len() as u32
    }

    /// Bytes that the blocks of its partitions take.
    pub(crate) fn bytes(&self) -> u64 {
        self.index.iter().map(|entry| entry.bytes).sum()
    }

    /// Pairs in its partitions.
    pub(crate) fn pairs(&self) -> u64 {
        self.index.iter().fold(0, |pairs, entry| entry.pairs.saturating_add(pairs))
    }

    /// What its partitions have.
    pub(crate) fn partition_sizes(&self) -> Vec<PartitionSize> {
        self.index.iter().map(|entry| PartitionSize { bytes: entry.bytes, pairs: entry.pairs }).collect()
    }

    pub(crate) fn sizes(&self) -> RunSizes {
        RunSizes {
            index_bytes: size_of_val(self.index.as_slice()) as u64,
            bytes: self.bytes(),
            held: self.largest(|entry| entry.largest_block).max(self.largest(|entry| entry.longest_lead)),
            packed: self.largest(|entry| entry.largest_packed),
            longest_pair: self.largest(|entry| entry.longest_pair),
        }
    }

    fn largest(&self, size: fn(&IndexEntry) -> u64) -> u64 {
        self.index.iter().map(size).max().unwrap_or(0)
    }
}

/// A file that begins and ends as a run does.
struct Ends {
    file: File,
    index_offset: u64,
    partitions: u32,
}

impl Ends {
    fn read(path: &Path) -> Result<Self, RunFault> {
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
            return Err(format_fault(format!(
                "it has format version {version}, this gristmill reads {VERSION}"
            )));
        }
        if !footer.ends_with(&FOOTER_MAGIC) {
            return Err(format_fault("it does not end as a run does: it was cut off"));
        }
        let partitions = number(&footer, 28, 4);
        let index_offset = number(&footer, 0, 8);
        if index_offset.checked_add(partitions * INDEX_ENTRY_BYTES as u64) != Some(footer_offset) {
            return Err(format_fault("its footer does not fit its size"));
        }
        let (checked, _) = footer.split_at(32);
        let crc = crc32c::crc32c_append(crc32c::crc32c(&header), checked);
        if u64::from(crc) != number(&footer, 32, 4) || partitions != number(&header, 12, 4) {
            return Err(format_fault("its footer does not match its checksum"));
        }
        // It is of 32 bits.
        Ok(Self { file, index_offset, partitions: partitions as u32 })
    }

    /// Some entries of the index, which is known to lie in the file, so that memory for them may be taken.
    fn entries(&self, first: u32, count: u32) -> Result<Vec<IndexEntry>, RunFault> {
        let mut bytes = vec![0; count as usize * INDEX_ENTRY_BYTES];
        let offset = self.index_offset + u64::from(first) * INDEX_ENTRY_BYTES as u64;
        self.file.read_exact_at(&mut bytes, offset).map_err(failed("read its index"))?;
        (first..)
            .zip(bytes.chunks_exact(INDEX_ENTRY_BYTES))
            .map(|(partition, bytes)| self.entry(partition, bytes))
            .collect()
    }

    fn entry(&self, partition: u32, bytes: &[u8]) -> Result<IndexEntry, RunFault> {
        let (checked, crc) = bytes.split_at(INDEX_ENTRY_BYTES - 4);
        if u64::from(entry_crc(partition, checked)) != number(crc, 0, 4) {
            return Err(format_fault("its index does not match its checksum"));
        }
        let entry = IndexEntry {
            offset: number(checked, 0, 8),
            bytes: number(checked, 8, 8),
            pairs: number(checked, 16, 8),
            largest_block: number(checked, 24, 8),
            largest_packed: number(checked, 32, 8),
            longest_lead: number(checked, 40, 8),
            longest_pair: number(checked, 48, 8),
        };
        let is_inside = entry.offset >= HEADER_BYTES as u64
            && entry.offset.checked_add(entry.bytes).is_some_and(|end| end <= self.index_offset);
        // Blocks are of 32 bits, unpacked too.
        let fits = entry.largest_block.max(entry.longest_pair) <= entry.bytes
            && entry.largest_packed <= u64::from(u32::MAX);
        if is_inside && fits { Ok(entry) } else { Err(misfit()) }
    }
}

fn failed(doing: &'static str) -> impl FnOnce(io::Error) -> RunFault {
    move |error| RunFault::Io(doing, error)
}

fn misfit() -> RunFault {
    format_fault("its index does not fit its blocks")
}

fn read_index(path: &Path) -> Result<Vec<IndexEntry>, RunFault> {
    let ends = Ends::read(path)?;
    let entries = ends.entries(0, ends.partitions)?;
    let end = entries.iter().try_fold(HEADER_BYTES as u64, |end, entry| {
        (entry.offset == end).then_some(entry.offset + entry.bytes)
    });
    if end == Some(ends.index_offset) { Ok(entries) } else { Err(misfit()) }
}

fn read_entry(path: &Path, partition: u32) -> Result<IndexEntry, RunFault> {
    let ends = Ends::read(path)?;
    let missing = RunFault::NoPartition { wanted: partition, partitions: ends.partitions };
    if partition >= ends.partitions {
        return Err(missing);
    }
    ends.entries(partition, 1)?.pop().ok_or(missing)
}
