//! The coordinator's directory, and the lock that keeps a second coordinator out of it.
//!
//! ```text
//! DIR/lock      locked while a coordinator lives
//! DIR/blobs/    plugins and job requests by their SHA-256
//! DIR/logs/     what attempts printed
//! DIR/replica/  the log, the vote and the snapshots of a member of a group
//! DIR/history.jsonl   jobs that have ended, see there
//! ```

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
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
        private_directory(path).map_err(error(path))?;
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
        private_directory(&path).map_err(|source| StartError::DataDir { path: path.clone(), source })?;
        Ok(path)
    }
}

/// Makes a directory, if absent, that only this user can look into: plugins, jobs and what they print are nobody else's.
fn private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_made_is_for_this_user_only() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("deep/data");
        let opened = DataDir::open(&directory).unwrap();
        let logs = opened.subdirectory("logs").unwrap();
        for path in [&directory, &logs] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700, "{path:?}");
        }
    }

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
