//! Runs an attempt in this process, by the dataplane.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gristmill_dataplane::{
    MapTask, Plugin, ProgressCell, ReduceError, ReduceTask, SampleTask, run_map, run_reduce, run_sample,
};
use gristmill_model::{AttemptStats, FailureCause, Outcome, PathBytes, Segment, TaskFailure};

use super::ToAgent;
use super::limits::bound_memory;
use super::progress::told;
use super::usage::{Meter, Usage};
use crate::frames::{Begin, BeginWork};

/// Lost runs in one report: the rest is found by the next attempt.
const LOST_RUNS_MAX: usize = 10_000;

/// A process's plugin, and where it works.
pub(super) struct Runner {
    home: PathBuf,
    /// Loaded with the first attempt; every later one is of the same plugin.
    loaded: Option<Loaded>,
}

/// What the process is tied to: a library is never unloaded, a memory bound never raised.
struct Loaded {
    path: PathBytes,
    memory_bytes: u64,
    plugin: Plugin,
}

impl Runner {
    pub(super) fn new(home: PathBuf) -> Self {
        Self { home, loaded: None }
    }

    pub(super) fn run(&mut self, begin: Begin, segments: Vec<Segment>, agent: &ToAgent) -> Outcome {
        let every = Duration::from_millis(begin.progress_ms.max(1));
        let meter = Meter::start();
        let outcome = told(every, agent, |cell| self.attempt(begin, segments, cell));
        let mut outcome = outcome.unwrap_or_else(Outcome::Failed);
        fill_in(&mut outcome, &meter.stop());
        outcome
    }

    fn attempt(
        &mut self,
        begin: Begin,
        segments: Vec<Segment>,
        cell: &ProgressCell,
    ) -> Result<Outcome, TaskFailure> {
        // The attempt before may have gone elsewhere.
        std::env::set_current_dir(&self.home).map_err(machine)?;
        let loaded = match &mut self.loaded {
            Some(loaded) => loaded,
            none => {
                bound_memory(begin.memory_bytes).map_err(machine)?;
                let plugin = load(&begin.plugin.to_path())?;
                none.insert(Loaded { path: begin.plugin.clone(), memory_bytes: begin.memory_bytes, plugin })
            }
        };
        if loaded.path != begin.plugin || loaded.memory_bytes != begin.memory_bytes {
            let Loaded { path, memory_bytes, .. } = loaded;
            return Err(machine(format!(
                "the slot was given {} with {} bytes of memory, but has loaded {path} with {memory_bytes}",
                begin.plugin, begin.memory_bytes
            )));
        }
        let scratch = self.home.join(begin.attempt.to_string());
        fs::create_dir(&scratch).map_err(machine)?;
        let outcome = compute(&loaded.plugin, begin, segments, &scratch, cell);
        // What cannot be removed now goes with the slot.
        let _ = fs::remove_dir_all(&scratch);
        outcome
    }
}

fn compute(
    plugin: &Plugin,
    begin: Begin,
    segments: Vec<Segment>,
    scratch: &Path,
    cell: &ProgressCell,
) -> Result<Outcome, TaskFailure> {
    let product = begin.product.to_path();
    match begin.work {
        BeginWork::Map { work, partitions } => {
            let task = MapTask {
                attempt: begin.attempt,
                work,
                params: (*begin.params).clone(),
                partitions,
                memory_bytes: begin.memory_bytes,
                run_path: product.clone(),
                output_path: product,
                scratch_dir: scratch.to_owned(),
            };
            run_map(plugin, &task, cell).map(Outcome::Mapped)
        }
        BeginWork::Sample { work } => {
            let task = SampleTask { work, params: (*begin.params).clone(), memory_bytes: begin.memory_bytes };
            run_sample(plugin, &task, cell).map(Outcome::Sampled)
        }
        BeginWork::Reduce { partition } => {
            let task = ReduceTask {
                attempt: begin.attempt,
                partition,
                params: (*begin.params).clone(),
                segments,
                memory_bytes: begin.memory_bytes,
                output_path: product,
                scratch_dir: scratch.to_owned(),
            };
            match run_reduce(plugin, &task, cell) {
                Ok(result) => Ok(Outcome::Reduced(result)),
                Err(ReduceError::Failed(failure)) => Err(failure),
                Err(ReduceError::RunsLost(mut runs)) => {
                    runs.truncate(LOST_RUNS_MAX);
                    Ok(Outcome::RunsLost(runs))
                }
            }
        }
    }
}

fn load(path: &Path) -> Result<Plugin, TaskFailure> {
    Plugin::load(path).map_err(|error| TaskFailure {
        cause: FailureCause::Plugin,
        message: with_causes(&error),
        location: None,
    })
}

/// What is reported when the outcome itself cannot be.
pub(super) fn unreportable(error: &impl Display) -> Outcome {
    Outcome::Failed(machine(format!(
        "the result of the attempt cannot be told: {error}; it has too many counters or partitions"
    )))
}

fn machine(error: impl Display) -> TaskFailure {
    TaskFailure { cause: FailureCause::Machine, message: error.to_string(), location: None }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn fill_in(outcome: &mut Outcome, usage: &Usage) {
    let stats: &mut AttemptStats = match outcome {
        Outcome::Mapped(result) => &mut result.stats,
        Outcome::Reduced(result) => &mut result.stats,
        Outcome::Sampled(result) => &mut result.stats,
        Outcome::Failed(_) | Outcome::RunsLost(_) | Outcome::Cancelled => return,
    };
    stats.wall_ms = usage.wall_ms;
    stats.cpu_ms = usage.cpu_ms;
    stats.peak_bytes = usage.peak_bytes;
}
