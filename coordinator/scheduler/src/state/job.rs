//! A job: its head, which decisions rest on, its tasks, and its figures, which only people read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gristmill_model::{
    AttemptId, AttemptStats, AttemptTally, Bounds, JobPhase, JobSpec, Params, PartitionSize, PluginInfo,
    SamplePiece, Stage, TaskId, Timestamp,
};
use imbl::Vector;
use serde::{Deserialize, Serialize};

use super::encoding;
use super::ready::Ready;
use super::task::{Task, Winner};
use crate::plan::Plan;

/// Counters of one job that have a name of their own; more are left out.
pub(crate) const COUNTERS_MAX: usize = 1_000;
/// Failure messages kept by the tasks of one job.
pub(crate) const MESSAGES_MAX: u32 = 16;
/// Warnings kept of one job.
const WARNINGS_MAX: usize = 20;

/// A job and all that belongs to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) head: JobHead,
    /// What each map task maps. Tasks and plan are dropped when the job ends.
    pub(crate) plan: Arc<Plan>,
    /// Most bytes that the names of the splits of one map task have.
    pub(crate) names_bytes_max: usize,
    /// The pieces of each sample task.
    pub(crate) sample_pieces: Arc<Vec<Vec<SamplePiece>>>,
    #[serde(with = "encoding::list")]
    pub(crate) samples: Vector<Task>,
    #[serde(with = "encoding::list")]
    pub(crate) maps: Vector<Task>,
    #[serde(with = "encoding::list")]
    pub(crate) reduces: Vector<Task>,
    /// Tasks that are neither won nor running, whether or not their stage is open.
    pub(crate) ready_samples: Ready,
    pub(crate) ready_maps: Ready,
    pub(crate) ready_reduces: Ready,
    pub(crate) figures: Figures,
    /// Of the spec, as assignments share them.
    pub(crate) plugin: Arc<PluginInfo>,
    pub(crate) params: Arc<Params>,
}

