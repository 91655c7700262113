//! Writes a run under a temporary name.
//!
//! The pairs may come from a plugin, so their order is checked: a run that is not sorted would give wrong answers much later.

use std::io::Write;
use std::path::Path;

use gristmill_model::{PartitionSize, TaskFailure};
use tempfile::{NamedTempFile, TempPath};
use xxhash_rust::xxh3::Xxh3;

use super::pair::{pair_at, put_pair};
use super::{
    BLOCK_HEADER_BYTES, FOOTER_BYTES, FOOTER_MAGIC, HEADER_MAGIC, INDEX_ENTRY_BYTES, IndexEntry, VERSION,
};
use crate::failure;
use crate::output::temporary_in;

/// A run being written. Dropping it removes the file.
pub(crate) struct RunWriter {
    file: NamedTempFile,
    header: Vec<u8>,
    block: Vec<u8>,
    block_pairs: u32,
    block_bytes: usize,
    partition: u32,
    index: Vec<IndexEntry>,
    offset: u64,
    last_key: Option<Vec<u8>>,
    digest: Xxh3,
}

/// A run that is whole. Dropping it removes the file, unless it was kept.
#[derive(Debug)]
pub(crate) struct FinishedRun {
    pub(crate) file: TempPath,
    pub(crate) bytes: u64,
    pub(crate) pairs: u64,
    pub(crate) digest: u64,
    pub(crate) partitions: Vec<PartitionSize>,
}

