//! Output files and their directory, as durable as Gristmill's: each file is synced, then the directory.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const BUFFER: usize = 1 << 20;

/// A directory for outputs, made if need be; what an earlier run left in it is removed.
pub(crate) fn fresh_directory(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(b"out-") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

pub(crate) fn name(directory: &Path, number: usize) -> PathBuf {
    directory.join(format!("out-{number:05}"))
}

pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// A file that is written in large pieces.
pub(crate) struct Output {
    file: File,
    buffer: Vec<u8>,
}

impl Output {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::create(path)?, buffer: Vec::with_capacity(BUFFER + (64 << 10)) })
    }

    /// Where bytes are put; call `flush_some` now and then.
    #[inline(always)]
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Writes the buffer if it is large.
    #[inline(always)]
    pub(crate) fn flush_some(&mut self) -> io::Result<()> {
        if self.buffer.len() < BUFFER { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.file.sync_all()
    }
}
