//! Gathers the runs of a map attempt, from a plugin that hands over runs or one that emits pair by pair, and makes one of them.

use std::path::Path;

use gristmill_model::{AttemptStats, TaskFailure};
use gristmill_sdk::collect::{Collector, KeyTooLong, RunSink};

use crate::budget::Budget;
use crate::combine::Rewrite;
use crate::failure;
use crate::passes::{MergeError, Source, narrow};
use crate::plugin::{Instance, Partitioner, Plugin, Services};
use crate::progress::ProgressCell;
use crate::run::{Choice, FinishedRun, RunWriter};

/// What a plugin hands over during a map attempt.
pub(crate) struct Runs<'t> {
    store: RunStore<'t>,
    /// For a plugin that does not collect itself.
    collector: Option<Collector>,
}

/// Runs as files. The first is made where the result is to be, for most attempts have only one.
struct RunStore<'t> {
    run_dir: &'t Path,
    scratch_dir: &'t Path,
    partitions: u32,
    budget: Budget,
    writer: Option<RunWriter>,
    finished: Vec<FinishedRun>,
}

impl<'t> Runs<'t> {
    pub(crate) fn new(
        plugin: &Plugin,
        run_dir: &'t Path,
        scratch_dir: &'t Path,
        partitions: u32,
        budget: Budget,
    ) -> Self {
        let collector = (!plugin.collects()).then(|| Collector::new(budget.plugin_bytes()));
        let store = RunStore { run_dir, scratch_dir, partitions, budget, writer: None, finished: Vec::new() };
        Self { store, collector }
    }

    /// Makes one run of what was handed over until the end of the attempt.
    pub(crate) fn into_one(
        mut self,
        instance: &mut Instance<'_>,
        progress: &ProgressCell,
        stats: &mut AttemptStats,
    ) -> Result<FinishedRun, TaskFailure> {
        let collects = self.collector.is_none();
        if let Some(mut collector) = self.collector.take() {
            let mut sink = HostSink { store: &mut self.store, partitioner: instance.partitioner() };
            collector.finish(&mut sink).map_err(|SinkFailure(failure)| failure)?;
        }
        if self.store.writer.is_some() {
            return Err(failure::rule("a run was begun but not ended when the map ended"));
        }
        stats.spills = self.store.finished.len().saturating_sub(1) as u64;
        if self.store.finished.is_empty() {
            self.store.begin()?;
            self.store.end()?;
        }
        // Pairs that were emitted one by one are not combined yet.
        let is_final = self.store.finished.len() == 1 && (collects || !instance.combines());
        match self.store.finished.pop() {
            Some(run) if is_final => Ok(run),
            last => {
                self.store.finished.extend(last);
                self.store.merge(instance, progress).map_err(MergeError::into_failure)
            }
        }
    }
}

impl RunStore<'_> {
    fn begin(&mut self) -> Result<(), TaskFailure> {
        if self.writer.is_some() {
            return Err(failure::rule("`run_begin` was called twice without `run_end`"));
        }
        let directory = if self.finished.is_empty() { self.run_dir } else { self.scratch_dir };
        let block_bytes = self.budget.run_block_bytes();
        self.writer = Some(RunWriter::create(directory, self.partitions, block_bytes, Choice::measured())?);
        Ok(())
    }

    fn pairs(&mut self, partition: u32, pairs: u64, bytes: &[u8]) -> Result<(), TaskFailure> {
        match &mut self.writer {
            Some(writer) => writer.pairs(partition, pairs, bytes),
            None => Err(failure::rule("`run_pairs` was called without `run_begin`")),
        }
    }

    fn end(&mut self) -> Result<(), TaskFailure> {
        let writer =
            self.writer.take().ok_or_else(|| failure::rule("`run_end` was called without `run_begin`"))?;
        self.finished.push(writer.finish()?);
        Ok(())
    }

    fn merge(self, instance: &mut Instance<'_>, progress: &ProgressCell) -> Result<FinishedRun, MergeError> {
        let sources = self.finished.into_iter().map(|run| Source::own(run, progress));
        let sources = sources.collect::<Result<Vec<Source>, _>>()?;
        let fan_in = self.budget.spill_fan_in();
        let rewrite =
            |directory| Rewrite { directory, partitions: self.partitions, budget: self.budget, fan_in };
        let scratch = rewrite(self.scratch_dir);
        let sources = narrow(sources, fan_in, progress, |group| scratch.run(group, Some(&mut *instance)))?;
        rewrite(self.run_dir).run(&sources, Some(instance))
    }
}

impl Services for Runs<'_> {
    fn emit(&mut self, partitioner: Partitioner<'_>, key: &[u8], value: &[u8]) -> Result<(), TaskFailure> {
        let Some(collector) = &mut self.collector else {
            return Err(failure::rule("`emit` was called by a plugin that says it collects pairs itself"));
        };
        let mut sink = HostSink { store: &mut self.store, partitioner };
        collector.emit(key, value, &mut sink).map_err(|SinkFailure(failure)| failure)
    }

    fn run_begin(&mut self) -> Result<(), TaskFailure> {
        if self.collector.is_some() {
            return Err(failure::rule(
                "`run_begin` was called by a plugin that does not say that it collects pairs",
            ));
        }
        self.store.begin()
    }

    fn run_pairs(&mut self, partition: u32, pairs: u64, bytes: &[u8]) -> Result<(), TaskFailure> {
        self.store.pairs(partition, pairs, bytes)
    }

    fn run_end(&mut self) -> Result<(), TaskFailure> {
        self.store.end()
    }
}

/// Takes the runs of the host's own collector.
struct HostSink<'s, 't> {
    store: &'s mut RunStore<'t>,
    partitioner: Partitioner<'s>,
}

struct SinkFailure(TaskFailure);

impl From<KeyTooLong> for SinkFailure {
    fn from(error: KeyTooLong) -> Self {
        Self(failure::rule(error))
    }
}

impl RunSink for HostSink<'_, '_> {
    type Error = SinkFailure;

    fn partition(&mut self, key: &[u8]) -> Result<u32, SinkFailure> {
        self.partitioner.partition_of(key, self.store.partitions).map_err(SinkFailure)
    }

    fn ascends(&self) -> bool {
        self.partitioner.ascends()
    }

    fn begin(&mut self) -> Result<(), SinkFailure> {
        self.store.begin().map_err(SinkFailure)
    }

    fn pairs(&mut self, partition: u32, pairs: u64, bytes: &[u8]) -> Result<(), SinkFailure> {
        self.store.pairs(partition, pairs, bytes).map_err(SinkFailure)
    }

    fn end(&mut self) -> Result<(), SinkFailure> {
        self.store.end().map_err(SinkFailure)
    }
}
