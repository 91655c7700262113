//! What is told of a job at its end, and at any time: its figures.
//!
//! The field names are the keys of the command's `--json` and of `history.jsonl`, which people script against: add to them, never rename.

use std::collections::BTreeMap;

use gristmill_model::{AttemptTally, JobPhase, JobStatus, StageStatus, Timestamp};
use serde::Serialize;

/// A job in figures.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// The id of the job; none when it ran without a coordinator.
    pub job: Option<String>,
    /// The app's name.
    pub app: String,
    /// `sampling`, `mapping`, `reducing`, `committing`, `done`, `failed` or `cancelled`.
    pub state: &'static str,
    /// Why it failed.
    pub error: Option<String>,
    /// The output directory; what is not UTF-8 or would garble a terminal is escaped.
    pub output: String,
    /// From its submission to its end, or to now.
    pub seconds: f64,
    /// The sample tasks, of an app that wants a total order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<Tasks>,
    /// The map tasks.
    pub maps: Tasks,
    /// The reduce tasks.
    pub reduces: Tasks,
    /// Bytes of input read, after decompression.
    pub bytes_in: u64,
    /// Records of input: lines, fixed-size records, or whole files, as the app wants its input.
    pub records_in: u64,
    /// Pairs that the maps handed to the reduces, after combining.
    pub pairs: u64,
    /// Bytes of the runs that hold these pairs.
    pub bytes_shuffled: u64,
    /// Distinct keys that were reduced.
    pub keys: u64,
    /// Records of output.
    pub records_out: u64,
    /// Bytes of output.
    pub bytes_out: u64,
    /// Runs that were written early because memory was short.
    pub spills: u64,
    /// Most memory that a slot held, in bytes.
    pub memory_peak_bytes: u64,
    /// Attempts by outcome.
    pub attempts: Attempts,
    /// The slowest of the attempts that won.
    pub slowest: Option<Slowest>,
    /// The biggest partition.
    pub biggest_partition: Option<BiggestPartition>,
    /// The app's counters.
    pub counters: BTreeMap<String, i64>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// Tasks of a stage.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Tasks {
    /// All of them.
    pub total: u32,
    /// Those that have a winner.
    pub done: u32,
    /// Those with a running attempt.
    pub running: u32,
}

/// Attempts by outcome.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Attempts {
    /// Won their task.
    pub won: u64,
    /// Were good, but another had won.
    pub lost: u64,
    /// Failed by the app's, the input's or the machine's fault.
    pub failed: u64,
    /// Made no progress in time.
    pub timed_out: u64,
    /// Went with their worker.
    pub worker_lost: u64,
    /// Could not read a run.
    pub runs_lost: u64,
    /// Were cancelled.
    pub cancelled: u64,
    /// Of all these: started beside a running attempt because that was slow.
    pub backups: u64,
}

/// The attempt that took longest.
#[derive(Clone, Debug, Serialize)]
pub struct Slowest {
    /// Its id.
    pub attempt: String,
    /// How long it took.
    pub seconds: f64,
}

/// The partition with most bytes.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct BiggestPartition {
    /// Which one.
    pub partition: u32,
    /// Its bytes before it was reduced.
    pub bytes: u64,
}

impl Summary {
    /// Of a job as its coordinator knows it; `now` counts for one that goes on.
    pub fn of(status: &JobStatus, now: Timestamp) -> Self {
        let map_only = status.reduce.total == 0;
        let (map, reduce) = (&status.map_stats, &status.reduce_stats);
        Self {
            job: Some(status.id.to_string()),
            app: status.app.clone(),
            state: state_word(&status.phase),
            error: match &status.phase {
                JobPhase::Failed(reason) => Some(reason.clone()),
                _ => None,
            },
            output: status.output.to_string(),
            seconds: (status.ended.unwrap_or(now) - status.submitted).as_secs_f64(),
            samples: (status.sample.total > 0).then(|| status.sample.into()),
            maps: status.map.into(),
            reduces: status.reduce.into(),
            bytes_in: map.bytes_in,
            records_in: map.records_in,
            pairs: map.pairs_out,
            bytes_shuffled: if map_only { 0 } else { map.bytes_out },
            keys: reduce.calls,
            records_out: if map_only { map.records_out } else { reduce.records_out },
            bytes_out: if map_only { map.bytes_out } else { reduce.bytes_out },
            spills: map.spills + reduce.spills,
            memory_peak_bytes: map.peak_bytes.max(reduce.peak_bytes),
            attempts: status.attempts.into(),
            slowest: status.slowest.map(|(attempt, ms)| Slowest {
                attempt: attempt.to_string(),
                seconds: std::time::Duration::from_millis(ms).as_secs_f64(),
            }),
            biggest_partition: status
                .biggest_partition
                .map(|(partition, bytes)| BiggestPartition { partition, bytes }),
            counters: status.counters.clone(),
            warnings: status.warnings.clone(),
        }
    }
}

impl From<StageStatus> for Tasks {
    fn from(stage: StageStatus) -> Self {
        Self { total: stage.total, done: stage.done, running: stage.running }
    }
}

impl From<AttemptTally> for Attempts {
    fn from(tally: AttemptTally) -> Self {
        let AttemptTally { won, lost, failed, timed_out, worker_lost, runs_lost, cancelled, backups } = tally;
        Self { won, lost, failed, timed_out, worker_lost, runs_lost, cancelled, backups }
    }
}

/// The word for a phase.
pub fn state_word(phase: &JobPhase) -> &'static str {
    match phase {
        JobPhase::Sampling => "sampling",
        JobPhase::Mapping => "mapping",
        JobPhase::Reducing => "reducing",
        JobPhase::Committing => "committing",
        JobPhase::Done => "done",
        JobPhase::Failed(_) => "failed",
        JobPhase::Cancelled => "cancelled",
    }
}
