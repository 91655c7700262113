//! A registered worker.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gristmill_model::{AttemptId, Incarnation, JobId, Timestamp};
use serde::{Deserialize, Serialize};

/// A worker; a lost one is remembered while runs of its are in use, for they may outlive it on its machine's disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Worker {
    pub(crate) incarnation: Incarnation,
    pub(crate) name: Arc<str>,
    pub(crate) machine: Arc<str>,
    pub(crate) slots: u32,
    pub(crate) lost: Option<Timestamp>,
    /// It is given nothing any more.
    pub(crate) draining: bool,
    /// Attempts that it was given and that have not ended.
    pub(crate) running: BTreeSet<AttemptId>,
    /// How many winning runs of unfinished jobs it made.
    pub(crate) runs: BTreeMap<JobId, u32>,
    /// Attempts that failed on it.
    pub(crate) failures: u64,
}

impl Worker {
    pub(crate) fn is_live(&self) -> bool {
        self.lost.is_none()
    }

    /// Lives, and may be given attempts.
    pub(crate) fn is_open(&self) -> bool {
        self.is_live() && !self.draining
    }

    /// Lost, and nothing that it made is in use.
    pub(crate) fn is_forgettable(&self) -> bool {
        !self.is_live() && self.runs.is_empty()
    }

    pub(crate) fn add_run(&mut self, job: JobId) {
        *self.runs.entry(job).or_default() += 1;
    }

    pub(crate) fn remove_run(&mut self, job: JobId) {
        if let Some(count) = self.runs.get_mut(&job) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.runs.remove(&job);
            }
        }
    }
}
