//! What the driver needs of a cluster.

use gristmill_model::{ClientId, JobId, RequestId, RequestKey};
use kmeans::Point;

use crate::progress::Progress;

/// Coordinators with a store and workers, and the places of the outputs. Any call may fail, and whoever called may be killed before or
/// after it had its effect.
pub(crate) trait Cluster {
    /// How far the run is, and the version of that; `None` before it has begun.
    async fn read(&self) -> anyhow::Result<Option<(Progress, u64)>>;
    /// Writes how far the run is if nobody has since `version` (0: if it has not begun). Returns the new version; `None` when somebody
    /// else was faster.
    async fn write(&self, version: u64, progress: &Progress) -> anyhow::Result<Option<u64>>;
    /// A session in which requests from `next` on can be made.
    async fn session(&self, next: RequestId) -> anyhow::Result<ClientId>;
    /// Submits the job of an iteration under this key. The same key again gives the same job.
    async fn submit(&self, key: RequestKey, iteration: u32, centroids: &[Point])
    -> anyhow::Result<Submitted>;
    /// Waits for the end of a job.
    async fn wait(&self, job: JobId) -> anyhow::Result<Ended>;
    /// Where an iteration that began with these centroids has moved them, by their numbers; `None` when its output is not complete.
    async fn output(&self, iteration: u32, began: &[Point]) -> anyhow::Result<Option<Vec<(usize, Point)>>>;
}

/// What became of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Submitted {
    /// This is the job.
    Job(JobId),
    /// It was refused for good: the key will always be answered so, whatever is mended.
    Refused(String),
    /// The session is over, and no job of the key is known: none will ever be.
    SessionOver,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Its output is complete.
    Done,
    /// It failed or was cancelled.
    Failed(String),
    /// The coordinators do not remember it any more.
    Forgotten,
}
