//! A whole job in one thread and in the simplest way: the oracle that the engine is compared with.
//!
//! Uses the readers, the plugin host and the sampling of a total order, for there is only one way to call an app and to cut its outputs; but no splits, spills, run files, merges or
//! passes. All pairs are held in memory until they are reduced.

use std::path::PathBuf;
use std::sync::Arc;

use gristmill_model::{
    AttemptStats, Bounds, InputFile, MapWork, Params, SamplePiece, SampleWork, TaskFailure,
};
use gristmill_sdk::wire;
use gristmill_storage::{Local, Output, Staged, StorageError, output_name};

use crate::budget::Budget;
use crate::failure;
use crate::map::{DirectOutput, MapBlocks, budget_for};
use crate::output::{OutputFile, OutputSummary};
use crate::plugin::{Batch, BatchServices, GroupBatch, Instance, Partitioner, Plugin, Services};
use crate::progress::ProgressCell;
use crate::reduce::{Finishing, with_key};
use crate::run::pair::put_value;
use crate::sample::run_sample;
use crate::task::SampleTask;

/// A job to be done in one thread.
pub struct SequentialJob<'j> {
    /// Its inputs, in order.
    pub inputs: Vec<InputFile>,
    /// The app's parameters.
    pub params: Params,
    /// Number of partitions; of no meaning to a map-only app, whose output is one file.
    pub reduces: u32,
    /// Where `mr-out-*` and `_SUCCESS` are to appear.
    pub output_dir: PathBuf,
    /// What the job is called; names its staging directory.
    pub name: String,
    /// Replace what the output directory holds.
    pub overwrite: bool,
    /// What the app is told about memory, and what one record may take. The pairs are not counted.
    pub memory_bytes: u64,
    /// What `_SUCCESS` is to hold.
    pub manifest: &'j dyn Fn(&SequentialSummary) -> Vec<u8>,
}

/// What a sequential job made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequentialSummary {
    /// The output files, in order.
    pub outputs: Vec<SequentialOutput>,
    /// Figures of the map stage, with its counters.
    pub map: AttemptStats,
    /// Figures of the reduce stage, with its counters.
    pub reduce: AttemptStats,
}

/// An output file of a sequential job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequentialOutput {
    /// Its name in the output directory.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Records in it.
    pub records: u64,
    /// CRC32C of its content.
    pub crc32c: u32,
}

