//! An independent account of what the facts say, kept without the scheduler's state, and the rules that they must keep.

use std::collections::{BTreeMap, BTreeSet};

use gristmill_model::{AttemptId, JobId, Stage, TaskId, WorkerId};
use gristmill_scheduler::{EndCause, Fact, TaskResult};

#[derive(Debug, Default)]
pub(crate) struct Job {
    pub(crate) samples: u32,
    pub(crate) parted: bool,
    pub(crate) maps: u32,
    pub(crate) reduces: u32,
    pub(crate) max_attempts: u32,
    pub(crate) over: Option<&'static str>,
    pub(crate) counter: i64,
    pub(crate) final_counter: Option<i64>,
    pub(crate) changed_digest: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) jobs: BTreeMap<JobId, Job>,
    pub(crate) winners: BTreeMap<TaskId, (AttemptId, i64)>,
    /// Of the last run that each map made and that won.
    pub(crate) digests: BTreeMap<TaskId, u64>,
    /// What each reduce attempt has read, by map.
    pub(crate) read: BTreeMap<AttemptId, Vec<u64>>,
    pub(super) running: BTreeMap<AttemptId, WorkerId>,
    /// Who ran each attempt that ever was.
    pub(super) made_by: BTreeMap<AttemptId, WorkerId>,
    pub(super) draining: BTreeSet<WorkerId>,
    pub(super) started: BTreeSet<AttemptId>,
    pub(super) failures: BTreeMap<TaskId, u32>,
    pub(super) setbacks: BTreeMap<TaskId, u32>,
    pub(super) commit_failures: BTreeMap<JobId, u32>,
    pub(crate) setbacks_max: u32,
    pub(crate) commit_tries_max: u32,
}

impl Ledger {
    fn stage_done(&self, job: JobId, stage: Stage, total: u32) -> bool {
        (0..total).all(|index| self.winners.contains_key(&TaskId { job, stage, index }))
    }

    pub(super) fn complete(&self, job: JobId) -> bool {
        let known = &self.jobs[&job];
        match known.reduces {
            0 => self.stage_done(job, Stage::Map, known.maps),
            reduces => self.stage_done(job, Stage::Reduce, reduces),
        }
    }

    fn withdraw(&mut self, attempt: AttemptId) {
        assert!(!self.complete(attempt.task.job), "{attempt} is withdrawn though all outputs are there");
        let (winner, counter) = self.winners.remove(&attempt.task).expect("only a winner is withdrawn");
        assert_eq!(winner, attempt, "only the winner is withdrawn");
        self.job(attempt.task.job).counter -= counter;
    }

    fn job(&mut self, job: JobId) -> &mut Job {
        let job = self.jobs.get_mut(&job).expect("a fact about a job that was submitted");
        assert_eq!(job.over, None, "a job that is over never changes");
        job
    }

    fn end(&mut self, job: JobId, how: &'static str) {
        let counter = self.job(job).counter;
        self.job(job).final_counter = Some(counter);
        self.job(job).over = Some(how);
        self.running.retain(|attempt, _| attempt.task.job != job);
    }

