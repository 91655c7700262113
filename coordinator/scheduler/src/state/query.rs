//! What the coordinator asks of the state.

use std::ops::Bound;
use std::sync::Arc;

use gristmill_model::{
    Assignment, AttemptId, ClientId, ClusterId, Incarnation, InputMode, JobId, JobPhase, JobSpec, KvAnswer,
    MapWork, PathBytes, ReduceWork, Refusal, RequestId, RequestKey, SamplePiece, SampleWork, Segment, Stage,
    TaskId, Work, WorkerId,
};

use super::job::JobHead;
use super::store::Store;
use super::{Recorded, State, Worker};
use crate::effect::Verdict;
use crate::input::Asked;
use crate::kv::Kv;
use crate::plan::Planner;

/// Tasks of one stage of a job: what a job may ask of the coordinator's memory.
const TASKS_MAX: u64 = 1 << 22;
/// Reduces of a job: each map reports one size for each of them.
const REDUCES_MAX: u32 = 1 << 16;

/// A final output of a job, staged under its attempt's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputPart {
    /// The attempt that won.
    pub attempt: AttemptId,
    /// The staged file, absolute.
    pub path: PathBytes,
    /// Its size in bytes.
    pub bytes: u64,
    /// CRC32C of its content.
    pub checksum: u64,
}

impl State {
    /// The cluster, once it is founded.
    pub fn cluster(&self) -> Option<ClusterId> {
        self.cluster
    }

    /// Whether a job of this spec may be submitted now: `Ok(Some)` when it was already (the same key).
    pub fn admit(&self, spec: &JobSpec, planner: Planner) -> Result<Option<JobId>, Refusal> {
        if let Some(job) = self.submitted(spec.key)? {
            return Ok(Some(job));
        }
        self.sessions.check(spec.key, RequestId(0))?;
        check_spec(spec, planner)?;
        let head = |job: &JobId| self.jobs.get(job).map(|known| (*job, &known.head));
        check_output(spec, self.live.iter().filter_map(head))?;
        Ok(None)
    }

    /// The job that was submitted under this key, also when it is forgotten; the recorded refusal, if it was refused for good.
    pub fn submitted(&self, key: RequestKey) -> Result<Option<JobId>, Refusal> {
        if let Some(job) = self.job_of(key) {
            return Ok(Some(job));
        }
        match self.sessions.recorded(key)? {
            Some(Recorded::Job(job)) => Ok(Some(job)),
            Some(Recorded::Refused(refused)) => Err(refused.refusal()),
            Some(Recorded::Kv(_) | Recorded::Done) => Err(other_call(key)),
            None => Ok(None),
        }
    }

    /// What an operation of the key/value store is answered that was put to the leader: the same each time, or to try again.
    pub fn kv_answer(&self, asked: Asked) -> Result<KvAnswer, Refusal> {
        match self.answer(asked)? {
            Recorded::Kv(answer) => Ok(answer),
            Recorded::Job(_) | Recorded::Done | Recorded::Refused(_) => Err(other_call(asked.key)),
        }
    }

    /// What a request to cancel a job or to drain a worker is answered that was put to the leader: the same each time, or to try again.
    pub fn done_answer(&self, asked: Asked) -> Result<(), Refusal> {
        match self.answer(asked)? {
            Recorded::Done => Ok(()),
            Recorded::Job(_) | Recorded::Kv(_) | Recorded::Refused(_) => Err(other_call(asked.key)),
        }
    }

    /// What a request is answered that was put to the leader.
    fn answer(&self, asked: Asked) -> Result<Recorded, Refusal> {
        match self.sessions.recorded(asked.key)? {
            Some(Recorded::Refused(refused)) => Err(refused.refusal()),
            Some(answer) => Ok(answer),
            None => {
                self.sessions.check(asked.key, asked.done_below)?;
                Err(Refusal::Unavailable("it was not executed".into()))
            }
        }
    }

    /// What was recorded of a request. Refused when its client has no session (any more), or has said that it has the answer.
    pub fn recorded(&self, key: RequestKey) -> Result<Option<Recorded>, Refusal> {
        self.sessions.recorded(key)
    }

    /// The session that was opened by a call with this number.
    pub fn session_of(&self, nonce: u64) -> Option<ClientId> {
        self.sessions.of_nonce(nonce)
    }

    /// Whether a client has a session.
    pub fn has_session(&self, client: ClientId) -> bool {
        self.sessions.contains(client)
    }

    /// The key/value store.
    pub fn kv(&self) -> &Kv {
        &self.kv
    }

