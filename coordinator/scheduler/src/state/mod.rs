//! The replicated state: jobs, tasks, attempts, workers, sessions, keys and values.
//!
//! Changed by [`apply`] alone. All that it holds follows from the facts, so that a replay gives the same again. What it is made of is
//! shared between copies until one of them changes it, so a copy for a snapshot costs next to nothing, whatever the size of the state.

mod apply;
mod clients;
pub(crate) mod encoding;
mod illegal;
mod job;
mod query;
mod ready;
mod records;
mod refused;
mod sessions;
mod store;
mod task;
mod validate;
mod worker;

use std::sync::Arc;

use gristmill_model::{ClusterId, Incarnation, JobId, RequestKey, Timestamp, WorkerId};
use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};

pub(crate) use apply::apply_to;
pub(crate) use job::{Figures, Job, JobEnd, JobHead};
pub use query::OutputPart;
pub(crate) use query::{check_output, check_spec, is_registered};
pub use refused::Refused;
pub use sessions::Recorded;
pub(crate) use sessions::{RECORDS_MAX, Sessions};
pub(crate) use store::Store;
pub(crate) use task::Task;
pub(crate) use worker::Worker;

use crate::effect::Effect;
use crate::fact::Fact;
use crate::kv::Kv;

/// Grows with every change of what a serialized state looks like. Whoever writes one down writes this beside it, and reads no other.
pub const STATE_VERSION: u16 = 3;

/// Everything that must survive a coordinator's death.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Nothing else is before it is founded.
    cluster: Option<ClusterId>,
    next_job: JobId,
    next_worker: WorkerId,
    /// All that are remembered.
    #[serde(with = "encoding::map")]
    jobs: OrdMap<JobId, Arc<Job>>,
    /// Those that are not over.
    #[serde(with = "encoding::set")]
    live: OrdSet<JobId>,
    /// The live ones, and the lost ones whose runs are in use.
    #[serde(with = "encoding::map")]
    workers: OrdMap<WorkerId, Arc<Worker>>,
    /// Of live workers.
    #[serde(with = "encoding::map")]
    incarnations: OrdMap<Incarnation, WorkerId>,
    /// Of workers that are given attempts.
    slots: u64,
    #[serde(with = "encoding::map")]
    keys: OrdMap<RequestKey, JobId>,
    sessions: Sessions,
    kv: Kv,
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
    /// The state before the first fact, which founds the cluster.
    pub fn new() -> Self {
        Self {
            cluster: None,
            next_job: JobId(1),
            next_worker: WorkerId(1),
            jobs: OrdMap::new(),
            live: OrdSet::new(),
            workers: OrdMap::new(),
            incarnations: OrdMap::new(),
            slots: 0,
            keys: OrdMap::new(),
            sessions: Sessions::default(),
            kv: Kv::default(),
        }
    }

    pub(crate) fn job(&self, job: JobId) -> Option<&Job> {
        self.jobs.get(&job).map(|job| &**job)
    }

    pub(crate) fn live(&self) -> &OrdSet<JobId> {
        &self.live
    }

    /// All workers, the lost ones too, in order.
    pub(crate) fn all_workers(&self) -> impl Iterator<Item = (WorkerId, &Worker)> + Clone {
        self.workers.iter().map(|(id, worker)| (*id, &**worker))
    }

    /// Jobs that are over, and when they ended.
    pub(crate) fn ended(&self) -> impl Iterator<Item = (Timestamp, JobId)> + '_ {
        self.jobs.iter().filter_map(|(id, job)| Some((job.head.end.as_ref()?.at, *id)))
    }
}

impl Default for State {
    fn default() -> Self {
        Self::new()
    }
}
