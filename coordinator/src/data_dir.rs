//! The coordinator's directory, and the lock that keeps a second coordinator out of it.
//!
//! ```text
//! DIR/lock      locked while a coordinator lives
//! DIR/blobs/    plugins and job requests by their SHA-256
//! DIR/logs/     what attempts printed
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::StartError;

/// An existing, locked directory. The lock ends with the value, or with the process.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    pub(crate) fn open(path: &Path) -> Result<Self, StartError> {
        let error = |path: &Path| {
            let path = path.to_owned();
            move |source| StartError::DataDir { path, source }
        };
        fs::create_dir_all(path).map_err(error(path))?;
        let lock_path = path.join("lock");
        let options = OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path);
        let lock = options.map_err(error(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StartError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(error(&lock_path)(source)),
        }
    }

    /// A directory below, made if absent.
    pub(crate) fn subdirectory(&self, name: &str) -> Result<PathBuf, StartError> {
        let path = self.path.join(name);
        fs::create_dir_all(&path)
            .map_err(|source: io::Error| StartError::DataDir { path: path.clone(), source })?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_coordinators_cannot_share_a_directory() {
        let directory = tempfile::tempdir().unwrap();
        let first = DataDir::open(directory.path()).unwrap();
        let error = DataDir::open(directory.path()).unwrap_err();
        assert!(matches!(error, StartError::Locked { .. }));
        assert!(error.to_string().contains("another coordinator"), "{error}");
        drop(first);
        DataDir::open(directory.path()).unwrap();
    }
}
