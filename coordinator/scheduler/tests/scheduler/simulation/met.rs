//! What happened in some lives: so that a simulation which has become harmless is noticed.

use std::collections::BTreeMap;

use gristmill_model::Stage;
use gristmill_scheduler::{EndCause, Fact};

#[derive(Debug, Default)]
pub(crate) struct Met {
    counts: BTreeMap<&'static str, u64>,
}

/// Each is met often in a thousand lives.
const EXPECTED: [&str; 59] = [
    "job done",
    "job failed",
    "job cancelled",
    "job forgotten",
    "worker lost",
    "worker drains",
    "worker leaves",
    "backup",
    "timed out",
    "failed",
    "run lost",
    "reduce outdated",
    "commit failed",
    "leader elected",
    "leader deposed",
    "leadership",
    "leadership lost",
    "loop stalls",
    "void entry",
    "entries dropped",
    "snapshot",
    "snapshot installed",
    "member crashes",
    "member stands still",
    "disk full",
    "clock jumps",
    "network parted",
    "power lost",
    "sent to the leader",
    "dies in a commit",
    "stands still in a commit",
    "commit waits",
    "nowhere to write",
    "key read",
    "strange report",
    "fate unknown",
    "attempt outdated",
    "discarded",
    "segments refused",
    "runs unreadable",
    "effects lost",
    "given ahead",
    "taken back",
    "sample won",
    "sample lost",
    "bounds chosen",
    "session opened",
    "session kept",
    "session expired",
    "session lost",
    "kv written",
    "kv deleted",
    "kv mismatch",
    "answered",
    "kv refused",
    "request refused",
    "named too early",
    "nothing to do",
    "watched",
];

impl Met {
    pub(super) fn note(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    pub(super) fn count(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or(0)
    }

    pub(super) fn note_fact(&mut self, fact: &Fact) {
        let what = match fact {
            Fact::WorkerLost { .. } => "worker lost",
            Fact::WorkerDraining { .. } => "worker drains",
            Fact::AttemptAssigned { backup: true, .. } => "backup",
            Fact::AttemptEnded { attempt, .. } if attempt.task.stage == Stage::Sample => "sample lost",
            Fact::AttemptEnded { cause: EndCause::TimedOut, .. } => "timed out",
            Fact::AttemptEnded { cause: EndCause::Failed { .. }, .. } => "failed",
            Fact::AttemptEnded { cause: EndCause::Outdated, .. } => "attempt outdated",
            Fact::AttemptEnded { cause: EndCause::TakenBack, .. } => "taken back",
            Fact::RunLost { .. } => "run lost",
            Fact::ReduceOutdated { .. } => "reduce outdated",
            Fact::CommitFailed { .. } => "commit failed",
            Fact::JobCommitted { .. } => "job done",
            Fact::JobFailed { .. } => "job failed",
            Fact::JobCancelled { .. } => "job cancelled",
            Fact::JobForgotten { .. } => "job forgotten",
            Fact::TaskWon { attempt, .. } if attempt.task.stage == Stage::Sample => "sample won",
            Fact::BoundsChosen { .. } => "bounds chosen",
            Fact::SessionOpened { .. } => "session opened",
            Fact::SessionKept { .. } => "session kept",
            Fact::SessionExpired { .. } => "session expired",
            Fact::RequestRefused { .. } => "request refused",
            Fact::RequestFulfilled { .. } => "nothing to do",
            _ => return,
        };
        self.note(what);
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (what, count) in &other.counts {
            *self.counts.entry(what).or_default() += count;
        }
    }

    pub(super) fn assert_rich(&self) {
        for what in EXPECTED {
            assert!(self.count(what) >= 10, "the lives hardly met `{what}`: {:?}", self.counts);
        }
    }
}
