//! Facts: what was decided. They are logged, replicated and replayed.
//!
//! A fact says the outcome, never the rule that led to it, so that rules may change between versions. New variants and fields
//! are added at the end, and [`FACT_VERSION`] grows; a golden test notices any other change of the encoding.

use std::sync::Arc;

use gristmill_model::{
    AttemptId, Bounds, ClientId, ClusterId, FailureCause, Incarnation, JobId, JobSpec, KvOp, MapResult,
    ReduceResult, RequestId, RequestKey, SampleResult, Timestamp, WorkerId,
};
use serde::{Deserialize, Serialize};

use crate::input::Asked;
use crate::plan::Planner;
use crate::sampler::Sampler;
use crate::state::Refused;

/// Grows with every change of what facts look like in the log.
pub const FACT_VERSION: u16 = 7;

/// Something that was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// A job exists from now on. Its splits follow from the spec and the planner.
    JobSubmitted {
        /// The next free id.
        job: JobId,
        /// When.
        at: Timestamp,
        /// What it is.
        spec: Arc<JobSpec>,
        /// How its splits are computed.
        planner: Planner,
        /// How its samples are.
        sampler: Sampler,
    },
    /// A worker is registered.
    WorkerJoined {
        /// The next free id.
        worker: WorkerId,
        /// When.
        at: Timestamp,
        /// Which life of it.
        incarnation: Incarnation,
        /// What it calls itself.
        name: Arc<str>,
        /// Which machine it is on.
        machine: Arc<str>,
        /// How many attempts it can run at once.
        slots: u32,
    },
    /// A worker is gone, and every attempt on it has ended.
    WorkerLost {
        /// Which.
        worker: WorkerId,
        /// When.
        at: Timestamp,
        /// How it showed.
        cause: LossCause,
    },
    /// A worker is given an attempt.
    AttemptAssigned {
        /// Its number is the task's next.
        attempt: AttemptId,
        /// To whom.
        worker: WorkerId,
        /// When.
        at: Timestamp,
        /// Beside a running attempt which is slow.
        backup: bool,
    },
    /// An attempt is its task's winner; every other attempt of the task has ended.
    TaskWon {
        /// Which.
        attempt: AttemptId,
        /// When.
        at: Timestamp,
        /// What it made.
        result: TaskResult,
    },
    /// A running attempt has ended without winning.
    AttemptEnded {
        /// Which.
        attempt: AttemptId,
        /// When.
        at: Timestamp,
        /// Why.
        cause: EndCause,
    },
    /// The run of a winning map attempt cannot be read any more: the map runs again.
    RunLost {
        /// The winner that was.
        attempt: AttemptId,
        /// When.
        at: Timestamp,
        /// How.
        loss: RunLoss,
    },
    /// A winning reduce attempt has read a run whose map has since made a different one: the reduce runs again.
    ReduceOutdated {
        /// The winner that was.
        attempt: AttemptId,
        /// When.
        at: Timestamp,
        /// The map attempt whose run is different.
        by: AttemptId,
    },
    /// The output could not be made visible; it is tried again.
    CommitFailed {
        /// Which job.
        job: JobId,
        /// When.
        at: Timestamp,
        /// Why.
        message: String,
    },
    /// The output of a job is visible and durable.
    JobCommitted {
        /// Which.
        job: JobId,
        /// When.
        at: Timestamp,
    },
    /// A job has failed.
    JobFailed {
        /// Which.
        job: JobId,
        /// When.
        at: Timestamp,
        /// For the user.
        message: String,
    },
    /// Somebody cancelled a job.
    JobCancelled {
        /// Which.
        job: JobId,
        /// When.
        at: Timestamp,
        /// By which request.
        asked: Asked,
    },
    /// An ended job is so old that it is no longer remembered.
    JobForgotten {
        /// Which.
        job: JobId,
    },
    /// All samples of a job are taken: its maps may begin, and know where partitions do.
    BoundsChosen {
        /// Which job.
        job: JobId,
        /// When.
        at: Timestamp,
        /// Where.
        bounds: Arc<Bounds>,
    },
    /// The cluster begins. The first fact of all, and none other is legal before it.
    Founded {
        /// Its name for ever.
        cluster: ClusterId,
    },
    /// A client has a session.
    SessionOpened {
        /// The next free id.
        client: ClientId,
        /// When.
        at: Timestamp,
        /// What the call bore that opened it: a repeat of the call finds the session again.
        nonce: u64,
    },
    /// A client has said which answers it has, and they were many.
    SessionKept {
        /// Whose.
        client: ClientId,
        /// When.
        at: Timestamp,
        /// All answers to requests before this one.
        done_below: RequestId,
    },
    /// A client was not heard of for so long that its session is over.
    SessionExpired {
        /// Whose.
        client: ClientId,
        /// When.
        at: Timestamp,
    },
    /// An operation of the key/value store is carried out. Its answer follows from the state, and is kept in the session.
    KvApplied {
        /// The request.
        key: RequestKey,
        /// When.
        at: Timestamp,
        /// Its client has all answers to requests before this one.
        done_below: RequestId,
        /// What is done.
        op: Arc<KvOp>,
    },
    /// A worker gets nothing any more, and leaves when nothing needs it.
    WorkerDraining {
        /// Which.
        worker: WorkerId,
        /// When.
        at: Timestamp,
        /// By which request.
        asked: Asked,
    },
    /// A request is refused for good: it is answered so whenever it comes again, and never executed.
    RequestRefused {
        /// Which.
        asked: Asked,
        /// When.
        at: Timestamp,
        /// Why.
        refused: Refused,
    },
    /// What a request asks for is so already: nothing changes, but its answer is recorded.
    RequestFulfilled {
        /// Which.
        asked: Asked,
        /// When.
        at: Timestamp,
    },
}

