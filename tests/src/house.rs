//! The two ways to run a job: all in one process, or by a coordinator and workers of its own.

use crate::{Ended, Job, Place};

/// Who works on a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum House {
    /// `gristmill run` with so many slots.
    Run(u32),
    /// `gristmill coordinator`, so many `gristmill worker` with so many slots each, and `gristmill submit --wait`.
    Cluster(usize, u32),
}

impl House {
    /// Runs the job to its end, and ends all that was started for it.
    pub fn run(self, place: &Place, job: &Job<'_>) -> Ended {
        match self {
            Self::Run(slots) => job.clone().slots(slots).run(),
            Self::Cluster(workers, slots) => {
                let cluster = place.cluster();
                let workers = cluster.workers(workers, slots);
                let ended = job.submit(&cluster);
                cluster.end(workers);
                ended
            }
        }
    }

    /// How many attempts run at once.
    pub fn slots(self) -> usize {
        match self {
            Self::Run(slots) => slots as usize,
            Self::Cluster(workers, slots) => workers * slots as usize,
        }
    }
}
