//! Writes a large output past the page cache where the file system can, while the next bytes are gathered.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use memmap2::MmapMut;
use rustix::fs::OFlags;

const BUFFER: usize = 4 << 20;
const BUFFERS: usize = 3;

/// What direct writes must be multiples of.
const BLOCK: usize = 4096;

pub(super) struct Writer {
    buffer: MmapMut,
    filled: usize,
    full: SyncSender<(MmapMut, usize)>,
    empty: Receiver<MmapMut>,
    thread: JoinHandle<io::Result<()>>,
}

impl Writer {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let mut direct = OpenOptions::new();
        direct.create(true).truncate(true).write(true);
        let file = direct
            .clone()
            .custom_flags(OFlags::DIRECT.bits().cast_signed())
            .open(path)
            .or_else(|_| direct.open(path))?;
        let (full, to_write) = sync_channel(BUFFERS);
        let (written, empty) = channel();
        for _ in 1..BUFFERS {
            let _ = written.send(MmapMut::map_anon(BUFFER)?);
        }
        let thread = std::thread::spawn(move || write(file, &to_write, &written));
        Ok(Self { buffer: MmapMut::map_anon(BUFFER)?, filled: 0, full, empty, thread })
    }

    #[inline(always)]
    pub(super) fn put<const N: usize>(&mut self, bytes: &[u8; N]) -> io::Result<()> {
        if let Some(room) = self.buffer[self.filled..].first_chunk_mut() {
            *room = *bytes;
            self.filled += N;
            return Ok(());
        }
        self.put_over_the_end(bytes)
    }

    #[cold]
    fn put_over_the_end(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (now, later) = bytes.split_at(BUFFER - self.filled);
        self.buffer[self.filled..].copy_from_slice(now);
        self.filled = BUFFER;
        // A thread that has stopped has an error, which `finish` tells.
        let Ok(next) = self.empty.recv() else {
            return Err(io::Error::other("the output could not be written"));
        };
        let full = std::mem::replace(&mut self.buffer, next);
        let _ = self.full.send((full, self.filled));
        self.buffer[..later.len()].copy_from_slice(later);
        self.filled = later.len();
        Ok(())
    }

    pub(super) fn finish(self) -> io::Result<()> {
        let _ = self.full.send((self.buffer, self.filled));
        drop(self.full);
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the writing thread panicked")))
    }
}

/// Only the last buffer may be partly filled: what is written beyond is cut off.
fn write(
    mut file: File,
    full: &Receiver<(MmapMut, usize)>,
    written: &std::sync::mpsc::Sender<MmapMut>,
) -> io::Result<()> {
    let mut length = 0;
    for (buffer, filled) in full {
        file.write_all(&buffer[..filled.next_multiple_of(BLOCK)])?;
        length += filled as u64;
        let _ = written.send(buffer);
    }
    file.set_len(length)?;
    file.sync_all()
}
