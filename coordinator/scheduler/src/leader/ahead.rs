//! Which tasks workers are given before they have a slot for them, so that no slot waits for an answer.
//!
//! Only with an answer that is due anyway, and only while so many tasks wait that no slot of another worker will run out of them before this one
//! begins; a worker that is alone takes all that it can. One that waits longer than it should, behind an attempt that hangs, gets a backup
//! as any slow attempt.
//!
//! Nothing is given ahead past a task that has to wait for a free slot, or none would ever become free for it. What was given ahead and has not
//! begun is taken back when a task of a higher priority waits.

use gristmill_model::{Stage, TaskId, WorkerId};

use super::decision::Decision;
use super::placement::FreeSlots;
use super::queue::Queue;
use crate::fact::{EndCause, Fact};
use crate::state::{Store, Worker};

impl Decision<'_> {
    /// Gives out tasks from `waiting` on, for which no slot was free.
    pub(crate) fn hand_out_ahead(&mut self, mut waiting: Option<TaskId>, queue: &mut Queue) {
        if waiting.is_none() {
            return;
        }
        let avoided = self.avoided();
        let due = self.leader.due.iter().filter(|worker| !avoided.contains(worker));
        let mut room = FreeSlots::new(due.map(|worker| (*worker, self.room_ahead(*worker))));
        while let Some(task) = waiting.filter(|_| !room.is_empty()) {
            if !self.place_ahead(task, &mut room) {
                return;
            }
            waiting = queue.next(&self.leader.shares, &self.draft);
        }
    }

    /// The next free slot is for the task that waits. Which one that will be nobody knows, so all are kept free that would begin something of
    /// a lower priority.
    pub(crate) fn take_back(&mut self) {
        let Some(wanted) = self.leader.shares.first_priority() else { return };
        while let Some((_, attempt)) = self.leader.waiting.lowest().filter(|(lowest, _)| *lowest < wanted) {
            self.end(attempt, EndCause::TakenBack);
            // Whatever became of the fact: this loop ends.
            self.leader.waiting.remove(attempt);
        }
    }

    /// How many attempts this worker can be given beyond its free slots: one for each slot at most.
    pub(crate) fn room_ahead(&self, id: WorkerId) -> u32 {
        let parked = self.leader.contacts.get(&id).and_then(|contact| contact.parked.as_ref());
        let worker = self.draft.worker(id).filter(|worker| worker.is_open());
        let (Some(parked), Some(worker)) = (parked, worker) else { return 0 };
        let running = u32::try_from(worker.running.len()).unwrap_or(u32::MAX);
        parked.ahead.min(parked.room()).min(worker.slots.saturating_mul(2).saturating_sub(running))
    }

    /// Whether the task could be given ahead.
    fn place_ahead(&mut self, task: TaskId, room: &mut FreeSlots) -> bool {
        let (Some(state), Some(head)) = (self.draft.task(task), self.draft.head(task.job)) else {
            return false;
        };
        let (attempt, shunned, priority) = (task.attempt(state.next), state.shunned(), head.spec.priority);
        let waiting = self.draft.ready_count(task.job, task.stage) as u64;
        // A reduce that waits for a run which is made again would hold the slot that the map needs.
        let ahead = task.stage != Stage::Reduce;
        let chosen =
            room.take(|worker| ahead && !shunned.contains(&worker) && waiting > self.reserve_beside(worker));
        let Some(worker) = chosen else { return false };
        self.record(Fact::AttemptAssigned { attempt, worker, at: self.now, backup: false });
        self.leader.waiting.add(attempt, worker, priority);
        true
    }

    /// So many tasks of a job are left to the slots of the other workers.
    fn reserve_beside(&self, id: WorkerId) -> u64 {
        let own =
            self.draft.worker(id).filter(|worker| Worker::is_open(worker)).map_or(0, |worker| worker.slots);
        let others = self.draft.base().slots().saturating_sub(own);
        u64::from(others).saturating_mul(u64::from(self.leader.settings.ahead_reserve))
    }
}
