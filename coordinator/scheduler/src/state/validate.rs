//! Whether a state is one that facts can lead to: for states that come from outside, such as snapshots, and for tests.

use std::collections::{BTreeMap, BTreeSet};

use gristmill_model::{AttemptId, JobId, Stage, TaskId, WorkerId};

use super::job::Job;
use super::{State, Task};

impl State {
    /// Checks everything that must hold between the parts of the state. Reads all of it.
    pub fn validate(&self) -> Result<(), String> {
        let live: BTreeSet<JobId> =
            self.jobs.iter().filter(|(_, job)| job.head.is_live()).map(|(id, _)| *id).collect();
        let keys: BTreeMap<_, _> = self.jobs.iter().map(|(id, job)| (job.head.spec.key, *id)).collect();
        let registered = self.workers.iter().filter(|(_, worker)| worker.is_live());
        let registered: BTreeMap<_, _> = registered.map(|(id, worker)| (worker.incarnation, *id)).collect();
        check(live == self.live, || format!("live jobs are {live:?}, listed {:?}", self.live))?;
        check(keys == self.keys, || "request keys differ from the jobs'".into())?;
        check(registered == self.incarnations, || "incarnations differ from the workers'".into())?;
        check(self.jobs.keys().all(|id| *id < self.next_job), || "a job is above the next id".into())?;
        check(self.workers.keys().all(|id| *id < self.next_worker), || {
            "a worker is above the next id".into()
        })?;

        let mut running: BTreeMap<WorkerId, BTreeSet<AttemptId>> = BTreeMap::new();
        let mut runs: BTreeMap<WorkerId, BTreeMap<JobId, u32>> = BTreeMap::new();
        for (id, job) in &self.jobs {
            self.validate_job(*id, job).map_err(|wrong| format!("{id}: {wrong}"))?;
            for (task, state) in tasks_of(*id, job) {
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
        for (id, worker) in &self.workers {
            let runs_here = runs.remove(id).unwrap_or_default();
            check(runs_here == worker.runs, || {
                format!("{id} holds {runs_here:?}, counts {:?}", worker.runs)
            })?;
            let running_here = running.remove(id).unwrap_or_default();
            check(running_here == worker.running, || {
                format!("{id} runs {running_here:?}, lists {:?}", worker.running)
            })?;
            check(worker.running.len() <= 2 * worker.slots as usize, || {
                format!("{id} of {} slots runs {}", worker.slots, worker.running.len())
            })?;
            check(worker.is_live() || worker.running.is_empty(), || {
                format!("{id} is lost and runs something")
            })?;
            check(!worker.is_forgettable(), || format!("{id} is remembered for nothing"))?;
        }
        check(running.is_empty(), || format!("attempts run on unknown workers: {running:?}"))?;
        check(runs.is_empty(), || format!("runs are held by unknown workers: {runs:?}"))
    }

    fn validate_job(&self, id: JobId, job: &Job) -> Result<(), String> {
        if !job.head.is_live() {
            let empty = job.samples.is_empty()
                && job.maps.is_empty()
                && job.reduces.is_empty()
                && job.plan.is_empty();
            return check(empty, || "it is over and has tasks".into());
        }
        let (head, figures) = (&job.head, &job.figures);
        check(job.samples.len() == head.samples as usize, || "its number of samples differs".into())?;
        check(head.bounds.is_none() || head.samples_done == head.samples, || {
            "it has bounds, and not all samples".into()
        })?;
        check(job.maps.len() == head.maps as usize, || "its number of maps differs".into())?;
        check(job.maps.len() == job.plan.tasks(), || "its number of planned tasks differs".into())?;
        check(job.reduces.len() == head.spec.reduces as usize, || "its number of reduces differs".into())?;
        for (task, state) in tasks_of(id, job) {
            validate_task(state).map_err(|wrong| format!("{task} {wrong}"))?;
        }
        for (stage, done, running) in [
            (Stage::Sample, head.samples_done, figures.running_samples),
            (Stage::Map, head.maps_done, figures.running_maps),
            (Stage::Reduce, head.reduces_done, figures.running_reduces),
        ] {
            let tasks = || (0u32..).zip(job.tasks(stage));
            let won = tasks().filter(|(_, task)| task.winner().is_some()).count();
            check(won == done as usize, || format!("{won} {stage} tasks have won, counted {done}"))?;
            let run = tasks().filter(|(_, task)| !task.live.is_empty()).count();
            check(run == running as usize, || format!("{run} {stage} tasks run, counted {running}"))?;
            let queued: BTreeSet<u32> =
                tasks().filter(|(_, task)| task.is_queued()).map(|(index, _)| index).collect();
            check(queued == *job.ready(stage), || {
                format!("the queue of the {stage} stage differs: {queued:?}")
            })?;
        }
        let tally = &figures.tally;
        let ended = [
            tally.won,
            tally.lost,
            tally.failed,
            tally.timed_out,
            tally.worker_lost,
            tally.runs_lost,
            tally.cancelled,
        ];
        let accounted: u64 = ended.iter().sum::<u64>()
            + tasks_of(id, job).map(|(_, task)| task.live.len() as u64).sum::<u64>();
        let started: u64 = tasks_of(id, job).map(|(_, task)| u64::from(task.next)).sum();
        check(accounted == started, || format!("{started} attempts started, {accounted} accounted for"))
    }
}

fn tasks_of(id: JobId, job: &Job) -> impl Iterator<Item = (TaskId, &Task)> {
    Stage::ALL.into_iter().flat_map(move |stage| {
        (0u32..).zip(job.tasks(stage)).map(move |(index, task)| (TaskId { job: id, stage, index }, task))
    })
}

fn validate_task(task: &Task) -> Result<(), String> {
    let numbers: BTreeSet<u32> =
        task.live.iter().map(|live| live.number).chain(task.winner().map(|winner| winner.number)).collect();
    check(numbers.iter().all(|number| *number < task.next), || {
        "has an attempt above the next number".into()
    })?;
    check(numbers.len() == task.live.len() + usize::from(task.winner().is_some()), || {
        "has an attempt twice".into()
    })?;
    check(task.live.len() <= 2, || "has more than one backup".into())?;
    check(task.winner().is_none() || task.live.is_empty(), || "has won and runs".into())
}

fn check(holds: bool, wrong: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(wrong()) }
}
