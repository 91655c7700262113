//! What people are told about jobs and workers.

use std::ops::RangeInclusive;

use gristmill_model::{
    AttemptId, JobId, JobStatus, NotFound, Stage, StageStatus, TaskId, Timestamp, WorkerId, WorkerStatus,
};

use super::Leader;
use super::memory::Watch;
use crate::state::{Job, State, Worker};

/// Revisions count facts in their upper bits and changes of progress in so many lower ones.
const PROGRESS_BITS: u32 = 20;

impl Leader {
    /// All about a job.
    pub fn job_status(&self, state: &State, job: JobId) -> Result<JobStatus, NotFound> {
        let known = state.job(job).ok_or(NotFound::Job(job))?;
        let (head, figures) = (&known.head, &known.figures);
        Ok(JobStatus {
            id: job,
            app: head.spec.plugin.name.clone(),
            output: head.spec.output.clone(),
            phase: head.phase(),
            revision: self.revision_of(job, known),
            submitted: head.submitted,
            ended: head.end.as_ref().map(|end| end.at),
            sample: self.stage_status(job, known, Stage::Sample),
            map: self.stage_status(job, known, Stage::Map),
            reduce: self.stage_status(job, known, Stage::Reduce),
            attempts: figures.tally,
            map_stats: figures.map_stats.clone(),
            reduce_stats: figures.reduce_stats.clone(),
            counters: figures.counters(),
            slowest: figures.slowest,
            biggest_partition: figures.biggest_partition(),
            warnings: figures.warnings.clone(),
        })
    }

    /// The `revision` of its status, cheaply.
    ///
    /// A new leader counts progress from zero, so it may fall back a little, until the next fact.
    pub fn revision(&self, state: &State, job: JobId) -> Option<u64> {
        state.job(job).map(|known| self.revision_of(job, known))
    }

    /// The live workers.
    pub fn workers(&self, state: &State, now: Timestamp) -> Vec<WorkerStatus> {
        let live = state.all_workers().filter(|(_, worker)| worker.is_live());
        let status = |(id, worker): (WorkerId, &Worker)| {
            let heard = self.contacts.get(&id).map_or(now, |contact| contact.heard);
            WorkerStatus {
                id,
                name: worker.name.to_string(),
                slots: worker.slots,
                running: worker.running.iter().copied().collect(),
                silent_ms: now.ms.saturating_sub(heard.ms),
                failures: worker.failures,
                draining: worker.draining,
            }
        };
        live.map(status).collect()
    }

    fn revision_of(&self, job: JobId, known: &Job) -> u64 {
        let progress = self.progress.get(&job).copied().unwrap_or(0);
        (known.head.revision << PROGRESS_BITS) | progress.min((1 << PROGRESS_BITS) - 1)
    }

    fn stage_status(&self, job: JobId, known: &Job, stage: Stage) -> StageStatus {
        let (head, figures) = (&known.head, &known.figures);
        let (total, done, running, bytes_total, bytes_done) = match stage {
            Stage::Sample => {
                let bytes = (figures.sample_bytes, figures.sample_bytes_done);
                (head.samples, head.samples_done, figures.running_samples, bytes.0, bytes.1)
            }
            Stage::Map => {
                let bytes = (figures.map_bytes, figures.map_bytes_done);
                (head.maps, head.maps_done, figures.running_maps, bytes.0, bytes.1)
            }
            Stage::Reduce => {
                let bytes = figures.partitions.iter().copied().fold(0, u64::saturating_add);
                (
                    head.spec.reduces,
                    head.reduces_done,
                    figures.running_reduces,
                    bytes,
                    figures.reduce_bytes_done,
                )
            }
        };
        let watched = self.watches.range(attempts_of(job, stage));
        let waiting = watched.clone().filter(|(attempt, _)| self.waiting.has(**attempt)).count();
        let running = running.saturating_sub(u32::try_from(waiting).unwrap_or(u32::MAX));
        let read =
            watched.fold(0u64, |sum, (attempt, watch)| sum.saturating_add(read_bytes(known, attempt, watch)));
        let bytes_done = bytes_done.saturating_add(read).min(bytes_total);
        StageStatus { total, done, running, bytes_total, bytes_done }
    }
}

/// A backup does not count beside the first attempt.
fn read_bytes(job: &Job, attempt: &AttemptId, watch: &Watch) -> u64 {
    let first = job.task(attempt.task).and_then(|task| task.live.first());
    if first.is_some_and(|live| live.number == attempt.number) {
        watch.bytes_in.min(job.input_bytes(attempt.task))
    } else {
        0
    }
}

/// Every attempt id of a stage.
pub(crate) fn attempts_of(job: JobId, stage: Stage) -> RangeInclusive<AttemptId> {
    let attempt = |index, number| TaskId { job, stage, index }.attempt(number);
    attempt(0, 0)..=attempt(u32::MAX, u32::MAX)
}
