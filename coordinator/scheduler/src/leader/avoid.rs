//! Which workers are left alone for a while because attempts keep failing on them.
//!
//! An app that fails everywhere must not bring all workers under suspicion: only one that fails more than twice as often as the mean of
//! the others is avoided. That can never be all of them.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gristmill_model::{Timestamp, WorkerId};

use super::Leader;
use super::decision::Decision;

impl Decision<'_> {
    /// Workers that get nothing now. Makes the leader look again when the first of them is forgiven.
    pub(crate) fn avoided(&mut self) -> BTreeSet<WorkerId> {
        self.leader.forgive(self.now);
        let avoided = self.leader.avoided(self.now);
        self.leader.again = self.leader.again.into_iter().chain(avoided.values().copied()).min();
        avoided.into_keys().collect()
    }
}

impl Leader {
    /// Workers that get nothing now, and when each is forgiven if nothing fails until then.
    pub(crate) fn avoided(&self, now: Timestamp) -> BTreeMap<WorkerId, Timestamp> {
        let window = self.failure_window();
        let settings = &self.settings.avoid;
        let others = self.contacts.len().saturating_sub(1);
        let is_bad = |count: usize, total: usize| {
            count >= settings.failures as usize && count * others > 2 * (total - count)
        };
        let recent = self.failures.iter().map(|(worker, failures)| {
            let ends = failures.iter().map(|at| *at + window).filter(|end| *end > now);
            (*worker, ends.clone().count(), ends)
        });
        let total: usize = recent.clone().map(|(_, count, _)| count).sum();
        // Sorted only where somebody is avoided.
        let all = LazyCell::new(|| {
            let mut all: Vec<Timestamp> = recent.clone().flat_map(|(_, _, ends)| ends).collect();
            all.sort_unstable();
            all
        });
        let after = |ends: &[Timestamp], time| ends.len() - ends.partition_point(|end| *end <= time);
        recent
            .clone()
            .filter(|(_, count, _)| is_bad(*count, total))
            .filter_map(|(worker, _, ends)| {
                let own: Vec<Timestamp> = ends.collect();
                let forgiven = own.iter().find(|end| !is_bad(after(&own, **end), after(&all, **end)))?;
                Some((worker, *forgiven))
            })
            .collect()
    }

    fn forgive(&mut self, now: Timestamp) {
        let window = self.failure_window();
        self.failures.retain(|_, failures| {
            while failures.front().is_some_and(|at| *at + window <= now) {
                failures.pop_front();
            }
            !failures.is_empty()
        });
    }

    fn failure_window(&self) -> Duration {
        Duration::from_millis(self.settings.avoid.window_ms)
    }
}
