//! What is lost: silent workers, attempts without progress, runs that nobody can read any more.

use std::sync::Arc;
use std::time::Duration;

use gristmill_model::{AttemptId, Refusal, TaskId, WorkerId};

use super::decision::Decision;
use super::memory::Timer;
use crate::effect::Answer;
use crate::fact::{EndCause, Fact, LossCause, RunLoss};
use crate::state::{Store, Worker};

impl Decision<'_> {
    /// The one place where a worker is lost, whoever noticed.
    ///
    /// Its attempts end and are queued again. Its runs stay in use: another worker of its machine can read them in place. They are given up
    /// when a reduce cannot read one of them, or when its machine has had no live worker for a while.
    pub(crate) fn lose(&mut self, id: WorkerId, cause: LossCause) {
        let Some(worker) = self.draft.worker(id).filter(|worker| worker.is_live()) else { return };
        let machine = Arc::clone(&worker.machine);
        self.record(Fact::WorkerLost { worker: id, at: self.now, cause });
        if let Some(parked) = self.leader.unpark(id) {
            let reply = Err(Refusal::UnknownWorker);
            self.leader.answers.push(Answer { token: parked.token, worker: id, reply });
        }
        if let Some(contact) = self.leader.contacts.remove(&id) {
            self.leader.timers.unset(contact.lease_timer, Timer::Lease(id));
        }
        self.leader.failures.remove(&id);
        self.leader.draining.remove(&id);
        if let Some(known) = self.leader.machines.get_mut(&machine) {
            known.live = known.live.saturating_sub(1);
        }
        self.leader.doubt_machine(&machine, self.now);
    }

    pub(crate) fn check_lease(&mut self, worker: WorkerId) {
        let lease = self.leader.lease();
        let Some(contact) = self.leader.contacts.get_mut(&worker) else { return };
        let ends = contact.heard + lease;
        if ends > self.now {
            contact.lease_timer = ends;
            self.leader.timers.set(ends, Timer::Lease(worker));
        } else {
            self.lose(worker, LossCause::Silent);
        }
    }

    pub(crate) fn check_progress(&mut self, attempt: AttemptId) {
        let Some(watch) = self.leader.watches.get_mut(&attempt) else { return };
        let ends = watch.progressed + Duration::from_millis(watch.timeout_ms);
        if ends > self.now {
            watch.timer = ends;
            self.leader.timers.set(ends, Timer::Progress(attempt));
            return;
        }
        let timeout_ms = watch.timeout_ms;
        self.end(attempt, EndCause::TimedOut);
        self.check_setbacks(attempt.task, &format!("it made no progress for {timeout_ms} ms"));
    }

    pub(crate) fn give_up_machine(&mut self, machine: &Arc<str>) {
        if self.leader.machines.get(machine).is_none_or(|known| known.live > 0) {
            return;
        }
        self.leader.machines.remove(machine);
        for id in self.draft.worker_ids() {
            let gone = |worker: &Worker| !worker.is_live() && worker.machine == *machine;
            if self.draft.worker(id).is_some_and(gone) {
                self.give_up_runs(id);
            }
        }
    }

    /// Every run of a lost worker at once: the others are where the first one was.
    pub(crate) fn give_up_runs(&mut self, holder: WorkerId) {
        let jobs = self.draft.worker(holder).map(|worker| worker.runs.clone()).unwrap_or_default();
        for (job, mut left) in jobs {
            let Some(head) = self.draft.head(job).filter(|head| head.is_live() && !head.is_complete()) else {
                continue;
            };
            for task in (0..head.maps).map(|index| TaskId::map(job, index)) {
                let winner = self.draft.winner(task).filter(|winner| winner.worker == holder);
                let Some(number) = winner.map(|winner| winner.number) else { continue };
                let attempt = task.attempt(number);
                self.record(Fact::RunLost { attempt, at: self.now, loss: RunLoss::WorkerGone });
                left = left.saturating_sub(1);
                if left == 0 {
                    break;
                }
            }
        }
    }
}
