//! What users are told about jobs, tasks and workers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{AttemptId, AttemptStats, Blob, JobId, PathBytes, TaskId, Timestamp, WorkerId};

/// How far a job is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobPhase {
    /// Maps are running.
    Mapping,
    /// All maps are done; reduces are running.
    Reducing,
    /// All tasks are done; the output is being made visible.
    Committing,
    /// The output is visible and durable.
    Done,
    /// It failed, and why.
    Failed(String),
    /// Somebody cancelled it.
    Cancelled,
    /// Keys are sampled, to cut a total order into partitions.
    Sampling,
}

impl JobPhase {
    /// Whether nothing will change any more.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Done | Self::Failed(_) | Self::Cancelled)
    }
}

/// Tasks of one stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageStatus {
    /// All tasks.
    pub total: u32,
    /// Those that have a winner.
    pub done: u32,
    /// Those with a running attempt.
    pub running: u32,
    /// Bytes of input of all its tasks; of a reduce, known when the maps are done.
    pub bytes_total: u64,
    /// Bytes of input of tasks done, and read by running attempts.
    pub bytes_done: u64,
}

/// Attempts by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptTally {
    /// Won their task.
    pub won: u64,
    /// Were good, but another had won.
    pub lost: u64,
    /// Failed by the app's, the input's or the machine's fault.
    pub failed: u64,
    /// Made no progress in time.
    pub timed_out: u64,
    /// Went with their worker.
    pub worker_lost: u64,
    /// Could not read a run.
    pub runs_lost: u64,
    /// Were cancelled.
    pub cancelled: u64,
    /// Started beside a running attempt because that was slow.
    pub backups: u64,
}

/// All about one job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobStatus {
    /// Its id.
    pub id: JobId,
    /// The app's name.
    pub app: String,
    /// Where its output goes.
    pub output: PathBytes,
    /// How far it is.
    pub phase: JobPhase,
    /// Grows with every change of this status.
    pub revision: u64,
    /// When it was submitted.
    pub submitted: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Its samples; none unless the app wants a total order.
    pub sample: StageStatus,
    /// Its maps.
    pub map: StageStatus,
    /// Its reduces.
    pub reduce: StageStatus,
    /// Its attempts.
    pub attempts: AttemptTally,
    /// Sum over the winning map attempts (`peak_bytes` is their maximum, samples included; no counters).
    pub map_stats: AttemptStats,
    /// Sum over the winning reduce attempts (likewise).
    pub reduce_stats: AttemptStats,
    /// The app's counters, over winning attempts only.
    pub counters: BTreeMap<String, i64>,
    /// The slowest winning attempt, and its milliseconds.
    pub slowest: Option<(AttemptId, u64)>,
    /// The biggest partition and its bytes.
    pub biggest_partition: Option<(u32, u64)>,
    /// What the user should know, such as an app found not to be deterministic.
    pub warnings: Vec<String>,
}

/// Figures of an attempt, as its worker last sent them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Which attempt.
    pub attempt: AttemptId,
    /// Grows whenever the attempt does something: a block read, pairs handed over, output written.
    pub ticks: u64,
    /// Bytes of its input consumed.
    pub bytes_in: u64,
    /// It has not begun: its worker has no slot for it yet.
    pub waits: bool,
}

/// A registered worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Its id.
    pub id: WorkerId,
    /// What it calls itself.
    pub name: String,
    /// Its slots.
    pub slots: u32,
    /// Attempts it runs.
    pub running: Vec<AttemptId>,
    /// Milliseconds since it was heard of.
    pub silent_ms: u64,
    /// Attempts that failed on it.
    pub failures: u64,
    /// It gets no new attempts and leaves when it is not needed any more.
    pub draining: bool,
}

/// What a job or task waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The task, or `None` for the job as a whole.
    pub task: Option<TaskId>,
    /// One sentence. Without a deadline it says what must happen.
    pub text: String,
    /// When the wait ends, or what it waits for is given up, even if nothing comes in; none where something must come in.
    pub deadline: Option<Timestamp>,
}

/// What an attempt printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptLog {
    /// Which attempt.
    pub attempt: AttemptId,
    /// Where it ran.
    pub worker: WorkerId,
    /// How it ended, in a word or two.
    pub outcome: String,
    /// Standard output and error together; bounded.
    pub log: Blob,
}
