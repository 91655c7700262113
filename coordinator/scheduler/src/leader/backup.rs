//! Which running attempts are slow enough for a backup beside them.
//!
//! With finished peers: one that has run three times as long as their median and half as long again as nine in ten of them, longer if it
//! has more to read than they had, and never before a floor. So tasks of 2 to 5 seconds run once each (3 × 2 > 5), and one that hangs is doubled soon. Without finished peers (a single last task, a
//! stage of one): after a longer floor. One that gets on well enough to end before a fresh attempt would is left alone.

use std::time::Duration;

use gristmill_model::AttemptId;

use super::decision::Decision;
use super::durations::Typical;
use super::memory::Watch;
use super::placement::FreeSlots;
use crate::fact::Fact;
use crate::settings::BackupSettings;
use crate::state::Store;

impl Decision<'_> {
    pub(crate) fn backups_are_due(&self) -> bool {
        self.leader.backup_at.is_some_and(|at| at <= self.now)
    }

    /// Running attempts are looked over now and then, not at every decision.
    pub(crate) fn plan_backups(&mut self) {
        let check = Duration::from_millis(self.leader.settings.backup.check_ms);
        let next = match self.leader.backup_at {
            _ if self.leader.watches.is_empty() || !self.leader.settings.backup.enabled => None,
            Some(at) if at > self.now => Some(at),
            // Also when it was due and no slot was free: nothing could have been done.
            Some(_) | None => Some(self.now + check),
        };
        self.leader.backup_at = next;
    }

    pub(crate) fn start_backups(&mut self, free: &mut FreeSlots) {
        let mut slow: Vec<_> = self.slow_attempts();
        slow.sort_by_key(|(elapsed_ms, attempt)| (u64::MAX - elapsed_ms, *attempt));
        let alone = self.leader.contacts.len() <= self.leader.draining.len() + 1;
        for (_, attempt) in slow {
            let Some(state) = self.draft.task(attempt.task) else { continue };
            let beside = state.live.first().map(|live| live.worker);
            let shunned = state.shunned();
            let other = |worker| Some(worker) != beside;
            let next = attempt.task.attempt(state.next);
            let worker = free.take(|worker| other(worker) && !shunned.contains(&worker));
            // In another slot of the same worker only if there is no other worker: its slot may hang, and it not.
            let worker = worker.or_else(|| free.take(|worker| alone || other(worker)));
            if let Some(worker) = worker {
                self.record(Fact::AttemptAssigned { attempt: next, worker, at: self.now, backup: true });
            }
        }
    }

    /// Attempts that run alone and too long, with their milliseconds.
    fn slow_attempts(&self) -> Vec<(u64, AttemptId)> {
        let settings = &self.leader.settings.backup;
        let slow = |(attempt, watch): (&AttemptId, &Watch)| {
            let task = attempt.task;
            let open = self.draft.head(task.job)?.open_stage() == Some(task.stage);
            let alone = self.draft.task(task)?.live.len() == 1;
            let elapsed_ms = self.now.ms.saturating_sub(watch.assigned.ms);
            let peers = self.leader.durations.get(&(task.job, task.stage));
            let work = self.draft.input_bytes(task);
            let typical = peers.and_then(|peers| peers.typical(work));
            let slow = open && alone && is_slow(settings, elapsed_ms, work, watch.bytes_in, typical);
            slow.then_some((elapsed_ms, *attempt))
        };
        self.leader.watches.iter().filter_map(slow).collect()
    }
}

fn is_slow(
    settings: &BackupSettings,
    elapsed_ms: u64,
    work_bytes: u64,
    done_bytes: u64,
    typical: Option<Typical>,
) -> bool {
    let (threshold_ms, fresh_ms) = match typical {
        Some(Typical { median_ms, most_ms }) => {
            let relative = median_ms.saturating_mul(3).max(most_ms.saturating_add(most_ms / 2));
            (relative.max(settings.floor_ms), median_ms)
        }
        // Without peers a fresh attempt may take as long as this one has taken already.
        None => (settings.lone_floor_ms, elapsed_ms),
    };
    elapsed_ms >= threshold_ms && remaining_ms(elapsed_ms, work_bytes, done_bytes) > fresh_ms
}

/// How much longer it will take at its own pace; for ever when it shows none.
fn remaining_ms(elapsed_ms: u64, work_bytes: u64, done_bytes: u64) -> u64 {
    if done_bytes == 0 || done_bytes >= work_bytes {
        // All read and not done: what it does now cannot be foreseen.
        return u64::MAX;
    }
    let remaining = u128::from(elapsed_ms) * u128::from(work_bytes - done_bytes) / u128::from(done_bytes);
    u64::try_from(remaining).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leader::durations::Durations;
    use crate::settings::Settings;

    fn slow(elapsed_ms: u64, done_bytes: u64, peers_ms: &[u64]) -> bool {
        let mut peers = Durations::default();
        peers_ms.iter().for_each(|ms| peers.add(*ms, 100));
        is_slow(&Settings::default().backup, elapsed_ms, 100, done_bytes, peers.typical(100))
    }

    #[test]
    fn tasks_of_two_to_five_seconds_are_never_slow_among_each_other() {
        for fastest in 2_000..=5_000 {
            assert!(!slow(5_500, 0, &[fastest]), "beside one of {fastest} ms");
        }
    }

    #[test]
    fn one_is_slow_beyond_three_medians_and_the_floor() {
        assert!(!slow(1_999, 0, &[10; 20]));
        assert!(slow(2_000, 0, &[10; 20]));
        assert!(!slow(29_000, 0, &[10_000; 20]));
        assert!(slow(34_000, 0, &[10_000; 20]));
    }

    #[test]
    fn a_few_long_ones_among_many_raise_the_bar() {
        let peers: Vec<u64> = [vec![1_000; 8], vec![20_000; 2]].concat();
        assert!(!slow(25_000, 0, &peers));
        assert!(slow(35_000, 0, &peers));
    }

    #[test]
    fn without_peers_only_the_long_floor_counts() {
        assert!(!slow(9_999, 0, &[]));
        assert!(slow(10_000, 0, &[]));
    }

    #[test]
    fn one_that_will_end_before_a_fresh_attempt_would_is_left_alone() {
        assert!(!slow(40_000, 90, &[10_000; 20]));
        assert!(slow(40_000, 20, &[10_000; 20]));
        assert!(slow(40_000, 100, &[10_000; 20]), "all is read, yet it does not end");
        assert!(!slow(60_000, 60, &[]));
    }
}
