//! What follows from the report of an attempt: the first good one of a task wins, stale ones change nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use gristmill_model::{
    AttemptId, Bounds, FailureCause, JobId, JobPhase, LostRun, Outcome, Report, Stage, TaskFailure, TaskId,
    WorkerId,
};

use super::decision::Decision;
use super::message;
use crate::fact::{EndCause, Fact, RunLoss, TaskResult};
use crate::state::Store;

/// Bytes of a path that is worth keeping.
const PATH_BYTES_MAX: usize = 4_096;

impl Decision<'_> {
    pub(crate) fn report(&mut self, worker: WorkerId, report: &Report) {
        let attempt = report.attempt;
        if let Some(contact) = self.leader.contacts.get_mut(&worker) {
            contact.holds.remove(&attempt);
        }
        let live = self.draft.task(attempt.task).and_then(|task| task.live(attempt.number));
        let is_live_job = self.draft.head(attempt.task.job).is_some_and(|head| head.is_live());
        if !is_live_job || live.is_none_or(|live| live.worker != worker) {
            return;
        }
        match &report.outcome {
            Outcome::Mapped(result) => self.good(worker, report, TaskResult::Map(result.clone())),
            Outcome::Reduced(result) => self.good(worker, report, TaskResult::Reduce(result.clone())),
            Outcome::Sampled(result) => self.good(worker, report, TaskResult::Sample(result.clone())),
            Outcome::Failed(failure) => self.fail(worker, report, failure),
            Outcome::RunsLost(runs) => self.runs_lost(attempt, runs),
            Outcome::Cancelled => {
                self.end(attempt, EndCause::Cancelled);
                self.check_setbacks(attempt.task, "its worker gave it up");
            }
        }
    }

    pub(crate) fn end(&mut self, attempt: AttemptId, cause: EndCause) {
        self.record(Fact::AttemptEnded { attempt, at: self.now, cause });
    }

    fn good(&mut self, worker: WorkerId, report: &Report, result: TaskResult) {
        let attempt = report.attempt;
        if let Some(message) = self.objection(attempt.task, &result) {
            let failure = TaskFailure { cause: FailureCause::Plugin, message, location: None };
            return self.fail(worker, report, &failure);
        }
        let changed = match (&result, self.draft.lost_digest(attempt.task)) {
            (TaskResult::Map(made), Some(digest)) => made.digest != digest,
            _ => false,
        };
        self.record(Fact::TaskWon { attempt, at: self.now, result });
        if changed && self.draft.head(attempt.task.job).is_some_and(|head| !head.is_complete()) {
            self.outdate_reduces(attempt);
        }
        if attempt.task.stage == Stage::Sample {
            self.choose_bounds(attempt.task.job);
        }
    }

    /// When all samples are there, what they show decides where partitions begin.
    fn choose_bounds(&mut self, job: JobId) {
        let Some(head) = self.draft.head(job).filter(|head| head.phase() == JobPhase::Sampling) else {
            return;
        };
        if head.samples_done < head.samples {
            return;
        }
        let winners = (0..head.samples).filter_map(|index| self.draft.winner(TaskId::sample(job, index)));
        let keys = winners.filter_map(|winner| winner.keys.as_deref()).flatten();
        let bounds = Arc::new(Bounds::choose(keys, head.spec.reduces));
        self.record(Fact::BoundsChosen { job, at: self.now, bounds });
    }

    /// What is wrong with a result that a worker of the same version could not have sent.
    fn objection(&self, task: TaskId, result: &TaskResult) -> Option<String> {
        let head = self.draft.head(task.job)?;
        let reduces = head.spec.reduces as usize;
        let (stage, path, partitions) = match result {
            TaskResult::Map(made) => (Stage::Map, Some(&made.path), made.partitions.len()),
            TaskResult::Reduce(made) => (Stage::Reduce, Some(&made.path), reduces),
            TaskResult::Sample(_) => (Stage::Sample, None, reduces),
        };
        let path_bytes = path.map(|path| path.0.len());
        if stage != task.stage {
            Some(format!("the worker reported a {stage} result for a {}", task.stage))
        } else if partitions != reduces {
            Some(format!("the worker reported {partitions} partitions instead of {}", head.spec.reduces))
        } else {
            let wrong = path_bytes.filter(|bytes| !(1..=PATH_BYTES_MAX).contains(bytes));
            wrong.map(|bytes| format!("the worker reported a path of {bytes} bytes"))
        }
    }

    /// A map that ran again has made something else: whatever has read, or may be reading, the old run starts over.
    fn outdate_reduces(&mut self, by: AttemptId) {
        let job = by.task.job;
        let from = TaskId::reduce(job, 0).attempt(0);
        let running = self.leader.watches.range(from..).map(|(attempt, _)| *attempt);
        let running: Vec<_> = running
            .take_while(|attempt| attempt.task.job == job && attempt.task.stage == Stage::Reduce)
            .collect();
        for attempt in running {
            self.end(attempt, EndCause::Outdated);
        }
        let reduces = self.draft.head(job).map_or(0, |head| head.spec.reduces);
        for task in (0..reduces).map(|index| TaskId::reduce(job, index)) {
            if let Some(number) = self.draft.winner(task).map(|winner| winner.number) {
                self.record(Fact::ReduceOutdated { attempt: task.attempt(number), at: self.now, by });
            }
        }
    }

    fn fail(&mut self, worker: WorkerId, report: &Report, failure: &TaskFailure) {
        let task = report.attempt.task;
        let name = self.draft.worker(worker).map_or_else(Default::default, |worker| worker.name.clone());
        let message = message::of_failure(report, failure, &name);
        self.end(report.attempt, EndCause::Failed { cause: failure.cause, message: message.clone() });

        let limit = self.draft.head(task.job).map_or(u32::MAX, |head| head.spec.max_attempts);
        let Some(state) = self.draft.task(task) else { return };
        let failures = state.failures();
        if failures >= limit {
            let first = state.trouble.as_ref().and_then(|trouble| trouble.first.clone());
            let first = first.as_deref().unwrap_or(&message);
            let message = message::of_job(task, failures, first);
            self.record(Fact::JobFailed { job: task.job, at: self.now, message });
        }
    }

    fn runs_lost(&mut self, attempt: AttemptId, runs: &[LostRun]) {
        let job = attempt.task.job;
        self.end(attempt, EndCause::RunsLost);
        let mut gone = BTreeSet::new();
        for run in runs {
            let map = run.attempt.task;
            let winner = self.draft.winner(map).filter(|winner| winner.number == run.attempt.number);
            let Some(holder) = winner.map(|winner| winner.worker) else { continue };
            if map.job != job || map.stage != Stage::Map || !self.is_live_job(job) {
                continue;
            }
            if self.draft.worker(holder).is_some_and(|worker| worker.is_live()) {
                self.record(Fact::RunLost { attempt: run.attempt, at: self.now, loss: RunLoss::Damaged });
                self.check_setbacks(map, &message::of_lost_run(run, holder));
            } else {
                gone.insert(holder);
            }
        }
        for holder in gone {
            self.give_up_runs(holder);
        }
        self.check_setbacks(attempt.task, "it could not read the runs of its maps");
    }

    /// A task that is given up again and again without an error of its own must not run for ever.
    pub(crate) fn check_setbacks(&mut self, task: TaskId, last: &str) {
        let setbacks = self.draft.task(task).map_or(0, |task| task.setbacks());
        if setbacks >= self.leader.settings.setbacks_max && self.is_live_job(task.job) {
            let message = message::of_setbacks(task, setbacks, last);
            self.record(Fact::JobFailed { job: task.job, at: self.now, message });
        }
    }

    pub(crate) fn is_live_job(&self, job: JobId) -> bool {
        self.draft.head(job).is_some_and(|head| head.is_live())
    }
}
