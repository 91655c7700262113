//! Writes a large file past the page cache while the next part of it is being made.
//!
//! An output is written once and synced before anybody may read it, so copying it into the page cache first costs a copy and a fresh page
//! for every 4 KiB, and gains nothing. A thread writes one block with `O_DIRECT` while the other is filled. Where a file system does not
//! take direct writes (memory, some networks) the same thread writes as usual.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

/// What places and sizes of direct writes, in the file and in memory, must be multiples of.
const ALIGNMENT: usize = 4096;

/// Bytes that are filled and then written, at a place in memory from which they can be written directly.
pub(super) struct Block {
    memory: Vec<u8>,
    begin: usize,
    filled: usize,
    bytes: usize,
}

impl Block {
    /// Of about so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        let bytes = bytes.next_multiple_of(ALIGNMENT).max(ALIGNMENT);
        let memory = vec![0; bytes + ALIGNMENT];
        let begin = memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Self { memory, begin, filled: 0, bytes }
    }

    /// One without memory, in the place of one that is elsewhere.
    pub(super) fn empty() -> Self {
        Self { memory: Vec::new(), begin: 0, filled: 0, bytes: 0 }
    }

    /// Takes as many of the bytes as there is room for, and says how many.
    pub(super) fn fill(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.bytes - self.filled);
        let at = self.begin + self.filled;
        self.memory[at..at + count].copy_from_slice(&bytes[..count]);
        self.filled += count;
        count
    }

    pub(super) fn is_full(&self) -> bool {
        self.filled == self.bytes
    }

    pub(super) fn content(&self) -> &[u8] {
        &self.memory[self.begin..self.begin + self.filled]
    }

    /// Its content, with zeros behind it up to what can be written directly.
    fn padded(&mut self) -> &[u8] {
        let end = self.filled.next_multiple_of(ALIGNMENT);
        self.memory[self.begin + self.filled..self.begin + end].fill(0);
        &self.memory[self.begin..self.begin + end]
    }
}

/// The thread and its two blocks. Dropped before its end, it still waits for the block that is being written.
pub(super) struct Writer {
    to_write: Option<Sender<Block>>,
    written: Receiver<io::Result<Block>>,
    thread: Option<JoinHandle<()>>,
    /// The block that waits to be filled when the other is being written.
    spare: Option<Block>,
}

impl Writer {
    /// Writes to `file` from its beginning, in blocks of about so many bytes.
    pub(super) fn start(file: File, block_bytes: usize) -> io::Result<Self> {
        let (to_write, blocks) = channel::<Block>();
        let (results, written) = channel();
        let mut target = Target { direct: set_direct(&file, true), file, bytes: 0 };
        let thread = thread::Builder::new().name("output".to_owned()).stack_size(128 << 10);
        let thread = thread.spawn(move || {
            for mut block in blocks {
                let result = target.write(&mut block).map(|()| {
                    block.filled = 0;
                    block
                });
                let failed = result.is_err();
                if results.send(result).is_err() || failed {
                    return;
                }
            }
        })?;
        Ok(Self {
            to_write: Some(to_write),
            written,
            thread: Some(thread),
            spare: Some(Block::new(block_bytes)),
        })
    }

    /// Hands over a block and gives back an empty one, when the one before is written. Only the last block of a file may be less than full.
    pub(super) fn write(&mut self, block: Block) -> io::Result<Block> {
        let next = match self.spare.take() {
            Some(spare) => spare,
            None => self.written.recv().unwrap_or_else(|_| Err(gone()))?,
        };
        let sent = self.to_write.as_ref().map(|to_write| to_write.send(block));
        match sent {
            Some(Ok(())) => Ok(next),
            _ => Err(self.written.recv().ok().and_then(Result::err).unwrap_or_else(gone)),
        }
    }

    /// Waits until everything is written.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.to_write = None;
        while let Ok(result) = self.written.recv() {
            result?;
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.to_write = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread that writes has ended")
}

struct Target {
    file: File,
    direct: bool,
    bytes: u64,
}

impl Target {
    fn write(&mut self, block: &mut Block) -> io::Result<()> {
        let end = self.bytes + block.filled as u64;
        if self.direct {
            match self.file.write_all_at(block.padded(), self.bytes) {
                // Some file systems take the flag and refuse the writes.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    self.direct = set_direct(&self.file, false);
                    self.file.write_all_at(block.content(), self.bytes)?;
                }
                other => other?,
            }
            if !block.is_full() {
                self.file.set_len(end)?;
            }
        } else {
            self.file.write_all_at(block.content(), self.bytes)?;
            super::begin_write_back(&self.file, self.bytes, block.filled as u64);
        }
        self.bytes = end;
        Ok(())
    }
}

/// Whether writes to this file go past the page cache from now on.
#[cfg(target_os = "linux")]
fn set_direct(file: &File, direct: bool) -> bool {
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    let set = fcntl_getfl(file).and_then(|mut flags| {
        flags.set(OFlags::DIRECT, direct);
        fcntl_setfl(file, flags)
    });
    direct && set.is_ok()
}

#[cfg(not(target_os = "linux"))]
fn set_direct(_: &File, _: bool) -> bool {
    false
}
