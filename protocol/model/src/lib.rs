//! The nouns of Gristmill: ids, time, jobs, tasks, reports, status and error codes.
//!
//! Plain data that is sent and stored; no behaviour beyond construction, parsing and display, but for the two pure rules
//! by which a total order is cut, which the coordinator and the sequential oracle share. Knows no clock, no socket and no file.
#![forbid(unsafe_code)]

mod bounds;
mod bytes;
mod error;
mod ids;
mod job;
mod kv;
mod members;
mod plugin;
mod report;
mod sample;
mod status;
mod task;
mod time;

pub use bounds::{Bounds, SampledKey};
pub use bytes::{Blob, PathBytes, Sha256};
pub use error::{NotFound, Refusal};
pub use ids::{
    AttemptId, ClientId, ClusterId, Incarnation, JobId, ParseIdError, RequestId, RequestKey, Stage, TaskId,
    WorkerId,
};
pub use job::{InputFile, JobOptions, JobRequest, JobSpec, Params};
pub use kv::{KvAnswer, KvChange, KvEntry, KvEvent, KvEvents, KvOp};
pub use members::{MemberChange, MemberStatus, MembersStatus, MembersVersion};
pub use plugin::{InputMode, PluginInfo};
pub use report::{
    AttemptStats, FailureCause, Location, LostRun, MapResult, Outcome, PartitionSize, ReduceResult, Report,
    SampleResult, TaskFailure,
};
pub use sample::{SamplePiece, SampleSplit};
pub use status::{
    AttemptLog, AttemptTally, Explanation, JobPhase, JobStatus, Progress, StageStatus, WorkerStatus,
};
pub use task::{Assignment, MapWork, ReduceWork, SampleWork, Segment, Split, Work};
pub use time::Timestamp;
