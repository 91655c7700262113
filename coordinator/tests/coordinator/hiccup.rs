//! The files of this machine, of which one operation fails once.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use gristmill_storage::{DirectoryLock, Kind, Local, Operation, ReadAt, Stat, Storage, StorageError};

pub(crate) struct Hiccup {
    fails_at: u64,
    done: AtomicU64,
}

impl Hiccup {
    pub(crate) fn new(fails_at: u64) -> Self {
        Self { fails_at, done: AtomicU64::new(0) }
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.done.load(Ordering::SeqCst) > self.fails_at
    }

    fn local(&self, path: &Path) -> Result<Local, StorageError> {
        if self.done.fetch_add(1, Ordering::SeqCst) != self.fails_at {
            return Ok(Local);
        }
        let source = io::Error::other("a hiccup of the disk");
        Err(StorageError::Io { operation: Operation::Stat, path: path.to_owned(), source })
    }
}

impl Storage for Hiccup {
    fn stat(&self, path: &Path) -> Result<Option<Stat>, StorageError> {
        self.local(path)?.stat(path)
    }

    fn list(&self, directory: &Path) -> Result<Vec<(OsString, Kind)>, StorageError> {
        self.local(directory)?.list(directory)
    }

    fn open(&self, path: &Path) -> Result<Box<dyn ReadAt>, StorageError> {
        self.local(path)?.open(path)
    }

    fn create_directory(&self, path: &Path) -> Result<(), StorageError> {
        self.local(path)?.create_directory(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), StorageError> {
        self.local(path)?.write(path, bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), StorageError> {
        self.local(from)?.rename(from, to)
    }

    fn sync_file(&self, path: &Path) -> Result<(), StorageError> {
        self.local(path)?.sync_file(path)
    }

    fn sync_directory(&self, path: &Path) -> Result<(), StorageError> {
        self.local(path)?.sync_directory(path)
    }

    fn remove_file(&self, path: &Path) -> Result<(), StorageError> {
        self.local(path)?.remove_file(path)
    }

    fn remove_tree(&self, path: &Path) -> Result<(), StorageError> {
        self.local(path)?.remove_tree(path)
    }

    fn lock_directory(&self, path: &Path) -> Result<Option<DirectoryLock>, StorageError> {
        self.local(path)?.lock_directory(path)
    }

    fn remove_empty_directory(&self, path: &Path) -> Result<bool, StorageError> {
        self.local(path)?.remove_empty_directory(path)
    }
}
