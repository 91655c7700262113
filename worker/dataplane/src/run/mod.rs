//! Runs: sorted, partitioned, checksummed files of intermediate pairs.
//!
//! All numbers are little-endian. A reader trusts nothing: every length is checked against the file's size before memory is
//! taken for it, and every byte is under a checksum.
//!
//! ```text
//! file    header  block*  index  footer
//! header  "GRISTRUN"  version u32  partitions u32                                         16 bytes
//! block   stored u32  raw u32  pairs u32  codec u8  zero u8×3  crc32c u32  payload        20 + stored bytes
//!           stored, raw  size of the payload as it is here, and unpacked
//!           codec        0 none, 1 lz4 (block format), 2 zstd (one frame)
//!           crc32c       of the 16 bytes before it and the payload as it is here
//!           payload      pairs of one partition, keys ascending (LEB128 key length, LEB128 value length, key, value)
//! index   partitions × (offset u64  bytes u64  pairs u64  largest block u64  largest packed u64  longest lead u64  longest pair u64
//!           crc32c u32), 60 bytes each, so that one can be read and believed without the others
//!           blocks of partition p lie at offset, bytes long, right behind those of p - 1; 0 where there is no such block
//!           largest block   of those that are not one long pair, with its header, as it is here
//!           largest packed  of the blocks with a codec, unpacked
//!           longest lead    of the blocks that are one long pair, what is before the value
//!           longest pair    of the blocks that are one long pair, with its header
//!           crc32c          of the partition's number u32 and the entry before it
//! footer  index offset u64  pairs u64  digest u64  version u32  partitions u32  crc32c u32  "GEND"    40 bytes
//!           crc32c       of the header and the footer before it
//! ```
//!
//! The digest is that of the pairs and their partitions, wherever blocks begin and end and however they are packed. A block is a few hundred KiB, or one pair if that
//! is longer: it has no codec, and its value is read when it is wanted, so that a merge holds one long value at a time. Whether it is
//! one is seen by its single pair and by its size, beyond the largest block.

mod choice;
mod codec;
mod index;
mod last_key;
mod pages;
pub(crate) mod pair;
mod reader;
mod writer;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) use choice::Choice;
#[cfg(feature = "bench")]
pub(crate) use codec::Codec;
pub(crate) use index::{Run, RunSizes};
pub(crate) use reader::{Meter, ReadLimits, SegmentReader};
pub(crate) use writer::{FinishedRun, RunWriter};

const HEADER_MAGIC: [u8; 8] = *b"GRISTRUN";
const FOOTER_MAGIC: [u8; 4] = *b"GEND";
const VERSION: u32 = 3;
const HEADER_BYTES: usize = 16;
const BLOCK_HEADER_BYTES: usize = 20;
const INDEX_ENTRY_BYTES: usize = 60;
const FOOTER_BYTES: usize = 40;

/// The checksum of an entry of the index, which is that of no other partition's.
fn entry_crc(partition: u32, entry: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&partition.to_le_bytes()), entry)
}

/// Where a partition lies in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct IndexEntry {
    offset: u64,
    bytes: u64,
    pairs: u64,
    largest_block: u64,
    largest_packed: u64,
    longest_lead: u64,
    longest_pair: u64,
}

/// A run that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("run file {path:?}: {fault}")]
pub(crate) struct RunError {
    pub(crate) path: PathBuf,
    pub(crate) fault: RunFault,
}

/// Why a run cannot be read.
#[derive(Debug)]
pub(crate) enum RunFault {
    /// The system refused, while doing this.
    Io(&'static str, io::Error),
    /// It is not a run file, or not one of this version, or cut off.
    Format(String),
    /// A block does not hold what it should.
    Block { offset: u64, what: &'static str },
    /// A block is longer than all the memory that there is.
    TooLong { offset: u64, bytes: u64, memory_bytes: u64 },
    /// It has no such partition.
    NoPartition { wanted: u32, partitions: u32 },
}

impl fmt::Display for RunFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(doing, error) => write!(f, "cannot {doing}: {error}"),
            Self::Format(what) => f.write_str(what),
            Self::Block { offset, what } => write!(f, "damaged block at byte {offset}: {what}"),
            Self::TooLong { offset, bytes, memory_bytes } => write!(
                f,
                "the pair at byte {offset} takes {bytes} bytes, and the slot has {memory_bytes} bytes of memory; give it more with --memory"
            ),
            Self::NoPartition { wanted, partitions } => {
                write!(f, "partition {wanted} was asked for, but it has {partitions}")
            }
        }
    }
}

impl RunError {
    fn new(path: &Path, fault: RunFault) -> Self {
        Self { path: path.to_owned(), fault }
    }

    /// Whether it is this process that lacks something, so that the run may well be whole.
    pub(crate) fn is_shortage(&self) -> bool {
        const ENFILE: i32 = 23;
        const EMFILE: i32 = 24;
        const ENOMEM: i32 = 12;
        match &self.fault {
            RunFault::TooLong { .. } => true,
            RunFault::Io(_, error) => matches!(error.raw_os_error(), Some(ENFILE | EMFILE | ENOMEM)),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
