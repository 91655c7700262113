//! What must hold after every step.

use gristmill_model::{JobId, JobStatus, Stage, TaskId, WorkerId};
use gristmill_scheduler::{Answer, State, Verdict, apply};

use super::life::Life;
use super::roundtrip;

impl Life {
    pub(super) fn check_verdicts(&mut self, answer: &Answer) {
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

    pub(super) fn check(&mut self) {
        self.state.validate().unwrap_or_else(|wrong| panic!("the state: {wrong}"));
        assert_eq!(self.state, self.mirror, "a replay gives another state");
        self.check_kv();
        for (id, job) in &self.ledger.jobs {
            let Ok(status) = self.leader.job_status(&self.state, *id) else {
                assert!(job.over.is_some(), "{id} is forgotten and was not over");
                continue;
            };
            assert_eq!(status.phase.is_final(), job.over.is_some());
            let counted = status.counters.get("c").copied().unwrap_or(0);
            assert_eq!(counted, job.final_counter.unwrap_or(job.counter), "{id} counts winners only");
            assert_eq!(!status.warnings.is_empty(), job.changed_digest, "{id}: {:?}", status.warnings);
            if !status.phase.is_final() {
                self.check_owners(*id, &status);
            }
        }
    }

    /// Each unfinished task is queued, or runs with a deadline that has not passed, and says so.
    fn check_owners(&self, job: JobId, status: &JobStatus) {
        let of = |stage, total| (0..total).map(move |index| TaskId { job, stage, index });
        let samples = of(Stage::Sample, status.sample.total);
        let maps = of(Stage::Map, status.map.total);
        for task in samples.chain(maps).chain(of(Stage::Reduce, status.reduce.total)) {
            let explained =
                self.leader.explain(&self.state, self.now, job, Some(task)).expect("the task is there");
            let runs = explained[0].text.contains(" runs on ");
            if runs {
                let deadline = explained[0].deadline.expect("a running attempt has a deadline");
                assert!(deadline > self.now, "{task} is overdue: {explained:?}");
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

    /// Replays the whole log, and the end of it on the last snapshot.
    pub(super) fn check_replay(&self) {
        self.check_rest(0, State::new());
        let (from, restored) = self.snapshot.clone();
        self.check_rest(from, restored);
    }

    /// A snapshot anywhere in the log, with the rest of it, is the state that was.
    pub(super) fn check_snapshot(&mut self) {
        let cut = self.rng.below(self.log.len() as u64 + 1) as usize;
        let mut state = State::new();
        for fact in &self.log[..cut] {
            apply(&mut state, fact).unwrap_or_else(|illegal| panic!("{illegal}"));
        }
        let restored: State = roundtrip(&state);
        assert_eq!(restored, state);
        restored.validate().unwrap_or_else(|wrong| panic!("a restored state: {wrong}"));
        self.check_rest(cut, restored);
    }

    fn check_rest(&self, from: usize, mut state: State) {
        for fact in &self.log[from..] {
            apply(&mut state, fact).unwrap_or_else(|illegal| panic!("{illegal}"));
        }
        assert_eq!(state, self.state, "what was at fact {from} and the rest of the log give another state");
    }
}
