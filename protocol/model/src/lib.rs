//! The nouns of Gristmill: ids, time, jobs, tasks, reports, status and error codes.
//!
//! Plain data that is sent and stored; no behaviour beyond construction, parsing and display. Knows no clock, no socket and
//! no file.
#![forbid(unsafe_code)]

mod bytes;
mod error;
mod ids;
mod job;
mod plugin;
mod report;
mod status;
mod task;
mod time;

pub use bytes::{Blob, PathBytes, Sha256};
pub use error::{NotFound, Refusal};
pub use ids::{
    AttemptId, ClientId, ClusterId, Incarnation, JobId, ParseIdError, RequestId, RequestKey, Stage, TaskId,
    WorkerId,
};
pub use job::{InputFile, JobOptions, JobRequest, JobSpec, Params};
pub use plugin::{InputMode, PluginInfo};
pub use report::{
    AttemptStats, FailureCause, Location, LostRun, MapResult, Outcome, PartitionSize, ReduceResult, Report,
    TaskFailure,
};
pub use status::{
    AttemptLog, AttemptTally, Explanation, JobPhase, JobStatus, Progress, StageStatus, WorkerStatus,
};
pub use task::{Assignment, MapWork, ReduceWork, Segment, Split, Work};
pub use time::Timestamp;
