//! Which tasks workers are given before they have a slot for them, so that no slot waits for an answer.
//!
//! Only with an answer that is due anyway, and only while so many tasks wait that no slot of another worker will run out of them before this one
//! begins; a worker that is alone takes all that it can. One that waits longer than it should, behind an attempt that hangs, gets a backup
//! as any slow attempt.

use gristmill_model::{Stage, TaskId, WorkerId};

use super::decision::Decision;
use super::placement::FreeSlots;
use super::queue::Queue;
use crate::fact::Fact;
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
            self.place_ahead(task, &mut room, queue);
            waiting = queue.next(&self.leader.shares, &self.draft);
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

    fn place_ahead(&mut self, task: TaskId, room: &mut FreeSlots, queue: &mut Queue) {
        let Some(state) = self.draft.task(task) else { return };
        let (attempt, shunned) = (task.attempt(state.next), state.shunned());
        let waiting = self.draft.ready_count(task.job, task.stage) as u64;
        // A reduce that waits for a run which is made again would hold the slot that the map needs.
        let ahead = task.stage != Stage::Reduce;
        let chosen =
            room.take(|worker| ahead && !shunned.contains(&worker) && waiting > self.reserve_beside(worker));
        match chosen {
            Some(worker) => {
                self.record(Fact::AttemptAssigned { attempt, worker, at: self.now, backup: false });
            }
            // It is so with every task of the job.
            None if shunned.is_empty() => queue.pass(task.job),
            None => {}
        }
    }

    /// So many tasks of a job are left to the slots of the other workers.
    fn reserve_beside(&self, id: WorkerId) -> u64 {
        let own =
            self.draft.worker(id).filter(|worker| Worker::is_open(worker)).map_or(0, |worker| worker.slots);
        let others = self.draft.base().slots().saturating_sub(own);
        u64::from(others).saturating_mul(u64::from(self.leader.settings.ahead_reserve))
    }
}