impl Fact {
    /// The one job that it is about, when that was known before.
    pub(crate) fn job(&self) -> Option<JobId> {
        match self {
            Self::AttemptAssigned { attempt, .. }
            | Self::TaskWon { attempt, .. }
            | Self::AttemptEnded { attempt, .. }
            | Self::RunLost { attempt, .. }
            | Self::ReduceOutdated { attempt, .. } => Some(attempt.task.job),
            Self::CommitFailed { job, .. }
            | Self::JobCommitted { job, .. }
            | Self::JobFailed { job, .. }
            | Self::JobCancelled { job, .. }
            | Self::JobForgotten { job }
            | Self::BoundsChosen { job, .. } => Some(*job),
            Self::JobSubmitted { .. }
            | Self::WorkerJoined { .. }
            | Self::WorkerLost { .. }
            | Self::Founded { .. }
            | Self::SessionOpened { .. }
            | Self::SessionKept { .. }
            | Self::SessionExpired { .. }
            | Self::KvApplied { .. }
            | Self::WorkerDraining { .. }
            | Self::RequestRefused { .. }
            | Self::RequestFulfilled { .. } => None,
        }
    }
}

/// What a winner made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskResult {
    /// A run, or in a map-only job an output.
    Map(MapResult),
    /// An output.
    Reduce(ReduceResult),
    /// A sample of keys.
    Sample(SampleResult),
}

/// Why a running attempt ended without winning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndCause {
    /// By the app's, the input's or the machine's fault. The only one that uses up the attempts of its task.
    Failed {
        /// Whose fault.
        cause: FailureCause,
        /// Task, cause, message, place in the input and last lines of what the app printed; bounded.
        message: String,
    },
    /// It made no progress in time.
    TimedOut,
    /// It was a reduce and could not read a run.
    RunsLost,
    /// It is a reduce and may have read a run whose map has since made a different one.
    Outdated,
    /// Its worker gave it up.
    Cancelled,
    /// It had no slot yet, and a job of a higher priority wants one.
    TakenBack,
}

/// How a run was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunLoss {
    /// It is missing or damaged though its worker lives.
    Damaged,
    /// Its worker is gone, and nobody can read it.
    WorkerGone,
}

/// How it showed that a worker was gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LossCause {
    /// It was not heard of for too long.
    Silent,
    /// Its connection closed.
    Disconnected,
    /// It said goodbye.
    Goodbye,
    /// The same process registered anew with other properties.
    Replaced,
}
