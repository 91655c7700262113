//! Which tasks workers are given before they have a slot for them, so that no slot waits for an answer.
//!
//! Only with an answer that is due anyway, and only while so many tasks wait that no slot elsewhere will run out of them before this one
//! begins. One that waits longer than it should, behind an attempt that hangs, gets a backup as any slow attempt.

use gristmill_model::{TaskId, WorkerId};

use super::decision::Decision;
use super::placement::FreeSlots;
use super::queue::Queue;
use crate::fact::Fact;
use crate::state::Store;

impl Decision<'_> {
    /// Gives out tasks from `waiting` on, for which no slot was free.
    pub(crate) fn hand_out_ahead(&mut self, mut waiting: Option<TaskId>, queue: &mut Queue) {
        let avoided = self.avoided();
        let due = self.leader.due.iter().filter(|worker| !avoided.contains(worker));
        let mut room = FreeSlots::new(due.map(|worker| (*worker, self.room_ahead(*worker))));
        let reserve = self.draft.base().slots().saturating_mul(self.leader.settings.ahead_reserve) as usize;
        while let Some(task) = waiting.filter(|_| !room.is_empty()) {
            if self.draft.ready_count(task.job, task.stage) <= reserve {
                return;
            }
            self.place_ahead(task, &mut room);
            waiting = queue.next(&self.draft);
        }
    }

    /// How many attempts this worker can be given beyond its free slots: one for each slot at most.
    pub(crate) fn room_ahead(&self, id: WorkerId) -> u32 {
        let parked = self.leader.contacts.get(&id).and_then(|contact| contact.parked.as_ref());
        let (Some(parked), Some(worker)) = (parked, self.draft.worker(id)) else { return 0 };
        let running = u32::try_from(worker.running.len()).unwrap_or(u32::MAX);
        parked.ahead.min(parked.room()).min(worker.slots.saturating_mul(2).saturating_sub(running))
    }

    fn place_ahead(&mut self, task: TaskId, room: &mut FreeSlots) {
        let Some(state) = self.draft.task(task) else { return };
        let (attempt, shunned) = (task.attempt(state.next), state.shunned());
        if let Some(worker) = room.take(|worker| !shunned.contains(&worker)) {
            self.record(Fact::AttemptAssigned { attempt, worker, at: self.now, backup: false });
        }
    }
}
