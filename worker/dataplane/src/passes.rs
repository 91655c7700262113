//! Merges more sources than memory has room for: some at a time into intermediate runs, until the rest fits.
//!
//! Only neighbours are merged, and what comes out stands in their place, so equal keys keep the order of the sources.

use std::ops::Range;

use gristmill_model::TaskFailure;
use tempfile::TempPath;

use crate::budget::FanIn;
use crate::failure;
use crate::merge::Merge;
use crate::progress::ProgressCell;
use crate::run::{FinishedRun, Meter, ReadLimits, Run, RunError, RunSizes, SegmentReader};

/// A run that is to be merged with others.
pub(crate) struct Source {
    origin: Origin,
    sizes: RunSizes,
    meter: Meter,
}

/// Where the pairs of a source are.
enum Origin {
    /// In one partition of another attempt's run.
    Segment(Run),
    /// In all partitions of a run of our own, whose file is removed when it was read. Its index is not kept until then: where partitions are
    /// many, those of all runs that wait to be merged would not fit.
    Own(TempPath),
}

/// Why a merge did not come to its end.
#[derive(Debug)]
pub(crate) enum MergeError {
    /// A run could not be read.
    Run(RunError),
    /// All else.
    Failed(TaskFailure),
}

impl From<RunError> for MergeError {
    fn from(error: RunError) -> Self {
        Self::Run(error)
    }
}

impl From<TaskFailure> for MergeError {
    fn from(failure: TaskFailure) -> Self {
        Self::Failed(failure)
    }
}

impl MergeError {
    /// As a failure of an attempt that has written all its runs itself.
    pub(crate) fn into_failure(self) -> TaskFailure {
        match self {
            Self::Failed(failure) => failure,
            Self::Run(error) => failure::run(&error),
        }
    }
}

impl Source {
    /// Another attempt's run.
    pub(crate) fn segment(run: Run, progress: &ProgressCell) -> Self {
        Self { sizes: run.sizes(), origin: Origin::Segment(run), meter: Meter::Input(progress.clone()) }
    }

    /// A run that this attempt has written, whole.
    pub(crate) fn own(run: FinishedRun, progress: &ProgressCell) -> Result<Self, RunError> {
        let sizes = Run::open(&run.file)?.sizes();
        Ok(Self { origin: Origin::Own(run.file), sizes, meter: Meter::Intermediate(progress.clone()) })
    }

    fn open(&self, limits: ReadLimits) -> Result<SegmentReader, RunError> {
        let run = match &self.origin {
            Origin::Segment(run) => run.clone(),
            Origin::Own(file) => Run::open(file)?,
        };
        SegmentReader::open(run, limits, self.meter.clone())
    }
}

/// Opens a merge of all sources. Select a partition before reading.
pub(crate) fn open_merge(sources: &[Source], fan_in: FanIn) -> Result<Merge, RunError> {
    let readers: Result<_, _> = sources.iter().map(|source| source.open(fan_in.limits())).collect();
    Ok(Merge::new(readers?))
}

/// Merges neighbours by `rewrite` until all that is left can be merged at once.
pub(crate) fn narrow(
    mut sources: Vec<Source>,
    fan_in: FanIn,
    progress: &ProgressCell,
    mut rewrite: impl FnMut(&[Source]) -> Result<FinishedRun, MergeError>,
) -> Result<Vec<Source>, MergeError> {
    // Merges hold one long value at a time, beside what is read of each source.
    let longest = sources.iter().map(|source| source.sizes.longest_pair).max().unwrap_or(0);
    let fan_in = FanIn { bytes_max: fan_in.bytes_max.saturating_sub(longest), ..fan_in };
    let mut at = 0;
    loop {
        let costs: Vec<u64> =
            sources.iter().map(|source| source.sizes.buffer_bytes(fan_in.window_bytes)).collect();
        let Some(group) = next_group(&costs, at, &fan_in) else { return Ok(sources) };
        let merged = rewrite(sources.get(group.clone()).unwrap_or_default())?;
        at = group.start + 1;
        sources.splice(group, [Source::own(merged, progress)?]);
    }
}

