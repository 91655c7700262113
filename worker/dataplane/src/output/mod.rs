//! Writes the output of one attempt: under a temporary name, checksummed on the way, synced, then renamed.

mod writer;

use std::fs::{File, Permissions};
use std::io::{self, Write};
#[cfg(target_os = "linux")]
use std::num::NonZeroU64;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use gristmill_model::TaskFailure;
use tempfile::NamedTempFile;

use self::writer::{Block, Writer};
use crate::failure;

/// A file that appears as a whole or not at all. Dropping it unfinished removes what was written.
pub(crate) struct OutputFile {
    // Before the file, so that nothing is written any more when that is removed.
    writer: Option<Writer>,
    file: NamedTempFile,
    path: PathBuf,
    block: Block,
    block_bytes: usize,
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
pub(crate) fn temporary_beside(path: &Path) -> io::Result<NamedTempFile> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    temporary_in(directory.unwrap_or(Path::new(".")))
}

/// A temporary file in `directory`, with the permissions that any new file has.
pub(crate) fn temporary_in(directory: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".writing-").permissions(Permissions::from_mode(0o666)).tempfile_in(directory)
}

impl OutputFile {
    /// Begins the file that will be called `path`, in a directory that exists. Two blocks of about `block_bytes` gather what is written.
    pub(crate) fn create(path: &Path, block_bytes: usize) -> Result<Self, TaskFailure> {
        let file =
            temporary_beside(path).map_err(|error| failure::machine("create a file for", path, &error))?;
        let (path, block) = (path.to_owned(), Block::new(block_bytes));
        Ok(Self { writer: None, file, path, block, block_bytes, bytes: 0, records: 0, crc32c: 0 })
    }

    pub(crate) fn write(&mut self, bytes: &[u8], records: u64) -> Result<(), TaskFailure> {
        self.records = self.records.saturating_add(records);
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = self.block.fill(rest);
            rest = &rest[taken..];
            if self.block.is_full() {
                self.write_block().map_err(|error| failure::machine("write", &self.path, &error))?;
            }
        }
        Ok(())
    }

    /// Makes the content durable and gives it its name.
    pub(crate) fn finish(mut self) -> Result<OutputSummary, TaskFailure> {
        self.end().map_err(|error| failure::machine("write", &self.path, &error))?;
        let failed = |doing, error| failure::machine(doing, &self.path, &error);
        self.file.as_file().sync_data().map_err(|error| failed("sync", error))?;
        self.file.persist(&self.path).map_err(|error| failed("rename to", error.error))?;
        Ok(OutputSummary { bytes: self.bytes, records: self.records, crc32c: self.crc32c })
    }

    fn count(&mut self) {
        self.crc32c = crc32c::crc32c_append(self.crc32c, self.block.content());
        self.bytes += self.block.content().len() as u64;
    }

    /// Hands the block over; the first one that is full starts the thread, which no small output needs.
    fn write_block(&mut self) -> io::Result<()> {
        self.count();
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self.writer.insert(Writer::start(self.file.as_file().try_clone()?, self.block_bytes)?),
        };
        let full = std::mem::replace(&mut self.block, Block::empty());
        self.block = writer.write(full)?;
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        if self.writer.is_none() {
            self.count();
            return self.file.as_file_mut().write_all(self.block.content());
        }
        if !self.block.content().is_empty() {
            self.write_block()?;
        }
        self.writer.take().map_or(Ok(()), Writer::finish)
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
        fn what_is_written_is_what_was_given(pieces in proptest::collection::vec(0_usize..(1400 << 10), 0..12)) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("output");
            let mut file = OutputFile::create(&path, 300 << 10).unwrap();
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
    fn large_outputs_go_past_the_page_cache_where_they_can() {
        use std::os::unix::fs::OpenOptionsExt;

        use rustix::fs::{OFlags, fcntl_getfl};

        let directory = tempfile::tempdir().unwrap();
        let mut options = File::options();
        options.write(true).create(true).custom_flags(OFlags::DIRECT.bits().cast_signed());
        let can = options.open(directory.path().join("probe")).is_ok();
        let mut file = OutputFile::create(&directory.path().join("output"), 128 << 10).unwrap();
        file.write(&vec![b'x'; 300 << 10], 1).unwrap();
        assert_eq!(fcntl_getfl(file.file.as_file()).unwrap().contains(OFlags::DIRECT), can);
        assert_eq!(file.finish().unwrap().bytes, 300 << 10);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_with_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("output");
        let mut file = OutputFile::create(&path, 256 << 10).unwrap();
        *file.file.as_file_mut() = File::options().write(true).open("/dev/full").unwrap();
        let failure = file.write(&[0; 1 << 20], 1).and_then(|()| file.finish().map(drop)).unwrap_err();
        assert!(
            failure.message.contains(path.to_str().unwrap()) && failure.message.contains("No space left"),
            "{failure:?}"
        );
    }
}
