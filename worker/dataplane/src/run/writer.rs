//! Writes a run under a temporary name.
//!
//! The pairs may come from a plugin, so their order is checked: a run that is not sorted would give wrong answers much later.

use std::io;
use std::path::Path;
use std::time::Instant;

use gristmill_model::TaskFailure;
use gristmill_sdk::wire;
use tempfile::{NamedTempFile, TempPath};
use xxhash_rust::xxh3::Xxh3;

use super::choice::Choice;
use super::codec::Codec;
use super::last_key::LastKey;
use super::pages::Pages;
use super::pair::{PairAt, pair_at, put_pair};
use super::{
    BLOCK_HEADER_BYTES, FOOTER_BYTES, FOOTER_MAGIC, HEADER_MAGIC, INDEX_ENTRY_BYTES, IndexEntry, VERSION,
    entry_crc,
};
use crate::failure;
use crate::output::temporary_in;

/// A run being written. Dropping it removes the file.
pub(crate) struct RunWriter {
    file: NamedTempFile,
    pages: Pages,
    header: Vec<u8>,
    /// Room for a header, and the payload so far.
    block: Vec<u8>,
    block_pairs: u32,
    block_bytes: usize,
    packed: Vec<u8>,
    choice: Choice,
    partition: u32,
    index: Vec<IndexEntry>,
    offset: u64,
    last_key: LastKey,
    digest: Xxh3,
}

/// A run that is whole. Dropping it removes the file, unless it was kept.
#[derive(Debug)]
pub(crate) struct FinishedRun {
    pub(crate) file: TempPath,
    pub(crate) bytes: u64,
    pub(crate) pairs: u64,
    pub(crate) digest: u64,
}

