//! Which waiting task is next. A policy of its own, so that fair sharing can take its place.

use gristmill_model::{JobId, Stage, TaskId};

use crate::draft::Draft;
use crate::state::Store;

/// Waiting tasks in the order in which they are handed out: by job, first come first served, and by index within its open stage. A
/// task that ran before has usually a low index, so it does not wait behind the whole stage.
pub(crate) struct Queue {
    job: Option<JobId>,
    /// Of this job.
    from: u32,
}

impl Queue {
    pub(crate) fn new(draft: &Draft<'_>) -> Self {
        Self { job: draft.next_live(JobId(0)), from: 0 }
    }

    /// The next one; each is offered once.
    pub(crate) fn next(&mut self, draft: &Draft<'_>) -> Option<TaskId> {
        while let Some(job) = self.job {
            let waiting = |stage: Stage| {
                let index = draft.next_ready(job, stage, self.from)?;
                Some(TaskId { job, stage, index })
            };
            if let Some(task) = draft.head(job).and_then(|head| head.open_stage()).and_then(waiting) {
                self.from = task.index.saturating_add(1);
                return Some(task);
            }
            self.job = draft.next_live(JobId(job.0.saturating_add(1)));
            self.from = 0;
        }
        None
    }
}
