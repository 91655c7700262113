//! The promise for submissions: one request is one job, however often it is sent.

use crate::revisions::job_ids;
use crate::{Disorder, Model, Operation};

/// The model of one request: the first submission of it makes a job, and every other gives the same.
#[derive(Clone, Copy, Debug)]
pub enum Submissions {}

/// A submission. Which request it is, is the operation's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submission;

impl Model for Submissions {
    type State = Option<u64>;
    type Call = Submission;
    type Answer = u64;

    fn initial() -> Option<u64> {
        None
    }

    fn step(job: &Option<u64>, _: &Submission, answer: Option<&u64>) -> Option<Option<u64>> {
        match (job, answer) {
            (_, None) => Some(*job),
            (None, Some(told)) => Some(Some(*told)),
            (Some(job), Some(told)) => (job == told).then_some(Some(*job)),
        }
    }
}

impl Submissions {
    /// Checks that different requests are different jobs, counted in the order in which they came.
    pub fn jobs(history: &[Operation<Submission, u64>]) -> Result<(), Disorder> {
        job_ids(history)
    }
}