/// Which neighbours to merge next, looking from `at` on; `None` when all fit.
///
/// A group is as wide as memory allows, but no wider than needed: what is left out is not written again.
fn next_group(costs: &[u64], at: usize, fan_in: &FanIn) -> Option<Range<usize>> {
    let total: u64 = costs.iter().sum();
    if costs.len() <= 2 || (costs.len() <= fan_in.sources_max && total <= fan_in.bytes_max) {
        return None;
    }
    let start = if at + 1 < costs.len() { at } else { 0 };
    let (mut end, mut sum, mut largest) = (start, 0, fan_in.window_bytes as u64);
    while let Some(&cost) = costs.get(end) {
        let taken = end - start;
        let fits = taken < fan_in.sources_max && sum + cost <= fan_in.bytes_max;
        let enough = costs.len() - taken < fan_in.sources_max && total - sum + largest <= fan_in.bytes_max;
        if taken >= 2 && (!fits || enough) {
            break;
        }
        end += 1;
        sum += cost;
        largest = largest.max(cost);
    }
    Some(start..end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::run::{Choice, RunWriter};

    proptest! {
        #[test]
        fn grouping_ends_with_what_fits(
            costs in proptest::collection::vec(1_u64..300, 0..200),
            sources_max in 2_usize..20,
            bytes_max in 1_u64..2000,
        ) {
            let fan_in = FanIn { sources_max, bytes_max, window_bytes: 100, block_bytes_max: u64::MAX };
            let mut left = costs;
            let mut at = 0;
            while let Some(group) = next_group(&left, at, &fan_in) {
                let members = &left[group.clone()];
                prop_assert!(members.len() >= 2 && members.len() <= sources_max);
                prop_assert!(members.len() == 2 || members.iter().sum::<u64>() <= bytes_max);
                let merged = members.iter().copied().max().unwrap_or(0).max(100);
                at = group.start + 1;
                left.splice(group, [merged]);
            }
            prop_assert!(left.len() <= sources_max);
            prop_assert!(left.len() <= 2 || left.iter().sum::<u64>() <= bytes_max);
        }
    }

    #[test]
    fn the_index_of_a_run_of_many_partitions_counts() {
        const PARTITIONS: u32 = 1000;
        const INDEX_BYTES: u64 = 56_000;
        let directory = tempfile::tempdir().unwrap();
        let run = || {
            let mut writer = RunWriter::create(directory.path(), PARTITIONS, 60, Choice::measured()).unwrap();
            writer.pair(0, b"key", b"value").unwrap();
            writer.finish().unwrap()
        };
        let progress = ProgressCell::new();
        let sources = (0..12).map(|_| Source::own(run(), &progress).unwrap()).collect();
        let bytes_max = 4 * INDEX_BYTES + 1000;
        let fan_in = FanIn { sources_max: 256, bytes_max, window_bytes: 100, block_bytes_max: u64::MAX };
        let mut widths = Vec::new();
        let left = narrow(sources, fan_in, &progress, |group| {
            widths.push(group.len());
            Ok(run())
        });
        let left = left.unwrap();
        assert!(left.len() <= 4 && widths.iter().all(|&width| width <= 4), "{widths:?}, then {}", left.len());
        assert_eq!(open_merge(&left, fan_in).unwrap().key(), None, "no partition is selected yet");
    }

    #[test]
    fn one_source_too_many_costs_one_small_merge() {
        let fan_in =
            FanIn { sources_max: 64, bytes_max: u64::MAX, window_bytes: 1, block_bytes_max: u64::MAX };
        assert_eq!(next_group(&[1; 65], 0, &fan_in), Some(0..2));
        assert_eq!(next_group(&[1; 64], 0, &fan_in), None);
    }
}
