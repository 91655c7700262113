//! What a worker says about an attempt when it has ended.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AttemptId, Blob, PathBytes, SampledKey};

/// The end of one attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Which attempt.
    pub attempt: AttemptId,
    /// How it ended.
    pub outcome: Outcome,
    /// What the app printed, standard output and error together; bounded, the middle left out when long.
    pub log: Blob,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// A map attempt made its run (or, in a map-only job, its output).
    Mapped(MapResult),
    /// A reduce attempt made its output.
    Reduced(ReduceResult),
    /// It failed by the app's, the input's or the machine's fault.
    Failed(TaskFailure),
    /// A reduce attempt could not read these runs: their maps must run again.
    RunsLost(Vec<LostRun>),
    /// The worker ended it because it was told to.
    Cancelled,
    /// A sample attempt took its sample.
    Sampled(SampleResult),
}

/// What a map attempt made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapResult {
    /// The run file, absolute; in a map-only job the staged output file.
    pub path: PathBytes,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Hash of the pairs, equal for attempts that made the same; in a map-only job the CRC32C of the output.
    pub digest: u64,
    /// Sizes of the partitions, in order; empty in a map-only job.
    pub partitions: Vec<PartitionSize>,
    /// Figures.
    pub stats: AttemptStats,
}

/// How much of a run belongs to one partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionSize {
    /// Bytes in the run file.
    pub bytes: u64,
    /// Pairs.
    pub pairs: u64,
}

/// What a reduce attempt made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReduceResult {
    /// The staged output file, absolute, already synced.
    pub path: PathBytes,
    /// Its size in bytes.
    pub bytes: u64,
    /// CRC32C of its content.
    pub crc32c: u32,
    /// Figures.
    pub stats: AttemptStats,
}

/// What a sample attempt found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleResult {
    /// Keys in ascending order, of bounded number and size.
    pub keys: Vec<SampledKey>,
    /// Figures, without counters: what was only sampled is not counted.
    pub stats: AttemptStats,
}

impl SampleResult {
    /// Most keys of one sample.
    pub const KEYS_MAX: usize = 4096;
    /// Most bytes of all its keys.
    pub const BYTES_MAX: usize = 256 << 10;
    /// Longest key: of a longer one this much is taken, which is as good a bound.
    pub const KEY_BYTES_MAX: usize = 256;
}

/// Figures of one attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptStats {
    /// Bytes read: of input (after decompression) in a map, of segments in a reduce.
    pub bytes_in: u64,
    /// Records read by a map: lines, fixed-size records, or whole files, as the app wants its input.
    pub records_in: u64,
    /// Blocks handed to `map`, or keys handed to `reduce`.
    pub calls: u64,
    /// Pairs read by a reduce.
    pub pairs_in: u64,
    /// Pairs written to the run by a map.
    pub pairs_out: u64,
    /// Bytes written: the run, or the output.
    pub bytes_out: u64,
    /// Records written to the output.
    pub records_out: u64,
    /// Runs that were written to disk before the last one because memory was short.
    pub spills: u64,
    /// Wall time in milliseconds.
    pub wall_ms: u64,
    /// CPU time of the slot in milliseconds.
    pub cpu_ms: u64,
    /// Largest resident size of the slot in bytes.
    pub peak_bytes: u64,
    /// The app's counters.
    pub counters: BTreeMap<String, i64>,
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskFailure {
    /// Whose fault, and how.
    pub cause: FailureCause,
    /// One line.
    pub message: String,
    /// Where in the input, if known.
    pub location: Option<Location>,
}

/// Whose fault a failure was, and how it showed. All of these use up `--max-attempts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureCause {
    /// The app returned an error.
    Error,
    /// The app panicked.
    Panic,
    /// The slot exited with this status during the attempt.
    Exit(i32),
    /// The slot died by this signal during the attempt.
    Signal(i32),
    /// The plugin could not be loaded or broke the rules of the boundary.
    Plugin,
    /// The input is missing, unreadable, corrupt, or has changed.
    Input,
    /// The machine would not: no space, no permission, an I/O error.
    Machine,
}

/// A place in an input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// The document's name.
    pub document: PathBytes,
    /// Byte offset in the (decompressed) document.
    pub offset: u64,
}

/// A run that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostRun {
    /// The map attempt that made it.
    pub attempt: AttemptId,
    /// Why: missing, damaged at which block, …
    pub reason: String,
}

impl fmt::Display for FailureCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error => f.write_str("error"),
            Self::Panic => f.write_str("panic"),
            Self::Exit(status) => write!(f, "exit {status}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::Plugin => f.write_str("plugin"),
            Self::Input => f.write_str("input"),
            Self::Machine => f.write_str("machine"),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.document, self.offset)
    }
}