/// Why a sequential job has no output.
#[derive(Debug, thiserror::Error)]
pub enum SequentialError {
    /// The app, its input or the machine failed.
    #[error("{}", failure.message)]
    Failed {
        /// How.
        failure: TaskFailure,
    },
    /// The output directory would not do.
    #[error(transparent)]
    Output(#[from] StorageError),
}

impl From<TaskFailure> for SequentialError {
    fn from(failure: TaskFailure) -> Self {
        Self::Failed { failure }
    }
}

/// Does a whole job and commits its output. When it fails, nothing that was staged is left, and there is no `_SUCCESS`.
pub fn sequential(
    plugin: &Plugin,
    job: &SequentialJob<'_>,
    progress: &ProgressCell,
) -> Result<SequentialSummary, SequentialError> {
    let output = Output::new(Arc::new(Local), &job.output_dir, &job.name, job.overwrite);
    let _lock = output.prepare()?;
    let committed = stage(plugin, job, &output, progress).and_then(|(staged, summary)| {
        output.commit(&staged, &(job.manifest)(&summary))?;
        Ok(summary)
    });
    if committed.is_err() {
        // What went wrong first is what the user should hear of.
        let _ = output.discard();
    }
    committed
}

fn stage(
    plugin: &Plugin,
    job: &SequentialJob<'_>,
    output: &Output,
    progress: &ProgressCell,
) -> Result<(Vec<Staged>, SequentialSummary), SequentialError> {
    let mut staging =
        Staging { output, staged: Vec::new(), outputs: Vec::new(), budget: Budget::new(job.memory_bytes) };
    let map_only = plugin.info().map_only || job.reduces == 0;
    let partitions = if map_only { 0 } else { job.reduces };
    let bounds = Arc::new(bounds(plugin, job, partitions, progress)?);
    let work = MapWork { splits: job.inputs.iter().map(InputFile::whole).collect(), bounds };
    let budget = budget_for(job.memory_bytes, &work);
    let blocks = MapBlocks { mode: plugin.info().input_mode, work: &work, partitions, budget };
    let mut instance = Instance::create(plugin, &job.params, progress)?;
    let mut map;
    let mut reduce = AttemptStats::default();
    if map_only {
        let mut direct = DirectOutput::new(staging.create(0)?);
        map = blocks.run(&mut instance, &mut direct, progress)?;
        let written = staging.finish(0, direct.file)?;
        (map.bytes_out, map.records_out) = (written.bytes, written.records);
        map.counters = instance.into_counters();
    } else {
        let mut pairs = Pairs { partitions, ..Pairs::default() };
        map = blocks.run(&mut instance, &mut pairs, progress)?;
        map.pairs_out = pairs.index.len() as u64;
        map.counters = instance.into_counters();
        pairs.sort();
        for partition in 0..partitions {
            let instance = Instance::create(plugin, &job.params, progress)?;
            reduce_partition(&pairs, partition, instance, &mut staging, &mut reduce)?;
        }
    }
    Ok((staging.staged, SequentialSummary { outputs: staging.outputs, map, reduce }))
}

/// Where the partitions of a total order begin: from the same samples, by the same rule as in the engine.
fn bounds(
    plugin: &Plugin,
    job: &SequentialJob<'_>,
    partitions: u32,
    progress: &ProgressCell,
) -> Result<Bounds, TaskFailure> {
    if !plugin.info().total_order || partitions <= 1 {
        return Ok(Bounds::default());
    }
    let mode = plugin.info().input_mode;
    let mut keys = Vec::new();
    for pieces in SamplePiece::plan(&job.inputs, mode) {
        let splits = pieces.into_iter().filter_map(|piece| piece.to_split(&job.inputs, mode)).collect();
        let work = SampleWork { splits };
        let task = SampleTask { work, params: job.params.clone(), memory_bytes: job.memory_bytes };
        keys.append(&mut run_sample(plugin, &task, progress)?.keys);
    }
    Ok(Bounds::choose(&keys, partitions))
}

fn reduce_partition(
    pairs: &Pairs,
    partition: u32,
    mut instance: Instance<'_>,
    staging: &mut Staging<'_>,
    stats: &mut AttemptStats,
) -> Result<(), SequentialError> {
    let mut file = staging.create(partition)?;
    instance.reduce_begin(partition)?;
    let from = pairs.index.partition_point(|at| at.partition < partition);
    let to = pairs.index.partition_point(|at| at.partition <= partition);
    let of_partition = pairs.index.get(from..to).unwrap_or_default();
    for group in of_partition.chunk_by(|a, b| pairs.key(a) == pairs.key(b)) {
        let mut values = Vec::new();
        group.iter().for_each(|at| put_value(&mut values, pairs.value(at)));
        let key = group.first().map(|at| pairs.key(at)).unwrap_or_default();
        stats.calls += 1;
        stats.pairs_in += group.len() as u64;
        let mut encoded = Vec::new();
        wire::put_group(&mut encoded, &wire::Group { key, count: group.len() as u64, values: &values });
        let mut group = WholeGroup { encoded, file: &mut file };
        instance.reduce(&mut group).map_err(|failure| with_key(failure, group.batch()))?;
    }
    instance.reduce_end(&mut Finishing(&mut file))?;
    let written = staging.finish(partition, file)?;
    stats.bytes_out += written.bytes;
    stats.records_out += written.records;
    for (name, count) in instance.into_counters() {
        let total = stats.counters.entry(name).or_default();
        *total = total.saturating_add(count);
    }
    Ok(())
}

/// Output files on their way to being committed.
struct Staging<'o> {
    output: &'o Output,
    staged: Vec<Staged>,
    outputs: Vec<SequentialOutput>,
    budget: Budget,
}

