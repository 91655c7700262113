//! The file of a snapshot.
//!
//! ```text
//!   file   = magic [8] · version u8 · block(about) · block … · block of no bytes · digest u128
//!   block  = length u32 · CRC32C of the bytes u32 · bytes            integers little-endian
//!   digest = XXH3 of all that comes before it
//! ```
//! `about` (postcard) says up to which entry the state goes and who the members are; the other blocks are the state's own bytes.

use std::io::{self, ErrorKind, Read, Write};

use crc32c::crc32c;
use xxhash_rust::xxh3::Xxh3;

use crate::raft::wire::About;

const MAGIC: &[u8; 8] = b"GMSNAPSH";
/// The format that this version writes and reads.
pub(crate) const SNAPSHOT_VERSION: u8 = 1;
const BLOCK_BYTES: usize = 64 << 10;
const BLOCK_BYTES_MAX: usize = 1 << 20;

/// Why a snapshot cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadSnapshot {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("at offset {offset}: {what}")]
    Damaged { offset: u64, what: &'static str },
    #[error("it is of version {found}, and this one reads {SNAPSHOT_VERSION}")]
    Newer { found: u8 },
}

/// Writes a snapshot; takes the state's bytes as [`Write`].
pub(crate) struct SnapshotWriter<W> {
    out: W,
    digest: Xxh3,
    block: Vec<u8>,
    written: u64,
}

impl<W: Write> SnapshotWriter<W> {
    pub(crate) fn new(out: W, about: &About) -> io::Result<Self> {
        let block = Vec::with_capacity(BLOCK_BYTES);
        let mut writer = Self { out, digest: Xxh3::new(), block, written: 0 };
        writer.put(MAGIC)?;
        writer.put(&[SNAPSHOT_VERSION])?;
        let about = postcard::to_stdvec(about).map_err(io::Error::other)?;
        writer.put_block(&about)?;
        Ok(writer)
    }

    /// Ends the file. Returns where it went, its length and its digest.
    pub(crate) fn finish(mut self) -> io::Result<(W, u64, u128)> {
        self.end_block()?;
        self.put_block(&[])?;
        let digest = self.digest.digest128();
        self.put(&digest.to_le_bytes())?;
        self.out.flush()?;
        Ok((self.out, self.written, digest))
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digest.update(bytes);
        self.written += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn put_block(&mut self, bytes: &[u8]) -> io::Result<()> {
        let len = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        self.put(&len.to_le_bytes())?;
        self.put(&crc32c(bytes).to_le_bytes())?;
        self.put(bytes)
    }

    fn end_block(&mut self) -> io::Result<()> {
        if !self.block.is_empty() {
            let block = std::mem::take(&mut self.block);
            self.put_block(&block)?;
            self.block = block;
            self.block.clear();
        }
        Ok(())
    }
}

impl<W: Write> Write for SnapshotWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = BLOCK_BYTES - self.block.len();
        let (taken, _) = bytes.split_at(room.min(bytes.len()));
        self.block.extend_from_slice(taken);
        if self.block.len() == BLOCK_BYTES {
            self.end_block()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a snapshot; gives the state's bytes as [`Read`], each checked before it is given.
pub(crate) struct SnapshotReader<R> {
    input: R,
    digest: Xxh3,
    offset: u64,
    about: About,
    block: Vec<u8>,
    given: usize,
    ended: bool,
}

impl<R: Read> SnapshotReader<R> {
    pub(crate) fn new(mut input: R) -> Result<Self, BadSnapshot> {
        let mut start = [0; 9];
        let damaged = |what| BadSnapshot::Damaged { offset: 0, what };
        input.read_exact(&mut start).map_err(|error| cut_off(error, 0))?;
        let [magic @ .., version] = start;
        if &magic != MAGIC {
            return Err(damaged("it does not begin as a snapshot"));
        }
        if version != SNAPSHOT_VERSION {
            return Err(BadSnapshot::Newer { found: version });
        }
        let mut digest = Xxh3::new();
        digest.update(&start);
        let about = About { last: None, members_at: None, members: crate::raft::wire::Members::nobody() };
        let mut reader = Self { input, digest, offset: 9, about, block: Vec::new(), given: 0, ended: false };
        reader.next_block()?;
        reader.about =
            postcard::from_bytes(&reader.block).map_err(|_| damaged("it does not say what it holds"))?;
        reader.given = reader.block.len();
        Ok(reader)
    }

    /// What the snapshot holds.
    pub(crate) fn about(&self) -> &About {
        &self.about
    }

    /// Checks what the state has not asked for. Returns the length and the digest of the whole.
    pub(crate) fn finish(mut self) -> Result<(u64, u128), BadSnapshot> {
        if self.given < self.block.len() {
            return Err(self.damaged("the state ends before the file does"));
        }
        if !self.ended && self.next_block()? {
            return Err(self.damaged("the state ends before the file does"));
        }
        let expected = self.digest.digest128();
        let mut digest = [0; 16];
        self.input.read_exact(&mut digest).map_err(|error| cut_off(error, self.offset))?;
        if u128::from_le_bytes(digest) != expected {
            return Err(self.damaged("its digest does not fit"));
        }
        self.offset += 16;
        match self.input.read(&mut [0])? {
            0 => Ok((self.offset, expected)),
            _ => Err(self.damaged("bytes behind its end")),
        }
    }

    fn damaged(&self, what: &'static str) -> BadSnapshot {
        BadSnapshot::Damaged { offset: self.offset, what }
    }

    /// Reads the next block. `false` at the end.
    fn next_block(&mut self) -> Result<bool, BadSnapshot> {
        let mut head = [0; 8];
        self.input.read_exact(&mut head).map_err(|error| cut_off(error, self.offset))?;
        let [a, b, c, d, checksum @ ..] = head;
        let len = u32::from_le_bytes([a, b, c, d]) as usize;
        if len > BLOCK_BYTES_MAX {
            return Err(self.damaged("a block that is too long"));
        }
        self.block.clear();
        self.given = 0;
        self.block.resize(len, 0);
        self.input.read_exact(&mut self.block).map_err(|error| cut_off(error, self.offset))?;
        if crc32c(&self.block) != u32::from_le_bytes(checksum) {
            return Err(self.damaged("a checksum does not fit"));
        }
        self.digest.update(&head);
        self.digest.update(&self.block);
        self.offset += 8 + len as u64;
        self.ended = len == 0;
        Ok(len > 0)
    }
}

impl<R: Read> Read for SnapshotReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.given == self.block.len() && (self.ended || !self.next_block().map_err(into_io)?) {
            return Ok(0);
        }
        let rest = self.block.get(self.given..).unwrap_or_default();
        let (now, _) = rest.split_at(rest.len().min(out.len()));
        if let Some(out) = out.get_mut(..now.len()) {
            out.copy_from_slice(now);
        }
        self.given += now.len();
        Ok(now.len())
    }
}

fn cut_off(error: io::Error, offset: u64) -> BadSnapshot {
    match error.kind() {
        ErrorKind::UnexpectedEof => BadSnapshot::Damaged { offset, what: "it is cut off" },
        _ => BadSnapshot::Io(error),
    }
}

fn into_io(bad: BadSnapshot) -> io::Error {
    match bad {
        BadSnapshot::Io(error) => error,
        bad => io::Error::new(ErrorKind::InvalidData, bad),
    }
}
