//! The answers that workers wait for. Formed from the state, after the facts of a batch were applied.

use gristmill_model::{AttemptId, Incarnation, JobId, Refusal, Timestamp, WorkerId};

use super::Leader;
use super::drain::may_leave;
use super::memory::{Contact, Parked, Timer};
use crate::effect::{Answer, Orders, Reply, Verdict};
use crate::state::{State, Store};

impl Leader {
    /// The answers that are due: call after the facts of a batch were applied (also when there were none).
    pub fn answers(&mut self, state: &State, now: Timestamp) -> Vec<Answer> {
        let mut answers = std::mem::take(&mut self.answers);
        for worker in std::mem::take(&mut self.due) {
            let Some(parked) = self.unpark(worker) else { continue };
            let assignments =
                parked.assignments.iter().filter_map(|attempt| state.assignment(*attempt)).collect();
            let verdicts =
                parked.reported.iter().map(|attempt| (*attempt, state.verdict(*attempt))).collect();
            let orders = self.contacts.get_mut(&worker).map(|contact| contact.orders(state, worker));
            let reply = Reply { assignments, verdicts, orders: orders.unwrap_or_default() };
            // A cancellation that has already been told needs no poll answered; this one then waits on.
            let empty = reply.assignments.is_empty() && reply.verdicts.is_empty() && reply.orders.is_empty();
            if empty && parked.until > now {
                self.park_again(worker, parked);
                continue;
            }
            answers.push(Answer { token: parked.token, worker, reply: Ok(reply) });
        }
        answers
    }

    /// The answer to a heartbeat: give it after the heartbeat was decided upon.
    pub fn orders(
        &mut self,
        state: &State,
        worker: WorkerId,
        incarnation: Incarnation,
    ) -> Result<Orders, Refusal> {
        state.check_worker(worker, incarnation)?;
        let contact = self.contacts.get_mut(&worker).ok_or(Refusal::UnknownWorker)?;
        Ok(contact.orders(state, worker))
    }

    /// The poll of this worker does not wait any more.
    pub(crate) fn unpark(&mut self, worker: WorkerId) -> Option<Parked> {
        let parked = self.contacts.get_mut(&worker)?.parked.take()?;
        self.timers.unset(parked.until, Timer::Poll(worker));
        self.idle.remove(&worker);
        Some(parked)
    }

    fn park_again(&mut self, worker: WorkerId, parked: Parked) {
        let Some(contact) = self.contacts.get_mut(&worker) else { return };
        self.timers.set(parked.until, Timer::Poll(worker));
        if parked.free > 0 {
            self.idle.insert(worker);
        }
        contact.parked = Some(parked);
    }
}

impl Contact {
    /// What the worker is to end, and to forget.
    fn orders(&mut self, state: &State, worker: WorkerId) -> Orders {
        let forget: Vec<JobId> = self.forget.keys().copied().collect();
        self.forget.retain(|_, tellings| {
            *tellings -= 1;
            *tellings > 0
        });
        let runs_here = |attempt: &&AttemptId| {
            let live = state.task(attempt.task).and_then(|task| task.live(attempt.number));
            live.is_some_and(|live| live.worker == worker)
        };
        // A winner may be listed by a heartbeat that crossed its report.
        let won = |attempt: &&AttemptId| state.verdict(**attempt) == Verdict::Won;
        let cancel = self.holds.iter().filter(|attempt| !runs_here(attempt) && !won(attempt));
        let cancel = cancel.copied().collect();
        let leave = may_leave(state, worker);
        self.told_to_leave |= leave;
        Orders { cancel, forget, leave }
    }
}
