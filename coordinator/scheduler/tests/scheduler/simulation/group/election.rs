//! Who leads: time-outs, votes and terms.

use std::rc::Rc;
use std::time::Duration;

use gristmill_model::Timestamp;

use super::disk::{Entry, Vote};
use super::member::{Reign, Role};
use crate::simulation::life::{Life, step_ms};

/// A leader that no majority answers for so long takes itself for one no more, when it notices.
const QUORUM_MS: u64 = 600;

impl Life {
    /// The part of a member's work that is done whatever its loop does.
    pub(super) fn keep_up(&mut self, m: usize) {
        let now = self.now;
        match &self.members[m].role {
            Role::Leads(_) => {
                self.replicate(m);
                self.notice_silence(m);
            }
            Role::Follows { .. } if self.members[m].election_at <= now => self.campaign(m),
            Role::Follows { .. } => {}
        }
        let lag = self.members[m].applied - self.members[m].disk.snapshot.as_ref().map_or(0, |s| s.entries);
        if lag > self.snapshot_entries {
            self.met.note("snapshot");
            let keep = self.rng.below(8);
            let member = &mut self.members[m];
            member.disk.compact(&member.state, member.applied, keep);
        }
    }

    /// A leader that is cut off notices it late, and a clock is no help: it may have stood still.
    fn notice_silence(&mut self, m: usize) {
        let now = self.now;
        let notices = self.rng.chance(40);
        if let Some(reign) = self.members[m].reign_mut()
            && reign.quorum_at + Duration::from_millis(QUORUM_MS) <= now
        {
            reign.withdrawn |= notices;
        }
    }

    /// Asks all others for their votes.
    pub(crate) fn campaign(&mut self, m: usize) {
        let term = self.members[m].disk.term() + 1;
        self.members[m].disk.set_vote(Vote { term, given_to: Some(m) });
        self.follow(m, None);
        let newness = self.members[m].disk.newness();
        let mut votes = 1;
        for other in (0..self.members.len()).filter(|other| *other != m) {
            if self.reaches(m, other) {
                let granted = self.ask_vote(other, m, term, newness);
                votes += usize::from(granted && self.reaches(other, m));
            }
        }
        if votes * 2 > self.members.len() {
            self.enthrone(m);
        }
    }

    fn ask_vote(&mut self, voter: usize, candidate: usize, term: u64, newness: (u64, u64)) -> bool {
        if term > self.members[voter].disk.term() {
            self.members[voter].disk.set_vote(Vote { term, given_to: None });
            self.follow(voter, None);
        }
        let disk = &mut self.members[voter].disk;
        let free = disk.vote().given_to.is_none_or(|other| other == candidate);
        let granted = disk.term() == term && free && newness >= disk.newness();
        if granted {
            disk.set_vote(Vote { term, given_to: Some(candidate) });
            self.follow(voter, None);
        }
        granted
    }

    fn enthrone(&mut self, m: usize) {
        self.met.note("leader elected");
        let (now, count) = (self.now, self.members.len());
        let term = self.members[m].disk.term();
        let began = self.members[m].disk.len();
        self.members[m].role =
            Role::Leads(Reign { matched: vec![0; count], quorum_at: now, withdrawn: false, began });
        // Nothing of an earlier term is certain before something of this one is.
        self.write(m, Rc::new(Entry::new(term, term, Vec::new())));
        self.replicate(m);
    }

    /// It does not lead, and waits for one that does.
    pub(super) fn follow(&mut self, m: usize, leader: Option<usize>) {
        let patience = self.rng.between(300, 900);
        let member = &mut self.members[m];
        member.role = Role::Follows { leader };
        member.election_at = step_ms(self.now, patience);
    }

    /// Whether this member leads, as far as it knows, and may say so.
    pub(crate) fn reigns_in(&self, m: usize) -> Option<u64> {
        let member = &self.members[m];
        let reign = member.reign()?;
        (member.applied > reign.began && !reign.withdrawn).then_some(member.disk.term())
    }

    /// Whether what one sends now arrives at the other.
    pub(super) fn reaches(&mut self, from: usize, to: usize) -> bool {
        let now: Timestamp = self.now;
        let open = self.members[from].acts(now) && self.members[to].acts(now);
        open && !self.cuts.contains(&(from, to)) && !self.rng.chance(self.faults.lost)
    }
}
