//! Effects: what the leader's coordinator must now do, and the answers it gives.
//!
//! Effects may be lost or repeated (a leader can die between commit and act): workers ask again, leases expire, commits are
//! idempotent, and [`Leader::resume`](crate::Leader::resume) names those that a new leader must do again.

use gristmill_model::{Assignment, AttemptId, JobId, Refusal, WorkerId};

use crate::input::PollToken;

/// Something to be done outside because of a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The worker is to be given the attempt: [`Leader::answers`](crate::Leader::answers) will.
    Assign {
        /// Who.
        worker: WorkerId,
        /// What.
        attempt: AttemptId,
    },
    /// The worker is to end the attempt: its next orders will say so.
    Cancel {
        /// Who.
        worker: WorkerId,
        /// What.
        attempt: AttemptId,
    },
    /// The job is to run: make the place where its outputs are staged.
    Place {
        /// Which job.
        job: JobId,
    },
    /// All tasks are done: make the output visible ([`State::outputs`](crate::State::outputs)), then input
    /// [`Committed`](crate::Input::Committed).
    Commit {
        /// Which job.
        job: JobId,
        /// How often it has failed already: wait longer each time.
        failures: u32,
    },
    /// The job is over, whatever its end: tell clients, remove what is staged beside its output. Workers are told to
    /// forget it by their orders.
    JobEnded {
        /// Which.
        job: JobId,
    },
    /// Nothing is known of the job any more: remove its logs.
    JobForgotten {
        /// Which.
        job: JobId,
    },
    /// The worker is lost: close its connection.
    WorkerLost {
        /// Which.
        worker: WorkerId,
    },
}

/// The answer to a poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Which call.
    pub token: PollToken,
    /// Who called.
    pub worker: WorkerId,
    /// The content, or why there is none.
    pub reply: Result<Reply, Refusal>,
}

/// What a worker is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// New attempts. One that the worker already has (or has just finished) is a repetition and to be ignored by it.
    pub assignments: Vec<Assignment>,
    /// One for each report, in its order.
    pub verdicts: Vec<(AttemptId, Verdict)>,
    /// What else it should know.
    pub orders: Orders,
}

/// What became of a reported attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the task's winner: keep its files.
    Won,
    /// Everything else: its files are rubbish.
    Discarded,
}

/// What a worker must not miss; repeated until its effect shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    /// End these attempts and report them as cancelled.
    pub cancel: Vec<AttemptId>,
    /// These jobs are over: remove their files.
    pub forget: Vec<JobId>,
    /// Nothing here is needed any more: say goodbye and end.
    pub leave: bool,
}

impl Orders {
    /// Whether there is nothing to be told.
    pub fn is_empty(&self) -> bool {
        self.cancel.is_empty() && self.forget.is_empty() && !self.leave
    }
}
