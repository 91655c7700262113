//! Whether a job is one that facts can lead to.

use std::collections::BTreeSet;

use gristmill_model::{JobId, Stage, TaskId};

use super::super::job::{Job, MESSAGES_MAX};
use super::super::ready::Ready;
use super::super::task::{LIVE_MAX, SHUNNED_MAX, Task};
use super::{COUNT_MAX, check};

/// No task is tried so often.
const ATTEMPTS_MAX: u32 = 1 << 31;

impl Job {
    /// Every task with its id, in the order of the stages.
    pub(super) fn all_tasks(&self, id: JobId) -> impl Iterator<Item = (TaskId, &Task)> {
        Stage::ALL.into_iter().flat_map(move |stage| {
            (0u32..).zip(self.tasks(stage)).map(move |(index, task)| (TaskId { job: id, stage, index }, task))
        })
    }

    pub(super) fn validate(&self, id: JobId) -> Result<(), String> {
        let head = &self.head;
        let counts = [head.revision, self.figures.tally.backups];
        check(counts.into_iter().chain(self.tally()).all(|count| count < COUNT_MAX), || {
            "it counts too far".into()
        })?;
        check(head.messages <= MESSAGES_MAX, || format!("it keeps {} messages", head.messages))?;
        self.figures.validate()?;
        let shared = *self.plugin == head.spec.plugin && *self.params == head.spec.params;
        check(shared, || "what assignments share is not its spec's".into())?;
        if !head.is_live() {
            let empty = self.samples.is_empty()
                && self.maps.is_empty()
                && self.reduces.is_empty()
                && self.plan.is_empty()
                && head.running == 0;
            return check(empty, || "it is over and has tasks".into());
        }
        self.validate_shape()?;
        for (task, state) in self.all_tasks(id) {
            state.validate().map_err(|wrong| format!("{task} {wrong}"))?;
        }
        self.validate_counts(id)
    }

    /// Whether there are as many tasks as it says, and whether what they read is there.
    fn validate_shape(&self) -> Result<(), String> {
        let head = &self.head;
        check(self.samples.len() == head.samples as usize, || "its number of samples differs".into())?;
        check(self.sample_pieces.len() == self.samples.len(), || "its sampled pieces differ".into())?;
        check(head.bounds.is_none() || head.samples_done == head.samples, || {
            "it has bounds, and not all samples".into()
        })?;
        check(self.maps.len() == head.maps as usize, || "its number of maps differs".into())?;
        check(self.maps.len() == self.plan.tasks(), || "its number of planned tasks differs".into())?;
        check(self.reduces.len() == head.spec.reduces as usize, || "its number of reduces differs".into())?;
        check(self.figures.partitions.len() == self.reduces.len(), || "its partitions differ".into())?;
        self.plan.validate(&head.spec)?;
        let names_bytes_max = self.plan.names_bytes_max(&head.spec);
        check(self.names_bytes_max == names_bytes_max, || "the length of its longest names differs".into())?;
        let files = head.spec.inputs.len();
        let known = self.sample_pieces.iter().flatten().all(|piece| (piece.file as usize) < files);
        check(known, || "it samples a file that it does not have".into())
    }

    fn validate_counts(&self, id: JobId) -> Result<(), String> {
        let (head, figures) = (&self.head, &self.figures);
        for (stage, done, running) in [
            (Stage::Sample, head.samples_done, figures.running_samples),
            (Stage::Map, head.maps_done, figures.running_maps),
            (Stage::Reduce, head.reduces_done, figures.running_reduces),
        ] {
            let tasks = || (0u32..).zip(self.tasks(stage));
            let won = tasks().filter(|(_, task)| task.winner().is_some()).count();
            check(won == done as usize, || format!("{won} {stage} tasks have won, counted {done}"))?;
            let run = tasks().filter(|(_, task)| !task.live.is_empty()).count();
            check(run == running as usize, || format!("{run} {stage} tasks run, counted {running}"))?;
            let queued: Ready =
                tasks().filter(|(_, task)| task.is_queued()).map(|(index, _)| index).collect();
            check(queued == *self.ready(stage), || {
                format!("the queue of the {stage} stage differs: {queued:?}")
            })?;
        }
        let live: usize = self.all_tasks(id).map(|(_, task)| task.live.len()).sum();
        check(live == head.running as usize, || format!("{live} attempts run, counted {}", head.running))?;
        let started: u128 = self.all_tasks(id).map(|(_, task)| u128::from(task.next)).sum();
        let ended: u128 = self.tally().into_iter().map(u128::from).sum();
        check(ended + live as u128 == started, || {
            format!("{started} attempts started, {ended} ended and {live} run")
        })
    }

    /// Attempts by how they ended.
    fn tally(&self) -> [u64; 7] {
        let tally = &self.figures.tally;
        [
            tally.won,
            tally.lost,
            tally.failed,
            tally.timed_out,
            tally.worker_lost,
            tally.runs_lost,
            tally.cancelled,
        ]
    }
}

impl Task {
    fn validate(&self) -> Result<(), String> {
        check(self.next < ATTEMPTS_MAX, || format!("has had {} attempts", self.next))?;
        let winner = self.winner().map(|winner| winner.number);
        let numbers: BTreeSet<u32> = self.live.iter().map(|live| live.number).chain(winner).collect();
        check(numbers.iter().all(|number| *number < self.next), || {
            "has an attempt above the next number".into()
        })?;
        check(numbers.len() == self.live.len() + usize::from(winner.is_some()), || {
            "has an attempt twice".into()
        })?;
        check(self.live.len() <= LIVE_MAX, || "has more than one backup".into())?;
        check(winner.is_none() || self.live.is_empty(), || "has won and runs".into())?;
        let Some(trouble) = &self.trouble else { return Ok(()) };
        let counts = u64::from(trouble.failures).saturating_add(u64::from(trouble.setbacks));
        check(counts <= u64::from(self.next), || {
            format!("was given up {counts} times in {} attempts", self.next)
        })?;
        check(trouble.workers.len() <= SHUNNED_MAX, || "shuns too many workers".into())
    }
}
