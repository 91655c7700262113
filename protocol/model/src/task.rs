//! What a worker is given to do.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{AttemptId, Bounds, ClusterId, Params, PathBytes, PluginInfo, SampleSplit, WorkerId};

/// A byte range of an input. A record belongs to the split in which its first byte lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// The document's name, for the app.
    pub document: PathBytes,
    /// The file, absolute.
    pub path: PathBytes,
    /// First byte of the range in the file.
    pub offset: u64,
    /// Length of the range in bytes.
    pub bytes: u64,
    /// The file's size when the job was submitted: it must not have changed.
    pub file_bytes: u64,
    /// Nor must the time of its last modification, in nanoseconds since 1970.
    pub file_modified_ns: i64,
    /// Whether it is compressed, as far as the submitter could see. Decoding it takes memory.
    pub compressed: bool,
}

/// One attempt, handed to a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Which attempt.
    pub attempt: AttemptId,
    /// Whose job: with the job id, names the job's directories.
    pub cluster: ClusterId,
    /// The plugin to load.
    pub plugin: Arc<PluginInfo>,
    /// The app's parameters.
    pub params: Arc<Params>,
    /// Number of reduce tasks; 0 for a map-only job.
    pub reduces: u32,
    /// Bytes of memory of the slot.
    pub memory_bytes: u64,
    /// Milliseconds without progress after which the attempt is taken away.
    pub task_timeout_ms: u64,
    /// The output directory, absolute. Attempts write below its job directory only.
    pub output: PathBytes,
    /// What to do.
    pub work: Work,
}

/// The work of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Work {
    /// Map these splits.
    Map(MapWork),
    /// Reduce this partition.
    Reduce(ReduceWork),
    /// Map these pieces of the input for a sample of their keys.
    Sample(SampleWork),
}

/// The splits of a map task, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapWork {
    /// At least one.
    pub splits: Vec<Split>,
    /// Where partitions begin, when the app wants a total order.
    pub bounds: Arc<Bounds>,
}

/// The pieces of a sample task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleWork {
    /// At least one.
    pub splits: Vec<SampleSplit>,
}

/// The partition of a reduce task. Its segments are asked for in pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReduceWork {
    /// Which partition.
    pub partition: u32,
    /// How many maps, so how many segments, the job has.
    pub maps: u32,
}

/// Where the partition of one map is found: the winner's run file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// The map attempt that won.
    pub attempt: AttemptId,
    /// Who made the run.
    pub worker: WorkerId,
    /// The run file, absolute on the machine that made it.
    pub path: PathBytes,
}
