//! What a script does to members, and what it asks of them.

use gristmill_model::Timestamp;

use super::main_loop::Phase;
use crate::simulation::life::Life;

impl Life {
    /// Makes a member the leader, now.
    pub(crate) fn enthrone_by_script(&mut self, m: usize) {
        self.campaign(m);
        assert!(self.reigns_in(m).is_some(), "member {m} is elected by those whom it reaches");
    }

    /// Nothing passes between this member and the others.
    pub(crate) fn cut_off(&mut self, m: usize) {
        for other in (0..self.members.len()).filter(|other| *other != m) {
            self.cuts.extend([(m, other), (other, m)]);
        }
    }

    /// The loop of a member stands still until it is told to go on; all else of the process does not.
    pub(crate) fn stall(&mut self, m: usize) {
        self.members[m].stalled_until = Timestamp::from_ms(u64::MAX);
    }

    pub(crate) fn go_on_with_loop(&mut self, m: usize) {
        self.members[m].stalled_until = self.now;
    }

    /// Whether it has proposed something, and does not know what became of it.
    pub(crate) fn waits_for_outcome(&self, m: usize) -> bool {
        self.has_proposed(m) && self.members[m].outcome.is_none()
    }

    /// Whether what it has proposed is certain, and it has not come to say so.
    pub(crate) fn has_outcome(&self, m: usize) -> bool {
        self.has_proposed(m) && matches!(self.members[m].outcome, Some(Ok(_)))
    }

    fn has_proposed(&self, m: usize) -> bool {
        let main_loop = self.members[m].main_loop.as_ref();
        main_loop.is_some_and(|main_loop| matches!(main_loop.phase, Phase::Proposed(..)))
    }

    /// Whether it has applied another entry in the place of the one whose outcome it waits for.
    pub(crate) fn own_entry_was_replaced(&self, m: usize) -> bool {
        let member = &self.members[m];
        member.awaited.is_some_and(|(index, entered)| {
            index < member.applied && self.entries[index as usize].entered != entered
        })
    }

    pub(crate) fn leads(&self, m: usize) -> bool {
        self.members[m].reign().is_some()
    }

    /// Its term, and how many entries it has.
    pub(crate) fn term_and_len(&self, m: usize) -> (u64, u64) {
        (self.members[m].disk.term(), self.members[m].disk.len())
    }

    /// Whether its snapshot has entries that its log would not have after a crash.
    pub(crate) fn snapshot_is_ahead(&self, m: usize) -> bool {
        let disk = &self.members[m].disk;
        disk.snapshot.as_ref().is_some_and(|snapshot| snapshot.entries > disk.synced().max(disk.first()))
    }

    /// A crash that leaves nothing of what is not synced.
    pub(crate) fn crash_with_nothing_unsynced(&mut self, m: usize) {
        let synced = self.members[m].disk.synced();
        self.members[m].disk.truncate(synced);
        self.crash(m);
    }
}
