//! Attempts that wait here for a slot, so that a slot which becomes free does not wait for the coordinator.

use std::collections::VecDeque;

use gristmill_model::{Assignment, AttemptId, JobId, Progress, Work};

/// In the order in which they came; at most one for each slot.
pub(super) struct Queue {
    waiting: VecDeque<Assignment>,
    most: u32,
}

impl Queue {
    pub(super) fn new(slots: u32) -> Self {
        Self { waiting: VecDeque::new(), most: slots }
    }

    /// How many more may wait.
    pub(super) fn room(&self) -> u32 {
        self.most.saturating_sub(u32::try_from(self.waiting.len()).unwrap_or(u32::MAX))
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn push(&mut self, assignment: Assignment) {
        self.waiting.push_back(assignment);
    }

    pub(super) fn first(&self) -> Option<&Assignment> {
        self.waiting.front()
    }

    pub(super) fn pop(&mut self) -> Option<Assignment> {
        self.waiting.pop_front()
    }

    /// Takes it out; says whether it was there.
    pub(super) fn remove(&mut self, attempt: AttemptId) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| waiting.attempt != attempt);
        self.waiting.len() < before
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    pub(super) fn attempts(&self) -> Vec<AttemptId> {
        self.waiting.iter().map(|waiting| waiting.attempt).collect()
    }

    /// What an attempt that waits here is to do.
    pub(super) fn work(&self, attempt: AttemptId) -> Option<&Work> {
        self.waiting.iter().find(|waiting| waiting.attempt == attempt).map(|waiting| &waiting.work)
    }

    pub(super) fn works_for(&self, job: JobId) -> bool {
        self.waiting.iter().any(|waiting| waiting.attempt.task.job == job)
    }

    /// That they are here, and have not begun.
    pub(super) fn progress(&self) -> impl Iterator<Item = Progress> + '_ {
        let waits =
            |waiting: &Assignment| Progress { attempt: waiting.attempt, ticks: 0, bytes_in: 0, waits: true };
        self.waiting.iter().map(waits)
    }
}
