//! The replicated state: jobs, tasks, attempts, workers, request keys.
//!
//! Changed by [`apply`] alone. All that it holds follows from the facts, so that a replay gives the same again.

mod apply;
mod job;
mod query;
mod store;
mod task;
mod validate;
mod worker;

use std::collections::{BTreeMap, BTreeSet};

use gristmill_model::{ClusterId, Incarnation, JobId, RequestKey, WorkerId};
use serde::{Deserialize, Serialize};

pub(crate) use apply::apply_to;
pub(crate) use job::{Figures, Job, JobEnd, JobHead};
pub use query::OutputPart;
pub(crate) use query::{check_output, check_spec, is_registered};
pub(crate) use store::Store;
pub(crate) use task::Task;
pub(crate) use worker::Worker;

use crate::effect::Effect;
use crate::fact::Fact;

/// Everything that must survive a coordinator's death.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    cluster: ClusterId,
    next_job: JobId,
    next_worker: WorkerId,
    /// All that are remembered.
    jobs: BTreeMap<JobId, Job>,
    /// Those that are not over.
    live: BTreeSet<JobId>,
    /// The live ones, and the lost ones whose runs are in use.
    workers: BTreeMap<WorkerId, Worker>,
    /// Of live workers.
    incarnations: BTreeMap<Incarnation, WorkerId>,
    keys: BTreeMap<RequestKey, JobId>,
}

/// A fact that does not fit the state: a bug, or a log of another cluster. It has changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("illegal fact: {fact}, but {state}")]
pub struct IllegalFact {
    /// What was to happen.
    pub fact: String,
    /// What is.
    pub state: String,
}

/// Applies one fact: the mechanism. Every replica and every replay runs it; the effects are for the leader's coordinator.
pub fn apply(state: &mut State, fact: &Fact) -> Result<Vec<Effect>, IllegalFact> {
    apply_to(state, fact)
}

impl State {
    /// The state before the first fact.
    pub fn new(cluster: ClusterId) -> Self {
        Self {
            cluster,
            next_job: JobId(1),
            next_worker: WorkerId(1),
            jobs: BTreeMap::new(),
            live: BTreeSet::new(),
            workers: BTreeMap::new(),
            incarnations: BTreeMap::new(),
            keys: BTreeMap::new(),
        }
    }

    pub(crate) fn job(&self, job: JobId) -> Option<&Job> {
        self.jobs.get(&job)
    }

    pub(crate) fn live(&self) -> &BTreeSet<JobId> {
        &self.live
    }

    pub(crate) fn all_workers(&self) -> &BTreeMap<WorkerId, Worker> {
        &self.workers
    }

    pub(crate) fn ended(&self) -> impl Iterator<Item = JobId> + '_ {
        self.jobs.keys().copied().filter(|job| !self.live.contains(job))
    }

    pub(crate) fn ended_count(&self) -> usize {
        self.jobs.len() - self.live.len()
    }
}
