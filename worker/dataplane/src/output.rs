//! Writes the output of one attempt: under a temporary name, checksummed on the way, synced, then renamed.

use std::fs::{File, Permissions};
use std::io::Write;
#[cfg(target_os = "linux")]
use std::num::NonZeroU64;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use gristmill_model::TaskFailure;
use tempfile::NamedTempFile;

use crate::failure;

const BUFFER_BYTES: usize = 256 << 10;

/// After so many bytes the disk is asked to begin, so that the sync at the end has little left to do.
const WRITE_BACK_BYTES: u64 = 8 << 20;

/// A file that appears as a whole or not at all. Dropping it unfinished removes what was written.
pub(crate) struct OutputFile {
    file: NamedTempFile,
    path: PathBuf,
    buffer: Vec<u8>,
    bytes: u64,
    /// How many of them the disk was asked to write.
    written_back: u64,
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
            written_back: 0,
            records: 0,
            crc32c: 0,
        })
    }

    pub(crate) fn write(&mut self, bytes: &[u8], records: u64) -> Result<(), TaskFailure> {
        self.records = self.records.saturating_add(records);
        let room = BUFFER_BYTES - self.buffer.len();
        let Some((filling, rest)) = bytes.split_at_checked(room) else {
            self.buffer.extend_from_slice(bytes);
            return Ok(());
        };
        self.buffer.extend_from_slice(filling);
        self.flush()?;
        // Whole buffers need not be copied, and every write but the last begins and ends at a multiple of the buffer.
        let (whole, rest) = rest.split_at(rest.len() / BUFFER_BYTES * BUFFER_BYTES);
        self.put(whole)?;
        self.buffer.extend_from_slice(rest);
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
            .map_err(|error| failure::machine("write", &self.path, &error))?;
        let waiting = self.bytes - self.written_back;
        if waiting >= WRITE_BACK_BYTES {
            begin_write_back(self.file.as_file(), self.written_back, waiting);
            self.written_back = self.bytes;
        }
        Ok(())
    }
}

/// Has the system begin to write a part of a file to the disk, without waiting for it.
fn begin_write_back(file: &File, offset: u64, bytes: u64) {
    // Of pages that are not on the disk yet this advice does not let go: it has them written. What does not know it writes them later.
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fadvise(file, offset, NonZeroU64::new(bytes), rustix::fs::Advice::DontNeed);
    #[cfg(not(target_os = "linux"))]
    let _ = (file, offset, bytes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn what_is_written_is_what_was_given(pieces in proptest::collection::vec(0_usize..(700 << 10), 0..20)) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("output");
            let mut file = OutputFile::create(&path).unwrap();
            let mut expected = Vec::new();
            for (number, length) in pieces.into_iter().enumerate() {
                let piece: Vec<u8> = (0..length).map(|at| (at * 31 + number) as u8).collect();
                file.write(&piece, 1).unwrap();
                expected.extend(piece);
            }
            let written = file.finish().unwrap();
            prop_assert_eq!((written.bytes, written.crc32c), (expected.len() as u64, crc32c::crc32c(&expected)));
            prop_assert!(std::fs::read(&path).unwrap() == expected);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_with_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("output");
        let mut file = OutputFile::create(&path).unwrap();
        *file.file.as_file_mut() = File::options().write(true).open("/dev/full").unwrap();
        let failure = file.write(&[0; BUFFER_BYTES], 1).unwrap_err();
        assert!(
            failure.message.contains(path.to_str().unwrap()) && failure.message.contains("No space left"),
            "{failure:?}"
        );
    }
}
