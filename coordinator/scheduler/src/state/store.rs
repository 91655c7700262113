//! Where facts are written: the replicated state itself, or a leader's draft on top of it.
//!
//! The mechanism is written once over this trait, so what the leader thinks its facts will do is what they do.

use std::sync::Arc;

use gristmill_model::{
    AttemptStats, ClusterId, Incarnation, JobId, JobSpec, RequestKey, TaskId, Timestamp, WorkerId,
};

use super::job::{Figures, Job, JobEnd, JobHead};
use super::task::{Outcome, Task};
use super::worker::Worker;
use super::{Sessions, State, task::Winner};
use crate::kv::Kv;
use crate::plan::Planner;
use crate::sampler::Sampler;

/// The reads and writes of the mechanism.
pub(crate) trait Store {
    fn cluster(&self) -> Option<ClusterId>;
    fn found(&mut self, cluster: ClusterId);
    fn sessions(&self) -> &Sessions;
    fn sessions_mut(&mut self) -> &mut Sessions;
    fn kv(&self) -> &Kv;
    fn kv_mut(&mut self) -> &mut Kv;

    fn next_job(&self) -> JobId;
    fn next_worker(&self) -> WorkerId;
    fn job_of(&self, key: RequestKey) -> Option<JobId>;
    fn worker_of(&self, incarnation: Incarnation) -> Option<WorkerId>;

    fn head(&self, job: JobId) -> Option<&JobHead>;
    fn head_mut(&mut self, job: JobId) -> Option<&mut JobHead>;
    fn task(&self, task: TaskId) -> Option<&Task>;
    fn task_mut(&mut self, task: TaskId) -> Option<&mut Task>;
    fn worker(&self, worker: WorkerId) -> Option<&Worker>;
    fn worker_mut(&mut self, worker: WorkerId) -> Option<&mut Worker>;
    /// All workers, the lost ones too, in order.
    fn worker_ids(&self) -> Vec<WorkerId>;

    /// Adds a job under the next id.
    fn add_job(&mut self, head: JobHead, planner: Planner, sampler: Sampler);
    /// Ends a job, whose attempts have ended, and frees its tasks.
    fn end_job(&mut self, job: JobId, end: JobEnd);
    fn forget_job(&mut self, job: JobId);
    /// Adds a worker under the next id.
    fn add_worker(&mut self, worker: Worker);
    /// It is given nothing any more.
    fn drain(&mut self, worker: WorkerId);
    /// It is lost, and its incarnation may register again.
    fn unregister(&mut self, worker: WorkerId, at: Timestamp);
    fn forget_worker(&mut self, worker: WorkerId);
    /// Puts a task into, or takes it out of, the queue of its stage.
    fn set_ready(&mut self, task: TaskId, ready: bool);

    /// Lets the figures of a job be changed, where figures are kept at all.
    fn with_figures(&mut self, job: JobId, change: impl FnOnce(&mut Figures));
    /// Counters by number, where figures are kept at all.
    fn number_counters(&mut self, job: JobId, stats: &AttemptStats) -> Box<[(u32, i64)]>;
    /// Bytes that the task has to read.
    fn input_bytes(&self, task: TaskId) -> u64;

    /// The winner of a task, if it has one.
    fn winner(&self, task: TaskId) -> Option<&Arc<Winner>> {
        self.task(task).and_then(Task::winner)
    }

    /// The digest of the run that a task has lost.
    fn lost_digest(&self, task: TaskId) -> Option<u64> {
        match self.task(task)?.outcome {
            Outcome::RunLost { digest } => Some(digest),
            Outcome::Open | Outcome::Won(_) => None,
        }
    }
}

/// The head of a job that has just been submitted.
pub(crate) fn new_head(spec: &Arc<JobSpec>, samples: u32, maps: u32, submitted: Timestamp) -> JobHead {
    JobHead {
        spec: Arc::clone(spec),
        submitted,
        samples,
        samples_done: 0,
        bounds: None,
        maps,
        maps_done: 0,
        reduces_done: 0,
        running: 0,
        commit_failures: 0,
        end: None,
        revision: 1,
        messages: 0,
    }
}

impl Store for State {
    fn cluster(&self) -> Option<ClusterId> {
        self.cluster
    }

    fn found(&mut self, cluster: ClusterId) {
        self.cluster = Some(cluster);
    }

    fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    fn sessions_mut(&mut self) -> &mut Sessions {
        &mut self.sessions
    }

    fn kv(&self) -> &Kv {
        &self.kv
    }

