//! What the leader remembers beside the state. None of it survives the leader, and nothing is lost with it but time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gristmill_model::{AttemptId, JobId, Timestamp, WorkerId};

use crate::input::PollToken;

/// How often a worker is told to forget a job: it has no way to say that it did.
pub(crate) const FORGET_TELLINGS: u8 = 3;
/// Recent failures remembered of one worker.
pub(crate) const FAILURES_MAX: usize = 64;

/// A live worker as the leader knows it.
#[derive(Clone, Debug)]
pub(crate) struct Contact {
    /// When it was last heard of.
    pub(crate) heard: Timestamp,
    /// When its lease is looked at next.
    pub(crate) lease_timer: Timestamp,
    pub(crate) parked: Option<Parked>,
    /// Attempts that may be at the worker, ended ones too.
    pub(crate) holds: BTreeSet<AttemptId>,
    /// Ended jobs, and how often it is yet to be told.
    pub(crate) forget: BTreeMap<JobId, u8>,
    /// It knows that it may leave.
    pub(crate) told_to_leave: bool,
}

/// A poll that waits for its answer.
#[derive(Clone, Debug)]
pub(crate) struct Parked {
    pub(crate) token: PollToken,
    pub(crate) free: u32,
    /// What it can take beyond that.
    pub(crate) ahead: u32,
    /// When it is answered even if there is nothing to say.
    pub(crate) until: Timestamp,
    /// The attempts that it reported, in its order.
    pub(crate) reported: Vec<AttemptId>,
    /// What its answer will bring.
    pub(crate) assignments: Vec<AttemptId>,
}

/// A running attempt as the leader watches it.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pub(crate) worker: WorkerId,
    pub(crate) assigned: Timestamp,
    /// When it last got on.
    pub(crate) progressed: Timestamp,
    pub(crate) timeout_ms: u64,
    /// When its progress is looked at next.
    pub(crate) timer: Timestamp,
    pub(crate) ticks: u64,
    pub(crate) bytes_in: u64,
    /// Its worker has said that it has it, so the assignment arrived.
    pub(crate) seen: bool,
}

/// Workers of one machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine {
    pub(crate) live: u32,
    /// When its runs are given up, if no worker is there.
    pub(crate) timer: Option<Timestamp>,
}

/// What is looked at when its time has come. Each has at most one timer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    Lease(WorkerId),
    Progress(AttemptId),
    Poll(WorkerId),
    Machine(Arc<str>),
}

/// All timers, in order of time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers(BTreeSet<(Timestamp, Timer)>);

impl Contact {
    pub(crate) fn new(now: Timestamp, lease_timer: Timestamp) -> Self {
        Self {
            heard: now,
            lease_timer,
            parked: None,
            holds: BTreeSet::new(),
            forget: BTreeMap::new(),
            told_to_leave: false,
        }
    }
}

impl Parked {
    /// How many attempts its answer may still bring.
    pub(crate) fn room(&self) -> u32 {
        let given = u32::try_from(self.assignments.len()).unwrap_or(u32::MAX);
        self.free.saturating_add(self.ahead).saturating_sub(given)
    }
}

impl Timers {
    pub(crate) fn set(&mut self, at: Timestamp, timer: Timer) {
        self.0.insert((at, timer));
    }

    pub(crate) fn unset(&mut self, at: Timestamp, timer: Timer) {
        self.0.remove(&(at, timer));
    }

    pub(crate) fn first(&self) -> Option<Timestamp> {
        self.0.first().map(|(at, _)| *at)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &(Timestamp, Timer)> {
        self.0.iter()
    }

    /// Takes one whose time has come.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<Timer> {
        let due = self.0.first().is_some_and(|(at, _)| *at <= now);
        due.then(|| self.0.pop_first()).flatten().map(|(_, timer)| timer)
    }
}
