//! Whether a state is one that facts can lead to: for states that come from outside, such as snapshots, and for tests.
//!
//! What passes here may be applied to, decided upon and asked about without a fear: whatever is counted, indexed or subtracted there is
//! checked here. So it trusts nothing, not even sums.

mod job;

use std::collections::{BTreeMap, BTreeSet};

use gristmill_model::{AttemptId, JobId, Stage, WorkerId};

use super::State;

/// No cluster counts so far; whatever counts on from here does not overflow.
pub(super) const COUNT_MAX: u64 = 1 << 62;

impl State {
    /// Checks everything that must hold between the parts of the state. Reads all of it.
    pub fn validate(&self) -> Result<(), String> {
        self.validate_index()?;
        if self.cluster.is_none() {
            return check(*self == Self::new(), || "something is there, and no cluster is founded".into());
        }
        let mut running: BTreeMap<WorkerId, BTreeSet<AttemptId>> = BTreeMap::new();
        let mut runs: BTreeMap<WorkerId, BTreeMap<JobId, u32>> = BTreeMap::new();
        for (id, job) in &self.jobs {
            job.validate(*id).map_err(|wrong| format!("{id}: {wrong}"))?;
            for (task, state) in job.all_tasks(*id) {
                for live in &state.live {
                    running.entry(live.worker).or_default().insert(task.attempt(live.number));
                }
                if let Some(winner) =
                    state.winner().filter(|_| task.stage == Stage::Map && job.head.spec.reduces > 0)
                {
                    *runs.entry(winner.worker).or_default().entry(*id).or_default() += 1;
                }
            }
        }
        for (id, worker) in self.all_workers() {
            let runs_here = runs.remove(&id).unwrap_or_default();
            check(runs_here == worker.runs, || {
                format!("{id} holds {runs_here:?}, counts {:?}", worker.runs)
            })?;
            let running_here = running.remove(&id).unwrap_or_default();
            check(running_here == worker.running, || {
                format!("{id} runs {running_here:?}, lists {:?}", worker.running)
            })?;
            check(worker.running.len() as u64 <= 2 * u64::from(worker.slots), || {
                format!("{id} of {} slots runs {}", worker.slots, worker.running.len())
            })?;
            check(worker.is_live() || worker.running.is_empty(), || {
                format!("{id} is lost and runs something")
            })?;
            check(worker.failures < COUNT_MAX, || format!("{id} counts too many failures"))?;
            check(!worker.is_forgettable(), || format!("{id} is remembered for nothing"))?;
        }
        check(running.is_empty(), || format!("attempts run on unknown workers: {running:?}"))?;
        check(runs.is_empty(), || format!("runs are held by unknown workers: {runs:?}"))?;
        self.sessions.validate(self.next_job).map_err(|wrong| format!("sessions: {wrong}"))?;
        self.kv.validate().map_err(|wrong| format!("the key/value store: {wrong}"))
    }

    /// What is kept beside jobs and workers to find them by.
    fn validate_index(&self) -> Result<(), String> {
        let live = self.jobs.iter().filter(|(_, job)| job.head.is_live()).map(|(id, _)| *id);
        check(live.eq(self.live.iter().copied()), || format!("the live jobs are not {:?}", self.live))?;
        let keys: BTreeMap<_, _> = self.jobs.iter().map(|(id, job)| (job.head.spec.key, *id)).collect();
        let same_keys = keys.iter().eq(self.keys.iter()) && keys.len() == self.jobs.len();
        check(same_keys, || "request keys differ from the jobs'".into())?;
        let registered = self.all_workers().filter(|(_, worker)| worker.is_live());
        let incarnations: BTreeMap<_, _> =
            registered.clone().map(|(id, worker)| (worker.incarnation, id)).collect();
        let same_workers = incarnations.iter().eq(self.incarnations.iter())
            && incarnations.len() == registered.clone().count();
        check(same_workers, || "incarnations differ from the workers'".into())?;
        let slots = registered.filter(|(_, worker)| worker.is_open());
        let slots = slots.map(|(_, worker)| u64::from(worker.slots)).fold(0, u64::saturating_add);
        check(slots == self.slots, || format!("there are {slots} slots, not {}", self.slots))?;
        let ids_fit = self.next_job.0 < COUNT_MAX && self.next_worker.0 < COUNT_MAX;
        check(ids_fit, || "the next ids are too high".into())?;
        check(self.jobs.keys().all(|id| *id < self.next_job), || "a job is above the next id".into())?;
        check(self.workers.keys().all(|id| *id < self.next_worker), || "a worker is above the next id".into())
    }
}

fn check(holds: bool, wrong: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(wrong()) }
}
