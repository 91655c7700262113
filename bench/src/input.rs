//! Pieces of a file, read into a reused buffer by as many threads as like to.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

const PIECE: u64 = 1 << 20;

/// A file that is handed out piece by piece, cut at line ends.
pub(crate) struct Pieces {
    file: File,
    bytes: u64,
    next: AtomicU64,
}

impl Pieces {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { file, bytes, next: AtomicU64::new(0) })
    }

    /// The lines that begin in the next piece, in `buffer[..n]`, padded with 64 bytes that are no letters. `None` at the end.
    pub(crate) fn take(&self, buffer: &mut Vec<u8>) -> io::Result<Option<usize>> {
        let begin = self.next.fetch_add(PIECE, Ordering::Relaxed);
        if begin >= self.bytes {
            return Ok(None);
        }
        let skip = u64::from(begin > 0);
        let mut length = (PIECE + skip).min(self.bytes - begin + skip) as usize;
        buffer.resize(length + 64, 0);
        self.file.read_exact_at(&mut buffer[..length], begin - skip)?;
        while buffer[length - 1] != b'\n' && begin - skip + (length as u64) < self.bytes {
            let more = (self.bytes - (begin - skip) - length as u64).min(4096) as usize;
            buffer.resize(length + more + 64, 0);
            self.file.read_exact_at(&mut buffer[length..length + more], begin - skip + length as u64)?;
            let end = buffer[length..length + more].iter().position(|&byte| byte == b'\n');
            length += end.map_or(more, |at| at + 1);
        }
        let first = if skip == 0 {
            0
        } else {
            buffer[..length].iter().position(|&byte| byte == b'\n').map_or(length, |at| at + 1)
        };
        let first = first.min(length);
        buffer.copy_within(first..length, 0);
        let kept = length - first;
        buffer.truncate(kept);
        buffer.resize(kept + 64, 0);
        Ok(Some(kept))
    }
}
