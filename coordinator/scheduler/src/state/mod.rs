//! The replicated state.

use std::sync::Arc;

use gristmill_model::{
    Assignment, AttemptId, ClusterId, Incarnation, JobId, JobPhase, JobSpec, PathBytes, Refusal, RequestKey,
    Segment, WorkerId,
};
use serde::{Deserialize, Serialize};

use crate::effect::{Effect, Verdict};
use crate::fact::Fact;

/// Everything that must survive a coordinator's death: jobs, tasks, attempts, workers, request keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    cluster: ClusterId,
}

/// A fact that does not fit the state: a bug, or a log of another cluster. It has changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("illegal fact: {fact} while {state}")]
pub struct IllegalFact {
    /// What was to happen.
    pub fact: String,
    /// What is.
    pub state: String,
}

/// A final output of a job, staged under its attempt's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputPart {
    /// The attempt that won.
    pub attempt: AttemptId,
    /// The staged file, absolute.
    pub path: PathBytes,
    /// Its size in bytes.
    pub bytes: u64,
    /// CRC32C of an output of a reduce; digest of an output of a map.
    pub checksum: u64,
}

/// Applies one fact: the mechanism. Every replica and every replay runs it; the effects are for the leader's coordinator.
pub fn apply(state: &mut State, fact: &Fact) -> Result<Vec<Effect>, IllegalFact> {
    let _ = (state, fact);
    Ok(Vec::new())
}

impl State {
    /// The state before the first fact.
    pub fn new(cluster: ClusterId) -> Self {
        Self { cluster }
    }
    /// The cluster.
    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }
    /// Whether a job of this spec may be submitted now: `Ok(Some)` when it was already (the same key).
    pub fn admit(&self, spec: &JobSpec) -> Result<Option<JobId>, Refusal> {
        let _ = spec;
        Ok(None)
    }
    /// The job that was submitted under this key.
    pub fn job_of(&self, key: RequestKey) -> Option<JobId> {
        let _ = key;
        None
    }
    /// The registration of this incarnation, if it is registered and not lost.
    pub fn worker_of(&self, incarnation: Incarnation) -> Option<WorkerId> {
        let _ = incarnation;
        None
    }
    /// Slots of all live workers.
    pub fn slots(&self) -> u32 {
        0
    }
    /// Jobs that are not over, in order.
    pub fn live_jobs(&self) -> Vec<JobId> {
        Vec::new()
    }
    /// All remembered jobs with ids above `after`, in order.
    pub fn jobs(&self, after: JobId) -> impl Iterator<Item = JobId> + '_ {
        let _ = after;
        std::iter::empty()
    }
    /// The spec of a job that is remembered.
    pub fn spec(&self, job: JobId) -> Option<&Arc<JobSpec>> {
        let _ = job;
        None
    }
    /// How far a job is.
    pub fn phase(&self, job: JobId) -> Option<JobPhase> {
        let _ = job;
        None
    }
    /// What the worker of a running attempt needs to know.
    pub fn assignment(&self, attempt: AttemptId) -> Option<Assignment> {
        let _ = attempt;
        None
    }
    /// The segments of a running reduce attempt from map `from` on, in map order, at most `limit`; refused when the attempt is not (or
    /// no longer) this worker's, or when a map runs again because its run was lost: the worker then reports `Cancelled`.
    pub fn segments(
        &self,
        worker: WorkerId,
        incarnation: Incarnation,
        attempt: AttemptId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<Segment>, Refusal> {
        let _ = (worker, incarnation, attempt, from, limit);
        Ok(Vec::new())
    }
    /// What became of an attempt that its worker reported. The same again however often it is asked, until the job is over.
    pub fn verdict(&self, worker: WorkerId, attempt: AttemptId) -> Verdict {
        let _ = (worker, attempt);
        Verdict::Discarded
    }
    /// The final outputs of a job that is to be committed, in the order of their tasks; empty in any other phase.
    pub fn outputs(&self, job: JobId) -> Vec<OutputPart> {
        let _ = job;
        Vec::new()
    }
}
