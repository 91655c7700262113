//! How entries get from the leader to the others, and when they are certain.

use std::rc::Rc;

use super::disk::{Entry, Vote};
use super::member::Role;
use crate::simulation::life::{Life, step_ms};

impl Life {
    /// Writes to the log of a member. A full disk is the end of its process.
    pub(super) fn write(&mut self, m: usize, entry: Rc<Entry>) {
        if self.members[m].full_until > self.now {
            self.met.note("disk full");
            return self.crash(m);
        }
        self.members[m].disk.append(entry);
    }

    /// Hands an entry to the log, in whatever term this member leads now. Says its number, unless it does not lead.
    pub(super) fn propose(
        &mut self,
        m: usize,
        decided: u64,
        facts: Vec<gristmill_scheduler::Fact>,
    ) -> Option<u64> {
        self.members[m].reign()?;
        let index = self.members[m].disk.len();
        let entered = self.members[m].disk.term();
        if decided != entered {
            self.met.note("void entry");
        }
        self.members[m].outcome = None;
        self.members[m].awaited = Some((index, entered));
        self.write(m, Rc::new(Entry::new(entered, decided, facts)));
        self.members[m].reign()?;
        self.replicate(m);
        Some(index)
    }

    /// One round: everybody is sent what it lacks, and what a majority has synced becomes certain. Whether a majority answered.
    pub(super) fn replicate(&mut self, m: usize) -> bool {
        self.sync(m);
        let mut answered = 1;
        for other in (0..self.members.len()).filter(|other| *other != m) {
            // One answer may have ended its reign.
            if self.members[m].reign().is_some() && self.reaches(m, other) {
                let matched = self.take_entries(other, m);
                if self.reaches(other, m) {
                    answered += usize::from(self.hear_matched(m, other, matched));
                }
            }
        }
        let quorum = answered * 2 > self.members.len();
        let now = self.now;
        if quorum && let Some(reign) = self.members[m].reign_mut() {
            (reign.quorum_at, reign.withdrawn) = (now, false);
            self.advance(m);
        }
        quorum && self.members[m].reign().is_some()
    }

    /// Now and then the disk takes its time.
    fn sync(&mut self, m: usize) {
        if !self.rng.chance(self.faults.slow_disk) && self.members[m].slow_until <= self.now {
            self.members[m].disk.sync();
        }
    }

    /// A follower takes what the leader has, and says how much of it is synced; or its higher term.
    fn take_entries(&mut self, m: usize, leader: usize) -> Result<u64, u64> {
        let term = self.members[leader].disk.term();
        let own = self.members[m].disk.term();
        if own > term {
            return Err(own);
        }
        if term > own {
            self.members[m].disk.set_vote(Vote { term, given_to: None });
        }
        self.follow(m, Some(leader));
        if !self.shares_past(m, leader) {
            self.install(m, leader);
        }
        let from = self.members[leader].disk.first().max(self.members[m].committed);
        let (mut len, mut room) = (self.members[leader].disk.len(), self.rng.between(1, 30));
        for index in from..len {
            let entry = self.members[leader].disk.get(index).expect("the leader has it").clone();
            let disk = &mut self.members[m].disk;
            if disk.term_of(Some(index)) == Some(entry.entered) {
                continue;
            }
            if room == 0 {
                // The rest is for another message.
                len = index;
                break;
            }
            room -= 1;
            if index < disk.len() {
                self.met.note("entries dropped");
                disk.truncate(index);
            }
            self.write(m, entry);
            if !self.members[m].acts(self.now) {
                return Ok(0);
            }
        }
        self.sync(m);
        let synced = self.members[m].disk.synced().min(len);
        let committed = self.members[leader].committed.min(synced);
        if committed > self.members[m].committed {
            self.witness(m, committed);
        }
        Ok(synced)
    }

    /// Whether the follower has all that the leader has forgotten.
    fn shares_past(&self, m: usize, leader: usize) -> bool {
        let (mine, theirs) = (&self.members[m].disk, &self.members[leader].disk);
        let first = theirs.first();
        first <= self.members[m].committed
            || (first <= mine.len()
                && mine.term_of(first.checked_sub(1)) == theirs.term_of(first.checked_sub(1)))
    }

    fn install(&mut self, m: usize, leader: usize) {
        self.met.note("snapshot installed");
        let snapshot = self.members[leader].disk.snapshot.clone().expect("who forgets has a snapshot");
        let member = &mut self.members[m];
        (member.applied, member.committed) = (snapshot.entries, snapshot.entries);
        member.state = snapshot.state();
        member.disk.install(snapshot);
        self.check_replica(m);
    }

    fn hear_matched(&mut self, m: usize, other: usize, matched: Result<u64, u64>) -> bool {
        match (matched, &mut self.members[m].role) {
            (Ok(synced), Role::Leads(reign)) => {
                reign.matched[other] = synced;
                true
            }
            (Err(term), _) => {
                self.met.note("leader deposed");
                self.members[m].disk.set_vote(Vote { term, given_to: None });
                self.follow(m, None);
                false
            }
            (Ok(_), Role::Follows { .. }) => false,
        }
    }

    /// What a majority has is certain, if it is of this leader's own term, and with it all before it.
    fn advance(&mut self, m: usize) {
        let member = &self.members[m];
        let Some(reign) = member.reign() else { return };
        let mut synced = reign.matched.clone();
        synced[m] = member.disk.synced();
        synced.sort_unstable_by(|a, b| b.cmp(a));
        let certain = synced[synced.len() / 2];
        let own = certain.checked_sub(1).and_then(|last| member.disk.term_of(Some(last)));
        if certain > member.committed && own == Some(member.disk.term()) {
            self.witness(m, certain);
        }
    }

    /// A member takes entries for certain: whoever does it first makes history, and all others must agree with it.
    fn witness(&mut self, m: usize, committed: u64) {
        for index in self.members[m].committed..committed {
            let entry = self.members[m].disk.get(index).expect("what is committed is in the log").clone();
            match self.entries.get(index as usize) {
                Some(known) => assert!(
                    Rc::ptr_eq(known, &entry) || *known == entry,
                    "entry {index} was certain, and is another"
                ),
                None => self.make_certain(entry),
            }
        }
        self.members[m].committed = committed;
        self.members[m].apply();
    }

    /// Asks a majority whether anybody else leads.
    pub(super) fn confirm(&mut self, m: usize) -> bool {
        self.replicate(m)
    }

    /// A process ends: what it has not synced is lost.
    pub(crate) fn crash(&mut self, m: usize) {
        let back = step_ms(self.now, self.rng.between(100, 4_000));
        let member = &mut self.members[m];
        member.disk.crash(&mut self.rng);
        member.inbox.clear();
        member.main_loop = None;
        member.role = Role::Follows { leader: None };
        member.down_until = Some(back.max(member.full_until));
        self.release_files(m);
        self.met.note("member crashes");
    }

    /// It starts again with what its disk holds.
    pub(crate) fn restart(&mut self, m: usize) {
        self.members[m].forget();
        self.follow(m, None);
        self.check_replica(m);
    }
}
