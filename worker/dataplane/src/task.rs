//! What an attempt is given.

use std::path::PathBuf;

use gristmill_model::{AttemptId, LostRun, MapWork, Params, SampleWork, Segment, TaskFailure};

/// A map attempt.
#[derive(Clone, Debug)]
pub struct MapTask {
    /// Which attempt.
    pub attempt: AttemptId,
    /// Its splits.
    pub work: MapWork,
    /// The app's parameters.
    pub params: Params,
    /// Number of reduce tasks; 0 in a map-only job.
    pub partitions: u32,
    /// Memory of the slot in bytes. How it is shared out is told in `budget.rs`.
    pub memory_bytes: u64,
    /// Where the run file is to be, in a directory that exists.
    pub run_path: PathBuf,
    /// Where the staged output of a map-only job is to be, in a directory that exists.
    pub output_path: PathBuf,
    /// A directory for spills. Whatever is made there is removed again.
    pub scratch_dir: PathBuf,
}

/// A sample attempt.
#[derive(Clone, Debug)]
pub struct SampleTask {
    /// Its pieces of the input.
    pub work: SampleWork,
    /// The app's parameters.
    pub params: Params,
    /// Memory of the slot in bytes.
    pub memory_bytes: u64,
}

/// A reduce attempt.
#[derive(Clone, Debug)]
pub struct ReduceTask {
    /// Which attempt.
    pub attempt: AttemptId,
    /// Which partition.
    pub partition: u32,
    /// The app's parameters.
    pub params: Params,
    /// The winners' run files in the order of their map tasks: values of a key come out in this order.
    pub segments: Vec<Segment>,
    /// Memory of the slot in bytes.
    pub memory_bytes: u64,
    /// Where the staged output is to be, in a directory that exists.
    pub output_path: PathBuf,
    /// A directory for intermediate merges. Whatever is made there is removed again.
    pub scratch_dir: PathBuf,
}

/// Why a reduce attempt has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReduceError {
    /// It failed.
    Failed(TaskFailure),
    /// These runs cannot be read; every one that could be found out without reading all of them whole.
    RunsLost(Vec<LostRun>),
}

impl From<TaskFailure> for ReduceError {
    fn from(failure: TaskFailure) -> Self {
        Self::Failed(failure)
    }
}
