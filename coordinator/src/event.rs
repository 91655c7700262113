//! Everything that can happen to the main loop.

use gristmill_model::{
    AttemptId, Blob, ClientId, ClusterId, Explanation, Incarnation, JobId, JobRequest, JobStatus, KvAnswer,
    KvEntry, KvEvents, Refusal, RequestId, RequestKey, Segment, TaskId, WorkerId, WorkerStatus,
};
use gristmill_protocol::{ConnectionId, Heartbeat, Orders, PollReply, PollRequest, Registered, WorkerHello};
use gristmill_scheduler::{Asked, KvCall};
use tokio::sync::oneshot;

/// Where the answer to a call goes. It is dropped with the call when the caller has gone.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// Something that happened.
pub(crate) enum Event {
    /// A call of the worker service.
    Worker(ConnectionId, WorkerCall),
    /// A call of a client, or of the store.
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
    Cancel(Asked, JobId, Reply<()>),
    Drain(Asked, WorkerId, Reply<()>),
    OpenSession(u64, Reply<ClientId>),
    KeepSession(ClientId, RequestId, Reply<()>),
    Write(KvCall, Reply<KvAnswer>),
    Watch {
        prefix: Blob,
        from: u64,
        wait_ms: u64,
        reply: Reply<KvEvents>,
    },
    Ask(Question),
}

/// What is answered from the state as it is, and changes nothing.
pub(crate) enum Question {
    Slots(Reply<(ClusterId, u32)>),
    Jobs(JobId, Reply<Vec<JobStatus>>),
    Explain(JobId, Option<TaskId>, Reply<Vec<Explanation>>),
    /// Does the job exist?
    Known(JobId, Reply<()>),
    /// A submission that needed no decision.
    Submitted(Result<Option<JobId>, Refusal>, Reply<Option<JobId>>),
    Workers(Reply<Vec<WorkerStatus>>),
    Entry(Blob, Reply<Option<KvEntry>>),
    Entries {
        prefix: Blob,
        after: Option<Blob>,
        limit: u32,
        reply: Reply<Vec<KvEntry>>,
    },
}

impl Event {
    /// Answers whoever waits for it with a refusal. What nobody waits for is dropped.
    pub(crate) fn refuse(self, refusal: Refusal) {
        match self {
            Self::Worker(_, call) => call.refuse(refusal),
            Self::Client(call) => call.refuse(refusal),
            Self::Closed(_) | Self::Prepared(..) | Self::Committed(..) | Self::Cleaned(_) | Self::Finish => {}
        }
    }
}

impl WorkerCall {
    fn refuse(self, refusal: Refusal) {
        match self {
            Self::Register(_, reply) => refuse(reply, refusal),
            Self::Poll(_, reply) => refuse(reply, refusal),
            Self::Heartbeat(_, reply) => refuse(reply, refusal),
            Self::Segments(_, _, _, reply) => refuse(reply, refusal),
            Self::Goodbye(_, reply) => refuse(reply, refusal),
        }
    }
}

impl ClientCall {
    fn refuse(self, refusal: Refusal) {
        match self {
            Self::Submit(_, _, reply) => refuse(reply, refusal),
            Self::Job { reply, .. } => refuse(reply, refusal),
            Self::Cancel(_, _, reply) | Self::Drain(_, _, reply) | Self::KeepSession(_, _, reply) => {
                refuse(reply, refusal);
            }
            Self::OpenSession(_, reply) => refuse(reply, refusal),
            Self::Write(_, reply) => refuse(reply, refusal),
            Self::Watch { reply, .. } => refuse(reply, refusal),
            Self::Ask(question) => question.refuse(refusal),
        }
    }
}

impl Question {
    fn refuse(self, refusal: Refusal) {
        match self {
            Self::Slots(reply) => refuse(reply, refusal),
            Self::Jobs(_, reply) => refuse(reply, refusal),
            Self::Explain(_, _, reply) => refuse(reply, refusal),
            Self::Known(_, reply) => refuse(reply, refusal),
            Self::Submitted(_, reply) => refuse(reply, refusal),
            Self::Workers(reply) => refuse(reply, refusal),
            Self::Entry(_, reply) => refuse(reply, refusal),
            Self::Entries { reply, .. } => refuse(reply, refusal),
        }
    }
}

fn refuse<T>(reply: Reply<T>, refusal: Refusal) {
    let _ = reply.send(Err(refusal));
}
