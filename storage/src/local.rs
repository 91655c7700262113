//! Storage on the paths of this machine.

use std::ffi::OsString;
use std::fs::{self, File, FileType, TryLockError};
use std::io::{self, ErrorKind, IoSliceMut, Write};
use std::num::NonZeroU64;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::Advice;
use rustix::io::{ReadWriteFlags, preadv2};

use crate::{DirectoryLock, Kind, Operation, ReadAt, Stat, Storage, StorageError, Version};

/// The files of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Local;

struct LocalFile {
    file: File,
    path: PathBuf,
    opened: Version,
}

impl LocalFile {
    fn version_of(file: &File, path: &Path) -> Result<Version, StorageError> {
        let metadata = file.metadata().map_err(StorageError::io(Operation::Stat, path))?;
        let modified_ns =
            metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec());
        Ok(Version { bytes: metadata.len(), modified_ns })
    }

    /// Whether the byte at `offset` can be had without waiting for the disk.
    fn is_at_hand(&self, offset: u64) -> bool {
        let mut byte = [0];
        preadv2(&self.file, &mut [IoSliceMut::new(&mut byte)], offset, ReadWriteFlags::NOWAIT) == Ok(1)
    }
}

impl ReadAt for LocalFile {
    fn opened(&self) -> Version {
        self.opened
    }

    fn version(&self) -> Result<Version, StorageError> {
        Self::version_of(&self.file, &self.path)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> Result<usize, StorageError> {
        loop {
            match self.file.read_at(into, offset) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                done => return done.map_err(StorageError::io(Operation::Read, &self.path)),
            }
        }
    }

    fn will_read(&self, offset: u64, bytes: u64) {
        // A mere hint; where it is not taken the bytes are read when they are wanted. It looks for each page, so it is not given for
        // what seems to be there.
        if let Some(bytes) = NonZeroU64::new(bytes)
            && !(self.is_at_hand(offset) && self.is_at_hand(offset.saturating_add(bytes.get() - 1)))
        {
            let _ = rustix::fs::fadvise(&self.file, offset, Some(bytes), Advice::WillNeed);
        }
    }
}

fn kind(file_type: FileType) -> Kind {
    if file_type.is_file() {
        Kind::File
    } else if file_type.is_dir() {
        Kind::Directory
    } else if file_type.is_symlink() {
        Kind::Link
    } else {
        Kind::Other
    }
}

/// Turns "there is none" into success.
fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The directory that a path's name stands in.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

impl Storage for Local {
    fn stat(&self, path: &Path) -> Result<Option<Stat>, StorageError> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Some(Stat { kind: kind(metadata.file_type()), bytes: metadata.len() })),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(StorageError::io(Operation::Stat, path)(error)),
        }
    }

    fn list(&self, directory: &Path) -> Result<Vec<(OsString, Kind)>, StorageError> {
        let entries = || -> io::Result<Vec<(OsString, Kind)>> {
            let each = |entry: io::Result<fs::DirEntry>| {
                let entry = entry?;
                Ok((entry.file_name(), kind(entry.file_type()?)))
            };
            fs::read_dir(directory)?.map(each).collect()
        };
        let mut entries = entries().map_err(StorageError::io(Operation::List, directory))?;
        entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Ok(entries)
    }

    fn open(&self, path: &Path) -> Result<Box<dyn ReadAt>, StorageError> {
        let file = File::open(path).map_err(StorageError::io(Operation::Open, path))?;
        let opened = LocalFile::version_of(&file, path)?;
        Ok(Box::new(LocalFile { file, path: path.to_owned(), opened }))
    }

    fn create_directory(&self, path: &Path) -> Result<(), StorageError> {
        let missing: Vec<&Path> =
            path.ancestors().take_while(|p| !p.as_os_str().is_empty() && !p.exists()).collect();
        fs::create_dir_all(path).map_err(StorageError::io(Operation::CreateDirectory, path))?;
        missing.iter().try_for_each(|made| self.sync_directory(parent(made)))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), StorageError> {
        let write = || -> io::Result<()> {
            let mut builder = tempfile::Builder::new();
            builder.prefix(".writing-").permissions(fs::Permissions::from_mode(0o666));
            let mut file = builder.tempfile_in(parent(path))?;
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(StorageError::io(Operation::Write, path))?;
        self.sync_directory(parent(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), StorageError> {
        fs::rename(from, to).map_err(StorageError::io(Operation::Rename, to))
    }

    fn sync_file(&self, path: &Path) -> Result<(), StorageError> {
        let sync = || File::open(path)?.sync_all();
        sync().map_err(StorageError::io(Operation::Sync, path))
    }

    fn sync_directory(&self, path: &Path) -> Result<(), StorageError> {
        self.sync_file(path)
    }

    fn remove_file(&self, path: &Path) -> Result<(), StorageError> {
        gone(fs::remove_file(path)).map_err(StorageError::io(Operation::Remove, path))
    }

    fn remove_tree(&self, path: &Path) -> Result<(), StorageError> {
        gone(fs::remove_dir_all(path)).map_err(StorageError::io(Operation::Remove, path))
    }

    /// Where the file system knows no locks, each is free, as if nobody else were there.
    fn lock_directory(&self, path: &Path) -> Result<Option<DirectoryLock>, StorageError> {
        let directory = File::open(path).map_err(StorageError::io(Operation::Lock, path))?;
        match directory.try_lock() {
            Err(TryLockError::WouldBlock) => Ok(None),
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Some(DirectoryLock::new(directory))),
        }
    }

    fn remove_empty_directory(&self, path: &Path) -> Result<bool, StorageError> {
        match gone(fs::remove_dir(path)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => Ok(false),
            Err(error) => Err(StorageError::io(Operation::Remove, path)(error)),
        }
    }
}