impl RunWriter {
    /// Begins a run of `partitions` partitions in `directory`, in blocks of about `block_bytes`, packed as `choice` says.
    pub(crate) fn create(
        directory: &Path,
        partitions: u32,
        block_bytes: usize,
        choice: Choice,
    ) -> Result<Self, TaskFailure> {
        let file = temporary_in(directory)
            .map_err(|error| failure::machine("create a run file in", directory, &error))?;
        let mut header = HEADER_MAGIC.to_vec();
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&partitions.to_le_bytes());
        let mut block = Vec::with_capacity(BLOCK_HEADER_BYTES + block_bytes);
        block.resize(BLOCK_HEADER_BYTES, 0);
        let mut writer = Self {
            file,
            pages: Pages::default(),
            header: Vec::new(),
            block,
            block_pairs: 0,
            block_bytes,
            packed: Vec::new(),
            choice,
            partition: 0,
            index: vec![IndexEntry::default(); partitions as usize],
            offset: 0,
            last_key: LastKey::new(block_bytes),
            digest: Xxh3::new(),
        };
        writer.put(&header)?;
        writer.header = header;
        Ok(writer)
    }

    /// Adds `count` encoded pairs of one partition, which must not sort before what was added so far.
    pub(crate) fn pairs(&mut self, partition: u32, count: u64, bytes: &[u8]) -> Result<(), TaskFailure> {
        self.turn_to(partition)?;
        self.check_begin(partition, bytes)?;
        let (mut last_pair, mut last, mut last_prefix) = (PairAt::default(), &[][..], 0);
        let (mut at, mut added_to) = (0, 0);
        let mut room = self.room();
        for index in 0..count {
            let Some(pair) = pair_at(bytes, at) else {
                return Err(failure::rule(format_args!(
                    "run_pairs announced {count} pairs in {} bytes, but pair {index} at byte {at} is not whole",
                    bytes.len()
                )));
            };
            let (key, key_prefix) = (pair.key_in(bytes), pair.prefix_in(bytes));
            if key_prefix <= last_prefix && key < last {
                return Err(descended(partition));
            }
            (last_pair, last, last_prefix) = (pair, key, key_prefix);
            if pair.end - added_to > room {
                self.block.extend_from_slice(bytes.get(added_to..at).unwrap_or_default());
                self.flush_block()?;
                (added_to, room) = (at, self.block_bytes);
            }
            self.block_pairs += 1;
            at = pair.end;
            // A pair longer than a block is a block; it need not be copied for that.
            if at - added_to > room {
                let lead = bytes.get(added_to..pair.value).unwrap_or_default();
                self.put_long([lead, &[]], pair.value_in(bytes))?;
                added_to = at;
            }
        }
        if at != bytes.len() {
            return Err(failure::rule(format_args!(
                "run_pairs announced {count} pairs in {} bytes, but they end at byte {at}",
                bytes.len()
            )));
        }
        self.block.extend_from_slice(bytes.get(added_to..).unwrap_or_default());
        if count > 0 {
            // A key as long as a block is in a block of its own, which was written with it.
            let written_at = self.offset.saturating_sub((last_pair.end - last_pair.key) as u64);
            self.last_key.set(last, written_at);
        }
        Ok(())
    }

    /// Compares the first of some pairs with the last one before them.
    fn check_begin(&mut self, partition: u32, bytes: &[u8]) -> Result<(), TaskFailure> {
        let Some(first) = pair_at(bytes, 0) else { return Ok(()) };
        if self.last_key.is_in_file() {
            self.settle()?;
        }
        let descends = self.last_key.is_above(first.key_in(bytes), self.file.as_file());
        match descends.map_err(|error| failure::machine("read run file", self.file.path(), &error))? {
            true => Err(descended(partition)),
            false => Ok(()),
        }
    }

    /// Adds a pair that is known to sort behind what was added so far.
    pub(crate) fn pair(&mut self, partition: u32, key: &[u8], value: &[u8]) -> Result<(), TaskFailure> {
        self.turn_to(partition)?;
        if 2 * wire::LENGTH_BYTES_MAX + key.len() + value.len() > self.room() {
            self.flush_block()?;
            if wire::length_bytes(key.len()) + wire::length_bytes(value.len()) + key.len() + value.len()
                > self.block_bytes
            {
                let mut lengths = Vec::with_capacity(2 * wire::LENGTH_BYTES_MAX);
                wire::put_length(&mut lengths, key.len());
                wire::put_length(&mut lengths, value.len());
                self.block_pairs = 1;
                return self.put_long([&lengths, key], value);
            }
        }
        put_pair(&mut self.block, key, value);
        self.block_pairs += 1;
        Ok(())
    }

    /// Adds a pair that is known to sort behind what was added so far, as it is encoded: what is before its value, and its value.
    #[inline]
    pub(crate) fn encoded_pair(
        &mut self,
        partition: u32,
        lead: &[u8],
        value: &[u8],
    ) -> Result<(), TaskFailure> {
        self.turn_to(partition)?;
        if lead.len() + value.len() > self.room() {
            self.flush_block()?;
            if lead.len() + value.len() > self.block_bytes {
                self.block_pairs = 1;
                return self.put_long([lead, &[]], value);
            }
        }
        self.block.extend_from_slice(lead);
        self.block.extend_from_slice(value);
        self.block_pairs += 1;
        Ok(())
    }

    /// Ends the run. It is not synced: a run that a power cut spoils fails its checksum, and its map runs again.
    pub(crate) fn finish(mut self) -> Result<FinishedRun, TaskFailure> {
        self.end_partition()?;
        self.close_until(self.index.len());
        let index_offset = self.offset;
        let mut tail = Vec::with_capacity(self.index.len() * INDEX_ENTRY_BYTES + FOOTER_BYTES);
        for (partition, entry) in (0..).zip(&self.index) {
            let begin = tail.len();
            let sizes = [entry.largest_block, entry.largest_packed, entry.longest_lead, entry.longest_pair];
            for number in [entry.offset, entry.bytes, entry.pairs].into_iter().chain(sizes) {
                tail.extend_from_slice(&number.to_le_bytes());
            }
            let crc = entry_crc(partition, tail.get(begin..).unwrap_or_default());
            tail.extend_from_slice(&crc.to_le_bytes());
        }
        let footer = tail.len();
        let pairs = self.index.iter().map(|entry| entry.pairs).sum();
        let digest = self.digest.digest();
        for number in [index_offset, pairs, digest] {
            tail.extend_from_slice(&number.to_le_bytes());
        }
        tail.extend_from_slice(&VERSION.to_le_bytes());
        tail.extend_from_slice(&(self.index.len() as u32).to_le_bytes());
        let checked = tail.get(footer..).unwrap_or_default();
        let crc = crc32c::crc32c_append(crc32c::crc32c(&self.header), checked);
        tail.extend_from_slice(&crc.to_le_bytes());
        tail.extend_from_slice(&FOOTER_MAGIC);
        self.put(&tail)?;
        self.settle()?;
        Ok(FinishedRun { file: self.file.into_temp_path(), bytes: self.offset, pairs, digest })
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
        self.last_key.clear();
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

    /// Bytes of payload that the block may still take.
    #[inline]
    fn room(&self) -> usize {
        (BLOCK_HEADER_BYTES + self.block_bytes).saturating_sub(self.block.len())
    }

    fn flush_block(&mut self) -> Result<(), TaskFailure> {
        if self.block_pairs == 0 {
            return Ok(());
        }
        let mut block = std::mem::take(&mut self.block);
        let done = self.put_block(&mut block);
        block.truncate(BLOCK_HEADER_BYTES);
        block.shrink_to(BLOCK_HEADER_BYTES + self.block_bytes);
        self.block = block;
        done
    }

    /// Writes a block in one go: `framed` is room for its header, and its payload.
    fn put_block(&mut self, framed: &mut [u8]) -> Result<(), TaskFailure> {
        let payload = framed.get(BLOCK_HEADER_BYTES..).unwrap_or_default();
        self.digest.update(payload);
        let raw = payload_bytes(payload.len())?;
        let codec = self.choice.codec(payload);
        if codec == Codec::None {
            self.seal(framed, raw, codec);
            return self.put_timed(framed, raw, codec);
        }
        let mut packed = std::mem::take(&mut self.packed);
        packed.clear();
        packed.resize(BLOCK_HEADER_BYTES, 0);
        let is_shorter = codec
            .pack(payload, &mut packed)
            .map_err(|error| failure::machine("pack a block of", self.file.path(), &error))?;
        let done = if is_shorter {
            self.seal(&mut packed, raw, codec);
            self.put_timed(&packed, raw, codec)
        } else {
            self.seal(framed, raw, Codec::None);
            self.put_timed(framed, raw, Codec::None)
        };
        self.packed = packed;
        done
    }

    /// Writes a block of one pair that is not in the buffer: what is before its value, in two parts, and its value.
    fn put_long(&mut self, lead: [&[u8]; 2], value: &[u8]) -> Result<(), TaskFailure> {
        let [lengths, key] = lead;
        let lead_bytes = lengths.len() + key.len();
        let raw = payload_bytes(lead_bytes + value.len())?;
        let parts = [lengths, key, value];
        let header = block_header(&parts, raw, self.block_pairs, Codec::None);
        self.block_pairs = 0;
        let begin = self.offset;
        self.put(&header)?;
        for part in parts {
            self.digest.update(part);
            self.put(part)?;
        }
        let entry = self.enter_block(begin, 1);
        entry.longest_lead = entry.longest_lead.max(lead_bytes as u64);
        entry.longest_pair = entry.longest_pair.max(BLOCK_HEADER_BYTES as u64 + u64::from(raw));
        Ok(())
    }

    fn seal(&self, framed: &mut [u8], raw: u32, codec: Codec) {
        let (room, payload) = framed.split_at_mut(BLOCK_HEADER_BYTES);
        room.copy_from_slice(&block_header(&[payload], raw, self.block_pairs, codec));
    }

    fn put_timed(&mut self, framed: &[u8], raw: u32, codec: Codec) -> Result<(), TaskFailure> {
        let (begin, begun) = (self.offset, Instant::now());
        self.put(framed)?;
        self.choice.wrote(framed.len(), begun.elapsed());
        let pairs = std::mem::take(&mut self.block_pairs);
        let entry = self.enter_block(begin, pairs);
        entry.largest_block = entry.largest_block.max(framed.len() as u64);
        if codec != Codec::None {
            entry.largest_packed = entry.largest_packed.max(u64::from(raw));
        }
        Ok(())
    }

    /// A block of the current partition was written.
    fn enter_block(&mut self, begin: u64, pairs: u32) -> &mut IndexEntry {
        let entry = &mut self.index[self.partition as usize];
        if entry.bytes == 0 {
            entry.offset = begin;
        }
        entry.bytes += self.offset - begin;
        entry.pairs += u64::from(pairs);
        entry
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), TaskFailure> {
        let written = self.pages.write(self.file.as_file_mut(), bytes);
        written.map_err(|error| self.unwritten(&error))?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// What was put is in the file then, and can be read there.
    fn settle(&mut self) -> Result<(), TaskFailure> {
        let written = self.pages.settle(self.file.as_file_mut());
        written.map_err(|error| self.unwritten(&error))
    }

    fn unwritten(&self, error: &io::Error) -> TaskFailure {
        failure::machine("write run file", self.file.path(), error)
    }
}

fn descended(partition: u32) -> TaskFailure {
    failure::rule(format_args!(
        "within a run the keys of a partition must ascend, but in partition {partition} a key came after a greater one"
    ))
}

fn payload_bytes(length: usize) -> Result<u32, TaskFailure> {
    u32::try_from(length)
        .map_err(|_| failure::rule(format_args!("a pair has {length} bytes; it may have 4 GiB")))
}

fn block_header(payload: &[&[u8]], raw: u32, pairs: u32, codec: Codec) -> [u8; BLOCK_HEADER_BYTES] {
    let mut header = [0; BLOCK_HEADER_BYTES];
    let (checked, crc) = header.split_at_mut(16);
    let stored = payload.iter().map(|part| part.len()).sum::<usize>() as u32;
    let numbers = [stored, raw, pairs, u32::from(codec.number())];
    for (field, number) in checked.chunks_exact_mut(4).zip(numbers) {
        field.copy_from_slice(&number.to_le_bytes());
    }
    let sum = payload.iter().fold(crc32c::crc32c(checked), |crc, part| crc32c::crc32c_append(crc, part));
    crc.copy_from_slice(&sum.to_le_bytes());
    header
}
