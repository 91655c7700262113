//! `run --state-dir DIR`: everything that a run needs to go on after its death, in a directory of the user's.
//!
//! ```text
//! DIR/gristmill-run     which job it is and, once it is over, how it ended; locked as long as a run uses the directory
//! DIR/coordinator/      the coordinator's data
//! DIR/work/             intermediate files
//! ```
//! When the job is over only the first stays, so that a script may repeat the command with `--resume` until it hears how the job ended.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context;
use gristmill_model::JobStatus;
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Outcome};

const NAME: &str = "gristmill-run";
const NEW: &str = "gristmill-run.new";
const LOCK: &str = "lock";
/// How long the lock may stay taken when its owner was killed: a child which that one was just starting has it until it is another program.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// See the module.
#[derive(Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
    mark: Mark,
    _lock: File,
}

/// What the file says.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Mark {
    /// A digest of the job that was asked for.
    job: Option<String>,
    ended: Option<JobStatus>,
}

impl StateDir {
    /// Takes a directory: an empty or new one, or with `resume` one that a run has left.
    pub(crate) fn take(path: &Path, resume: bool) -> Outcome<Self> {
        Self::take_within(path, resume, LOCK_PATIENCE)
    }

    fn take_within(path: &Path, resume: bool, lock_patience: Duration) -> Outcome<Self> {
        let cannot = |error: io::Error| {
            let context = format!("use {} as the directory of a run's state", path.display());
            Failure::usage(anyhow::Error::new(error).context(context))
        };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(cannot)?;
        let ours = |entry: &fs::DirEntry| [NAME, NEW, LOCK].iter().any(|name| entry.file_name() == *name);
        // Before a run says which job it is, it leaves nothing but its lock; a coordinator's directory has one, too.
        let was_here = path.join(NAME).is_file();
        let foreign = fs::read_dir(path).map_err(cannot)?.flatten().any(|entry| !was_here && !ours(&entry));
        if foreign {
            return Err(Failure::wrong(format!(
                "{} holds something that no run has left there",
                path.display()
            ))
            .hint("choose an empty or new directory for --state-dir"));
        }
        let lock_path = path.join(LOCK);
        let options = OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path);
        let lock = options.map_err(cannot)?;
        let begun = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if begun.elapsed() < lock_patience => sleep(LOCK_PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(Failure::wrong(format!("another run is using {}", path.display())));
                }
                Err(TryLockError::Error(error)) => return Err(cannot(error)),
            }
        }
        let mark = match fs::read(path.join(NAME)) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from).map_err(cannot)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Mark::default(),
            Err(error) => return Err(cannot(error)),
        };
        let mut taken = Self { path: path.to_owned(), mark, _lock: lock };
        if taken.mark.ended.is_some() && !resume {
            // The job before is over, and its files are gone, or should be.
            taken.mark = Mark::default();
            taken.clear().map_err(cannot)?;
        }
        if taken.resumes() && !resume {
            return Err(Failure::wrong(format!(
                "{} holds the state of a run that has not ended",
                path.display()
            ))
            .hint("add --resume to go on with it, or remove the directory"));
        }
        Ok(taken)
    }

    /// Whether a run was here before whose job may be gone on with.
    pub(crate) fn resumes(&self) -> bool {
        self.mark.job.is_some()
    }

    /// Says which job it is; refused if another is here. How it ended, if it is over.
    pub(crate) fn begin(&mut self, job: &str) -> Outcome<Option<JobStatus>> {
        match &self.mark.job {
            Some(known) if known == job => return Ok(self.mark.ended.clone()),
            Some(_) if self.mark.ended.is_none() => {
                let other = format!("{} holds the state of another job", self.path.display());
                return Err(Failure::wrong(other).hint(
                    "give the same command as then, with the same options and unchanged inputs, and --resume; or remove the directory",
                ));
            }
            _ => {}
        }
        let begun = Mark { job: Some(job.to_owned()), ended: None };
        self.write(begun).context("write the state of the run").map_err(Failure::failed)?;
        Ok(None)
    }

    /// Remembers how the job ended.
    pub(crate) fn end(&mut self, status: &JobStatus) -> Outcome {
        let ended = Mark { job: self.mark.job.clone(), ended: Some(status.clone()) };
        self.write(ended).context("write the state of the run").map_err(Failure::failed)
    }

    fn write(&mut self, mark: Mark) -> io::Result<()> {
        let new = self.path.join(NEW);
        let mut file = File::create(&new)?;
        serde_json::to_writer(&mut file, &mark)?;
        file.sync_all()?;
        fs::rename(&new, self.path.join(NAME))?;
        File::open(&self.path)?.sync_all()?;
        self.mark = mark;
        Ok(())
    }

    /// Where the coordinator's data is.
    pub(crate) fn coordinator(&self) -> PathBuf {
        self.path.join("coordinator")
    }

    /// Where intermediate files are, unless the user chose another place.
    pub(crate) fn work(&self) -> PathBuf {
        self.path.join("work")
    }

    /// Removes what the run has left in it but how it ended.
    pub(crate) fn clear(&self) -> io::Result<()> {
        for directory in [self.coordinator(), self.work()] {
            match fs::remove_dir_all(&directory) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that another test is just starting may have the lock of one that is gone, for as long as the machine likes.
    const LONG: Duration = Duration::from_secs(180);

    fn take(path: &Path, resume: bool) -> Outcome<StateDir> {
        StateDir::take_within(path, resume, LONG)
    }

    fn refusal(path: &Path, resume: bool) -> String {
        take(path, resume).unwrap_err().to_string()
    }

    #[test]
    fn only_what_a_run_has_left_is_taken_up_and_only_when_asked() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("state");
        let mut first = take(&path, true).unwrap();
        assert!(!first.resumes());
        let used = StateDir::take_within(&path, true, Duration::ZERO).unwrap_err();
        assert!(used.to_string().contains("another run"), "{used}");
        assert_eq!(first.begin("one").unwrap(), None);
        fs::create_dir(first.coordinator()).unwrap();
        drop(first);
        assert!(refusal(&path, false).contains("not ended"));
        let mut again = take(&path, true).unwrap();
        assert!(again.resumes());
        assert!(again.begin("another").unwrap_err().to_string().contains("another job"));
        assert_eq!(again.begin("one").unwrap(), None);
        again.clear().unwrap();
        assert!(!again.coordinator().exists());
        let foreign = parent.path().join("letters");
        fs::create_dir(&foreign).unwrap();
        fs::write(foreign.join("letter.txt"), "dear").unwrap();
        fs::write(foreign.join(LOCK), "").unwrap();
        assert!(refusal(&foreign, true).contains("no run has left"));
        assert_eq!(fs::read_dir(&foreign).unwrap().count(), 2);
    }
}
