//! Error codes that cross the wire as themselves.

use serde::{Deserialize, Serialize};

use crate::{JobId, TaskId, WorkerId};

/// Why the coordinator would not do what a client or worker asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// Nothing by that id.
    #[error(transparent)]
    NotFound(#[from] NotFound),
    /// The request itself is wrong; asking again will not help.
    #[error("{0}")]
    Invalid(String),
    /// The output directory holds something and may not be replaced.
    #[error("output directory {0} exists and is not empty; choose another or add --overwrite")]
    OutputExists(String),
    /// A blob was never uploaded, or the coordinator has lost it: upload, then ask again.
    #[error("blob {0} is not here; upload it first")]
    UnknownBlob(String),
    /// This incarnation is not registered (any more): register again.
    #[error("this worker is not registered; it must register again")]
    UnknownWorker,
    /// The two sides speak different versions of the protocol.
    #[error(
        "the coordinator speaks protocol {coordinator}, the caller {caller}; use the same gristmill on both sides"
    )]
    Version {
        /// Its version.
        coordinator: u32,
        /// The caller's.
        caller: u32,
    },
    /// The coordinator is ending or cannot serve now; another try may succeed.
    #[error("the coordinator cannot serve now: {0}")]
    Unavailable(String),
    /// Another coordinator of the group leads it, or none does now.
    #[error("this coordinator does not lead its group")]
    NotLeader {
        /// Where the leader is, if it is known.
        leader: Option<String>,
    },
    /// The session in which it was asked is over, or never was.
    #[error("this client's session is over; what it asks again is not executed")]
    UnknownClient,
    /// The coordinator was removed from its group, or is not added yet: whoever wants the group asks its members.
    #[error(
        "this coordinator is no member of its group, having been removed or not added yet; the members are at {members}"
    )]
    NoMember {
        /// Where they are: addresses with commas between them.
        members: String,
    },
    /// It was tried and has not come about. What is in the way goes by no waiting: somebody has to see to it before it is asked again.
    #[error("{0}")]
    NotDone(String),
}

/// An id that names nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum NotFound {
    /// No such job.
    #[error("there is no job {0}")]
    Job(JobId),
    /// No such task.
    #[error("there is no task {0}")]
    Task(TaskId),
    /// No such worker, or not any more.
    #[error("there is no worker {0}")]
    Worker(WorkerId),
}
