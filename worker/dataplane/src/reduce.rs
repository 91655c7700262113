//! A reduce attempt: one partition of every run in, one output file out.

use gristmill_model::{AttemptStats, FailureCause, LostRun, PathBytes, ReduceResult, TaskFailure};
use gristmill_sdk::wire;

use crate::batch::GroupBatches;
use crate::budget::Budget;
use crate::combine::Rewrite;
use crate::failure;
use crate::output::OutputFile;
use crate::passes::{MergeError, Source, narrow, open_merge};
use crate::plugin::{Batch, BatchServices, CallFailure, GroupBatch, Instance, Plugin, Services};
use crate::progress::ProgressCell;
use crate::run::{Run, RunError};
use crate::task::{ReduceError, ReduceTask};

/// Runs a reduce attempt. When this returns, its output is durable and has the name it was to have, and no other file is left.
pub fn run_reduce(
    plugin: &Plugin,
    task: &ReduceTask,
    progress: &ProgressCell,
) -> Result<ReduceResult, ReduceError> {
    let runs = open_runs(task)?;
    let mut instance = Instance::create_to_reduce(plugin, &task.params, progress)?;
    let output = OutputFile::create(&task.output_path, Budget::new(task.memory_bytes).output_block_bytes())?;
    let mut stats = AttemptStats {
        bytes_in: runs.iter().map(Run::bytes).sum(),
        pairs_in: runs.iter().fold(0, |pairs, run| run.pairs().saturating_add(pairs)),
        ..AttemptStats::default()
    };
    let reduced = merge_segments(runs, task, &mut instance, progress)
        .and_then(|batches| reduce_groups(batches, output, task.partition, &mut instance, &mut stats));
    let output = match reduced {
        Ok(output) => output,
        Err(MergeError::Failed(failure)) => return Err(failure.into()),
        Err(MergeError::Run(error)) => return Err(unreadable(task, &error)),
    };
    let written = output.finish()?;
    stats.bytes_out = written.bytes;
    stats.records_out = written.records;
    stats.counters = instance.into_counters();
    Ok(ReduceResult {
        path: PathBytes::from(task.output_path.as_path()),
        bytes: written.bytes,
        crc32c: written.crc32c,
        stats,
    })
}

/// Opens all runs for the partition, or names all that cannot be opened.
fn open_runs(task: &ReduceTask) -> Result<Vec<Run>, ReduceError> {
    let mut runs = Vec::with_capacity(task.segments.len());
    let mut lost = Vec::new();
    for segment in &task.segments {
        match Run::open_partition(&segment.path.to_path(), task.partition) {
            Ok(run) => runs.push(run),
            Err(error) if error.is_shortage() => return Err(failure::run(&error).into()),
            Err(error) => lost.push(LostRun { attempt: segment.attempt, reason: error.to_string() }),
        }
    }
    if lost.is_empty() { Ok(runs) } else { Err(ReduceError::RunsLost(lost)) }
}

/// A run could not be read after all: look at all of them again, so that every lost one is named at once.
fn unreadable(task: &ReduceTask, error: &RunError) -> ReduceError {
    let damaged = task.segments.iter().find(|segment| segment.path.to_path() == error.path);
    let Some(damaged) = damaged.filter(|_| !error.is_shortage()) else { return failure::run(error).into() };
    let mut lost = match open_runs(task) {
        Err(ReduceError::RunsLost(lost)) => lost,
        _ => Vec::new(),
    };
    if !lost.iter().any(|run| run.attempt == damaged.attempt) {
        lost.push(LostRun { attempt: damaged.attempt, reason: error.to_string() });
    }
    ReduceError::RunsLost(lost)
}

