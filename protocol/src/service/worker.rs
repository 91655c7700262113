//! The calls of workers: joining, taking assignments and reporting, heartbeats, and what an attempt needs.

use gristmill_model::{
    Assignment, AttemptId, Blob, ClusterId, Incarnation, JobId, Progress, Refusal, Report, Segment, Sha256,
    WorkerId,
};
use serde::{Deserialize, Serialize};

/// How a worker introduces itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerHello {
    /// [`PROTOCOL_VERSION`](crate::PROTOCOL_VERSION).
    pub protocol: u32,
    /// What it calls itself, for people.
    pub name: String,
    /// This life of it.
    pub incarnation: Incarnation,
    /// How many attempts it can run at once.
    pub slots: u32,
    /// Which machine it is on: runs are read in place by workers of the same machine.
    pub machine: String,
    /// Attempts that it still runs from before it lost the coordinator.
    pub running: Vec<AttemptId>,
}

/// What a registered worker needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// Its id; the same again when the same incarnation registers twice.
    pub worker: WorkerId,
    /// The cluster it has joined.
    pub cluster: ClusterId,
    /// Jobs that are not over; files of any other job of this cluster are rubbish.
    pub live_jobs: Vec<JobId>,
    /// How often to send a heartbeat, in milliseconds.
    pub heartbeat_ms: u64,
    /// The same while the worker has no attempt, no report and no file of a job: nobody waits to hear how far it is.
    pub idle_heartbeat_ms: u64,
}

/// A worker has room, or news.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollRequest {
    /// Who.
    pub worker: WorkerId,
    /// Which life of it.
    pub incarnation: Incarnation,
    /// How many more attempts it can begin at once.
    pub free_slots: u32,
    /// How many it can take beyond those, to begin them when others end.
    pub ahead: u32,
    /// How many it has: those that run or wait to begin, and those that have ended and are in none of these reports.
    pub held: u32,
    /// Attempts that have ended since the last answered poll. Repeated until answered.
    pub reports: Vec<Report>,
    /// How long it is willing to wait for an assignment, in milliseconds. With reports it is answered at once.
    pub wait_ms: u64,
}

/// What became of a reported attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// It is the task's winner: keep its files.
    Won,
    /// Everything else, stale reports included: its files are rubbish.
    Discarded,
}

/// What a worker is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollReply {
    /// New attempts, at most `free_slots` and `ahead` together.
    pub assignments: Vec<Assignment>,
    /// One for each report of the request, in its order.
    pub verdicts: Vec<(AttemptId, Verdict)>,
    /// What else it should know.
    pub orders: Orders,
}

/// What a worker must not miss; sent with polls and heartbeats until its effect shows, so losing a copy does no harm.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    /// End these attempts and report them as cancelled.
    pub cancel: Vec<AttemptId>,
    /// These jobs are over: remove their files.
    pub forget: Vec<JobId>,
    /// The coordinator has nothing more to do and is about to end: the worker may exit with success.
    pub finished: bool,
    /// The worker was to be drained, and is not needed any more: it may exit with success.
    pub leave: bool,
}

/// A worker is alive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Who.
    pub worker: WorkerId,
    /// Which life of it.
    pub incarnation: Incarnation,
    /// Every attempt that it has.
    pub running: Vec<Progress>,
}

/// What workers call.
#[tarpc::service]
pub trait WorkerService {
    /// Joins, or joins again.
    async fn register(hello: WorkerHello) -> Result<Registered, Refusal>;
    /// Reports, and takes assignments; waits for one if there is none.
    async fn poll(request: PollRequest) -> Result<PollReply, Refusal>;
    /// Says that the worker lives. On a connection of its own, so that it never waits behind a slow call.
    async fn heartbeat(heartbeat: Heartbeat) -> Result<Orders, Refusal>;
    /// The segments of a reduce attempt from map `from` on, in map order, at most a page
    /// ([`SEGMENTS_PAGE`](crate::limits::SEGMENTS_PAGE)); refused as stale when the attempt is not the worker's.
    async fn segments(
        worker: WorkerId,
        incarnation: Incarnation,
        attempt: AttemptId,
        from: u32,
    ) -> Result<Vec<Segment>, Refusal>;
    /// Bytes of a blob from `offset` on, at most [`CHUNK_BYTES`](crate::limits::CHUNK_BYTES); empty at its end.
    async fn blob(sha256: Sha256, offset: u64) -> Result<Blob, Refusal>;
    /// Leaves: everything it runs is given to others at once. Returns the jobs that are not over: the worker's files of any other
    /// are rubbish.
    async fn goodbye(worker: WorkerId, incarnation: Incarnation) -> Result<Vec<JobId>, Refusal>;
}
