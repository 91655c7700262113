//! `run --state-dir DIR`: everything that a run needs to go on after its death, in a directory of the user's.
//!
//! ```text
//! DIR/gristmill-run     says what this directory is, and is locked as long as a run uses it
//! DIR/coordinator/      the coordinator's data
//! DIR/work/             intermediate files
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::failure::{Failure, Outcome};

const MARK: &str = "gristmill-run";

/// See the module.
#[derive(Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
    /// Whether a run was here before.
    pub(crate) resumes: bool,
    _lock: File,
}

impl StateDir {
    /// Takes a directory: an empty or new one, or with `resume` one that a run has left.
    pub(crate) fn take(path: &Path, resume: bool) -> Outcome<Self> {
        let cannot = |error: io::Error| {
            let context = format!("use {} as the directory of a run's state", path.display());
            Failure::usage(anyhow::Error::new(error).context(context))
        };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(cannot)?;
        let mark = path.join(MARK);
        let resumes = mark.is_file();
        let foreign = fs::read_dir(path).map_err(cannot)?.flatten().any(|_| !resumes);
        if foreign {
            return Err(Failure::wrong(format!(
                "{} holds something that no run has left there",
                path.display()
            ))
            .hint("choose an empty or new directory for --state-dir"));
        }
        if resumes && !resume {
            return Err(Failure::wrong(format!(
                "{} holds the state of a run that has not ended",
                path.display()
            ))
            .hint("add --resume to go on with it, or remove the directory"));
        }
        let options = OpenOptions::new().create(true).truncate(false).write(true).open(&mark);
        let lock = options.map_err(cannot)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), resumes, _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                Err(Failure::wrong(format!("another run is using {}", path.display())))
            }
            Err(TryLockError::Error(error)) => Err(cannot(error)),
        }
    }

    /// Where the coordinator's data is.
    pub(crate) fn coordinator(&self) -> PathBuf {
        self.path.join("coordinator")
    }

    /// Where intermediate files are, unless the user chose another place.
    pub(crate) fn work(&self) -> PathBuf {
        self.path.join("work")
    }

    /// Removes what the run has left in it: it is over. The directory itself stays.
    pub(crate) fn clear(self) -> Outcome {
        let clear = || {
            for directory in [self.coordinator(), self.work()] {
                match fs::remove_dir_all(&directory) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            fs::remove_file(self.path.join(MARK))
        };
        clear().with_context(|| format!("clear {}", self.path.display())).map_err(Failure::failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_run_has_left_is_taken_up_and_only_when_asked() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("state");
        let first = StateDir::take(&path, true).unwrap();
        assert!(!first.resumes);
        assert!(StateDir::take(&path, true).unwrap_err().to_string().contains("another run"));
        drop(first);
        assert!(StateDir::take(&path, false).unwrap_err().to_string().contains("--resume"));
        let again = StateDir::take(&path, true).unwrap();
        assert!(again.resumes);
        again.clear().unwrap();
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
        fs::write(path.join("letter.txt"), "dear").unwrap();
        assert!(StateDir::take(&path, true).unwrap_err().to_string().contains("no run has left"));
    }
}