fn merge_segments(
    runs: Vec<Run>,
    task: &ReduceTask,
    instance: &mut Instance<'_>,
    progress: &ProgressCell,
) -> Result<GroupBatches, MergeError> {
    let budget = Budget::new(task.memory_bytes);
    let fan_in = budget.reduce_fan_in();
    let sources = runs.into_iter().map(|run| Source::segment(run, progress)).collect();
    let scratch = Rewrite { directory: &task.scratch_dir, partitions: 1, budget, fan_in };
    let sources = narrow(sources, fan_in, progress, |group| scratch.run(group, Some(&mut *instance)))?;
    // Intermediate runs lose their names with `sources`, at the end of this function; the merge has them open.
    let mut batches = GroupBatches::new(open_merge(&sources, fan_in)?, budget.batch_bytes());
    batches.select(0)?;
    Ok(batches)
}

fn reduce_groups(
    batches: GroupBatches,
    output: OutputFile,
    partition: u32,
    instance: &mut Instance<'_>,
    stats: &mut AttemptStats,
) -> Result<OutputFile, MergeError> {
    let mut reducing = Reducing { batches, output, unreadable: None };
    instance.reduce_begin(partition)?;
    while reducing.batches.next_batch()? {
        let reduced = instance.reduce(&mut reducing);
        if let Some(error) = reducing.unreadable.take() {
            return Err(error.into());
        }
        reduced.map_err(|failure| with_key(failure, reducing.batches.batch()))?;
    }
    instance.reduce_end(&mut Finishing(&mut reducing.output))?;
    stats.calls = reducing.batches.keys();
    Ok(reducing.output)
}

/// Says at which key a reduce failed, for it has no place in the input; or between which, if the plugin has not said it.
pub(crate) fn with_key(failed: CallFailure, batch: GroupBatch<'_>) -> TaskFailure {
    let CallFailure { mut failure, consumed } = failed;
    if failure.cause == FailureCause::Machine {
        // It came of what was written earlier.
        return failure;
    }
    let (mut first, mut last, mut rest) = (None, None, batch.bytes);
    while let Some(group) = wire::take_group(&mut rest) {
        let end = batch.bytes.len() - rest.len();
        last = Some(group.key);
        if consumed.is_some_and(|consumed| consumed < end as u64) {
            first = last;
            break;
        }
        first = first.or(last);
    }
    failure.message = match (first.map(shown), last.map(shown)) {
        (Some(first), Some(last)) if first != last => {
            format!("{} (reducing one of the keys from `{first}` to `{last}`)", failure.message)
        }
        (Some(key), _) => format!("{} (reducing key `{key}`)", failure.message),
        (None, _) => failure.message,
    };
    failure
}

/// A key as it is shown in a message.
fn shown(key: &[u8]) -> String {
    const SHOWN_BYTES: usize = 80;
    let shown = PathBytes(key.get(..SHOWN_BYTES).unwrap_or(key).to_vec());
    let more = if key.len() > SHOWN_BYTES { "…" } else { "" };
    format!("{shown}{more}")
}

/// What a plugin is served while it reduces a batch of keys.
struct Reducing {
    batches: GroupBatches,
    output: OutputFile,
    unreadable: Option<RunError>,
}

impl Services for Reducing {
    fn write(&mut self, bytes: &[u8], records: u64) -> Result<(), TaskFailure> {
        self.output.write(bytes, records)
    }

    fn next_values(&mut self) -> Result<Batch<'_>, TaskFailure> {
        match self.batches.next_values() {
            Ok(batch) => Ok(batch),
            Err(error) => {
                let failure = failure::run(&error);
                self.unreadable = Some(error);
                Err(failure)
            }
        }
    }
}

impl BatchServices for Reducing {
    fn batch(&self) -> GroupBatch<'_> {
        self.batches.batch()
    }
}

/// What a plugin is served after the last key.
pub(crate) struct Finishing<'o>(pub(crate) &'o mut OutputFile);

impl Services for Finishing<'_> {
    fn write(&mut self, bytes: &[u8], records: u64) -> Result<(), TaskFailure> {
        self.0.write(bytes, records)
    }
}
