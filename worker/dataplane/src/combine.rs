//! Merges runs of one map attempt into one, folding the values of equal keys where the app says how.

use std::path::Path;

use gristmill_model::TaskFailure;

use crate::budget::{Budget, FanIn};
use crate::failure;
use crate::group::Groups;
use crate::merge::Merge;
use crate::passes::{MergeError, Source, open_merge};
use crate::plugin::{Batch, GroupServices, Instance, Services};
use crate::run::{Choice, FinishedRun, RunError, RunWriter};

/// How runs are merged into one, with `partitions` partitions, in `directory`.
pub(crate) struct Rewrite<'r> {
    pub(crate) directory: &'r Path,
    pub(crate) partitions: u32,
    pub(crate) budget: Budget,
    pub(crate) fan_in: FanIn,
}

impl Rewrite<'_> {
    /// Merges all partitions of `sources`, with the app's combine if there is an instance and it has one.
    pub(crate) fn run(
        &self,
        sources: &[Source],
        instance: Option<&mut Instance<'_>>,
    ) -> Result<FinishedRun, MergeError> {
        let block_bytes = self.budget.run_block_bytes();
        let writer = RunWriter::create(self.directory, self.partitions, block_bytes, Choice::measured())?;
        let merge = open_merge(sources, self.fan_in)?;
        match instance.filter(|instance| instance.combines()) {
            Some(instance) => self.fold(merge, writer, instance),
            None => self.copy(merge, writer),
        }
    }

    fn copy(&self, mut merge: Merge, mut writer: RunWriter) -> Result<FinishedRun, MergeError> {
        for partition in 0..self.partitions {
            merge.select(partition)?;
            while merge.key().is_some() {
                merge.load()?;
                writer.encoded_pair(partition, merge.lead(), merge.value())?;
                merge.advance()?;
            }
        }
        Ok(writer.finish()?)
    }

    fn fold(
        &self,
        merge: Merge,
        writer: RunWriter,
        instance: &mut Instance<'_>,
    ) -> Result<FinishedRun, MergeError> {
        let groups = Groups::new(merge, self.budget.batch_bytes());
        let mut folding = Folding { groups, writer, partition: 0, combined: 0, unreadable: None };
        for partition in 0..self.partitions {
            folding.partition = partition;
            folding.groups.select(partition)?;
            while folding.groups.next_key()? {
                folding.write_key(instance)?;
            }
        }
        Ok(folding.writer.finish()?)
    }
}

/// A merge on its way into a run.
struct Folding {
    groups: Groups,
    writer: RunWriter,
    partition: u32,
    /// Values that stand for those of the current key.
    combined: u64,
    unreadable: Option<RunError>,
}

impl Folding {
    fn write_key(&mut self, instance: &mut Instance<'_>) -> Result<(), MergeError> {
        if !self.groups.has_only_value() {
            self.combined = 0;
            let combined = instance.combine(self);
            if let Some(error) = self.unreadable.take() {
                return Err(error.into());
            }
            combined?;
            if self.combined == 0 {
                return Err(failure::rule("`combine` gave no value for a key that has some").into());
            }
            // What it took is replaced by what it gave; what it left alone stays.
            self.groups.next_values()?;
        }
        self.write_values()
    }

    fn write_values(&mut self) -> Result<(), MergeError> {
        while self.groups.batch().1 > 0 {
            for value in self.groups.values() {
                self.writer.pair(self.partition, self.groups.key(), value)?;
            }
            self.groups.next_values()?;
        }
        Ok(())
    }
}

impl Services for Folding {
    fn next_values(&mut self) -> Result<Batch<'_>, TaskFailure> {
        if let Err(error) = self.groups.next_values() {
            let failure = failure::run(&error);
            self.unreadable = Some(error);
            return Err(failure);
        }
        Ok(self.groups.batch())
    }

    fn combined(&mut self, value: &[u8]) -> Result<(), TaskFailure> {
        self.combined += 1;
        self.writer.pair(self.partition, self.groups.key(), value)
    }
}

impl GroupServices for Folding {
    fn group(&self) -> (&[u8], Batch<'_>) {
        (self.groups.key(), self.groups.batch())
    }
}
