//! What became of jobs, one line of JSON for each as it ends: `DIR/history.jsonl`, and one older file when that is full.
//!
//! The coordinator forgets ended jobs after a while (see the settings); this file is for those who do not want to. It is written by the
//! coordinator that leads when a job ends, best effort: a disk that is full costs lines here, and nothing else.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use gristmill_model::{ClusterId, JobStatus};
use serde::Serialize;
use tokio_util::task::TaskTracker;

use crate::summary::Summary;

/// A file of this size becomes the older one.
const BYTES_MAX: u64 = 16 << 20;
pub(crate) const NAME: &str = "history.jsonl";
pub(crate) const OLDER: &str = "history.older.jsonl";

/// See the module. Cheap to clone.
#[derive(Clone)]
pub(crate) struct History {
    directory: Arc<Mutex<PathBuf>>,
    writers: TaskTracker,
}

/// A line of it, and of `gristmill history`.
#[derive(Clone, Debug, Serialize)]
pub struct HistoryLine {
    /// The coordinator group that ran the job, as it prints.
    pub cluster: String,
    /// When it was submitted, in milliseconds since 1970.
    pub submitted_ms: u64,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// What became of it.
    #[serde(flatten)]
    pub summary: Summary,
}

impl HistoryLine {
    /// Of a job that is over; none of another.
    pub fn of(cluster: ClusterId, status: &JobStatus) -> Option<Self> {
        status.phase.is_final().then(|| Self {
            cluster: cluster.to_string(),
            submitted_ms: status.submitted.ms,
            ended_ms: status.ended.map(|at| at.ms),
            summary: Summary::of(status, status.submitted),
        })
    }
}

impl History {
    /// In this directory.
    pub(crate) fn new(directory: &Path) -> Self {
        Self { directory: Arc::new(Mutex::new(directory.to_owned())), writers: TaskTracker::new() }
    }

    /// Writes the line of a job that has just ended. Does not wait for it.
    pub(crate) fn record(&self, cluster: ClusterId, status: &JobStatus) {
        let Some(line) = HistoryLine::of(cluster, status) else { return };
        let Ok(mut line) = serde_json::to_vec(&line) else { return };
        line.push(b'\n');
        let directory = self.directory.clone();
        self.writers.spawn_blocking(move || {
            let directory = directory.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = append(&directory, &line) {
                tracing::warn!(directory = %directory.display(), %error, "cannot write the history of a job");
            }
        });
    }

    /// Returns when all that was recorded is written.
    pub(crate) async fn written(&self) {
        self.writers.close();
        self.writers.wait().await;
    }
}

fn append(directory: &Path, line: &[u8]) -> io::Result<()> {
    let path = directory.join(NAME);
    let full = fs::metadata(&path).is_ok_and(|found| found.len() + line.len() as u64 > BYTES_MAX);
    if full {
        fs::rename(&path, directory.join(OLDER))?;
    }
    OpenOptions::new().create(true).append(true).open(&path)?.write_all(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_becomes_the_older_one() {
        let directory = tempfile::tempdir().unwrap();
        let line = vec![b'x'; (BYTES_MAX / 2) as usize + 1];
        for written in 1..=3 {
            append(directory.path(), &line).unwrap();
            assert_eq!(fs::metadata(directory.path().join(NAME)).unwrap().len(), line.len() as u64);
            assert_eq!(directory.path().join(OLDER).exists(), written > 1);
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }
}
