//! A job: as it is asked for, and as the coordinator settled it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{PathBytes, PluginInfo, RequestKey, Split};

/// Parameters of the app (`--arg key=value`).
pub type Params = BTreeMap<String, String>;

/// An input file as the client listed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFile {
    /// As the user named it: what apps see as the document.
    pub name: PathBytes,
    /// Where workers open it: absolute.
    pub path: PathBytes,
    /// Size in bytes as stored.
    pub bytes: u64,
    /// When it was last modified, in nanoseconds since 1970: what a map reads must still have this time.
    pub modified_ns: i64,
    /// Whether it may be read from the middle (compressed files may not).
    pub splittable: bool,
}

impl InputFile {
    /// A part of it, as a map task names it.
    pub fn split(&self, offset: u64, bytes: u64) -> Split {
        Split {
            document: self.name.clone(),
            path: self.path.clone(),
            offset,
            bytes,
            file_bytes: self.bytes,
            file_modified_ns: self.modified_ns,
            compressed: !self.splittable,
        }
    }

    /// All of it.
    pub fn whole(&self) -> Split {
        self.split(0, self.bytes)
    }
}

/// What the user may choose about a job. `None` lets the coordinator choose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobOptions {
    /// Number of reduce tasks; default: the number of slots. A map-only app always gets 0.
    pub reduces: Option<u32>,
    /// Bytes of a split.
    pub split_bytes: Option<u64>,
    /// Bytes of memory of a slot.
    pub memory_bytes: u64,
    /// Milliseconds without progress after which an attempt is taken away.
    pub task_timeout_ms: u64,
    /// How many attempts of one task may fail by the app's own fault.
    pub max_attempts: u32,
    /// Replace what the output directory holds.
    pub overwrite: bool,
    /// How many slots there will be for the job, where the client knows; default: those that there are now.
    pub slots: Option<u32>,
    /// Jobs with a higher one come first.
    pub priority: i8,
}

impl Default for JobOptions {
    fn default() -> Self {
        Self {
            reduces: None,
            split_bytes: None,
            memory_bytes: 512 << 20,
            task_timeout_ms: 10_000,
            max_attempts: 4,
            overwrite: false,
            slots: None,
            priority: 0,
        }
    }
}

/// What a client submits. Inputs are sorted by name; the output directory is absolute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRequest {
    /// Repeats of it are the same job. Given by the client's session when the request is submitted.
    pub key: RequestKey,
    /// The plugin, already uploaded.
    pub plugin: PluginInfo,
    /// The app's parameters.
    pub params: Params,
    /// At least one file.
    pub inputs: Vec<InputFile>,
    /// Where `mr-out-*` and `_SUCCESS` are to appear.
    pub output: PathBytes,
    /// The rest.
    pub options: JobOptions,
}

/// A job with every choice made: what the job's first fact records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSpec {
    /// The request it came from.
    pub key: RequestKey,
    /// The plugin.
    pub plugin: PluginInfo,
    /// The app's parameters.
    pub params: Params,
    /// The inputs.
    pub inputs: Vec<InputFile>,
    /// Where the output goes.
    pub output: PathBytes,
    /// Replace what the output directory holds.
    pub overwrite: bool,
    /// Number of reduce tasks; 0 for a map-only job.
    pub reduces: u32,
    /// Largest size of a split in bytes, unless a record or a file that cannot be split is larger.
    pub split_bytes: u64,
    /// Bytes of memory of a slot.
    pub memory_bytes: u64,
    /// Milliseconds without progress after which an attempt is taken away.
    pub task_timeout_ms: u64,
    /// How many attempts of one task may fail by the app's own fault.
    pub max_attempts: u32,
    /// Jobs with a higher one come first.
    pub priority: i8,
}
