//! A draft of the next state: the state as it will be when the facts decided so far in this batch are applied.
//!
//! Holds copies of what those facts touch, and nothing else: making one costs nothing, whatever the size of the state. (Of sessions, keys
//! and values a copy is free by itself.) The same mechanism writes in it as in the state. Keeps no figures, for no decision rests on them, and no splits: tasks of a job that is submitted
//! in this batch are handed out in the next.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use gristmill_model::{
    AttemptStats, ClusterId, Incarnation, JobId, RequestKey, Stage, TaskId, Timestamp, WorkerId,
};

use crate::kv::Kv;
use crate::plan::Planner;
use crate::sampler::Sampler;
use crate::state::{Figures, JobEnd, JobHead, Sessions, State, Store, Task, Worker};

/// The changes of one batch over the state they will be applied to.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    base: &'a State,
    cluster: Option<ClusterId>,
    next_job: JobId,
    next_worker: WorkerId,
    heads: BTreeMap<JobId, JobHead>,
    forgotten: BTreeSet<JobId>,
    tasks: BTreeMap<TaskId, Task>,
    /// `None` for one that is forgotten.
    workers: BTreeMap<WorkerId, Option<Worker>>,
    keys: BTreeMap<RequestKey, JobId>,
    incarnations: BTreeMap<Incarnation, Option<WorkerId>>,
    queues: BTreeMap<(JobId, Stage), QueueChange>,
    sessions: Cow<'a, Sessions>,
    kv: Cow<'a, Kv>,
}

/// What is in the queue below and not here, or the other way round.
#[derive(Debug, Default)]
struct QueueChange {
    added: BTreeSet<u32>,
    removed: BTreeSet<u32>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(base: &'a State) -> Self {
        Self {
            base,
            cluster: base.cluster(),
            next_job: base.next_job(),
            next_worker: base.next_worker(),
            heads: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            tasks: BTreeMap::new(),
            workers: BTreeMap::new(),
            keys: BTreeMap::new(),
            incarnations: BTreeMap::new(),
            queues: BTreeMap::new(),
            sessions: Cow::Borrowed(Store::sessions(base)),
            kv: Cow::Borrowed(Store::kv(base)),
        }
    }

    /// The state below.
    pub(crate) fn base(&self) -> &'a State {
        self.base
    }

    /// The first task at or after `from` that waits in the queue of this stage.
    pub(crate) fn next_ready(&self, job: JobId, stage: Stage, from: u32) -> Option<u32> {
        let below = self.base.job(job).map(|job| job.ready(stage).from(from));
        let mut below = below.into_iter().flatten();
        let Some(change) = self.queues.get(&(job, stage)) else { return below.next() };
        let kept = below.find(|index| !change.removed.contains(index));
        let added = change.added.range(from..).next().copied();
        kept.into_iter().chain(added).min()
    }

    /// How many tasks wait in the queue of this stage.
    pub(crate) fn ready_count(&self, job: JobId, stage: Stage) -> usize {
        let below = self.base.job(job).map_or(0, |job| job.ready(stage).len());
        let change = self.queues.get(&(job, stage));
        let (added, removed) = change.map_or((0, 0), |change| (change.added.len(), change.removed.len()));
        (below + added).saturating_sub(removed)
    }

    /// Jobs that are not over, in order.
    pub(crate) fn live_jobs(&self) -> impl Iterator<Item = JobId> + '_ {
        let known = self.base.live().iter().copied();
        known.chain(self.new_jobs()).filter(|job| self.head(*job).is_some_and(JobHead::is_live))
    }

    /// Jobs that were submitted in this batch.
    pub(crate) fn new_jobs(&self) -> impl Iterator<Item = JobId> {
        self.heads.range(self.base.next_job()..).map(|(job, _)| *job)
    }
}