    /// The job that was submitted under this key, while it is remembered.
    pub fn job_of(&self, key: RequestKey) -> Option<JobId> {
        Store::job_of(self, key)
    }

    /// The registration of this incarnation, if it is registered and not lost.
    pub fn worker_of(&self, incarnation: Incarnation) -> Option<WorkerId> {
        Store::worker_of(self, incarnation)
    }

    /// Slots of all workers that are given attempts.
    pub fn slots(&self) -> u32 {
        u32::try_from(self.slots).unwrap_or(u32::MAX)
    }

    /// Jobs that are not over, in order.
    pub fn live_jobs(&self) -> Vec<JobId> {
        self.live.iter().copied().collect()
    }

    /// All remembered jobs with ids above `after`, in order.
    pub fn jobs(&self, after: JobId) -> impl Iterator<Item = JobId> + '_ {
        self.jobs.range((Bound::Excluded(after), Bound::Unbounded)).map(|(job, _)| *job)
    }

    /// The spec of a job that is remembered.
    pub fn spec(&self, job: JobId) -> Option<&Arc<JobSpec>> {
        self.jobs.get(&job).map(|job| &job.head.spec)
    }

    /// Most bytes that the splits of one task of a job take in an assignment.
    pub fn splits_bytes_max(&self, job: JobId) -> usize {
        self.jobs.get(&job).map_or(0, |job| job.names_bytes_max)
    }

    /// How far a job is.
    pub fn phase(&self, job: JobId) -> Option<JobPhase> {
        self.jobs.get(&job).map(|job| job.head.phase())
    }

    /// What the worker of a running attempt needs to know.
    pub fn assignment(&self, attempt: AttemptId) -> Option<Assignment> {
        let task = attempt.task;
        let job = self.jobs.get(&task.job)?;
        job.task(task)?.live(attempt.number)?;
        let spec = &job.head.spec;
        let work = match task.stage {
            Stage::Map => {
                let splits = job.plan.pieces(task.index).iter().map(|piece| piece.to_split(spec));
                let bounds = job.head.bounds.clone().unwrap_or_default();
                Work::Map(MapWork { splits: splits.collect::<Option<_>>()?, bounds })
            }
            Stage::Sample => {
                let pieces = job.sample_pieces.get(task.index as usize)?.iter();
                let split = |piece: &SamplePiece| piece.to_split(&spec.inputs, spec.plugin.input_mode);
                Work::Sample(SampleWork { splits: pieces.map(split).collect::<Option<_>>()? })
            }
            Stage::Reduce => Work::Reduce(ReduceWork { partition: task.index, maps: job.head.maps }),
        };
        Some(Assignment {
            attempt,
            cluster: self.cluster?,
            plugin: Arc::clone(&job.plugin),
            params: Arc::clone(&job.params),
            reduces: spec.reduces,
            memory_bytes: spec.memory_bytes,
            task_timeout_ms: spec.task_timeout_ms,
            output: spec.output.clone(),
            work,
        })
    }

    /// The most bytes that an assignment of this job may take for the sake of a total order: the pieces of a sample, or the bounds.
    pub fn order_bytes(&self, job: JobId) -> usize {
        let Some(job) = self.jobs.get(&job) else { return 0 };
        let inputs = &job.head.spec.inputs;
        match (&job.head.bounds, job.head.phase()) {
            (Some(bounds), _) => bounds.0.iter().map(|bound| bound.0.len() + 2).sum(),
            (None, JobPhase::Sampling) => {
                let file = |piece: &SamplePiece| inputs.get(piece.file as usize);
                let names = |pieces: &Vec<SamplePiece>| -> usize {
                    pieces
                        .iter()
                        .filter_map(file)
                        .map(|file| file.name.0.len() + file.path.0.len() + 64)
                        .sum()
                };
                job.sample_pieces.iter().map(names).max().unwrap_or(0)
            }
            (None, _) => 0,
        }
    }

    /// The segments of a running reduce attempt from map `from` on, in map order, at most `limit`; refused when the attempt is not (or
    /// no longer) this worker's, or when a map runs again because its run was lost: the worker then reports `Cancelled`.
    pub fn segments(
        &self,
        worker: WorkerId,
        incarnation: Incarnation,
        attempt: AttemptId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<Segment>, Refusal> {
        self.check_worker(worker, incarnation)?;
        let task = attempt.task;
        let stale = || Refusal::Invalid(format!("{attempt} is not to be run by {worker} (any more)"));
        let job = self.jobs.get(&task.job).filter(|_| task.stage == Stage::Reduce).ok_or_else(stale)?;
        let live = job.task(task).and_then(|task| task.live(attempt.number)).ok_or_else(stale)?;
        if live.worker != worker {
            return Err(stale());
        }
        let skipped = (from as usize).min(job.maps.len());
        let page = (from..).zip(job.maps.focus().narrow(skipped..)).take(limit);
        let segment = |(index, map): (u32, &super::Task)| {
            let id = TaskId::map(task.job, index);
            let winner = map
                .winner()
                .ok_or_else(|| Refusal::Unavailable(format!("{id} runs again, because its run was lost")))?;
            let path = winner.path.clone();
            Ok(Segment { attempt: id.attempt(winner.number), worker: winner.worker, path })
        };
        page.map(segment).collect()
    }

    /// What became of an attempt that was reported as good. The same however often it is asked, until its run is lost or the job is over.
    pub fn verdict(&self, attempt: AttemptId) -> Verdict {
        // An attempt is given to one worker only: whoever reports it is that worker, though perhaps under a new id.
        let winner = self.winner(attempt.task);
        let won = winner.is_some_and(|winner| winner.number == attempt.number);
        if won { Verdict::Won } else { Verdict::Discarded }
    }

    /// The final outputs of a job that is to be committed, in the order of their tasks; empty in any other phase.
    pub fn outputs(&self, job: JobId) -> Vec<OutputPart> {
        let Some(known) = self.jobs.get(&job).filter(|job| job.head.phase() == JobPhase::Committing) else {
            return Vec::new();
        };
        let stage = known.head.final_stage();
        let part = |(index, task): (u32, &super::Task)| {
            let winner = task.winner()?;
            Some(OutputPart {
                attempt: TaskId { job, stage, index }.attempt(winner.number),
                path: winner.path.clone(),
                bytes: winner.bytes,
                checksum: winner.checksum,
            })
        };
        (0..).zip(known.tasks(stage)).filter_map(part).collect()
    }

    /// Whether this worker is registered and lives in this incarnation.
    pub fn check_worker(&self, worker: WorkerId, incarnation: Incarnation) -> Result<(), Refusal> {
        let known = self.workers.get(&worker);
        if is_registered(known.map(|known| &**known), incarnation) {
            Ok(())
        } else {
            Err(Refusal::UnknownWorker)
        }
    }
}

