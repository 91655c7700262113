//! Which waiting task is next: of the job with the highest priority, and among equals of the one with the fewest running attempts, so that
//! jobs share the slots. What runs is never taken away for another job; what waits at a worker for a slot is, for one of a higher priority.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use gristmill_model::{JobId, Stage, TaskId};

use crate::draft::Draft;
use crate::state::{JobHead, Store};

/// Live jobs with tasks that can be handed out, in the order in which they are served. Kept from decision to decision, so that one
/// costs little however many jobs wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shares {
    order: BTreeSet<Turn>,
    turns: BTreeMap<JobId, Turn>,
}

/// When a job is served: the least comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn {
    priority: Reverse<i8>,
    running: u32,
    job: JobId,
}

impl Turn {
    /// Of a job in which so many tasks of a stage wait; none when it has nothing to hand out.
    pub(crate) fn of(job: JobId, head: &JobHead, waiting: impl FnOnce(Stage) -> usize) -> Option<Self> {
        let stage = head.open_stage()?;
        let turn = Self { priority: Reverse(head.spec.priority), running: head.running, job };
        (waiting(stage) > 0).then_some(turn)
    }
}

impl Shares {
    /// The turn of a job has changed, or it has none any more.
    pub(crate) fn set(&mut self, job: JobId, turn: Option<Turn>) {
        let old = match turn {
            Some(turn) => self.turns.insert(job, turn),
            None => self.turns.remove(&job),
        };
        if old != turn {
            old.map(|old| self.order.remove(&old));
            self.order.extend(turn);
        }
    }

    /// How many jobs are served before this one.
    pub(crate) fn before(&self, job: JobId) -> usize {
        self.turns.get(&job).map_or(0, |turn| self.order.range(..turn).count())
    }

    pub(crate) fn first(&self) -> Option<JobId> {
        self.order.first().map(|turn| turn.job)
    }

    /// The highest of those that have a turn.
    pub(crate) fn first_priority(&self) -> Option<i8> {
        self.order.first().map(|turn| turn.priority.0)
    }
}

/// Waiting tasks in the order in which they are handed out: the job whose turn it is after all that was handed out, and by index within
/// its open stage. A task that ran before has usually a low index, so it does not wait behind the whole stage.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// Where to go on in each job.
    from: BTreeMap<JobId, u32>,
    /// Jobs of which all was offered.
    passed: BTreeSet<JobId>,
}

impl Queue {
    /// The next one; each is offered once.
    pub(crate) fn next(&mut self, shares: &Shares, draft: &Draft<'_>) -> Option<TaskId> {
        loop {
            let mut jobs = shares.order.iter().map(|turn| turn.job);
            let job = jobs.find(|job| !self.passed.contains(job))?;
            let from = self.from.entry(job).or_default();
            let stage = draft.head(job).and_then(JobHead::open_stage);
            let waiting = stage.and_then(|stage| Some((stage, draft.next_ready(job, stage, *from)?)));
            if let Some((stage, index)) = waiting {
                *from = index.saturating_add(1);
                return Some(TaskId { job, stage, index });
            }
            self.passed.insert(job);
        }
    }
}
