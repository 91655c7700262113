//! The coordinator's directory, and the lock that keeps a second coordinator out of it.
//!
//! ```text
//! DIR/lock      locked while a coordinator lives
//! DIR/blobs/    plugins and job requests by their SHA-256
//! DIR/logs/     what attempts printed
//! DIR/replica/  the log, the vote and the snapshots of a member of a group
//! DIR/history.jsonl   jobs that have ended, see there; history.older.jsonl before it
//! ```
//! A directory with anything else in it is somebody else's, and is left alone.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::{StartError, history};

const LOCK: &str = "lock";
/// Made by every coordinator, and soon.
pub(crate) const BLOBS: &str = "blobs";

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
        let lock_path = path.join(LOCK);
        let is_ours = lock_path.is_file() && has_blobs(path);
        if !is_ours && let Some(name) = foreign(path).map_err(error(path))? {
            return Err(StartError::Foreign { path: path.to_owned(), name });
        }
        let options = OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path);
        let lock = options.map_err(error(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StartError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(error(&lock_path)(source)),
        }
    }

    /// Whether a coordinator has been here.
    pub(crate) fn has_blobs(&self) -> bool {
        has_blobs(&self.path)
    }

    /// A directory below, made if absent.
    pub(crate) fn subdirectory(&self, name: &str) -> Result<PathBuf, StartError> {
        let path = self.path.join(name);
        private_directory(&path).map_err(|source| StartError::DataDir { path: path.clone(), source })?;
        Ok(path)
    }
}

fn has_blobs(path: &Path) -> bool {
    path.join(BLOBS).is_dir()
}

/// The name of something that no coordinator has left in this directory, which is none's yet.
fn foreign(path: &Path) -> io::Result<Option<OsString>> {
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        // What is there when a first start was cut off, or only some of it was brought back, and what an empty file system has.
        let known = [LOCK, BLOBS, "logs", "replica", history::NAME, history::OLDER, "lost+found"];
        if !known.iter().any(|known| name == *known) {
            return Ok(Some(name));
        }
    }
    Ok(None)
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
    fn a_directory_that_holds_something_else_is_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let letters = place.path().join("letters");
        fs::create_dir(&letters).unwrap();
        fs::write(letters.join("letter.txt"), "dear").unwrap();
        let error = DataDir::open(&letters).unwrap_err();
        assert!(
            error.to_string().contains("letter.txt") && error.to_string().contains("--data-dir"),
            "{error}"
        );
        assert_eq!(fs::read_dir(&letters).unwrap().count(), 1);

        let mounted = place.path().join("mounted");
        fs::create_dir_all(mounted.join("lost+found")).unwrap();
        DataDir::open(&mounted).unwrap().subdirectory(BLOBS).unwrap();
        fs::write(mounted.join("note.txt"), "of the operator").unwrap();
        drop(DataDir::open(&mounted).unwrap());

        let restored = place.path().join("restored");
        fs::create_dir_all(restored.join("replica")).unwrap();
        DataDir::open(&restored).unwrap();
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
