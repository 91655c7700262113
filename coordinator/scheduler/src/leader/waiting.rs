//! Attempts that wait at their workers for a slot, in the order in which those begin them.
//!
//! The leader knows what it gave ahead. That some of it has begun, a poll tells by how much room it has, and a heartbeat by name; what has
//! begun since then the leader does not know.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gristmill_model::{AttemptId, WorkerId};

#[derive(Clone, Debug, Default)]
pub(crate) struct Waiting {
    /// Where each waits, and the priority of its job.
    places: BTreeMap<AttemptId, (WorkerId, i8)>,
    by_worker: BTreeMap<WorkerId, VecDeque<AttemptId>>,
    by_priority: BTreeSet<(i8, AttemptId)>,
}

impl Waiting {
    /// It waits behind the others of its worker, unless it is known to wait.
    pub(crate) fn add(&mut self, attempt: AttemptId, worker: WorkerId, priority: i8) {
        if !self.has(attempt) {
            self.places.insert(attempt, (worker, priority));
            self.by_worker.entry(worker).or_default().push_back(attempt);
            self.by_priority.insert((priority, attempt));
        }
    }

    /// It has begun, or is over.
    pub(crate) fn remove(&mut self, attempt: AttemptId) {
        let Some((worker, priority)) = self.places.remove(&attempt) else { return };
        self.by_priority.remove(&(priority, attempt));
        if let Some(queue) = self.by_worker.get_mut(&worker) {
            queue.retain(|other| *other != attempt);
            if queue.is_empty() {
                self.by_worker.remove(&worker);
            }
        }
    }

    /// Not more than so many wait at this worker: those that were given first have begun.
    pub(crate) fn keep_last(&mut self, worker: WorkerId, count: usize) {
        while let Some(queue) = self.by_worker.get(&worker).filter(|queue| queue.len() > count) {
            let Some(first) = queue.front().copied() else { return };
            self.remove(first);
        }
    }

    pub(crate) fn has(&self, attempt: AttemptId) -> bool {
        self.places.contains_key(&attempt)
    }

    /// One of the lowest priority, and that.
    pub(crate) fn lowest(&self) -> Option<(i8, AttemptId)> {
        self.by_priority.first().copied()
    }

    /// Each, and where.
    pub(crate) fn places(&self) -> impl Iterator<Item = (AttemptId, WorkerId)> + '_ {
        self.places.iter().map(|(attempt, (worker, _))| (*attempt, *worker))
    }
}