    fn kv_mut(&mut self) -> &mut Kv {
        &mut self.kv
    }

    fn next_job(&self) -> JobId {
        self.next_job
    }

    fn next_worker(&self) -> WorkerId {
        self.next_worker
    }

    fn job_of(&self, key: RequestKey) -> Option<JobId> {
        self.keys.get(&key).copied()
    }

    fn worker_of(&self, incarnation: Incarnation) -> Option<WorkerId> {
        self.incarnations.get(&incarnation).copied()
    }

    fn head(&self, job: JobId) -> Option<&JobHead> {
        self.jobs.get(&job).map(|job| &job.head)
    }

    fn head_mut(&mut self, job: JobId) -> Option<&mut JobHead> {
        self.jobs.get_mut(&job).map(|job| &mut Arc::make_mut(job).head)
    }

    fn task(&self, task: TaskId) -> Option<&Task> {
        self.jobs.get(&task.job)?.task(task)
    }

    fn task_mut(&mut self, task: TaskId) -> Option<&mut Task> {
        Arc::make_mut(self.jobs.get_mut(&task.job)?).task_mut(task)
    }

    fn worker(&self, worker: WorkerId) -> Option<&Worker> {
        self.workers.get(&worker).map(|worker| &**worker)
    }

    fn worker_mut(&mut self, worker: WorkerId) -> Option<&mut Worker> {
        self.workers.get_mut(&worker).map(Arc::make_mut)
    }

    fn worker_ids(&self) -> Vec<WorkerId> {
        self.workers.keys().copied().collect()
    }

    fn add_job(&mut self, head: JobHead, planner: Planner, sampler: Sampler) {
        let id = self.next_job;
        self.next_job = JobId(id.0.saturating_add(1));
        self.keys.insert(head.spec.key, id);
        self.live.insert(id);
        let (plan, samples) = (planner.plan(&head.spec), sampler.tasks(&head.spec));
        self.jobs.insert(id, Arc::new(Job::new(head, plan, samples)));
    }

    fn end_job(&mut self, job: JobId, end: JobEnd) {
        self.live.remove(&job);
        if let Some(job) = self.jobs.get_mut(&job).map(Arc::make_mut) {
            job.head.end = Some(end);
            job.drop_tasks();
        }
    }

    fn forget_job(&mut self, job: JobId) {
        if let Some(job) = self.jobs.remove(&job) {
            self.keys.remove(&job.head.spec.key);
        }
    }

    fn add_worker(&mut self, worker: Worker) {
        let id = self.next_worker;
        self.next_worker = WorkerId(id.0.saturating_add(1));
        self.slots = self.slots.saturating_add(u64::from(worker.slots));
        self.incarnations.insert(worker.incarnation, id);
        self.workers.insert(id, Arc::new(worker));
    }

    fn drain(&mut self, worker: WorkerId) {
        if let Some(worker) =
            self.workers.get_mut(&worker).map(Arc::make_mut).filter(|worker| worker.is_open())
        {
            worker.draining = true;
            self.slots = self.slots.saturating_sub(u64::from(worker.slots));
        }
    }

    fn unregister(&mut self, worker: WorkerId, at: Timestamp) {
        if let Some(worker) = self.workers.get_mut(&worker).map(Arc::make_mut) {
            if worker.is_open() {
                self.slots = self.slots.saturating_sub(u64::from(worker.slots));
            }
            worker.lost = Some(at);
            self.incarnations.remove(&worker.incarnation);
        }
    }

    fn forget_worker(&mut self, worker: WorkerId) {
        self.workers.remove(&worker);
    }

    fn set_ready(&mut self, task: TaskId, ready: bool) {
        if let Some(job) = self.jobs.get_mut(&task.job).map(Arc::make_mut) {
            let queue = job.ready_mut(task.stage);
            if ready {
                queue.insert(task.index);
            } else {
                queue.remove(task.index);
            }
        }
    }

    fn with_figures(&mut self, job: JobId, change: impl FnOnce(&mut Figures)) {
        if let Some(job) = self.jobs.get_mut(&job).map(Arc::make_mut) {
            change(&mut job.figures);
        }
    }

    fn number_counters(&mut self, job: JobId, stats: &AttemptStats) -> Box<[(u32, i64)]> {
        let job = self.jobs.get_mut(&job).map(Arc::make_mut);
        job.map(|job| job.figures.number_counters(&stats.counters)).unwrap_or_default()
    }

    fn input_bytes(&self, task: TaskId) -> u64 {
        self.jobs.get(&task.job).map_or(0, |job| job.input_bytes(task))
    }
}
