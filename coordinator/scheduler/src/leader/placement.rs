//! Which worker gets which task.
//!
//! The one with most free slots, so that work spreads; not one on which the task has gone wrong before, if another is free; not one that
//! is avoided.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use gristmill_model::{TaskId, WorkerId};

use super::decision::Decision;
use super::queue::Queue;
use crate::fact::Fact;
use crate::state::Store;

/// Free slots, the worker with most of them first.
pub(crate) struct FreeSlots(BTreeSet<(Reverse<u32>, WorkerId)>);

impl FreeSlots {
    /// Of the workers that have any.
    pub(crate) fn new(free: impl Iterator<Item = (WorkerId, u32)>) -> Self {
        Self(free.filter(|(_, free)| *free > 0).map(|(worker, free)| (Reverse(free), worker)).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes a slot: of the best worker for which `fits`.
    pub(crate) fn take(&mut self, fits: impl Fn(WorkerId) -> bool) -> Option<WorkerId> {
        let chosen = *self.0.iter().find(|(_, worker)| fits(*worker))?;
        self.0.remove(&chosen);
        let (Reverse(free), worker) = chosen;
        if free > 1 {
            self.0.insert((Reverse(free - 1), worker));
        }
        Some(worker)
    }
}

impl Decision<'_> {
    /// Gives waiting tasks to free slots; when none waits, starts backups of slow ones.
    pub(crate) fn hand_out(&mut self) {
        let ahead = self.leader.due.iter().any(|worker| self.room_ahead(*worker) > 0);
        if ahead || !self.leader.idle.is_empty() {
            let mut queue = Queue::default();
            let mut waiting = queue.next(&self.leader.shares, &self.draft);
            if waiting.is_some() || self.backups_are_due() {
                let mut free = self.free_slots();
                while let Some(task) = waiting.filter(|_| !free.is_empty()) {
                    self.place(task, &mut free);
                    waiting = queue.next(&self.leader.shares, &self.draft);
                }
                self.hand_out_ahead(waiting, &mut queue);
                if waiting.is_none() && self.backups_are_due() {
                    self.start_backups(&mut free);
                }
            }
        }
        self.take_back();
        self.plan_backups();
    }

    /// What the parked polls can take, avoided workers left out.
    fn free_slots(&mut self) -> FreeSlots {
        let avoided = self.avoided();
        let idle = self.leader.idle.iter().filter(|worker| !avoided.contains(worker));
        FreeSlots::new(idle.map(|worker| (*worker, self.room(*worker))))
    }

    /// As many attempts as it asks for, but never more than it has slots, counting what may still be on its way.
    fn room(&self, id: WorkerId) -> u32 {
        let contact = self.leader.contacts.get(&id);
        let parked = contact.and_then(|contact| contact.parked.as_ref());
        let worker = self.draft.worker(id).filter(|worker| worker.is_open());
        let (Some(parked), Some(worker)) = (parked, worker) else { return 0 };
        let taken = u32::try_from(parked.assignments.len()).unwrap_or(u32::MAX);
        let running = u32::try_from(worker.running.len()).unwrap_or(u32::MAX);
        parked.free.saturating_sub(taken).min(worker.slots.saturating_sub(running))
    }

    fn place(&mut self, task: TaskId, free: &mut FreeSlots) {
        let Some(state) = self.draft.task(task) else { return };
        let shunned = state.shunned();
        let worker = free.take(|worker| !shunned.contains(&worker)).or_else(|| free.take(|_| true));
        let attempt = task.attempt(state.next);
        if let Some(worker) = worker {
            self.record(Fact::AttemptAssigned { attempt, worker, at: self.now, backup: false });
        }
    }
}
