//! Where inputs are listed and read, and where outputs are staged and then committed.
//!
//! Everything is said in terms of [`Storage`], a handful of operations that a directory tree or an object store can offer. Knows
//! nothing of jobs, tasks or plugins: callers hand in names and bytes.
#![forbid(unsafe_code)]

mod compression;
mod error;
mod faulty;
mod inputs;
mod local;
mod output;

use std::ffi::OsString;
use std::fmt;
use std::path::Path;

pub use compression::Compression;
pub use error::{Operation, StorageError};
pub use faulty::Faulty;
pub use inputs::{Input, list_inputs};
pub use local::Local;
pub use output::{Output, SUCCESS, Staged, is_reservation, output_name};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link (only in listings; elsewhere links are followed).
    Link,
    /// A pipe, a device, a socket.
    Other,
}

/// What is known of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: Kind,
    /// Its size, if it is a file.
    pub bytes: u64,
}

/// What a file is at one moment, as far as that can be told without reading it: when its content changes, so does this.
///
/// Not where somebody sets the time back, nor where the change before came within the same tick of the file system's clock (some
/// milliseconds at most).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Size in bytes.
    pub bytes: u64,
    /// When it was last modified, in nanoseconds since 1970.
    pub modified_ns: i64,
}

/// An open file. Reading moves no position, so it may be shared.
pub trait ReadAt: Send + Sync {
    /// What it was when it was opened.
    fn opened(&self) -> Version;

    /// What it is now.
    fn version(&self) -> Result<Version, StorageError>;

    /// Size in bytes when it was opened.
    fn bytes(&self) -> u64 {
        self.opened().bytes
    }

    /// Reads up to `into.len()` bytes at `offset`. Zero means that the file ends there; fewer than asked for means nothing.
    fn read_at(&self, into: &mut [u8], offset: u64) -> Result<usize, StorageError>;

    /// Says that these bytes will be read soon: they may be fetched meanwhile. Neither waits nor fails, and costs little when they are
    /// there already.
    fn will_read(&self, _offset: u64, _bytes: u64) {}
}

/// Keeps a directory locked, see [`Storage::lock_directory`].
pub struct DirectoryLock {
    _held: Box<dyn Send + Sync>,
}

impl DirectoryLock {
    /// Of a storage that holds a lock by holding this value.
    pub fn new(held: impl Send + Sync + 'static) -> Self {
        Self { _held: Box::new(held) }
    }
}

impl fmt::Debug for DirectoryLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DirectoryLock")
    }
}

/// A place that holds files by path.
///
/// What an operation has done is visible to every later one, but survives a power cut only when the sync named with it has
/// returned. An operation that failed may be repeated.
pub trait Storage: Send + Sync {
    /// What `path` is, links followed; `None` when there is nothing.
    fn stat(&self, path: &Path) -> Result<Option<Stat>, StorageError>;

    /// The names in a directory, sorted, links not followed.
    fn list(&self, directory: &Path) -> Result<Vec<(OsString, Kind)>, StorageError>;

    /// Opens a file for reading.
    fn open(&self, path: &Path) -> Result<Box<dyn ReadAt>, StorageError>;

    /// Makes a directory and its parents, durably. It is fine if it exists.
    fn create_directory(&self, path: &Path) -> Result<(), StorageError>;

    /// Makes `path` hold exactly `bytes`: all of them or nothing is seen, durable when it returns.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), StorageError>;

    /// Gives a file another name, replacing what has it. Durable after `sync_directory`.
    fn rename(&self, from: &Path, to: &Path) -> Result<(), StorageError>;

    /// Makes a file's content durable.
    fn sync_file(&self, path: &Path) -> Result<(), StorageError>;

    /// Makes the names in a directory durable.
    fn sync_directory(&self, path: &Path) -> Result<(), StorageError>;

    /// Removes a file. It is fine if there is none.
    fn remove_file(&self, path: &Path) -> Result<(), StorageError>;

    /// Removes a directory and all that is in it. It is fine if there is none.
    fn remove_tree(&self, path: &Path) -> Result<(), StorageError>;

    /// Locks a directory against all who lock it, in this process and others, until the lock is dropped or the process ends.
    /// `None` when somebody else has it. A lock follows a directory that gets another name.
    fn lock_directory(&self, path: &Path) -> Result<Option<DirectoryLock>, StorageError>;

    /// Removes a directory if it is empty, and says whether it is gone.
    fn remove_empty_directory(&self, path: &Path) -> Result<bool, StorageError>;
}