pub(crate) fn is_registered(worker: Option<&Worker>, incarnation: Incarnation) -> bool {
    worker.is_some_and(|worker| worker.is_live() && worker.incarnation == incarnation)
}

fn other_call(key: RequestKey) -> Refusal {
    Refusal::Invalid(format!("request {} of {} was another call", key.request.0, key.client))
}

/// Whether a spec can be run at all.
pub(crate) fn check_spec(spec: &JobSpec, planner: Planner) -> Result<(), Refusal> {
    let invalid = |message: String| Err(Refusal::Invalid(message));
    if spec.split_bytes == 0 {
        return invalid("the split size must be at least one byte".into());
    }
    if spec.max_attempts == 0 || spec.task_timeout_ms == 0 {
        return invalid("the number of attempts and the task timeout must be above zero".into());
    }
    if spec.plugin.input_mode == InputMode::Records(0) {
        return invalid(format!("app {} wants records of zero bytes", spec.plugin.name));
    }
    if spec.plugin.map_only && spec.reduces > 0 {
        return invalid(format!("app {} is map-only, so it has no reduces", spec.plugin.name));
    }
    if spec.plugin.map_only && spec.plugin.total_order {
        return invalid(format!("app {} is map-only, so it has no total order", spec.plugin.name));
    }
    if spec.reduces > REDUCES_MAX {
        return invalid(format!("{} reduces are too many; choose at most {REDUCES_MAX}", spec.reduces));
    }
    if planner.count(spec, TASKS_MAX) > TASKS_MAX {
        return invalid(format!("there would be more than {TASKS_MAX} splits; choose a larger --split-size"));
    }
    Ok(())
}

/// Two jobs at once may not write to the same place.
pub(crate) fn check_output<'a>(
    spec: &JobSpec,
    mut live: impl Iterator<Item = (JobId, &'a JobHead)>,
) -> Result<(), Refusal> {
    match live.find(|(_, head)| head.spec.output == spec.output) {
        None => Ok(()),
        Some((job, _)) => Err(Refusal::Invalid(format!(
            "job {job} is still writing to {}; choose another output directory or wait for it to end",
            spec.output
        ))),
    }
}
