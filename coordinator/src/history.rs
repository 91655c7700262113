//! What became of jobs, one line of JSON for each as it ends: `DIR/history.jsonl`, and one older file when that is full.
//!
//! The coordinator forgets ended jobs after a while (see the settings); this file is for those who do not want to. It is written by the
//! coordinator that leads when a job ends, best effort: a disk that is full costs lines here, and nothing else.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use gristmill_model::{ClusterId, JobPhase, JobStatus};
use serde::Serialize;
use tokio_util::task::TaskTracker;

use crate::manifest::tally;

/// A file of this size becomes the older one.
const BYTES_MAX: u64 = 16 << 20;
const NAME: &str = "history.jsonl";
const OLDER: &str = "history.older.jsonl";

/// See the module. Cheap to clone.
#[derive(Clone)]
pub(crate) struct History {
    directory: Arc<Mutex<PathBuf>>,
    writers: TaskTracker,
}

#[derive(Serialize)]
struct Line<'a> {
    cluster: String,
    job: String,
    app: &'a str,
    output: String,
    state: &'static str,
    reason: Option<&'a str>,
    submitted_ms: u64,
    ended_ms: Option<u64>,
    maps: u32,
    reduces: u32,
    bytes_in: u64,
    records_out: u64,
    attempts: BTreeMap<String, u64>,
    counters: &'a BTreeMap<String, i64>,
    warnings: &'a [String],
}

impl History {
    /// In this directory.
    pub(crate) fn new(directory: &Path) -> Self {
        Self { directory: Arc::new(Mutex::new(directory.to_owned())), writers: TaskTracker::new() }
    }

    /// Writes the line of a job that has just ended. Does not wait for it.
    pub(crate) fn record(&self, cluster: ClusterId, status: &JobStatus) {
        let Some(state) = state_of(&status.phase) else { return };
        let Ok(mut line) = serde_json::to_vec(&line(cluster, status, state)) else { return };
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

fn line<'a>(cluster: ClusterId, status: &'a JobStatus, state: &'static str) -> Line<'a> {
    let last = if status.reduce.total == 0 { &status.map_stats } else { &status.reduce_stats };
    Line {
        cluster: cluster.to_string(),
        job: status.id.to_string(),
        app: &status.app,
        output: status.output.to_string(),
        state,
        reason: match &status.phase {
            JobPhase::Failed(reason) => Some(reason),
            _ => None,
        },
        submitted_ms: status.submitted.ms,
        ended_ms: status.ended.map(|at| at.ms),
        maps: status.map.total,
        reduces: status.reduce.total,
        bytes_in: status.map_stats.bytes_in,
        records_out: last.records_out,
        attempts: tally(status),
        counters: &status.counters,
        warnings: &status.warnings,
    }
}

fn state_of(phase: &JobPhase) -> Option<&'static str> {
    match phase {
        JobPhase::Done => Some("done"),
        JobPhase::Failed(_) => Some("failed"),
        JobPhase::Cancelled => Some("cancelled"),
        JobPhase::Sampling | JobPhase::Mapping | JobPhase::Reducing | JobPhase::Committing => None,
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
