//! Which workers are left alone for a while because attempts keep failing on them.
//!
//! An app that fails everywhere must not bring all workers under suspicion: only one that fails more than twice as often as the mean of
//! the others is avoided. That can never be all of them.

use std::collections::BTreeSet;
use std::time::Duration;

use gristmill_model::{Timestamp, WorkerId};

use super::decision::Decision;

impl Decision<'_> {
    /// Workers that get nothing now. Makes the leader look again when the first of them is forgiven.
    pub(crate) fn avoided(&mut self) -> BTreeSet<WorkerId> {
        let settings = &self.leader.settings.avoid;
        let window = Duration::from_millis(settings.window_ms);
        let mut total = 0;
        self.leader.failures.retain(|_, failures| {
            while failures.front().is_some_and(|at| *at + window <= self.now) {
                failures.pop_front();
            }
            total += failures.len();
            !failures.is_empty()
        });
        if total < settings.failures as usize {
            return BTreeSet::new();
        }
        let others = self.leader.contacts.len().saturating_sub(1);
        let bad = |count: usize| count >= settings.failures as usize && count * others > 2 * (total - count);
        let avoided = self.leader.failures.iter().filter(|(_, failures)| others > 0 && bad(failures.len()));
        let forgiven = |at: &Timestamp| *at + window;
        let again = avoided.clone().filter_map(|(_, failures)| failures.front().map(forgiven)).min();
        let avoided = avoided.map(|(worker, _)| *worker).collect();
        self.leader.again = self.leader.again.into_iter().chain(again).min();
        avoided
    }
}
