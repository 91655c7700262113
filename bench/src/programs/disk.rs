//! What the disk can do: files written, synced and read back, as a sort in two passes has to.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::Advice;

use crate::random::Random;

const PIECE: usize = 4 << 20;

/// Seconds of one pass.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// To write and sync.
    pub write: Duration,
    /// To read what was written, after the page cache let it go.
    pub read: Duration,
}

/// Writes `bytes` to a new file in `directory`, syncs and reads them; `passes` times. The file is removed.
pub fn run(directory: &Path, bytes: u64, passes: usize) -> io::Result<Vec<Pass>> {
    let path = directory.join("disk-speed");
    let mut random = Random::new(1);
    let mut piece: Vec<u8> = (0..PIECE / 8).flat_map(|_| random.next().to_le_bytes()).collect();
    let result = (0..passes).map(|_| pass(&path, bytes, &mut piece)).collect();
    fs::remove_file(&path)?;
    result
}

fn pass(path: &Path, bytes: u64, piece: &mut [u8]) -> io::Result<Pass> {
    let pieces = bytes.div_ceil(PIECE as u64);
    let begin = Instant::now();
    let mut file = File::options().create(true).truncate(true).read(true).write(true).open(path)?;
    for number in 0..pieces {
        // No two pieces are the same, for disks that notice.
        piece[..8].copy_from_slice(&number.to_le_bytes());
        file.write_all(piece)?;
    }
    file.sync_all()?;
    let write = begin.elapsed();
    rustix::fs::fadvise(&file, 0, None, Advice::DontNeed)?;
    let begin = Instant::now();
    for number in 0..pieces {
        file.read_exact_at(piece, number * PIECE as u64)?;
    }
    Ok(Pass { write, read: begin.elapsed() })
}