impl RunWriter {
    /// Begins a run of `partitions` partitions in `directory`, in blocks of about `block_bytes`.
    pub(crate) fn create(directory: &Path, partitions: u32, block_bytes: usize) -> Result<Self, TaskFailure> {
        let file = temporary_in(directory)
            .map_err(|error| failure::machine("create a run file in", directory, &error))?;
        let mut header = HEADER_MAGIC.to_vec();
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&partitions.to_le_bytes());
        let mut writer = Self {
            file,
            header: Vec::new(),
            block: Vec::with_capacity(block_bytes),
            block_pairs: 0,
            block_bytes,
            partition: 0,
            index: vec![IndexEntry::default(); partitions as usize],
            offset: 0,
            last_key: None,
            digest: Xxh3::new(),
        };
        writer.put(&header)?;
        writer.header = header;
        Ok(writer)
    }

    /// Adds `count` encoded pairs of one partition, which must not sort before what was added so far.
    pub(crate) fn pairs(&mut self, partition: u32, count: u64, bytes: &[u8]) -> Result<(), TaskFailure> {
        self.turn_to(partition)?;
        let mut at = 0;
        let mut added_to = 0;
        let mut last: Option<&[u8]> = None;
        for index in 0..count {
            let Some(pair) = pair_at(bytes, at) else {
                return Err(failure::rule(format_args!(
                    "run_pairs announced {count} pairs in {} bytes, but pair {index} at byte {at} is not whole",
                    bytes.len()
                )));
            };
            let key = bytes.get(pair.key).unwrap_or_default();
            if last.or(self.last_key.as_deref()).is_some_and(|last| key < last) {
                return Err(failure::rule(format_args!(
                    "within a run the keys of a partition must ascend, but in partition {partition} a key came after a greater one"
                )));
            }
            last = Some(key);
            if self.block.len() + (pair.value.end - added_to) > self.block_bytes {
                self.add(bytes.get(added_to..at).unwrap_or_default());
                added_to = at;
                self.flush_block()?;
            }
            self.block_pairs += 1;
            at = pair.value.end;
            // A pair longer than a block is a block; it need not be copied for that.
            if at - added_to > self.block_bytes {
                let long = bytes.get(added_to..at).unwrap_or_default();
                self.digest.update(long);
                self.put_block(long)?;
                added_to = at;
            }
        }
        if at != bytes.len() {
            return Err(failure::rule(format_args!(
                "run_pairs announced {count} pairs in {} bytes, but they end at byte {at}",
                bytes.len()
            )));
        }
        self.add(bytes.get(added_to..).unwrap_or_default());
        if let Some(key) = last {
            let last_key = self.last_key.get_or_insert_default();
            last_key.clear();
            last_key.extend_from_slice(key);
        }
        Ok(())
    }

    /// Adds a pair that is known to sort behind what was added so far.
    pub(crate) fn pair(&mut self, partition: u32, key: &[u8], value: &[u8]) -> Result<(), TaskFailure> {
        self.turn_to(partition)?;
        if !self.block.is_empty() && self.block.len() + key.len() + value.len() > self.block_bytes {
            self.flush_block()?;
        }
        let start = self.block.len();
        put_pair(&mut self.block, key, value);
        self.digest.update(self.block.get(start..).unwrap_or_default());
        self.block_pairs += 1;
        Ok(())
    }

    /// Ends the run. It is not synced: a run that a power cut spoils fails its checksum, and its map runs again.
    pub(crate) fn finish(mut self) -> Result<FinishedRun, TaskFailure> {
        self.end_partition()?;
        self.close_until(self.index.len());
        let index_offset = self.offset;
        let mut tail = Vec::with_capacity(self.index.len() * INDEX_ENTRY_BYTES + FOOTER_BYTES);
        for entry in &self.index {
            for number in [entry.offset, entry.bytes, entry.pairs, entry.largest_block] {
                tail.extend_from_slice(&number.to_le_bytes());
            }
        }
        let pairs = self.index.iter().map(|entry| entry.pairs).sum();
        let digest = self.digest.digest();
        for number in [index_offset, pairs, digest] {
            tail.extend_from_slice(&number.to_le_bytes());
        }
        tail.extend_from_slice(&VERSION.to_le_bytes());
        tail.extend_from_slice(&(self.index.len() as u32).to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&self.header), &tail);
        tail.extend_from_slice(&crc.to_le_bytes());
        tail.extend_from_slice(&FOOTER_MAGIC);
        self.put(&tail)?;
        let size = |entry: &IndexEntry| PartitionSize { bytes: entry.bytes, pairs: entry.pairs };
        let partitions = self.index.iter().map(size).collect();
        Ok(FinishedRun { file: self.file.into_temp_path(), bytes: self.offset, pairs, digest, partitions })
    }

    fn turn_to(&mut self, partition: u32) -> Result<(), TaskFailure> {
        if partition == self.partition && (partition as usize) < self.index.len() {
            return Ok(());
        }
        if partition as usize >= self.index.len() {
            return Err(failure::rule(format_args!(
                "a pair was given to partition {partition}, but there are {}, counted from 0",
                self.index.len()
            )));
        }
        if partition < self.partition {
            return Err(failure::rule(format_args!(
                "within a run partitions must ascend, but partition {partition} came after {}",
                self.partition
            )));
        }
        self.end_partition()?;
        self.close_until(partition as usize);
        self.partition = partition;
        Ok(())
    }

    fn end_partition(&mut self) -> Result<(), TaskFailure> {
        self.flush_block()?;
        self.last_key = None;
        Ok(())
    }

    /// Partitions from the current one up to `next` are complete: those behind the current one are empty.
    fn close_until(&mut self, next: usize) {
        let end = self.offset;
        let current = self.partition as usize;
        for (number, entry) in self.index.iter_mut().enumerate().take(next).skip(current) {
            if entry.bytes == 0 {
                entry.offset = end;
            } else {
                self.digest.update(&(number as u64).to_le_bytes());
                self.digest.update(&entry.pairs.to_le_bytes());
            }
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        self.block.extend_from_slice(bytes);
    }

    fn flush_block(&mut self) -> Result<(), TaskFailure> {
        if self.block.is_empty() {
            return Ok(());
        }
        let mut block = std::mem::take(&mut self.block);
        let done = self.put_block(&block);
        block.clear();
        block.shrink_to(self.block_bytes);
        self.block = block;
        done
    }

    fn put_block(&mut self, payload: &[u8]) -> Result<(), TaskFailure> {
        let Ok(stored) = u32::try_from(payload.len()) else {
            return Err(failure::rule(format_args!("a pair has {} bytes; it may have 4 GiB", payload.len())));
        };
        let mut header = Vec::with_capacity(BLOCK_HEADER_BYTES);
        for number in [stored, stored, self.block_pairs, 0] {
            header.extend_from_slice(&number.to_le_bytes());
        }
        let crc = crc32c::crc32c_append(crc32c::crc32c(&header), payload);
        header.extend_from_slice(&crc.to_le_bytes());
        let begin = self.offset;
        self.put(&header)?;
        self.put(payload)?;
        let length = self.offset - begin;
        if let Some(entry) = self.index.get_mut(self.partition as usize) {
            if entry.bytes == 0 {
                entry.offset = begin;
            }
            entry.bytes += length;
            entry.pairs += u64::from(self.block_pairs);
            entry.largest_block = entry.largest_block.max(length);
        }
        self.block_pairs = 0;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), TaskFailure> {
        let written = self.file.as_file_mut().write_all(bytes);
        written.map_err(|error| failure::machine("write run file", self.file.path(), &error))?;
        self.offset += bytes.len() as u64;
        Ok(())
    }
}
