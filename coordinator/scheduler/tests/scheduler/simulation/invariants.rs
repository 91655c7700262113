//! What must hold after every step.

use gristmill_model::{JobId, JobStatus, Stage, TaskId, Timestamp, WorkerId};
use gristmill_scheduler::{Answer, Leader, State, Verdict};

use super::life::Life;
use super::network::Message;

impl Life {
    /// What is told is true now.
    pub(super) fn check_told(&mut self, message: &Message) {
        match message {
            Message::Answered(_, _, answer) => self.check_verdicts(answer),
            Message::Ordered(_, _, worker, Ok(orders)) if orders.leave => self.check_leave(*worker),
            _ => {}
        }
    }

    fn check_verdicts(&mut self, answer: &Answer) {
        let Ok(reply) = &answer.reply else { return };
        for (attempt, verdict) in &reply.verdicts {
            let winner = self.ledger.winners.get(&attempt.task).map(|(winner, _)| *winner);
            let live = self.state.live_jobs().contains(&attempt.task.job);
            let expected = if live && winner == Some(*attempt) { Verdict::Won } else { Verdict::Discarded };
            assert_eq!(*verdict, expected, "verdict on {attempt}");
            if expected == Verdict::Discarded {
                self.met.note("discarded");
            }
        }
        if reply.orders.leave {
            self.check_leave(answer.worker);
        }
        let live = self.state.live_jobs();
        for attempt in reply.orders.cancel.iter().filter(|attempt| live.contains(&attempt.task.job)) {
            let winner = self.ledger.winners.get(&attempt.task).map(|(winner, _)| *winner);
            assert_ne!(winner, Some(*attempt), "a winner is told to stop");
        }
    }

    /// The memory of a leader fits the state that it leads from, and the state fits the account.
    pub(super) fn check_leader(&mut self, leader: &Leader, state: &State, decided_at: Timestamp) {
        leader.validate(state).unwrap_or_else(|wrong| panic!("the leader's memory: {wrong}"));
        if !self.rng.chance(250) {
            return;
        }
        for (id, job) in &self.ledger.jobs {
            let Ok(status) = leader.job_status(state, *id) else {
                assert!(job.over.is_some(), "{id} is forgotten and was not over");
                continue;
            };
            assert_eq!(status.phase.is_final(), job.over.is_some());
            let counted = status.counters.get("c").copied().unwrap_or(0);
            assert_eq!(counted, job.final_counter.unwrap_or(job.counter), "{id} counts winners only");
            assert_eq!(!status.warnings.is_empty(), job.changed_digest, "{id}: {:?}", status.warnings);
            if !status.phase.is_final() {
                check_owners(leader, state, decided_at, *id, &status);
            }
        }
    }

    /// It drains, runs nothing, and no job may read what it made.
    pub(super) fn check_leave(&self, worker: WorkerId) {
        assert!(self.ledger.draining.contains(&worker), "{worker} is sent away and was not to drain");
        assert!(
            self.ledger.running.values().all(|on| *on != worker),
            "{worker} is sent away and runs something"
        );
        for (attempt, _) in self.ledger.winners.values() {
            let task = attempt.task;
            let made = self.ledger.made_by.get(attempt) == Some(&worker) && task.stage == Stage::Map;
            let job = &self.ledger.jobs[&task.job];
            let needed = job.over.is_none() && job.reduces > 0 && !self.ledger.complete(task.job);
            assert!(!(made && needed), "{worker} is sent away with the run of {attempt}");
        }
    }
}

/// Each unfinished task is queued, or runs with a deadline that has not passed, and says so; what has no deadline says what must happen.
fn check_owners(leader: &Leader, state: &State, now: Timestamp, job: JobId, status: &JobStatus) {
    let of = |stage, total| (0..total).map(move |index| TaskId { job, stage, index });
    let samples = of(Stage::Sample, status.sample.total);
    let maps = of(Stage::Map, status.map.total);
    for task in samples.chain(maps).chain(of(Stage::Reduce, status.reduce.total)) {
        let explained = leader.explain(state, now, job, Some(task)).expect("the task is there");
        let runs = explained[0].text.contains(" runs on ");
        if runs {
            let deadline = explained[0].deadline.expect("a running attempt has a deadline");
            assert!(deadline > now, "{task} is overdue: {explained:?}");
        }
        let text = &explained[0].text;
        let owned = explained[0].deadline.is_some()
            || text.contains(" until ")
            || text.starts_with("waits for nothing: ");
        assert!(owned, "{task} waits, and nobody knows for what: {explained:?}");
    }
}
