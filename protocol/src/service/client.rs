//! The calls of clients: sessions, uploads, jobs, workers and the members of the group.

use gristmill_model::{
    AttemptId, AttemptLog, Blob, ClientId, ClusterId, Explanation, JobId, JobStatus, MemberChange,
    MembersStatus, MembersVersion, Refusal, RequestId, RequestKey, Sha256, TaskId, WorkerId, WorkerStatus,
};
use serde::{Deserialize, Serialize};

/// What a coordinator says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoordinatorInfo {
    /// Its cluster.
    pub cluster: ClusterId,
    /// Its version of gristmill, for people.
    pub version: String,
    /// Slots of all its live workers.
    pub slots: u32,
    /// Which member of its group it is; `None` when it is no group's.
    pub node: Option<u64>,
    /// Which member leads the group.
    pub leader: Option<u64>,
}

/// What clients call.
#[tarpc::service]
pub trait ClientService {
    /// Who are you? `protocol` is the caller's [`PROTOCOL_VERSION`](crate::PROTOCOL_VERSION).
    async fn info(protocol: u32) -> Result<CoordinatorInfo, Refusal>;
    /// Opens a session, for calls that change something and must not happen twice. The same number, drawn at random, gives the same
    /// session again while it lasts.
    async fn open_session(nonce: u64) -> Result<ClientId, Refusal>;
    /// Keeps a session from expiring. Requests below `done_below` are never repeated any more: what is remembered of them may go.
    async fn keep_session(client: ClientId, done_below: RequestId) -> Result<(), Refusal>;
    /// How many bytes of this blob (a plugin, a job request) are here already; its size when it is complete.
    async fn blob_bytes(sha256: Sha256) -> Result<u64, Refusal>;
    /// Some bytes of a blob of `total` bytes, at most [`CHUNK_BYTES`](crate::limits::CHUNK_BYTES), in order. Returns how many are
    /// here now. The last chunk is refused unless the whole has the hash.
    async fn put_blob(sha256: Sha256, total: u64, offset: u64, chunk: Blob) -> Result<u64, Refusal>;
    /// Submits a job: an uploaded [`JobRequest`](gristmill_model::JobRequest) in postcard, with the same key in it, whose plugin is
    /// uploaded too. The same key again gives the same job.
    async fn submit(key: RequestKey, request: Sha256) -> Result<JobId, Refusal>;
    /// The status of a job, as soon as its revision is above `seen` (at once with 0), or after `wait_ms` as it is.
    async fn job(job: JobId, seen: u64, wait_ms: u64) -> Result<JobStatus, Refusal>;
    /// Jobs with ids above `after`, in order, at most a page; an empty page is the end.
    async fn jobs(after: JobId) -> Result<Vec<JobStatus>, Refusal>;
    /// Cancels a job. One that is over stays as it is. Requests of the session below `done_below` are never repeated any more.
    async fn cancel(key: RequestKey, done_below: RequestId, job: JobId) -> Result<(), Refusal>;
    /// What a job, or one task of it, waits for.
    async fn explain(job: JobId, task: Option<TaskId>) -> Result<Vec<Explanation>, Refusal>;
    /// What attempts of a job (or of one task) printed, those after `after`, at most a page; an empty page is the end.
    async fn logs(
        job: JobId,
        task: Option<TaskId>,
        after: Option<AttemptId>,
    ) -> Result<Vec<AttemptLog>, Refusal>;
    /// The live workers.
    async fn workers() -> Result<Vec<WorkerStatus>, Refusal>;
    /// Gives a worker no new attempts; it leaves when it is not needed any more. `done_below` as above.
    async fn drain(key: RequestKey, done_below: RequestId, worker: WorkerId) -> Result<(), Refusal>;
    /// The members of the group.
    async fn members() -> Result<MembersStatus, Refusal>;
    /// Changes the members of the group, one change at a time, and says what they are then. Refused when the group is no longer as it was
    /// seen, unless the change has happened already: so one that comes late a second time changes nothing.
    async fn change_members(seen: MembersVersion, change: MemberChange) -> Result<MembersStatus, Refusal>;
}
