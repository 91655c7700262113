//! Everything that can happen to the main loop.

use gristmill_model::{
    AttemptId, Explanation, Incarnation, JobId, JobRequest, JobStatus, Refusal, RequestKey, Segment, TaskId,
    WorkerId, WorkerStatus,
};
use gristmill_protocol::{
    ConnectionId, CoordinatorInfo, Heartbeat, Orders, PollReply, PollRequest, Registered, WorkerHello,
};
use tokio::sync::oneshot;

/// Where the answer to a call goes. It is dropped with the call when the caller has gone.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// Something that happened.
pub(crate) enum Event {
    /// A call of the worker service.
    Worker(ConnectionId, WorkerCall),
    /// A call of the client service.
    Client(ClientCall),
    /// A connection is gone.
    Closed(ConnectionId),
    /// The output directory of a submission was prepared, or could not be.
    Prepared(RequestKey, Result<(), Refusal>),
    /// A job's output was committed, or could not be.
    Committed(JobId, Result<(), String>),
    /// What was staged beside the output of an ended job is removed, as far as it can be.
    Cleaned(JobId),
    /// No more jobs will come: end when the last is over and the workers have left.
    Finish,
}

pub(crate) enum WorkerCall {
    Register(WorkerHello, Reply<Registered>),
    Poll(PollRequest, Reply<PollReply>),
    Heartbeat(Heartbeat, Reply<Orders>),
    Segments(Holder, AttemptId, u32, Reply<Vec<Segment>>),
    Goodbye(Holder, Reply<Vec<JobId>>),
}

/// A worker as it names itself in a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holder {
    pub(crate) worker: WorkerId,
    pub(crate) incarnation: Incarnation,
}

pub(crate) enum ClientCall {
    /// The request has been checked; `None` when its blob is not here, which is fine if the job is.
    Submit(RequestKey, Option<Box<JobRequest>>, Reply<Option<JobId>>),
    Job {
        job: JobId,
        seen: u64,
        wait_ms: u64,
        reply: Reply<JobStatus>,
    },
    Cancel(JobId, Reply<()>),
    Ask(Question),
}

/// What is answered from the state as it is, and changes nothing.
pub(crate) enum Question {
    Info(Reply<CoordinatorInfo>),
    Jobs(JobId, Reply<Vec<JobStatus>>),
    Explain(JobId, Option<TaskId>, Reply<Vec<Explanation>>),
    /// Does the job exist?
    Known(JobId, Reply<()>),
    Workers(Reply<Vec<WorkerStatus>>),
}