/// The small part of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct JobHead {
    pub(crate) spec: Arc<JobSpec>,
    pub(crate) submitted: Timestamp,
    pub(crate) samples: u32,
    pub(crate) samples_done: u32,
    /// Chosen when all samples are done.
    pub(crate) bounds: Option<Arc<Bounds>>,
    pub(crate) maps: u32,
    pub(crate) maps_done: u32,
    pub(crate) reduces_done: u32,
    /// Attempts that run, backups too.
    pub(crate) running: u32,
    pub(crate) commit_failures: u32,
    pub(crate) end: Option<JobEnd>,
    /// Grows with every fact about the job.
    pub(crate) revision: u64,
    /// How many failure messages its tasks keep.
    pub(crate) messages: u32,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct JobEnd {
    pub(crate) at: Timestamp,
    pub(crate) how: HowEnded,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum HowEnded {
    Done,
    Failed(Arc<str>),
    Cancelled,
}

impl JobHead {
    pub(crate) fn is_live(&self) -> bool {
        self.end.is_none()
    }

    pub(crate) fn phase(&self) -> JobPhase {
        match &self.end {
            Some(JobEnd { how: HowEnded::Done, .. }) => JobPhase::Done,
            Some(JobEnd { how: HowEnded::Failed(message), .. }) => JobPhase::Failed(message.to_string()),
            Some(JobEnd { how: HowEnded::Cancelled, .. }) => JobPhase::Cancelled,
            None if self.is_complete() => JobPhase::Committing,
            None if self.samples > 0 && self.bounds.is_none() => JobPhase::Sampling,
            None if self.maps_done < self.maps => JobPhase::Mapping,
            None => JobPhase::Reducing,
        }
    }

    /// The stage whose tasks may be assigned now.
    pub(crate) fn open_stage(&self) -> Option<Stage> {
        match self.phase() {
            JobPhase::Sampling => Some(Stage::Sample),
            JobPhase::Mapping => Some(Stage::Map),
            JobPhase::Reducing => Some(Stage::Reduce),
            _ => None,
        }
    }

    /// The stage whose winners are the output.
    pub(crate) fn final_stage(&self) -> Stage {
        if self.spec.reduces == 0 { Stage::Map } else { Stage::Reduce }
    }

    /// Every output has a winner. (A lost run does not matter any more then.)
    pub(crate) fn is_complete(&self) -> bool {
        match self.final_stage() {
            Stage::Sample | Stage::Map => self.maps_done == self.maps,
            Stage::Reduce => self.reduces_done == self.spec.reduces,
        }
    }

    pub(crate) fn done_mut(&mut self, stage: Stage) -> &mut u32 {
        match stage {
            Stage::Sample => &mut self.samples_done,
            Stage::Map => &mut self.maps_done,
            Stage::Reduce => &mut self.reduces_done,
        }
    }
}

impl Job {
    pub(crate) fn new(head: JobHead, plan: Plan, sample_pieces: Vec<Vec<SamplePiece>>) -> Self {
        let (samples, maps, reduces) = (head.samples, head.maps, head.spec.reduces);
        Self {
            figures: Figures {
                partitions: vec![0; reduces as usize],
                sample_bytes: sample_pieces
                    .iter()
                    .map(|pieces| bytes_of(pieces))
                    .fold(0, u64::saturating_add),
                map_bytes: plan.total_bytes(),
                ..Figures::default()
            },
            plugin: Arc::new(head.spec.plugin.clone()),
            params: Arc::new(head.spec.params.clone()),
            names_bytes_max: plan.names_bytes_max(&head.spec),
            head,
            plan: Arc::new(plan),
            sample_pieces: Arc::new(sample_pieces),
            samples: fresh(samples),
            maps: fresh(maps),
            reduces: fresh(reduces),
            ready_samples: Ready::all(samples),
            ready_maps: Ready::all(maps),
            ready_reduces: Ready::all(reduces),
        }
    }

    pub(crate) fn tasks(&self, stage: Stage) -> &Vector<Task> {
        match stage {
            Stage::Sample => &self.samples,
            Stage::Map => &self.maps,
            Stage::Reduce => &self.reduces,
        }
    }

    pub(crate) fn task(&self, task: TaskId) -> Option<&Task> {
        self.tasks(task.stage).get(task.index as usize)
    }

    pub(crate) fn task_mut(&mut self, task: TaskId) -> Option<&mut Task> {
        match task.stage {
            Stage::Sample => self.samples.get_mut(task.index as usize),
            Stage::Map => self.maps.get_mut(task.index as usize),
            Stage::Reduce => self.reduces.get_mut(task.index as usize),
        }
    }

    pub(crate) fn ready(&self, stage: Stage) -> &Ready {
        match stage {
            Stage::Sample => &self.ready_samples,
            Stage::Map => &self.ready_maps,
            Stage::Reduce => &self.ready_reduces,
        }
    }

    pub(crate) fn ready_mut(&mut self, stage: Stage) -> &mut Ready {
        match stage {
            Stage::Sample => &mut self.ready_samples,
            Stage::Map => &mut self.ready_maps,
            Stage::Reduce => &mut self.ready_reduces,
        }
    }

    /// Bytes that a task has to read; of a reduce, as far as its maps are done.
    pub(crate) fn input_bytes(&self, task: TaskId) -> u64 {
        match task.stage {
            Stage::Sample => self.sample_pieces.get(task.index as usize).map_or(0, |pieces| bytes_of(pieces)),
            Stage::Map => self.plan.bytes(task.index),
            Stage::Reduce => self.figures.partitions.get(task.index as usize).copied().unwrap_or(0),
        }
    }

    /// Frees what an ended job does not need.
    pub(crate) fn drop_tasks(&mut self) {
        self.plan = Arc::default();
        self.sample_pieces = Arc::default();
        self.samples = Vector::new();
        self.maps = Vector::new();
        self.reduces = Vector::new();
        self.ready_samples = Ready::default();
        self.ready_maps = Ready::default();
        self.ready_reduces = Ready::default();
        self.figures.running_samples = 0;
        self.figures.running_maps = 0;
        self.figures.running_reduces = 0;
    }
}

/// What people are told of a job. No decision rests on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) tally: AttemptTally,
    /// Tasks with a running attempt.
    pub(crate) running_samples: u32,
    pub(crate) running_maps: u32,
    pub(crate) running_reduces: u32,
    pub(crate) sample_bytes: u64,
    pub(crate) sample_bytes_done: u64,
    pub(crate) map_bytes: u64,
    pub(crate) map_bytes_done: u64,
    pub(crate) reduce_bytes_done: u64,
    /// Sums over present winners; `peak_bytes` and `slowest` are the largest of all that ever won, and that of samples counts with the maps.
    pub(crate) map_stats: AttemptStats,
    pub(crate) reduce_stats: AttemptStats,
    pub(crate) slowest: Option<(AttemptId, u64)>,
    counter_numbers: BTreeMap<String, u32>,
    counter_sums: Vec<i64>,
    /// Bytes by partition, of the first run of each map: one that ran again is not counted twice.
    pub(crate) partitions: Vec<u64>,
    pub(crate) warnings: Vec<String>,
}

