//! The leader's volatile memory, and its decisions.

use gristmill_model::{
    Explanation, Incarnation, JobId, JobStatus, NotFound, Refusal, TaskId, Timestamp, WorkerId, WorkerStatus,
};

use crate::effect::{Answer, Effect, Orders};
use crate::fact::Fact;
use crate::input::Input;
use crate::settings::Settings;
use crate::state::State;

/// The leader: its memory, and what it decides by.
#[derive(Clone, Debug)]
pub struct Leader {
    settings: Settings,
}

impl Leader {
    /// A new leader starts every lease and every deadline afresh.
    pub fn new(state: &State, now: Timestamp, settings: Settings) -> Self {
        let _ = (state, now);
        Self { settings }
    }
    /// Effects of the past that may never have been performed: do them once, after becoming the leader.
    pub fn resume(&self, state: &State) -> Vec<Effect> {
        let _ = (state, &self.settings);
        Vec::new()
    }
    /// Decides what follows from the inputs and from the time. An empty batch is a tick. All facts that come out are one log
    /// entry; the next batch is decided after they were applied.
    pub fn decide(&mut self, state: &State, now: Timestamp, inputs: &[Input]) -> Vec<Fact> {
        let _ = (state, now, inputs);
        Vec::new()
    }
    /// The answers that are due: call after the facts of a batch were applied (also when there were none).
    pub fn answers(&mut self, state: &State, now: Timestamp) -> Vec<Answer> {
        let _ = (state, now);
        Vec::new()
    }
    /// The answer to a heartbeat.
    pub fn orders(
        &mut self,
        state: &State,
        worker: WorkerId,
        incarnation: Incarnation,
    ) -> Result<Orders, Refusal> {
        let _ = (state, worker, incarnation);
        Ok(Orders::default())
    }
    /// When to decide again even if nothing comes in.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        None
    }
    /// All about a job.
    pub fn job_status(&self, state: &State, job: JobId) -> Result<JobStatus, NotFound> {
        let _ = state;
        Err(NotFound::Job(job))
    }
    /// The `revision` of its status, cheaply.
    pub fn revision(&self, state: &State, job: JobId) -> Option<u64> {
        let _ = (state, job);
        None
    }
    /// What a job, or one task of it, waits for.
    pub fn explain(
        &self,
        state: &State,
        now: Timestamp,
        job: JobId,
        task: Option<TaskId>,
    ) -> Result<Vec<Explanation>, NotFound> {
        let _ = (state, now, task);
        Err(NotFound::Job(job))
    }
    /// The live workers.
    pub fn workers(&self, state: &State, now: Timestamp) -> Vec<WorkerStatus> {
        let _ = (state, now);
        Vec::new()
    }
}
