//! One leadership: what the coordinator's main loop keeps while its member leads.
//!
//! It mirrors `coordinator/src/main_loop`: the barrier first, one batch at a time, effects and answers only after the entry is certain, and what
//! says anything about the state rests on an entry or on a confirmation.

use std::collections::BTreeMap;

use gristmill_model::{JobId, Timestamp};
use gristmill_scheduler::{Fact, Leader, PollToken};

use crate::simulation::network::{Call, Caller, Message};
use crate::simulation::outputs::CommitWork;

pub(crate) struct MainLoop {
    /// In which it was decided to lead.
    pub(super) term: u64,
    pub(super) phase: Phase,
    /// Since when it waits for what its phase waits for.
    pub(super) since: Timestamp,
    /// From when the state is known, that is after the barrier.
    pub(super) leader: Option<Leader>,
    /// When it was last certain that nobody else leads.
    pub(super) confirmed: Timestamp,
    /// Who waits for the answers to polls.
    pub(super) polls: BTreeMap<PollToken, Caller>,
    /// Outputs that are being made visible.
    pub(crate) commits: BTreeMap<JobId, CommitWork>,
}

pub(super) enum Phase {
    /// The barrier is to be written.
    Begins,
    /// It waits for the barrier, or for the cluster's name.
    Waits(u64),
    Idle,
    /// It has decided, and is about to say so.
    Decided(Batch, Vec<Fact>),
    Proposed(Batch, u64),
    /// It has answers, and makes sure that nobody else leads.
    Confirms(Vec<Message>),
}

/// What one turn answers.
pub(super) struct Batch {
    pub(super) calls: Vec<Call>,
    /// By the clock of the process.
    pub(super) decided_at: Timestamp,
}

impl MainLoop {
    pub(super) fn new(term: u64, now: Timestamp) -> Self {
        Self {
            term,
            phase: Phase::Begins,
            since: now,
            leader: None,
            confirmed: now,
            polls: BTreeMap::new(),
            commits: BTreeMap::new(),
        }
    }

    pub(super) fn leader(&mut self) -> &mut Leader {
        self.leader.as_mut().expect("the loop has begun")
    }
}
