//! Inputs: what happened outside since the last decision. A batch may be empty: then only time has passed.

use std::sync::Arc;

use gristmill_model::{
    AttemptId, ClientId, ClusterId, Incarnation, JobId, JobSpec, KvOp, Progress, Refusal, Report, RequestId,
    RequestKey, WorkerId,
};
use serde::{Deserialize, Serialize};

use crate::fact::LossCause;
use crate::plan::Planner;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A client submits a job, whose map tasks are to be planned so. Afterwards [`State::submitted`](crate::State::submitted) knows its id by its key, or
    /// why the job was refused.
    Submit(Arc<JobSpec>, Planner),
    /// A worker introduces itself. Afterwards [`State::worker_of`](crate::State::worker_of) knows its id by its incarnation.
    Register(Hello),
    /// A worker reports and asks for work. Answered by [`Leader::answers`](crate::Leader::answers).
    Poll(Poll),
    /// A worker is alive. Answer with [`Leader::orders`](crate::Leader::orders) after the batch was applied.
    Heartbeat {
        /// Who.
        worker: WorkerId,
        /// Which life of it.
        incarnation: Incarnation,
        /// Every attempt that it runs.
        running: Vec<Progress>,
    },
    /// A worker's newest connection closed, or it said goodbye. (Not for an older connection of a worker that has another.)
    WorkerGone {
        /// Who.
        worker: WorkerId,
        /// How it showed.
        cause: LossCause,
    },
    /// A client wants a job to end. Too late once all its tasks are done: then nothing happens. Afterwards
    /// [`State::done_answer`](crate::State::done_answer) knows the answer.
    Cancel(Asked, JobId),
    /// The outcome of an [`Effect::Commit`](crate::Effect::Commit). A failure is tried again a few times.
    Committed {
        /// Which job.
        job: JobId,
        /// The error is one line for the user.
        result: Result<(), String>,
    },
    /// The cluster begins, under this name. The first input of all: whatever comes before it is dropped. Ignored when there is one.
    Found(ClusterId),
    /// A client wants a session. Afterwards [`State::session_of`](crate::State::session_of) knows its id by the number.
    OpenSession {
        /// Drawn at random by the client; the same for repeats of the call.
        nonce: u64,
    },
    /// A client is there, and has all answers to requests before this one.
    KeepSession {
        /// Who.
        client: ClientId,
        /// The first request whose answer it may not have.
        done_below: RequestId,
    },
    /// A client asks for a change in the key/value store. Afterwards [`State::kv_answer`](crate::State::kv_answer) knows the answer.
    Kv(KvCall),
    /// A client wants a worker to get nothing any more, and to leave when nothing needs it. Afterwards
    /// [`State::done_answer`](crate::State::done_answer) knows the answer.
    Drain(Asked, WorkerId),
    /// A client's request is refused, for a reason that the scheduler does not know of. Recorded if the refusal is final.
    Refuse(Asked, Refusal),
}

/// Who asks, and which of its calls this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The request.
    pub key: RequestKey,
    /// The client has all answers to requests before this one.
    pub done_below: RequestId,
}

/// A change in the key/value store, as a client asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvCall {
    /// Who asks, and which of its calls this is.
    pub key: RequestKey,
    /// The client has all answers to requests before this one.
    pub done_below: RequestId,
    /// What is to be done.
    pub op: Arc<KvOp>,
}

impl KvCall {
    /// Who asks.
    pub fn asked(&self) -> Asked {
        Asked { key: self.key, done_below: self.done_below }
    }
}

/// How a worker introduces itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// What it calls itself.
    pub name: String,
    /// Which life of it.
    pub incarnation: Incarnation,
    /// How many attempts it can run at once.
    pub slots: u32,
    /// Which machine it is on.
    pub machine: String,
    /// Attempts it still runs from before.
    pub running: Vec<AttemptId>,
}

/// A call that waits for its answer, named by the coordinator as it likes; never twice the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PollToken(pub u64);

/// A worker has room, or news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poll {
    /// Names the call in its answer.
    pub token: PollToken,
    /// Who.
    pub worker: WorkerId,
    /// Which life of it.
    pub incarnation: Incarnation,
    /// How many more attempts it can begin at once.
    pub free_slots: u32,
    /// How many it can take beyond those, to begin them when others end.
    pub ahead: u32,
    /// How many it has: those that run or wait to begin, and those that have ended and are yet to be reported.
    pub held: u32,
    /// Attempts that have ended. A poll with reports is answered at once.
    pub reports: Vec<Report>,
    /// How long it is willing to wait; the caller bounds it.
    pub wait_ms: u64,
}