    /// Takes down one fact, and complains when it breaks a rule. `reported_good` says whether the worker ever reported this result.
    pub(crate) fn take_down(
        &mut self,
        fact: &Fact,
        samples: u32,
        maps: u32,
        reported_good: impl Fn(AttemptId) -> bool,
    ) {
        match fact {
            Fact::JobSubmitted { job, spec, .. } => {
                let (reduces, max_attempts) = (spec.reduces, spec.max_attempts);
                let known =
                    Job { samples, parted: samples == 0, maps, reduces, max_attempts, ..Job::default() };
                assert!(self.jobs.insert(*job, known).is_none(), "{job} submitted twice");
            }
            Fact::AttemptAssigned { attempt, worker, backup, .. } => {
                let task = attempt.task;
                self.job(task.job);
                assert!(self.started.insert(*attempt), "{attempt} given out twice");
                assert!(!self.winners.contains_key(&task), "{attempt} given out though the task is won");
                let beside = self.running.keys().filter(|other| other.task == task).count();
                assert_eq!(beside, usize::from(*backup), "{attempt} runs beside {beside}");
                if task.stage != Stage::Sample {
                    assert!(self.jobs[&task.job].parted, "{attempt} before the bounds are known");
                }
                if task.stage == Stage::Reduce {
                    let maps = self.jobs[&task.job].maps;
                    assert!(self.stage_done(task.job, Stage::Map, maps), "{attempt} before its maps");
                }
                assert!(!self.draining.contains(worker), "{attempt} is given to {worker}, which drains");
                self.running.insert(*attempt, *worker);
                self.made_by.insert(*attempt, *worker);
            }
            Fact::TaskWon { attempt, result, .. } => {
                let task = attempt.task;
                assert!(reported_good(*attempt), "{attempt} never reported that it was good");
                assert!(self.running.contains_key(attempt), "{attempt} wins though it has ended");
                self.running.retain(|other, _| other.task != task);
                let counter = match result {
                    TaskResult::Map(made) => made.stats.counters.values().sum(),
                    TaskResult::Reduce(made) => made.stats.counters.values().sum(),
                    TaskResult::Sample(_) => 0,
                };
                assert!(self.winners.insert(task, (*attempt, counter)).is_none(), "{task} won twice");
                self.job(task.job).counter += counter;
                if let TaskResult::Map(made) = result
                    && self.digests.insert(task, made.digest).is_some_and(|digest| digest != made.digest)
                {
                    self.job(task.job).changed_digest = true;
                }
                if self.complete(task.job) {
                    self.running.retain(|other, _| other.task.job != task.job);
                    self.check_reads(task.job);
                }
            }
            Fact::AttemptEnded { attempt, cause, .. } => {
                self.job(attempt.task.job);
                assert!(self.running.remove(attempt).is_some(), "{attempt} ends twice");
                let counts = match cause {
                    EndCause::Failed { .. } => Some(&mut self.failures),
                    EndCause::TakenBack => None,
                    _ => Some(&mut self.setbacks),
                };
                if let Some(counts) = counts {
                    *counts.entry(attempt.task).or_default() += 1;
                }
            }
            Fact::WorkerLost { worker, .. } => self.running.retain(|_, on| on != worker),
            Fact::RunLost { attempt, .. } => {
                assert_eq!(attempt.task.stage, Stage::Map, "only maps have runs");
                *self.setbacks.entry(attempt.task).or_default() += 1;
                self.withdraw(*attempt);
            }
            Fact::ReduceOutdated { attempt, by, .. } => {
                assert_eq!(self.winners[&by.task].0, *by, "outdated by a winner");
                let old = self.read[attempt][by.task.index as usize];
                assert_ne!(old, self.digests[&by.task], "{attempt} has read what {by} made");
                self.withdraw(*attempt);
            }
            Fact::CommitFailed { job, .. } => {
                self.job(*job);
                *self.commit_failures.entry(*job).or_default() += 1;
            }
            Fact::JobCommitted { job, .. } => {
                assert!(self.complete(*job), "{job} committed without all outputs");
                self.end(*job, "done");
            }
            Fact::JobFailed { job, message, .. } => {
                self.check_failure(*job, message);
                self.end(*job, "failed");
            }
            Fact::JobCancelled { job, .. } => {
                assert!(!self.complete(*job), "{job} cancelled while it commits");
                self.end(*job, "cancelled");
            }
            Fact::JobForgotten { job } => {
                let job = self.jobs.get_mut(job).expect("a job that was submitted");
                assert!(job.over.is_some(), "a job is forgotten before its end");
            }
            Fact::BoundsChosen { job, .. } => {
                assert!(!self.job(*job).parted, "{job} is parted twice");
                let samples = self.job(*job).samples;
                assert!(self.stage_done(*job, Stage::Sample, samples), "{job} is parted before its samples");
                self.job(*job).parted = true;
            }
            Fact::WorkerDraining { worker, .. } => {
                assert!(self.draining.insert(*worker), "{worker} drains twice");
            }
            Fact::WorkerJoined { .. }
            | Fact::Founded { .. }
            | Fact::SessionOpened { .. }
            | Fact::SessionKept { .. }
            | Fact::SessionExpired { .. }
            | Fact::KvApplied { .. }
            | Fact::RequestRefused { .. }
            | Fact::RequestFulfilled { .. } => {}
        }
    }

    /// Whoever wins has read what the maps' last winners made.
    fn check_reads(&self, job: JobId) {
        let known = &self.jobs[&job];
        for index in 0..known.reduces {
            let (attempt, _) = self.winners[&TaskId::reduce(job, index)];
            let read = self.read.get(&attempt).map_or(&[][..], |read| read);
            assert_eq!(read.len(), known.maps as usize, "{attempt} has read every map once");
            for (map, digest) in (0u32..).zip(read) {
                assert_eq!(
                    self.digests[&TaskId::map(job, map)],
                    *digest,
                    "{attempt} has read an old run of map {map}"
                );
            }
        }
    }

    /// Only user errors use up the attempts of a task.
    fn check_failure(&self, job: JobId, message: &str) {
        let of = |counts: &BTreeMap<TaskId, u32>| {
            counts.iter().filter(|(task, _)| task.job == job).map(|(_, count)| *count).max().unwrap_or(0)
        };
        let reason = of(&self.failures) >= self.jobs[&job].max_attempts
            || of(&self.setbacks) >= self.setbacks_max
            || self.commit_failures.get(&job).copied().unwrap_or(0) + 1 >= self.commit_tries_max;
        assert!(reason, "{job} failed without a reason: {message}");
    }
}