impl Figures {
    pub(crate) fn running_mut(&mut self, stage: Stage) -> &mut u32 {
        match stage {
            Stage::Sample => &mut self.running_samples,
            Stage::Map => &mut self.running_maps,
            Stage::Reduce => &mut self.running_reduces,
        }
    }

    fn bytes_done_mut(&mut self, stage: Stage) -> &mut u64 {
        match stage {
            Stage::Sample => &mut self.sample_bytes_done,
            Stage::Map => &mut self.map_bytes_done,
            Stage::Reduce => &mut self.reduce_bytes_done,
        }
    }

    /// Replaces the names of counters by numbers: there are few names and many tasks.
    pub(crate) fn number_counters(&mut self, counters: &BTreeMap<String, i64>) -> Box<[(u32, i64)]> {
        let mut numbered = Vec::with_capacity(counters.len().min(COUNTERS_MAX));
        for (name, value) in counters {
            let next = self.counter_sums.len();
            let number = match self.counter_numbers.get(name) {
                Some(number) => *number,
                None if next < COUNTERS_MAX => {
                    self.counter_sums.push(0);
                    let number = u32::try_from(next).unwrap_or(u32::MAX);
                    self.counter_numbers.insert(name.clone(), number);
                    number
                }
                None => {
                    self.warn(format!("there are more than {COUNTERS_MAX} counters; the rest is left out"));
                    continue;
                }
            };
            numbered.push((number, *value));
        }
        numbered.into_boxed_slice()
    }

    pub(crate) fn add_winner(&mut self, task: TaskId, winner: &Winner, input_bytes: u64) {
        self.tally.won += 1;
        let done = self.bytes_done_mut(task.stage);
        *done = done.saturating_add(input_bytes);
        for (number, value) in &winner.counters {
            if let Some(sum) = self.counter_sums.get_mut(*number as usize) {
                *sum = sum.wrapping_add(*value);
            }
        }
        let Some(stats) = self.stats_mut(task.stage) else {
            let peak_bytes = &mut self.map_stats.peak_bytes;
            *peak_bytes = winner.stats.peak_bytes.max(*peak_bytes);
            return;
        };
        for (sum, value) in sums(stats).into_iter().zip(values(&winner.stats)) {
            *sum = sum.wrapping_add(value);
        }
        stats.peak_bytes = stats.peak_bytes.max(winner.stats.peak_bytes);
        if self.slowest.is_none_or(|(_, most)| winner.took_ms > most) {
            self.slowest = Some((task.attempt(winner.number), winner.took_ms));
        }
    }