impl Staging<'_> {
    fn create(&self, index: u32) -> Result<OutputFile, TaskFailure> {
        OutputFile::create(&self.output.staging().join(output_name(index)), self.budget.output_block_bytes())
    }

    fn finish(&mut self, index: u32, file: OutputFile) -> Result<OutputSummary, TaskFailure> {
        let written = file.finish()?;
        let name = output_name(index);
        let path = self.output.staging().join(&name);
        self.staged.push(Staged { path, name: name.clone(), bytes: written.bytes });
        let OutputSummary { bytes, records, crc32c } = written;
        self.outputs.push(SequentialOutput { name, bytes, records, crc32c });
        Ok(written)
    }
}

/// All pairs of a job, in memory.
#[derive(Default)]
struct Pairs {
    partitions: u32,
    bytes: Vec<u8>,
    index: Vec<PairIndex>,
}

struct PairIndex {
    partition: u32,
    key_at: usize,
    value_at: usize,
    end: usize,
}

impl Pairs {
    fn key(&self, at: &PairIndex) -> &[u8] {
        self.bytes.get(at.key_at..at.value_at).unwrap_or_default()
    }

    fn value(&self, at: &PairIndex) -> &[u8] {
        self.bytes.get(at.value_at..at.end).unwrap_or_default()
    }

    fn add(&mut self, partition: u32, key: &[u8], value: &[u8]) {
        let key_at = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let value_at = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.index.push(PairIndex { partition, key_at, value_at, end: self.bytes.len() });
    }

    /// By partition and key; equal keys stay in the order in which they came.
    fn sort(&mut self) {
        let mut index = std::mem::take(&mut self.index);
        index.sort_by(|a, b| a.partition.cmp(&b.partition).then_with(|| self.key(a).cmp(self.key(b))));
        self.index = index;
    }
}

impl Services for Pairs {
    fn emit(&mut self, partitioner: Partitioner<'_>, key: &[u8], value: &[u8]) -> Result<(), TaskFailure> {
        let partition = partitioner.partition_of(key, self.partitions)?;
        self.add(partition, key, value);
        Ok(())
    }

    fn run_begin(&mut self) -> Result<(), TaskFailure> {
        Ok(())
    }

    fn run_pairs(&mut self, partition: u32, pairs: u64, mut bytes: &[u8]) -> Result<(), TaskFailure> {
        if partition >= self.partitions {
            return Err(failure::rule(format_args!(
                "partition {partition} was chosen of {}",
                self.partitions
            )));
        }
        for _ in 0..pairs {
            let pair = wire::take_pair(&mut bytes);
            let (key, value) =
                pair.ok_or_else(|| failure::rule("`run_pairs` holds fewer pairs than it says"))?;
            self.add(partition, key, value);
        }
        if bytes.is_empty() {
            Ok(())
        } else {
            Err(failure::rule("`run_pairs` holds more pairs than it says"))
        }
    }

    fn run_end(&mut self) -> Result<(), TaskFailure> {
        Ok(())
    }
}

/// A key with all its values at once.
struct WholeGroup<'g> {
    encoded: Vec<u8>,
    file: &'g mut OutputFile,
}

impl Services for WholeGroup<'_> {
    fn write(&mut self, bytes: &[u8], records: u64) -> Result<(), TaskFailure> {
        self.file.write(bytes, records)
    }

    fn next_values(&mut self) -> Result<Batch<'_>, TaskFailure> {
        Ok((&[], 0))
    }
}

impl BatchServices for WholeGroup<'_> {
    fn batch(&self) -> GroupBatch<'_> {
        GroupBatch { bytes: &self.encoded, count: 1, more: false }
    }
}
