//! Storage that fails at a chosen operation, to prove what its callers do then.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{DirectoryLock, Kind, Operation, ReadAt, Stat, Storage, StorageError};

/// Another storage, of which the `n`-th operation and all after it fail, as if the process had died there.
///
/// For tests. Reads of an opened file are not counted.
pub struct Faulty<S> {
    inner: S,
    fails_at: u64,
    done: AtomicU64,
}

impl<S: Storage> Faulty<S> {
    /// Fails from the `fails_at`-th operation on, counted from 0.
    pub fn new(inner: S, fails_at: u64) -> Self {
        Self { inner, fails_at, done: AtomicU64::new(0) }
    }

    /// How many operations were asked for.
    pub fn operations(&self) -> u64 {
        self.done.load(Ordering::SeqCst)
    }

    fn admit(&self, operation: Operation, path: &Path) -> Result<&S, StorageError> {
        if self.done.fetch_add(1, Ordering::SeqCst) < self.fails_at {
            return Ok(&self.inner);
        }
        Err(StorageError::io(operation, path)(io::Error::other("a fault was asked for here")))
    }
}

impl<S: Storage> Storage for Faulty<S> {
    fn stat(&self, path: &Path) -> Result<Option<Stat>, StorageError> {
        self.admit(Operation::Stat, path)?.stat(path)
    }

    fn list(&self, directory: &Path) -> Result<Vec<(OsString, Kind)>, StorageError> {
        self.admit(Operation::List, directory)?.list(directory)
    }

    fn open(&self, path: &Path) -> Result<Box<dyn ReadAt>, StorageError> {
        self.admit(Operation::Open, path)?.open(path)
    }

    fn create_directory(&self, path: &Path) -> Result<(), StorageError> {
        self.admit(Operation::CreateDirectory, path)?.create_directory(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), StorageError> {
        self.admit(Operation::Write, path)?.write(path, bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), StorageError> {
        self.admit(Operation::Rename, to)?.rename(from, to)
    }

    fn sync_file(&self, path: &Path) -> Result<(), StorageError> {
        self.admit(Operation::Sync, path)?.sync_file(path)
    }

    fn sync_directory(&self, path: &Path) -> Result<(), StorageError> {
        self.admit(Operation::Sync, path)?.sync_directory(path)
    }

    fn remove_file(&self, path: &Path) -> Result<(), StorageError> {
        self.admit(Operation::Remove, path)?.remove_file(path)
    }

    fn remove_tree(&self, path: &Path) -> Result<(), StorageError> {
        self.admit(Operation::Remove, path)?.remove_tree(path)
    }

    fn lock_directory(&self, path: &Path) -> Result<Option<DirectoryLock>, StorageError> {
        self.admit(Operation::Lock, path)?.lock_directory(path)
    }

    fn remove_empty_directory(&self, path: &Path) -> Result<bool, StorageError> {
        self.admit(Operation::Remove, path)?.remove_empty_directory(path)
    }
}
