//! A simulated worker: it polls, runs attempts that end well, badly or never, and believes what it is told.

use std::collections::{BTreeMap, VecDeque};

use gristmill_model::{AttemptId, Incarnation, Report, Timestamp, Work, WorkerId};
use gristmill_scheduler::PollToken;

#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) incarnation: Incarnation,
    pub(crate) machine: usize,
    pub(crate) slots: u32,
    pub(crate) id: Option<WorkerId>,
    /// The coordinator that it takes for the leader.
    pub(crate) target: usize,
    /// Dead until then.
    pub(crate) dead_until: Option<Timestamp>,
    /// Stopped until then: it neither says nor hears anything, and goes on afterwards as if nothing had been.
    pub(crate) stopped_until: Timestamp,
    pub(crate) running: BTreeMap<AttemptId, Running>,
    /// What begins when a slot is free.
    pub(crate) queue: VecDeque<(AttemptId, Work)>,
    /// Reports without a verdict yet.
    pub(crate) pending: Vec<Report>,
    pub(crate) poll: Option<(PollToken, Timestamp)>,
    pub(crate) next_heartbeat: Timestamp,
    pub(crate) next_register: Timestamp,
}

#[derive(Clone, Debug)]
pub(crate) struct Running {
    /// `None`: it hangs.
    pub(crate) ends: Option<Timestamp>,
    pub(crate) end: End,
    pub(crate) ticks: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum End {
    Good,
    Failed,
    RunsLost(Vec<gristmill_model::LostRun>),
    /// It could not learn its segments.
    Cancelled,
}

impl Worker {
    pub(crate) fn new(incarnation: u64, machine: usize, slots: u32) -> Self {
        Self {
            incarnation: Incarnation(incarnation),
            machine,
            slots,
            id: None,
            target: 0,
            dead_until: None,
            stopped_until: Timestamp::default(),
            running: BTreeMap::new(),
            queue: VecDeque::new(),
            pending: Vec::new(),
            poll: None,
            next_heartbeat: Timestamp::default(),
            next_register: Timestamp::default(),
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.dead_until.is_none()
    }

    pub(crate) fn acts(&self, now: Timestamp) -> bool {
        self.is_up() && self.stopped_until <= now
    }

    pub(crate) fn free_slots(&self) -> u32 {
        self.slots.saturating_sub(self.running.len() as u32)
    }

    pub(crate) fn has(&self, attempt: AttemptId) -> bool {
        self.running.contains_key(&attempt)
            || self.queue.iter().any(|(queued, _)| *queued == attempt)
            || self.pending.iter().any(|report| report.attempt == attempt)
    }
}