    /// What it made was good, but is of no use any more.
    pub(crate) fn remove_winner(&mut self, task: TaskId, winner: &Winner, input_bytes: u64) {
        self.tally.won = self.tally.won.saturating_sub(1);
        self.tally.lost += 1;
        let done = self.bytes_done_mut(task.stage);
        *done = done.saturating_sub(input_bytes);
        for (number, value) in &winner.counters {
            if let Some(sum) = self.counter_sums.get_mut(*number as usize) {
                *sum = sum.wrapping_sub(*value);
            }
        }
        let Some(stats) = self.stats_mut(task.stage) else { return };
        for (sum, value) in sums(stats).into_iter().zip(values(&winner.stats)) {
            *sum = sum.wrapping_sub(value);
        }
    }

    pub(crate) fn add_partitions(&mut self, sizes: &[PartitionSize]) {
        for (sum, size) in self.partitions.iter_mut().zip(sizes) {
            *sum = sum.saturating_add(size.bytes);
        }
    }

    /// The app's counters, over present winners. One that only withdrawn winners had stays, at zero.
    pub(crate) fn counters(&self) -> BTreeMap<String, i64> {
        let sum = |number: &u32| self.counter_sums.get(*number as usize).copied().unwrap_or(0);
        self.counter_numbers.iter().map(|(name, number)| (name.clone(), sum(number))).collect()
    }

    pub(crate) fn biggest_partition(&self) -> Option<(u32, u64)> {
        // The first of equals, so that the answer does not wander.
        let largest =
            (0u32..).zip(&self.partitions).min_by_key(|(index, bytes)| (u64::MAX - **bytes, *index));
        largest.map(|(index, bytes)| (index, *bytes))
    }

    pub(crate) fn warn(&mut self, warning: String) {
        if self.warnings.len() < WARNINGS_MAX && !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Whether counters have numbers as they are given out.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let numbers: BTreeSet<u32> = self.counter_numbers.values().copied().collect();
        let dense = numbers.len() == self.counter_numbers.len() && numbers.len() == self.counter_sums.len();
        let ends = numbers.last().is_none_or(|last| (*last as usize) < self.counter_sums.len());
        let few = self.counter_sums.len() <= COUNTERS_MAX && self.warnings.len() <= WARNINGS_MAX;
        if dense && ends && few { Ok(()) } else { Err("its counters or warnings are not its own".into()) }
    }

    /// Of samples there are none: what they read, the maps read again.
    fn stats_mut(&mut self, stage: Stage) -> Option<&mut AttemptStats> {
        match stage {
            Stage::Sample => None,
            Stage::Map => Some(&mut self.map_stats),
            Stage::Reduce => Some(&mut self.reduce_stats),
        }
    }
}

fn fresh(tasks: u32) -> Vector<Task> {
    std::iter::repeat_n(Task::default(), tasks as usize).collect()
}

fn bytes_of(pieces: &[SamplePiece]) -> u64 {
    pieces.iter().map(|piece| piece.bytes).fold(0, u64::saturating_add)
}

/// The figures that are summed up. Exhaustive, so that a new one is not forgotten.
fn sums(stats: &mut AttemptStats) -> [&mut u64; 10] {
    let AttemptStats {
        bytes_in,
        records_in,
        calls,
        pairs_in,
        pairs_out,
        bytes_out,
        records_out,
        spills,
        wall_ms,
        cpu_ms,
        peak_bytes: _,
        counters: _,
    } = stats;
    [bytes_in, records_in, calls, pairs_in, pairs_out, bytes_out, records_out, spills, wall_ms, cpu_ms]
}

fn values(stats: &AttemptStats) -> [u64; 10] {
    let s = stats;
    [
        s.bytes_in,
        s.records_in,
        s.calls,
        s.pairs_in,
        s.pairs_out,
        s.bytes_out,
        s.records_out,
        s.spills,
        s.wall_ms,
        s.cpu_ms,
    ]
}
