//! One member of the group: its disk, what it has applied, its role, and the loop that it runs while it leads.

use gristmill_model::Timestamp;
use gristmill_scheduler::{Effect, Input, State, apply};

use super::disk::{Disk, Entry};
use super::main_loop::{Batch, MainLoop};
use crate::simulation::life::Life;
use crate::simulation::network::{Call, Caller, Request};

#[derive(Debug)]
pub(super) enum Role {
    Follows { leader: Option<usize> },
    Leads(Reign),
}

/// What a leader knows of the others.
#[derive(Debug)]
pub(super) struct Reign {
    /// How many entries each is known to have synced.
    pub(super) matched: Vec<u64>,
    /// When a majority last answered.
    pub(super) quorum_at: Timestamp,
    /// It has noticed that none answers, and says no more that it leads.
    pub(super) withdrawn: bool,
    /// The entry with which it began.
    pub(super) began: u64,
}

/// An entry was decided under an earlier leadership than the one in which it entered the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Void;

pub(crate) struct Member {
    pub(super) disk: Disk,
    pub(super) role: Role,
    pub(super) state: State,
    pub(super) applied: u64,
    pub(super) committed: u64,
    pub(super) election_at: Timestamp,
    /// It is dead until then.
    pub(crate) down_until: Option<Timestamp>,
    /// The whole process stands still until then.
    pub(crate) paused_until: Timestamp,
    /// Its loop stands still until then, and all else goes on.
    pub(crate) stalled_until: Timestamp,
    /// Its disk takes nothing more until then.
    pub(crate) full_until: Timestamp,
    /// It syncs nothing until then.
    pub(crate) slow_until: Timestamp,
    /// By how much its system's clock is wrong, and by how much it was when the process began, which is what the process goes by.
    pub(crate) system_ms: i64,
    pub(super) clock_ms: i64,
    pub(super) inbox: Vec<Call>,
    pub(super) main_loop: Option<MainLoop>,
    pub(super) lead_again: Timestamp,
    /// Number and term of the entry whose outcome is waited for, and that outcome.
    pub(super) awaited: Option<(u64, u64)>,
    pub(super) outcome: Option<Result<Vec<Effect>, Void>>,
}

impl Member {
    pub(crate) fn new() -> Self {
        Self {
            disk: Disk::default(),
            role: Role::Follows { leader: None },
            state: State::new(),
            applied: 0,
            committed: 0,
            election_at: Timestamp::default(),
            down_until: None,
            paused_until: Timestamp::default(),
            stalled_until: Timestamp::default(),
            full_until: Timestamp::default(),
            slow_until: Timestamp::default(),
            system_ms: 0,
            clock_ms: 0,
            inbox: Vec::new(),
            main_loop: None,
            lead_again: Timestamp::default(),
            awaited: None,
            outcome: None,
        }
    }

    pub(crate) fn acts(&self, now: Timestamp) -> bool {
        self.down_until.is_none() && self.paused_until <= now
    }

    /// Something arrives; it is looked at when the process and its loop get to it.
    pub(crate) fn receive(&mut self, call: Call) {
        self.inbox.push(call);
    }

    /// What its process takes the time for.
    pub(super) fn clock(&self, now: Timestamp) -> Timestamp {
        Timestamp::from_ms(now.ms.saturating_add_signed(self.clock_ms))
    }

    pub(super) fn reign(&self) -> Option<&Reign> {
        match &self.role {
            Role::Leads(reign) => Some(reign),
            Role::Follows { .. } => None,
        }
    }

    pub(super) fn reign_mut(&mut self) -> Option<&mut Reign> {
        match &mut self.role {
            Role::Leads(reign) => Some(reign),
            Role::Follows { .. } => None,
        }
    }

    /// Applies what has become certain.
    pub(super) fn apply(&mut self) {
        while self.applied < self.committed {
            let entry = self.disk.get(self.applied).expect("what is committed is in the log").clone();
            let outcome = apply_entry(&mut self.state, &entry);
            if self.awaited == Some((self.applied, entry.entered)) {
                (self.awaited, self.outcome) = (None, Some(outcome));
            }
            self.applied += 1;
        }
    }

    /// What of the process is gone when it ends; the disk stays.
    pub(super) fn forget(&mut self) {
        let disk = std::mem::take(&mut self.disk);
        let (state, applied) = match &disk.snapshot {
            Some(snapshot) => (snapshot.state(), snapshot.entries),
            None => (State::new(), 0),
        };
        let (system_ms, full_until) = (self.system_ms, self.full_until);
        *self = Self {
            disk,
            state,
            applied,
            committed: applied,
            system_ms,
            clock_ms: system_ms,
            full_until,
            ..Self::new()
        };
    }
}

/// As the coordinator's machine does: an entry counts only in the term in which it was decided.
fn apply_entry(state: &mut State, entry: &Entry) -> Result<Vec<Effect>, Void> {
    if entry.decided != entry.entered {
        return Err(Void);
    }
    let mut effects = Vec::new();
    for fact in &entry.read {
        effects.extend(apply(state, fact).unwrap_or_else(|illegal| panic!("{illegal}")));
    }
    Ok(effects)
}

impl Life {
    /// What a member has applied, and how many entries that is.
    pub(crate) fn applied_by(&self, m: usize) -> (&State, usize) {
        (&self.members[m].state, self.members[m].applied as usize)
    }

    pub(crate) fn member_state(&self, m: usize) -> &State {
        &self.members[m].state
    }

    /// Something happens that a member notices by itself.
    pub(crate) fn tell_member(&mut self, m: usize, input: Input) {
        self.call(m, Caller::Nobody, Request::Act(input));
    }

    /// Nobody knows of anything that this member does not know.
    pub(super) fn is_newest(&self, m: usize) -> bool {
        self.members[m].applied as usize == self.entries.len()
    }

    /// After a turn of a loop that still leads. When it does not, others' entries may be applied already.
    pub(super) fn check_leadership(&mut self, m: usize, main_loop: &MainLoop, batch: &Batch) {
        let (Some(leader), state) = (&main_loop.leader, self.members[m].state.clone()) else { return };
        let leads = self.members[m].reign().is_some() && self.members[m].disk.term() == main_loop.term;
        if leads && self.is_newest(m) {
            if self.rng.chance(250) {
                self.check_replica(m);
            }
            self.check_leader(leader, &state, batch.decided_at);
        }
    }
}