impl Store for Draft<'_> {
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
        self.sessions.to_mut()
    }

    fn kv(&self) -> &Kv {
        &self.kv
    }

    fn kv_mut(&mut self) -> &mut Kv {
        self.kv.to_mut()
    }

    fn next_job(&self) -> JobId {
        self.next_job
    }

    fn next_worker(&self) -> WorkerId {
        self.next_worker
    }

    fn job_of(&self, key: RequestKey) -> Option<JobId> {
        let known = || self.base.job_of(key).filter(|job| !self.forgotten.contains(job));
        self.keys.get(&key).copied().or_else(known)
    }

    fn worker_of(&self, incarnation: Incarnation) -> Option<WorkerId> {
        match self.incarnations.get(&incarnation) {
            Some(changed) => *changed,
            None => self.base.worker_of(incarnation),
        }
    }

    fn head(&self, job: JobId) -> Option<&JobHead> {
        if self.forgotten.contains(&job) {
            return None;
        }
        self.heads.get(&job).or_else(|| self.base.head(job))
    }

    fn head_mut(&mut self, job: JobId) -> Option<&mut JobHead> {
        if !self.heads.contains_key(&job) {
            let copy = self.head(job)?.clone();
            self.heads.insert(job, copy);
        }
        self.heads.get_mut(&job)
    }

    fn task(&self, task: TaskId) -> Option<&Task> {
        self.tasks.get(&task).or_else(|| self.base.task(task))
    }

    fn task_mut(&mut self, task: TaskId) -> Option<&mut Task> {
        if !self.tasks.contains_key(&task) {
            let copy = self.base.task(task)?.clone();
            self.tasks.insert(task, copy);
        }
        self.tasks.get_mut(&task)
    }

    fn worker(&self, worker: WorkerId) -> Option<&Worker> {
        match self.workers.get(&worker) {
            Some(changed) => changed.as_ref(),
            None => self.base.worker(worker),
        }
    }

    fn worker_mut(&mut self, worker: WorkerId) -> Option<&mut Worker> {
        if !self.workers.contains_key(&worker) {
            let copy = self.base.worker(worker)?.clone();
            self.workers.insert(worker, Some(copy));
        }
        self.workers.get_mut(&worker)?.as_mut()
    }

    fn worker_ids(&self) -> Vec<WorkerId> {
        let mut ids: Vec<_> = self.base.all_workers().map(|(worker, _)| worker).collect();
        ids.extend(self.workers.range(self.base.next_worker()..).map(|(worker, _)| *worker));
        ids.retain(|worker| self.worker(*worker).is_some());
        ids
    }

    fn add_job(&mut self, head: JobHead, _planner: Planner, _sampler: Sampler) {
        let id = self.next_job;
        self.next_job = JobId(id.0.saturating_add(1));
        self.keys.insert(head.spec.key, id);
        self.heads.insert(id, head);
    }

    fn end_job(&mut self, job: JobId, end: JobEnd) {
        if let Some(head) = self.head_mut(job) {
            head.end = Some(end);
        }
    }

    fn forget_job(&mut self, job: JobId) {
        if let Some(head) = self.heads.remove(&job) {
            self.keys.remove(&head.spec.key);
        }
        self.forgotten.insert(job);
    }

    fn add_worker(&mut self, worker: Worker) {
        let id = self.next_worker;
        self.next_worker = WorkerId(id.0.saturating_add(1));
        self.incarnations.insert(worker.incarnation, Some(id));
        self.workers.insert(id, Some(worker));
    }

    fn drain(&mut self, worker: WorkerId) {
        if let Some(worker) = self.worker_mut(worker) {
            worker.draining = true;
        }
    }

    fn unregister(&mut self, worker: WorkerId, at: Timestamp) {
        if let Some(worker) = self.worker_mut(worker) {
            worker.lost = Some(at);
            let incarnation = worker.incarnation;
            self.incarnations.insert(incarnation, None);
        }
    }

    fn forget_worker(&mut self, worker: WorkerId) {
        self.workers.insert(worker, None);
    }

    fn set_ready(&mut self, task: TaskId, ready: bool) {
        let below = self.base.job(task.job).is_some_and(|job| job.ready(task.stage).contains(task.index));
        let change = self.queues.entry((task.job, task.stage)).or_default();
        match (ready, below) {
            (true, true) => change.removed.remove(&task.index),
            (true, false) => change.added.insert(task.index),
            (false, true) => change.removed.insert(task.index),
            (false, false) => change.added.remove(&task.index),
        };
    }

    fn with_figures(&mut self, _job: JobId, _change: impl FnOnce(&mut Figures)) {}

    fn number_counters(&mut self, _job: JobId, _stats: &AttemptStats) -> Box<[(u32, i64)]> {
        Box::default()
    }

    fn input_bytes(&self, task: TaskId) -> u64 {
        self.base.input_bytes(task)
    }
}
