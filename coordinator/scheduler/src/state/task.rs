//! A task and its legal moves.
//!
//! ```text
//!   open, queued ──assign──► open, running ──win──► won ──lose_run──► run lost (queued again)
//!        ▲                      │  ▲  │                  ──outdate──► open, queued
//!        └──────────end─────────┘  └──┘ assign (one backup)
//! ```

use std::sync::Arc;

use gristmill_model::{AttemptStats, PathBytes, SampledKey, Timestamp, WorkerId};
use serde::{Deserialize, Serialize};

/// At most so many attempts of a task run at once: the first, and a backup.
pub(crate) const LIVE_MAX: usize = 2;
/// So many workers on which it went wrong are remembered.
pub(crate) const SHUNNED_MAX: usize = 8;

/// One unit of a stage. There may be millions, so whatever is rare is behind a pointer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Task {
    /// The number of the next attempt.
    pub(crate) next: u32,
    /// The running attempts.
    pub(crate) live: Vec<Live>,
    pub(crate) outcome: Outcome,
    /// Nothing for most tasks.
    pub(crate) trouble: Option<Box<Trouble>>,
}

/// A running attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Live {
    pub(crate) number: u32,
    pub(crate) worker: WorkerId,
    pub(crate) at: Timestamp,
}

/// Whether a task has a winner.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    #[default]
    Open,
    Won(Arc<Winner>),
    /// It had one, of this digest, but its run is gone.
    RunLost {
        digest: u64,
    },
}

/// The winning attempt, and what it made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Winner {
    pub(crate) number: u32,
    pub(crate) worker: WorkerId,
    /// From assignment to report.
    pub(crate) took_ms: u64,
    pub(crate) path: PathBytes,
    pub(crate) bytes: u64,
    /// The digest of a map's file, the CRC32C of a reduce's.
    pub(crate) checksum: u64,
    /// Without counters.
    pub(crate) stats: AttemptStats,
    /// The app's counters, by their number in the job.
    pub(crate) counters: Box<[(u32, i64)]>,
    /// What a sample found, until the bounds are chosen.
    pub(crate) keys: Option<Box<[SampledKey]>>,
}

/// What has gone wrong with a task so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trouble {
    /// Attempts that failed by their own fault.
    pub(crate) failures: u32,
    /// Attempts given up for another reason, lost workers aside.
    pub(crate) setbacks: u32,
    /// The message of the first failure, if the job had room to keep it.
    pub(crate) first: Option<Arc<str>>,
    /// Where it went wrong.
    pub(crate) workers: Vec<WorkerId>,
}

/// A move that a task in this state cannot make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IllegalMove;

impl Task {
    /// Neither won nor running.
    pub(crate) fn is_queued(&self) -> bool {
        self.winner().is_none() && self.live.is_empty()
    }

    pub(crate) fn winner(&self) -> Option<&Arc<Winner>> {
        match &self.outcome {
            Outcome::Won(winner) => Some(winner),
            Outcome::Open | Outcome::RunLost { .. } => None,
        }
    }

    pub(crate) fn live(&self, number: u32) -> Option<Live> {
        self.live.iter().find(|live| live.number == number).copied()
    }

    /// Starts an attempt; a backup only beside another.
    pub(crate) fn assign(&mut self, attempt: Live, backup: bool) -> Result<(), IllegalMove> {
        let fits = if backup { 1..LIVE_MAX } else { 0..1 };
        if attempt.number != self.next || self.winner().is_some() || !fits.contains(&self.live.len()) {
            return Err(IllegalMove);
        }
        self.next = self.next.checked_add(1).ok_or(IllegalMove)?;
        self.live.push(attempt);
        Ok(())
    }

    /// Ends a running attempt without a winner.
    pub(crate) fn end(&mut self, number: u32) -> Result<Live, IllegalMove> {
        let place = self.live.iter().position(|live| live.number == number).ok_or(IllegalMove)?;
        let ended = self.live.remove(place);
        if self.live.is_empty() {
            self.live = Vec::new();
        }
        Ok(ended)
    }

    /// A running attempt wins; the others, which are returned, have ended with it.
    pub(crate) fn win(&mut self, winner: Winner) -> Result<Vec<Live>, IllegalMove> {
        if self.winner().is_some() || self.live(winner.number).is_none() {
            return Err(IllegalMove);
        }
        let mut beaten = std::mem::take(&mut self.live);
        beaten.retain(|live| live.number != winner.number);
        self.outcome = Outcome::Won(Arc::new(winner));
        Ok(beaten)
    }

    /// The winner's run is gone.
    pub(crate) fn lose_run(&mut self, number: u32) -> Result<Arc<Winner>, IllegalMove> {
        let winner = self.winner().filter(|winner| winner.number == number).ok_or(IllegalMove)?.clone();
        self.outcome = Outcome::RunLost { digest: winner.checksum };
        Ok(winner)
    }

    /// The winner's input has changed.
    pub(crate) fn outdate(&mut self, number: u32) -> Result<Arc<Winner>, IllegalMove> {
        let winner = self.winner().filter(|winner| winner.number == number).ok_or(IllegalMove)?.clone();
        self.outcome = Outcome::Open;
        Ok(winner)
    }

    /// Frees what the winner of a sample found.
    pub(crate) fn drop_keys(&mut self) {
        if let Outcome::Won(winner) = &mut self.outcome {
            Arc::make_mut(winner).keys = None;
        }
    }

    pub(crate) fn failures(&self) -> u32 {
        self.trouble.as_ref().map_or(0, |trouble| trouble.failures)
    }

    pub(crate) fn setbacks(&self) -> u32 {
        self.trouble.as_ref().map_or(0, |trouble| trouble.setbacks)
    }

    /// Workers on which it went wrong.
    pub(crate) fn shunned(&self) -> &[WorkerId] {
        self.trouble.as_ref().map_or(&[], |trouble| &trouble.workers)
    }

    pub(crate) fn trouble_mut(&mut self) -> &mut Trouble {
        self.trouble.get_or_insert_default()
    }
}

impl Trouble {
    pub(crate) fn shun(&mut self, worker: WorkerId) {
        if !self.workers.contains(&worker) {
            if self.workers.len() == SHUNNED_MAX {
                self.workers.remove(0);
            }
            self.workers.push(worker);
        }
    }
}
