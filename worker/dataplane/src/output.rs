//! Writes the output of one attempt: under a temporary name, checksummed on the way, synced, then renamed.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use gristmill_model::TaskFailure;
use tempfile::NamedTempFile;

use crate::failure;

const BUFFER_BYTES: usize = 256 << 10;

/// A file that appears as a whole or not at all. Dropping it unfinished removes what was written.
pub(crate) struct OutputFile {
    file: NamedTempFile,
    path: PathBuf,
    buffer: Vec<u8>,
    bytes: u64,
    records: u64,
    crc32c: u32,
}

/// What an output file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutputSummary {
    pub(crate) bytes: u64,
    pub(crate) records: u64,
    pub(crate) crc32c: u32,
}

/// A temporary file beside `path`, with the permissions that any new file has.
pub(crate) fn temporary_beside(path: &Path) -> std::io::Result<NamedTempFile> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    temporary_in(directory.unwrap_or(Path::new(".")))
}

/// A temporary file in `directory`, with the permissions that any new file has.
pub(crate) fn temporary_in(directory: &Path) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".writing-").permissions(Permissions::from_mode(0o666)).tempfile_in(directory)
}

impl OutputFile {
    /// Begins the file that will be called `path`, in a directory that exists.
    pub(crate) fn create(path: &Path) -> Result<Self, TaskFailure> {
        let file =
            temporary_beside(path).map_err(|error| failure::machine("create a file for", path, &error))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            buffer: Vec::with_capacity(BUFFER_BYTES),
            bytes: 0,
            records: 0,
            crc32c: 0,
        })
    }

    pub(crate) fn write(&mut self, bytes: &[u8], records: u64) -> Result<(), TaskFailure> {
        self.records = self.records.saturating_add(records);
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush()?;
        }
        if bytes.len() > BUFFER_BYTES {
            return self.put(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Makes the content durable and gives it its name.
    pub(crate) fn finish(mut self) -> Result<OutputSummary, TaskFailure> {
        self.flush()?;
        let failed = |doing, error| failure::machine(doing, &self.path, &error);
        self.file.as_file().sync_data().map_err(|error| failed("sync", error))?;
        self.file.persist(&self.path).map_err(|error| failed("rename to", error.error))?;
        Ok(OutputSummary { bytes: self.bytes, records: self.records, crc32c: self.crc32c })
    }

    fn flush(&mut self) -> Result<(), TaskFailure> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let done = self.put(&buffer);
        buffer.clear();
        self.buffer = buffer;
        done
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), TaskFailure> {
        self.crc32c = crc32c::crc32c_append(self.crc32c, bytes);
        self.bytes += bytes.len() as u64;
        self.file
            .as_file_mut()
            .write_all(bytes)
            .map_err(|error| failure::machine("write", &self.path, &error))
    }
}
